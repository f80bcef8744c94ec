//! sampler.h, declared as it is: from noise to samples.

use super::core::{scf_context, scf_status};
use super::kde::scf_kde;
use super::schedule::scf_sde_params;
use std::os::raw::c_void;

pub const SCF_VARIANCE_SMALL: i32 = 0;
pub const SCF_VARIANCE_LARGE: i32 = 1;
pub const SCF_CORRECTOR_SIGMA: i32 = 0;
pub const SCF_CORRECTOR_SAMPLE: i32 = 1;
pub const SCF_CORRECTOR_BATCH: i32 = 2;
pub const SCF_STEP_STATUS_BAD_LEVEL: u32 = 1;
pub const SCF_STEP_STATUS_BAD_STEP_SIZE: u32 = 2;
pub const SCF_STEP_STATUS_NOT_FINITE: u32 = 4;
pub const SCF_SAMPLER_SMLD: i32 = 0;
pub const SCF_SAMPLER_DDPM: i32 = 1;
pub const SCF_SAMPLER_DDIM: i32 = 2;
pub const SCF_SAMPLER_PC: i32 = 3;
pub const SCF_SAMPLER_EM: i32 = 4;
pub const SCF_SAMPLER_EDM: i32 = 5;
pub const SCF_SAMPLER_DPMPP: i32 = 6;
pub const SCF_PREDICTOR_NONE: i32 = 0;
pub const SCF_PREDICTOR_REVERSE_DIFFUSION: i32 = 1;
pub const SCF_PREDICTOR_ANCESTRAL: i32 = 2;
pub const SCF_PREDICTOR_EULER_MARUYAMA: i32 = 3;
pub const SCF_START_GIVEN: i32 = 0;
pub const SCF_START_PRIOR: i32 = 1;
pub const SCF_START_MATCHED: i32 = 2;

pub type scf_model_fn = Option<
    unsafe extern "C" fn(user: *mut c_void, request: *const scf_model_request) -> scf_status,
