/* scorefield divergence: how far a model q is from data p, estimated at points where both were
 * evaluated. Value, standard error over the points, integrand at every point, and the gradient with
 * respect to the model's outputs.
 *
 * With s = grad log, <.>_p the mean over points x ~ p, m the mixture (p + q)/2:
 *
 *   Fisher  1/2 <|s_p - s_q|^2>_p, of scores
 *   KL      <log p - log q>_p, of log-densities
 *   KLS     1/2 <(log p - log q)^2>_p, the squared log-ratio, of log-densities
 *   F2      <(log p - log q)(s_p - s_q)>_p, a vector, of both: the gradient of
 *           1/2 (log p - log q)^2
 *   JS      1/2 KL(p|m) + 1/2 KL(q|m), Jensen-Shannon, in [0, ln 2], of log-densities at points of
 *           p and points of q                                             (Antolin et al. 2009)
 *   JF      1/2 F(p|m) + 1/2 F(q|m), Jensen-Fisher, F the Fisher divergence and
 *           s_m = (p s_p + q s_q)/(p + q), of both at points of p and points of q
 *                                                                  (Sanchez-Moreno et al. 2012)
 *   local variance
 *           G_f = <|f(x + e) - f(x)|^2> / <|e|^2>, f any vector or scalar of the point: tends to
 *           |J_f|_F^2 / d as e -> 0; of f at x and x + e, or of products J_f e. For
 *           f = log p - log q it is 2/d times the Fisher divergence.
 *
 * Units: Fisher, JF and the local variance of a log-ratio 1/x^2, KL and JS nats, KLS nats^2, F2
 * nats/x; a local variance in general f^2/x^2.
 *
 * Log-densities are normalised ones, in nats; where q = 0 at a point of p, KL is infinite and says
 * so. JS and JF are formed from log p - log q, so densities may underflow. Estimates are unbiased
 * but for the ratio in the local variance, whose bias falls as 1/m; its standard error is that of a
 * ratio, by linearisation (delta method).
 *
 * Accuracy. Sums are in double; log-ratios are differences of the given log-densities, in double or
 * with their rounding errors beside them. Of the sum of the terms' absolute values, every number is
 * within 1e-6 (f32) or 1e-14 (f64); of a standard error, the same share of what it were with the
 * mean at 0. An integrand that is not finite is not averaged away: the value is that infinity, or
 * NaN, and its standard error NaN.
 */
#ifndef SCOREFIELD_DIVERGENCE_H_
#define SCOREFIELD_DIVERGENCE_H_

#include <scorefield/core.h>
#include <scorefield/kde.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Points and what was evaluated there. Device memory, borrowed for the call (CUDA: until its work
 * in the stream is done), of the function's dtype T where void. Each divergence reads what the
 * table above says it needs, and ignores other inputs. Outputs may be NULL, and a gradient by what
 * the divergence does not depend on must be; they must not overlap each other or an input. Since
 * 0.1. */
typedef struct scf_divergence_points {
  uint32_t struct_size;
  uint32_t reserved;    /* 0 */
  int64_t m;            /* number of points, >= 0 */
  int64_t d;            /* >= 1 where a score is needed */
  const void* log_p;    /* T[m] */
  const void* log_q;    /* T[m] */
  const void* score_p;  /* T[m, ld_score_p] */
  int64_t ld_score_p;   /* >= d */
  const void* score_q;  /* T[m, ld_score_q] */
  int64_t ld_score_q;   /* >= d */
  void* integrand;      /* out T[m]; F2: T[m, ld_integrand]. Mean over the points: the value (JS and
                         * JF: half the mean of each set, added) */
  int64_t ld_integrand; /* F2: >= d */
  void* log_q_gradient; /* out T[m]: d value / d log_q; F2: of cotangent . value */
  void* score_q_gradient;      /* out T[m, ld_score_q_gradient]: d value / d score_q; the same */
  int64_t ld_score_q_gradient; /* >= d */
} scf_divergence_points;

SCF_API scf_status scf_divergence_points_init(scf_divergence_points* points, uint32_t struct_size);

/* Since 0.1. */
typedef struct scf_divergence_outputs {
  uint32_t struct_size;
  uint32_t reserved;      /* 0 */
  double* value;          /* one double in device memory; F2: double[d]; or NULL */
  double* standard_error; /* the same shape; NaN for fewer than 2 points; or NULL */
  const void* cotangent;  /* in  T[d] in device memory: F2's gradients are of its product with the
                           * value; NULL: no gradients may be asked of F2 */
  double gradient_scale;  /* in  finite, default 1: gradients are times this */
  uint32_t* status;       /* one device word, or NULL: bits below are OR-ed in, never cleared */
} scf_divergence_outputs;

SCF_API scf_status scf_divergence_outputs_init(scf_divergence_outputs* outputs,
                                               uint32_t struct_size);

