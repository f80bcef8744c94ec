//! ode.h, declared as it is: flows, the log-densities that they carry, and their gradients.

use super::core::{scf_context, scf_status};
use super::kde::scf_kde;
use super::schedule::scf_sde_params;
use std::os::raw::c_void;

pub const SCF_FIELD_FUNCTION: i32 = 0;
pub const SCF_FIELD_SCORE: i32 = 1;
pub const SCF_FIELD_KDE: i32 = 2;
pub const SCF_ODE_EULER: i32 = 0;
pub const SCF_ODE_HEUN: i32 = 1;
pub const SCF_ODE_RK4: i32 = 2;
pub const SCF_ODE_DOPRI5: i32 = 3;
pub const SCF_TRACE_NONE: i32 = 0;
pub const SCF_TRACE_EXACT: i32 = 1;
pub const SCF_TRACE_HUTCHINSON: i32 = 2;
pub const SCF_ODE_STATUS_NOT_FINITE: u32 = 1;
pub const SCF_ODE_STATUS_STEP_UNDERFLOW: u32 = 2;
pub const SCF_ODE_STATUS_STEP_LIMIT: u32 = 4;
pub const SCF_PRIOR_EXACT: i32 = 0;
pub const SCF_PRIOR_MATCHED: i32 = 1;
pub const SCF_PRIOR_GAUSSIAN: i32 = 2;
pub const SCF_ADJOINT_DISCRETE: i32 = 0;
pub const SCF_ADJOINT_CONTINUOUS: i32 = 1;
pub const SCF_LOCAL_VARIANCE_NOISE: i32 = 0;
pub const SCF_LOCAL_VARIANCE_JACOBIAN: i32 = 1;

pub type scf_field_fn = Option<
    unsafe extern "C" fn(user: *mut c_void, request: *const scf_field_request) -> scf_status,
