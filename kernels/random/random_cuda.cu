// Random numbers on CUDA.
//
//   out [m, ld] <- d numbers a row
//
// A thread makes the four numbers of a quad of columns from one call of Philox and stores them as
// 16 bytes where the rows are aligned: memory is written once, coalesced. Blocks are a rectangle of
// quads x rows, shaped to the width of a row, so that no thread divides and short rows leave no
// lanes idle; a grid that fills the device goes down the rows, so that a quad costs its arithmetic
// (30 to 50 instructions a number) and little more.
//
// The sphere gives a row to a group of 1, 4 or 32 threads, or to a block, by its length alone. A
// thread writes its normals, the group sums their squares in double in a fixed order, and each
// thread reads back what it wrote itself, scaled: 3 d elements of traffic, of which two in the
// cache.
#include <cub/block/block_reduce.cuh>
#include <cub/warp/warp_reduce.cuh>

#include "common/cuda_check.cuh"
#include "random/quad_cuda.cuh"
#include "random/random_cuda.cuh"

namespace scf::random {
namespace {

struct FillPolicy {
  static constexpr int kThreads = 256;
  static constexpr std::int64_t kMaxGrid = 32768;  // of a dimension; loops do the rest
  static constexpr int kBlocksPerMultiprocessor = 8;
};

struct SpherePolicy {
  static constexpr int kThreads = 256;
  static constexpr std::int64_t kMaxGrid = 65536;
  // Most quads of a row for a group of 1, 4 and 32 threads.
  static constexpr std::int64_t kOneThread = 2;
  static constexpr std::int64_t kFourThreads = 16;
  static constexpr std::int64_t kWarp = 1024;
};

// Words to the numbers of a quad, of which `count` are needed.
struct Bits {
  using Out = std::uint32_t;
  static __device__ void make(const uint4& words, std::int64_t /*count*/, Out out[4]) {
    bits_of(words, out);
  }
};
template <class T>
struct Uniforms {
  using Out = T;
  static __device__ void make(const uint4& words, std::int64_t /*count*/, Out out[4]) {
    uniforms_of(words, out);
  }
};
template <class T>
struct Rademachers {
  using Out = T;
  static __device__ void make(const uint4& words, std::int64_t /*count*/, Out out[4]) {
    rademachers_of(words, out);
  }
};
template <class T>
struct Normals {
  using Out = T;
  static __device__ void make(const uint4& words, std::int64_t count, Out out[4]) {
    normals_of(words, count, out);
  }
};

// One quad of columns and every row_step-th row a thread, so that a turn of the loop is little more
// than its words: where rows are long and few, blocks share out the quads, else the rows.
template <class Numbers>
__global__ void __launch_bounds__(FillPolicy::kThreads)
    random_fill_kernel(const Stream stream, std::int64_t m, std::int64_t d,
                       typename Numbers::Out* out, std::int64_t ld) {
  using Out = typename Numbers::Out;
  const Words words = words_of(stream);
  const PhiloxKeys keys = keys_in_registers(words.seed);
  const std::int64_t row_step = static_cast<std::int64_t>(gridDim.y) * blockDim.y;
  const std::int64_t quad_step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.y) * blockDim.y + threadIdx.y;
  const std::int64_t row_stride = in_register(row_step * ld);
  const bool aligned = reinterpret_cast<std::uintptr_t>(out) % 16 == 0 &&
                       ld * static_cast<std::int64_t>(sizeof(Out)) % 16 == 0;
  for (std::int64_t column = 4 * (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x);
       column < d; column += 4 * quad_step) {
    const std::int64_t count = in_register(d - column);
    const auto vector = in_register(aligned && count >= 4 ? 1 : 0);
    const std::uint64_t at = in_register(words.offset + static_cast<std::uint64_t>(column));
    Out* to = out + first_row * ld + column;
    // The rows left, and the first of them in the generator's numbering.
    std::int64_t subsequence = words.first_row + first_row;
    for (std::int64_t left = m - first_row; left > 0; left -= row_step) {
      Out numbers[4];
      Numbers::make(words_at(keys, at, subsequence), count, numbers);
      if (vector != 0) {
        Quad<Out>::write(to, numbers);
      } else {
        store_each(to, numbers, count);
      }
      to += row_stride;
      subsequence += row_step;
    }
  }
}

// ---- Sphere ------------------------------------------------------------------------------------

// One thread's share of a row: every kStep-th quad from `first`.
template <class T>
__device__ double sphere_normals(const Words& words, std::int64_t row, std::int64_t first,
                                 std::int64_t step, std::int64_t d, T* x) {
  double sum = 0;
  for (std::int64_t quad = first; 4 * quad < d; quad += step) {
    const std::int64_t count = d - 4 * quad;
    T numbers[4];
    normal4(words, row, quad, numbers, count);
    for (int i = 0; i < 4; ++i) {
      const double z = i < count ? static_cast<double>(numbers[i]) : 0.0;
      sum = fma(z, z, sum);
    }
    store(x + 4 * quad, numbers, count);
  }
  return sum;
}

template <class T>
__device__ void sphere_scale(std::int64_t first, std::int64_t step, std::int64_t d, double radius,
                             double sum, T* x) {
  const double factor = radius / sqrt(sum);  // a normal is never 0
  for (std::int64_t quad = first; 4 * quad < d; quad += step) {
    const std::int64_t count = d - 4 * quad;
    T numbers[4];
    load(x + 4 * quad, numbers, count);
    for (int i = 0; i < 4; ++i) {
      const auto z = static_cast<double>(numbers[i]);
      // One dimension has two points, exactly.
      numbers[i] = static_cast<T>(d == 1 ? copysign(radius, z) : z * factor);
    }
    store(x + 4 * quad, numbers, count);
  }
}

template <class T, int kGroup>
__global__ void __launch_bounds__(SpherePolicy::kThreads)
    random_sphere_kernel(const Stream stream, std::int64_t m, std::int64_t d, double radius, T* out,
                         std::int64_t ld) {
  constexpr int kRows = SpherePolicy::kThreads / kGroup;
  using Reduce = cub::WarpReduce<double, kGroup>;
  __shared__ typename Reduce::TempStorage storage[kRows];
  const int at = static_cast<int>(threadIdx.x) / kGroup;
  const int lane = static_cast<int>(threadIdx.x) % kGroup;
  const Words words = words_of(stream);
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kRows;
  // All threads of a block go round together: the reduction takes whole warps.
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * kRows; first < m;
       first += step) {
    const std::int64_t row = first + at;
    T* const x = out + row * ld;
    const double part = row < m ? sphere_normals(words, row, lane, kGroup, d, x) : 0;
    double sum = Reduce(storage[at]).Sum(part);
    sum = __shfl_sync(~0u, sum, 0, kGroup);
    if (row < m) {
      sphere_scale(lane, kGroup, d, radius, sum, x);
    }
    __syncwarp();
  }
}

