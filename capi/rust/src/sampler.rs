//! Whole samplers, with a KDE or a closure as the model.

use crate::array::{or_null, or_null_mut, Place};
use crate::callback::Outcome;
use crate::error::{check, init};
use crate::{sys, Array, ArrayMut, Context, Error, Kde, Matrix, MatrixMut, Real, Result, Sde};
use std::os::raw::c_void;

/// Noise levels and the rest of a sampler's schedule, as many numbers as `scf_sampler_params` says;
/// what is empty is not given.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    pub signal_scales: Vec<f64>,
    pub sigmas: Vec<f64>,
    pub times: Vec<f64>,
    pub step_sizes: Vec<f64>,
    pub drifts: Vec<f64>,
    pub diffusions: Vec<f64>,
    pub intervals: Vec<f64>,
}

impl Schedule {
    /// The usual one of a method, `sys::SCF_SAMPLER_*`, under a diffusion; `step_size` is SMLD's.
    pub fn new(method: i32, sde: &Sde, steps: usize, step_size: f64) -> Result<Self> {
        let zeros = |n: usize| vec![0.0; n];
        let smld = method == sys::SCF_SAMPLER_SMLD;
        let euler = method == sys::SCF_SAMPLER_EM
            || (method == sys::SCF_SAMPLER_PC && sde.kind != sys::SCF_SDE_VE);
        let mut schedule = Schedule {
            signal_scales: zeros(steps + 1),
            sigmas: zeros(steps + 1),
            times: zeros(steps + 1),
            step_sizes: zeros(if smld { steps } else { 0 }),
            drifts: zeros(if euler { steps } else { 0 }),
            diffusions: zeros(if euler { steps } else { 0 }),
            intervals: zeros(if euler { steps } else { 0 }),
        };
        let place = |array: &mut Vec<f64>| match array.is_empty() {
            true => std::ptr::null_mut(),
            false => array.as_mut_ptr(),
        };
        // SAFETY: levels are steps + 1, the others steps or absent.
        check(unsafe {
            sys::scf_sampler_schedule(
                method,
                &sde.params(),
                steps as i64,
                step_size,
                place(&mut schedule.signal_scales),
                place(&mut schedule.sigmas),
                place(&mut schedule.times),
                place(&mut schedule.step_sizes),
                place(&mut schedule.drifts),
                place(&mut schedule.diffusions),
                place(&mut schedule.intervals),
            )
        })?;
        Ok(schedule)
    }
}

/// How a sampler runs: the numbers of `scf_sampler_params`.
#[derive(Clone, Copy, Debug)]
pub struct SamplerOptions {
    /// `sys::SCF_SAMPLER_*`
    pub method: i32,
    pub predictor: i32,
    pub corrector_first: bool,
    pub corrector_steps: i64,
    pub rule: i32,
    pub variance: i32,
    pub snr: f64,
    pub eta: f64,
    pub clip: f64,
    pub temperature: f64,
    pub churn: f64,
    pub churn_min: f64,
    pub churn_max: f64,
    pub churn_noise: f64,
    pub denoise: bool,
    /// `sys::SCF_START_*`
    pub start: i32,
    pub seed: u64,
    pub offset: u64,
    pub first_row: i64,
    pub first_step: i64,
    pub stop_step: i64,
    pub progress_every: i64,
}

impl SamplerOptions {
    pub fn new(method: i32) -> Self {
        let params = init(sys::scf_sampler_params_init);
        SamplerOptions {
            method,
            predictor: params.predictor,
            corrector_first: params.corrector_first != 0,
            corrector_steps: params.corrector_steps,
            rule: params.rule,
            variance: params.variance,
            snr: params.snr,
            eta: params.eta,
            clip: params.clip,
            temperature: params.temperature,
            churn: params.churn,
            churn_min: params.churn_min,
            churn_max: params.churn_max,
            churn_noise: params.churn_noise,
            denoise: params.denoise != 0,
            start: params.start,
            seed: params.seed,
            offset: params.offset,
            first_row: params.first_row,
            first_step: params.first_step,
            stop_step: params.stop_step,
            progress_every: params.progress_every,
        }
    }