>;
pub type scf_ode_progress_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, finished: i64, m: i64) -> i32>;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_field_request {
    pub struct_size: u32,
    pub element_bytes: i32,
    pub m: i64,
    pub d: i64,
    pub times: *const f64,
    pub signal_scales: *const f64,
    pub sigmas: *const f64,
    pub samples: *const i64,
    pub x: *const c_void,
    pub ldx: i64,
    pub value: *mut c_void,
    pub ld_value: i64,
    pub divergence: *mut f64,
    pub tangent: *const c_void,
    pub ld_tangent: i64,
    pub jacobian_product: *mut c_void,
    pub ld_jacobian_product: i64,
    pub cotangent: *const c_void,
    pub ld_cotangent: i64,
    pub vector_jacobian: *mut c_void,
    pub ld_vector_jacobian: i64,
    pub parameter_gradient: *mut f64,
    pub stream: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_field {
    pub struct_size: u32,
    pub kind: i32,
    pub function: scf_field_fn,
    pub user: *mut c_void,
    pub sde: *const scf_sde_params,
    pub kde: *const scf_kde,
    pub base_bandwidth: f64,
    pub labels: *const i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_ode_params {
    pub struct_size: u32,
    pub solver: i32,
    pub times: *const f64,
    pub n_times: i64,
    pub steps: i64,
    pub rtol: f64,
    pub atol: f64,
    pub first_step: f64,
    pub max_steps: i64,
    pub trace: i32,
    pub probe: i32,
    pub probes: i64,
    pub seed: u64,
    pub offset: u64,
    pub first_row: i64,
    pub states: *mut c_void,
    pub log_densities: *mut f64,
    pub statuses: *mut u32,
    pub steps_taken: *mut i64,
    pub steps_refused: *mut i64,
    pub progress: scf_ode_progress_fn,
    pub progress_user: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_ode_result {
    pub struct_size: u32,
    pub status: u32,
    pub failed: i64,
    pub first_failed: i64,
    pub calls: i64,
    pub evaluations: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_likelihood_params {
    pub struct_size: u32,
    pub prior: i32,
    pub prior_variance: f64,
    pub bin_width: f64,
    pub latents: *mut c_void,
    pub ld_latents: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_likelihood_result {
    pub struct_size: u32,
    pub reserved: u32,
    pub mean_log_density: f64,
    pub bits_per_dimension: f64,
    pub solution: scf_ode_result,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_adjoint_params {
    pub struct_size: u32,
    pub method: i32,
    pub checkpoint_every: i64,
    pub output_gradients: *const c_void,
    pub parameter_gradient: *mut f64,
    pub n_parameters: i64,
    pub log_bandwidth_gradient: *mut f64,
    pub data_gradient: *mut c_void,
    pub ld_data_gradient: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_local_variance_params {
    pub struct_size: u32,
    pub method: i32,
    pub epsilon: f64,
    pub draws: i64,
    pub seed: u64,
    pub offset: u64,
    pub first_row: i64,
}

extern "C" {
    pub fn scf_field_init(field: *mut scf_field, struct_size: u32) -> scf_status;
    pub fn scf_ode_params_init(params: *mut scf_ode_params, struct_size: u32) -> scf_status;
    pub fn scf_ode_result_init(result: *mut scf_ode_result, struct_size: u32) -> scf_status;
    pub fn scf_ode_solve_f32(
        context: *mut scf_context,
        field: *const scf_field,
        params: *const scf_ode_params,
        x: *mut f32,
        m: i64,
        d: i64,
        ldx: i64,
        log_density: *mut f64,
        result: *mut scf_ode_result,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ode_solve_f64(
        context: *mut scf_context,
        field: *const scf_field,
        params: *const scf_ode_params,
        x: *mut f64,
        m: i64,
        d: i64,
        ldx: i64,
        log_density: *mut f64,
        result: *mut scf_ode_result,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ode_encode_f32(
        context: *mut scf_context,
        field: *const scf_field,
        params: *const scf_ode_params,
        points: *const f32,
        m: i64,
        d: i64,
        ld_points: i64,
        latents: *mut f32,
        ld_latents: i64,
        round_trip: *mut f64,
        result: *mut scf_ode_result,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ode_encode_f64(
        context: *mut scf_context,
        field: *const scf_field,
        params: *const scf_ode_params,
        points: *const f64,
        m: i64,
        d: i64,
        ld_points: i64,
        latents: *mut f64,
        ld_latents: i64,
        round_trip: *mut f64,
        result: *mut scf_ode_result,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ode_decode_f32(
        context: *mut scf_context,
        field: *const scf_field,
        params: *const scf_ode_params,
        latents: *const f32,
        m: i64,
        d: i64,
        ld_latents: i64,
        points: *mut f32,
        ld_points: i64,
        result: *mut scf_ode_result,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ode_decode_f64(
        context: *mut scf_context,
        field: *const scf_field,
        params: *const scf_ode_params,
        latents: *const f64,
        m: i64,
        d: i64,
        ld_latents: i64,
        points: *mut f64,
        ld_points: i64,
        result: *mut scf_ode_result,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_likelihood_params_init(
        params: *mut scf_likelihood_params,
        struct_size: u32,
    ) -> scf_status;
    pub fn scf_likelihood_result_init(
        result: *mut scf_likelihood_result,
        struct_size: u32,
    ) -> scf_status;
    pub fn scf_ode_log_likelihood_f32(
        context: *mut scf_context,
        field: *const scf_field,
        params: *const scf_ode_params,
        likelihood: *const scf_likelihood_params,
        x: *const f32,
        m: i64,
        d: i64,
        ldx: i64,
        log_density: *mut f64,
        result: *mut scf_likelihood_result,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ode_log_likelihood_f64(
        context: *mut scf_context,
        field: *const scf_field,
        params: *const scf_ode_params,
        likelihood: *const scf_likelihood_params,
        x: *const f64,
        m: i64,
        d: i64,
        ldx: i64,
        log_density: *mut f64,
        result: *mut scf_likelihood_result,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_adjoint_params_init(params: *mut scf_adjoint_params, struct_size: u32)
        -> scf_status;
    pub fn scf_ode_adjoint_f32(
        context: *mut scf_context,
        field: *const scf_field,
        params: *const scf_ode_params,
        adjoint: *const scf_adjoint_params,
        x: *const f32,
        m: i64,
        d: i64,
        ldx: i64,
        gradient: *mut f32,
        ld_gradient: i64,
        result: *mut scf_ode_result,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ode_adjoint_f64(
        context: *mut scf_context,
        field: *const scf_field,
        params: *const scf_ode_params,
        adjoint: *const scf_adjoint_params,
        x: *const f64,
        m: i64,
        d: i64,
        ldx: i64,
        gradient: *mut f64,
        ld_gradient: i64,
        result: *mut scf_ode_result,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_local_variance_params_init(
        params: *mut scf_local_variance_params,
        struct_size: u32,
    ) -> scf_status;
    pub fn scf_ode_local_variance_f32(
        context: *mut scf_context,
        field: *const scf_field,
        params: *const scf_ode_params,
        of: *const scf_local_variance_params,
        x: *const f32,
        m: i64,
        d: i64,
        ldx: i64,
        values: *mut f64,
        result: *mut scf_ode_result,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ode_local_variance_f64(
        context: *mut scf_context,
        field: *const scf_field,
        params: *const scf_ode_params,
        of: *const scf_local_variance_params,
        x: *const f64,
        m: i64,
        d: i64,
        ldx: i64,
        values: *mut f64,
        result: *mut scf_ode_result,
        stream: *mut c_void,
    ) -> scf_status;
}
