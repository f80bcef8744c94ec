/* scorefield KDE: the score of data. Gaussian kernel density estimate of n data y in d dimensions,
 *
 *   p(x) = sum_k w_k N(x | a y_k, h^2 I),   w_k >= 0, sum w_k = 1,
 *
 * with bandwidth h > 0 and signal scale a > 0, each shared or per query, so that one call serves a
 * batch of diffusion times (VE: a = 1, h = sigma_t; VP: a = alpha_t). For one query x, with
 * r_k = |x - a y_k|, e_k = log w_k - r_k^2 / (2 h^2) and p_k = softmax_k(e_k):
 *
 *   log-density            LSE_k e_k - (d/2) log(2 pi) - d log h
 *   score                  s = grad_x log p = (a m - x) / h^2,   m = sum_k p_k y_k
 *   denoiser               m = E[y | x] = (x + h^2 s) / a                       (Tweedie)
 *   divergence             div s = (a^2/h^4) tr Cov_p(y) - d/h^2
 *   Jacobian product       J v = (a^2/h^4) sum_k p_k (y_k - m)((y_k - m).v) - v/h^2, J symmetric
 *   quadratic form         v.J v
 *   effective sample size  1 / sum_k p_k^2
 *   most probable data     the K largest p_k and their indices; ties: the lowest index first
 *
 * Source: Parzen (1962), Annals of Mathematical Statistics 33(3); Vincent (2011) and Robbins (1956)
 * for the denoiser.
 *
 * Accuracy, measured against a reference in higher precision: kernels/kde/README.md states it. The
 * promise, where "largest" is over the batch's components, and of a score's at least 1/(4h): f32
 * score, denoiser and J v within 5e-6 of the largest for d <= 64 and 2e-5 for all d; log-density
 * within 1e-5 max(1, |log p|, min_k r_k^2/2h^2); divergence within 1e-5 d/h^2. f64: 1e-12 in the
 * same units. Queries whose exponents are too large for single precision are detected and evaluated
 * in double.
 */
#ifndef SCOREFIELD_KDE_H_
#define SCOREFIELD_KDE_H_

#include <scorefield/core.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A dataset laid out once for many evaluations. Immutable; any number of threads and streams may
 * evaluate one at once. It keeps its own copy of the data, about twice n d elements, and up to 48
 * bytes a datum for weights and labels. CUDA, f32, keeps n d elements, and besides for tensor cores
 * 100 bytes a datum for d <= 2, 148 for d = 3, else 6 bytes a coordinate, d rounded up to 8, 16, 32
 * or a multiple of 64, and 52 a datum; twice that at most where data have labels. Since 0.1. */
typedef struct scf_kde scf_kde;

typedef struct scf_kde_params {
  uint32_t struct_size;
  uint32_t reserved;      /* 0 */
  const void* weights;    /* T[n] of the function's dtype, >= 0, finite, not all zero; normalised by
                           * the library. NULL (default): 1/n each. Device memory, copied. */
  const int32_t* labels;  /* int32[n], any value but SCF_KDE_ANY_LABEL; NULL (default): unlabelled.
                           * Device memory, copied. */
  int32_t index;          /* 1: also build what evaluations with a tolerance skip data by (below);
                           * 0 (default): they are dense. On the CPU it takes about as much memory
                           * as the data once more, of d = 1, 2 and 3 another 7, 46 and 67 bytes a
                           * datum, and the time of a few hundred queries (d = 2 and 3: of a thousand
                           * and two). On CUDA, for d <= 6, the data once more and 8 bytes a
                           * datum, weights once more; for d > 6 nothing, as float32's screen, half
                           * the data's memory (d <= 5: more), is there anyway. */
  int32_t reserved_index; /* 0 */
} scf_kde_params;

SCF_API scf_status scf_kde_params_init(scf_kde_params* params, uint32_t struct_size);

/* Prepares n data of d dimensions. A driver: it may synchronise the stream. Since 0.1.
 *   data   in  T[n, ld], ld >= d, device memory, finite; copied.
 *   params in  NULL means defaults.
 * n >= 1, d >= 1. *kde is NULL on failure. INVALID_ARGUMENT for a bad size, NaN or infinity in
 * data, a negative or non-finite weight, or weights that are all zero. A datum of weight zero is
 * never seen by any query. */
SCF_API scf_status scf_kde_create_f32(scf_context* context, const float* data, int64_t n, int64_t d,
                                      int64_t ld, const scf_kde_params* params, void* stream,
                                      scf_kde** kde);
