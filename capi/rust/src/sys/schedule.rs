//! schedule.h, declared as it is: noise levels and the coefficients of the diffusions.

use super::core::scf_status;

pub const SCF_SDE_VE: i32 = 0;
pub const SCF_SDE_VP: i32 = 1;
pub const SCF_SDE_SUBVP: i32 = 2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_sde_params {
    pub struct_size: u32,
    pub kind: i32,
    pub sigma_min: f64,
    pub sigma_max: f64,
    pub beta_min: f64,
    pub beta_max: f64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct scf_sde_coefficients {
    pub struct_size: u32,
    pub reserved: u32,
    pub signal_scale: *mut f64,
    pub sigma: *mut f64,
    pub drift: *mut f64,
    pub diffusion: *mut f64,
}

extern "C" {
    pub fn scf_schedule_geometric(first: f64, last: f64, n: i64, levels: *mut f64) -> scf_status;
    pub fn scf_schedule_karras(
        sigma_max: f64,
        sigma_min: f64,
        rho: f64,
        n: i64,
        levels: *mut f64,
    ) -> scf_status;
    pub fn scf_schedule_beta_linear(first: f64, last: f64, n: i64, betas: *mut f64) -> scf_status;
    pub fn scf_schedule_beta_cosine(shift: f64, most: f64, n: i64, betas: *mut f64) -> scf_status;
    pub fn scf_schedule_alpha_bar(betas: *const f64, n: i64, alpha_bars: *mut f64) -> scf_status;
    pub fn scf_schedule_strided(n: i64, steps: i64, times: *mut i64) -> scf_status;
    pub fn scf_sde_params_init(params: *mut scf_sde_params, struct_size: u32) -> scf_status;
    pub fn scf_sde_coefficients_init(
        coefficients: *mut scf_sde_coefficients,
        struct_size: u32,
    ) -> scf_status;
    pub fn scf_sde_evaluate(
        params: *const scf_sde_params,
        t: *const f64,
        n: i64,
        coefficients: *const scf_sde_coefficients,
    ) -> scf_status;
}
