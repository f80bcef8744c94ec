// The divergences of two KDEs on the CPU: kde_divergence_backend.h.
#include <algorithm>

#include "common/cpu_context.h"
#include "divergence/kde_divergence_backend.h"
#include "random/random.h"

namespace scf::divergence {
namespace {

template <class T>
class CpuBackend final : public KdeDivergenceBackend<T> {
 public:
  explicit CpuBackend(const CpuContext& context)
      : context_(context), kde_(loss::kde_loss_backend_cpu<T>(context)) {}

  [[nodiscard]] const loss::KdeLossBackend<T>& kde() const override { return *kde_; }

  [[nodiscard]] std::size_t workspace(std::int64_t m, std::int64_t n,
                                      std::int64_t d) const override {
    return divergence_workspace_cpu(context_, m, n, d);
  }
  void diverge(Divergence divergence, const Points<T>& p, const Points<T>& q,
               const Outputs<T>& outputs, void* workspace) const override {
    divergence_cpu(context_, divergence, p, q, outputs, workspace);
  }
  void local_variance(const LocalVariancePoints<T>& points, const Outputs<T>& outputs,
                      void* workspace) const override {
    local_variance_cpu(context_, points, outputs, workspace);
  }

  void normal(const random::Stream& words, std::int64_t m, std::int64_t d, T* out) const override {
    random::random_fill_cpu(context_, random::Distribution::kNormal, words, m, d, 0, out, d);
  }
  // In double.
  void products(const T* score_p, const T* score_q, const T* displacement, std::int64_t m,
                std::int64_t d, T* out) const override {
    for_rows(m, [=](std::int64_t i) {
      double sum = 0;
      for (std::int64_t j = i * d; j < (i + 1) * d; ++j) {
        const double difference = static_cast<double>(score_p[j]) - static_cast<double>(score_q[j]);
        sum += difference * static_cast<double>(displacement[j]);
      }
      out[i] = static_cast<T>(sum);
    });
  }
  void products_gradient(const T* weights, const T* displacement, std::int64_t m, std::int64_t d,
                         T* out) const override {
    for_rows(m, [=](std::int64_t i) {
      std::transform(displacement + i * d, displacement + (i + 1) * d, out + i * d,
                     [weight = -weights[i]](T e) { return weight * e; });
    });
  }

 private:
  // Calls body(i) for the rows, some in a unit of parallel work.
  template <class Body>
  void for_rows(std::int64_t m, const Body& body) const {
    constexpr std::int64_t kRows = 64;
    context_.parallel_for((m - 1) / kRows + 1, [&](std::int64_t unit, int /*thread*/) {
      for (std::int64_t i = unit * kRows; i < std::min(m, (unit + 1) * kRows); ++i) {
        body(i);
      }
    });
  }

  const CpuContext& context_;
  std::unique_ptr<loss::KdeLossBackend<T>> kde_;
};

}  // namespace

template <class T>
std::unique_ptr<KdeDivergenceBackend<T>> kde_divergence_backend_cpu(const CpuContext& context) {
  return std::make_unique<CpuBackend<T>>(context);
}

template std::unique_ptr<KdeDivergenceBackend<float>> kde_divergence_backend_cpu(const CpuContext&);
template std::unique_ptr<KdeDivergenceBackend<double>> kde_divergence_backend_cpu(
    const CpuContext&);

}  // namespace scf::divergence