SCF_API scf_status scf_kde_create_f64(scf_context* context, const double* data, int64_t n,
                                      int64_t d, int64_t ld, const scf_kde_params* params,
                                      void* stream, scf_kde** kde);

/* Destroys a prepared dataset; NULL is allowed. CUDA: the caller makes sure that no work still uses
 * it. */
SCF_API void scf_kde_destroy(scf_kde* kde);

/* Number of data and dimensions; 0 for NULL. */
SCF_API int64_t scf_kde_size(const scf_kde* kde);
SCF_API int64_t scf_kde_dimension(const scf_kde* kde);

#define SCF_KDE_ANY_LABEL INT32_MIN /* a query with this label sees all data */
#define SCF_KDE_MAX_TOP 64

/* What a query is evaluated with. Arrays are device memory, borrowed for the call (CUDA: until its
 * work in the stream is done), of the function's dtype T where void. Since 0.1. */
typedef struct scf_kde_query_params {
  uint32_t struct_size;
  int32_t top;               /* K, number of most probable data, 0..SCF_KDE_MAX_TOP; default 0 */
  double bandwidth;          /* h of every query, unless bandwidths is given; default NaN (unset) */
  double signal_scale;       /* a of every query, unless signal_scales is given; default 1 */
  const void* bandwidths;    /* T[m], > 0 and finite, or NULL */
  const void* signal_scales; /* T[m], > 0 and finite, or NULL */
  const int64_t* skip;       /* int64[m]: datum skip[i] is left out for query i and the weights of
                              * the others renormalised (leave-one-out); -1: none; or NULL */
  const int32_t* labels;     /* int32[m]: query i sees only data of this label, weights renormalised
                              * (class-conditional); SCF_KDE_ANY_LABEL: all data; or NULL */
  const void* tangent;       /* T[m, ld_tangent], v of the Jacobian outputs, or NULL */
  int64_t ld_tangent;        /* >= d; default 0 */
  uint32_t* status;          /* one device word, or NULL: bits below are OR-ed in, never cleared */
  double tolerance; /* in [0, 1): the mass that may be skipped, see below; 0 (default): none.
                     * scf_kde_evaluate_* alone heeds it */
} scf_kde_query_params;

/* Tolerance. With a tolerance tau > 0 and a dataset that was created with an index, data may be
 * left out of a query's sums, or be summed by truncated series, as long as what that moves their
 * weights by adds up to at most tau times the sum of all weights that the query sees: proven, with
 * the rounding of every step, in kernels/kde/README.md. Results are those of the posterior of these
 * weights, so log p  is too small by -log(1 - tau) at most, or too large by log(1 + tau) (by series
 * alone); m      is off by at most tau D, and the score by at most tau a D / h^2, where D is the
 * largest distance between a datum and that m: the data's diameter at most. The promise of accuracy
 * above holds for that posterior. Each query chooses its own method, from what it would cost; one
 * whose data all count, or nearly, is evaluated dense. Jacobian products, quadratic forms and most
 * probable data, queries that see one label alone (but for screens on the CPU), queries that are
 * far (10^6 bandwidths from all data), and those whose divergence takes a second pass are dense
 * always. CUDA has boxes, and for float32 a screen of its own, of all coordinates in half
 * precision.
 * Boxes and expansions need AVX2 where the processor is an x86-64. Series give log-densities,
 * scores and denoisers, and are for bandwidths of at least the distances of neighbouring data. */
#define SCF_KDE_METHOD_DENSE 0     /* all data */
#define SCF_KDE_METHOD_BOXES 1     /* data in boxes whose weight may count; d <= 6 */
#define SCF_KDE_METHOD_SCREEN 2    /* data near along a few directions (CUDA: all); d >= 32 */
#define SCF_KDE_METHOD_EXPANSION 3 /* cells of data by truncated series; d <= 3 */

SCF_API scf_status scf_kde_query_params_init(scf_kde_query_params* params, uint32_t struct_size);

/* Bits of the status word. A query that sets one has NaN in all its floating-point outputs (and -1
 * as top_indices); other queries are right. A CPU context checks bandwidths, signal scales, skips
 * and labels before it starts, and returns INVALID_ARGUMENT instead. */
