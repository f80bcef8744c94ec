// Local variance on a CUDA device: G = <a>/<b>, a_i = |f(x_i + e_i) - f(x_i)|^2, b_i = |e_i|^2.
// The passes are those of local_variance_cpu.cpp; the ratio stays on the device, where the
// residuals and the gradients, both in one sweep, read it.
#include <algorithm>

#include "common/residual_cuda.cuh"
#include "divergence/divergence.h"
#include "divergence/divergence_cuda.h"
#include "divergence/divergence_rows.h"

namespace scf::divergence {
namespace {

struct Workspace {
  Workspace(Arena& arena, std::int64_t m, std::int64_t blocks)
      : lengths(arena.take<double>(m)),
        changes(arena.take<double>(m)),
        of_lengths(arena.take<Moments>(blocks)),
        of_changes(arena.take<Moments>(blocks)),
        of_residuals(arena.take<Moments>(blocks)),
        ratio(arena.take<Ratio>(1)) {}
  double* lengths;
  double* changes;
  Moments* of_lengths;
  Moments* of_changes;
  Moments* of_residuals;
  Ratio* ratio;
};

__global__ void __launch_bounds__(RowPolicy::kThreads)
    local_variance_ratio_kernel(const MomentSet changes, const MomentSet lengths, std::int64_t m,
                                double gradient_scale, Ratio* ratio) {
  __shared__ Moments of_changes;  // not in registers, of which the merge needs many
  const Moments merged = merge_moments(changes);
  if (threadIdx.x == 0) {
    of_changes = merged;
  }
  const Moments of_lengths = merge_moments(lengths);
  if (threadIdx.x == 0) {
    *ratio = Ratio::of(of_changes, of_lengths, m, gradient_scale);
  }
}

__global__ void __launch_bounds__(RowPolicy::kThreads)
    local_variance_summary_kernel(const MomentSet residuals, const Ratio* ratio, double* value,
                                  double* standard_error, std::uint32_t* status) {
  const Moments of_residuals = merge_moments(residuals);
  if (threadIdx.x == 0) {
    const std::uint32_t bits = write_ratio(*ratio, of_residuals, value, standard_error);
    if (status != nullptr && bits != 0) {
      atomicOr(status, bits);
    }
  }
}

// a - G b, a lane a row.
template <class T>
class RatioOperation : public ScalarRowOperationCuda {
 public:
  RatioOperation(const RatioRows<T>& rows, const Ratio* ratio) : rows_(rows), ratio_(ratio) {}
  __device__ double end(std::int64_t row, const Own& /*own*/, const double* /*results*/) const {
    return rows_.run(row, *ratio_);
  }

 private:
  RatioRows<T> rows_;
  const Ratio* ratio_;
};

// factor (f_displaced - f) and its negative, the gradients of f_displaced and of f.
template <class T>
class GradientOperation : public RowOperationCuda {
 public:
  struct Row {
    const T* f;
    const T* f_displaced;
    T* f_gradient;
    T* f_displaced_gradient;
  };

  GradientOperation(const LocalVariancePoints<T>& points, const Ratio* ratio)
      : f_(Matrix<const T>{points.f, points.ld_f}),
        f_displaced_(Matrix<const T>{points.f_displaced, points.ld_f_displaced}),
        f_gradient_(Matrix<T>{points.f_gradient, points.ld_f_gradient}),
        f_displaced_gradient_(
            Matrix<T>{points.f_displaced_gradient, points.ld_f_displaced_gradient}),
        vectors_(all_aligned(f_, f_displaced_, f_gradient_, f_displaced_gradient_)),
        ratio_(ratio) {}

