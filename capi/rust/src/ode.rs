//! Flows dx/dt = f(x, t), and the log-densities that they carry.

use crate::array::{or_null, or_null_mut, Place};
use crate::callback::Outcome;
use crate::error::init;
use crate::{sys, Array, ArrayMut, Context, Kde, Matrix, MatrixMut, Real, Result, Sde};
use std::os::raw::c_void;

/// What a field is asked at m states.
#[derive(Debug)]
pub struct FieldRequest<'a, T> {
    pub x: Matrix<'a, T>,
    /// Of each state, in device memory
    pub times: Array<'a, f64>,
    /// a and sigma of each state, where a score is asked for
    pub signal_scales: Option<Array<'a, f64>>,
    pub sigmas: Option<Array<'a, f64>>,
    pub value: Option<MatrixMut<'a, T>>,
    pub divergence: Option<ArrayMut<'a, f64>>,
    /// v and J v, where the trace is Hutchinson's
    pub tangent: Option<Matrix<'a, T>>,
    pub jacobian_product: Option<MatrixMut<'a, T>>,
    /// u and J^T u, where a gradient is taken
    pub cotangent: Option<Matrix<'a, T>>,
    pub vector_jacobian: Option<MatrixMut<'a, T>>,
    /// sum_i u_i . d value_i/d parameters is added to it
    pub parameter_gradient: Option<ArrayMut<'a, f64>>,
}

type FieldFn<'a, T> = &'a mut dyn FnMut(&mut FieldRequest<T>) -> Result<()>;

/// What is followed: f itself, or the probability flow of a diffusion from a score or a KDE.
pub enum Field<'a, T: Real> {
    Function(FieldFn<'a, T>),
    Score { sde: Sde, function: FieldFn<'a, T> },
    Kde { sde: Sde, kde: &'a Kde<T>, base_bandwidth: f64, labels: Option<Array<'a, i32>> },
}

/// How a flow is solved: the numbers of `scf_ode_params`.
#[derive(Clone, Copy, Debug)]
pub struct OdeOptions {
    /// `sys::SCF_ODE_*`
    pub solver: i32,
    pub steps: i64,
    pub rtol: f64,
    pub atol: f64,
    pub first_step: f64,
    pub max_steps: i64,
    /// `sys::SCF_TRACE_*`
    pub trace: i32,
    pub probe: i32,
    pub probes: i64,
    pub seed: u64,
    pub offset: u64,
    pub first_row: i64,
}

impl Default for OdeOptions {
    fn default() -> Self {
        let params = init(sys::scf_ode_params_init);
        OdeOptions {
            solver: params.solver,
            steps: params.steps,
            rtol: params.rtol,
            atol: params.atol,
            first_step: params.first_step,
            max_steps: params.max_steps,
            trace: params.trace,
            probe: params.probe,
            probes: params.probes,
            seed: params.seed,
            offset: params.offset,
            first_row: params.first_row,
        }
    }
}

/// The times of a solution, and what it tells besides x.
pub struct OdeRequest<'a, T> {
    /// times[0] is where x is; empty: 0 and 1, where a call allows it
    pub times: &'a [f64],
    /// n_times x m x d
    pub states: Option<ArrayMut<'a, T>>,
    /// One of each sample: `sys::SCF_ODE_STATUS_*`
    pub statuses: Option<ArrayMut<'a, u32>>,
    /// (finished, m); cancels where it is `false`
    pub progress: Option<&'a mut dyn FnMut(i64, i64) -> bool>,
}

impl<'a, T> OdeRequest<'a, T> {
    pub fn new(times: &'a [f64]) -> Self {
        OdeRequest { times, states: None, statuses: None, progress: None }
    }
}

/// What became of a solution. Samples that failed are NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OdeResult {
    pub status: u32,
    pub failed: i64,
    pub first_failed: i64,
    pub calls: i64,
    pub evaluations: i64,
}

impl From<sys::scf_ode_result> for OdeResult {
    fn from(of: sys::scf_ode_result) -> Self {
        OdeResult {
            status: of.status,
            failed: of.failed,
            first_failed: of.first_failed,
            calls: of.calls,
            evaluations: of.evaluations,
        }
    }
}

