// Ctrl-C and its like: noted by a handler, acted on between two pieces of work, or at once.
#pragma once

namespace scf::cli {

// Notes SIGHUP, SIGINT, SIGQUIT and SIGTERM from now on; a signal that the parent had ignored stays
// ignored. Ignores SIGXFSZ, so that a file that may grow no further is an error of the write.
void watch_for_interrupts();

// Throws CommandError with the signal's exit code once one has come.
void throw_if_interrupted();

// While one lives, a signal ends the process there and then, with the same line and exit code: for
// calls into the library that cannot be stopped, in commands that would leave no file behind.
class EndAtOnce {
 public:
  EndAtOnce();  // throws where a signal has come before
  ~EndAtOnce();
  EndAtOnce(const EndAtOnce&) = delete;
  EndAtOnce& operator=(const EndAtOnce&) = delete;
};

}  // namespace scf::cli
