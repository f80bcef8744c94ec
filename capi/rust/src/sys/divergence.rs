//! divergence.h, declared as it is: how far a model is from data.

use super::core::{scf_context, scf_status};
use super::kde::{scf_kde, scf_kde_query_params};
use std::os::raw::c_void;

pub const SCF_DIVERGENCE_STATUS_NOT_FINITE: u32 = 1;
pub const SCF_DIVERGENCE_STATUS_NO_POINT: u32 = 2;
pub const SCF_DIVERGENCE_FISHER: i32 = 0;
pub const SCF_DIVERGENCE_KL: i32 = 1;
pub const SCF_DIVERGENCE_KLS: i32 = 2;
pub const SCF_DIVERGENCE_F2: i32 = 3;
pub const SCF_DIVERGENCE_JS: i32 = 4;
pub const SCF_DIVERGENCE_JF: i32 = 5;
pub const SCF_DIVERGENCE_LOCAL_VARIANCE: i32 = 6;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_divergence_points {
    pub struct_size: u32,
    pub reserved: u32,
    pub m: i64,
    pub d: i64,
    pub log_p: *const c_void,
    pub log_q: *const c_void,
    pub score_p: *const c_void,
    pub ld_score_p: i64,
    pub score_q: *const c_void,
    pub ld_score_q: i64,
    pub integrand: *mut c_void,
    pub ld_integrand: i64,
    pub log_q_gradient: *mut c_void,
    pub score_q_gradient: *mut c_void,
    pub ld_score_q_gradient: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_divergence_outputs {
    pub struct_size: u32,
    pub reserved: u32,
    pub value: *mut f64,
    pub standard_error: *mut f64,
    pub cotangent: *const c_void,
    pub gradient_scale: f64,
    pub status: *mut u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_local_variance_points {
    pub struct_size: u32,
    pub reserved: u32,
    pub m: i64,
    pub d: i64,
    pub c: i64,
    pub displacement: *const c_void,
    pub ld_displacement: i64,
    pub f: *const c_void,
    pub ld_f: i64,
    pub f_displaced: *const c_void,
    pub ld_f_displaced: i64,
    pub integrand: *mut c_void,
    pub f_gradient: *mut c_void,
    pub ld_f_gradient: i64,
    pub f_displaced_gradient: *mut c_void,
    pub ld_f_displaced_gradient: i64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_kde_divergence_params {
    pub struct_size: u32,
    pub divergence: i32,
    pub p: *const scf_kde,
    pub q: *const scf_kde,
    pub p_query: *const scf_kde_query_params,
    pub q_query: *const scf_kde_query_params,
    pub x: *const c_void,
    pub m: i64,
    pub ldx: i64,
    pub y: *const c_void,
    pub n: i64,
    pub ldy: i64,
    pub epsilon: f64,
    pub seed: u64,
    pub offset: u64,
    pub first_row: i64,
    pub device_offset: *const u64,
    pub noise: *const c_void,
    pub ld_noise: i64,
}

extern "C" {
    pub fn scf_divergence_points_init(
        points: *mut scf_divergence_points,
        struct_size: u32,
    ) -> scf_status;
    pub fn scf_divergence_outputs_init(
        outputs: *mut scf_divergence_outputs,
        struct_size: u32,
    ) -> scf_status;
    pub fn scf_divergence_workspace(
        context: *mut scf_context,
        m: i64,
        n: i64,
        d: i64,
        bytes: *mut usize,
    ) -> scf_status;
    pub fn scf_fisher_divergence_f32(
        context: *mut scf_context,
        p: *const scf_divergence_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_fisher_divergence_f64(
        context: *mut scf_context,
        p: *const scf_divergence_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kl_divergence_f32(
        context: *mut scf_context,
        p: *const scf_divergence_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kl_divergence_f64(
        context: *mut scf_context,
        p: *const scf_divergence_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kls_divergence_f32(
        context: *mut scf_context,
        p: *const scf_divergence_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kls_divergence_f64(
        context: *mut scf_context,
        p: *const scf_divergence_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_f2_divergence_f32(
        context: *mut scf_context,
        p: *const scf_divergence_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_f2_divergence_f64(
        context: *mut scf_context,
        p: *const scf_divergence_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_js_divergence_f32(
        context: *mut scf_context,
        p: *const scf_divergence_points,
        q: *const scf_divergence_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_js_divergence_f64(
        context: *mut scf_context,
        p: *const scf_divergence_points,
        q: *const scf_divergence_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_jf_divergence_f32(
        context: *mut scf_context,
        p: *const scf_divergence_points,
        q: *const scf_divergence_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_jf_divergence_f64(
        context: *mut scf_context,
        p: *const scf_divergence_points,
        q: *const scf_divergence_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_local_variance_points_init(
        points: *mut scf_local_variance_points,
        struct_size: u32,
    ) -> scf_status;
    pub fn scf_local_variance_f32(
        context: *mut scf_context,
        points: *const scf_local_variance_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_local_variance_f64(
        context: *mut scf_context,
        points: *const scf_local_variance_points,
        outputs: *const scf_divergence_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_divergence_params_init(
        params: *mut scf_kde_divergence_params,
        struct_size: u32,
    ) -> scf_status;
    pub fn scf_kde_divergence_f32(
        context: *mut scf_context,
        params: *const scf_kde_divergence_params,
        outputs: *const scf_divergence_outputs,
        x_integrand: *mut f32,
        y_integrand: *mut f32,
        log_bandwidth_gradient: *mut f64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_divergence_f64(
        context: *mut scf_context,
        params: *const scf_kde_divergence_params,
        outputs: *const scf_divergence_outputs,
        x_integrand: *mut f64,
        y_integrand: *mut f64,
        log_bandwidth_gradient: *mut f64,
        stream: *mut c_void,
    ) -> scf_status;
}
