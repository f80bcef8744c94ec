/* scorefield ode: flows dx/dt = f(x, t), every sample solved on its own; the probability flow of a
 * diffusion, and the log-densities that it carries. Schedules and diffusions: schedule.h.
 *
 * The probability flow of dx = f(t) x dt + g(t) dw (scf_sde_params) with the score s of its
 * marginals (Song et al. 2021):
 *   dx/dt = f(t) x - g(t)^2/2 s(x, t)
 * whose samples have the diffusion's own marginals at every t. With a KDE of base bandwidth h0 as
 * the data, p_t is the KDE with signal scale a(t) and bandwidth
 *   sqrt(a(t)^2 h0^2 + sigma(t)^2)               VP, subVP
 *   sqrt(h0^2 + sigma(t)^2 - sigma(0)^2)         VE, which starts at sigma(0)
 * so that p_0 is the KDE itself; its score and divergence are exact.
 *
 * The log-density along a path (Chen et al. 2018): d log p(x(t))/dt = -div f(x(t), t).
 */
#ifndef SCOREFIELD_ODE_H_
#define SCOREFIELD_ODE_H_

#include <scorefield/core.h>
#include <scorefield/kde.h>
#include <scorefield/loss.h>
#include <scorefield/schedule.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Fields ---------------------------------------------------------------------------------- */

/* What a field is asked at m states, each with a time of its own. Arrays are device memory; what is
 * NULL is not wanted. `samples` says which sample of the batch a row is: those that are on their
 * way, and until they are an eighth of them some that have got there, whose rows are asked for
 * where they ended and not used. */
typedef struct scf_field_request {
  uint32_t struct_size;
  int32_t element_bytes; /* 4: f32, 8: f64 */
  int64_t m;
  int64_t d;
  const double* times;         /* double[m] */
  const double* signal_scales; /* double[m]: a of the times, of a score; else NULL */
  const double* sigmas;        /* double[m] */
  const int64_t* samples;      /* int64[m]: rows of the whole batch */
  const void* x;               /* T[m, ldx] */
  int64_t ldx;
  void* value; /* out T[m, ld_value]: f(x, t), or of a score s(x, t) */
  int64_t ld_value;
  double* divergence;  /* out double[m]: its divergence in x */
  const void* tangent; /* T[m, ld_tangent]: v */
  int64_t ld_tangent;
  void* jacobian_product; /* out T[m, ld_jacobian_product]: J v, J = d value/dx */
  int64_t ld_jacobian_product;
  const void* cotangent; /* T[m, ld_cotangent]: u */
  int64_t ld_cotangent;
  void* vector_jacobian; /* out T[m, ld_vector_jacobian]: J^T u */
  int64_t ld_vector_jacobian;
  double*
      parameter_gradient; /* double[n_parameters]: sum_i u_i . d value_i/d parameters is added */
  void* stream;           /* work is enqueued here; NULL on CPU contexts */
} scf_field_request;

/* A result other than SCF_SUCCESS ends the call with that status. It may call every step and
 * evaluation of this library, with a context of its own or the driver's. */
typedef scf_status (*scf_field_fn)(void* user, const scf_field_request* request);

#define SCF_FIELD_FUNCTION 0 /* f itself */
#define SCF_FIELD_SCORE 1    /* the probability flow of `sde` with a function's score */
#define SCF_FIELD_KDE 2      /* the probability flow of `sde` from a prepared KDE */

typedef struct scf_field {
  uint32_t struct_size;
  int32_t kind;          /* SCF_FIELD_*, default SCF_FIELD_FUNCTION */
  scf_field_fn function; /* FUNCTION, SCORE */
  void* user;
  const scf_sde_params* sde; /* SCORE, KDE; NULL: the defaults of scf_sde_params_init */
  const scf_kde* kde;        /* KDE */
  double base_bandwidth;     /* KDE: h0 > 0; default NaN (unset) */
  const int32_t* labels;     /* KDE: int32[m], device memory, as in scf_kde_query_params; or NULL */
} scf_field;

