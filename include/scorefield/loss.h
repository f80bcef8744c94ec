/* scorefield loss: the losses of score matching. For each, a `perturb` call makes the points where
 * the model must be evaluated, the caller evaluates the model there, and a `loss` call takes the
 * model's outputs and gives the value of every sample, their mean, and the gradient of the mean
 * with respect to every output it consumed, in one pass. Noise is regenerated from the same params,
 * not stored: hand perturb and loss the same scf_loss_params.
 *
 * With s the model's score (or the named output), H = ds/dx, d dimensions, z ~ N(0, I), noise level
 * sigma_i, signal scale a_i, x~ = a x + sigma z, v a probe with E v v^T = I:
 *
 *   ESM     1/2 |s - s_p|^2, s_p the data's score                             (Vincent 2011)
 *   ISM     1/2 |s|^2 + tr H                                                  (Hyvarinen 2005)
 *   DSM     lambda 1/2 |s(x~) + z/sigma|^2, and the same of other outputs:    (Vincent 2011)
 *     epsilon  lambda 1/2 |eps - z|^2                                         (Ho et al. 2020)
 *     x0       lambda 1/2 |x0 - x|^2
 *     v        lambda 1/2 |v - (a z - sigma x)|^2                   (Salimans and Ho 2022)
 *     with the same lambda these are sigma^2, sigma^4/a^2 and, where a^2 + sigma^2 = 1,
 *     sigma^2/a^2 times the score form of the model that they stand for
 *   SSM     1/K sum_k 1/2 (v_k.s)^2 + v_k.H v_k                               (Song et al. 2019)
 *   SSM-VR  1/2 |s|^2 + 1/K sum_k v_k.H v_k
 *   FD-SSM  of energies E = -log p, v on the sphere of radius eps:            (Pang et al. 2020)
 *             (d/eps^2) [ (E+ - E-)^2/8 + 2 E0 - E+ - E- ],  E+- = E(x +- v)
 *           of scores (reduced variance):
 *             |s+ + s-|^2/8 + d/(2 eps^2) (s+ - s-).v,       s+- = s(x +- v)
 *           They tend to d [ 1/2 (v^.s)^2 + v^.H v^ ] and 1/2 |s|^2 + d v^.H v^, v^ = v/eps, with
 *           error O(eps^2). Second differences cancel: rounding is about u |E| d/eps^2, u the unit
 *           roundoff of the energies handed in, and equals the truncation near eps = u^(1/4) times
 *           the length over which the score changes: 0.02 of it in f32, 1e-4 in f64. Of scores,
 *           which are differenced once: u |s| d/eps, equal near u^(1/3), 0.004 and 5e-6.
 *   FD-DSM  of log-densities L, n on the sphere of radius eps sqrt(d):        (Pang et al. 2020)
 *             [ sigma^2 (L(x~ + n) - L(x~ - n))/2 + sigma z.n ]^2 / (2 eps^2)
 *           on average sigma^4 times DSM as eps -> 0, with error O(eps^2). The difference cancels:
 *           rounding of the bracket over eps is about u |L| sigma^2/eps, and equals the truncation
 *           near eps sqrt(d) = u^(1/3) times the length over which the score changes: 0.004 of it
 *           in f32, 5e-6 in f64.
 *           A step below u times the largest coordinates is lost in x + v itself, and the loss is
 *           one of rounding. A caller's direction that is zero makes points and values of NaN.
 *   DDE     |grad f(x~) + z/sigma|^2, lambda as in DSM                       (Bigdeli et al. 2020)
 *           and the direction that moves its generator's particles, -(s_q~ - s_p~)
 *
 * Units. Losses of scores, and FD-SSM of energies, 1/x^2; those with lambda = sigma^2, and DSM of
 * epsilon and of v (which takes x in units of its own spread), none; DSM of x0 and FD-DSM x^2;
 * log-densities and likelihood nats.
 *
 * Accuracy. Values sum over dimensions, in double, terms in the function's dtype: a value is within
 * 1e-6 (f32) or 1e-14 (f64) of its formula, for the noise that perturb used, times the same formula
 * with every difference taken of absolute values, before anything cancels:
 *   ESM 1/2 sum (|s| + |s_p|)^2          ISM 1/2 |s|^2 + |tr H|
 *   DSM lambda 1/2 sum (|s| + |z/sigma|)^2, (|eps| + |z|)^2, (|x0| + |x|)^2,
 *       (|v| + |a z| + |sigma x|)^2      DDE lambda sum (|s| + |z/sigma|)^2
 *   SSM 1/K sum_k 1/2 (sum |v_k| |s|)^2 + sum |v_k| |H v_k|, SSM-VR with 1/2 |s|^2 first
 *   FD-SSM of scores sum (|s+| + |s-|)^2/8 + d/(2 eps^2) sum (|s+| + |s-|) |v|
 *   FD-SSM of energies (d/eps^2) [ (|E+| + |E-|)^2/8 + 2|E0| + |E+| + |E-| ]
 *   FD-DSM [ sigma^2 (|L+| + |L-|)/2 + sigma sum |z| |n| ]^2 / (2 eps^2)
 * sums over dimensions. Noise that is regenerated is the same to the bit in perturb and loss on
 * one backend and SIMD target (CUDA: but for SSM's probes on the sphere, which differ by their
 * rounding), else within what random.h states.
 */