  __device__ bool vectors() const { return vectors_; }
  __device__ void start() { factor_ = static_cast<T>(ratio_->gradient_factor); }
  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    state = {f_.at(row, column), f_displaced_.at(row, column), f_gradient_.at(row, column),
             f_displaced_gradient_.at(row, column)};
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    state.f += columns;
    state.f_displaced += columns;
    state.f_gradient += columns;
    state.f_displaced_gradient += columns;
  }

  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, Number* /*z*/, Row& state,
                       double* /*sums*/) const {
    T change[4];
    load_quad<kVector>(state.f_displaced, count, change);
    if (f_.data != nullptr) {
      T f[4];
      load_quad<kVector>(state.f, count, f);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        change[j] -= f[j];
      }
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      change[j] *= factor_;
    }
    if (f_displaced_gradient_.data != nullptr) {
      store_quad<kVector>(state.f_displaced_gradient, count, change);
    }
    if (f_gradient_.data != nullptr) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        change[j] = -change[j];
      }
      store_quad<kVector>(state.f_gradient, count, change);
    }
  }

 private:
  QuadMatrix<const T> f_;
  QuadMatrix<const T> f_displaced_;
  QuadMatrix<T> f_gradient_;
  QuadMatrix<T> f_displaced_gradient_;
  bool vectors_;
  const Ratio* ratio_;
  T factor_;
};

template <class T, class Rows>
[[nodiscard]] MomentSet run(const char* name, const CudaContext& context, std::int64_t m,
                            std::int64_t columns, const ResidualMatrices<T>& matrices,
                            const Rows& rows, Moments* partials, void* stream) {
  const RowPlanCuda plan(context, m, columns);
  run_rows_cuda(name, plan, RowBatch<double>{m, columns, nullptr, nullptr},
                ResidualOperationCuda<T, Rows>(matrices, rows), partials, stream);
  return {partials, plan.blocks};
}

}  // namespace

// The wider rows make more blocks.
std::size_t local_variance_workspace_cuda(const CudaContext& context, std::int64_t m,
                                          std::int64_t columns) {
  Arena arena(nullptr);
  const Workspace workspace(arena, m, RowPlanCuda(context, m, columns).blocks);
  return arena.used();
}

template <class T>
void local_variance_cuda(const CudaContext& context, const LocalVariancePoints<T>& points,
                         const Outputs<T>& outputs, void* workspace, void* stream) {
  const CudaDeviceScope scope(context.device());
  const std::int64_t m = points.m;
  Arena arena(workspace);
  const Workspace pieces(arena, m, RowPlanCuda(context, m, std::max(points.d, points.c)).blocks);
  const Matrix<const T> displacement = {points.displacement, points.ld_displacement};
  const Matrix<const T> f = {points.f, points.ld_f};
  const Matrix<const T> f_displaced = {points.f_displaced, points.ld_f_displaced};

  const MomentSet lengths =
      run<T>("local_variance_lengths", context, m, points.d, {displacement, {}, {}},
             LengthRows<T>{pieces.lengths}, pieces.of_lengths, stream);
  const MomentSet changes =
      run<T>("local_variance_changes", context, m, points.c, {f_displaced, f, {}},
             LengthRows<T>{pieces.changes}, pieces.of_changes, stream);
  cuda_launch("local_variance_ratio_kernel", local_variance_ratio_kernel, 1, RowPolicy::kThreads, 0,
              stream, changes, lengths, m, outputs.gradient_scale, pieces.ratio);
  const RowPlanCuda plan(context, m, 0);
  const RatioRows<T> residuals = {pieces.changes, pieces.lengths, points.integrand};
  run_rows_cuda("local_variance_residuals", plan, RowBatch<double>{m, 0, nullptr, nullptr},
                RatioOperation<T>(residuals, pieces.ratio), pieces.of_residuals, stream);
  cuda_launch("local_variance_summary_kernel", local_variance_summary_kernel, 1,
              RowPolicy::kThreads, 0, stream, MomentSet{pieces.of_residuals, plan.blocks},
              pieces.ratio, outputs.value, outputs.standard_error, outputs.status);

  if (points.f_gradient != nullptr || points.f_displaced_gradient != nullptr) {
    run_rows_cuda("local_variance_gradient", RowPlanCuda(context, m, points.c),
                  RowBatch<T>{m, points.c, nullptr, nullptr},
                  GradientOperation<T>(points, pieces.ratio), nullptr, stream);
  }
}

template void local_variance_cuda(const CudaContext&, const LocalVariancePoints<float>&,
                                  const Outputs<float>&, void*, void*);
template void local_variance_cuda(const CudaContext&, const LocalVariancePoints<double>&,
                                  const Outputs<double>&, void*, void*);

}  // namespace scf::divergence
