use crate::sys;
use std::ffi::CStr;
use std::fmt;

/// A status other than success, and one line that says what was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    status: sys::scf_status,
    message: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of a caller's own, for callbacks: `status` is one of `sys::SCF_ERROR_*`.
    pub fn new(status: sys::scf_status, message: impl Into<String>) -> Self {
        Error { status, message: message.into() }
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Error::new(sys::SCF_ERROR_INVALID_ARGUMENT, message)
    }

    /// One of `sys::SCF_ERROR_*`.
    pub fn status(&self) -> sys::scf_status {
        self.status
    }

    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: static storage, whatever the status.
        let name = unsafe { CStr::from_ptr(sys::scf_status_name(self.status)) };
        write!(formatter, "{}: {}", name.to_string_lossy(), self.message)
    }
}

impl std::error::Error for Error {}

/// The result of a C call that was just made by this thread.
pub(crate) fn check(status: sys::scf_status) -> Result<()> {
    if status == sys::SCF_SUCCESS {
        return Ok(());
    }
    // SAFETY: valid until this thread's next failure; copied at once.
    let message = unsafe { CStr::from_ptr(sys::scf_last_error()) };
    Err(Error::new(status, message.to_string_lossy()))
}

/// A C struct with its size and its defaults.
pub(crate) fn init<P>(function: unsafe extern "C" fn(*mut P, u32) -> sys::scf_status) -> P {
    let mut params = std::mem::MaybeUninit::<P>::zeroed();
    // SAFETY: the size is that of the struct, so it is filled whole; its fields may all be zero.
    unsafe {
        let status = function(params.as_mut_ptr(), std::mem::size_of::<P>() as u32);
        assert_eq!(status, sys::SCF_SUCCESS, "the loaded libscorefield is another one");
        params.assume_init()
    }
}