#ifndef SCOREFIELD_LOSS_H_
#define SCOREFIELD_LOSS_H_

#include <scorefield/core.h>
#include <scorefield/kde.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the model's output is, in DSM. */
#define SCF_FORM_SCORE 0
#define SCF_FORM_EPSILON 1
#define SCF_FORM_X0 2
#define SCF_FORM_V 3

/* lambda of DSM and DDE, times the residual of whichever form. */
#define SCF_WEIGHTING_NONE 0  /* 1 */
#define SCF_WEIGHTING_SIGMA 1 /* sigma^weighting_exponent: 2 is NCSN's */
#define SCF_WEIGHTING_ARRAY 2 /* weights[i] */

#define SCF_PROBE_RADEMACHER 0
#define SCF_PROBE_GAUSSIAN 1
#define SCF_PROBE_SPHERE 2 /* of radius sqrt(d) */

/* Arrays are device memory, borrowed for the call (CUDA: until its work in the stream is done), of
 * the function's dtype T where void. A field that a loss has no use for is ignored. Since 0.1. */
typedef struct scf_loss_params {
  uint32_t struct_size;
  int32_t form;              /* SCF_FORM_*, default SCF_FORM_SCORE; DSM */
  int32_t weighting;         /* SCF_WEIGHTING_*, default SCF_WEIGHTING_NONE; DSM, DDE */
  int32_t probe;             /* SCF_PROBE_*, default SCF_PROBE_RADEMACHER; SSM */
  double weighting_exponent; /* finite, default 2 */
  const void* weights;       /* T[m], of SCF_WEIGHTING_ARRAY: finite, >= 0 */
  double sigma;        /* noise level of every sample, > 0; default NaN (unset); DSM, FD-DSM, DDE */
  double signal_scale; /* a of every sample, >= 0; default 1 */
  const void* sigmas;  /* T[m], or NULL */
  const void* signal_scales; /* T[m], or NULL */
  double epsilon;            /* length of the finite difference, > 0; default NaN (unset); FD-* */
  int64_t projections;       /* K >= 1, default 1; SSM */
  int32_t variance_reduced;  /* SSM: 0 (default) or 1, SSM-VR */
  int32_t per_dimension;     /* 1: values are divided by d; 0 (default): they sum */
  /* Noise: row i, word for word as in random.h. z takes words from offset on; probe k of SSM the d
   * words from offset + k D on, D = d rounded up to a multiple of 4; v of FD-SSM those from offset
   * on, n of FD-DSM those from offset + D on. A loss with noise takes (K or 2) D words a row at
   * most. */
  uint64_t seed;
  uint64_t offset;
  int64_t first_row;             /* >= 0 */
  const uint64_t* device_offset; /* as in scf_random_params, or NULL */
  /* The caller's own noise instead: z or v, standardised (for FD-*, any direction: n and v are it
   * scaled to their radius), or NULL. FD-DSM takes z here and n's direction in `probes`. */
  const void* noise; /* T[m, ld_noise] */
  int64_t ld_noise;  /* >= d */
  const void*
      probes; /* T[K m, ld_probes]: probe k of sample i in row k m + i; SSM, FD-DSM (K = 1) */
  int64_t ld_probes;     /* >= d */
  const uint8_t* mask;   /* uint8[m]: 0 leaves a sample out: its value and gradients are 0 and its
                          * inputs, sigma, signal scale and weight are not looked at; perturb makes
                          * its points all the same; NULL: all count */
  double gradient_scale; /* finite, default 1: gradients are of gradient_scale times the mean */
  uint32_t* status;      /* one device word, or NULL: bits below are OR-ed in, never cleared */
} scf_loss_params;

