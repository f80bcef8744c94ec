/* scorefield sampler: from noise to samples. One fused call a step (a model's output in, the noise
 * made inside or the caller's, the new state out), and a driver that runs a whole sampler with a
 * callback or a prepared KDE as the model. Schedules: schedule.h.
 *
 * A state x is at a level (a, sigma): x = a x0 + sigma z. A model's output there is, by its form,
 *   score s, epsilon = -sigma s, x0 = (x + sigma^2 s)/a, or v = a epsilon - sigma x0,
 * and each gives the others. A step goes to the next level (a', sigma'); with
 *   r = a/a',  b = sigma^2 - r^2 sigma'^2   (VP: r = sqrt(1 - beta), b = beta; VE: r = 1),
 * x0^ the denoised x, clipped on request, epsilon^ = (x - a x0^)/sigma, z the step's noise:
 *
 *   Langevin        x + alpha s + sqrt(2 alpha T) z
 *   denoise         x0^
 *   ancestral       a' b/sigma^2 x0^ + r sigma'^2/sigma^2 x + sqrt(V T) z,
 *                   V = b sigma'^2/sigma^2 ("fixedsmall") or b ("fixedlarge"; none to sigma' = 0)
 *                   DDPM's step, and the ancestral predictor of VE; with V = b, that of VP
 *   DDIM            a' x0^ + sqrt(sigma'^2 - c^2) epsilon^ + c sqrt(T) z,
 *                   c^2 = eta^2 b sigma'^2/sigma^2
 *                   with eta = 0 and a = a' = 1, Euler's step of EDM
 *   reverse         (2 - r) x + b s + sqrt(b T) z
 *   Euler-Maruyama  x - (f x - g^2 s) dt + g sqrt(dt T) z, dt > 0
 *   corrector       x + e s + sqrt(2 e T) z, e by a rule; snr is r there, alpha corrector_scale:
 *     SIGMA         e = 2 alpha (snr sigma)^2, the default: a sample depends on itself alone
 *     SAMPLE        e = 2 alpha (snr |z|/|s|)^2, of the sample's own norms. Wrong at small d,
 *                   where |s| of one sample varies: on N(0, I) the variance grows without bound at
 *                   d = 2 (58 after 300 steps, 893 after 30000) and ends at 1.6 at 8, 1.09 at 64
 *     BATCH         e = 2 alpha (snr <|z|>/<|s|>)^2, means over the batch, as in the paper's code:
 *                   the one step in which a sample depends on its batch-mates
 *                   alpha is 1 (VE) or 1 - beta (VP); whole samplers take the beta of the step
 *                   that the corrector follows (corrector_first: that it goes before)
 *   churn           x + sqrt(sigma'^2 - sigma^2) sqrt(T) z, up to sigma' >= sigma (T = S_noise^2)
 *   Heun            x + a' (sigma'/a' - sigma/a)/(2 sigma'/a') (D - D'), the trapezoid after
 *                   Euler's step to x: D = x0^ at the level before, D' at x
 *   DPM-Solver++    (sigma'/sigma) x - a' (e^-h - 1) D, h = ln(a' sigma/(a sigma')),
 *   (2M)            D = (1 + 1/(2 q)) x0^ - x0^_before/(2 q), q = h_before/h
 *
 * Sources: Langevin Song and Ermon (2019); ancestral Ho et al. (2020); DDIM Song, Meng and Ermon
 * (2020); reverse, Euler-Maruyama and corrector Song et al. (2021); churn and Heun Karras et al.
 * (2022); DPM-Solver++ Lu et al. (2022).
 *
 * Levels, a and sigma, must be in [1e-12, 1e12] in f32 and in [1e-100, 1e100] in f64, so that their
 * products can be held; a sigma may be 0 where it says so.
 *
 * Each is affine in x, the output and z but for clipping. Coefficients are computed in double and
 * rounded once to the dtype. f32 results are within 4 roundings of the sum of the absolute values
 * of their terms; f64 results too, of levels, step sizes and the like that may each be 4 roundings
 * away from those given. (SAMPLE and BATCH: of norms of scores as rounded.)
 */
#ifndef SCOREFIELD_SAMPLER_H_
#define SCOREFIELD_SAMPLER_H_