struct Callbacks<'a, T: Real> {
    place: Place,
    outcome: Outcome,
    function: Option<FieldFn<'a, T>>,
    parameters: usize,
    progress: Option<&'a mut dyn FnMut(i64, i64) -> bool>,
}

unsafe extern "C" fn call_field<T: Real>(
    user: *mut c_void,
    request: *const sys::scf_field_request,
) -> sys::scf_status {
    let callbacks = &mut *user.cast::<Callbacks<T>>();
    let (of, place) = (&*request, callbacks.place);
    let given = |data: *const c_void, ld| match data.is_null() {
        true => None,
        false => Some(Matrix::from_raw(data.cast(), (of.m, of.d, ld), place)),
    };
    let wanted = |data: *mut c_void, ld| match data.is_null() {
        true => None,
        false => {
            let mut output: MatrixMut<T> =
                MatrixMut::from_raw(data.cast(), (of.m, of.d, ld), place);
            output.zero();
            Some(output)
        }
    };
    let levels = |data: *const f64| match data.is_null() {
        true => None,
        false => Some(Array::from_raw(data, of.m, place)),
    };
    let mut request = FieldRequest {
        x: Matrix::from_raw(of.x.cast(), (of.m, of.d, of.ldx), place),
        times: Array::from_raw(of.times, of.m, place),
        signal_scales: levels(of.signal_scales),
        sigmas: levels(of.sigmas),
        value: wanted(of.value, of.ld_value),
        divergence: match of.divergence.is_null() {
            true => None,
            false => {
                let mut output = ArrayMut::from_raw(of.divergence, of.m, place);
                output.zero();
                Some(output)
            }
        },
        tangent: given(of.tangent, of.ld_tangent),
        jacobian_product: wanted(of.jacobian_product, of.ld_jacobian_product),
        cotangent: given(of.cotangent, of.ld_cotangent),
        vector_jacobian: wanted(of.vector_jacobian, of.ld_vector_jacobian),
        parameter_gradient: match of.parameter_gradient.is_null() {
            true => None,
            // Not zeroed: it is added to, and was zeroed before the first call.
            false => {
                let count = callbacks.parameters as i64;
                Some(ArrayMut::from_raw(of.parameter_gradient, count, place))
            }
        },
    };
    let function = callbacks.function.as_mut().expect("a function was given");
    callbacks.outcome.run(|| function(&mut request))
}

unsafe extern "C" fn call_progress<T: Real>(user: *mut c_void, finished: i64, m: i64) -> i32 {
    let callbacks = &mut *user.cast::<Callbacks<T>>();
    let function = callbacks.progress.as_mut().expect("progress was given");
    let mut go_on = false;
    let status = callbacks.outcome.run(|| {
        go_on = function(finished, m);
        Ok(())
    });
    i32::from(status != sys::SCF_SUCCESS || !go_on)
}

