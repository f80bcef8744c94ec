/* scorefield random: numbers that are a pure function of (seed, offset, row, column), so that they
 * are the same whatever the backend, the thread count or the way a batch is split.
 *
 * Generator. Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as
 *   1, 2, 3") with cuRAND's mapping: the number at (row, column) is made of the 32-bit word that
 *   curand() of a Philox state would give after
 *     curand_init(seed, subsequence = first_row + row, offset = offset + column, &state).
 *   The words are the same bits on every backend. A row has 2^64 words.
 * From a word w to a number; f32 and f64 make the same number, each to its rounding:
 *   uniform     (w + 1/2) / 2^32, in (0, 1]: in f32 the largest words round to 1
 *   normal      words 2k and 2k+1 of the columns give columns 2k and 2k+1 (Box and Muller 1958):
 *               sqrt(-2 ln u) cos(2 pi v) and sqrt(-2 ln u) sin(2 pi v), u and v the uniforms of
 *               the two words; |z| <= 6.76. A last odd column takes the cosine of its own word and
 *               the next.
 *   Rademacher  +1 where the word's top bit is 0, else -1
 *   sphere      a row of normals, scaled to the radius: uniform on the sphere
 * Accuracy. A normal is within 8e-7 (f32) and 1.3e-15 (f64) of the exact one, and where |z| > 6
 *   within 1.2e-6 and 2e-15. Backends and SIMD targets agree within 1.5e-6 and 3e-15 absolutely;
 *   sphere points within as much times the radius; uniforms and signs to the bit. So do normals
 *   wherever multiply-adds are fused: on CUDA and on CPUs with AVX2.
 */
#ifndef SCOREFIELD_RANDOM_H_
#define SCOREFIELD_RANDOM_H_

#include <scorefield/core.h>
#include <scorefield/kde.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which numbers to draw. Since 0.1. */
typedef struct scf_random_params {
  uint32_t struct_size;
  uint32_t reserved;             /* 0 */
  uint64_t seed;                 /* default 0 */
  uint64_t offset;               /* word of column 0 in each row; default 0 */
  int64_t first_row;             /* >= 0; row i of the batch is row first_row + i; default 0 */
  const uint64_t* device_offset; /* one word in device memory, added to offset when the work runs,
                                  * so that a replayed CUDA graph draws new numbers; NULL: 0 */
} scf_random_params;

SCF_API scf_status scf_random_params_init(scf_random_params* params, uint32_t struct_size);

/* Each fills out[m, ld], ld >= d, in device memory; m == 0 or d == 0 is a no-op; params NULL means
 * defaults. INVALID_ARGUMENT for a bad size, first_row < 0, or where offset + d or first_row + m
 * would wrap (a device_offset wraps modulo 2^64, unchecked). Allocates nothing, never synchronises;
 * CUDA: can be captured in a graph. Bit-for-bit repeatable on one build and device; independent of
 * the thread count and of how rows and columns are split over calls (normals: at even columns;
 * sphere: rows alone). Since 0.1. */
SCF_API scf_status scf_random_bits(scf_context* context, const scf_random_params* params, int64_t m,
                                   int64_t d, uint32_t* out, int64_t ld, void* stream);
SCF_API scf_status scf_random_uniform_f32(scf_context* context, const scf_random_params* params,
                                          int64_t m, int64_t d, float* out, int64_t ld,
                                          void* stream);
SCF_API scf_status scf_random_uniform_f64(scf_context* context, const scf_random_params* params,
                                          int64_t m, int64_t d, double* out, int64_t ld,
                                          void* stream);
SCF_API scf_status scf_random_normal_f32(scf_context* context, const scf_random_params* params,
                                         int64_t m, int64_t d, float* out, int64_t ld,
                                         void* stream);
SCF_API scf_status scf_random_normal_f64(scf_context* context, const scf_random_params* params,
                                         int64_t m, int64_t d, double* out, int64_t ld,
                                         void* stream);
SCF_API scf_status scf_random_rademacher_f32(scf_context* context, const scf_random_params* params,
                                             int64_t m, int64_t d, float* out, int64_t ld,
                                             void* stream);
SCF_API scf_status scf_random_rademacher_f64(scf_context* context, const scf_random_params* params,
                                             int64_t m, int64_t d, double* out, int64_t ld,
                                             void* stream);

/* radius > 0, finite: the norm of every row. */
SCF_API scf_status scf_random_sphere_f32(scf_context* context, const scf_random_params* params,
                                         int64_t m, int64_t d, double radius, float* out,
                                         int64_t ld, void* stream);
SCF_API scf_status scf_random_sphere_f64(scf_context* context, const scf_random_params* params,
                                         int64_t m, int64_t d, double radius, double* out,
                                         int64_t ld, void* stream);

/* Direct draws from a KDE: row i is a y_k + h z_i, datum k drawn by its weight (of those with label
 * labels[i], where labels are given, and without skip[i]), the normal row z_i from the row's words
 * at offset + 4. k is the first datum, in the order of labels and then of indices, whose cumulative
 * weight exceeds the share U of the whole, U in [0, 1) the 53 upper bits of the row's word offset,
 * the high half, and word offset + 1, the low one, over 2^53. Exact draws of p; the index drawn is
 * an output too. Since 0.1.
 *   query   in  bandwidth(s), signal scale(s), skip, labels and status of scf_kde_query_params,
 *               with their meaning there; the rest is ignored. Bandwidth 0 is allowed here: the
 *               data themselves, resampled.
 *   out     out T[m, ld], ld >= d, device memory; or NULL
 *   indices out int64[m]: k; or NULL. -1 for a row that sets a status bit, which is NaN in out.
 *   workspace   device memory, 256-byte aligned, at least scf_kde_draw_workspace() bytes.
 * Arguments, errors and determinism as in scf_kde_evaluate_*. */
SCF_API scf_status scf_kde_draw_workspace(scf_context* context, const scf_kde* kde, int64_t m,
                                          const scf_kde_query_params* query, size_t* bytes);
SCF_API scf_status scf_kde_draw_f32(scf_context* context, const scf_kde* kde,
                                    const scf_random_params* random, int64_t m,
                                    const scf_kde_query_params* query, float* out, int64_t ld,
                                    int64_t* indices, void* workspace, size_t workspace_bytes,
                                    void* stream);
SCF_API scf_status scf_kde_draw_f64(scf_context* context, const scf_kde* kde,
                                    const scf_random_params* random, int64_t m,
                                    const scf_kde_query_params* query, double* out, int64_t ld,
                                    int64_t* indices, void* workspace, size_t workspace_bytes,
                                    void* stream);

#ifdef __cplusplus
}
#endif

#endif /* SCOREFIELD_RANDOM_H_ */