    fn params(&self, schedule: &Schedule) -> Result<sys::scf_sampler_params> {
        let mut params = init(sys::scf_sampler_params_init);
        params.method = self.method;
        params.predictor = self.predictor;
        params.corrector_first = self.corrector_first.into();
        params.corrector_steps = self.corrector_steps;
        params.rule = self.rule;
        params.variance = self.variance;
        params.snr = self.snr;
        params.eta = self.eta;
        params.clip = self.clip;
        params.temperature = self.temperature;
        params.churn = self.churn;
        params.churn_min = self.churn_min;
        params.churn_max = self.churn_max;
        params.churn_noise = self.churn_noise;
        params.denoise = self.denoise.into();
        params.start = self.start;
        params.seed = self.seed;
        params.offset = self.offset;
        params.first_row = self.first_row;
        params.first_step = self.first_step;
        params.stop_step = self.stop_step;
        params.progress_every = self.progress_every;
        let levels = schedule.sigmas.len();
        params.steps = levels as i64 - 1;
        let array = |numbers: &Vec<f64>, len: usize, name: &str| match numbers.len() {
            0 => Ok(std::ptr::null()),
            n if n == len => Ok(numbers.as_ptr()),
            n => Err(Error::argument(format!("{name} must have {len} elements, got {n}"))),
        };
        params.sigmas = array(&schedule.sigmas, levels, "sigmas")?;
        params.signal_scales = array(&schedule.signal_scales, levels, "signal_scales")?;
        params.times = array(&schedule.times, levels, "times")?;
        let steps = levels.saturating_sub(1);
        params.step_sizes = array(&schedule.step_sizes, steps, "step_sizes")?;
        params.drifts = array(&schedule.drifts, steps, "drifts")?;
        params.diffusions = array(&schedule.diffusions, steps, "diffusions")?;
        params.intervals = array(&schedule.intervals, steps, "intervals")?;
        Ok(params)
    }
}

/// What a model is asked: its output at x.
#[derive(Debug)]
pub struct ModelRequest<'a, T> {
    pub x: Matrix<'a, T>,
    pub output: MatrixMut<'a, T>,
    pub signal_scale: f64,
    pub sigma: f64,
    pub time: f64,
    pub step: i64,
}

type ModelFn<'a, T> = &'a mut dyn FnMut(&mut ModelRequest<T>) -> Result<()>;

/// What a sampler follows.
pub enum Model<'a, T: Real> {
    Kde {
        kde: &'a Kde<T>,
        base_bandwidth: f64,
        labels: Option<Array<'a, i32>>,
    },
    /// A closure, and what its output is: `sys::SCF_FORM_*`.
    Function {
        form: i32,
        function: ModelFn<'a, T>,
    },
}

/// What else a run may have: guidance is added to the score, known coordinates (NaN: unknown) are put
/// back, progress cancels where it is `false`.
pub struct SamplerRun<'a, T: Real> {
    pub guidance: Option<ModelFn<'a, T>>,
    pub known: Option<Matrix<'a, T>>,
    pub progress: Option<&'a mut dyn FnMut(i64, i64) -> bool>,
    /// DPMPP: x0^ of the last step done, m x d, in and out
    pub previous: Option<ArrayMut<'a, T>>,
}

impl<T: Real> Default for SamplerRun<'_, T> {
    fn default() -> Self {
        SamplerRun { guidance: None, known: None, progress: None, previous: None }
    }
}

struct Callbacks<'a, T: Real> {
    place: Place,
    outcome: Outcome,
    model: Option<ModelFn<'a, T>>,
    guidance: Option<ModelFn<'a, T>>,
    progress: Option<&'a mut dyn FnMut(i64, i64) -> bool>,
}

impl<T: Real> Callbacks<'_, T> {
    /// SAFETY: a request of the library, of dtype T.
    unsafe fn request<'r>(&self, request: &'r sys::scf_model_request) -> ModelRequest<'r, T> {
        ModelRequest {
            x: Matrix::from_raw(request.x.cast(), (request.m, request.d, request.ldx), self.place),
            output: MatrixMut::from_raw(
                request.output.cast(),
                (request.m, request.d, request.ld_output),
                self.place,
            ),
            signal_scale: request.signal_scale,
            sigma: request.sigma,
            time: request.time,
            step: request.step,
        }
    }
}