SCF_API scf_status scf_loss_params_init(scf_loss_params* params, uint32_t struct_size);

/* Bits of the status word. A CPU context checks sigmas, signal scales and weights of the samples
 * that count before it starts and returns INVALID_ARGUMENT instead of setting their bits; on CUDA
 * such a sample is NaN. */
#define SCF_LOSS_STATUS_NOT_FINITE                                                            \
  1u                                 /* the value of a sample that counts is NaN or infinite; \
                                      * so then is the mean: nothing is averaged away */
#define SCF_LOSS_STATUS_NO_SAMPLE 2u /* no sample counts: the mean is NaN, gradients are 0 */
#define SCF_LOSS_STATUS_BAD_SIGMA 4u /* sigmas[i] not in (0, inf) */
#define SCF_LOSS_STATUS_BAD_SIGNAL_SCALE 8u /* signal_scales[i] not in [0, inf) */
#define SCF_LOSS_STATUS_BAD_WEIGHT 16u      /* weights[i] not in [0, inf) */

/* Where results go; NULL ones are not computed. Device memory. Since 0.1. */
typedef struct scf_loss_outputs {
  uint32_t struct_size;
  uint32_t reserved; /* 0 */
  void* values;      /* T[m]: every sample's */
  double* mean;      /* one double: over the samples that count */
  double*
      standard_error; /* one double: of the mean, from the samples' spread; NaN for fewer than 2 */
} scf_loss_outputs;

SCF_API scf_status scf_loss_outputs_init(scf_loss_outputs* outputs, uint32_t struct_size);

/* Workspace of every loss call of m samples in d dimensions, bytes. INVALID_ARGUMENT where the
 * address space could not hold it. */
SCF_API scf_status scf_loss_workspace(scf_context* context, const scf_loss_params* params,
                                      int64_t m, int64_t d, size_t* bytes);

/* ---- Points where the model must be evaluated. Since 0.1. ------------------------------------
 * x in T[m, ldx]; outputs T[m, ld]; every ld >= d >= 1; device memory; m == 0 is a no-op; outputs
 * must not overlap each other or an input. Allocates nothing, never synchronises; CUDA: can be
 * captured in a graph. Determinism as in random.h. Masked samples are perturbed like the others,
 * but one whose sigma or signal scale is bad has NaN points on every backend, without error or bit:
 * a padded batch may hold anything there. */

/* DSM and DDE: x~ = a x + sigma z. Given target (or NULL), also what the model's output is compared
 * to in params->form: -z/sigma, z, x, or a z - sigma x. */
SCF_API scf_status scf_dsm_perturb_f32(scf_context* context, const scf_loss_params* params,
                                       int64_t m, int64_t d, const float* x, int64_t ldx,
                                       float* perturbed, int64_t ld_perturbed, float* target,
                                       int64_t ld_target, void* stream);
SCF_API scf_status scf_dsm_perturb_f64(scf_context* context, const scf_loss_params* params,
                                       int64_t m, int64_t d, const double* x, int64_t ldx,
                                       double* perturbed, int64_t ld_perturbed, double* target,
                                       int64_t ld_target, void* stream);

/* SSM: the model is evaluated at x itself, its Jacobian along the probes, T[K m, ld_probes]: probe
 * k of sample i in row k m + i. */
SCF_API scf_status scf_ssm_perturb_f32(scf_context* context, const scf_loss_params* params,
                                       int64_t m, int64_t d, float* probes, int64_t ld_probes,
                                       void* stream);
SCF_API scf_status scf_ssm_perturb_f64(scf_context* context, const scf_loss_params* params,
                                       int64_t m, int64_t d, double* probes, int64_t ld_probes,
                                       void* stream);

/* FD-SSM: x + v and x - v, |v| = epsilon. */
SCF_API scf_status scf_fdssm_perturb_f32(scf_context* context, const scf_loss_params* params,
                                         int64_t m, int64_t d, const float* x, int64_t ldx,
                                         float* plus, int64_t ld_plus, float* minus,
                                         int64_t ld_minus, void* stream);