#define SCF_KDE_STATUS_BAD_BANDWIDTH 1u    /* bandwidths[i] not in (0, inf) */
#define SCF_KDE_STATUS_BAD_SIGNAL_SCALE 2u /* signal_scales[i] not in (0, inf) */
#define SCF_KDE_STATUS_BAD_SKIP 4u         /* skip[i] not in [-1, n) */
#define SCF_KDE_STATUS_BAD_LABEL 8u        /* no datum has label labels[i] */
#define SCF_KDE_STATUS_NO_WEIGHT 16u       /* nothing is left to see: skip and label exclude all */
#define SCF_KDE_STATUS_BAD_QUERY 32u       /* NaN or infinity in x[i,:] or tangent[i,:] */

/* Where results go. A NULL output is not computed. Device memory, of the function's dtype T where
 * void. Outputs must not overlap each other or an input. Since 0.1. */
typedef struct scf_kde_outputs {
  uint32_t struct_size;
  uint32_t reserved;           /* 0 */
  void* log_density;           /* T[m], nats */
  void* score;                 /* T[m, ld_score], units 1/x */
  int64_t ld_score;            /* >= d */
  void* denoised;              /* T[m, ld_denoised], units of y */
  int64_t ld_denoised;         /* >= d */
  void* divergence;            /* T[m], units 1/x^2 */
  void* jacobian_product;      /* T[m, ld_jacobian_product]: J v; needs tangent */
  int64_t ld_jacobian_product; /* >= d */
  void* quadratic_form;        /* T[m]: v.J v; needs tangent */
  void* effective_sample_size; /* T[m], in [1, n] */
  int64_t* top_indices;        /* int64[m, K]; needs top = K >= 1; -1 where fewer data are seen */
  void* top_weights;           /* T[m, K]: p_k, largest first; 0 where fewer data are seen */
  int64_t* evaluated;          /* int64[m]: how many data's terms were summed, each by itself: those
                                * of series do not count; of no meaning for a query that sets a
                                * status bit */
  int32_t* method;             /* int32[m]: SCF_KDE_METHOD_*, by which they were */
} scf_kde_outputs;

SCF_API scf_status scf_kde_outputs_init(scf_kde_outputs* outputs, uint32_t struct_size);

/* Bytes of workspace that scf_kde_evaluate_* needs for m queries with these params and outputs
 * (only which pointers are NULL matters). Bounded: it grows with neither m x n nor n x d.
 * INVALID_ARGUMENT where the address space could not hold it. Since 0.1. */
SCF_API scf_status scf_kde_evaluate_workspace(scf_context* context, const scf_kde* kde, int64_t m,
                                              const scf_kde_query_params* params,
                                              const scf_kde_outputs* outputs, size_t* bytes);

/* Evaluates any subset of the outputs at m queries, in one pass over the data. Since 0.1.
 *   x          in  T[m, ldx], ldx >= d, device memory; m == 0 is a no-op.
 *   workspace  device memory, 256-byte aligned, at least *_workspace() bytes; contents undefined.
 * Allocates nothing that grows with the work, never synchronises; CUDA: can be captured in a graph.
 * The context must be of the kde's backend and device, the function of the kde's dtype.
 * Determinism: bit-for-bit repeatable on one build and device; independent of the thread count; a
 * query's results are independent of how the batch is split and of its batch-mates. With a
 * tolerance above 0 they may depend on both. */
SCF_API scf_status scf_kde_evaluate_f32(scf_context* context, const scf_kde* kde, const float* x,
                                        int64_t m, int64_t ldx, const scf_kde_query_params* params,
                                        const scf_kde_outputs* outputs, void* workspace,
                                        size_t workspace_bytes, void* stream);
SCF_API scf_status scf_kde_evaluate_f64(scf_context* context, const scf_kde* kde, const double* x,
                                        int64_t m, int64_t ldx, const scf_kde_query_params* params,
                                        const scf_kde_outputs* outputs, void* workspace,
                                        size_t workspace_bytes, void* stream);

/* Bytes of workspace that scf_kde_log_density_curve_* needs for m queries and `count` bandwidths.
 * Bounded as that of scf_kde_evaluate_*, and for any count. Since 0.1. */
SCF_API scf_status scf_kde_log_density_curve_workspace(scf_context* context, const scf_kde* kde,
                                                       int64_t m,
                                                       const scf_kde_query_params* params,
                                                       int64_t count, size_t* bytes);

