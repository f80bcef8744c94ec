//! The exact score of data, score-matching losses and samplers: libscorefield, safely.
//!
//! [`sys`] is the whole C interface as it is; the rest of this crate is the part of it that can be made
//! safe and short. The C headers in `include/scorefield` are the manual of both: names are theirs.
//!
//! * Threads, as core.h has it: a [`Context`] belongs to one thread at a time (`Send`, not `Sync`); a
//!   prepared [`Kde`] is immutable, and any number of threads may evaluate it at once (`Send`, `Sync`),
//!   each with its own context and [`Workspace`]. A `Kde` outlives the context it was made with.
//! * Memory: [`Matrix`] and [`Array`] borrow a slice or a [`Buffer`], mutably where a call writes. On a
//!   CPU context a slice is device memory; a CUDA context takes buffers of its own device alone, and
//!   says so otherwise. Shapes that do not fit are an error, never a read or write past the end.
//! * Streams: calls run on the default stream, or with [`ContextOptions::own_stream`] on the context's
//!   own, and on CUDA each waits for its work: no borrow ends before the device is done with it. Whoever
//!   wants asynchronous calls, graphs and device allocators takes [`sys`].
//! * Callbacks are closures; they run on the calling thread. What one returns as an error, the call
//!   returns; where one panics, the call panics.
//!
//! ```
//! use scorefield::{Context, Kde, Matrix, MatrixMut, Outputs, Query, Workspace};
//!
//! let data = [0.0f32, 0.0, 2.0, 0.0, 0.0, 2.0, 2.0, 2.0];
//! let mut score = [0.0f32; 2];
//! let context = Context::new()?;
//! let kde = Kde::new(&context, Matrix::rows(&data, 2)?)?;
//! let mut outputs = Outputs::default();
//! outputs.score = Some(MatrixMut::rows(&mut score, 2)?);
//! let x = [1.0f32, 1.0];
//! let mut workspace = Workspace::new(&context);
//! let query = Query::new(0.5);
//! kde.evaluate(&context, Matrix::rows(&x, 2)?, &query, &mut outputs, &mut workspace)?;
//! assert!(score[0].abs() < 1e-6); // the middle of the square
//! # Ok::<(), scorefield::Error>(())
//! ```

#[macro_use]
mod dtype;
mod array;
mod callback;
mod context;
mod divergence;
mod error;
mod fit;
mod kde;
mod loss;
mod ode;
mod random;
mod sampler;
mod schedule;
mod steps;
pub mod sys;

pub use array::{Array, ArrayMut, Buffer, Matrix, MatrixMut, Workspace};
pub use context::{device_count, version, Context, ContextOptions, HostAllocator};
pub use divergence::{divergence, kde_divergence, local_variance, Divergence};
pub use divergence::{DivergenceOf, DivergenceOutputs, DivergencePoints, LocalVariancePoints};
pub use dtype::{Element, Real};
pub use error::{Error, Result};
pub use fit::{fit_bandwidth, kde_loss, BandwidthFit, Loss};
pub use kde::{Gradients, Kde, KdeOptions, Outputs, Query};
pub use loss::*;
pub use ode::{ode_adjoint, ode_decode, ode_encode, ode_local_variance, ode_log_likelihood};
pub use ode::{ode_solve, Adjoint, Field, FieldRequest, LikelihoodOptions, LocalVarianceOptions};
pub use ode::{OdeOptions, OdeRequest, OdeResult};
pub use random::{kde_draw, RandomOptions};
pub use random::{random_bits, random_normal, random_rademacher, random_sphere, random_uniform};
pub use sampler::{kde_moments, sample, Model, ModelRequest, SamplerOptions, SamplerRun, Schedule};
pub use schedule::{schedule_alpha_bar, schedule_beta_cosine, schedule_beta_linear};
pub use schedule::{schedule_geometric, schedule_karras, schedule_strided, sde_evaluate};
pub use schedule::{Coefficients, Sde};
pub use steps::*;