/* Bits of the status word. */
#define SCF_DIVERGENCE_STATUS_NOT_FINITE 1u /* an integrand is NaN or infinite; so is the value */
#define SCF_DIVERGENCE_STATUS_NO_POINT 2u   /* a set of points is empty: the value is NaN */

/* Workspace of every call below for m points of p and n points of q (0 where it takes none) in d
 * dimensions, bytes. INVALID_ARGUMENT where the address space could not hold it. */
SCF_API scf_status scf_divergence_workspace(scf_context* context, int64_t m, int64_t n, int64_t d,
                                            size_t* bytes);

/* p: points drawn from p. q: points drawn from q. workspace: device memory, 256-byte aligned, at
 * least scf_divergence_workspace() bytes. Allocates nothing, never synchronises; CUDA: can be
 * captured in a graph. m == 0 writes NaN to value and standard error. Determinism: bit-for-bit
 * repeatable on one build and device, and independent of the thread count; integrands also of how
 * the points are split, but for those of the local variance, which are over the points' mean. Since
 * 0.1. */
SCF_API scf_status scf_fisher_divergence_f32(scf_context* context, const scf_divergence_points* p,
                                             const scf_divergence_outputs* outputs, void* workspace,
                                             size_t workspace_bytes, void* stream);
SCF_API scf_status scf_fisher_divergence_f64(scf_context* context, const scf_divergence_points* p,
                                             const scf_divergence_outputs* outputs, void* workspace,
                                             size_t workspace_bytes, void* stream);
SCF_API scf_status scf_kl_divergence_f32(scf_context* context, const scf_divergence_points* p,
                                         const scf_divergence_outputs* outputs, void* workspace,
                                         size_t workspace_bytes, void* stream);
SCF_API scf_status scf_kl_divergence_f64(scf_context* context, const scf_divergence_points* p,
                                         const scf_divergence_outputs* outputs, void* workspace,
                                         size_t workspace_bytes, void* stream);
SCF_API scf_status scf_kls_divergence_f32(scf_context* context, const scf_divergence_points* p,
                                          const scf_divergence_outputs* outputs, void* workspace,
                                          size_t workspace_bytes, void* stream);
SCF_API scf_status scf_kls_divergence_f64(scf_context* context, const scf_divergence_points* p,
                                          const scf_divergence_outputs* outputs, void* workspace,
                                          size_t workspace_bytes, void* stream);
SCF_API scf_status scf_f2_divergence_f32(scf_context* context, const scf_divergence_points* p,
                                         const scf_divergence_outputs* outputs, void* workspace,
                                         size_t workspace_bytes, void* stream);
SCF_API scf_status scf_f2_divergence_f64(scf_context* context, const scf_divergence_points* p,
                                         const scf_divergence_outputs* outputs, void* workspace,
                                         size_t workspace_bytes, void* stream);
SCF_API scf_status scf_js_divergence_f32(scf_context* context, const scf_divergence_points* p,
                                         const scf_divergence_points* q,
                                         const scf_divergence_outputs* outputs, void* workspace,
                                         size_t workspace_bytes, void* stream);
SCF_API scf_status scf_js_divergence_f64(scf_context* context, const scf_divergence_points* p,
                                         const scf_divergence_points* q,
                                         const scf_divergence_outputs* outputs, void* workspace,
                                         size_t workspace_bytes, void* stream);
SCF_API scf_status scf_jf_divergence_f32(scf_context* context, const scf_divergence_points* p,
                                         const scf_divergence_points* q,
                                         const scf_divergence_outputs* outputs, void* workspace,
                                         size_t workspace_bytes, void* stream);
SCF_API scf_status scf_jf_divergence_f64(scf_context* context, const scf_divergence_points* p,
                                         const scf_divergence_points* q,
                                         const scf_divergence_outputs* outputs, void* workspace,
                                         size_t workspace_bytes, void* stream);

/* What the local variance is taken of. Device memory. Since 0.1. */
typedef struct scf_local_variance_points {
  uint32_t struct_size;
  uint32_t reserved;               /* 0 */
  int64_t m;                       /* number of points, >= 0 */
  int64_t d;                       /* dimensions of x, >= 1 */
  int64_t c;                       /* components of f, >= 1 */
  const void* displacement;        /* T[m, ld_displacement]: e, of E e = 0 and E e e^T ~ I */
  int64_t ld_displacement;         /* >= d */
  const void* f;                   /* T[m, ld_f]: f(x); NULL: f_displaced holds products J_f e */
  int64_t ld_f;                    /* >= c */
  const void* f_displaced;         /* T[m, ld_f_displaced]: f(x + e) */
  int64_t ld_f_displaced;          /* >= c */
  void* integrand;                 /* out T[m]: |f(x+e) - f(x)|^2 over the mean of |e|^2; or NULL */
  void* f_gradient;                /* out T[m, ld_f_gradient]: d G / d f; or NULL */
  int64_t ld_f_gradient;           /* >= c */
  void* f_displaced_gradient;      /* out T[m, ld_f_displaced_gradient]; or NULL */
  int64_t ld_f_displaced_gradient; /* >= c */
} scf_local_variance_points;

