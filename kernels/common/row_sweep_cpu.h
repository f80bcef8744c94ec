// Elementwise work on a tile of rows with sums over each row: the inner loops of the losses and the
// divergences on the CPU. row_sweep-inl.h has the loop, for formulas of a family's own.
#pragma once

#include <cstdint>

#include "common/cpu_context.h"

namespace scf {

// The operands of a formula: `inputs` and `outputs` are matrices [rows, columns], `coefficients`
// and `sums` vectors [rows]. An output is written from inputs of its own position alone, so it may
// lie on one of them; a null output is not wanted. A null sum is not wanted either.
template <class T>
struct RowSweep {
  static constexpr int kMost = 4;
  static constexpr int kMostInputs = 8;
  static constexpr int kMostCoefficients = 8;

  std::int64_t rows = 0;
  std::int64_t columns = 0;
  const T* inputs[kMostInputs] = {};
  T* outputs[kMost] = {};
  double* sums[kMost] = {};
  const T* coefficients[kMostCoefficients] = {};
  // Not set where nothing reads them: clearing these too takes as long as sweeping over 50
  // numbers.
  std::int64_t input_lds[kMostInputs];
  std::int64_t output_lds[kMost];
  // Sums are added to what is there, else set.
  bool adds = false;
  // What sum 0 is multiplied by, before it is added.
  double factor = 1;
  // Every row has the same coefficients: element 0 of each is read.
  bool uniform = false;
  // Bit i: output i is written past the caches, where its alignment allows it, for it is far larger
  // and lies on no input. flush_streams() must follow before another thread reads it.
  std::uint32_t streams = 0;
};

// Whether an output of that many elements is better written past the caches: it is as large as a
// large last cache.
template <class T>
[[nodiscard]] constexpr bool is_streamed(std::int64_t rows, std::int64_t columns) {
  constexpr double kBytes = 32 << 20;
  return static_cast<double>(rows) * static_cast<double>(columns) * sizeof(T) >= kBytes;
}

// Waits until what was written past the caches can be seen by other threads.
void flush_streams();

// r = in0 - (c0 in1 + c1 in2), out0 = c2 r, sum0 = |r|^2. in1 and in2 may be null: absent.
template <class T>
void sweep_residual(const CpuContext& context, const RowSweep<T>& sweep);

}  // namespace scf