SCF_API scf_status scf_fdssm_perturb_f64(scf_context* context, const scf_loss_params* params,
                                         int64_t m, int64_t d, const double* x, int64_t ldx,
                                         double* plus, int64_t ld_plus, double* minus,
                                         int64_t ld_minus, void* stream);

/* FD-DSM: x~ + n and x~ - n, |n| = epsilon sqrt(d). */
SCF_API scf_status scf_fddsm_perturb_f32(scf_context* context, const scf_loss_params* params,
                                         int64_t m, int64_t d, const float* x, int64_t ldx,
                                         float* plus, int64_t ld_plus, float* minus,
                                         int64_t ld_minus, void* stream);
SCF_API scf_status scf_fddsm_perturb_f64(scf_context* context, const scf_loss_params* params,
                                         int64_t m, int64_t d, const double* x, int64_t ldx,
                                         double* plus, int64_t ld_plus, double* minus,
                                         int64_t ld_minus, void* stream);

/* ---- Losses. Since 0.1. -----------------------------------------------------------------------
 * Matrices T[m, ld], ld >= d >= 1, vectors T[m], in device memory. Gradients (each may be NULL) are
 * of gradient_scale times the mean, with respect to the argument of their name; written, not added
 * to. Outputs must not overlap each other or an input, but a gradient may lie exactly on the matrix
 * it is of (same pointer and ld). m == 0 writes NaN to mean and standard_error. workspace: device
 * memory, 256-byte aligned, at least scf_loss_workspace() bytes. Allocates nothing, never
 * synchronises; CUDA: can be captured in a graph. Determinism: bit-for-bit repeatable on one build
 * and device, and independent of the thread count; values also of how the batch is split. */

SCF_API scf_status scf_esm_loss_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                                    int64_t d, const float* score, int64_t ld_score,
                                    const float* data_score, int64_t ld_data_score,
                                    const scf_loss_outputs* outputs, float* score_gradient,
                                    int64_t ld_score_gradient, void* workspace,
                                    size_t workspace_bytes, void* stream);
SCF_API scf_status scf_esm_loss_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                                    int64_t d, const double* score, int64_t ld_score,
                                    const double* data_score, int64_t ld_data_score,
                                    const scf_loss_outputs* outputs, double* score_gradient,
                                    int64_t ld_score_gradient, void* workspace,
                                    size_t workspace_bytes, void* stream);

/* divergence: tr H. */
SCF_API scf_status scf_ism_loss_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                                    int64_t d, const float* score, int64_t ld_score,
                                    const float* divergence, const scf_loss_outputs* outputs,
                                    float* score_gradient, int64_t ld_score_gradient,
                                    float* divergence_gradient, void* workspace,
                                    size_t workspace_bytes, void* stream);
SCF_API scf_status scf_ism_loss_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                                    int64_t d, const double* score, int64_t ld_score,
                                    const double* divergence, const scf_loss_outputs* outputs,
                                    double* score_gradient, int64_t ld_score_gradient,
                                    double* divergence_gradient, void* workspace,
                                    size_t workspace_bytes, void* stream);

/* output: the model at x~, in params->form. x: the unperturbed samples, which the forms x0 and v
 * need; else it may be NULL. */
SCF_API scf_status scf_dsm_loss_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                                    int64_t d, const float* x, int64_t ldx, const float* output,
                                    int64_t ld_output, const scf_loss_outputs* outputs,
                                    float* output_gradient, int64_t ld_output_gradient,
                                    void* workspace, size_t workspace_bytes, void* stream);
SCF_API scf_status scf_dsm_loss_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                                    int64_t d, const double* x, int64_t ldx, const double* output,
                                    int64_t ld_output, const scf_loss_outputs* outputs,
                                    double* output_gradient, int64_t ld_output_gradient,
                                    void* workspace, size_t workspace_bytes, void* stream);

/* products: H v_k, T[K m, ld_products], that of sample i in row k m + i. With
 * params->variance_reduced SSM-VR, else SSM. */
SCF_API scf_status scf_ssm_loss_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                                    int64_t d, const float* score, int64_t ld_score,
                                    const float* products, int64_t ld_products,
                                    const scf_loss_outputs* outputs, float* score_gradient,
                                    int64_t ld_score_gradient, float* products_gradient,
                                    int64_t ld_products_gradient, void* workspace,
                                    size_t workspace_bytes, void* stream);
