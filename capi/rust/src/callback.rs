//! Closures behind C callbacks: no panic crosses C, and no error is lost.

use crate::{sys, Error, Result};
use std::any::Any;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

/// What a closure of a running call left for the caller.
#[derive(Default)]
pub(crate) struct Outcome {
    error: Option<Error>,
    panic: Option<Box<dyn Any + Send>>,
}

impl Outcome {
    /// Runs a closure's body; the status is what C is told.
    pub(crate) fn run(&mut self, body: impl FnOnce() -> Result<()>) -> sys::scf_status {
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(())) => sys::SCF_SUCCESS,
            Ok(Err(error)) => {
                // A callback that fails with success would go on.
                let status = match error.status() {
                    sys::SCF_SUCCESS => sys::SCF_ERROR_INTERNAL,
                    status => status,
                };
                self.error.get_or_insert(error);
                status
            }
            Err(panic) => {
                // A second one is leaked: to drop it may panic, and would unwind into C.
                match self.panic {
                    None => self.panic = Some(panic),
                    Some(_) => std::mem::forget(panic),
                }
                sys::SCF_ERROR_INTERNAL
            }
        }
    }

    /// The call's own result, unless a closure failed or panicked.
    pub(crate) fn resolve(self, result: Result<()>) -> Result<()> {
        if let Some(panic) = self.panic {
            resume_unwind(panic);
        }
        match (result, self.error) {
            (Err(_), Some(error)) => Err(error),
            (result, _) => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn no_second_panic_gets_out() {
        let mut outcome = Outcome::default();
        assert_eq!(outcome.run(|| panic!("first")), sys::SCF_ERROR_INTERNAL);
        let second = || std::panic::panic_any(PanicsWhenDropped);
        assert_eq!(outcome.run(second), sys::SCF_ERROR_INTERNAL);
        let first = catch_unwind(AssertUnwindSafe(|| outcome.resolve(Ok(())))).unwrap_err();
        assert_eq!(*first.downcast::<&str>().unwrap(), "first");
    }
}