unsafe extern "C" fn call_model<T: Real>(
    user: *mut c_void,
    request: *const sys::scf_model_request,
) -> sys::scf_status {
    let callbacks = &mut *user.cast::<Callbacks<T>>();
    let mut request = callbacks.request(&*request);
    request.output.zero();
    let function = callbacks.model.as_mut().expect("a model was given");
    callbacks.outcome.run(|| function(&mut request))
}

unsafe extern "C" fn call_guidance<T: Real>(
    user: *mut c_void,
    request: *const sys::scf_model_request,
) -> sys::scf_status {
    let callbacks = &mut *user.cast::<Callbacks<T>>();
    let mut request = callbacks.request(&*request);
    let function = callbacks.guidance.as_mut().expect("guidance was given");
    callbacks.outcome.run(|| function(&mut request))
}

unsafe extern "C" fn call_progress<T: Real>(user: *mut c_void, step: i64, steps: i64) -> i32 {
    let callbacks = &mut *user.cast::<Callbacks<T>>();
    let function = callbacks.progress.as_mut().expect("progress was given");
    let mut go_on = false;
    let status = callbacks.outcome.run(|| {
        go_on = function(step, steps);
        Ok(())
    });
    i32::from(status != sys::SCF_SUCCESS || !go_on)
}

/// Runs a sampler: x in (where the start is given) and out.
pub fn sample<T: Real>(
    context: &Context,
    options: &SamplerOptions,
    schedule: &Schedule,
    model: &mut Model<T>,
    x: MatrixMut<T>,
    run: &mut SamplerRun<T>,
) -> Result<()> {
    let (m, d) = (x.row_count(), x.columns());
    let pointer = x.on(context, "x")?;
    let mut params = options.params(schedule)?;
    let mut callbacks = Callbacks {
        place: Place::of(context),
        outcome: Outcome::default(),
        model: None,
        guidance: None,
        progress: None,
    };
    match model {
        Model::Kde { kde, base_bandwidth, labels } => {
            params.kde = kde.as_ptr();
            params.base_bandwidth = *base_bandwidth;
            params.labels = or_null(labels.as_ref(), |a| a.checked(context, m, "labels"))?;
        }
        Model::Function { form, function: closure } => {
            params.form = *form;
            params.model = Some(call_model::<T>);
            callbacks.model = Some(&mut **closure);
        }
    }
    if let Some(known) = &run.known {
        let rows = if known.row_count() == 1 { 1 } else { m };
        params.known = known.checked(context, rows, d, "known")?.cast();
        params.ld_known = if rows == 1 { 0 } else { known.ld() };
    }
    params.previous =
        or_null_mut(run.previous.as_ref(), |a| a.checked(context, m * d, "previous"))?.cast();
    if let Some(guidance) = &mut run.guidance {
        params.guidance = Some(call_guidance::<T>);
        callbacks.guidance = Some(&mut **guidance);
    }
    if let Some(progress) = &mut run.progress {
        params.progress = Some(call_progress::<T>);
        callbacks.progress = Some(&mut **progress);
    }
    let user: *mut c_void = (&mut callbacks as *mut Callbacks<T>).cast();
    params.model_user = user;
    params.guidance_user = user;
    params.progress_user = user;
    // SAFETY: shapes and places were checked; the callbacks live until the call is over, and are
    // called on this thread, one at a time.
    let status = unsafe {
        by_dtype!(
            T,
            scf_sample_f32,
            scf_sample_f64,
            (
                context.as_ptr(),
                &params,
                pointer.cast(),
                x.m(),
                x.d(),
                x.ld(),
                std::ptr::null_mut(),
                context.stream(),
            )
        )
    };
    let result = context.finish(status);
    callbacks.outcome.resolve(result)
}

/// Mean and variance of a KDE's data, coordinate by coordinate, of one label or of all.
pub fn kde_moments<T: Real>(
    context: &Context,
    kde: &Kde<T>,
    label: Option<i32>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let zeros = || vec![0.0; kde.dimension()];
    let (mut mean, mut variance) = (zeros(), zeros());
    // SAFETY: d numbers each.
    context.finish(unsafe {
        sys::scf_kde_moments(
            context.as_ptr(),
            kde.as_ptr(),
            label.unwrap_or(sys::SCF_KDE_ANY_LABEL),
            mean.as_mut_ptr(),
            variance.as_mut_ptr(),
            context.stream(),
        )
    })?;
    Ok((mean, variance))
}
