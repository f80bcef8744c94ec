/* scorefield schedule: noise levels and the coefficients of the diffusions, in double, as plain
 * arrays in host memory that a caller may read, edit or replace by its own. A level is (a, sigma):
 * x = a x0 + sigma z, z ~ N(0, I), a the signal scale, sigma the noise level.
 *
 * No context is needed. Every function writes its whole output or, on failure, nothing. Results
 * are those of IEEE double arithmetic and of the C library's exp, log, pow and sin, within 1e-14
 * relatively (alpha bars: 2e-16 a factor; levels: of ends between 1e-9 and 1e9). Since 0.1.
 */
#ifndef SCOREFIELD_SCHEDULE_H_
#define SCOREFIELD_SCHEDULE_H_

#include <scorefield/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Noise levels ---------------------------------------------------------------------------- */

/* NCSN (Song and Ermon 2019): levels[i] = first (last/first)^(i/(n-1)), the two ends exactly.
 * n >= 1 (n == 1 gives first); first and last > 0. */
SCF_API scf_status scf_schedule_geometric(double first, double last, int64_t n, double* levels);

/* EDM (Karras et al. 2022): levels[i] = (s^(1/rho) + i/(n-1) (e^(1/rho) - s^(1/rho)))^rho from s =
 * sigma_max down to e = sigma_min, the two ends exactly, and levels[n] = 0: n + 1 numbers.
 * sigma_max >= sigma_min > 0, rho in (0, 1000] (the paper's is 7), so large that sigma^(1/rho) is
 * finite and > 0, n >= 1 (n == 1 gives sigma_max, 0). */
SCF_API scf_status scf_schedule_karras(double sigma_max, double sigma_min, double rho, int64_t n,
                                       double* levels);

/* ---- DDPM ------------------------------------------------------------------------------------ */

/* betas[i] = first + i/(n-1) (last - first), both in (0, 1). Ho et al. (2020): 1e-4, 0.02, n =
 * 1000. */
SCF_API scf_status scf_schedule_beta_linear(double first, double last, int64_t n, double* betas);

/* Nichol and Dhariwal (2021): betas[i] = min(1 - f(i + 1)/f(i), most), f(i) = cos^2((i/n +
 * shift)/(1 + shift) pi/2). Theirs: shift 0.008, most 0.999. shift in [0, 1], most in (0, 1). */
SCF_API scf_status scf_schedule_beta_cosine(double shift, double most, int64_t n, double* betas);

/* alpha_bars[i] = prod_{k <= i} (1 - betas[k]), betas in (0, 1). Their level is a =
 * sqrt(alpha_bar), sigma = sqrt(1 - alpha_bar). alpha_bars may be betas. */
SCF_API scf_status scf_schedule_alpha_bar(const double* betas, int64_t n, double* alpha_bars);

/* A sub-schedule: `steps` of the times 0 .. n-1, in the order in which a sampler visits them:
 * times[i] = floor((steps - 1 - i) n / steps), the last 0. 1 <= steps <= n. n = 1000, steps = 50:
 * 980, 960, ..., 20, 0 (Song et al. 2020, DDIM). */
SCF_API scf_status scf_schedule_strided(int64_t n, int64_t steps, int64_t* times);

/* ---- Diffusions ------------------------------------------------------------------------------ */

#define SCF_SDE_VE 0
#define SCF_SDE_VP 1
#define SCF_SDE_SUBVP 2

/* dx = f(t) x dt + g(t) dw on t in [0, 1] (Song et al. 2021), beta(t) = beta_min + t (beta_max -
 * beta_min), B(t) = int_0^t beta:
 *   VE     a = 1, sigma = sigma_min (sigma_max/sigma_min)^t, f = 0,
 *          g^2 = sigma^2 2 ln(sigma_max/sigma_min)
 *   VP     a = e^(-B/2), sigma = sqrt(1 - e^-B), f = -beta/2, g^2 = beta
 *   subVP  a = e^(-B/2), sigma = 1 - e^-B, f = -beta/2, g^2 = beta (1 - e^(-2B)) */
typedef struct scf_sde_params {
  uint32_t struct_size;
  int32_t kind;     /* SCF_SDE_*, default SCF_SDE_VP */
  double sigma_min; /* VE: > 0, default 0.01 */
  double sigma_max; /* VE: > sigma_min, finite, default 50 */
  double beta_min;  /* VP, subVP: >= 0, default 0.1 */
  double beta_max;  /* VP, subVP: >= beta_min, > 0, finite, default 20 */
} scf_sde_params;

SCF_API scf_status scf_sde_params_init(scf_sde_params* params, uint32_t struct_size);

/* Coefficients at the times t[n], each in [0, 1]. Arrays double[n] in host memory; NULL ones are
 * not computed. Small sigmas keep their digits (expm1). Source: Song et al. (2021), "Score-based
 * generative modeling through stochastic differential equations", section 3 and appendix B. */
typedef struct scf_sde_coefficients {
  uint32_t struct_size;
  uint32_t reserved;    /* 0 */
  double* signal_scale; /* a */
  double* sigma;
  double* drift;     /* f: the drift is f x */
  double* diffusion; /* g >= 0 */
} scf_sde_coefficients;

SCF_API scf_status scf_sde_coefficients_init(scf_sde_coefficients* coefficients,
                                             uint32_t struct_size);

SCF_API scf_status scf_sde_evaluate(const scf_sde_params* params, const double* t, int64_t n,
                                    const scf_sde_coefficients* coefficients);

#ifdef __cplusplus
}
#endif

#endif /* SCOREFIELD_SCHEDULE_H_ */
