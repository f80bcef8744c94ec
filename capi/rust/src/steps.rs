//! One step of a sampler at a time, of a model's output.

use crate::array::{or_null, or_null_mut};
use crate::error::{check, init};
use crate::{sys, Array, Context, Matrix, MatrixMut, Real, Result, Workspace};

/// What a step is made with: `scf_step_params`. Arrays, where they are given, go before the numbers.
#[derive(Clone, Copy, Debug)]
pub struct StepOptions<'a> {
    /// `sys::SCF_FORM_*` of the model's output
    pub form: i32,
    pub signal_scale: f64,
    pub sigma: f64,
    pub next_signal_scale: f64,
    pub next_sigma: f64,
    pub before_signal_scale: f64,
    pub before_sigma: f64,
    pub clip: f64,
    pub temperature: f64,
    pub step_size: f64,
    pub variance: i32,
    pub rule: i32,
    pub eta: f64,
    pub snr: f64,
    pub corrector_scale: f64,
    pub drift: f64,
    pub diffusion: f64,
    pub interval: f64,
    pub seed: u64,
    pub offset: u64,
    pub first_row: i64,
    // One number of each sample.
    pub signal_scales: Option<Array<'a, f64>>,
    pub sigmas: Option<Array<'a, f64>>,
    pub next_signal_scales: Option<Array<'a, f64>>,
    pub next_sigmas: Option<Array<'a, f64>>,
    pub before_signal_scales: Option<Array<'a, f64>>,
    pub before_sigmas: Option<Array<'a, f64>>,
    pub step_sizes: Option<Array<'a, f64>>,
    pub drifts: Option<Array<'a, f64>>,
    pub diffusions: Option<Array<'a, f64>>,
    pub intervals: Option<Array<'a, f64>>,
}

impl Default for StepOptions<'_> {
    fn default() -> Self {
        let params = init(sys::scf_step_params_init);
        StepOptions {
            form: params.form,
            signal_scale: params.signal_scale,
            sigma: params.sigma,
            next_signal_scale: params.next_signal_scale,
            next_sigma: params.next_sigma,
            before_signal_scale: params.before_signal_scale,
            before_sigma: params.before_sigma,
            clip: params.clip,
            temperature: params.temperature,
            step_size: params.step_size,
            variance: params.variance,
            rule: params.rule,
            eta: params.eta,
            snr: params.snr,
            corrector_scale: params.corrector_scale,
            drift: params.drift,
            diffusion: params.diffusion,
            interval: params.interval,
            seed: params.seed,
            offset: params.offset,
            first_row: params.first_row,
            signal_scales: None,
            sigmas: None,
            next_signal_scales: None,
            next_sigmas: None,
            before_signal_scales: None,
            before_sigmas: None,
            step_sizes: None,
            drifts: None,
            diffusions: None,
            intervals: None,
        }
    }
}

impl StepOptions<'_> {
    fn params(&self, context: &Context, m: usize) -> Result<sys::scf_step_params> {
        let mut params = init(sys::scf_step_params_init);
        params.form = self.form;
        params.signal_scale = self.signal_scale;
        params.sigma = self.sigma;
        params.next_signal_scale = self.next_signal_scale;
        params.next_sigma = self.next_sigma;
        params.before_signal_scale = self.before_signal_scale;
        params.before_sigma = self.before_sigma;
        params.clip = self.clip;
        params.temperature = self.temperature;
        params.step_size = self.step_size;
        params.variance = self.variance;
        params.rule = self.rule;
        params.eta = self.eta;
        params.snr = self.snr;
        params.corrector_scale = self.corrector_scale;
        params.drift = self.drift;
        params.diffusion = self.diffusion;
        params.interval = self.interval;
        params.seed = self.seed;
        params.offset = self.offset;
        params.first_row = self.first_row;
        let array =
            |of: &Option<Array<f64>>, name| or_null(of.as_ref(), |a| a.checked(context, m, name));
        params.signal_scales = array(&self.signal_scales, "signal_scales")?;
        params.sigmas = array(&self.sigmas, "sigmas")?;
        params.next_signal_scales = array(&self.next_signal_scales, "next_signal_scales")?;
        params.next_sigmas = array(&self.next_sigmas, "next_sigmas")?;
        params.before_signal_scales = array(&self.before_signal_scales, "before_signal_scales")?;
        params.before_sigmas = array(&self.before_sigmas, "before_sigmas")?;
        params.step_sizes = array(&self.step_sizes, "step_sizes")?;
        params.drifts = array(&self.drifts, "drifts")?;
        params.diffusions = array(&self.diffusions, "diffusions")?;
        params.intervals = array(&self.intervals, "intervals")?;
        Ok(params)
    }
}