SCF_API scf_status scf_field_init(scf_field* field, uint32_t struct_size);

/* ---- Solvers --------------------------------------------------------------------------------- */

#define SCF_ODE_EULER 0
#define SCF_ODE_HEUN 1   /* order 2: the mean of the slopes at both ends */
#define SCF_ODE_RK4 2    /* order 4, the classical one */
#define SCF_ODE_DOPRI5 3 /* Dormand and Prince 5(4) with Shampine's interpolant of order 4 */

#define SCF_TRACE_NONE 0       /* no log-density */
#define SCF_TRACE_EXACT 1      /* the KDE's own divergence, or the function's */
#define SCF_TRACE_HUTCHINSON 2 /* the mean of v.J v over K probes, fixed along a path */

typedef int32_t (*scf_ode_progress_fn)(void* user, int64_t finished, int64_t m);

typedef struct scf_ode_params {
  uint32_t struct_size;
  int32_t solver; /* SCF_ODE_*, default SCF_ODE_DOPRI5 */
  /* Where the states are wanted: times[0] is where x is, the rest follow, increasing or decreasing.
   * Host memory, copied. EULER, HEUN and RK4 take `steps` equal steps from each to the next (1
   * makes the times themselves the grid); DOPRI5 interpolates. */
  const double* times; /* double[n_times] */
  int64_t n_times;     /* >= 2 */
  int64_t steps;       /* >= 1, default 100 */
  /* DOPRI5: a step is taken where sqrt(mean_j (e_j/(atol + rtol max(|x_j|, |x'_j|)))^2) <= 1, e its
   * error and x' its end; the mean runs over the sample's own d coordinates, and its log-density
   * where that is carried, over atol + rtol max(|log p|, 1), log p as at the step's start. */
  double rtol;       /* >= 0, default 1e-5 */
  double atol;       /* >= 0, default 1e-5; one of the two > 0 */
  double first_step; /* > 0 and finite, or 0 (default): found from the field (Hairer et al. 1993) */
  int64_t max_steps; /* of a sample, refused ones included; >= 1, default 10000 */
  int32_t trace;     /* SCF_TRACE_*, default SCF_TRACE_NONE */
  int32_t probe;     /* HUTCHINSON: SCF_PROBE_*, default SCF_PROBE_RADEMACHER */
  int64_t probes; /* HUTCHINSON: K >= 1, default 1; probe k of row i takes the words from offset + k
                   * D on, D = d rounded up to a multiple of 4, as in random.h */
  uint64_t seed;
  uint64_t offset;
  int64_t first_row; /* >= 0 */
  /* Results besides x. Device memory, or NULL. */
  void* states;           /* T[n_times, m, d]: x at every time */
  double* log_densities;  /* double[n_times, m]: with a trace, log p at every time, as far as it is
                           * known: less log p at times[0] */
  uint32_t* statuses;     /* uint32[m]: SCF_ODE_STATUS_* of each sample */
  int64_t* steps_taken;   /* int64[m]: steps that were accepted */
  int64_t* steps_refused; /* int64[m] */
  /* Called between steps; a result other than 0 cancels. NULL: never. */
  scf_ode_progress_fn progress;
  void* progress_user;
} scf_ode_params;

SCF_API scf_status scf_ode_params_init(scf_ode_params* params, uint32_t struct_size);

/* What became of a sample. One that failed is NaN wherever it was not reached.
 * NOT_FINITE: the field or its divergence gave NaN or infinity, however small the step.
 * STEP_UNDERFLOW: the step that the tolerance asks for, or the caller's first, is nothing to t.
 * STEP_LIMIT: max_steps. */
#define SCF_ODE_STATUS_NOT_FINITE 1u
#define SCF_ODE_STATUS_STEP_UNDERFLOW 2u
#define SCF_ODE_STATUS_STEP_LIMIT 4u