SCF_API scf_status scf_ssm_loss_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                                    int64_t d, const double* score, int64_t ld_score,
                                    const double* products, int64_t ld_products,
                                    const scf_loss_outputs* outputs, double* score_gradient,
                                    int64_t ld_score_gradient, double* products_gradient,
                                    int64_t ld_products_gradient, void* workspace,
                                    size_t workspace_bytes, void* stream);

/* Energies at x, x + v and x - v. */
SCF_API scf_status scf_fdssm_energy_loss_f32(scf_context* context, const scf_loss_params* params,
                                             int64_t m, int64_t d, const float* energy,
                                             const float* energy_plus, const float* energy_minus,
                                             const scf_loss_outputs* outputs,
                                             float* energy_gradient, float* energy_plus_gradient,
                                             float* energy_minus_gradient, void* workspace,
                                             size_t workspace_bytes, void* stream);
SCF_API scf_status scf_fdssm_energy_loss_f64(scf_context* context, const scf_loss_params* params,
                                             int64_t m, int64_t d, const double* energy,
                                             const double* energy_plus, const double* energy_minus,
                                             const scf_loss_outputs* outputs,
                                             double* energy_gradient, double* energy_plus_gradient,
                                             double* energy_minus_gradient, void* workspace,
                                             size_t workspace_bytes, void* stream);

/* Scores at x + v and x - v. */
SCF_API scf_status scf_fdssm_score_loss_f32(
    scf_context* context, const scf_loss_params* params, int64_t m, int64_t d,
    const float* score_plus, int64_t ld_score_plus, const float* score_minus,
    int64_t ld_score_minus, const scf_loss_outputs* outputs, float* score_plus_gradient,
    int64_t ld_score_plus_gradient, float* score_minus_gradient, int64_t ld_score_minus_gradient,
    void* workspace, size_t workspace_bytes, void* stream);
SCF_API scf_status scf_fdssm_score_loss_f64(
    scf_context* context, const scf_loss_params* params, int64_t m, int64_t d,
    const double* score_plus, int64_t ld_score_plus, const double* score_minus,
    int64_t ld_score_minus, const scf_loss_outputs* outputs, double* score_plus_gradient,
    int64_t ld_score_plus_gradient, double* score_minus_gradient, int64_t ld_score_minus_gradient,
    void* workspace, size_t workspace_bytes, void* stream);

/* Log-densities at x~ + n and x~ - n. */
SCF_API scf_status scf_fddsm_loss_f32(scf_context* context, const scf_loss_params* params,
                                      int64_t m, int64_t d, const float* log_density_plus,
                                      const float* log_density_minus,
                                      const scf_loss_outputs* outputs,
                                      float* log_density_plus_gradient,
                                      float* log_density_minus_gradient, void* workspace,
                                      size_t workspace_bytes, void* stream);
SCF_API scf_status scf_fddsm_loss_f64(scf_context* context, const scf_loss_params* params,
                                      int64_t m, int64_t d, const double* log_density_plus,
                                      const double* log_density_minus,
                                      const scf_loss_outputs* outputs,
                                      double* log_density_plus_gradient,
                                      double* log_density_minus_gradient, void* workspace,
                                      size_t workspace_bytes, void* stream);

/* score: grad f at x~. */
SCF_API scf_status scf_dde_loss_f32(scf_context* context, const scf_loss_params* params, int64_t m,
                                    int64_t d, const float* score, int64_t ld_score,
                                    const scf_loss_outputs* outputs, float* score_gradient,
                                    int64_t ld_score_gradient, void* workspace,
                                    size_t workspace_bytes, void* stream);
SCF_API scf_status scf_dde_loss_f64(scf_context* context, const scf_loss_params* params, int64_t m,
                                    int64_t d, const double* score, int64_t ld_score,
                                    const scf_loss_outputs* outputs, double* score_gradient,
                                    int64_t ld_score_gradient, void* workspace,
                                    size_t workspace_bytes, void* stream);

/* Where the generator's particles move: direction = -(generator_score - data_score), the negative
 * gradient of KL(q~ | p~), both densities smoothed by sigma. direction may lie exactly on either
 * input. m == 0 is a no-op. */
SCF_API scf_status scf_dde_direction_f32(scf_context* context, int64_t m, int64_t d,
                                         const float* generator_score, int64_t ld_generator_score,
                                         const float* data_score, int64_t ld_data_score,
                                         float* direction, int64_t ld_direction, void* stream);
