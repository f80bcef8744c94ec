#include <cuda_runtime.h>
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include "client.h"
#include "cuda_device.h"

namespace scf_bench {
namespace {

void check_cuda(cudaError_t error, const char* what) {
  if (error != cudaSuccess) {
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
  }
}

// Memory of the device.
class Memory {
 public:
  explicit Memory(std::size_t bytes) { check_cuda(cudaMalloc(&at_, bytes), "cudaMalloc"); }
  ~Memory() { cudaFree(at_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  template <class E>
  [[nodiscard]] E* as() const {
    return static_cast<E*>(at_);
  }

 private:
  void* at_ = nullptr;
};

int attribute(cudaDeviceAttr which) {
  int value = 0;
  check_cuda(cudaDeviceGetAttribute(&value, which, 0), "cudaDeviceGetAttribute");
  return value;
}

// Multiply-adds of half precision, summed in single precision, of a multiprocessor in a clock: the
// vendor's figures without sparsity. 0 where they are not known.
double multiply_adds_a_clock(int architecture) {
  constexpr std::array<std::pair<int, double>, 8> kKnown = {{{75, 512},
                                                             {80, 1024},
                                                             {86, 512},
                                                             {89, 512},
                                                             {90, 2048},
                                                             {100, 4096},
                                                             {103, 4096},
                                                             {120, 512}}};
  for (const auto& [known, rate] : kKnown) {
    if (known == architecture) {
      return rate;
    }
  }
  return 0;
}

double measure_copy() {
  const std::size_t bytes = is_emulated() ? std::size_t{1} << 16 : std::size_t{1} << 29;
  const Memory from(bytes);
  const Memory to(bytes);
  check_cuda(cudaMemset(from.as<char>(), 1, bytes), "cudaMemset");
  DeviceTimer timer;
  double best = 1e300;
  for (int i = 0; i < 10; ++i) {
    timer.start();
    check_cuda(cudaMemcpyAsync(to.as<char>(), from.as<char>(), bytes, cudaMemcpyDeviceToDevice),
               "cudaMemcpyAsync");
    best = std::min(best, timer.stop());
  }
  return 2 * static_cast<double>(bytes) / best;
}

}  // namespace

// ---- Time ---------------------------------------------------------------------------------------

struct DeviceTimer::State {
  cudaEvent_t from = nullptr;
  cudaEvent_t to = nullptr;
  std::size_t cache_bytes = 0;
  std::unique_ptr<Memory> over_cache;
};

DeviceTimer::DeviceTimer() : state_(std::make_unique<State>()) {
  check_cuda(cudaEventCreate(&state_->from), "cudaEventCreate");
  check_cuda(cudaEventCreate(&state_->to), "cudaEventCreate");
  state_->cache_bytes = 2 * static_cast<std::size_t>(attribute(cudaDevAttrL2CacheSize));
  state_->over_cache = std::make_unique<Memory>(std::max<std::size_t>(state_->cache_bytes, 1));
}
DeviceTimer::~DeviceTimer() {
  cudaEventDestroy(state_->from);
  cudaEventDestroy(state_->to);
}

void DeviceTimer::start() {
  check_cuda(cudaMemsetAsync(state_->over_cache->as<char>(), 0, state_->cache_bytes),
             "cudaMemsetAsync");
  check_cuda(cudaEventRecord(state_->from), "cudaEventRecord");
}

double DeviceTimer::stop() {
  check_cuda(cudaEventRecord(state_->to), "cudaEventRecord");
  check_cuda(cudaEventSynchronize(state_->to), "cudaEventSynchronize");
  float milliseconds = 0;
  check_cuda(cudaEventElapsedTime(&milliseconds, state_->from, state_->to), "cudaEventElapsedTime");
  // The emulator's clock may stand still.
  return std::max(1e-3 * static_cast<double>(milliseconds), 1e-9);
}

double DeviceTimer::lap() {
  const double seconds = stop();
  std::swap(state_->from, state_->to);
  return seconds;
}

// ---- Limits -------------------------------------------------------------------------------------

const DeviceLimits& device_limits() {
  static const DeviceLimits limits = [] {
    constexpr double kExponentialsAClock = 16;
    cudaDeviceProp properties;
    check_cuda(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
    const double clocks = 1e3 * attribute(cudaDevAttrClockRate);
    const double all = clocks * properties.multiProcessorCount;
    DeviceLimits of;
    of.name = properties.name;
    of.exponentials = kExponentialsAClock * all;
    of.multiply_adds = multiply_adds_a_clock(10 * properties.major + properties.minor) * all;
    of.copied_bytes = measure_copy();
    return of;
  }();
  return limits;
}

// ---- A KDE of matrix products -------------------------------------------------------------------

namespace {

constexpr int kThreads = 256;

// The part of cuBLAS's interface that is used, by its header.
struct Cublas {
  using Handle = void*;
  static constexpr int kNotTransposed = 0;
  static constexpr int kTransposed = 1;
  static constexpr int kDefaultMath = 0;
  static constexpr int kTf32Math = 3;
  int (*create)(Handle*) = nullptr;
  int (*set_math_mode)(Handle, int) = nullptr;
  int (*gemm)(Handle, int, int, int, int, int, const float*, const float*, int, const float*, int,
              const float*, float*, int) = nullptr;
  Handle handle = nullptr;
  std::string missing;
};

const Cublas& cublas() {
  static const Cublas library = [] {
    Cublas of;
    if (is_emulated()) {
      of.missing = "the emulator runs no cuBLAS";
      return of;
    }
    void* object = nullptr;
    for (const char* name : {"libcublas.so.13", "libcublas.so.12", "libcublas.so"}) {
      object = object == nullptr ? dlopen(name, RTLD_NOW) : object;
    }
    if (object == nullptr) {
      of.missing = dlerror();
      return of;
    }
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(object, name));
      if (function == nullptr) {
        of.missing = std::string("libcublas has no ") + name;
      }
    };
    find(of.create, "cublasCreate_v2");
    find(of.set_math_mode, "cublasSetMathMode");
    find(of.gemm, "cublasSgemm_v2");
    if (of.missing.empty()) {
      const int status = of.create(&of.handle);
      if (status != 0) {
        of.missing = "cublasCreate returned " + std::to_string(status);
      }
    }
    return of;
  }();
  return library;
}

// [rows, columns] = A B, or A B' of B [columns, inner]; by rows.
__global__ void plain_product_kernel(const float* a, const float* b, bool transposed, float* to,
                                     std::int64_t rows, std::int64_t columns, std::int64_t inner) {
  const std::int64_t at = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (at >= rows * columns) {
    return;
  }
  const std::int64_t i = at / columns;
  const std::int64_t j = at % columns;
  float sum = 0;
  for (std::int64_t k = 0; k < inner; ++k) {
    sum = fmaf(a[i * inner + k], transposed ? b[j * inner + k] : b[k * columns + j], sum);
  }
  to[at] = sum;
}

__global__ void norms_kernel(const float* matrix, std::int64_t rows, std::int64_t d, float* norms) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < rows) {
    float sum = 0;
    for (std::int64_t j = 0; j < d; ++j) {
      sum = fmaf(matrix[i * d + j], matrix[i * d + j], sum);
    }
    norms[i] = sum;
  }
}

struct Larger {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};
struct Plus {
  __device__ float operator()(float a, float b) const { return a + b; }
};
template <class Fold>
__device__ float fold_block(float value, Fold fold) {
  __shared__ float of_warps[kThreads / 32];
  for (int step = 16; step > 0; step /= 2) {
    value = fold(value, __shfl_xor_sync(0xffffffffu, value, step));
  }
  __syncthreads();  // an earlier call's values have been read
  if (threadIdx.x % 32 == 0) {
    of_warps[threadIdx.x / 32] = value;
  }
  __syncthreads();
  float all = of_warps[0];
  for (int warp = 1; warp < kThreads / 32; ++warp) {
    all = fold(all, of_warps[warp]);
  }
  return all;
}

// A block a query: products become weights over the largest one, sums their sum.
__global__ void softmax_kernel(float* products, const float* data_norms, const float* query_norms,
                               std::int64_t n, float rate, float constant, float* sums,
                               float* log_density) {
  const std::int64_t i = blockIdx.x;
  float* const row = products + i * n;
  float largest = -INFINITY;
  for (std::int64_t k = threadIdx.x; k < n; k += kThreads) {
    row[k] = rate * (2 * row[k] - data_norms[k] - query_norms[i]);
    largest = fmaxf(largest, row[k]);
  }
  largest = fold_block(largest, Larger());
  float sum = 0;
  for (std::int64_t k = threadIdx.x; k < n; k += kThreads) {
    row[k] = exp2f(row[k] - largest);
    sum += row[k];
  }
  sum = fold_block(sum, Plus());
  if (threadIdx.x == 0) {
    sums[i] = sum;
    log_density[i] = 0.69314718f * (largest + log2f(sum)) + constant;
  }
}

// (sum_k p_k y_k / sum_k p_k - x) / h^2 over the weighted sum.
__global__ void score_kernel(const float* queries, const float* sums, std::int64_t count,
                             std::int64_t d, float over_squared_bandwidth, float* score) {
  const std::int64_t at = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (at < count) {
    score[at] = (score[at] / sums[at / d] - queries[at]) * over_squared_bandwidth;
  }
}

unsigned blocks_for(std::int64_t count) {
  return static_cast<unsigned>((count + kThreads - 1) / kThreads);
}

}  // namespace

