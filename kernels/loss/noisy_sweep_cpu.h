// Sweeps over rows beside the making of their noise, in single precision.
//
// A block of noise is one long chain of operations, which leaves a core's units half idle, and a
// sweep over a tile of noise waits for memory: one after the other they take the sum of their
// times. Here three rows are in work at a time: while noise of row r is made, vectors of a first
// sweep over row r - 1 and of a second over row r - 2, which needs sums of the first, are taken
// between the rounds of Philox. Results are those of the sweeps over tiles, to the bit.
#pragma once

#include <cstdint>

#include "common/row_sweep_cpu.h"
#include "loss/loss_sweep_cpu.h"
#include "random/random.h"

namespace scf::loss {

enum class NoisySweep {
  // Signs v; first LossSweep::kProbeProducts with s, then kAccumulate with t = factor (v.s).
  kSigns,
  // The same of normals.
  kNormals,
  // Signs v; in H v at 1, s at 2; c p, q:  out p v, q s;  sums v.(H v), |s|^2. No second.
  kSignsAndSquare,
  // Normals v; sum |v|^2, then LossSweep::kDifference with p = factor length / |v|.
  kDifference,
  // Normals v; sum |v|^2, then LossSweep::kSymmetric, without z, with g = factor length / |v|.
  kSymmetric,
  // Normals; LossSweep::kPerturb. No second.
  kPerturb,
  // Normals; sweep_residual(). No second.
  kResidual,
};

// What a sum of the first sweep becomes a coefficient of the second by.
struct SweepLink {
  double factor = 1;
  double length = 1;
};

// Rows of that many columns gain by it: shorter ones have no block of noise, and buffers of longer
// ones leave the caches.
[[nodiscard]] constexpr bool noisy_sweep_suits(const random::Words& words, std::int64_t columns) {
  return words.offset % 4 == 0 && columns >= 32 && columns <= 4096;
}
// Rows [row, row + first.rows) of the words' batch. Where the noise lies is not read but set, in
// both sweeps, and the coefficient that the link gives is not read; `second` has as many rows and
// columns, or is not read. `buffer` has room for three rows, each rounded up to whole 64 elements.
void noisy_sweep(const CpuContext& context, NoisySweep kind, const random::Words& words,
                 std::int64_t row, RowSweep<float> first, const SweepLink& link,
                 RowSweep<float> second, float* buffer);

}  // namespace scf::loss
