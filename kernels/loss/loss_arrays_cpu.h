// What the CPU kernels ask of the arrays of a call: checks, and noise tile by tile.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "common/cpu_context.h"
#include "common/rows_cpu.h"
#include "loss/loss.h"
#include "loss/noisy_sweep_cpu.h"

namespace scf::loss {

// Throws Error(kInvalidArgument) for a bad sigma, signal scale or weight of a sample that counts;
// mask null: all count.
template <class T>
void check_arrays(const Settings<T>& settings, std::int64_t m, const std::uint8_t* mask);

// Whether two large outputs that one sweep writes beside normals go past the caches. One thread
// makes normals so slowly that the bandwidth which this saves is not what it lacks, and points are
// made a tenth faster without; many threads share the bandwidth.
[[nodiscard]] inline bool streams_beside_normals(const CpuContext& context) {
  constexpr int kFewThreads = 8;
  return context.threads() > kFewThreads;
}

// The normal noise z (or v) of a batch, the caller's or regenerated; see common/residual_cpu.h.
template <class T>
class NoiseCpu {
 public:
  NoiseCpu() = default;  // none
  NoiseCpu(const CpuContext& context, random::Distribution distribution, const random::Words& words,
           const Matrix<const T>& given)
      : context_(&context), distribution_(distribution), words_(words), given_(given) {}

  // Whether it is made, not the caller's.
  [[nodiscard]] bool is_made() const { return context_ != nullptr && given_.data == nullptr; }

  // What it is made from.
  [[nodiscard]] const random::Words& words() const { return words_; }

  // Whether sweeps over rows of that many columns are taken beside its making, and one that is.
  [[nodiscard]] bool suits(std::int64_t columns) const {
    return std::is_same_v<T, float> && is_made() && noisy_sweep_suits(words_, columns);
  }
  void sweep(const RowSweep<T>& sweep, std::int64_t row, std::int64_t column, T* buffer,
             NoisySweep kind = NoisySweep::kResidual) const {
    if constexpr (std::is_same_v<T, float>) {
      random::Words words = words_;
      words.offset += static_cast<std::uint64_t>(column);
      noisy_sweep(*context_, kind, words, row, sweep, {}, {}, buffer);
    }
  }

  // Whole rows may be longer than a tile: then so is the buffer. On the sphere, of norm
  // sqrt(columns), rows are whole.
  Matrix<const T> tile(std::int64_t row, std::int64_t rows, std::int64_t column,
                       std::int64_t columns, T* buffer) const {
    return tile(row, rows, column, columns, buffer, columns);
  }
  Matrix<const T> tile(std::int64_t row, std::int64_t rows, std::int64_t column,
                       std::int64_t columns, T* buffer, std::int64_t ld) const {
    if (given_.data != nullptr) {
      return {given_.row(row) + column, given_.ld};
    }
    if (context_ == nullptr) {
      return {};
    }
    if (distribution_ == random::Distribution::kSphere) {
      random::sphere_tile_cpu(*context_, words_, row, rows, columns,
                              std::sqrt(static_cast<double>(columns)), buffer, ld);
    } else {
      random::random_tile_cpu(*context_, distribution_, words_, row, rows, column, columns, buffer,
                              ld);
    }
    return {buffer, ld};
  }

 private:
  const CpuContext* context_ = nullptr;
  random::Distribution distribution_ = random::Distribution::kNormal;
  random::Words words_;
  Matrix<const T> given_;
};

// z, or v of FD-SSM.
template <class T>
[[nodiscard]] NoiseCpu<T> noise_of(const CpuContext& context, const Settings<T>& settings) {
  return {context, random::Distribution::kNormal, random::read_words(settings.words),
          settings.noise};
}

// Probe k of SSM for m samples in d dimensions; n of FD-DSM is that of index 1, but its caller's
// rows are those of index 0.
template <class T>
[[nodiscard]] NoiseCpu<T> probe_of(const CpuContext& context, const Settings<T>& settings,
                                   random::Distribution distribution, std::int64_t index,
                                   std::int64_t d, std::int64_t first_given) {
  random::Words words = random::read_words(settings.words);
  words.offset += static_cast<std::uint64_t>(index) * static_cast<std::uint64_t>(words_of_noise(d));
  const Matrix<const T>& given = settings.probes;
  return {context, distribution, words,
          given.data == nullptr ? Matrix<const T>{}
                                : Matrix<const T>{given.row(first_given), given.ld}};
}

// sums[i] = |x_i|^2 of [rows, columns].
template <class T>
void sum_squares(const CpuContext& context, const Matrix<const T>& x, std::int64_t rows,
                 std::int64_t columns, double* sums);

}  // namespace scf::loss
