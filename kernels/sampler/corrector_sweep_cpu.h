// The corrector by norms: sums of squares of rows, step sizes of rows, and both with the step
// itself where noise is made on the way.
#pragma once

#include "common/row_sweep_cpu.h"
#include "random/random.h"

namespace scf::sampler {

// in x, output, z; c p, q:  sums |p x + q output|^2, |z|^2. Where every p is 0, x is not read.
template <class T>
void norms_sweep(const CpuContext& context, const RowSweep<T>& sweep);

// The score of rows is p x + q output, of each row's own p and q or, `uniform`, of the same.
struct ScoreOfRows {
  const double* x;
  const double* output;
  bool uniform;
  bool of_output;  // every p is 0
};

// Step size e = factor |z|^2/|s|^2, 0 where |s| is, and noise: noise_factor |z|/|s|.
struct NormRule {
  double factor;
  double noise_factor;
};

// Of sums of squares: what x, output and z are multiplied by, 1 + e p, e q and the noise's.
template <class T>
void step_by_norms(const CpuContext& context, const NormRule& rule, const ScoreOfRows& score,
                   const double* noise_squares, const double* score_squares, std::int64_t rows,
                   T* of_x, T* of_output, T* of_noise);

// In an order that depends on their count alone.
[[nodiscard]] double sum_of_roots(const CpuContext& context, const double* squares,
                                  std::int64_t count);

// Rows [row, row + rows) of a batch, d numbers each without gaps, their noise made here;
// random::blocks_suit must hold, and d <= kMostOfSweep.
template <class T>
struct NormRows {
  static constexpr std::int64_t kMostOfSweep = 1024;

  random::Words words;
  std::int64_t row;
  std::int64_t rows;
  std::int64_t d;
  const T* x;  // of the first of the rows
  const T* output;
  ScoreOfRows score;
};

// |z|^2 and |s|^2 of each row.
template <class T>
void norms_sweep(const CpuContext& context, const NormRows<T>& of, double* noise_squares,
                 double* score_squares);
// The step of each row by its own norms; returns the sum of 0 times next.
template <class T>
[[nodiscard]] double norm_step_sweep(const CpuContext& context, const NormRows<T>& of,
                                     const NormRule& rule, T* next, bool streams);

}  // namespace scf::sampler