#include <scorefield/core.h>
#include <scorefield/kde.h>
#include <scorefield/loss.h>
#include <scorefield/schedule.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Steps ----------------------------------------------------------------------------------- */

#define SCF_VARIANCE_SMALL 0
#define SCF_VARIANCE_LARGE 1

#define SCF_CORRECTOR_SIGMA 0
#define SCF_CORRECTOR_SAMPLE 1
#define SCF_CORRECTOR_BATCH 2

/* What a step is made with. A field that a step has no use for is ignored. Arrays are device
 * memory, borrowed for the call (CUDA: until its work in the stream is done). Since 0.1. */
typedef struct scf_step_params {
  uint32_t struct_size;
  int32_t form; /* SCF_FORM_*, default SCF_FORM_SCORE: what the model's output is */
  /* The level of x, and the one that the step goes to; of all samples or of each. In double also
   * for f32: differences of levels are what counts. */
  double signal_scale;         /* a, > 0, default 1 */
  double sigma;                /* > 0 (churn: >= 0), default NaN (unset) */
  double next_signal_scale;    /* a', > 0, default 1 */
  double next_sigma;           /* >= 0, default NaN (unset); a sigma'/a' <= sigma, but for churn */
  const double* signal_scales; /* double[m], or NULL */
  const double* sigmas;        /* double[m], or NULL */
  const double* next_signal_scales; /* double[m], or NULL */
  const double* next_sigmas;        /* double[m], or NULL */
  double clip;                      /* x0^ is kept within [-clip, clip]; > 0, default inf */
  double temperature;               /* T, >= 0, default 1: 0 leaves the noise out */
  double step_size;                 /* Langevin: alpha >= 0, default NaN (unset) */
  const double* step_sizes;         /* double[m], or NULL */
  int32_t variance;                 /* ancestral: SCF_VARIANCE_*, default SCF_VARIANCE_SMALL */
  int32_t rule;                     /* corrector: SCF_CORRECTOR_*, default SCF_CORRECTOR_SIGMA */
  double eta;                       /* DDIM: in [0, 1], default 0 */
  double snr;                       /* corrector: r, > 0, default 0.16 */
  double corrector_scale;           /* corrector: alpha, >= 0, default 1 */
  double drift;                     /* Euler-Maruyama: f; finite, default 0 */
  double diffusion;                 /* Euler-Maruyama: g >= 0; default NaN (unset) */
  double interval;                  /* Euler-Maruyama: dt > 0; default NaN (unset) */
  const double* drifts;             /* double[m], or NULL */
  const double* diffusions;         /* double[m], or NULL */
  const double* intervals;          /* double[m], or NULL */
  /* DPM-Solver++: the level before x's, where x0^_before is from; a/sigma less than that of x. */
  double before_signal_scale;         /* > 0, default 1 */
  double before_sigma;                /* > 0, default NaN (unset) */
  const double* before_signal_scales; /* double[m], or NULL */
  const double* before_sigmas;        /* double[m], or NULL */
  /* Noise: row i, the words from offset on, as in random.h: d words, rounded up to a multiple of 4.
   * Offsets that are multiples of 4 are fastest. */
  uint64_t seed;
  uint64_t offset;
  int64_t first_row;             /* >= 0 */
  const uint64_t* device_offset; /* as in scf_random_params, or NULL */
  const void* noise;             /* T[m, ld_noise]: the caller's own z instead, or NULL */
  int64_t ld_noise;              /* >= d */
  void* denoised;                /* out T[m, ld_denoised]: x0^, or NULL; not of Heun and churn */
  int64_t ld_denoised;           /* >= d */
  uint32_t* status;              /* one device word, or NULL: bits below are OR-ed in */
} scf_step_params;

SCF_API scf_status scf_step_params_init(scf_step_params* params, uint32_t struct_size);

/* Bits of the status word. A CPU context checks the arrays before it starts and returns
 * INVALID_ARGUMENT instead of setting the first two; on CUDA such a sample is NaN. */
#define SCF_STEP_STATUS_BAD_LEVEL 1u     /* a level outside its bounds */
#define SCF_STEP_STATUS_BAD_STEP_SIZE 2u /* step_sizes, drifts, diffusions or intervals */
#define SCF_STEP_STATUS_NOT_FINITE 4u    /* a number of the new state is NaN or infinite */

