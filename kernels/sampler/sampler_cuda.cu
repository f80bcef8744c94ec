// Whole samplers on a CUDA device: sampler_backend.h.
//
// The default stream cannot be captured: a run in it has a stream of its own, which starts when the
// work before is done and whose work is done when the run returns.
#include <algorithm>

#include "common/cuda_check.cuh"
#include "common/cuda_context.h"
#include "loss/loss_cuda.cuh"
#include "sampler/sampler_backend.h"

namespace scf::sampler {
namespace {

struct CopyPolicy {
  static constexpr int kThreads = 256;
  static constexpr int kBlocksPerMultiprocessor = 8;
};

template <class T>
__global__ void __launch_bounds__(CopyPolicy::kThreads)
    sampler_copy_rows_kernel(const Matrix<const T> from, std::int64_t m, std::int64_t d,
                             const Matrix<T> to) {
  // A block takes rows, its threads the columns: no division of a 64-bit index.
  for (std::int64_t i = blockIdx.x; i < m; i += gridDim.x) {
    for (std::int64_t j = threadIdx.x; j < d; j += CopyPolicy::kThreads) {
      to.row(i)[j] = from.row(i)[j];
    }
  }
}

// x = mean + deviation z, both of the row's kind.
template <class T>
class StartOperation : public RowOperationCuda {
 public:
  static constexpr int kNumbers = 4;
  using Number = T;
  struct Own {
    std::int64_t kind;
  };
  struct Row {
    std::int64_t kind;
    const T* mean;
    const T* deviation;
    T* x;
  };

  StartOperation(const random::Stream& words, std::int64_t d, const std::int32_t* kinds,
                 const T* mean, const T* deviation, const Matrix<T>& x)
      : noise_(random::Distribution::kNormal, words, {}),
        kinds_(kinds),
        mean_(Matrix<const T>{mean, d}),
        deviation_(Matrix<const T>{deviation, d}),
        x_(x),
        vectors_(all_aligned(mean_, deviation_, x_)) {}

  __device__ bool vectors() const { return vectors_; }
  __device__ void start() { noise_.start(); }
  __device__ void begin(std::int64_t row, Own& own) const {
    own.kind = kinds_ == nullptr ? 0 : kinds_[row];
  }
  __device__ void open(const Own& own, std::int64_t /*slot*/, const Hand& hand, Row& state) const {
    state.kind = hand(own.kind);
  }
  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    state.mean = mean_.at(state.kind, column);
    state.deviation = deviation_.at(state.kind, column);
    state.x = x_.at(row, column);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    state.mean += columns;
    state.deviation += columns;
    state.x += columns;
  }
  __device__ void draw(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       std::int64_t left, bool vector, Row& /*state*/, T* z) const {
    noise_.quad(row, column, left, vector, z);
  }
  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, const T* z, Row& state,
                       double* /*sums*/) const {
    T mean[4];
    T deviation[4];
    load_quad<kVector>(state.mean, count, mean);
    load_quad<kVector>(state.deviation, count, deviation);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      mean[j] = deviation[j] * z[j] + mean[j];
    }
    store_quad<kVector>(state.x, count, mean);
  }

 private:
  loss::NoiseCuda<T> noise_;
  const std::int32_t* kinds_;
  QuadMatrix<const T> mean_;
  QuadMatrix<const T> deviation_;
  QuadMatrix<T> x_;
  bool vectors_;
};

template <class T>
class CudaBackend final : public SamplerBackend<T> {
 public:
  CudaBackend(const CudaContext& context, void* stream)
      : context_(context), own_(stream == nullptr), stream_(stream) {
    if (own_) {
      cuda_stream_synchronize(nullptr);
      stream_ = cuda_stream_create();
    }
  }
  ~CudaBackend() override {
    if (own_) {
      (void)cudaStreamDestroy(as_stream(stream_));  // once its work is done
    }
  }

  [[nodiscard]] void* stream() const override { return stream_; }

