//! Numbers that are the same everywhere, and draws from a KDE.

use crate::array::or_null_mut;
use crate::error::{check, init};
use crate::{sys, ArrayMut, Context, Kde, MatrixMut, Query, Real, Result, Workspace};

/// Which numbers to draw: `scf_random_params`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomOptions {
    pub seed: u64,
    pub offset: u64,
    pub first_row: i64,
}

impl RandomOptions {
    pub fn new(seed: u64) -> Self {
        RandomOptions { seed, ..Default::default() }
    }
    fn params(&self) -> sys::scf_random_params {
        let mut params = init(sys::scf_random_params_init);
        params.seed = self.seed;
        params.offset = self.offset;
        params.first_row = self.first_row;
        params
    }
}

macro_rules! filler {
    ($(#[$text:meta])* $name:ident, $f32:ident, $f64:ident $(, $extra:ident: $kind:ty)*) => {
        $(#[$text])*
        pub fn $name<T: Real>(
            context: &Context,
            random: &RandomOptions,
            $($extra: $kind,)*
            out: MatrixMut<T>,
        ) -> Result<()> {
            let pointer = out.on(context, "out")?;
            // SAFETY: m rows of d, ld apart, on the context's device.
            context.finish(unsafe {
                by_dtype!(T, $f32, $f64, (
                    context.as_ptr(), &random.params(), out.m(), out.d(), $($extra,)*
                    pointer.cast(), out.ld(), context.stream(),
                ))
            })
        }
    };
}

filler!(
    /// Uniform in (0, 1].
    random_uniform, scf_random_uniform_f32, scf_random_uniform_f64
);
filler!(
    /// Standard normal.
    random_normal, scf_random_normal_f32, scf_random_normal_f64
);
filler!(
    /// +1 or -1.
    random_rademacher, scf_random_rademacher_f32, scf_random_rademacher_f64
);
filler!(
    /// Each row uniform on the sphere of that radius.
    random_sphere, scf_random_sphere_f32, scf_random_sphere_f64, radius: f64
);

/// The words that all numbers are made of.
pub fn random_bits(context: &Context, random: &RandomOptions, out: MatrixMut<u32>) -> Result<()> {
    let pointer = out.on(context, "out")?;
    // SAFETY: as above.
    context.finish(unsafe {
        sys::scf_random_bits(
            context.as_ptr(),
            &random.params(),
            out.m(),
            out.d(),
            pointer,
            out.ld(),
            context.stream(),
        )
    })
}

/// Draws from a KDE into the rows of out, and the index of each one's datum: `scf_kde_draw_*`.
pub fn kde_draw<T: Real>(
    context: &Context,
    kde: &Kde<T>,
    random: &RandomOptions,
    query: &Query<T>,
    out: MatrixMut<T>,
    indices: Option<ArrayMut<i64>>,
    workspace: &mut Workspace,
) -> Result<()> {
    let (m, d) = (out.row_count(), kde.dimension());
    let pointer = out.checked(context, m, d, "out")?;
    let chosen = or_null_mut(indices.as_ref(), |a| a.checked(context, m, "indices"))?;
    let params = query.params(context, m, d)?;
    let mut bytes = 0;
    // SAFETY: shapes and places were checked.
    unsafe {
        check(sys::scf_kde_draw_workspace(
            context.as_ptr(),
            kde.as_ptr(),
            out.m(),
            &params,
            &mut bytes,
        ))?;
        let memory = workspace.reserve(context, bytes)?;
        context.finish(by_dtype!(
            T,
            scf_kde_draw_f32,
            scf_kde_draw_f64,
            (
                context.as_ptr(),
                kde.as_ptr(),
                &random.params(),
                out.m(),
                &params,
                pointer.cast(),
                out.ld(),
                chosen,
                memory,
                bytes,
                context.stream(),
            )
        ))
    }
}