/* Of every step: x, output and next are T[m, ld] in device memory, every ld >= d >= 1; m == 0 is a
 * no-op. next may lie exactly on x or on output (same pointer and ld), and so may denoised on
 * output; else outputs must not overlap each other or an input. Allocates nothing, never
 * synchronises; CUDA: can be captured in a graph. Determinism: bit-for-bit repeatable on one build
 * and device, independent of the thread count and of how the batch is split (BATCH: given the same
 * batch). Since 0.1. */

/* Langevin: uses step_size, T, and for other forms than the score the level of x. */
SCF_API scf_status scf_langevin_step_f32(scf_context* context, const scf_step_params* params,
                                         int64_t m, int64_t d, const float* x, int64_t ldx,
                                         const float* output, int64_t ld_output, float* next,
                                         int64_t ld_next, void* stream);
SCF_API scf_status scf_langevin_step_f64(scf_context* context, const scf_step_params* params,
                                         int64_t m, int64_t d, const double* x, int64_t ldx,
                                         const double* output, int64_t ld_output, double* next,
                                         int64_t ld_next, void* stream);

/* Denoise: next = x0^, the last step of a sampler. Uses the level of x, clip. */
SCF_API scf_status scf_denoise_step_f32(scf_context* context, const scf_step_params* params,
                                        int64_t m, int64_t d, const float* x, int64_t ldx,
                                        const float* output, int64_t ld_output, float* next,
                                        int64_t ld_next, void* stream);
SCF_API scf_status scf_denoise_step_f64(scf_context* context, const scf_step_params* params,
                                        int64_t m, int64_t d, const double* x, int64_t ldx,
                                        const double* output, int64_t ld_output, double* next,
                                        int64_t ld_next, void* stream);

/* Ancestral: DDPM. Uses both levels, variance, clip, T. */
SCF_API scf_status scf_ancestral_step_f32(scf_context* context, const scf_step_params* params,
                                          int64_t m, int64_t d, const float* x, int64_t ldx,
                                          const float* output, int64_t ld_output, float* next,
                                          int64_t ld_next, void* stream);
SCF_API scf_status scf_ancestral_step_f64(scf_context* context, const scf_step_params* params,
                                          int64_t m, int64_t d, const double* x, int64_t ldx,
                                          const double* output, int64_t ld_output, double* next,
                                          int64_t ld_next, void* stream);

/* DDIM. Uses both levels, eta, clip, T. */
SCF_API scf_status scf_ddim_step_f32(scf_context* context, const scf_step_params* params, int64_t m,
                                     int64_t d, const float* x, int64_t ldx, const float* output,
                                     int64_t ld_output, float* next, int64_t ld_next, void* stream);
SCF_API scf_status scf_ddim_step_f64(scf_context* context, const scf_step_params* params, int64_t m,
                                     int64_t d, const double* x, int64_t ldx, const double* output,
                                     int64_t ld_output, double* next, int64_t ld_next,
                                     void* stream);

/* Reverse diffusion. Uses both levels, T; for subVP take Euler-Maruyama, as its source does. */
SCF_API scf_status scf_reverse_diffusion_step_f32(scf_context* context,
                                                  const scf_step_params* params, int64_t m,
                                                  int64_t d, const float* x, int64_t ldx,
                                                  const float* output, int64_t ld_output,
                                                  float* next, int64_t ld_next, void* stream);
SCF_API scf_status scf_reverse_diffusion_step_f64(scf_context* context,
                                                  const scf_step_params* params, int64_t m,
                                                  int64_t d, const double* x, int64_t ldx,
                                                  const double* output, int64_t ld_output,
                                                  double* next, int64_t ld_next, void* stream);

/* Euler-Maruyama, backward in time. Uses drift, diffusion, interval, T, and for other forms than
 * the score the level of x. */
SCF_API scf_status scf_euler_maruyama_step_f32(scf_context* context, const scf_step_params* params,
                                               int64_t m, int64_t d, const float* x, int64_t ldx,
                                               const float* output, int64_t ld_output, float* next,
                                               int64_t ld_next, void* stream);
SCF_API scf_status scf_euler_maruyama_step_f64(scf_context* context, const scf_step_params* params,
                                               int64_t m, int64_t d, const double* x, int64_t ldx,
                                               const double* output, int64_t ld_output,
                                               double* next, int64_t ld_next, void* stream);

