//! The losses of score matching, of a model's outputs: where the model must be evaluated, then values,
//! mean and gradients.

use crate::array::{or_null, or_null_mut};
use crate::error::{check, init};
use crate::{sys, Array, ArrayMut, Context, Matrix, MatrixMut, Real, Result, Workspace};

/// What a loss is taken with: `scf_loss_params`. Perturbation and loss take the same. One thread at a
/// time may use it: calls write its `status`, though they borrow it shared.
///
/// ```compile_fail
/// fn sync<T: Sync>() {}
/// sync::<scorefield::LossOptions<f32>>();
/// ```
#[derive(Debug)]
pub struct LossOptions<'a, T> {
    pub form: i32,
    pub weighting: i32,
    pub probe: i32,
    pub weighting_exponent: f64,
    pub sigma: f64,
    pub signal_scale: f64,
    pub epsilon: f64,
    pub projections: i64,
    pub variance_reduced: bool,
    pub per_dimension: bool,
    pub gradient_scale: f64,
    pub seed: u64,
    pub offset: u64,
    pub first_row: i64,
    pub weights: Option<Array<'a, T>>,
    pub sigmas: Option<Array<'a, T>>,
    pub signal_scales: Option<Array<'a, T>>,
    pub mask: Option<Array<'a, u8>>,
    pub noise: Option<Matrix<'a, T>>,
    pub probes: Option<Matrix<'a, T>>,
    /// One word: bits `sys::SCF_LOSS_STATUS_*` are OR-ed in
    pub status: Option<ArrayMut<'a, u32>>,
}

impl<T> Default for LossOptions<'_, T> {
    fn default() -> Self {
        let params = init(sys::scf_loss_params_init);
        LossOptions {
            form: params.form,
            weighting: params.weighting,
            probe: params.probe,
            weighting_exponent: params.weighting_exponent,
            sigma: params.sigma,
            signal_scale: params.signal_scale,
            epsilon: params.epsilon,
            projections: params.projections,
            variance_reduced: params.variance_reduced != 0,
            per_dimension: params.per_dimension != 0,
            gradient_scale: params.gradient_scale,
            seed: params.seed,
            offset: params.offset,
            first_row: params.first_row,
            weights: None,
            sigmas: None,
            signal_scales: None,
            mask: None,
            noise: None,
            probes: None,
            status: None,
        }
    }
}

impl<'a, T: Real> LossOptions<'a, T> {
    /// Rows of probes: K for each sample.
    fn probe_rows(&self, m: usize) -> usize {
        usize::try_from(self.projections).unwrap_or(0).saturating_mul(m)
    }

    pub(crate) fn params(
        &self,
        context: &Context,
        m: usize,
        d: usize,
    ) -> Result<sys::scf_loss_params> {
        let mut params = init(sys::scf_loss_params_init);
        params.form = self.form;
        params.weighting = self.weighting;
        params.probe = self.probe;
        params.weighting_exponent = self.weighting_exponent;
        params.sigma = self.sigma;
        params.signal_scale = self.signal_scale;
        params.epsilon = self.epsilon;
        params.projections = self.projections;
        params.variance_reduced = self.variance_reduced.into();
        params.per_dimension = self.per_dimension.into();
        params.gradient_scale = self.gradient_scale;
        params.seed = self.seed;
        params.offset = self.offset;
        params.first_row = self.first_row;
        let reals = |array: &Option<Array<'a, T>>, name| {
            Ok(or_null(array.as_ref(), |a| a.checked(context, m, name))?.cast())
        };
        params.weights = reals(&self.weights, "weights")?;
        params.sigmas = reals(&self.sigmas, "sigmas")?;
        params.signal_scales = reals(&self.signal_scales, "signal_scales")?;
        params.mask = or_null(self.mask.as_ref(), |a| a.checked(context, m, "mask"))?;
        if let Some(noise) = &self.noise {
            params.noise = noise.checked(context, m, d, "noise")?.cast();
            params.ld_noise = noise.ld();
        }
        if let Some(probes) = &self.probes {
            params.probes = probes.checked(context, self.probe_rows(m), d, "probes")?.cast();
            params.ld_probes = probes.ld();
        }
        params.status = or_null_mut(self.status.as_ref(), |a| a.checked(context, 1, "status"))?;
        Ok(params)
    }
}