  [[nodiscard]] void* allocate(std::size_t bytes) const override {
    return cuda_allocate(context_.allocator(), bytes, stream_);
  }
  void free(void* pointer, std::size_t bytes) const noexcept override {
    try {
      cuda_free(context_.allocator(), pointer, bytes, stream_);
    } catch (const Error&) {  // nobody to tell; a sticky error shows in the next call
    }
  }
  void clear(void* memory, std::size_t bytes) const override {
    cuda_check(cudaMemsetAsync(memory, 0, bytes, as_stream(stream_)), "cudaMemsetAsync");
  }
  void write(void* to, const void* from, std::size_t bytes) const override {
    cuda_copy(to, from, bytes, CopyKind::kHostToDevice, stream_);
    wait();
  }
  void read(void* to, const void* from, std::size_t bytes) const override {
    cuda_copy(to, from, bytes, CopyKind::kDeviceToHost, stream_);
    wait();
  }
  void wait() const override { cuda_stream_synchronize(stream_); }

  [[nodiscard]] bool record() const override {
    cuda_check(cudaStreamBeginCapture(as_stream(stream_), cudaStreamCaptureModeThreadLocal),
               "cudaStreamBeginCapture");
    return true;
  }
  void replay() const override {
    cudaGraph_t graph = nullptr;
    cuda_check(cudaStreamEndCapture(as_stream(stream_), &graph), "cudaStreamEndCapture");
    cudaGraphExec_t executable = nullptr;
    const cudaError_t code = cudaGraphInstantiate(&executable, graph, 0);
    (void)cudaGraphDestroy(graph);
    cuda_check(code, "cudaGraphInstantiate");
    const cudaError_t launched = cudaGraphLaunch(executable, as_stream(stream_));
    if (launched == cudaSuccess) {
      wait();
    }
    (void)cudaGraphExecDestroy(executable);
    cuda_check(launched, "cudaGraphLaunch");
  }
  void abandon() const noexcept override {
    cudaGraph_t graph = nullptr;
    (void)cudaStreamEndCapture(as_stream(stream_), &graph);
    if (graph != nullptr) {
      (void)cudaGraphDestroy(graph);
    }
    (void)cudaGetLastError();
  }

  void step(const StepSettings<T>& settings, std::int64_t m, std::int64_t d,
            const StepArrays<T>& arrays) const override {
    step_cuda(context_, settings, m, d, arrays, stream_);
  }
  void known_step(const StepSettings<T>& settings, std::int64_t m, std::int64_t d,
                  const Matrix<const T>& x, const Matrix<const T>& known,
                  const Matrix<T>& next) const override {
    known_step_cuda(context_, settings, m, d, x, known, next, stream_);
  }
  [[nodiscard]] std::size_t corrector_workspace(Rule rule, std::int64_t m,
                                                std::int64_t d) const override {
    return corrector_workspace_cuda(context_, rule, m, d);
  }
  void corrector_step(const StepSettings<T>& settings, const CorrectorSettings& corrector,
                      std::int64_t m, std::int64_t d, const StepArrays<T>& arrays,
                      void* workspace) const override {
    corrector_step_cuda(context_, settings, corrector, m, d, arrays, workspace, stream_);
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
  void moments(const KdeModel<T>& model, std::int32_t label, double* mean,
               double* variance) const override {
    kde::kde_moments_cuda(context_, *model.cuda, label, mean, variance, stream_);
  }

  void start(const random::Stream& words, std::int64_t m, std::int64_t d, const std::int32_t* kinds,
             const T* mean, const T* deviation, const Matrix<T>& x) const override {
    run_rows_cuda("start_kernel", RowPlanCuda(context_, m, d), RowBatch<T>{m, d, nullptr, nullptr},
                  StartOperation<T>(words, d, kinds, mean, deviation, x), nullptr, stream_);
  }
  void copy_rows(const Matrix<const T>& from, std::int64_t m, std::int64_t d,
                 const Matrix<T>& to) const override {
    const std::int64_t most =
        std::int64_t{context_.multiprocessors()} * CopyPolicy::kBlocksPerMultiprocessor;
    cuda_launch("sampler_copy_rows_kernel", sampler_copy_rows_kernel<T>,
                static_cast<unsigned>(std::min(m, most)), CopyPolicy::kThreads, 0, stream_, from, m,
                d, to);
  }

 private:
  const CudaContext& context_;
  bool own_;
  void* stream_;
};

}  // namespace

template <class T>
std::unique_ptr<SamplerBackend<T>> sampler_backend_cuda(const CudaContext& context, void* stream) {
  return std::make_unique<CudaBackend<T>>(context, stream);
}

template std::unique_ptr<SamplerBackend<float>> sampler_backend_cuda(const CudaContext&, void*);
template std::unique_ptr<SamplerBackend<double>> sampler_backend_cuda(const CudaContext&, void*);

}  // namespace scf::sampler
