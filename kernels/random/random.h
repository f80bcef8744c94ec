// Internal contract of the random numbers: which word makes which number, and the calls of both
// backends. Formulas and promises: the public header random.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace scf {
class CpuContext;
class CudaContext;
}  // namespace scf

namespace scf::random {

// The words of a batch: row i is subsequence first_row + i of the generator with this seed, and its
// word 0 is that at offset (+ *device_offset, where given).
struct Stream {
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;
  std::int64_t first_row = 0;
  const std::uint64_t* device_offset = nullptr;
};

// A Stream whose device_offset has been read.
struct Words {
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;
  std::int64_t first_row = 0;
};

// kSphere: a row of normals, scaled to the radius.
enum class Distribution { kUniform, kNormal, kRademacher, kSphere };

// out [m, ld] <- d numbers a row. radius: of kSphere alone.
void random_bits_cpu(const CpuContext& context, const Stream& stream, std::int64_t m,
                     std::int64_t d, std::uint32_t* out, std::int64_t ld);
template <class T>
void random_fill_cpu(const CpuContext& context, Distribution distribution, const Stream& stream,
                     std::int64_t m, std::int64_t d, double radius, T* out, std::int64_t ld);

// What a Stream in host memory stands for.
[[nodiscard]] Words read_words(const Stream& stream);

// One tile, on the calling thread: rows [row, row + rows) and columns [column, column + columns) of
// the batch to out [rows, ld]; column even, a multiple of 4 is faster. kSphere gives the normals
// that a row on the sphere is made of.
template <class T>
void random_tile_cpu(const CpuContext& context, Distribution distribution, const Words& words,
                     std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns,
                     T* out, std::int64_t ld);
// The same for whole rows on the sphere: the bits of random_fill_cpu.
template <class T>
void sphere_tile_cpu(const CpuContext& context, Words words, std::int64_t row, std::int64_t rows,
                     std::int64_t d, double radius, T* out, std::int64_t ld);
// Whether rows of normals are made as fast block by block, where they are used (ForNormals of
// random-inl.h), as in tiles: blocks of up to 64 columns leave little of them over.
[[nodiscard]] constexpr bool blocks_suit(const Words& words, std::int64_t columns) {
  constexpr std::int64_t kBlock = 64;
  const std::int64_t over = columns % kBlock == 0 ? 0 : kBlock - columns % kBlock;
  return words.offset % 4 == 0 && (columns == 2 || over <= columns / 8);
}
// The words themselves; any column.
void random_bits_tile_cpu(const CpuContext& context, const Words& words, std::int64_t row,
                          std::int64_t rows, std::int64_t column, std::int64_t columns,
                          std::uint32_t* out, std::int64_t ld);

void random_bits_cuda(const CudaContext& context, const Stream& stream, std::int64_t m,
                      std::int64_t d, std::uint32_t* out, std::int64_t ld, void* cuda_stream);
template <class T>
void random_fill_cuda(const CudaContext& context, Distribution distribution, const Stream& stream,
                      std::int64_t m, std::int64_t d, double radius, T* out, std::int64_t ld,
                      void* cuda_stream);

}  // namespace scf::random