/// Where a loss goes: `scf_loss_outputs`. Mean and standard error are one number each.
#[derive(Debug)]
pub struct LossOutputs<'a, T> {
    pub values: Option<ArrayMut<'a, T>>,
    pub mean: Option<ArrayMut<'a, f64>>,
    pub standard_error: Option<ArrayMut<'a, f64>>,
}

impl<T> Default for LossOutputs<'_, T> {
    fn default() -> Self {
        LossOutputs { values: None, mean: None, standard_error: None }
    }
}

impl<T> LossOutputs<'_, T> {
    fn places(&mut self, context: &Context, m: usize) -> Result<sys::scf_loss_outputs> {
        let mut places = init(sys::scf_loss_outputs_init);
        places.values =
            or_null_mut(self.values.as_ref(), |a| a.checked(context, m, "values"))?.cast();
        places.mean = or_null_mut(self.mean.as_ref(), |a| a.checked(context, 1, "mean"))?;
        places.standard_error =
            or_null_mut(self.standard_error.as_ref(), |a| a.checked(context, 1, "standard_error"))?;
        Ok(places)
    }
}

/// Params, outputs and workspace of a loss of m samples.
struct Prepared {
    params: sys::scf_loss_params,
    outputs: sys::scf_loss_outputs,
    memory: *mut std::os::raw::c_void,
    bytes: usize,
}

fn prepare<T: Real>(
    context: &Context,
    options: &LossOptions<T>,
    (m, d): (usize, usize),
    outputs: &mut LossOutputs<T>,
    workspace: &mut Workspace,
) -> Result<Prepared> {
    let params = options.params(context, m, d)?;
    let outputs = outputs.places(context, m)?;
    let mut bytes = 0;
    // SAFETY: params are whole.
    check(unsafe {
        sys::scf_loss_workspace(context.as_ptr(), &params, m as i64, d as i64, &mut bytes)
    })?;
    Ok(Prepared { params, outputs, memory: workspace.reserve(context, bytes)?, bytes })
}

/// A gradient that may not be wanted: its pointer and leading dimension.
fn place<T>(
    gradient: &Option<MatrixMut<T>>,
    context: &Context,
    (m, d): (usize, usize),
    name: &str,
) -> Result<(*mut T, i64)> {
    let pointer = or_null_mut(gradient.as_ref(), |a| a.checked(context, m, d, name))?;
    Ok((pointer, gradient.as_ref().map_or(0, |a| a.ld())))
}

fn place_array<T>(
    gradient: &Option<ArrayMut<T>>,
    context: &Context,
    m: usize,
    name: &str,
) -> Result<*mut T> {
    or_null_mut(gradient.as_ref(), |a| a.checked(context, m, name))
}

/// DSM and DDE: a x + sigma z, and what the model's output is compared with.
pub fn dsm_perturb<T: Real>(
    context: &Context,
    options: &LossOptions<T>,
    x: Matrix<T>,
    perturbed: MatrixMut<T>,
    target: Option<MatrixMut<T>>,
) -> Result<()> {
    let shape = (x.row_count(), x.columns());
    let params = options.params(context, shape.0, shape.1)?;
    let from = x.on(context, "x")?;
    let to = perturbed.checked(context, shape.0, shape.1, "perturbed")?;
    let (compared, ld_target) = place(&target, context, shape, "target")?;
    // SAFETY: shapes and places were checked, here and below.
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_dsm_perturb_f32,
            scf_dsm_perturb_f64,
            (
                context.as_ptr(),
                &params,
                x.m(),
                x.d(),
                from.cast(),
                x.ld(),
                to.cast(),
                perturbed.ld(),
                compared.cast(),
                ld_target,
                context.stream(),
            )
        )
    })
}