SCF_API scf_status scf_dde_direction_f64(scf_context* context, int64_t m, int64_t d,
                                         const double* generator_score, int64_t ld_generator_score,
                                         const double* data_score, int64_t ld_data_score,
                                         double* direction, int64_t ld_direction, void* stream);

/* ---- A KDE as the model. Since 0.1. -----------------------------------------------------------
 * Drivers: they perturb, evaluate the KDE, take the loss, and finish its chain rule. They allocate
 * (with the context's allocator) memory bounded by a multiple of m d, whatever K, and may
 * synchronise. Determinism: bit-for-bit repeatable on one build and device, and independent of the
 * thread count; a value is what perturb, scf_kde_evaluate_* and the loss give one after the other,
 * an average over K probes but to its rounding. */

#define SCF_LOSS_ESM 0
#define SCF_LOSS_ISM 1
#define SCF_LOSS_DSM 2
#define SCF_LOSS_SSM 3         /* SSM-VR with params->variance_reduced */
#define SCF_LOSS_FDSSM 4       /* of energies -log p */
#define SCF_LOSS_FDSSM_SCORE 5 /* of scores */
#define SCF_LOSS_FDDSM 6
#define SCF_LOSS_DDE 7        /* f = log p of the KDE */
#define SCF_LOSS_LIKELIHOOD 8 /* -log p(x) */

/* The data's score that ESM compares with: that of another KDE (of the same context's backend,
 * device and dtype, and the same d), with its own bandwidth and, where data are left out, its own
 * skip. Ignored by every other loss. */
typedef struct scf_kde_loss_params {
  uint32_t struct_size;
  int32_t loss;                           /* SCF_LOSS_* */
  const scf_kde* data_kde;                /* ESM; else NULL */
  const scf_kde_query_params* data_query; /* ESM; else NULL. tangent and top are ignored */
} scf_kde_loss_params;

SCF_API scf_status scf_kde_loss_params_init(scf_kde_loss_params* params, uint32_t struct_size);

/* One loss of a KDE at samples x[m, ldx] in device memory, with `query` what the KDE is evaluated
 * with (bandwidth; skip for leave-one-out; top and tangent are ignored).
 *   params  in  as for the loss itself, mask, per_dimension and all noise fields as there. In DSM's
 *               other forms the KDE's score s at x~ (its bandwidth is query's) stands for the
 *               output eps = -sigma s, x0 = (x~ + sigma^2 s)/a, v = a eps - sigma x0, whose
 *               residual is that of the score times sigma, sigma^2/a, a sigma + sigma^3/a; x0 and
 *               v take signal scales > 0
 *   outputs in  values, mean and standard error; it may be NULL too
 *   log_bandwidth_gradient out one double in device memory: d mean / d log h, h the bandwidth that
 *               all queries share (with query->bandwidths: that of multiplying them all by one
 *               factor); gradient_scale counts; or NULL
 * A sample whose query sets a status bit is NaN, and so is the mean. Of a masked sample nothing is
 * looked at: not x, noise, sigma, signal scale and weight, nor the query's arrays.
 * m == 0 writes NaN to mean and standard_error and 0 to log_bandwidth_gradient. OUT_OF_MEMORY where
 * an allocation fails; then, and where arguments are refused, nothing has been written. */
SCF_API scf_status scf_kde_loss_f32(scf_context* context, const scf_kde* kde,
                                    const scf_kde_loss_params* loss, const scf_loss_params* params,
                                    const float* x, int64_t m, int64_t ldx,
                                    const scf_kde_query_params* query,
                                    const scf_loss_outputs* outputs, double* log_bandwidth_gradient,
                                    void* stream);
SCF_API scf_status scf_kde_loss_f64(scf_context* context, const scf_kde* kde,
                                    const scf_kde_loss_params* loss, const scf_loss_params* params,
                                    const double* x, int64_t m, int64_t ldx,
                                    const scf_kde_query_params* query,
                                    const scf_loss_outputs* outputs, double* log_bandwidth_gradient,
                                    void* stream);

/* DDE's generator direction where generator and data are KDEs: direction = -(s_q~(x) - s_p~(x)),
 * q~ the generator's KDE and p~ that of the data, of one backend, device, dtype and d, each with
 * its own query params (bandwidth; skip, where x are a KDE's own data; top and tangent are
 * ignored). A driver like scf_kde_loss_*, of its determinism.
 *   x         in  T[m, ldx]: the particles, device memory; m == 0 is a no-op.
 *   direction out T[m, ld_direction], units 1/x; it may lie exactly on x (same pointer and ld), and
 *             must not overlap it otherwise. A particle whose query sets a status bit is NaN; both
 *             queries may name one status word.
 * OUT_OF_MEMORY where an allocation fails; then, and where arguments are refused, nothing has been
 * written. Since 0.1. */
