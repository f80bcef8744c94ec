//! float and double: the dtypes of the library.

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`.
pub trait Real: sealed::Sealed + Copy + Default + PartialEq + std::fmt::Debug + 'static {
    #[doc(hidden)]
    const IS_F32: bool;
}
impl Real for f32 {
    const IS_F32: bool = true;
}
impl Real for f64 {
    const IS_F32: bool = false;
}

/// Calls the one of a pair of C functions that takes T. Pointers to T are handed over with `.cast()`.
macro_rules! by_dtype {
    ($T:ty, $f32:ident, $f64:ident, ($($argument:expr),* $(,)?)) => {
        if <$T as $crate::Real>::IS_F32 {
            $crate::sys::$f32($($argument),*)
        } else {
            $crate::sys::$f64($($argument),*)
        }
    };
}
