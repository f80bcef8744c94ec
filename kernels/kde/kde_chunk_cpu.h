// Contract between the driver of an evaluation (kde_evaluate_cpu.cpp) and the SIMD kernels
// (kde_small_cpu.cpp, kde_tile_cpu.cpp, kde_second_cpu.cpp): a tile of up to kTileQueries queries
// against a chunk of the data.
//
// S is the type that the data are stored in, C the type that is computed in: (float, float),
// (double, double), and (float, double) for the queries that single precision cannot serve.
//
// Everything is in the stored unit (CpuKde::to_stored), and exponents are base 2:
//   t_k = log2(w_k / largest w) - rate |a y_k - x|^2,   rate = log2(e) / (2 h^2).
#pragma once

#include <cstdint>

#include "common/cpu_context.h"
#include "kde/kde_cpu.h"

namespace scf::kde {

inline constexpr int kTileQueries = 48;
inline constexpr int kGroupRows = 6;       // queries that a register tile holds
inline constexpr int kSmallDimension = 4;  // up to here the small-d kernels serve

// What one query gathers from one chunk, all relative to 2^reference: an array of doubles.
//   [0] reference, an integer; -infinity where the chunk held nothing to see
//   [1] mass   sum p_k,  p_k = 2^(t_k - reference)
//   [2] moment sum p_k |a y_k - x|^2
//   [3] squares sum p_k^2
//   [4..] sums sum p_k (y_k - rho), padded to CpuKde::padded(), then `top` exponents t and as many
//   positions (int64 in a double's place).
struct PartialLayout {
  std::int64_t padded = 0;
  int top = 0;
  static constexpr std::int64_t kReference = 0;
  static constexpr std::int64_t kMass = 1;
  static constexpr std::int64_t kMoment = 2;
  static constexpr std::int64_t kSquares = 3;
  static constexpr std::int64_t kSums = 4;
  [[nodiscard]] std::int64_t top_exponents() const { return kSums + padded; }
  [[nodiscard]] std::int64_t top_positions() const { return kSums + padded + top; }
  [[nodiscard]] std::int64_t size() const { return kSums + padded + 2 * top; }
};

// The second pass, with the first pass's posterior mean mu (rounded to C) as reference point:
//   [0] sum p_k |y_k - mu|^2   [1] sum p_k (y_k - mu).v   [2] sum p_k ((y_k - mu).v)^2
//   [4..] sum p_k ((y_k - mu).v) (y_k - mu)
struct SecondLayout {
  static constexpr std::int64_t kSpread = 0;
  static constexpr std::int64_t kTangent = 1;
  static constexpr std::int64_t kTangentSquared = 2;
  static constexpr std::int64_t kSums = 4;
};

template <class S, class C>
struct ChunkTask {
  const CpuContext* context = nullptr;  // told which target ran
  const CpuKde<S>* kde = nullptr;
  std::int64_t begin = 0;  // positions of the chunk
  std::int64_t end = 0;

  int queries = 0;        // 1..kTileQueries
  bool scaled = false;    // some a is not 1
  bool rho_is_x = false;  // every reference point of the sums is its query, and a = 1
  bool sums = false;      // the weighted sums are wanted
  bool moments = false;   // so are moment and squares
  PartialLayout layout;

  // Per query [kTileQueries]; unused queries hold harmless values.
  const double* rate = nullptr;
  const C* scale = nullptr;
  const std::int64_t* skip = nullptr;   // position or -1
  const std::int8_t* origin = nullptr;  // 1 where the reference point of the sums is 0
  const double* reference = nullptr;    // second pass: of the whole sum

  // Vectors, packed [kTileQueries / kGroupRows][d][kGroupRows].
  const C* x = nullptr;
  const C* mean = nullptr;     // second pass
  const C* tangent = nullptr;  // second pass
  // Reference points of the weighted sums, [kTileQueries][padded].
  const C* rho = nullptr;

  double* partials = nullptr;  // of query q: partials + q * stride, zeroed by the kernel
  std::int64_t stride = 0;

  // Scratch.
  double* distances = nullptr;  // [3][kTileQueries][kTile]
  C* posterior = nullptr;       // [kTileQueries][kTile]
};

// Whether a y - x is rounded once. If not, the product's rounding, u |a y|, is an error of the
// difference: nothing in double, much in single precision where h is far smaller than the data.
[[nodiscard]] bool kde_fuses_multiply_adds(std::int64_t targets);

// First pass for d <= kSmallDimension without top: the sums are always computed.
template <class S, class C>
void kde_small_chunk(std::int64_t targets, const ChunkTask<S, C>& task);
// First pass for any d.
template <class S, class C>
void kde_tile_chunk(std::int64_t targets, const ChunkTask<S, C>& task);
// Sums at many bandwidths, for any d: of query q and rates[g], the PartialLayout without sums at
// task.partials + q * task.stride + g * kCurveSize. The task's own rate is not read.
inline constexpr std::int64_t kCurveSize = PartialLayout::kSums;
template <class S, class C>
void kde_curve_chunk(std::int64_t targets, const ChunkTask<S, C>& task, const double* rates,
                     std::int64_t count);
// Second pass for any d, in double only.
template <class S>
void kde_second_chunk(std::int64_t targets, const ChunkTask<S, double>& task);

}  // namespace scf::kde