>;
pub type scf_sampler_progress_fn =
    Option<unsafe extern "C" fn(user: *mut c_void, step: i64, steps: i64) -> i32>;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_step_params {
    pub struct_size: u32,
    pub form: i32,
    pub signal_scale: f64,
    pub sigma: f64,
    pub next_signal_scale: f64,
    pub next_sigma: f64,
    pub signal_scales: *const f64,
    pub sigmas: *const f64,
    pub next_signal_scales: *const f64,
    pub next_sigmas: *const f64,
    pub clip: f64,
    pub temperature: f64,
    pub step_size: f64,
    pub step_sizes: *const f64,
    pub variance: i32,
    pub rule: i32,
    pub eta: f64,
    pub snr: f64,
    pub corrector_scale: f64,
    pub drift: f64,
    pub diffusion: f64,
    pub interval: f64,
    pub drifts: *const f64,
    pub diffusions: *const f64,
    pub intervals: *const f64,
    pub before_signal_scale: f64,
    pub before_sigma: f64,
    pub before_signal_scales: *const f64,
    pub before_sigmas: *const f64,
    pub seed: u64,
    pub offset: u64,
    pub first_row: i64,
    pub device_offset: *const u64,
    pub noise: *const c_void,
    pub ld_noise: i64,
    pub denoised: *mut c_void,
    pub ld_denoised: i64,
    pub status: *mut u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_model_request {
    pub struct_size: u32,
    pub element_bytes: i32,
    pub m: i64,
    pub d: i64,
    pub x: *const c_void,
    pub ldx: i64,
    pub output: *mut c_void,
    pub ld_output: i64,
    pub signal_scale: f64,
    pub sigma: f64,
    pub time: f64,
    pub step: i64,
    pub stream: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_sampler_params {
    pub struct_size: u32,
    pub method: i32,
    pub steps: i64,
    pub signal_scales: *const f64,
    pub sigmas: *const f64,
    pub times: *const f64,
    pub step_sizes: *const f64,
    pub drifts: *const f64,
    pub diffusions: *const f64,
    pub intervals: *const f64,
    pub predictor: i32,
    pub corrector_first: i32,
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
    pub denoise: i32,
    pub start: i32,
    pub form: i32,
    pub capturable: i32,
    pub model: scf_model_fn,
    pub model_user: *mut c_void,
    pub kde: *const scf_kde,
    pub base_bandwidth: f64,
    pub labels: *const i32,
    pub guidance: scf_model_fn,
    pub guidance_user: *mut c_void,
    pub known: *const c_void,
    pub ld_known: i64,
    pub seed: u64,
    pub offset: u64,
    pub first_row: i64,
    pub first_step: i64,
    pub stop_step: i64,
    pub previous: *mut c_void,
    pub trajectory: *mut c_void,
    pub trajectory_every: i64,
    pub progress: scf_sampler_progress_fn,
    pub progress_user: *mut c_void,
    pub progress_every: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_sampler_result {
    pub struct_size: u32,
    pub status: u32,
    pub steps_done: i64,
    pub failed_step: i64,
    pub evaluations: i64,
}

extern "C" {
    pub fn scf_step_params_init(params: *mut scf_step_params, struct_size: u32) -> scf_status;
    pub fn scf_langevin_step_f32(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        output: *const f32,
        ld_output: i64,
        next: *mut f32,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_langevin_step_f64(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        output: *const f64,
        ld_output: i64,
        next: *mut f64,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_denoise_step_f32(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        output: *const f32,
        ld_output: i64,
        next: *mut f32,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_denoise_step_f64(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        output: *const f64,
        ld_output: i64,
        next: *mut f64,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ancestral_step_f32(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        output: *const f32,
        ld_output: i64,
        next: *mut f32,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ancestral_step_f64(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        output: *const f64,
        ld_output: i64,
        next: *mut f64,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ddim_step_f32(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        output: *const f32,
        ld_output: i64,
        next: *mut f32,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ddim_step_f64(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        output: *const f64,
        ld_output: i64,
        next: *mut f64,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_reverse_diffusion_step_f32(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        output: *const f32,
        ld_output: i64,
        next: *mut f32,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_reverse_diffusion_step_f64(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        output: *const f64,
        ld_output: i64,
        next: *mut f64,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_euler_maruyama_step_f32(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        output: *const f32,
        ld_output: i64,
        next: *mut f32,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_euler_maruyama_step_f64(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        output: *const f64,
        ld_output: i64,
        next: *mut f64,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_dpmpp_step_f32(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        output: *const f32,
        ld_output: i64,
        previous: *const f32,
        ld_previous: i64,
        next: *mut f32,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_dpmpp_step_f64(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        output: *const f64,
        ld_output: i64,
        previous: *const f64,
        ld_previous: i64,
        next: *mut f64,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_heun_step_f32(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        output: *const f32,
        ld_output: i64,
        denoised: *const f32,
        ld_denoised: i64,
        next: *mut f32,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_heun_step_f64(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        output: *const f64,
        ld_output: i64,
        denoised: *const f64,
        ld_denoised: i64,
        next: *mut f64,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_churn_step_f32(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        next: *mut f32,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_churn_step_f64(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        next: *mut f64,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_known_step_f32(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        known: *const f32,
        ld_known: i64,
        next: *mut f32,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_known_step_f64(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        known: *const f64,
        ld_known: i64,
        next: *mut f64,
        ld_next: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_corrector_workspace(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        bytes: *mut usize,
    ) -> scf_status;
    pub fn scf_corrector_step_f32(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        output: *const f32,
        ld_output: i64,
        next: *mut f32,
        ld_next: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_corrector_step_f64(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        output: *const f64,
        ld_output: i64,
        next: *mut f64,
        ld_next: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_convert_output_f32(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        output: *const f32,
        ld_output: i64,
        form: i32,
        converted: *mut f32,
        ld_converted: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_convert_output_f64(
        context: *mut scf_context,
        params: *const scf_step_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        output: *const f64,
        ld_output: i64,
        form: i32,
        converted: *mut f64,
        ld_converted: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_moments(
        context: *mut scf_context,
        kde: *const scf_kde,
        label: i32,
        mean: *mut f64,
        variance: *mut f64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_sampler_params_init(params: *mut scf_sampler_params, struct_size: u32)
        -> scf_status;
    pub fn scf_sampler_result_init(result: *mut scf_sampler_result, struct_size: u32)
        -> scf_status;
    pub fn scf_sample_f32(
        context: *mut scf_context,
        params: *const scf_sampler_params,
        x: *mut f32,
        m: i64,
        d: i64,
        ldx: i64,
        result: *mut scf_sampler_result,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_sample_f64(
        context: *mut scf_context,
        params: *const scf_sampler_params,
        x: *mut f64,
        m: i64,
        d: i64,
        ldx: i64,
        result: *mut scf_sampler_result,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_sampler_schedule(
        method: i32,
        sde: *const scf_sde_params,
        steps: i64,
        step_size: f64,
        signal_scales: *mut f64,
        sigmas: *mut f64,
        times: *mut f64,
        step_sizes: *mut f64,
        drifts: *mut f64,
        diffusions: *mut f64,
        intervals: *mut f64,
    ) -> scf_status;
}