typedef struct scf_ode_result {
  uint32_t struct_size;
  uint32_t status;      /* SCF_ODE_STATUS_* of all samples */
  int64_t failed;       /* samples that failed */
  int64_t first_failed; /* the first of them, or -1 */
  int64_t calls;        /* stages at which the field was asked for */
  int64_t evaluations;  /* of the field, of all rows that were asked for; with K probes K a row */
} scf_ode_result;

SCF_API scf_status scf_ode_result_init(scf_ode_result* result, uint32_t struct_size);

/* Solves from times[0] to the last time: x[m, ldx], device memory, in and out; log_density
 * double[m], device memory, is with a trace out: log p at the last time less log p at times[0]; or
 * NULL. A driver: it allocates, memory bounded by a multiple of m d, and synchronises.
 *   INVALID_ARGUMENT  bad params: nothing was written. Also where a sample failed and `result` is
 *                     NULL; with a result, failures are told there and the rest is whole
 *   CANCELLED         progress asked; x and all results are what they are
 *   the function's    own status: x and all results are what they are
 * Determinism: bit-for-bit repeatable on one build and device; a sample's steps depend on it alone,
 * not on its batch-mates or on how the batch is split. Since 0.1. */
SCF_API scf_status scf_ode_solve_f32(scf_context* context, const scf_field* field,
                                     const scf_ode_params* params, float* x, int64_t m, int64_t d,
                                     int64_t ldx, double* log_density, scf_ode_result* result,
                                     void* stream);
SCF_API scf_status scf_ode_solve_f64(scf_context* context, const scf_field* field,
                                     const scf_ode_params* params, double* x, int64_t m, int64_t d,
                                     int64_t ldx, double* log_density, scf_ode_result* result,
                                     void* stream);

/* ---- Encoding and decoding ------------------------------------------------------------------- */

/* The same from points that stay as they are: latents[i,:] is points[i,:] taken from times[0] to
 * the last time (noise, where times are 0 and 1), and decode's points[i,:] is latents[i,:] taken
 * from the last time to times[0]: the pair is its own inverse but for the solver's error. times
 * NULL: 0 and 1. round_trip double[m], device memory: the root mean square over d of
 * decode(encode(x)) - x, at the price of the way back; or NULL. params' states, statuses and steps
 * are of the way there; with decode, states are at the times in reverse. Without a trace. */
SCF_API scf_status scf_ode_encode_f32(scf_context* context, const scf_field* field,
                                      const scf_ode_params* params, const float* points, int64_t m,
                                      int64_t d, int64_t ld_points, float* latents,
                                      int64_t ld_latents, double* round_trip,
                                      scf_ode_result* result, void* stream);
SCF_API scf_status scf_ode_encode_f64(scf_context* context, const scf_field* field,
                                      const scf_ode_params* params, const double* points, int64_t m,
                                      int64_t d, int64_t ld_points, double* latents,
                                      int64_t ld_latents, double* round_trip,
                                      scf_ode_result* result, void* stream);
SCF_API scf_status scf_ode_decode_f32(scf_context* context, const scf_field* field,
                                      const scf_ode_params* params, const float* latents, int64_t m,
                                      int64_t d, int64_t ld_latents, float* points,
                                      int64_t ld_points, scf_ode_result* result, void* stream);
SCF_API scf_status scf_ode_decode_f64(scf_context* context, const scf_field* field,
                                      const scf_ode_params* params, const double* latents,
                                      int64_t m, int64_t d, int64_t ld_latents, double* points,
                                      int64_t ld_points, scf_ode_result* result, void* stream);

/* ---- Likelihood ------------------------------------------------------------------------------ */

/* EXACT: the marginal itself, the KDE at the last time's level. MATCHED: the Gaussian with its mean
 * and variance, coordinate by coordinate; not with labels. GAUSSIAN: N(0, prior_variance I). */
#define SCF_PRIOR_EXACT 0
#define SCF_PRIOR_MATCHED 1
#define SCF_PRIOR_GAUSSIAN 2

