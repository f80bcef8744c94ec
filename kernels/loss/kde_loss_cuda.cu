// The losses of a KDE on a CUDA device: kde_loss_backend.h.
#include <algorithm>

#include "common/cuda_check.cuh"
#include "common/cuda_context.h"
#include "loss/kde_loss_backend.h"

namespace scf::loss {
namespace {

struct StepPolicy {
  static constexpr int kThreads = 256;
  static constexpr int kBlocksPerMultiprocessor = 8;
};

// body(i) for every i in [0, count).
template <class Body>
__device__ __forceinline__ void for_each(std::int64_t count, const Body& body) {
  const std::int64_t stride = static_cast<std::int64_t>(gridDim.x) * StepPolicy::kThreads;
  for (std::int64_t i = blockIdx.x * std::int64_t{StepPolicy::kThreads} + threadIdx.x; i < count;
       i += stride) {
    body(i);
  }
}

template <class T>
__global__ void __launch_bounds__(StepPolicy::kThreads)
    loss_copy_rows_kernel(const Matrix<const T> from, const std::uint8_t* mask, T masked,
                          std::int64_t m, std::int64_t d, T* to) {
  for_each(m * d, [&](std::int64_t at) {
    const std::int64_t i = at / d;
    to[at] = mask != nullptr && mask[i] == 0 ? masked : from.row(i)[at % d];
  });
}

template <class From, class T>
__global__ void __launch_bounds__(StepPolicy::kThreads)
    loss_scale_kernel(const From* from, double factor, std::int64_t m, T* to) {
  for_each(m,
           [&](std::int64_t i) { to[i] = static_cast<T>(static_cast<double>(from[i]) * factor); });
}

template <class T>
__global__ void __launch_bounds__(StepPolicy::kThreads)
    loss_add_kernel(const T* from, std::int64_t m, double* sums) {
  for_each(m, [&](std::int64_t i) { sums[i] += static_cast<double>(from[i]); });
}

__global__ void __launch_bounds__(StepPolicy::kThreads)
    loss_number_kernel(std::int64_t m, std::int64_t* to) {
  for_each(m, [&](std::int64_t i) { to[i] = i; });
}

// One block: a thread adds every 256th value, then threads are added up pairwise.
template <class T>
__global__ void __launch_bounds__(StepPolicy::kThreads)
    loss_add_sum_kernel(const T* values, const std::uint8_t* mask, std::int64_t m, double* total) {
  __shared__ double sums[StepPolicy::kThreads];
  double sum = 0;
  for_each(m, [&](std::int64_t i) {
    sum += mask == nullptr || mask[i] != 0 ? static_cast<double>(values[i]) : 0.0;
  });
  sums[threadIdx.x] = sum;
  for (unsigned step = StepPolicy::kThreads / 2; step > 0; step /= 2) {
    __syncthreads();
    if (threadIdx.x < step) {
      sums[threadIdx.x] += sums[threadIdx.x + step];
    }
  }
  if (threadIdx.x == 0) {
    *total += sums[0];
  }
}

template <class T>
class CudaBackend final : public KdeLossBackend<T> {
 public:
  CudaBackend(const CudaContext& context, void* stream) : context_(context), stream_(stream) {}

  [[nodiscard]] void* allocate(std::size_t bytes) const override {
    return cuda_allocate(context_.allocator(), bytes, stream_);
  }
  void free(void* pointer, std::size_t bytes) const noexcept override {
    try {
      cuda_free(context_.allocator(), pointer, bytes, stream_);
    } catch (const Error&) {  // nobody to tell; a sticky error shows in the next call
    }
  }
  void read(void* to, const void* from, std::size_t bytes) const override {
    cuda_copy(to, from, bytes, CopyKind::kDeviceToHost, stream_);
    cuda_stream_synchronize(stream_);
  }

  [[nodiscard]] std::size_t evaluate_workspace(const KdeModel<T>& model,
                                               const kde::Queries<T>& queries,
                                               const kde::Outputs<T>& outputs) const override {
    return kde::kde_evaluate_workspace_cuda(context_, *model.cuda, queries, outputs);
  }
  void evaluate(const KdeModel<T>& model, const kde::Queries<T>& queries,
                const kde::Outputs<T>& outputs, void* workspace) const override {
    kde::kde_evaluate_cuda(context_, *model.cuda, queries, outputs, workspace, stream_);
  }
  [[nodiscard]] std::size_t gradient_workspace(const KdeModel<T>& model,
                                               const kde::Queries<T>& queries,
                                               const kde::Gradients<T>& gradients) const override {
    return kde::kde_gradient_workspace_cuda(context_, *model.cuda, queries, gradients);
  }
  void gradient(const KdeModel<T>& model, const kde::Queries<T>& queries,
                const kde::Gradients<T>& gradients, void* workspace) const override {
    kde::kde_gradient_cuda(context_, *model.cuda, queries, gradients, workspace, stream_);
  }
  // The weights lie on the device.
  [[nodiscard]] std::int64_t weighted_data(const KdeModel<T>& /*model*/) const override {
    return -1;
  }

