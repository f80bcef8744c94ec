// What a backend does for the losses of a KDE: memory, the kernels of kde/ and loss/, and a few
// small steps of its own. One object a call; kde_loss.cpp composes them, once for all backends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "kde/kde.h"
#include "loss/loss.h"

namespace scf::loss {

// A dataset prepared by the backend in use; borrowed.
template <class T>
struct KdeModel {
  const kde::CpuKde<T>* cpu = nullptr;
  const kde::CudaKde<T>* cuda = nullptr;
};

// CUDA: everything is enqueued on the stream that the object was made with, and only read() waits.
template <class T>
class KdeLossBackend {
 public:
  KdeLossBackend() = default;
  virtual ~KdeLossBackend() = default;
  KdeLossBackend(const KdeLossBackend&) = delete;
  KdeLossBackend& operator=(const KdeLossBackend&) = delete;

  // ---- Memory. Throws Error(kOutOfMemory).
  [[nodiscard]] virtual void* allocate(std::size_t bytes) const = 0;
  virtual void free(void* pointer, std::size_t bytes) const noexcept = 0;
  // Waits for the work before, and copies to the host.
  virtual void read(void* to, const void* from, std::size_t bytes) const = 0;

  // ---- kde/kde.h
  [[nodiscard]] virtual std::size_t evaluate_workspace(const KdeModel<T>& model,
                                                       const kde::Queries<T>& queries,
                                                       const kde::Outputs<T>& outputs) const = 0;
  virtual void evaluate(const KdeModel<T>& model, const kde::Queries<T>& queries,
                        const kde::Outputs<T>& outputs, void* workspace) const = 0;
  [[nodiscard]] virtual std::size_t gradient_workspace(
      const KdeModel<T>& model, const kde::Queries<T>& queries,
      const kde::Gradients<T>& gradients) const = 0;
  virtual void gradient(const KdeModel<T>& model, const kde::Queries<T>& queries,
                        const kde::Gradients<T>& gradients, void* workspace) const = 0;
  // Data of positive weight, or -1 where only the device knows.
  [[nodiscard]] virtual std::int64_t weighted_data(const KdeModel<T>& model) const = 0;

  // ---- loss/loss.h
  [[nodiscard]] virtual std::size_t loss_workspace(std::int64_t m, std::int64_t d) const = 0;
  virtual void residual_loss(ResidualLoss loss, const Batch<T>& batch,
                             const ResidualArrays<T>& arrays) const = 0;
  virtual void ssm_loss(const Batch<T>& batch, const SsmArrays<T>& arrays) const = 0;
  virtual void fdssm_energy_loss(const Batch<T>& batch,
                                 const FdssmEnergyArrays<T>& arrays) const = 0;
  virtual void fdssm_score_loss(const Batch<T>& batch, const FdssmScoreArrays<T>& arrays) const = 0;
  virtual void fddsm_loss(const Batch<T>& batch, const FddsmArrays<T>& arrays) const = 0;
  virtual void dsm_perturb(const Settings<T>& settings, std::int64_t m, std::int64_t d,
                           const Matrix<const T>& x, const Matrix<T>& perturbed) const = 0;
  virtual void ssm_perturb(const Settings<T>& settings, std::int64_t m, std::int64_t d,
                           const Matrix<T>& probes) const = 0;
  virtual void difference_perturb(Difference difference, const Settings<T>& settings,
                                  std::int64_t m, std::int64_t d, const Matrix<const T>& x,
                                  const Matrix<T>& plus, const Matrix<T>& minus) const = 0;
  virtual void dde_direction(std::int64_t m, std::int64_t d, const Matrix<const T>& generator,
                             const Matrix<const T>& data, const Matrix<T>& direction) const = 0;

  // ---- Small steps
  virtual void clear(void* memory, std::size_t bytes) const = 0;
  // to[i,:] = mask[i] == 0 ? masked : from[i,:], rows of d elements; `to` may be from's own rows.
  virtual void copy_rows(const Matrix<const T>& from, const std::uint8_t* mask, T masked,
                         std::int64_t m, std::int64_t d, T* to) const = 0;
  // The same of what queries leave out, and of their labels: masked ones see all data.
  virtual void copy_skip(const std::int64_t* from, const std::uint8_t* mask, std::int64_t m,
                         std::int64_t* to) const = 0;
  virtual void copy_labels(const std::int32_t* from, const std::uint8_t* mask, std::int64_t m,
                           std::int32_t* to) const = 0;
  // to[i] = factor from[i]; `to` may be `from`.
  virtual void scale(const T* from, double factor, std::int64_t m, T* to) const = 0;
  virtual void scale_sums(const double* from, double factor, std::int64_t m, T* to) const = 0;
  // sums[i] += from[i].
  virtual void add(const T* from, std::int64_t m, double* sums) const = 0;
  // *total += sum of values[i] where mask counts i, in double, in an order that m alone fixes.
  virtual void add_sum(const T* values, const std::uint8_t* mask, std::int64_t m,
                       double* total) const = 0;
  // to[i] = i.
  virtual void number(std::int64_t m, std::int64_t* to) const = 0;
};

// kde_loss_cpu.cpp, kde_loss_cuda.cu. The context must outlive the backend.
template <class T>
[[nodiscard]] std::unique_ptr<KdeLossBackend<T>> kde_loss_backend_cpu(const CpuContext& context);
template <class T>
[[nodiscard]] std::unique_ptr<KdeLossBackend<T>> kde_loss_backend_cuda(const CudaContext& context,
                                                                       void* stream);

// Memory of a backend for the length of a scope.
template <class T>
class BackendBlock {
 public:
  BackendBlock() = default;
  BackendBlock(const KdeLossBackend<T>& backend, std::size_t bytes)
      : backend_(&backend), bytes_(bytes), data_(bytes == 0 ? nullptr : backend.allocate(bytes)) {}
  BackendBlock(BackendBlock&& other) noexcept { swap(other); }
  BackendBlock& operator=(BackendBlock&& other) noexcept {
    swap(other);
    return *this;
  }
  BackendBlock(const BackendBlock&) = delete;
  BackendBlock& operator=(const BackendBlock&) = delete;
  ~BackendBlock() {
    if (data_ != nullptr) {
      backend_->free(data_, bytes_);
    }
  }
  [[nodiscard]] void* data() const noexcept { return data_; }

 private:
  void swap(BackendBlock& other) noexcept {
    std::swap(backend_, other.backend_);
    std::swap(bytes_, other.bytes_);
    std::swap(data_, other.data_);
  }
  const KdeLossBackend<T>* backend_ = nullptr;
  std::size_t bytes_ = 0;
  void* data_ = nullptr;
};

}  // namespace scf::loss
