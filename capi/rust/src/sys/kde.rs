//! kde.h, declared as it is: the score of data.

use super::core::{scf_context, scf_status};
use std::marker::{PhantomData, PhantomPinned};
use std::os::raw::c_void;

pub const SCF_KDE_ANY_LABEL: i32 = -2147483648;
pub const SCF_KDE_MAX_TOP: i32 = 64;
pub const SCF_KDE_STATUS_BAD_BANDWIDTH: u32 = 1;
pub const SCF_KDE_STATUS_BAD_SIGNAL_SCALE: u32 = 2;
pub const SCF_KDE_STATUS_BAD_SKIP: u32 = 4;
pub const SCF_KDE_STATUS_BAD_LABEL: u32 = 8;
pub const SCF_KDE_STATUS_NO_WEIGHT: u32 = 16;
pub const SCF_KDE_STATUS_BAD_QUERY: u32 = 32;
pub const SCF_KDE_METHOD_DENSE: i32 = 0;
pub const SCF_KDE_METHOD_BOXES: i32 = 1;
pub const SCF_KDE_METHOD_SCREEN: i32 = 2;
pub const SCF_KDE_METHOD_EXPANSION: i32 = 3;

#[repr(C)]
pub struct scf_kde {
    _private: [u8; 0],
    _marker: PhantomData<(*mut u8, PhantomPinned)>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_kde_params {
    pub struct_size: u32,
    pub reserved: u32,
    pub weights: *const c_void,
    pub labels: *const i32,
    pub index: i32,
    pub reserved_index: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_kde_query_params {
    pub struct_size: u32,
    pub top: i32,
    pub bandwidth: f64,
    pub signal_scale: f64,
    pub bandwidths: *const c_void,
    pub signal_scales: *const c_void,
    pub skip: *const i64,
    pub labels: *const i32,
    pub tangent: *const c_void,
    pub ld_tangent: i64,
    pub status: *mut u32,
    pub tolerance: f64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_kde_outputs {
    pub struct_size: u32,
    pub reserved: u32,
    pub log_density: *mut c_void,
    pub score: *mut c_void,
    pub ld_score: i64,
    pub denoised: *mut c_void,
    pub ld_denoised: i64,
    pub divergence: *mut c_void,
    pub jacobian_product: *mut c_void,
    pub ld_jacobian_product: i64,
    pub quadratic_form: *mut c_void,
    pub effective_sample_size: *mut c_void,
    pub top_indices: *mut i64,
    pub top_weights: *mut c_void,
    pub evaluated: *mut i64,
    pub method: *mut i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_kde_gradients {
    pub struct_size: u32,
    pub reserved: u32,
    pub log_density_weights: *const c_void,
    pub score_weights: *const c_void,
    pub ld_score_weights: i64,
    pub data: *mut c_void,
    pub ld_data: i64,
    pub log_weights: *mut c_void,
    pub log_bandwidths: *mut c_void,
    pub divergence_weights: *const c_void,
    pub quadratic_form_weights: *const c_void,
}

extern "C" {
    pub fn scf_kde_params_init(params: *mut scf_kde_params, struct_size: u32) -> scf_status;
    pub fn scf_kde_create_f32(
        context: *mut scf_context,
        data: *const f32,
        n: i64,
        d: i64,
        ld: i64,
        params: *const scf_kde_params,
        stream: *mut c_void,
        kde: *mut *mut scf_kde,
    ) -> scf_status;
    pub fn scf_kde_create_f64(
        context: *mut scf_context,
        data: *const f64,
        n: i64,
        d: i64,
        ld: i64,
        params: *const scf_kde_params,
        stream: *mut c_void,
        kde: *mut *mut scf_kde,
    ) -> scf_status;
    pub fn scf_kde_destroy(kde: *mut scf_kde);
    pub fn scf_kde_size(kde: *const scf_kde) -> i64;
    pub fn scf_kde_dimension(kde: *const scf_kde) -> i64;
    pub fn scf_kde_query_params_init(
        params: *mut scf_kde_query_params,
        struct_size: u32,
    ) -> scf_status;
    pub fn scf_kde_outputs_init(outputs: *mut scf_kde_outputs, struct_size: u32) -> scf_status;
    pub fn scf_kde_evaluate_workspace(
        context: *mut scf_context,
        kde: *const scf_kde,
        m: i64,
        params: *const scf_kde_query_params,
        outputs: *const scf_kde_outputs,
        bytes: *mut usize,
    ) -> scf_status;
    pub fn scf_kde_evaluate_f32(
        context: *mut scf_context,
        kde: *const scf_kde,
        x: *const f32,
        m: i64,
        ldx: i64,
        params: *const scf_kde_query_params,
        outputs: *const scf_kde_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_evaluate_f64(
        context: *mut scf_context,
        kde: *const scf_kde,
        x: *const f64,
        m: i64,
        ldx: i64,
        params: *const scf_kde_query_params,
        outputs: *const scf_kde_outputs,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_gradients_init(
        gradients: *mut scf_kde_gradients,
        struct_size: u32,
    ) -> scf_status;
    pub fn scf_kde_gradient_workspace(
        context: *mut scf_context,
        kde: *const scf_kde,
        m: i64,
        params: *const scf_kde_query_params,
        gradients: *const scf_kde_gradients,
        bytes: *mut usize,
    ) -> scf_status;
    pub fn scf_kde_gradient_f32(
        context: *mut scf_context,
        kde: *const scf_kde,
        x: *const f32,
        m: i64,
        ldx: i64,
        params: *const scf_kde_query_params,
        gradients: *const scf_kde_gradients,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_gradient_f64(
        context: *mut scf_context,
        kde: *const scf_kde,
        x: *const f64,
        m: i64,
        ldx: i64,
        params: *const scf_kde_query_params,
        gradients: *const scf_kde_gradients,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_log_density_curve_workspace(
        context: *mut scf_context,
        kde: *const scf_kde,
        m: i64,
        params: *const scf_kde_query_params,
        count: i64,
        bytes: *mut usize,
    ) -> scf_status;
    pub fn scf_kde_log_density_curve_f32(
        context: *mut scf_context,
        kde: *const scf_kde,
        x: *const f32,
        m: i64,
        ldx: i64,
        params: *const scf_kde_query_params,
        bandwidths: *const f64,
        count: i64,
        log_density: *mut f32,
        ld: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_log_density_curve_f64(
        context: *mut scf_context,
        kde: *const scf_kde,
        x: *const f64,
        m: i64,
        ldx: i64,
        params: *const scf_kde_query_params,
        bandwidths: *const f64,
        count: i64,
        log_density: *mut f64,
        ld: i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_create_debiased_f32(
        context: *mut scf_context,
        data: *const f32,
        n: i64,
        d: i64,
        ld: i64,
        params: *const scf_kde_params,
        bandwidth: f64,
        stream: *mut c_void,
        kde: *mut *mut scf_kde,
    ) -> scf_status;
    pub fn scf_kde_create_debiased_f64(
        context: *mut scf_context,
        data: *const f64,
        n: i64,
        d: i64,
        ld: i64,
        params: *const scf_kde_params,
        bandwidth: f64,
        stream: *mut c_void,
        kde: *mut *mut scf_kde,
    ) -> scf_status;
    pub fn scf_kde_laplace_workspace(
        context: *mut scf_context,
        kde: *const scf_kde,
        m: i64,
        params: *const scf_kde_query_params,
        bytes: *mut usize,
    ) -> scf_status;
    pub fn scf_kde_laplace_f32(
        context: *mut scf_context,
        kde: *const scf_kde,
        x: *const f32,
        m: i64,
        ldx: i64,
        params: *const scf_kde_query_params,
        log_magnitude: *mut f32,
        sign: *mut i32,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_laplace_f64(
        context: *mut scf_context,
        kde: *const scf_kde,
        x: *const f64,
        m: i64,
        ldx: i64,
        params: *const scf_kde_query_params,
        log_magnitude: *mut f64,
        sign: *mut i32,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
}