/// Fills the C structs, and makes the call with them.
fn with_field<T: Real>(
    context: &Context,
    field: &mut Field<T>,
    options: &OdeOptions,
    request: &mut OdeRequest<T>,
    (m, d, parameters): (usize, usize, usize),
    call: impl FnOnce(&sys::scf_field, &sys::scf_ode_params) -> sys::scf_status,
) -> Result<()> {
    let mut of = init(sys::scf_field_init);
    let mut callbacks = Callbacks {
        place: Place::of(context),
        outcome: Outcome::default(),
        function: None,
        parameters,
        progress: None,
    };
    if let Some(progress) = &mut request.progress {
        callbacks.progress = Some(&mut **progress);
    }
    let sde_params;
    match field {
        Field::Function(function) => {
            of.kind = sys::SCF_FIELD_FUNCTION;
            of.function = Some(call_field::<T>);
            callbacks.function = Some(&mut **function);
        }
        Field::Score { sde, function } => {
            of.kind = sys::SCF_FIELD_SCORE;
            of.function = Some(call_field::<T>);
            callbacks.function = Some(&mut **function);
            sde_params = sde.params();
            of.sde = &sde_params;
        }
        Field::Kde { sde, kde, base_bandwidth, labels } => {
            of.kind = sys::SCF_FIELD_KDE;
            of.kde = kde.as_ptr();
            of.base_bandwidth = *base_bandwidth;
            of.labels = or_null(labels.as_ref(), |a| a.checked(context, m, "labels"))?;
            sde_params = sde.params();
            of.sde = &sde_params;
        }
    }
    let mut params = init(sys::scf_ode_params_init);
    params.solver = options.solver;
    params.steps = options.steps;
    params.rtol = options.rtol;
    params.atol = options.atol;
    params.first_step = options.first_step;
    params.max_steps = options.max_steps;
    params.trace = options.trace;
    params.probe = options.probe;
    params.probes = options.probes;
    params.seed = options.seed;
    params.offset = options.offset;
    params.first_row = options.first_row;
    if !request.times.is_empty() {
        params.times = request.times.as_ptr();
        params.n_times = request.times.len() as i64;
    }
    let n_times = if request.times.is_empty() { 2 } else { request.times.len() };
    let states = n_times.saturating_mul(m).saturating_mul(d);
    params.states =
        or_null_mut(request.states.as_ref(), |a| a.checked(context, states, "states"))?.cast();
    params.statuses =
        or_null_mut(request.statuses.as_ref(), |a| a.checked(context, m, "statuses"))?;
    if callbacks.progress.is_some() {
        params.progress = Some(call_progress::<T>);
    }
    let user: *mut c_void = (&mut callbacks as *mut Callbacks<T>).cast();
    of.user = user;
    params.progress_user = user;
    let result = context.finish(call(&of, &params));
    callbacks.outcome.resolve(result)
}

/// Solves from times[0] to the last time, x in and out; with a trace, `log_density` is the change of
/// log p: `scf_ode_solve_*`.
pub fn ode_solve<T: Real>(
    context: &Context,
    field: &mut Field<T>,
    options: &OdeOptions,
    request: &mut OdeRequest<T>,
    x: MatrixMut<T>,
    log_density: Option<ArrayMut<f64>>,
) -> Result<OdeResult> {
    let (m, d) = (x.row_count(), x.columns());
    let pointer = x.on(context, "x")?;
    let change = or_null_mut(log_density.as_ref(), |a| a.checked(context, m, "log_density"))?;
    let mut result = init(sys::scf_ode_result_init);
    with_field(context, field, options, request, (m, d, 0), |of, params| {
        // SAFETY: shapes and places were checked, here and below; callbacks outlive the call.
        unsafe {
            by_dtype!(
                T,
                scf_ode_solve_f32,
                scf_ode_solve_f64,
                (
                    context.as_ptr(),
                    of,
                    params,
                    pointer.cast(),
                    x.m(),
                    x.d(),
                    x.ld(),
                    change,
                    &mut result,
                    context.stream(),
                )
            )
        }
    })?;
    Ok(result.into())
}

/// Points taken to the last time: `scf_ode_encode_*`.
pub fn ode_encode<T: Real>(
    context: &Context,
    field: &mut Field<T>,
    options: &OdeOptions,
    request: &mut OdeRequest<T>,
    points: Matrix<T>,
    latents: MatrixMut<T>,
) -> Result<OdeResult> {
    let (m, d) = (points.row_count(), points.columns());
    let from = points.on(context, "points")?;
    let to = latents.checked(context, m, d, "latents")?;
    let mut result = init(sys::scf_ode_result_init);
    with_field(context, field, options, request, (m, d, 0), |of, params| unsafe {
        by_dtype!(
            T,
            scf_ode_encode_f32,
            scf_ode_encode_f64,
            (
                context.as_ptr(),
                of,
                params,
                from.cast(),
                points.m(),
                points.d(),
                points.ld(),
                to.cast(),
                latents.ld(),
                std::ptr::null_mut(),
                &mut result,
                context.stream(),
            )
        )
    })?;
    Ok(result.into())
}