/* Log-densities of m queries at each of `count` bandwidths: with skip, the leave-one-out curve that
 * a bandwidth is chosen by. The CPU computes each squared distance once for up to 64 bandwidths,
 * which at large d makes their number nearly free; CUDA evaluates one bandwidth after another.
 * Since 0.1.
 *   x            in  T[m, ldx], ldx >= d, device memory; m == 0 is a no-op.
 *   params       as in scf_kde_evaluate_*; its bandwidth, bandwidths, top and tangent are ignored.
 *   bandwidths   in  double[count], > 0 and finite, in any order; host memory, read before the call
 *                returns. count == 0 is a no-op.
 *   log_density  out T[count, ld], ld >= m, device memory: row g has the queries' log-densities at
 *                bandwidths[g], in nats. NaN in every row where a query has a status bit.
 *   workspace    device memory, 256-byte aligned, at least *_workspace() bytes; contents undefined.
 * Accuracy, determinism and the rest as of scf_kde_evaluate_* with log_density alone. A query's
 * results do not depend on the other bandwidths. */
SCF_API scf_status scf_kde_log_density_curve_f32(scf_context* context, const scf_kde* kde,
                                                 const float* x, int64_t m, int64_t ldx,
                                                 const scf_kde_query_params* params,
                                                 const double* bandwidths, int64_t count,
                                                 float* log_density, int64_t ld, void* workspace,
                                                 size_t workspace_bytes, void* stream);
SCF_API scf_status scf_kde_log_density_curve_f64(scf_context* context, const scf_kde* kde,
                                                 const double* x, int64_t m, int64_t ldx,
                                                 const scf_kde_query_params* params,
                                                 const double* bandwidths, int64_t count,
                                                 double* log_density, int64_t ld, void* workspace,
                                                 size_t workspace_bytes, void* stream);

/* Gradients of L = sum_i ( g_i log p(x_i) + u_i . s(x_i) + b_i div s(x_i) + c_i v_i.J(x_i) v_i ),
 * the weights g, u, b, c the caller's, v the params' tangent. With respect to x the gradient of the
 * first two terms is g_i s(x_i) + J(x_i) u_i: scf_kde_evaluate_* gives both with tangent = u. Since
 * 0.1. All of these are written, not added to. */
typedef struct scf_kde_gradients {
  uint32_t struct_size;
  uint32_t reserved;               /* 0 */
  const void* log_density_weights; /* in  T[m]: g, or NULL for 0 */
  const void* score_weights;       /* in  T[m, ld_score_weights]: u, or NULL for 0 */
  int64_t ld_score_weights;        /* >= d */
  void* data;                      /* out T[n, ld_data]: dL/dy_k */
  int64_t ld_data;                 /* >= d */
  void* log_weights;               /* out T[n]: dL/d log w_k, the weights then renormalised; 0 for a
                                    * datum of weight zero */
  void* log_bandwidths;            /* out T[m]: dL/d log h_i, query by query; a shared bandwidth's
                                    * gradient is their sum */
  const void* divergence_weights; /* in  T[m]: b, or NULL for 0. With b or c only log_bandwidths may
                                   * be asked for: else UNSUPPORTED */
  const void* quadratic_form_weights; /* in  T[m]: c, or NULL for 0; needs params->tangent */
} scf_kde_gradients;

SCF_API scf_status scf_kde_gradients_init(scf_kde_gradients* gradients, uint32_t struct_size);

/* Workspace of scf_kde_gradient_*, bytes. Bounded by a multiple of m and of n, never of m x n.
 * INVALID_ARGUMENT where the address space could not hold it. */
SCF_API scf_status scf_kde_gradient_workspace(scf_context* context, const scf_kde* kde, int64_t m,
                                              const scf_kde_query_params* params,
                                              const scf_kde_gradients* gradients, size_t* bytes);

/* Arguments as in scf_kde_evaluate_*; params' top is ignored, and its tangent where
 * quadratic_form_weights is NULL. At least one of the four weights must be given. m == 0 writes
 * zeros to data and log_weights. A query with a status bit contributes nothing to data and
 * log_weights, and its log_bandwidths is NaN. Computed in double for both dtypes. Determinism:
 * repeatable on one build and device; independent of the thread count; log_bandwidths also of how
 * the batch is split. */
SCF_API scf_status scf_kde_gradient_f32(scf_context* context, const scf_kde* kde, const float* x,
                                        int64_t m, int64_t ldx, const scf_kde_query_params* params,
                                        const scf_kde_gradients* gradients, void* workspace,
                                        size_t workspace_bytes, void* stream);
SCF_API scf_status scf_kde_gradient_f64(scf_context* context, const scf_kde* kde, const double* x,
                                        int64_t m, int64_t ldx, const scf_kde_query_params* params,
                                        const scf_kde_gradients* gradients, void* workspace,
                                        size_t workspace_bytes, void* stream);

