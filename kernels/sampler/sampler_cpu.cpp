// Whole samplers on the CPU: sampler_backend.h.
#include <algorithm>
#include <cstring>

#include "common/cpu_context.h"
#include "common/memory.h"
#include "common/rows_cpu.h"
#include "sampler/sampler_backend.h"

namespace scf::sampler {
namespace {

template <class T>
class CpuBackend final : public SamplerBackend<T> {
 public:
  explicit CpuBackend(const CpuContext& context) : context_(context) {}

  [[nodiscard]] void* stream() const override { return nullptr; }

  [[nodiscard]] void* allocate(std::size_t bytes) const override {
    return host_allocate(context_.allocator(), bytes);
  }
  void free(void* pointer, std::size_t bytes) const noexcept override {
    host_free(context_.allocator(), pointer, bytes);
  }
  void clear(void* memory, std::size_t bytes) const override { std::memset(memory, 0, bytes); }
  void write(void* to, const void* from, std::size_t bytes) const override {
    copy(to, from, bytes);
  }
  void read(void* to, const void* from, std::size_t bytes) const override { copy(to, from, bytes); }
  void wait() const override {}

  [[nodiscard]] bool record() const override { return false; }
  void replay() const override {}
  void abandon() const noexcept override {}

  void step(const StepSettings<T>& settings, std::int64_t m, std::int64_t d,
            const StepArrays<T>& arrays) const override {
    step_cpu(context_, settings, m, d, arrays);
  }
  void known_step(const StepSettings<T>& settings, std::int64_t m, std::int64_t d,
                  const Matrix<const T>& x, const Matrix<const T>& known,
                  const Matrix<T>& next) const override {
    known_step_cpu(context_, settings, m, d, x, known, next);
  }
  [[nodiscard]] std::size_t corrector_workspace(Rule rule, std::int64_t m,
                                                std::int64_t d) const override {
    return corrector_workspace_cpu(context_, rule, m, d);
  }
  void corrector_step(const StepSettings<T>& settings, const CorrectorSettings& corrector,
                      std::int64_t m, std::int64_t d, const StepArrays<T>& arrays,
                      void* workspace) const override {
    corrector_step_cpu(context_, settings, corrector, m, d, arrays, workspace);
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
  void moments(const KdeModel<T>& model, std::int32_t label, double* mean,
               double* variance) const override {
    kde::kde_moments_cpu(context_, *model.cpu, label, mean, variance);
  }

  void start(const random::Stream& words, std::int64_t m, std::int64_t d, const std::int32_t* kinds,
             const T* mean, const T* deviation, const Matrix<T>& x) const override {
    random::random_fill_cpu(context_, random::Distribution::kNormal, words, m, d, 0, x.data, x.ld);
    run_tiles_cpu(context_, RowPlanCpu(m, d), [&](std::int64_t row, std::int64_t rows, int) {
      for (std::int64_t i = row; i < row + rows; ++i) {
        const std::int64_t kind = kinds == nullptr ? 0 : kinds[i];
        T* const of_row = x.row(i);
        for (std::int64_t j = 0; j < d; ++j) {
          of_row[j] = mean[kind * d + j] + deviation[kind * d + j] * of_row[j];
        }
      }
    });
  }
  void copy_rows(const Matrix<const T>& from, std::int64_t m, std::int64_t d,
                 const Matrix<T>& to) const override {
    run_tiles_cpu(context_, RowPlanCpu(m, d), [&](std::int64_t row, std::int64_t rows, int) {
      for (std::int64_t i = row; i < row + rows; ++i) {
        std::copy_n(from.row(i), d, to.row(i));
      }
    });
  }

 private:
  static void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) {
      std::memcpy(to, from, bytes);
    }
  }
  const CpuContext& context_;
};

}  // namespace

template <class T>
std::unique_ptr<SamplerBackend<T>> sampler_backend_cpu(const CpuContext& context) {
  return std::make_unique<CpuBackend<T>>(context);
}

template std::unique_ptr<SamplerBackend<float>> sampler_backend_cpu(const CpuContext&);
template std::unique_ptr<SamplerBackend<double>> sampler_backend_cpu(const CpuContext&);

}  // namespace scf::sampler