macro_rules! step {
    ($(#[$text:meta])* $name:ident, $f32:ident, $f64:ident) => {
        $(#[$text])*
        ///
        /// x, output and next are of one shape; `denoised`, where given, takes x0^.
        pub fn $name<T: Real>(
            context: &Context,
            options: &StepOptions,
            x: Matrix<T>,
            output: Matrix<T>,
            next: MatrixMut<T>,
            denoised: Option<MatrixMut<T>>,
        ) -> Result<()> {
            let (m, d) = (x.row_count(), x.columns());
            let mut params = options.params(context, m)?;
            params.denoised =
                or_null_mut(denoised.as_ref(), |a| a.checked(context, m, d, "denoised"))?.cast();
            params.ld_denoised = denoised.as_ref().map_or(0, |a| a.ld());
            let from = x.on(context, "x")?;
            let model = output.checked(context, m, d, "output")?;
            let to = next.checked(context, m, d, "next")?;
            // SAFETY: shapes and places were checked.
            context.finish(unsafe {
                by_dtype!(T, $f32, $f64, (
                    context.as_ptr(), &params, x.m(), x.d(), from.cast(), x.ld(), model.cast(),
                    output.ld(), to.cast(), next.ld(), context.stream(),
                ))
            })
        }
    };
}

step!(
    /// Langevin.
    langevin_step, scf_langevin_step_f32, scf_langevin_step_f64
);
step!(
    /// x0^ itself, the last step of a sampler.
    denoise_step, scf_denoise_step_f32, scf_denoise_step_f64
);
step!(
    /// DDPM's.
    ancestral_step, scf_ancestral_step_f32, scf_ancestral_step_f64
);
step!(
    /// DDIM's; with eta = 0 and a = a' = 1, Euler's step of EDM.
    ddim_step, scf_ddim_step_f32, scf_ddim_step_f64
);
step!(
    /// Reverse diffusion.
    reverse_diffusion_step, scf_reverse_diffusion_step_f32, scf_reverse_diffusion_step_f64
);
step!(
    /// Euler-Maruyama, backward in time.
    euler_maruyama_step, scf_euler_maruyama_step_f32, scf_euler_maruyama_step_f64
);

/// DPM-Solver++(2M). `previous`: x0^ of the step before, None in the first one.
#[allow(clippy::too_many_arguments)]
pub fn dpmpp_step<T: Real>(
    context: &Context,
    options: &StepOptions,
    x: Matrix<T>,
    output: Matrix<T>,
    previous: Option<Matrix<T>>,
    next: MatrixMut<T>,
    denoised: Option<MatrixMut<T>>,
) -> Result<()> {
    let (m, d) = (x.row_count(), x.columns());
    let mut params = options.params(context, m)?;
    params.denoised =
        or_null_mut(denoised.as_ref(), |a| a.checked(context, m, d, "denoised"))?.cast();
    params.ld_denoised = denoised.as_ref().map_or(0, |a| a.ld());
    let from = x.on(context, "x")?;
    let model = output.checked(context, m, d, "output")?;
    let before = or_null(previous.as_ref(), |a| a.checked(context, m, d, "previous"))?;
    let to = next.checked(context, m, d, "next")?;
    // SAFETY: shapes and places were checked, here and below.
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_dpmpp_step_f32,
            scf_dpmpp_step_f64,
            (
                context.as_ptr(),
                &params,
                x.m(),
                x.d(),
                from.cast(),
                x.ld(),
                model.cast(),
                output.ld(),
                before.cast(),
                previous.as_ref().map_or(0, |a| a.ld()),
                to.cast(),
                next.ld(),
                context.stream(),
            )
        )
    })
}