typedef struct scf_likelihood_params {
  uint32_t struct_size;
  int32_t prior; /* SCF_PRIOR_*; default -1: EXACT of a KDE, else GAUSSIAN. EXACT and MATCHED are of
                  * a KDE alone */
  double prior_variance; /* > 0; default NaN: the papers', sigma(T)^2 (VE) or 1 (VP, subVP), T the
                          * last time; FUNCTION fields must say */
  double bin_width;   /* > 0, default 1: of the data's bins, in their unit; 8-bit images in [0, 1]:
                       * 1/256 */
  void* latents;      /* out T[m, ld_latents], device memory: where the points end; or NULL */
  int64_t ld_latents; /* >= d */
} scf_likelihood_params;

SCF_API scf_status scf_likelihood_params_init(scf_likelihood_params* params, uint32_t struct_size);

typedef struct scf_likelihood_result {
  uint32_t struct_size;
  uint32_t reserved;         /* 0 */
  double mean_log_density;   /* nats; NaN where a sample failed or m is 0 */
  double bits_per_dimension; /* -mean/(d ln 2) - log2 bin_width */
  scf_ode_result solution;   /* struct_size: that of this library */
} scf_likelihood_result;

SCF_API scf_status scf_likelihood_result_init(scf_likelihood_result* result, uint32_t struct_size);

/* log_density double[m], device memory: log p(x_i) = log p_T(x_i(T)) + int div f dt along the flow
 * from times[0], where x is, to T, the last time (times NULL: 0 and 1), by params' trace, which
 * must not be NONE (EXACT is the likelihood up to the solver's tolerance; HUTCHINSON is unbiased,
 * its variance falls as 1/K). log_density and log_densities of the params are not written.
 * likelihood NULL: the defaults. x stays. Failures as in scf_ode_solve_*. A Gaussian prior is not
 * the marginal: it is off by some thousandths of a nat a dimension, more where the last time's
 * noise is not far above the data's spread. */
SCF_API scf_status scf_ode_log_likelihood_f32(scf_context* context, const scf_field* field,
                                              const scf_ode_params* params,
                                              const scf_likelihood_params* likelihood,
                                              const float* x, int64_t m, int64_t d, int64_t ldx,
                                              double* log_density, scf_likelihood_result* result,
                                              void* stream);
SCF_API scf_status scf_ode_log_likelihood_f64(scf_context* context, const scf_field* field,
                                              const scf_ode_params* params,
                                              const scf_likelihood_params* likelihood,
                                              const double* x, int64_t m, int64_t d, int64_t ldx,
                                              double* log_density, scf_likelihood_result* result,
                                              void* stream);

/* ---- Gradients ------------------------------------------------------------------------------- */

/* DISCRETE: backward through the solver's own steps, the exact gradient of what scf_ode_solve_*
 * computes, its step sizes taken as given. CONTINUOUS (Chen et al. 2018): da/dt = -J^T a, solved
 * backward by the same solver; as good as its tolerance or steps, and in less memory. */
#define SCF_ADJOINT_DISCRETE 0
#define SCF_ADJOINT_CONTINUOUS 1

typedef struct scf_adjoint_params {
  uint32_t struct_size;
  int32_t method;           /* SCF_ADJOINT_*, default SCF_ADJOINT_DISCRETE */
  int64_t checkpoint_every; /* DISCRETE: of every k steps the first state is kept, and k are made
                             * again at a time; in [1, 2^31), default 16 */
  const void*
      output_gradients; /* T[n_times, m, d]: dL/dx(times[j]), of L as a function of all states */
  /* Gradients of the field's parameters, device memory; NULL: not wanted. All are written. */
  double* parameter_gradient;     /* FUNCTION, SCORE: double[n_parameters] */
  int64_t n_parameters;           /* >= 1 where wanted */
  double* log_bandwidth_gradient; /* KDE: one number, dL/d log h0 */
  void* data_gradient;            /* KDE: T[n, ld_data_gradient], dL/dy_k; a datum of weight 0: 0 */
  int64_t ld_data_gradient;       /* >= d */
} scf_adjoint_params;