struct MatrixKde::State {
  const float* data;
  std::int64_t n;
  std::int64_t d;
  double bandwidth;
  std::int64_t rows;  // of G
  Memory norms;
  Memory products;
  Memory of_queries;  // norms, then sums

  // to = A B or A B'. Matrices lie by rows; cuBLAS, which takes columns, sees them transposed.
  void multiply(Product product, const float* a, const float* b, bool transposed, float* to,
                std::int64_t m, std::int64_t columns, std::int64_t inner) const {
    if (product == Product::kWithoutLibrary) {
      plain_product_kernel<<<blocks_for(m * columns), kThreads>>>(a, b, transposed, to, m, columns,
                                                                  inner);
      return;
    }
    const Cublas& library = cublas();
    const float one = 1;
    const float zero = 0;
    const bool tf32 = product == Product::kCublasTf32;
    int status =
        library.set_math_mode(library.handle, tf32 ? library.kTf32Math : library.kDefaultMath);
    if (status == 0) {
      status = library.gemm(
          library.handle, transposed ? library.kTransposed : library.kNotTransposed,
          library.kNotTransposed, static_cast<int>(columns), static_cast<int>(m),
          static_cast<int>(inner), &one, b, static_cast<int>(transposed ? inner : columns), a,
          static_cast<int>(inner), &zero, to, static_cast<int>(columns));
    }
    if (status != 0) {
      throw std::runtime_error("cuBLAS returned " + std::to_string(status));
    }
  }
};