/// Latents taken back to times[0]: `scf_ode_decode_*`.
pub fn ode_decode<T: Real>(
    context: &Context,
    field: &mut Field<T>,
    options: &OdeOptions,
    request: &mut OdeRequest<T>,
    latents: Matrix<T>,
    points: MatrixMut<T>,
) -> Result<OdeResult> {
    let (m, d) = (latents.row_count(), latents.columns());
    let from = latents.on(context, "latents")?;
    let to = points.checked(context, m, d, "points")?;
    let mut result = init(sys::scf_ode_result_init);
    with_field(context, field, options, request, (m, d, 0), |of, params| unsafe {
        by_dtype!(
            T,
            scf_ode_decode_f32,
            scf_ode_decode_f64,
            (
                context.as_ptr(),
                of,
                params,
                from.cast(),
                latents.m(),
                latents.d(),
                latents.ld(),
                to.cast(),
                points.ld(),
                &mut result,
                context.stream(),
            )
        )
    })?;
    Ok(result.into())
}

/// What a likelihood is taken with: the numbers of `scf_likelihood_params`.
#[derive(Clone, Copy, Debug)]
pub struct LikelihoodOptions {
    pub prior: i32,
    pub prior_variance: f64,
    pub bin_width: f64,
}

impl Default for LikelihoodOptions {
    fn default() -> Self {
        let params = init(sys::scf_likelihood_params_init);
        LikelihoodOptions {
            prior: params.prior,
            prior_variance: params.prior_variance,
            bin_width: params.bin_width,
        }
    }
}

/// log p of each row of x along a flow: `scf_ode_log_likelihood_*`. Returns bits per dimension too.
#[allow(clippy::too_many_arguments)]
pub fn ode_log_likelihood<T: Real>(
    context: &Context,
    field: &mut Field<T>,
    options: &OdeOptions,
    likelihood: &LikelihoodOptions,
    request: &mut OdeRequest<T>,
    x: Matrix<T>,
    log_density: ArrayMut<f64>,
) -> Result<(f64, OdeResult)> {
    let (m, d) = (x.row_count(), x.columns());
    let pointer = x.on(context, "x")?;
    let place = log_density.checked(context, m, "log_density")?;
    let mut of_data = init(sys::scf_likelihood_params_init);
    of_data.prior = likelihood.prior;
    of_data.prior_variance = likelihood.prior_variance;
    of_data.bin_width = likelihood.bin_width;
    let mut result = init(sys::scf_likelihood_result_init);
    with_field(context, field, options, request, (m, d, 0), |of, params| unsafe {
        by_dtype!(
            T,
            scf_ode_log_likelihood_f32,
            scf_ode_log_likelihood_f64,
            (
                context.as_ptr(),
                of,
                params,
                &of_data,
                pointer.cast(),
                x.m(),
                x.d(),
                x.ld(),
                place,
                &mut result,
                context.stream(),
            )
        )
    })?;
    Ok((result.bits_per_dimension, result.solution.into()))
}

/// Of what a loss L of the states is to be differentiated: `scf_adjoint_params`.
#[derive(Debug)]
pub struct Adjoint<'a, T> {
    /// `sys::SCF_ADJOINT_*`
    pub method: i32,
    pub checkpoint_every: i64,
    /// n_times x m x d: dL/dx at each of the times
    pub output_gradients: Array<'a, T>,
    /// Of a function: the closure adds to it
    pub parameter_gradient: Option<ArrayMut<'a, f64>>,
    /// Of a KDE: one number, dL/d log h0
    pub log_bandwidth_gradient: Option<ArrayMut<'a, f64>>,
    /// Of a KDE: n x d
    pub data_gradient: Option<MatrixMut<'a, T>>,
}

impl<'a, T> Adjoint<'a, T> {
    pub fn new(output_gradients: impl Into<Array<'a, T>>) -> Self {
        let params = init(sys::scf_adjoint_params_init);
        Adjoint {
            method: params.method,
            checkpoint_every: params.checkpoint_every,
            output_gradients: output_gradients.into(),
            parameter_gradient: None,
            log_bandwidth_gradient: None,
            data_gradient: None,
        }
    }
}