/* DPM-Solver++(2M). previous: x0^ of the step before, T[m, ld_previous], or NULL in the first step:
 * then D = x0^, as it is in a step to sigma' = 0. This step's own x0^ goes to params->denoised,
 * which may lie exactly on previous. Uses three levels, clip. */
SCF_API scf_status scf_dpmpp_step_f32(scf_context* context, const scf_step_params* params,
                                      int64_t m, int64_t d, const float* x, int64_t ldx,
                                      const float* output, int64_t ld_output, const float* previous,
                                      int64_t ld_previous, float* next, int64_t ld_next,
                                      void* stream);
SCF_API scf_status scf_dpmpp_step_f64(scf_context* context, const scf_step_params* params,
                                      int64_t m, int64_t d, const double* x, int64_t ldx,
                                      const double* output, int64_t ld_output,
                                      const double* previous, int64_t ld_previous, double* next,
                                      int64_t ld_next, void* stream);

/* Heun. x is at the next level (after the Euler step), output the model there, denoised the D = x0^
 * that the Euler step started with (params->denoised of scf_ddim_step), form what output is. In the
 * params the level is the one that the Euler step started at and the next one that of x; sigma' >
 * 0.
 */
SCF_API scf_status scf_heun_step_f32(scf_context* context, const scf_step_params* params, int64_t m,
                                     int64_t d, const float* x, int64_t ldx, const float* output,
                                     int64_t ld_output, const float* denoised, int64_t ld_denoised,
                                     float* next, int64_t ld_next, void* stream);
SCF_API scf_status scf_heun_step_f64(scf_context* context, const scf_step_params* params, int64_t m,
                                     int64_t d, const double* x, int64_t ldx, const double* output,
                                     int64_t ld_output, const double* denoised, int64_t ld_denoised,
                                     double* next, int64_t ld_next, void* stream);

/* Churn: no model. Uses sigma and next_sigma, T. */
SCF_API scf_status scf_churn_step_f32(scf_context* context, const scf_step_params* params,
                                      int64_t m, int64_t d, const float* x, int64_t ldx,
                                      float* next, int64_t ld_next, void* stream);
SCF_API scf_status scf_churn_step_f64(scf_context* context, const scf_step_params* params,
                                      int64_t m, int64_t d, const double* x, int64_t ldx,
                                      double* next, int64_t ld_next, void* stream);

/* Known coordinates: next = a known + sigma z where known[i, j] is not NaN, else x: inpainting.
 * known T[m, ld_known], ld_known = 0: one row for all. Uses the level; sigma may be 0. */
SCF_API scf_status scf_known_step_f32(scf_context* context, const scf_step_params* params,
                                      int64_t m, int64_t d, const float* x, int64_t ldx,
                                      const float* known, int64_t ld_known, float* next,
                                      int64_t ld_next, void* stream);
SCF_API scf_status scf_known_step_f64(scf_context* context, const scf_step_params* params,
                                      int64_t m, int64_t d, const double* x, int64_t ldx,
                                      const double* known, int64_t ld_known, double* next,
                                      int64_t ld_next, void* stream);

/* Corrector. Uses rule, snr, corrector_scale, T, and sigma where the rule or the form does. The
 * norms are of the whole noise and score of a row; a row whose score is 0 stays as it is under
 * SAMPLE. The workspace is device memory, 256-byte aligned, at least scf_corrector_workspace()
 * bytes. */
SCF_API scf_status scf_corrector_workspace(scf_context* context, const scf_step_params* params,
                                           int64_t m, int64_t d, size_t* bytes);
SCF_API scf_status scf_corrector_step_f32(scf_context* context, const scf_step_params* params,
                                          int64_t m, int64_t d, const float* x, int64_t ldx,
                                          const float* output, int64_t ld_output, float* next,
                                          int64_t ld_next, void* workspace, size_t workspace_bytes,
                                          void* stream);
SCF_API scf_status scf_corrector_step_f64(scf_context* context, const scf_step_params* params,
                                          int64_t m, int64_t d, const double* x, int64_t ldx,
                                          const double* output, int64_t ld_output, double* next,
                                          int64_t ld_next, void* workspace, size_t workspace_bytes,
                                          void* stream);