/// SSM: the probes of m samples, K for each.
pub fn ssm_perturb<T: Real>(
    context: &Context,
    options: &LossOptions<T>,
    m: usize,
    probes: MatrixMut<T>,
) -> Result<()> {
    let d = probes.columns();
    let params = options.params(context, m, d)?;
    let to = probes.checked(context, options.probe_rows(m), d, "probes")?;
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_ssm_perturb_f32,
            scf_ssm_perturb_f64,
            (
                context.as_ptr(),
                &params,
                m as i64,
                d as i64,
                to.cast(),
                probes.ld(),
                context.stream(),
            )
        )
    })
}

macro_rules! perturb_pair {
    ($(#[$text:meta])* $name:ident, $f32:ident, $f64:ident) => {
        $(#[$text])*
        pub fn $name<T: Real>(
            context: &Context,
            options: &LossOptions<T>,
            x: Matrix<T>,
            plus: MatrixMut<T>,
            minus: MatrixMut<T>,
        ) -> Result<()> {
            let (m, d) = (x.row_count(), x.columns());
            let params = options.params(context, m, d)?;
            let from = x.on(context, "x")?;
            let (up, down) =
                (plus.checked(context, m, d, "plus")?, minus.checked(context, m, d, "minus")?);
            context.finish(unsafe {
                by_dtype!(T, $f32, $f64, (
                    context.as_ptr(), &params, x.m(), x.d(), from.cast(), x.ld(), up.cast(),
                    plus.ld(), down.cast(), minus.ld(), context.stream(),
                ))
            })
        }
    };
}
perturb_pair!(
    /// FD-SSM: x + v and x - v.
    fdssm_perturb, scf_fdssm_perturb_f32, scf_fdssm_perturb_f64
);
perturb_pair!(
    /// FD-DSM: x~ + n and x~ - n.
    fddsm_perturb, scf_fddsm_perturb_f32, scf_fddsm_perturb_f64
);

/// ESM: against the data's score.
pub fn esm_loss<T: Real>(
    context: &Context,
    options: &LossOptions<T>,
    score: Matrix<T>,
    data_score: Matrix<T>,
    outputs: &mut LossOutputs<T>,
    score_gradient: Option<MatrixMut<T>>,
    workspace: &mut Workspace,
) -> Result<()> {
    let shape = (score.row_count(), score.columns());
    let of = prepare(context, options, shape, outputs, workspace)?;
    let model = score.on(context, "score")?;
    let data = data_score.checked(context, shape.0, shape.1, "data_score")?;
    let (gradient, ld) = place(&score_gradient, context, shape, "score_gradient")?;
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_esm_loss_f32,
            scf_esm_loss_f64,
            (
                context.as_ptr(),
                &of.params,
                score.m(),
                score.d(),
                model.cast(),
                score.ld(),
                data.cast(),
                data_score.ld(),
                &of.outputs,
                gradient.cast(),
                ld,
                of.memory,
                of.bytes,
                context.stream(),
            )
        )
    })
}

/// ISM: of a score and its divergence.
#[allow(clippy::too_many_arguments)]
pub fn ism_loss<T: Real>(
    context: &Context,
    options: &LossOptions<T>,
    score: Matrix<T>,
    divergence: Array<T>,
    outputs: &mut LossOutputs<T>,
    score_gradient: Option<MatrixMut<T>>,
    divergence_gradient: Option<ArrayMut<T>>,
    workspace: &mut Workspace,
) -> Result<()> {
    let shape = (score.row_count(), score.columns());
    let of = prepare(context, options, shape, outputs, workspace)?;
    let model = score.on(context, "score")?;
    let trace = divergence.checked(context, shape.0, "divergence")?;
    let (gradient, ld) = place(&score_gradient, context, shape, "score_gradient")?;
    let of_trace = place_array(&divergence_gradient, context, shape.0, "divergence_gradient")?;
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_ism_loss_f32,
            scf_ism_loss_f64,
            (
                context.as_ptr(),
                &of.params,
                score.m(),
                score.d(),
                model.cast(),
                score.ld(),
                trace.cast(),
                &of.outputs,
                gradient.cast(),
                ld,
                of_trace.cast(),
                of.memory,
                of.bytes,
                context.stream(),
            )
        )
    })
}

