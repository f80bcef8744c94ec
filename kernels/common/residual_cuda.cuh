// The affine residual (rows.h) as an operation for run_rows_cuda. Noise is made in registers.
//
// Noise is a class with
//   static constexpr bool kPresent;
//   __device__ void quad(std::int64_t row, std::int64_t column, int count, T* z) const;
#pragma once

#include "common/rows_cuda.cuh"

namespace scf {

template <class T>
struct NoNoiseCuda {
  static constexpr bool kPresent = false;
  __device__ void quad(std::int64_t /*row*/, std::int64_t /*column*/, int /*count*/,
                       T* /*z*/) const {}
};

template <class T, class Rows, class Noise = NoNoiseCuda<T>>
class ResidualOperationCuda {
 public:
  static constexpr int kSums = 1;
  static constexpr int kPasses = 1;
  using Row = ResidualCoefficients<T>;

  ResidualOperationCuda(const ResidualMatrices<T>& matrices, const Rows& rows,
                        const Noise& noise = {})
      : output_(matrices.output),
        reference_(matrices.reference),
        gradient_(matrices.gradient),
        rows_(rows),
        noise_(noise) {}

  __device__ void begin(std::int64_t row, bool /*leader*/, Row& state) const {
    state = rows_.before(row);
  }

  __device__ void quad(int /*pass*/, std::int64_t row, std::int64_t column, int count, Row& state,
                       double* sums) const {
    T r[4];
    T x[4] = {};
    T z[4] = {};
    load_quad(output_, row, column, count, r);
    if (reference_.data != nullptr) {
      load_quad(reference_, row, column, count, x);
    }
    if constexpr (Noise::kPresent) {
      noise_.quad(row, column, count, z);
    }
    T terms[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      T target = state.reference * x[j];
      if constexpr (Noise::kPresent) {
        target = fma(state.noise, z[j], target);
      }
      r[j] -= target;
      terms[j] = j < count ? r[j] * r[j] : T(0);
      r[j] *= state.gradient;
    }
    sums[0] += sum_quad(terms);
    if (gradient_.data != nullptr) {
      store_quad(gradient_, row, column, count, r);
    }
  }

  __device__ void between(std::int64_t /*row*/, const double* /*sums*/, Row& /*state*/) const {}

  __device__ double end(std::int64_t row, const double* sums, Row& state) const {
    return rows_.after(row, state.weight, 0.5 * sums[0]);
  }

  __device__ void clear_quad(std::int64_t row, std::int64_t column, int count) const {
    if (gradient_.data != nullptr) {
      const T zeros[4] = {};
      store_quad(gradient_, row, column, count, zeros);
    }
  }

  __device__ void clear(std::int64_t row) const {
    rows_.clear(row);
  }

 private:
  QuadMatrix<const T> output_;
  QuadMatrix<const T> reference_;
  QuadMatrix<T> gradient_;
  Rows rows_;
  Noise noise_;
};

}  // namespace scf