/// Heun's correction of the Euler step that began with `denoised`.
pub fn heun_step<T: Real>(
    context: &Context,
    options: &StepOptions,
    x: Matrix<T>,
    output: Matrix<T>,
    denoised: Matrix<T>,
    next: MatrixMut<T>,
) -> Result<()> {
    let (m, d) = (x.row_count(), x.columns());
    let params = options.params(context, m)?;
    let from = x.on(context, "x")?;
    let model = output.checked(context, m, d, "output")?;
    let start = denoised.checked(context, m, d, "denoised")?;
    let to = next.checked(context, m, d, "next")?;
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_heun_step_f32,
            scf_heun_step_f64,
            (
                context.as_ptr(),
                &params,
                x.m(),
                x.d(),
                from.cast(),
                x.ld(),
                model.cast(),
                output.ld(),
                start.cast(),
                denoised.ld(),
                to.cast(),
                next.ld(),
                context.stream(),
            )
        )
    })
}

/// More noise: no model.
pub fn churn_step<T: Real>(
    context: &Context,
    options: &StepOptions,
    x: Matrix<T>,
    next: MatrixMut<T>,
) -> Result<()> {
    let (m, d) = (x.row_count(), x.columns());
    let params = options.params(context, m)?;
    let from = x.on(context, "x")?;
    let to = next.checked(context, m, d, "next")?;
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_churn_step_f32,
            scf_churn_step_f64,
            (
                context.as_ptr(),
                &params,
                x.m(),
                x.d(),
                from.cast(),
                x.ld(),
                to.cast(),
                next.ld(),
                context.stream(),
            )
        )
    })
}

/// Puts known coordinates back, NaN where unknown: a row for each of x, or one for all.
pub fn known_step<T: Real>(
    context: &Context,
    options: &StepOptions,
    x: Matrix<T>,
    known: Matrix<T>,
    next: MatrixMut<T>,
) -> Result<()> {
    let (m, d) = (x.row_count(), x.columns());
    let params = options.params(context, m)?;
    let from = x.on(context, "x")?;
    let rows = if known.row_count() == 1 { 1 } else { m };
    let given = known.checked(context, rows, d, "known")?;
    let ld = if rows == 1 { 0 } else { known.ld() };
    let to = next.checked(context, m, d, "next")?;
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_known_step_f32,
            scf_known_step_f64,
            (
                context.as_ptr(),
                &params,
                x.m(),
                x.d(),
                from.cast(),
                x.ld(),
                given.cast(),
                ld,
                to.cast(),
                next.ld(),
                context.stream(),
            )
        )
    })
}

/// A corrector, by `rule` and `snr`.
pub fn corrector_step<T: Real>(
    context: &Context,
    options: &StepOptions,
    x: Matrix<T>,
    output: Matrix<T>,
    next: MatrixMut<T>,
    workspace: &mut Workspace,
) -> Result<()> {
    let (m, d) = (x.row_count(), x.columns());
    let params = options.params(context, m)?;
    let from = x.on(context, "x")?;
    let model = output.checked(context, m, d, "output")?;
    let to = next.checked(context, m, d, "next")?;
    let mut bytes = 0;
    unsafe {
        check(sys::scf_corrector_workspace(context.as_ptr(), &params, x.m(), x.d(), &mut bytes))?;
        let memory = workspace.reserve(context, bytes)?;
        context.finish(by_dtype!(
            T,
            scf_corrector_step_f32,
            scf_corrector_step_f64,
            (
                context.as_ptr(),
                &params,
                x.m(),
                x.d(),
                from.cast(),
                x.ld(),
                model.cast(),
                output.ld(),
                to.cast(),
                next.ld(),
                memory,
                bytes,
                context.stream(),
            )
        ))
    }
}

/// A model's output in another form, `sys::SCF_FORM_*`.
pub fn convert_output<T: Real>(
    context: &Context,
    options: &StepOptions,
    x: Matrix<T>,
    output: Matrix<T>,
    form: i32,
    converted: MatrixMut<T>,
) -> Result<()> {
    let (m, d) = (x.row_count(), x.columns());
    let params = options.params(context, m)?;
    let from = x.on(context, "x")?;
    let model = output.checked(context, m, d, "output")?;
    let to = converted.checked(context, m, d, "converted")?;
    context.finish(unsafe {
        by_dtype!(
            T,
            scf_convert_output_f32,
            scf_convert_output_f64,
            (
                context.as_ptr(),
                &params,
                x.m(),
                x.d(),
                from.cast(),
                x.ld(),
                model.cast(),
                output.ld(),
                form,
                to.cast(),
                converted.ld(),
                context.stream(),
            )
        )
    })
}