/// DSM: of the model's output at the perturbed points; x where the form needs it.
pub fn dsm_loss<T: Real>(
    context: &Context,
    options: &LossOptions<T>,
    x: Option<Matrix<T>>,
    output: Matrix<T>,
    outputs: &mut LossOutputs<T>,
    output_gradient: Option<MatrixMut<T>>,
    workspace: &mut Workspace,
) -> Result<()> {
    let shape = (output.row_count(), output.columns());
    let of = prepare(context, options, shape, outputs, workspace)?;
    let model = output.on(context, "output")?;
    let clean = or_null(x.as_ref(), |a| a.checked(context, shape.0, shape.1, "x"))?;
    let (gradient, ld) = place(&output_gradient, context, shape, "output_gradient")?;
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_dsm_loss_f32,
            scf_dsm_loss_f64,
            (
                context.as_ptr(),
                &of.params,
                output.m(),
                output.d(),
                clean.cast(),
                x.as_ref().map_or(0, |a| a.ld()),
                model.cast(),
                output.ld(),
                &of.outputs,
                gradient.cast(),
                ld,
                of.memory,
                of.bytes,
                context.stream(),
            )
        )
    })
}

macro_rules! loss_of_two {
    ($(#[$text:meta])* $name:ident, $f32:ident, $f64:ident, $first:ident, $second:ident, $rows:expr) => {
        $(#[$text])*
        #[allow(clippy::too_many_arguments)]
        pub fn $name<T: Real>(
            context: &Context,
            options: &LossOptions<T>,
            $first: Matrix<T>,
            $second: Matrix<T>,
            outputs: &mut LossOutputs<T>,
            first_gradient: Option<MatrixMut<T>>,
            second_gradient: Option<MatrixMut<T>>,
            workspace: &mut Workspace,
        ) -> Result<()> {
            let shape = ($first.row_count(), $first.columns());
            let rows = ($rows)(options, shape.0);
            let of = prepare(context, options, shape, outputs, workspace)?;
            let one = $first.on(context, stringify!($first))?;
            let two = $second.checked(context, rows, shape.1, stringify!($second))?;
            let (of_one, ld_one) = place(&first_gradient, context, shape, "first_gradient")?;
            let (of_two, ld_two) =
                place(&second_gradient, context, (rows, shape.1), "second_gradient")?;
            context.finish(unsafe {
                by_dtype!(T, $f32, $f64, (
                    context.as_ptr(), &of.params, $first.m(), $first.d(), one.cast(), $first.ld(),
                    two.cast(), $second.ld(), &of.outputs, of_one.cast(), ld_one, of_two.cast(),
                    ld_two, of.memory, of.bytes, context.stream(),
                ))
            })
        }
    };
}
loss_of_two!(
    /// SSM: of a score and its products with the probes, K for each sample.
    ssm_loss, scf_ssm_loss_f32, scf_ssm_loss_f64, score, products,
    |options: &LossOptions<T>, m| options.probe_rows(m)
);
loss_of_two!(
    /// FD-SSM of scores at x + v and x - v.
    fdssm_score_loss, scf_fdssm_score_loss_f32, scf_fdssm_score_loss_f64, score_plus, score_minus,
    |_: &LossOptions<T>, m| m
);

/// FD-SSM of energies at x, x + v and x - v in d dimensions; gradients in the same order.
pub fn fdssm_energy_loss<T: Real>(
    context: &Context,
    options: &LossOptions<T>,
    d: usize,
    [energy, plus, minus]: [Array<T>; 3],
    outputs: &mut LossOutputs<T>,
    gradients: [Option<ArrayMut<T>>; 3],
    workspace: &mut Workspace,
) -> Result<()> {
    let m = energy.len();
    let of = prepare(context, options, (m, d), outputs, workspace)?;
    let at = energy.checked(context, m, "energy")?;
    let up = plus.checked(context, m, "energy_plus")?;
    let down = minus.checked(context, m, "energy_minus")?;
    let [of_at, of_up, of_down] = gradients;
    let of_at = place_array(&of_at, context, m, "energy_gradient")?;
    let of_up = place_array(&of_up, context, m, "energy_plus_gradient")?;
    let of_down = place_array(&of_down, context, m, "energy_minus_gradient")?;
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_fdssm_energy_loss_f32,
            scf_fdssm_energy_loss_f64,
            (
                context.as_ptr(),
                &of.params,
                m as i64,
                d as i64,
                at.cast(),
                up.cast(),
                down.cast(),
                &of.outputs,
                of_at.cast(),
                of_up.cast(),
                of_down.cast(),
                of.memory,
                of.bytes,
                context.stream(),
            )
        )
    })
}