/* ---- Densities with less bias -----------------------------------------------------------------
 *
 * A KDE's bias is (h^2/2) laplacian of the density behind the data, and more of order h^4. Two ways
 * to be rid of the first:
 *
 *   score-debiased (SD-KDE)   the KDE of data moved by their own score, y + (h^2/2) s(y), s that of
 *                             the KDE of all data, the datum's own term included; by the formula of
 *                             the denoiser (y + E[y' | y]) / 2: every datum goes half the way to
 *                             where it is denoised to. A density: positive, of integral 1.
 *   Laplacian-corrected       p - (h^2/2) laplacian p = p (1 - (h^2/2)(div s + |s|^2)), which is
 *                             the KDE of a kernel of order four, (1 + d/2 - |u|^2/2) N(u | 0, I).
 *                             Of integral 1, but negative in places.
 *
 * Source: Epstein, Dwaraknath, Sornwanee, Winnicki and Liu (2025), "SD-KDE: Score-Debiased Kernel
 * Density Estimation", arXiv:2504.19084, here with the KDE's own score. */

/* Prepares data as scf_kde_create_* does, moved by their score at this bandwidth. A driver: it may
 * synchronise the stream, and takes memory for one copy of the data while it runs. Since 0.1.
 *   bandwidth  h > 0 of the score; that of the queries to come, as a rule, or of queries with
 *              signal scale a theirs over a.
 * With labels a datum is moved by the score of its own label's data, which is right for the
 * conditional densities, and so for their mixture. Everything that takes the kde works on the moved
 * data: draws are of them, gradients with respect to data are to them, and skip leaves a moved
 * datum out, which has its part in where the others moved to.
 * Moved data err by a rounding of T, and by h^2/2 times the promise of the score, a largest score
 * below 1/(4h) taken as that; for h beyond 2^-20 and 2^20 (f64: 2^-170 and 2^170) by half the
 * promise of the denoiser instead. */
SCF_API scf_status scf_kde_create_debiased_f32(scf_context* context, const float* data, int64_t n,
                                               int64_t d, int64_t ld, const scf_kde_params* params,
                                               double bandwidth, void* stream, scf_kde** kde);
SCF_API scf_status scf_kde_create_debiased_f64(scf_context* context, const double* data, int64_t n,
                                               int64_t d, int64_t ld, const scf_kde_params* params,
                                               double bandwidth, void* stream, scf_kde** kde);

/* Bytes of workspace that scf_kde_laplace_* needs for m queries with these params. Bounded, as that
 * of scf_kde_evaluate_*. INVALID_ARGUMENT where the address space could not hold it. Since 0.1. */
SCF_API scf_status scf_kde_laplace_workspace(scf_context* context, const scf_kde* kde, int64_t m,
                                             const scf_kde_query_params* params, size_t* bytes);

/* The Laplacian-corrected density at m queries, as sign exp(log_magnitude). Since 0.1.
 *   log_magnitude  out T[m], nats, or NULL; -infinity where the density is 0
 *   sign           out int32[m]: -1, 0, 1; or NULL. One of the two must be given.
 * All else as in scf_kde_evaluate_*; params' top and tangent are ignored. A query that sets a
 * status bit has NaN and sign 0. So has one where T has no digits for d/h^2, the unit of the
 * divergence, or where the score overflows T but the log-density does not.
 * Accuracy: with S the largest component of a score of the batch, the factor of p is within
 * eps (d + h^2 |s| sqrt(d) S), eps = 5e-6 for d <= 64 and 2e-5 for all d in f32, 1e-12 in f64.
 * log_magnitude errs as the log-density does, and by that over the factor; the sign is right where
 * the factor is larger. */
SCF_API scf_status scf_kde_laplace_f32(scf_context* context, const scf_kde* kde, const float* x,
                                       int64_t m, int64_t ldx, const scf_kde_query_params* params,
                                       float* log_magnitude, int32_t* sign, void* workspace,
                                       size_t workspace_bytes, void* stream);
SCF_API scf_status scf_kde_laplace_f64(scf_context* context, const scf_kde* kde, const double* x,
                                       int64_t m, int64_t ldx, const scf_kde_query_params* params,
                                       double* log_magnitude, int32_t* sign, void* workspace,
                                       size_t workspace_bytes, void* stream);

#ifdef __cplusplus
}
#endif

#endif /* SCOREFIELD_KDE_H_ */
