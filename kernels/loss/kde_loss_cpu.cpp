// The losses of a KDE on the CPU: kde_loss_backend.h.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "common/cpu_context.h"
#include "common/memory.h"
#include "kde/kde_cpu.h"
#include "loss/kde_loss_backend.h"

namespace scf::loss {
namespace {

template <class T>
class CpuBackend final : public KdeLossBackend<T> {
 public:
  explicit CpuBackend(const CpuContext& context) : context_(context) {}

  [[nodiscard]] void* allocate(std::size_t bytes) const override {
    return host_allocate(context_.allocator(), bytes);
  }
  void free(void* pointer, std::size_t bytes) const noexcept override {
    host_free(context_.allocator(), pointer, bytes);
  }
  void read(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }

  [[nodiscard]] std::size_t evaluate_workspace(const KdeModel<T>& model,
                                               const kde::Queries<T>& queries,
                                               const kde::Outputs<T>& outputs) const override {
    return kde::kde_evaluate_workspace_cpu(context_, *model.cpu, queries, outputs);
  }
  void evaluate(const KdeModel<T>& model, const kde::Queries<T>& queries,
                const kde::Outputs<T>& outputs, void* workspace) const override {
    kde::kde_evaluate_cpu(context_, *model.cpu, queries, outputs, workspace);
  }
  [[nodiscard]] std::size_t gradient_workspace(const KdeModel<T>& model,
                                               const kde::Queries<T>& queries,
                                               const kde::Gradients<T>& gradients) const override {
    return kde::kde_gradient_workspace_cpu(context_, *model.cpu, queries, gradients);
  }
  void gradient(const KdeModel<T>& model, const kde::Queries<T>& queries,
                const kde::Gradients<T>& gradients, void* workspace) const override {
    kde::kde_gradient_cpu(context_, *model.cpu, queries, gradients, workspace);
  }
  [[nodiscard]] std::int64_t weighted_data(const KdeModel<T>& model) const override {
    return model.cpu->n;
  }

  [[nodiscard]] std::size_t loss_workspace(std::int64_t m, std::int64_t d) const override {
    return std::max(loss_workspace_cpu(context_, m, d, 1), loss_workspace_cpu(context_, m, 1, 1));
  }
  void residual_loss(ResidualLoss loss, const Batch<T>& batch,
                     const ResidualArrays<T>& arrays) const override {
    residual_loss_cpu(context_, loss, batch, arrays);
  }
  void ssm_loss(const Batch<T>& batch, const SsmArrays<T>& arrays) const override {
    ssm_loss_cpu(context_, batch, arrays);
  }
  void fdssm_energy_loss(const Batch<T>& batch, const FdssmEnergyArrays<T>& arrays) const override {
    fdssm_energy_loss_cpu(context_, batch, arrays);
  }
  void fdssm_score_loss(const Batch<T>& batch, const FdssmScoreArrays<T>& arrays) const override {
    fdssm_score_loss_cpu(context_, batch, arrays);
  }
  void fddsm_loss(const Batch<T>& batch, const FddsmArrays<T>& arrays) const override {
    fddsm_loss_cpu(context_, batch, arrays);
  }
  void dsm_perturb(const Settings<T>& settings, std::int64_t m, std::int64_t d,
                   const Matrix<const T>& x, const Matrix<T>& perturbed) const override {
    dsm_perturb_cpu(context_, settings, m, d, x, perturbed, Matrix<T>{});
  }
  void ssm_perturb(const Settings<T>& settings, std::int64_t m, std::int64_t d,
                   const Matrix<T>& probes) const override {
    ssm_perturb_cpu(context_, settings, m, d, probes);
  }
  void difference_perturb(Difference difference, const Settings<T>& settings, std::int64_t m,
                          std::int64_t d, const Matrix<const T>& x, const Matrix<T>& plus,
                          const Matrix<T>& minus) const override {
    difference_perturb_cpu(context_, difference, settings, m, d, x, plus, minus);
  }
  void dde_direction(std::int64_t m, std::int64_t d, const Matrix<const T>& generator,
                     const Matrix<const T>& data, const Matrix<T>& direction) const override {
    dde_direction_cpu(context_, m, d, generator, data, direction);
  }

  void clear(void* memory, std::size_t bytes) const override {
    if (bytes > 0) {
      std::memset(memory, 0, bytes);
    }
  }
  void copy_rows(const Matrix<const T>& from, const std::uint8_t* mask, T masked, std::int64_t m,
                 std::int64_t d, T* to) const override {
    for (std::int64_t i = 0; i < m; ++i) {
      T* const row = to + i * d;
      if (mask != nullptr && mask[i] == 0) {
        std::fill_n(row, d, masked);
      } else if (from.row(i) != row) {
        std::copy_n(from.row(i), d, row);
      }
    }
  }
  void copy_skip(const std::int64_t* from, const std::uint8_t* mask, std::int64_t m,
                 std::int64_t* to) const override {
    std::transform(from, from + m, mask, to,
                   [](std::int64_t skip, std::uint8_t counts) { return counts != 0 ? skip : -1; });
  }
  void copy_labels(const std::int32_t* from, const std::uint8_t* mask, std::int64_t m,
                   std::int32_t* to) const override {
    std::transform(from, from + m, mask, to, [](std::int32_t label, std::uint8_t counts) {
      return counts != 0 ? label : kde::kAnyLabel;
    });
  }
  void scale(const T* from, double factor, std::int64_t m, T* to) const override {
    scale_as(from, factor, m, to);
  }
  void scale_sums(const double* from, double factor, std::int64_t m, T* to) const override {
    scale_as(from, factor, m, to);
  }
  void add(const T* from, std::int64_t m, double* sums) const override {
    for (std::int64_t i = 0; i < m; ++i) {
      sums[i] += static_cast<double>(from[i]);
    }
  }
  void add_sum(const T* values, const std::uint8_t* mask, std::int64_t m,
               double* total) const override {
    // Blocks, so that the rounding grows with their length and number only.
    constexpr std::int64_t kBlock = 1024;
    double sum = 0;
    for (std::int64_t first = 0; first < m; first += kBlock) {
      double block = 0;
      for (std::int64_t i = first; i < std::min(m, first + kBlock); ++i) {
        block += mask == nullptr || mask[i] != 0 ? static_cast<double>(values[i]) : 0.0;
      }
      sum += block;
    }
    *total += sum;
  }
  void number(std::int64_t m, std::int64_t* to) const override {
    std::iota(to, to + m, std::int64_t{0});
  }

 private:
  template <class From>
  static void scale_as(const From* from, double factor, std::int64_t m, T* to) {
    for (std::int64_t i = 0; i < m; ++i) {
      to[i] = static_cast<T>(static_cast<double>(from[i]) * factor);
    }
  }

  const CpuContext& context_;
};

}  // namespace

template <class T>
std::unique_ptr<KdeLossBackend<T>> kde_loss_backend_cpu(const CpuContext& context) {
  return std::make_unique<CpuBackend<T>>(context);
}

template std::unique_ptr<KdeLossBackend<float>> kde_loss_backend_cpu(const CpuContext&);
template std::unique_ptr<KdeLossBackend<double>> kde_loss_backend_cpu(const CpuContext&);

}  // namespace scf::loss