  [[nodiscard]] std::size_t loss_workspace(std::int64_t m, std::int64_t d) const override {
    return std::max(loss_workspace_cuda(context_, m, d, 1), loss_workspace_cuda(context_, m, 1, 1));
  }
  void residual_loss(ResidualLoss loss, const Batch<T>& batch,
                     const ResidualArrays<T>& arrays) const override {
    residual_loss_cuda(context_, loss, batch, arrays, stream_);
  }
  void ssm_loss(const Batch<T>& batch, const SsmArrays<T>& arrays) const override {
    ssm_loss_cuda(context_, batch, arrays, stream_);
  }
  void fdssm_energy_loss(const Batch<T>& batch, const FdssmEnergyArrays<T>& arrays) const override {
    fdssm_energy_loss_cuda(context_, batch, arrays, stream_);
  }
  void fdssm_score_loss(const Batch<T>& batch, const FdssmScoreArrays<T>& arrays) const override {
    fdssm_score_loss_cuda(context_, batch, arrays, stream_);
  }
  void fddsm_loss(const Batch<T>& batch, const FddsmArrays<T>& arrays) const override {
    fddsm_loss_cuda(context_, batch, arrays, stream_);
  }
  void dsm_perturb(const Settings<T>& settings, std::int64_t m, std::int64_t d,
                   const Matrix<const T>& x, const Matrix<T>& perturbed) const override {
    dsm_perturb_cuda(context_, settings, m, d, x, perturbed, Matrix<T>{}, stream_);
  }
  void ssm_perturb(const Settings<T>& settings, std::int64_t m, std::int64_t d,
                   const Matrix<T>& probes) const override {
    ssm_perturb_cuda(context_, settings, m, d, probes, stream_);
  }
  void difference_perturb(Difference difference, const Settings<T>& settings, std::int64_t m,
                          std::int64_t d, const Matrix<const T>& x, const Matrix<T>& plus,
                          const Matrix<T>& minus) const override {
    difference_perturb_cuda(context_, difference, settings, m, d, x, plus, minus, stream_);
  }
  void dde_direction(std::int64_t m, std::int64_t d, const Matrix<const T>& generator,
                     const Matrix<const T>& data, const Matrix<T>& direction) const override {
    dde_direction_cuda(context_, m, d, generator, data, direction, stream_);
  }

  void clear(void* memory, std::size_t bytes) const override {
    if (bytes > 0) {
      cuda_check(cudaMemsetAsync(memory, 0, bytes, as_stream(stream_)), "cudaMemsetAsync");
    }
  }
  void copy_rows(const Matrix<const T>& from, const std::uint8_t* mask, T masked, std::int64_t m,
                 std::int64_t d, T* to) const override {
    launch("loss_copy_rows_kernel", loss_copy_rows_kernel<T>, m * d, from, mask, masked, m, d, to);
  }
  void copy_skip(const std::int64_t* from, const std::uint8_t* mask, std::int64_t m,
                 std::int64_t* to) const override {
    launch("loss_copy_rows_kernel", loss_copy_rows_kernel<std::int64_t>, m,
           Matrix<const std::int64_t>{from, 1}, mask, std::int64_t{-1}, m, std::int64_t{1}, to);
  }
  void copy_labels(const std::int32_t* from, const std::uint8_t* mask, std::int64_t m,
                   std::int32_t* to) const override {
    launch("loss_copy_rows_kernel", loss_copy_rows_kernel<std::int32_t>, m,
           Matrix<const std::int32_t>{from, 1}, mask, std::int32_t{kde::kAnyLabel}, m,
           std::int64_t{1}, to);
  }
  void scale(const T* from, double factor, std::int64_t m, T* to) const override {
    launch("loss_scale_kernel", loss_scale_kernel<T, T>, m, from, factor, m, to);
  }
  void scale_sums(const double* from, double factor, std::int64_t m, T* to) const override {
    launch("loss_scale_kernel", loss_scale_kernel<double, T>, m, from, factor, m, to);
  }
  void add(const T* from, std::int64_t m, double* sums) const override {
    launch("loss_add_kernel", loss_add_kernel<T>, m, from, m, sums);
  }
  void add_sum(const T* values, const std::uint8_t* mask, std::int64_t m,
               double* total) const override {
    cuda_launch("loss_add_sum_kernel", loss_add_sum_kernel<T>, 1, StepPolicy::kThreads, 0, stream_,
                values, mask, m, total);
  }
  void number(std::int64_t m, std::int64_t* to) const override {
    launch("loss_number_kernel", loss_number_kernel, m, m, to);
  }

 private:
  // A grid that fills the device, or less where there is less to do; nothing of nothing.
  template <class... Parameters, class... Arguments>
  void launch(const char* name, void (*kernel)(Parameters...), std::int64_t count,
              Arguments&&... arguments) const {
    if (count == 0) {
      return;
    }
    const std::int64_t most =
        std::int64_t{context_.multiprocessors()} * StepPolicy::kBlocksPerMultiprocessor;
    const std::int64_t wanted = (count + StepPolicy::kThreads - 1) / StepPolicy::kThreads;
    cuda_launch(name, kernel, static_cast<unsigned>(std::min(most, wanted)), StepPolicy::kThreads,
                0, stream_, std::forward<Arguments>(arguments)...);
  }

  const CudaContext& context_;
  void* const stream_;
};

}  // namespace

template <class T>
std::unique_ptr<KdeLossBackend<T>> kde_loss_backend_cuda(const CudaContext& context, void* stream) {
  return std::make_unique<CudaBackend<T>>(context, stream);
}

template std::unique_ptr<KdeLossBackend<float>> kde_loss_backend_cuda(const CudaContext&, void*);
template std::unique_ptr<KdeLossBackend<double>> kde_loss_backend_cuda(const CudaContext&, void*);

}  // namespace scf::loss
