//! Noise levels and the coefficients of the diffusions: plain numbers, no context.

use crate::error::{check, init};
use crate::{sys, Result};

fn filled<E: Copy + Default>(
    n: usize,
    fill: impl FnOnce(*mut E) -> sys::scf_status,
) -> Result<Vec<E>> {
    let mut numbers = vec![E::default(); n];
    check(fill(numbers.as_mut_ptr()))?;
    Ok(numbers)
}

/// n levels, geometric from first to last.
pub fn schedule_geometric(first: f64, last: f64, n: usize) -> Result<Vec<f64>> {
    // SAFETY: n numbers are written, here and below.
    filled(n, |levels| unsafe { sys::scf_schedule_geometric(first, last, n as i64, levels) })
}

/// EDM's n levels, and 0: n + 1 numbers.
pub fn schedule_karras(sigma_max: f64, sigma_min: f64, rho: f64, n: usize) -> Result<Vec<f64>> {
    filled(n + 1, |levels| unsafe {
        sys::scf_schedule_karras(sigma_max, sigma_min, rho, n as i64, levels)
    })
}

pub fn schedule_beta_linear(first: f64, last: f64, n: usize) -> Result<Vec<f64>> {
    filled(n, |betas| unsafe { sys::scf_schedule_beta_linear(first, last, n as i64, betas) })
}

pub fn schedule_beta_cosine(shift: f64, most: f64, n: usize) -> Result<Vec<f64>> {
    filled(n, |betas| unsafe { sys::scf_schedule_beta_cosine(shift, most, n as i64, betas) })
}

pub fn schedule_alpha_bar(betas: &[f64]) -> Result<Vec<f64>> {
    filled(betas.len(), |alpha_bars| unsafe {
        sys::scf_schedule_alpha_bar(betas.as_ptr(), betas.len() as i64, alpha_bars)
    })
}

/// `steps` of the times 0 .. n - 1, from late to early.
pub fn schedule_strided(n: usize, steps: usize) -> Result<Vec<i64>> {
    filled(steps, |times| unsafe { sys::scf_schedule_strided(n as i64, steps as i64, times) })
}

/// A diffusion: `scf_sde_params`.
#[derive(Clone, Copy, Debug)]
pub struct Sde {
    /// `sys::SCF_SDE_*`
    pub kind: i32,
    pub sigma_min: f64,
    pub sigma_max: f64,
    pub beta_min: f64,
    pub beta_max: f64,
}

impl Sde {
    /// With the defaults of its kind, `sys::SCF_SDE_*`.
    pub fn new(kind: i32) -> Self {
        let params = init(sys::scf_sde_params_init);
        Sde {
            kind,
            sigma_min: params.sigma_min,
            sigma_max: params.sigma_max,
            beta_min: params.beta_min,
            beta_max: params.beta_max,
        }
    }
    pub(crate) fn params(&self) -> sys::scf_sde_params {
        let mut params = init(sys::scf_sde_params_init);
        params.kind = self.kind;
        params.sigma_min = self.sigma_min;
        params.sigma_max = self.sigma_max;
        params.beta_min = self.beta_min;
        params.beta_max = self.beta_max;
        params
    }
}

/// Of a diffusion at some times, one number each.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficients {
    pub signal_scale: Vec<f64>,
    pub sigma: Vec<f64>,
    pub drift: Vec<f64>,
    pub diffusion: Vec<f64>,
}

pub fn sde_evaluate(sde: &Sde, t: &[f64]) -> Result<Coefficients> {
    let zeros = || vec![0.0; t.len()];
    let (mut signal_scale, mut sigma, mut drift, mut diffusion) =
        (zeros(), zeros(), zeros(), zeros());
    let mut coefficients = init(sys::scf_sde_coefficients_init);
    coefficients.signal_scale = signal_scale.as_mut_ptr();
    coefficients.sigma = sigma.as_mut_ptr();
    coefficients.drift = drift.as_mut_ptr();
    coefficients.diffusion = diffusion.as_mut_ptr();
    // SAFETY: each array is as long as t.
    check(unsafe {
        sys::scf_sde_evaluate(&sde.params(), t.as_ptr(), t.len() as i64, &coefficients)
    })?;
    Ok(Coefficients { signal_scale, sigma, drift, diffusion })
}