template <class T>
__global__ void __launch_bounds__(SpherePolicy::kThreads)
    random_long_sphere_kernel(const Stream stream, std::int64_t m, std::int64_t d, double radius,
                              T* out, std::int64_t ld) {
  using Reduce = cub::BlockReduce<double, SpherePolicy::kThreads>;
  __shared__ typename Reduce::TempStorage storage;
  __shared__ double row_sum;
  const Words words = words_of(stream);
  for (std::int64_t row = blockIdx.x; row < m; row += gridDim.x) {
    T* const x = out + row * ld;
    const double part = sphere_normals(words, row, threadIdx.x, SpherePolicy::kThreads, d, x);
    const double sum = Reduce(storage).Sum(part);
    if (threadIdx.x == 0) {
      row_sum = sum;
    }
    __syncthreads();
    sphere_scale(threadIdx.x, SpherePolicy::kThreads, d, radius, row_sum, x);
    __syncthreads();  // before storage and row_sum serve the next row
  }
}

// ---- Launches ----------------------------------------------------------------------------------

template <class Numbers>
void fill(const CudaContext& context, const Stream& stream, std::int64_t m, std::int64_t d,
          typename Numbers::Out* out, std::int64_t ld, void* cuda_stream) {
  QuadGrid shape = quad_grid(m, d, FillPolicy::kThreads, FillPolicy::kMaxGrid);
  // The device filled once; each thread goes down its column.
  const std::int64_t blocks =
      std::int64_t{context.multiprocessors()} * FillPolicy::kBlocksPerMultiprocessor;
  shape.grid.y = static_cast<unsigned>(
      std::clamp<std::int64_t>(blocks / shape.grid.x, 1, std::int64_t{shape.grid.y}));
  cuda_launch("random_fill_kernel", random_fill_kernel<Numbers>, shape.grid, shape.block, 0,
              cuda_stream, stream, m, d, out, ld);
}