SCF_API scf_status scf_adjoint_params_init(scf_adjoint_params* params, uint32_t struct_size);

/* The gradient of a loss L of the states at the params' times, with respect to x, the states at
 * times[0]: gradient T[m, ld_gradient], device memory. The flow from x is solved again; functions
 * must give value, vector_jacobian and, where wanted, parameter_gradient. params' trace must be
 * NONE, and its states are not written. Memory: DISCRETE (40 + k + steps/k) m d, with steps those
 * of the sample that takes most, and on the host 16 bytes a sample and step; CONTINUOUS (40 +
 * n_times) m d; with data_gradient 3 n d more. A sample that failed, on the way there or back, has
 * the gradient NaN, and so may then have the parameters'. Failures, determinism and statuses as in
 * scf_ode_solve_*, but parameter gradients depend on the batch. DISCRETE cannot be cancelled on its
 * way back. */
SCF_API scf_status scf_ode_adjoint_f32(scf_context* context, const scf_field* field,
                                       const scf_ode_params* params,
                                       const scf_adjoint_params* adjoint, const float* x, int64_t m,
                                       int64_t d, int64_t ldx, float* gradient, int64_t ld_gradient,
                                       scf_ode_result* result, void* stream);
SCF_API scf_status scf_ode_adjoint_f64(scf_context* context, const scf_field* field,
                                       const scf_ode_params* params,
                                       const scf_adjoint_params* adjoint, const double* x,
                                       int64_t m, int64_t d, int64_t ldx, double* gradient,
                                       int64_t ld_gradient, scf_ode_result* result, void* stream);

/* ---- Sensitivity ----------------------------------------------------------------------------- */

/* NOISE: of noise e = epsilon z, z normal. JACOBIAN: the limit of small e, |J^T u|^2/d, u normal, J
 * by the discrete adjoint. */
#define SCF_LOCAL_VARIANCE_NOISE 0
#define SCF_LOCAL_VARIANCE_JACOBIAN 1

typedef struct scf_local_variance_params {
  uint32_t struct_size;
  int32_t method;  /* SCF_LOCAL_VARIANCE_*, default SCF_LOCAL_VARIANCE_NOISE */
  double epsilon;  /* NOISE: > 0; default NaN (unset) */
  int64_t draws;   /* K >= 1, default 1: the estimates of K draws are averaged */
  uint64_t seed;   /* draw k of row i takes the words from offset + k D on, D = d rounded up to a */
  uint64_t offset; /* multiple of 4, as a normal row of random.h */
  int64_t first_row; /* >= 0 */
} scf_local_variance_params;

SCF_API scf_status scf_local_variance_params_init(scf_local_variance_params* params,
                                                  uint32_t struct_size);

/* The local variance of a flow's map f from times[0] to the last time, or of a sampler that is a
 * flow (times 1 and 0): G_f(x) = E |f(x + e) - f(x)|^2 / E |e|^2  ->  |J_f|_F^2/d  as e -> 0 values
 * double[m], device memory: unbiased estimates of each sample's, whose variance falls as 1/K. times
 * NULL: 0 and 1. Without a trace; states are not written. Of a field, or of any function, at given
 * values: scf_local_variance_* in divergence.h. Failures as in scf_ode_solve_*: such a value is
 * NaN. */
SCF_API scf_status scf_ode_local_variance_f32(scf_context* context, const scf_field* field,
                                              const scf_ode_params* params,
                                              const scf_local_variance_params* of, const float* x,
                                              int64_t m, int64_t d, int64_t ldx, double* values,
                                              scf_ode_result* result, void* stream);
SCF_API scf_status scf_ode_local_variance_f64(scf_context* context, const scf_field* field,
                                              const scf_ode_params* params,
                                              const scf_local_variance_params* of, const double* x,
                                              int64_t m, int64_t d, int64_t ldx, double* values,
                                              scf_ode_result* result, void* stream);

#ifdef __cplusplus
}
#endif

#endif /* SCOREFIELD_ODE_H_ */