/* The model's output in another form: converted = output as `form` (SCF_FORM_*). Uses the level of
 * x; it may lie exactly on output. */
SCF_API scf_status scf_convert_output_f32(scf_context* context, const scf_step_params* params,
                                          int64_t m, int64_t d, const float* x, int64_t ldx,
                                          const float* output, int64_t ld_output, int32_t form,
                                          float* converted, int64_t ld_converted, void* stream);
SCF_API scf_status scf_convert_output_f64(scf_context* context, const scf_step_params* params,
                                          int64_t m, int64_t d, const double* x, int64_t ldx,
                                          const double* output, int64_t ld_output, int32_t form,
                                          double* converted, int64_t ld_converted, void* stream);

/* ---- The start ------------------------------------------------------------------------------- */

/* Mean and variance of a KDE's data, coordinate by coordinate, with its weights; of those with
 * `label` alone, or of all (SCF_KDE_ANY_LABEL). p_T of a level (a, sigma) and a base bandwidth h0
 * has mean a `mean` and variance a^2 (`variance` + h0^2) + sigma^2. A driver: it may synchronise.
 * mean, variance: double[d] in host memory, or NULL. INVALID_ARGUMENT where no datum has the label.
 * With Y the largest |y| of a coordinate and s its deviation: mean within 1e-15 Y, variance within
 * 1e-15 Y s + 1e-14 s^2. */
SCF_API scf_status scf_kde_moments(scf_context* context, const scf_kde* kde, int32_t label,
                                   double* mean, double* variance, void* stream);

/* ---- Whole samplers -------------------------------------------------------------------------- */

/* What a model is asked: its output at x, all m rows, in the form of the sampler's params. */
typedef struct scf_model_request {
  uint32_t struct_size;
  int32_t element_bytes; /* 4: f32, 8: f64 */
  int64_t m;
  int64_t d;
  const void* x; /* T[m, ldx], device memory */
  int64_t ldx;
  void* output; /* T[m, ld_output], device memory; guidance: what is there is added to */
  int64_t ld_output;
  double signal_scale; /* the level of x */
  double sigma;
  double time;  /* times[] of the level */
  int64_t step; /* 0 .. steps - 1 */
  void* stream; /* work is enqueued here; NULL on CPU contexts */
} scf_model_request;

/* A result other than SCF_SUCCESS ends the run with that status. It may call every step and
 * evaluation of this library, with a context of its own or the driver's. */
typedef scf_status (*scf_model_fn)(void* user, const scf_model_request* request);

typedef int32_t (*scf_sampler_progress_fn)(void* user, int64_t step, int64_t steps);

/* Samplers. Step i goes from level i to level i + 1.
 *   SMLD   at level i, corrector_steps of Langevin with step_sizes[i]; with `denoise`, x0^ in the
 *          end
 *   DDPM   ancestral
 *   PC     the predictor, then corrector_steps of the corrector at the new level (none where its
 *          sigma is 0); with corrector_first, those at the old level before the predictor
 *   EM     Euler-Maruyama
 *   EDM    churn, Euler, Heun
 *   DPMPP  DPM-Solver++(2M); a step that follows one less than a thousandth as long, in
 *          ln(a/sigma), takes D = x0^, as the first one does */
#define SCF_SAMPLER_SMLD 0
#define SCF_SAMPLER_DDPM 1
#define SCF_SAMPLER_DDIM 2
#define SCF_SAMPLER_PC 3
#define SCF_SAMPLER_EM 4
#define SCF_SAMPLER_EDM 5
#define SCF_SAMPLER_DPMPP 6

#define SCF_PREDICTOR_NONE 0 /* the state goes on unchanged */
#define SCF_PREDICTOR_REVERSE_DIFFUSION 1
#define SCF_PREDICTOR_ANCESTRAL 2
#define SCF_PREDICTOR_EULER_MARUYAMA 3

#define SCF_START_GIVEN 0   /* x holds the state at level first_step */
#define SCF_START_PRIOR 1   /* N(0, sigma^2 I), sigma of level 0 */
#define SCF_START_MATCHED 2 /* the Gaussian with p_T's own mean and variance: KDE models alone */