/// The gradient, m x d, of a loss of the states at the request's times, with respect to x:
/// `scf_ode_adjoint_*`. Functions must answer with `vector_jacobian`.
#[allow(clippy::too_many_arguments)]
pub fn ode_adjoint<T: Real>(
    context: &Context,
    field: &mut Field<T>,
    options: &OdeOptions,
    request: &mut OdeRequest<T>,
    adjoint: &mut Adjoint<T>,
    x: Matrix<T>,
    gradient: MatrixMut<T>,
) -> Result<OdeResult> {
    let (m, d) = (x.row_count(), x.columns());
    let n = match field {
        Field::Kde { kde, .. } => kde.size(),
        _ => 0,
    };
    let pointer = x.on(context, "x")?;
    let to = gradient.checked(context, m, d, "gradient")?;
    let n_times = if request.times.is_empty() { 2 } else { request.times.len() };
    let states = n_times.saturating_mul(m).saturating_mul(d);
    let mut of_loss = init(sys::scf_adjoint_params_init);
    of_loss.method = adjoint.method;
    of_loss.checkpoint_every = adjoint.checkpoint_every;
    of_loss.output_gradients =
        adjoint.output_gradients.checked(context, states, "output_gradients")?.cast();
    let parameters = adjoint.parameter_gradient.as_ref().map_or(0, |a| a.len());
    of_loss.parameter_gradient = or_null_mut(adjoint.parameter_gradient.as_ref(), |a| {
        a.checked(context, parameters, "parameter_gradient")
    })?;
    of_loss.n_parameters = parameters as i64;
    of_loss.log_bandwidth_gradient = or_null_mut(adjoint.log_bandwidth_gradient.as_ref(), |a| {
        a.checked(context, 1, "log_bandwidth_gradient")
    })?;
    if let Some(of_data) = &adjoint.data_gradient {
        of_loss.data_gradient = of_data.checked(context, n, d, "data_gradient")?.cast();
        of_loss.ld_data_gradient = of_data.ld();
    }
    let mut result = init(sys::scf_ode_result_init);
    with_field(context, field, options, request, (m, d, parameters), |of, params| unsafe {
        by_dtype!(
            T,
            scf_ode_adjoint_f32,
            scf_ode_adjoint_f64,
            (
                context.as_ptr(),
                of,
                params,
                &of_loss,
                pointer.cast(),
                x.m(),
                x.d(),
                x.ld(),
                to.cast(),
                gradient.ld(),
                &mut result,
                context.stream(),
            )
        )
    })?;
    Ok(result.into())
}

/// How a local variance is estimated: `scf_local_variance_params`.
#[derive(Clone, Copy, Debug)]
pub struct LocalVarianceOptions {
    /// `sys::SCF_LOCAL_VARIANCE_*`
    pub method: i32,
    pub epsilon: f64,
    pub draws: i64,
    pub seed: u64,
    pub offset: u64,
    pub first_row: i64,
}

impl Default for LocalVarianceOptions {
    fn default() -> Self {
        let params = init(sys::scf_local_variance_params_init);
        LocalVarianceOptions {
            method: params.method,
            epsilon: params.epsilon,
            draws: params.draws,
            seed: params.seed,
            offset: params.offset,
            first_row: params.first_row,
        }
    }
}

/// How much a flow stretches noise at each row of x: `scf_ode_local_variance_*`.
pub fn ode_local_variance<T: Real>(
    context: &Context,
    field: &mut Field<T>,
    options: &OdeOptions,
    request: &mut OdeRequest<T>,
    estimate: &LocalVarianceOptions,
    x: Matrix<T>,
    values: ArrayMut<f64>,
) -> Result<OdeResult> {
    let (m, d) = (x.row_count(), x.columns());
    let pointer = x.on(context, "x")?;
    let place = values.checked(context, m, "values")?;
    let mut how = init(sys::scf_local_variance_params_init);
    how.method = estimate.method;
    how.epsilon = estimate.epsilon;
    how.draws = estimate.draws;
    how.seed = estimate.seed;
    how.offset = estimate.offset;
    how.first_row = estimate.first_row;
    let mut result = init(sys::scf_ode_result_init);
    with_field(context, field, options, request, (m, d, 0), |of, params| unsafe {
        by_dtype!(
            T,
            scf_ode_local_variance_f32,
            scf_ode_local_variance_f64,
            (
                context.as_ptr(),
                of,
                params,
                &how,
                pointer.cast(),
                x.m(),
                x.d(),
                x.ld(),
                place,
                &mut result,
                context.stream(),
            )
        )
    })?;
    Ok(result.into())
}
