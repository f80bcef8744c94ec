//! loss.h, declared as it is: the losses of score matching.

use super::core::{scf_context, scf_status};
use super::kde::{scf_kde, scf_kde_query_params};
use std::os::raw::c_void;

pub const SCF_FORM_SCORE: i32 = 0;
pub const SCF_FORM_EPSILON: i32 = 1;
pub const SCF_FORM_X0: i32 = 2;
pub const SCF_FORM_V: i32 = 3;
pub const SCF_WEIGHTING_NONE: i32 = 0;
pub const SCF_WEIGHTING_SIGMA: i32 = 1;
pub const SCF_WEIGHTING_ARRAY: i32 = 2;
pub const SCF_PROBE_RADEMACHER: i32 = 0;
pub const SCF_PROBE_GAUSSIAN: i32 = 1;
pub const SCF_PROBE_SPHERE: i32 = 2;
pub const SCF_LOSS_STATUS_NOT_FINITE: u32 = 1;
pub const SCF_LOSS_STATUS_NO_SAMPLE: u32 = 2;
pub const SCF_LOSS_STATUS_BAD_SIGMA: u32 = 4;
pub const SCF_LOSS_STATUS_BAD_SIGNAL_SCALE: u32 = 8;
pub const SCF_LOSS_STATUS_BAD_WEIGHT: u32 = 16;
pub const SCF_LOSS_ESM: i32 = 0;
pub const SCF_LOSS_ISM: i32 = 1;
pub const SCF_LOSS_DSM: i32 = 2;
pub const SCF_LOSS_SSM: i32 = 3;
pub const SCF_LOSS_FDSSM: i32 = 4;
pub const SCF_LOSS_FDSSM_SCORE: i32 = 5;
pub const SCF_LOSS_FDDSM: i32 = 6;
pub const SCF_LOSS_DDE: i32 = 7;
pub const SCF_LOSS_LIKELIHOOD: i32 = 8;

pub type scf_fit_progress_fn = Option<
    unsafe extern "C" fn(user: *mut c_void, evaluations: i32, bandwidth: f64, loss: f64) -> i32,
