//! float and double: the dtypes of the library, and the other numbers that its arrays hold.

mod sealed {
    pub trait Sealed {}
}

/// What a `Buffer` holds. Whatever a device leaves there is a value of each of these types, none has
/// padding, and none is aligned to more than the library's memory is: other types must not be added.
pub trait Element: sealed::Sealed + Copy + Default + PartialEq + std::fmt::Debug + 'static {}

macro_rules! elements {
    ($($element:ty)*) => {
        $(
            impl sealed::Sealed for $element {}
            impl Element for $element {}
        )*
    };
}
elements!(f32 f64 i32 i64 u8 u32 u64);

/// `f32` or `f64`.
pub trait Real: Element {
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
