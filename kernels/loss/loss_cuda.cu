// ESM, ISM, DSM, DDE and FD-SSM of energies on a CUDA device.
//
// Memory traffic: each matrix once, noise none; of FD-SSM six numbers a sample.
#include "common/residual_cuda.cuh"
#include "loss/loss_cuda.cuh"
#include "loss/loss_rows.h"

namespace scf::loss {
namespace {

template <class T>
class FdssmEnergyOperation : public ScalarRowOperationCuda {
 public:
  explicit FdssmEnergyOperation(const FdssmEnergyRows<T>& rows) : rows_(rows) {}

  __device__ double end(std::int64_t row, const Own& /*own*/, const double* /*results*/) const {
    return rows_.take(row);
  }
  __device__ void clear(std::int64_t row) const { rows_.clear(row); }

 private:
  FdssmEnergyRows<T> rows_;
};

}  // namespace

std::size_t loss_workspace_cuda(const CudaContext& context, std::int64_t m, std::int64_t d,
                                std::int64_t projections) {
  std::size_t most = 0;
  for (const std::int64_t columns : {d, std::int64_t{0}}) {
    Arena arena(nullptr);
    (void)take_workspace_cuda(arena, RowPlanCuda(context, m, columns), projections);
    most = std::max(most, arena.used());
  }
  return most;
}

template <class T>
void residual_loss_cuda(const CudaContext& context, ResidualLoss loss, const Batch<T>& batch,
                        const ResidualArrays<T>& arrays, void* stream) {
  const RowPlanCuda plan(context, batch.m, batch.d);
  const WorkspaceCuda workspace = workspace_cuda(plan, batch, 1);
  const ResidualMatrices<T> matrices = {arrays.output, arrays.x, arrays.gradient};
  const bool noisy = loss == ResidualLoss::kDde ||
                     (loss == ResidualLoss::kDsm && batch.settings.form != Form::kX0);
  using Rows = ResidualRows<T>;
  if (noisy) {
    run_loss_cuda(
        context, "noisy_residual_loss_kernel", plan, batch, workspace,
        [&](const MeanScale& scale) {
          return ResidualOperationCuda<T, Rows, NoiseCuda<T>>(
              matrices, Rows(loss, batch, arrays, scale), noise_of(batch.settings));
        },
        stream);
  } else {
    run_loss_cuda(
        context, "residual_loss_kernel", plan, batch, workspace,
        [&](const MeanScale& scale) {
          return ResidualOperationCuda<T, Rows>(matrices, Rows(loss, batch, arrays, scale));
        },
        stream);
  }
}

template <class T>
void fdssm_energy_loss_cuda(const CudaContext& context, const Batch<T>& batch,
                            const FdssmEnergyArrays<T>& arrays, void* stream) {
  const RowPlanCuda plan(context, batch.m, 0);
  run_loss_cuda(
      context, "fdssm_energy_loss_kernel", plan, batch, workspace_cuda(plan, batch, 1),
      [&](const MeanScale& scale) {
        return FdssmEnergyOperation<T>(FdssmEnergyRows<T>(batch, arrays, scale));
      },
      stream);
}

template void residual_loss_cuda(const CudaContext&, ResidualLoss, const Batch<float>&,
                                 const ResidualArrays<float>&, void*);
template void residual_loss_cuda(const CudaContext&, ResidualLoss, const Batch<double>&,
                                 const ResidualArrays<double>&, void*);
template void fdssm_energy_loss_cuda(const CudaContext&, const Batch<float>&,
                                     const FdssmEnergyArrays<float>&, void*);
template void fdssm_energy_loss_cuda(const CudaContext&, const Batch<double>&,
                                     const FdssmEnergyArrays<double>&, void*);

}  // namespace scf::loss
