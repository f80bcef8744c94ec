// What a backend does for whole samplers: memory, the steps, the kernels of kde/, and a few of its
// own. One object a run; sampler.cpp composes them, once for all backends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kde/kde.h"
#include "sampler/steps.h"

namespace scf::sampler {

// A dataset prepared by the backend in use; borrowed.
template <class T>
struct KdeModel {
  const kde::CpuKde<T>* cpu = nullptr;
  const kde::CudaKde<T>* cuda = nullptr;

  [[nodiscard]] bool is_there() const { return cpu != nullptr || cuda != nullptr; }
};

// CUDA: everything is enqueued on stream(), and only read() and wait() wait.
template <class T>
class SamplerBackend {
 public:
  SamplerBackend() = default;
  virtual ~SamplerBackend() = default;
  SamplerBackend(const SamplerBackend&) = delete;
  SamplerBackend& operator=(const SamplerBackend&) = delete;

  // What work of a callback is enqueued on; null on the CPU.
  [[nodiscard]] virtual void* stream() const = 0;

  // ---- Memory. Throws Error(kOutOfMemory).
  [[nodiscard]] virtual void* allocate(std::size_t bytes) const = 0;
  virtual void free(void* pointer, std::size_t bytes) const noexcept = 0;
  virtual void clear(void* memory, std::size_t bytes) const = 0;
  virtual void write(void* to, const void* from, std::size_t bytes) const = 0;  // from the host
  virtual void read(void* to, const void* from, std::size_t bytes) const = 0;   // to the host
  virtual void wait() const = 0;

  // ---- Between record() and replay() work is not done but recorded, where a backend can (record()
  // says so); replay() does it.
  [[nodiscard]] virtual bool record() const = 0;
  virtual void replay() const = 0;
  // Forgets what is being recorded.
  virtual void abandon() const noexcept = 0;

  // ---- steps.h
  virtual void step(const StepSettings<T>& settings, std::int64_t m, std::int64_t d,
                    const StepArrays<T>& arrays) const = 0;
  virtual void known_step(const StepSettings<T>& settings, std::int64_t m, std::int64_t d,
                          const Matrix<const T>& x, const Matrix<const T>& known,
                          const Matrix<T>& next) const = 0;
  [[nodiscard]] virtual std::size_t corrector_workspace(Rule rule, std::int64_t m,
                                                        std::int64_t d) const = 0;
  virtual void corrector_step(const StepSettings<T>& settings, const CorrectorSettings& corrector,
                              std::int64_t m, std::int64_t d, const StepArrays<T>& arrays,
                              void* workspace) const = 0;

  // ---- kde/kde.h
  [[nodiscard]] virtual std::size_t evaluate_workspace(const KdeModel<T>& model,
                                                       const kde::Queries<T>& queries,
                                                       const kde::Outputs<T>& outputs) const = 0;
  virtual void evaluate(const KdeModel<T>& model, const kde::Queries<T>& queries,
                        const kde::Outputs<T>& outputs, void* workspace) const = 0;
  // Mean and variance of the data of a label, [d] each in host memory.
  virtual void moments(const KdeModel<T>& model, std::int32_t label, double* mean,
                       double* variance) const = 0;

  // ---- Small steps
  // x[i,:] = mean[k,:] + deviation[k,:] z, k = kinds[i], or 0 where kinds is null.
  virtual void start(const random::Stream& words, std::int64_t m, std::int64_t d,
                     const std::int32_t* kinds, const T* mean, const T* deviation,
                     const Matrix<T>& x) const = 0;
  virtual void copy_rows(const Matrix<const T>& from, std::int64_t m, std::int64_t d,
                         const Matrix<T>& to) const = 0;
};

// sampler_cpu.cpp, sampler_cuda.cu. The context must outlive the backend.
template <class T>
[[nodiscard]] std::unique_ptr<SamplerBackend<T>> sampler_backend_cpu(const CpuContext& context);
template <class T>
[[nodiscard]] std::unique_ptr<SamplerBackend<T>> sampler_backend_cuda(const CudaContext& context,
                                                                      void* stream);

}  // namespace scf::sampler