SCF_API scf_status scf_local_variance_points_init(scf_local_variance_points* points,
                                                  uint32_t struct_size);

/* outputs->cotangent is ignored. Workspace: scf_divergence_workspace() with n = 0 and the larger of
 * d and c. The rest as above. */
SCF_API scf_status scf_local_variance_f32(scf_context* context,
                                          const scf_local_variance_points* points,
                                          const scf_divergence_outputs* outputs, void* workspace,
                                          size_t workspace_bytes, void* stream);
SCF_API scf_status scf_local_variance_f64(scf_context* context,
                                          const scf_local_variance_points* points,
                                          const scf_divergence_outputs* outputs, void* workspace,
                                          size_t workspace_bytes, void* stream);

/* ---- KDEs as data and model. Since 0.1. --------------------------------------------------------
 */

#define SCF_DIVERGENCE_FISHER 0
#define SCF_DIVERGENCE_KL 1
#define SCF_DIVERGENCE_KLS 2
#define SCF_DIVERGENCE_F2 3
#define SCF_DIVERGENCE_JS 4
#define SCF_DIVERGENCE_JF 5
#define SCF_DIVERGENCE_LOCAL_VARIANCE                                \
  6 /* of f = log p - log q, by its gradient: J_f e = (s_p - s_q).e, \
     * e = epsilon times a standard normal row (random.h) */

/* Two KDEs, and the points that the means are over. Of the query params top and tangent are
 * ignored; both may name one status word. Since 0.1. */
typedef struct scf_kde_divergence_params {
  uint32_t struct_size;
  int32_t divergence; /* SCF_DIVERGENCE_* */
  const scf_kde* p;   /* of one backend, device, dtype and d */
  const scf_kde* q;
  const scf_kde_query_params* p_query; /* of p and q at the points of p: per-query arrays are [m] */
  const scf_kde_query_params* q_query;
  const void* x; /* T[m, ldx]: points of p, device memory */
  int64_t m;
  int64_t ldx;   /* >= d */
  const void* y; /* T[n, ldy]: points of q, of JS and JF; else ignored. p and q
                  * are evaluated there with the scalars of p_query and
                  * q_query; per-query arrays: UNSUPPORTED */
  int64_t n;
  int64_t ldy; /* >= d */
  /* Displacements of the local variance, epsilon z; other divergences ignore these fields. Row i of
   * z takes the words of row first_row + i from offset on, as a normal row of random.h does, so
   * that a batch in parts has the displacements of the whole. */
  double epsilon; /* > 0; default 1 (it scales out) */
  uint64_t seed;
  uint64_t offset;
  int64_t first_row;             /* >= 0 */
  const uint64_t* device_offset; /* as in scf_random_params, or NULL */
  const void* noise;             /* T[m, ld_noise]: the caller's own z instead, device memory, of
                                  * E z = 0 and E z z^T = I; or NULL */
  int64_t ld_noise;              /* >= d */
} scf_kde_divergence_params;

SCF_API scf_status scf_kde_divergence_params_init(scf_kde_divergence_params* params,
                                                  uint32_t struct_size);

/* A driver: allocates, with the context's allocator, memory bounded by a multiple of (m + n) d, and
 * may synchronise. A point whose query sets a status bit is NaN, and so is the value.
 *   x_integrand  out T[m], F2: T[m, d]; or NULL
 *   y_integrand  out T[n], of JS and JF; else NULL
 *   log_bandwidth_gradient  out one double in device memory: d value / d log h_q, the points fixed
 *                (F2: of cotangent . value), times gradient_scale; h_q the bandwidth that all
 *                queries share (with bandwidths of their own: that of multiplying them all by one
 *                factor); 0 where there is no point; or NULL */
SCF_API scf_status scf_kde_divergence_f32(scf_context* context,
                                          const scf_kde_divergence_params* params,
                                          const scf_divergence_outputs* outputs, float* x_integrand,
                                          float* y_integrand, double* log_bandwidth_gradient,
                                          void* stream);
SCF_API scf_status scf_kde_divergence_f64(scf_context* context,
                                          const scf_kde_divergence_params* params,
                                          const scf_divergence_outputs* outputs,
                                          double* x_integrand, double* y_integrand,
                                          double* log_bandwidth_gradient, void* stream);

#ifdef __cplusplus
}
#endif

#endif /* SCOREFIELD_DIVERGENCE_H_ */