MatrixKde::MatrixKde(const float* data, std::int64_t n, std::int64_t d, double bandwidth) {
  constexpr std::int64_t kBytes = std::int64_t{1} << 30;
  const std::int64_t rows = std::clamp<std::int64_t>(kBytes / (4 * n), 1, 65536);
  const auto bytes = [](std::int64_t floats) { return static_cast<std::size_t>(4 * floats); };
  state_.reset(new State{data, n, d, bandwidth, rows, Memory(bytes(n)),
                         Memory(bytes(is_emulated() ? 64 * n : rows * n)),
                         Memory(bytes(2 * rows))});
  state_->rows = is_emulated() ? std::min<std::int64_t>(rows, 64) : rows;
  norms_kernel<<<blocks_for(n), kThreads>>>(data, n, d, state_->norms.as<float>());
  check_cuda(cudaGetLastError(), "norms_kernel");
}
MatrixKde::~MatrixKde() = default;

const std::string& MatrixKde::cublas_is_missing() {
  return cublas().missing;
}

void MatrixKde::evaluate(Product product, const float* queries, std::int64_t m, float* log_density,
                         float* score) {
  const State& of = *state_;
  const double over = 1 / (of.bandwidth * of.bandwidth);
  const double constant = -std::log(static_cast<double>(of.n)) -
                          static_cast<double>(of.d) * (0.9189385332046727 + std::log(of.bandwidth));
  const auto rate = static_cast<float>(0.5 * 1.4426950408889634 * over);
  float* const norms = of.of_queries.as<float>();
  float* const sums = norms + of.rows;
  for (std::int64_t first = 0; first < m; first += of.rows) {
    const std::int64_t count = std::min(of.rows, m - first);
    const float* const x = queries + first * of.d;
    float* const s = score + first * of.d;
    norms_kernel<<<blocks_for(count), kThreads>>>(x, count, of.d, norms);
    of.multiply(product, x, of.data, true, of.products.as<float>(), count, of.n, of.d);
    softmax_kernel<<<static_cast<unsigned>(count), kThreads>>>(
        of.products.as<float>(), of.norms.as<float>(), norms, of.n, rate,
        static_cast<float>(constant), sums, log_density + first);
    of.multiply(product, of.products.as<float>(), of.data, false, s, count, of.d, of.n);
    score_kernel<<<blocks_for(count * of.d), kThreads>>>(x, sums, count * of.d, of.d,
                                                         static_cast<float>(over), s);
  }
  check_cuda(cudaGetLastError(), "MatrixKde::evaluate");
}

}  // namespace scf_bench