SCF_API scf_status scf_kde_dde_direction_f32(scf_context* context, const scf_kde* generator,
                                             const scf_kde_query_params* generator_query,
                                             const scf_kde* data,
                                             const scf_kde_query_params* data_query, const float* x,
                                             int64_t m, int64_t ldx, float* direction,
                                             int64_t ld_direction, void* stream);
SCF_API scf_status scf_kde_dde_direction_f64(scf_context* context, const scf_kde* generator,
                                             const scf_kde_query_params* generator_query,
                                             const scf_kde* data,
                                             const scf_kde_query_params* data_query,
                                             const double* x, int64_t m, int64_t ldx,
                                             double* direction, int64_t ld_direction, void* stream);

typedef int32_t (*scf_fit_progress_fn)(void* user, int32_t evaluations, double bandwidth,
                                       double loss);

/* The bandwidth in [least, most] that makes a loss least, each datum left out in turn as a query of
 * the others. `evaluations` counts losses. */
typedef struct scf_bandwidth_fit {
  uint32_t struct_size;
  int32_t evaluations;     /* out */
  double least;            /* in  > 0 */
  double most;             /* in  > least, finite */
  double tolerance;        /* in  of log h; > 0, default 1e-4 */
  int32_t max_evaluations; /* in >= 4, default 100 */
  int32_t at_edge;         /* out 1 where the best is least or most: a better one may lie beyond */
  double bandwidth;        /* out */
  double loss;             /* out its mean there */
  scf_fit_progress_fn progress; /* in  called after each evaluation; a result other than 0 cancels;
                                 * or NULL */
  void* progress_user;          /* in */
} scf_bandwidth_fit;

SCF_API scf_status scf_bandwidth_fit_init(scf_bandwidth_fit* fit, uint32_t struct_size);

/* Fits by SCF_LOSS_ISM, _DSM, _SSM, _FDSSM, _FDSSM_SCORE, _FDDSM, _DDE or _LIKELIHOOD. The samples
 * are the KDE's own data, so datum i is left out for sample i: in sample these losses collapse (ISM
 * falls without bound as h -> 0, DSM is least at h = sigma exactly). The noise is the same at every
 * bandwidth, so the loss is a smooth function of it and its gradient is exact: a scan in log h
 * brackets the least mean, and a bracketed secant on the gradient refines it, until the bracket is
 * `tolerance` wide or max_evaluations are spent. Of several minima it is one next to the least mean
 * of the scan, and no bandwidth tried has a mean that is less by more than rounding. Weights of the
 * data weigh samples only through the KDE. params' gradient_scale and status are ignored. data in
 * T[n, ld]: the data that the KDE was prepared of, in device memory, which is not checked: other
 * finite samples give the fit of a meaningless loss.
 * Exact duplicates defeat leaving one out: the other copy stands where the datum stood. They pull
 * the best bandwidth down, and where every datum has one, likelihood, ISM and SSM fall without
 * bound as h -> 0 and the best is `least`. DSM, FD-DSM and DDE are best near sqrt(h0^2 + sigma^2),
 * h0 the best without noise: let `most` lie beyond. CANCELLED where progress asked;
 * INVALID_ARGUMENT where the loss is finite at no bandwidth tried, where fewer than 2 data have a
 * positive weight, or where no sample counts. *fit's outputs are written on success alone.
 */
SCF_API scf_status scf_kde_fit_bandwidth_f32(scf_context* context, const scf_kde* kde,
                                             const scf_kde_loss_params* loss,
                                             const scf_loss_params* params, const float* data,
                                             int64_t ld, scf_bandwidth_fit* fit, void* stream);
SCF_API scf_status scf_kde_fit_bandwidth_f64(scf_context* context, const scf_kde* kde,
                                             const scf_kde_loss_params* loss,
                                             const scf_loss_params* params, const double* data,
                                             int64_t ld, scf_bandwidth_fit* fit, void* stream);

#ifdef __cplusplus
}
#endif

#endif /* SCOREFIELD_LOSS_H_ */