/* A run. Arrays are host memory and copied unless they say otherwise. Since 0.1. */
typedef struct scf_sampler_params {
  uint32_t struct_size;
  int32_t method; /* SCF_SAMPLER_*, default SCF_SAMPLER_PC */
  /* The schedule: levels 0 (noise) to steps (where it ends), as scf_sampler_schedule gives it or
   * the caller's own. a sigma'/a' must not grow from one level to the next; every sigma > 0 but the
   * last, which may be 0 (not of SMLD). */
  int64_t steps;               /* >= 1, default 0 (unset) */
  const double* signal_scales; /* double[steps + 1], > 0, or NULL: 1 */
  const double* sigmas;        /* double[steps + 1] */
  const double* times;         /* double[steps + 1]: handed to the model; or NULL: the sigmas */
  const double* step_sizes;    /* double[steps]: SMLD, and PC in place of its rule; else NULL */
  const double* drifts;        /* double[steps], or NULL: 0; Euler-Maruyama */
  const double* diffusions;    /* double[steps]; Euler-Maruyama */
  const double* intervals;     /* double[steps]; Euler-Maruyama */
  /* How. Fields that a method has no use for are ignored. */
  int32_t predictor;       /* SCF_PREDICTOR_*, default SCF_PREDICTOR_REVERSE_DIFFUSION */
  int32_t corrector_first; /* 0 (default) or 1 */
  int64_t corrector_steps; /* >= 0, default 1 */
  int32_t rule;            /* SCF_CORRECTOR_*, default SCF_CORRECTOR_SIGMA */
  int32_t variance;        /* SCF_VARIANCE_*, default SCF_VARIANCE_SMALL */
  double snr;              /* default 0.16 */
  double eta;              /* default 0 */
  double clip;             /* default inf */
  double temperature;      /* default 1 */
  double churn;     /* EDM: S_churn >= 0, default 0: gamma = min(S_churn/steps, sqrt(2) - 1) */
  double churn_min; /* EDM: only at sigma in [churn_min, churn_max], defaults 0 and inf */
  double churn_max;
  double churn_noise; /* EDM: S_noise, default 1 */
  int32_t denoise;    /* 1: x0^ in the end, where the last sigma is > 0 (SMLD: at its last level);
                       * default 0 */
  int32_t start;      /* SCF_START_*, default SCF_START_GIVEN */
  /* The model: a callback, or a KDE. */
  int32_t form;       /* SCF_FORM_* of the callback's output, default SCF_FORM_SCORE */
  int32_t capturable; /* 1: callbacks may be captured in a CUDA graph: they only enqueue the same
                       * work for every request; default 0 */
  scf_model_fn model; /* or NULL */
  void* model_user;
  const scf_kde* kde;    /* or NULL: at a level the model is the KDE with signal scale a and
                          * bandwidth sqrt(a^2 h0^2 + sigma^2), exactly */
  double base_bandwidth; /* h0 >= 0, and > 0 at a level with sigma = 0; default NaN (unset) */
  const int32_t* labels; /* KDE: int32[m], device memory, as in scf_kde_query_params; or NULL */
  scf_model_fn guidance; /* adds its gradient to the score in request->output; or NULL */
  void* guidance_user;
  const void* known; /* T[m, ld_known], device memory, borrowed: known coordinates, NaN where
                      * unknown; put back with the noise of every new level; or NULL. The unknown
                      * ones follow approximately: well with many small steps and much noise
                      * (SMLD, PC with several corrector steps), little with few and without
                      * (DDIM, EDM, DPMPP) */
  int64_t ld_known;  /* >= d, or 0: one row for all */
  /* Noise: row i. With D = d rounded up to a multiple of 4 and M = corrector_steps (0 for a method
   * that has none), the start takes the words from offset on, and step j those from offset + 2 D (1
   * + j (M + 1)) on: update k of the state those from 2 D k on, where k = 0 is the way down (or
   * churn) and k = 1 .. M are the corrector's or SMLD's; known coordinates, put back after an
   * update or after the start, take the D words after its own. So a run that stops at a step and
   * goes on from its state with the same params is the whole run, bit for bit. */
  uint64_t seed;
  uint64_t offset;
  int64_t first_row;  /* >= 0 */
  int64_t first_step; /* 0 .. steps, default 0: the steps before have been done (start must be
                       * GIVEN, and previous hold their last x0^ for DPMPP) */
  int64_t stop_step;  /* first_step .. steps; default -1: steps */
  void* previous;     /* DPMPP: T[m, d] in device memory, in and out: x0^ of the last step done,
                       * also where a run is cancelled; or NULL where the run is whole */
  /* The trajectory: states at the steps first_step, first_step + k, ... and so on, state by state:
   * T[1 + (stop_step - first_step)/k, m, d] in device memory; or NULL. */
  void* trajectory;
  int64_t trajectory_every; /* k >= 1, default 1 */
  /* Called after every `progress_every` steps, when their work is done; a result other than 0
   * cancels. NULL: never. */
  scf_sampler_progress_fn progress;
  void* progress_user;
  int64_t progress_every; /* >= 1, default 1 */
} scf_sampler_params;