template <class T, int kGroup>
void fill_sphere_rows(const Stream& stream, std::int64_t m, std::int64_t d, double radius, T* out,
                      std::int64_t ld, void* cuda_stream) {
  constexpr int kRows = SpherePolicy::kThreads / kGroup;
  cuda_launch("random_sphere_kernel", random_sphere_kernel<T, kGroup>,
              grid_of(m, kRows, SpherePolicy::kMaxGrid), SpherePolicy::kThreads, 0, cuda_stream,
              stream, m, d, radius, out, ld);
}

template <class T>
void fill_sphere(const Stream& stream, std::int64_t m, std::int64_t d, double radius, T* out,
                 std::int64_t ld, void* cuda_stream) {
  const std::int64_t quads = d / 4 + (d % 4 != 0);
  if (quads <= SpherePolicy::kOneThread) {
    fill_sphere_rows<T, 1>(stream, m, d, radius, out, ld, cuda_stream);
  } else if (quads <= SpherePolicy::kFourThreads) {
    fill_sphere_rows<T, 4>(stream, m, d, radius, out, ld, cuda_stream);
  } else if (quads <= SpherePolicy::kWarp) {
    fill_sphere_rows<T, 32>(stream, m, d, radius, out, ld, cuda_stream);
  } else {
    cuda_launch("random_long_sphere_kernel", random_long_sphere_kernel<T>,
                grid_of(m, 1, SpherePolicy::kMaxGrid), SpherePolicy::kThreads, 0, cuda_stream,
                stream, m, d, radius, out, ld);
  }
}

}  // namespace

void random_bits_cuda(const CudaContext& context, const Stream& stream, std::int64_t m,
                      std::int64_t d, std::uint32_t* out, std::int64_t ld, void* cuda_stream) {
  if (m > 0 && d > 0) {
    fill<Bits>(context, stream, m, d, out, ld, cuda_stream);
  }
}

template <class T>
void random_fill_cuda(const CudaContext& context, Distribution distribution, const Stream& stream,
                      std::int64_t m, std::int64_t d, double radius, T* out, std::int64_t ld,
                      void* cuda_stream) {
  if (m == 0 || d == 0) {
    return;
  }
  switch (distribution) {
    case Distribution::kUniform:
      return fill<Uniforms<T>>(context, stream, m, d, out, ld, cuda_stream);
    case Distribution::kNormal:
      return fill<Normals<T>>(context, stream, m, d, out, ld, cuda_stream);
    case Distribution::kRademacher:
      return fill<Rademachers<T>>(context, stream, m, d, out, ld, cuda_stream);
    case Distribution::kSphere:
      return fill_sphere(stream, m, d, radius, out, ld, cuda_stream);
  }
}

template void random_fill_cuda(const CudaContext&, Distribution, const Stream&, std::int64_t,
                               std::int64_t, double, float*, std::int64_t, void*);
template void random_fill_cuda(const CudaContext&, Distribution, const Stream&, std::int64_t,
                               std::int64_t, double, double*, std::int64_t, void*);

}  // namespace scf::random
