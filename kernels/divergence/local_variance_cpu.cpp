// Local variance on the CPU: G = <a>/<b>, a_i = |f(x_i + e_i) - f(x_i)|^2, b_i = |e_i|^2.
//
//   lengths    b, once over the displacements
//   changes    a, once over f and f_displaced
//   residuals  a - G b, over the two vectors that those left: integrands, and the standard error by
//              linearisation, sqrt(Var(a - G b)/m) / <b>. Taken from residuals and not from second
//              moments of a and b, it does not cancel where all points agree
//   gradients  once over f and f_displaced, where wanted
#include <algorithm>

#include "common/residual_cpu.h"
#include "divergence/divergence.h"
#include "divergence/divergence_cpu.h"
#include "divergence/divergence_rows.h"

namespace scf::divergence {
namespace {

struct Workspace {
  Workspace(Arena& arena, const CpuContext& context, const RowPlanCpu& plan)
      : lengths(arena.take<double>(plan.m)),
        changes(arena.take<double>(plan.m)),
        rows(take_rows_cpu(arena, context, plan)) {}
  double* lengths;
  double* changes;
  RowWorkspaceCpu rows;
};

template <class T>
class RatioOperation {
 public:
  RatioOperation(const RatioRows<T>& rows, const Ratio& ratio) : rows_(rows), ratio_(ratio) {}
  void tile(std::int64_t row, std::int64_t rows, int /*thread*/, double* values) const {
    for (std::int64_t i = 0; i < rows; ++i) {
      values[i] = rows_.run(row + i, ratio_);
    }
  }
  void clear(std::int64_t /*row*/) const {}

 private:
  RatioRows<T> rows_;
  Ratio ratio_;
};

template <class T>
[[nodiscard]] Moments run_lengths(const CpuContext& context, const RowPlanCpu& plan,
                                  std::int64_t columns, const ResidualMatrices<T>& matrices,
                                  double* squares,  // NOLINT(readability-non-const-parameter)
                                  const RowWorkspaceCpu& workspace) {
  const ResidualOperationCpu<T, LengthRows<T>> operation(context, columns, matrices, {squares});
  return run_rows_cpu(context, plan, RowBatch<double>{plan.m, columns, nullptr, nullptr}, operation,
                      workspace);
}

// gradient = factor (output - reference).
template <class T>
struct GradientRows : LengthRows<T> {
  T factor;
  [[nodiscard]] ResidualCoefficients<T> before(std::int64_t /*row*/) const {
    return {1, 0, 1, factor};
  }
  [[nodiscard]] double after(std::int64_t /*row*/, double /*weight*/, double /*half*/) const {
    return 0;
  }
};

template <class T>
void run_gradient(const CpuContext& context, const RowPlanCpu& plan, std::int64_t columns,
                  const ResidualMatrices<T>& matrices, double factor) {
  if (matrices.gradient.data == nullptr) {
    return;
  }
  const GradientRows<T> rows = {{nullptr}, static_cast<T>(factor)};
  const ResidualOperationCpu<T, GradientRows<T>> operation(context, columns, matrices, rows, {},
                                                           plan.m);
  run_tiles_cpu(context, plan, [&](std::int64_t row, std::int64_t count, int thread) {
    double ignored[RowPlanCpu::kTileElements];
    operation.tile(row, count, thread, ignored);
  });
}

}  // namespace

std::size_t local_variance_workspace_cpu(const CpuContext& context, std::int64_t m,
                                         std::int64_t columns) {
  Arena arena(nullptr);
  const Workspace workspace(arena, context, RowPlanCpu(m, columns));
  return arena.used();
}

template <class T>
void local_variance_cpu(const CpuContext& context, const LocalVariancePoints<T>& points,
                        const Outputs<T>& outputs, void* workspace) {
  const std::int64_t m = points.m;
  // One plan for all, so that the workspace depends on the wider of the two alone.
  const RowPlanCpu plan = RowPlanCpu(m, std::max(points.d, points.c)).in_parts();
  Arena arena(workspace);
  const Workspace pieces(arena, context, plan);
  const Matrix<const T> displacement = {points.displacement, points.ld_displacement};
  const Matrix<const T> f = {points.f, points.ld_f};
  const Matrix<const T> f_displaced = {points.f_displaced, points.ld_f_displaced};

  const Moments lengths =
      run_lengths<T>(context, plan, points.d, {displacement, {}, {}}, pieces.lengths, pieces.rows);
  const Moments changes =
      run_lengths<T>(context, plan, points.c, {f_displaced, f, {}}, pieces.changes, pieces.rows);
  const Ratio ratio = Ratio::of(changes, lengths, m, outputs.gradient_scale);
  const RatioOperation<T> residuals({pieces.changes, pieces.lengths, points.integrand}, ratio);
  const std::uint32_t status = write_ratio(
      ratio,
      run_rows_cpu(context, plan, RowBatch<double>{m, 1, nullptr, nullptr}, residuals, pieces.rows),
      outputs.value, outputs.standard_error);
  if (outputs.status != nullptr) {
    *outputs.status |= status;
  }
  run_gradient<T>(context, plan, points.c,
                  {f_displaced, f, {points.f_displaced_gradient, points.ld_f_displaced_gradient}},
                  ratio.gradient_factor);
  run_gradient<T>(context, plan, points.c,
                  {f, f_displaced, {points.f_gradient, points.ld_f_gradient}},
                  ratio.gradient_factor);
}

template void local_variance_cpu(const CpuContext&, const LocalVariancePoints<float>&,
                                 const Outputs<float>&, void*);
template void local_variance_cpu(const CpuContext&, const LocalVariancePoints<double>&,
                                 const Outputs<double>&, void*);

}  // namespace scf::divergence