SCF_API scf_status scf_sampler_params_init(scf_sampler_params* params, uint32_t struct_size);

/* What a run did. Host memory. */
typedef struct scf_sampler_result {
  uint32_t struct_size;
  uint32_t status;     /* SCF_STEP_STATUS_* of all steps */
  int64_t steps_done;  /* x is the state after this many steps */
  int64_t failed_step; /* whose new state is not finite, or whose callback failed; else -1 */
  int64_t evaluations; /* of the model, of all m rows each */
} scf_sampler_result;

SCF_API scf_status scf_sampler_result_init(scf_sampler_result* result, uint32_t struct_size);

/* Runs a sampler: m samples of d dimensions in x[m, ldx], device memory, in (START_GIVEN) and out.
 * A driver: it allocates (with the context's allocator) before the first step, memory bounded by a
 * multiple of m d + steps and a KDE's workspace, and nothing after; it synchronises where progress
 * is reported and in the end. On CUDA the steps are captured as a graph where the model allows it
 * (a KDE without `guidance`, or `capturable`). result may be NULL. INVALID_ARGUMENT  bad params,
 * schedules that are not monotone, ...: nothing was written CANCELLED         progress asked: x is
 * the state after result->steps_done steps a callback's own status: x is the state after
 * result->steps_done steps, which is that before the step that failed (of captured callbacks: of
 * the last report or the start) INVALID_ARGUMENT also where a model's output made a state that is
 * not finite: the message and result->failed_step say at which step (CUDA: found at the next report
 * of progress, or in the end); x is what it is Determinism: as the steps; a sample depends on its
 * own row alone, but for SCF_CORRECTOR_BATCH. */
SCF_API scf_status scf_sample_f32(scf_context* context, const scf_sampler_params* params, float* x,
                                  int64_t m, int64_t d, int64_t ldx, scf_sampler_result* result,
                                  void* stream);
SCF_API scf_status scf_sample_f64(scf_context* context, const scf_sampler_params* params, double* x,
                                  int64_t m, int64_t d, int64_t ldx, scf_sampler_result* result,
                                  void* stream);

/* The usual schedule of a method under a diffusion, in the caller's arrays (host memory; NULL ones
 * are not written): what scf_sampler_params takes. With t_i = 1 - i (1 - t_end)/steps, t_end = 1e-5
 * (VE) or 1e-3:
 *   SMLD        VE alone: sigmas geometric from sigma_max to sigma_min over steps levels, the last
 *               one once more; step_sizes = step_size (sigma_i/sigma_min)^2
 *   DDPM, DDIM  VP: beta_linear(1e-4, 0.02, 1000) strided to steps <= 1000, then (1, 0), times of
 *               the stride and -1; VE: geometric, then 0; subVP: the SDE at t_i
 *   PC          VE: geometric, then 0; VP, subVP: the SDE at t_i
 *   EM          the SDE at t_i, with drifts, diffusions and intervals; so PC under VP and subVP
 *   EDM, DPMPP  sigma/a from karras(sigma_max, sigma_min, 7, steps), those of VP and subVP being
 *               sigma/a at t = 1 and at t_end; then (1, 0), time 0
 * UNSUPPORTED for SMLD under another SDE than VE. */
SCF_API scf_status scf_sampler_schedule(int32_t method, const scf_sde_params* sde, int64_t steps,
                                        double step_size, double* signal_scales, double* sigmas,
                                        double* times, double* step_sizes, double* drifts,
                                        double* diffusions, double* intervals);

#ifdef __cplusplus
}
#endif

#endif /* SCOREFIELD_SAMPLER_H_ */
