"""Drivers run in C, without the interpreter's lock, and call back: models, progress, Ctrl-C.

What a callback raises ends the run by the callback's status and is raised again once the driver has
returned. SIGINT is Python's to deliver, between two bytecodes of the main thread, of which a driver
runs none but in its callbacks: so while one runs a handler of its own notes the signal, the next
callback cancels, and then the former handler gets it (KeyboardInterrupt, as a rule). Within a
caller's function the former handler is called at once.
"""

import ctypes
import signal
import threading

from . import _abi, _library

_CANCELLED = _abi.CHOICES["SCF_ERROR_"]["cancelled"]
_KINDS = {name: _abi.callback_type(name) for name in _abi.CALLBACKS}


class Driver:
    """One run of a driver: `with Driver(...) as driver: driver.run(...)`.

    progress: None, True (tqdm), or a function of the numbers that the driver reports; what it
    returns cancels the run if it is true.
    """

    def __init__(self, progress, total, what):
        self._progress = progress if callable(progress) else None
        self._bar = None
        if progress is True:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                raise ImportError(
                    "progress=True shows tqdm's bar, which is not installed: pip install tqdm, "
                    "or give a function"
                ) from None
            self._bar = tqdm(total=total, desc=what)
        self._error = None
        self._interrupted = None
        self._in_function = False
        self._former = None
        self._installed = False
        self._keep = []

    # ---- Signals

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._former = signal.getsignal(signal.SIGINT)
            # None: a handler that was not installed from Python, which can wait for no bytecode of
            # ours.
            if callable(self._former):
                signal.signal(signal.SIGINT, self._on_signal)
                self._installed = True
        return self

    def __exit__(self, *_):
        self._restore()
        if self._bar is not None:
            self._bar.close()

    def _restore(self):
        if self._installed:
            self._installed = False
            signal.signal(signal.SIGINT, self._former)

    def _on_signal(self, number, frame):
        if self._in_function:
            self._former(number, frame)
        else:
            self._interrupted = (number, frame)

    # ---- Callbacks

    def callback(self, kind, function):
        """The address of a C callback that runs function(*arguments after `user`)."""

        def guarded(_, *arguments):
            if self._interrupted is not None or self._error is not None:
                return _CANCELLED
            try:
                self._in_function = True
                # The truth of a progress function's result is the caller's code too: NumPy's
                # arrays raise there.
                result = bool(function(*arguments))
                self._in_function = False
            except BaseException as error:  # whatever it is, it must not cross the C frames
                self._in_function = False
                self._error = error
                return _CANCELLED
            return _CANCELLED if result or self._interrupted is not None else 0

        pointer = _KINDS[kind](guarded)
        self._keep.append(pointer)
        return ctypes.cast(pointer, ctypes.c_void_p).value

    def report(self, done, total):
        """Progress of a sampler or a flow."""
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
        return self._progress is not None and self._progress(done, total)

    def report_fit(self, evaluations, bandwidth, loss):
        if self._bar is not None:
            self._bar.update(evaluations - self._bar.n)
            self._bar.set_postfix(bandwidth=bandwidth, loss=loss)
        return self._progress is not None and self._progress(evaluations, bandwidth, loss)

    @property
    def asked_for(self):
        """Whether the caller wants progress."""
        return self._bar is not None or self._progress is not None

    # ---- The run

    def run(self, call, name, *arguments):
        stopped = None
        try:
            with _library.inside_driver():
                call.run(name, *arguments)
        except _library.Error as error:
            if self._error is not None:
                raise self._error from None
            if self._interrupted is None or error.status != _CANCELLED:
                raise
            stopped = error
        if self._error is not None:
            raise self._error
        self._restore()
        if self._interrupted is not None:
            self._former(*self._interrupted)
        if stopped is not None:  # that handler raised nothing, but the run is not whole
            raise stopped