/// FD-DSM of log-densities at x~ + n and x~ - n in d dimensions; gradients in the same order.
pub fn fddsm_loss<T: Real>(
    context: &Context,
    options: &LossOptions<T>,
    d: usize,
    [plus, minus]: [Array<T>; 2],
    outputs: &mut LossOutputs<T>,
    gradients: [Option<ArrayMut<T>>; 2],
    workspace: &mut Workspace,
) -> Result<()> {
    let m = plus.len();
    let of = prepare(context, options, (m, d), outputs, workspace)?;
    let up = plus.checked(context, m, "log_density_plus")?;
    let down = minus.checked(context, m, "log_density_minus")?;
    let [of_up, of_down] = gradients;
    let of_up = place_array(&of_up, context, m, "log_density_plus_gradient")?;
    let of_down = place_array(&of_down, context, m, "log_density_minus_gradient")?;
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_fddsm_loss_f32,
            scf_fddsm_loss_f64,
            (
                context.as_ptr(),
                &of.params,
                m as i64,
                d as i64,
                up.cast(),
                down.cast(),
                &of.outputs,
                of_up.cast(),
                of_down.cast(),
                of.memory,
                of.bytes,
                context.stream(),
            )
        )
    })
}

/// DDE: of the model's gradient at the perturbed points.
pub fn dde_loss<T: Real>(
    context: &Context,
    options: &LossOptions<T>,
    score: Matrix<T>,
    outputs: &mut LossOutputs<T>,
    score_gradient: Option<MatrixMut<T>>,
    workspace: &mut Workspace,
) -> Result<()> {
    let shape = (score.row_count(), score.columns());
    let of = prepare(context, options, shape, outputs, workspace)?;
    let model = score.on(context, "score")?;
    let (gradient, ld) = place(&score_gradient, context, shape, "score_gradient")?;
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_dde_loss_f32,
            scf_dde_loss_f64,
            (
                context.as_ptr(),
                &of.params,
                score.m(),
                score.d(),
                model.cast(),
                score.ld(),
                &of.outputs,
                gradient.cast(),
                ld,
                of.memory,
                of.bytes,
                context.stream(),
            )
        )
    })
}

/// DDE's direction of a generator's particles.
pub fn dde_direction<T: Real>(
    context: &Context,
    generator_score: Matrix<T>,
    data_score: Matrix<T>,
    direction: MatrixMut<T>,
) -> Result<()> {
    let (m, d) = (generator_score.row_count(), generator_score.columns());
    let generator = generator_score.on(context, "generator_score")?;
    let data = data_score.checked(context, m, d, "data_score")?;
    let to = direction.checked(context, m, d, "direction")?;
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_dde_direction_f32,
            scf_dde_direction_f64,
            (
                context.as_ptr(),
                m as i64,
                d as i64,
                generator.cast(),
                generator_score.ld(),
                data.cast(),
                data_score.ld(),
                to.cast(),
                direction.ld(),
                context.stream(),
            )
        )
    })
}
