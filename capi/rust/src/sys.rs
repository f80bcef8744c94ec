//! The C interface as it is. The headers in include/scorefield are its manual; capi/abi/bindings.py
//! holds these declarations against them, and a test the layouts of the structs.
#![allow(non_camel_case_types)]

mod core;
mod divergence;
mod kde;
mod loss;
mod ode;
mod random;
mod sampler;
mod schedule;

pub use self::core::*;
pub use self::divergence::*;
pub use self::kde::*;
pub use self::loss::*;
pub use self::ode::*;
pub use self::random::*;
pub use self::sampler::*;
pub use self::schedule::*;