>;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_loss_params {
    pub struct_size: u32,
    pub form: i32,
    pub weighting: i32,
    pub probe: i32,
    pub weighting_exponent: f64,
    pub weights: *const c_void,
    pub sigma: f64,
    pub signal_scale: f64,
    pub sigmas: *const c_void,
    pub signal_scales: *const c_void,
    pub epsilon: f64,
    pub projections: i64,
    pub variance_reduced: i32,
    pub per_dimension: i32,
    pub seed: u64,
    pub offset: u64,
    pub first_row: i64,
    pub device_offset: *const u64,
    pub noise: *const c_void,
    pub ld_noise: i64,
    pub probes: *const c_void,
    pub ld_probes: i64,
    pub mask: *const u8,
    pub gradient_scale: f64,
    pub status: *mut u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_loss_outputs {
    pub struct_size: u32,
    pub reserved: u32,
    pub values: *mut c_void,
    pub mean: *mut f64,
    pub standard_error: *mut f64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_kde_loss_params {
    pub struct_size: u32,
    pub loss: i32,
    pub data_kde: *const scf_kde,
    pub data_query: *const scf_kde_query_params,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_bandwidth_fit {
    pub struct_size: u32,
    pub evaluations: i32,
    pub least: f64,
    pub most: f64,
    pub tolerance: f64,
    pub max_evaluations: i32,
    pub at_edge: i32,
    pub bandwidth: f64,
    pub loss: f64,
    pub progress: scf_fit_progress_fn,
    pub progress_user: *mut c_void,
}

extern "C" {
    pub fn scf_loss_params_init(params: *mut scf_loss_params, struct_size: u32) -> scf_status;
    pub fn scf_loss_outputs_init(outputs: *mut scf_loss_outputs, struct_size: u32) -> scf_status;
    pub fn scf_loss_workspace(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        bytes: *mut usize,
    ) -> scf_status;
    pub fn scf_dsm_perturb_f32(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        perturbed: *mut f32,
        ld_perturbed: i64,
        target: *mut f32,
        ld_target: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_dsm_perturb_f64(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        perturbed: *mut f64,
        ld_perturbed: i64,
        target: *mut f64,
        ld_target: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ssm_perturb_f32(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        probes: *mut f32,
        ld_probes: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ssm_perturb_f64(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        probes: *mut f64,
        ld_probes: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_fdssm_perturb_f32(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        plus: *mut f32,
        ld_plus: i64,
        minus: *mut f32,
        ld_minus: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_fdssm_perturb_f64(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        plus: *mut f64,
        ld_plus: i64,
        minus: *mut f64,
        ld_minus: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_fddsm_perturb_f32(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        plus: *mut f32,
        ld_plus: i64,
        minus: *mut f32,
        ld_minus: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_fddsm_perturb_f64(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        plus: *mut f64,
        ld_plus: i64,
        minus: *mut f64,
        ld_minus: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_esm_loss_f32(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        score: *const f32,
        ld_score: i64,
        data_score: *const f32,
        ld_data_score: i64,
        outputs: *const scf_loss_outputs,
        score_gradient: *mut f32,
        ld_score_gradient: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_esm_loss_f64(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        score: *const f64,
        ld_score: i64,
        data_score: *const f64,
        ld_data_score: i64,
        outputs: *const scf_loss_outputs,
        score_gradient: *mut f64,
        ld_score_gradient: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ism_loss_f32(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        score: *const f32,
        ld_score: i64,
        divergence: *const f32,
        outputs: *const scf_loss_outputs,
        score_gradient: *mut f32,
        ld_score_gradient: i64,
        divergence_gradient: *mut f32,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ism_loss_f64(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        score: *const f64,
        ld_score: i64,
        divergence: *const f64,
        outputs: *const scf_loss_outputs,
        score_gradient: *mut f64,
        ld_score_gradient: i64,
        divergence_gradient: *mut f64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_dsm_loss_f32(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        x: *const f32,
        ldx: i64,
        output: *const f32,
        ld_output: i64,
        outputs: *const scf_loss_outputs,
        output_gradient: *mut f32,
        ld_output_gradient: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_dsm_loss_f64(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        x: *const f64,
        ldx: i64,
        output: *const f64,
        ld_output: i64,
        outputs: *const scf_loss_outputs,
        output_gradient: *mut f64,
        ld_output_gradient: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ssm_loss_f32(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        score: *const f32,
        ld_score: i64,
        products: *const f32,
        ld_products: i64,
        outputs: *const scf_loss_outputs,
        score_gradient: *mut f32,
        ld_score_gradient: i64,
        products_gradient: *mut f32,
        ld_products_gradient: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_ssm_loss_f64(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        score: *const f64,
        ld_score: i64,
        products: *const f64,
        ld_products: i64,
        outputs: *const scf_loss_outputs,
        score_gradient: *mut f64,
        ld_score_gradient: i64,
        products_gradient: *mut f64,
        ld_products_gradient: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_fdssm_energy_loss_f32(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        energy: *const f32,
        energy_plus: *const f32,
        energy_minus: *const f32,
        outputs: *const scf_loss_outputs,
        energy_gradient: *mut f32,
        energy_plus_gradient: *mut f32,
        energy_minus_gradient: *mut f32,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_fdssm_energy_loss_f64(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        energy: *const f64,
        energy_plus: *const f64,
        energy_minus: *const f64,
        outputs: *const scf_loss_outputs,
        energy_gradient: *mut f64,
        energy_plus_gradient: *mut f64,
        energy_minus_gradient: *mut f64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_fdssm_score_loss_f32(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        score_plus: *const f32,
        ld_score_plus: i64,
        score_minus: *const f32,
        ld_score_minus: i64,
        outputs: *const scf_loss_outputs,
        score_plus_gradient: *mut f32,
        ld_score_plus_gradient: i64,
        score_minus_gradient: *mut f32,
        ld_score_minus_gradient: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_fdssm_score_loss_f64(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        score_plus: *const f64,
        ld_score_plus: i64,
        score_minus: *const f64,
        ld_score_minus: i64,
        outputs: *const scf_loss_outputs,
        score_plus_gradient: *mut f64,
        ld_score_plus_gradient: i64,
        score_minus_gradient: *mut f64,
        ld_score_minus_gradient: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_fddsm_loss_f32(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        log_density_plus: *const f32,
        log_density_minus: *const f32,
        outputs: *const scf_loss_outputs,
        log_density_plus_gradient: *mut f32,
        log_density_minus_gradient: *mut f32,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_fddsm_loss_f64(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        log_density_plus: *const f64,
        log_density_minus: *const f64,
        outputs: *const scf_loss_outputs,
        log_density_plus_gradient: *mut f64,
        log_density_minus_gradient: *mut f64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_dde_loss_f32(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        score: *const f32,
        ld_score: i64,
        outputs: *const scf_loss_outputs,
        score_gradient: *mut f32,
        ld_score_gradient: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_dde_loss_f64(
        context: *mut scf_context,
        params: *const scf_loss_params,
        m: i64,
        d: i64,
        score: *const f64,
        ld_score: i64,
        outputs: *const scf_loss_outputs,
        score_gradient: *mut f64,
        ld_score_gradient: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_dde_direction_f32(
        context: *mut scf_context,
        m: i64,
        d: i64,
        generator_score: *const f32,
        ld_generator_score: i64,
        data_score: *const f32,
        ld_data_score: i64,
        direction: *mut f32,
        ld_direction: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_dde_direction_f64(
        context: *mut scf_context,
        m: i64,
        d: i64,
        generator_score: *const f64,
        ld_generator_score: i64,
        data_score: *const f64,
        ld_data_score: i64,
        direction: *mut f64,
        ld_direction: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_loss_params_init(
        params: *mut scf_kde_loss_params,
        struct_size: u32,
    ) -> scf_status;
    pub fn scf_kde_loss_f32(
        context: *mut scf_context,
        kde: *const scf_kde,
        loss: *const scf_kde_loss_params,
        params: *const scf_loss_params,
        x: *const f32,
        m: i64,
        ldx: i64,
        query: *const scf_kde_query_params,
        outputs: *const scf_loss_outputs,
        log_bandwidth_gradient: *mut f64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_loss_f64(
        context: *mut scf_context,
        kde: *const scf_kde,
        loss: *const scf_kde_loss_params,
        params: *const scf_loss_params,
        x: *const f64,
        m: i64,
        ldx: i64,
        query: *const scf_kde_query_params,
        outputs: *const scf_loss_outputs,
        log_bandwidth_gradient: *mut f64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_dde_direction_f32(
        context: *mut scf_context,
        generator: *const scf_kde,
        generator_query: *const scf_kde_query_params,
        data: *const scf_kde,
        data_query: *const scf_kde_query_params,
        x: *const f32,
        m: i64,
        ldx: i64,
        direction: *mut f32,
        ld_direction: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_dde_direction_f64(
        context: *mut scf_context,
        generator: *const scf_kde,
        generator_query: *const scf_kde_query_params,
        data: *const scf_kde,
        data_query: *const scf_kde_query_params,
        x: *const f64,
        m: i64,
        ldx: i64,
        direction: *mut f64,
        ld_direction: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_bandwidth_fit_init(fit: *mut scf_bandwidth_fit, struct_size: u32) -> scf_status;
    pub fn scf_kde_fit_bandwidth_f32(
        context: *mut scf_context,
        kde: *const scf_kde,
        loss: *const scf_kde_loss_params,
        params: *const scf_loss_params,
        data: *const f32,
        ld: i64,
        fit: *mut scf_bandwidth_fit,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_fit_bandwidth_f64(
        context: *mut scf_context,
        kde: *const scf_kde,
        loss: *const scf_kde_loss_params,
        params: *const scf_loss_params,
        data: *const f64,
        ld: i64,
        fit: *mut scf_bandwidth_fit,
        stream: *mut c_void,
    ) -> scf_status;
}
