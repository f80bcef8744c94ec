//! random.h, declared as it is: numbers that are the same everywhere, and draws from a KDE.

use super::core::{scf_context, scf_status};
use super::kde::{scf_kde, scf_kde_query_params};
use std::os::raw::c_void;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_random_params {
    pub struct_size: u32,
    pub reserved: u32,
    pub seed: u64,
    pub offset: u64,
    pub first_row: i64,
    pub device_offset: *const u64,
}

extern "C" {
    pub fn scf_random_params_init(params: *mut scf_random_params, struct_size: u32) -> scf_status;
    pub fn scf_random_bits(
        context: *mut scf_context,
        params: *const scf_random_params,
        m: i64,
        d: i64,
        out: *mut u32,
        ld: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_random_uniform_f32(
        context: *mut scf_context,
        params: *const scf_random_params,
        m: i64,
        d: i64,
        out: *mut f32,
        ld: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_random_uniform_f64(
        context: *mut scf_context,
        params: *const scf_random_params,
        m: i64,
        d: i64,
        out: *mut f64,
        ld: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_random_normal_f32(
        context: *mut scf_context,
        params: *const scf_random_params,
        m: i64,
        d: i64,
        out: *mut f32,
        ld: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_random_normal_f64(
        context: *mut scf_context,
        params: *const scf_random_params,
        m: i64,
        d: i64,
        out: *mut f64,
        ld: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_random_rademacher_f32(
        context: *mut scf_context,
        params: *const scf_random_params,
        m: i64,
        d: i64,
        out: *mut f32,
        ld: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_random_rademacher_f64(
        context: *mut scf_context,
        params: *const scf_random_params,
        m: i64,
        d: i64,
        out: *mut f64,
        ld: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_random_sphere_f32(
        context: *mut scf_context,
        params: *const scf_random_params,
        m: i64,
        d: i64,
        radius: f64,
        out: *mut f32,
        ld: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_random_sphere_f64(
        context: *mut scf_context,
        params: *const scf_random_params,
        m: i64,
        d: i64,
        radius: f64,
        out: *mut f64,
        ld: i64,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_draw_workspace(
        context: *mut scf_context,
        kde: *const scf_kde,
        m: i64,
        query: *const scf_kde_query_params,
        bytes: *mut usize,
    ) -> scf_status;
    pub fn scf_kde_draw_f32(
        context: *mut scf_context,
        kde: *const scf_kde,
        random: *const scf_random_params,
        m: i64,
        query: *const scf_kde_query_params,
        out: *mut f32,
        ld: i64,
        indices: *mut i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
    pub fn scf_kde_draw_f64(
        context: *mut scf_context,
        kde: *const scf_kde,
        random: *const scf_random_params,
        m: i64,
        query: *const scf_kde_query_params,
        out: *mut f64,
        ld: i64,
        indices: *mut i64,
        workspace: *mut c_void,
        workspace_bytes: usize,
        stream: *mut c_void,
    ) -> scf_status;
}
