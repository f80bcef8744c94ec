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
  static constexpr bool kHasValues = true;
  struct Row {
    ResidualCoefficients<T> coefficients;
    double half_square;
  };

  ResidualOperationCuda(const ResidualMatrices<T>& matrices, const Rows& rows,
                        const Noise& noise = {})
      : output_(matrices.output),
        reference_(matrices.reference),
        gradient_(matrices.gradient),
        rows_(rows),
        noise_(noise) {}

  __device__ std::int64_t passes() const { return 1; }

  __device__ void begin(std::int64_t row, std::int64_t /*slot*/, Row& state) const {
    state.coefficients = rows_.before(row);
  }

  __device__ void quad(std::int64_t /*pass*/, std::int64_t row, std::int64_t column, int count,
                       Row& state, double* sums) const {
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
      T target = state.coefficients.reference * x[j];
      if constexpr (Noise::kPresent) {
        target = fma(state.coefficients.noise, z[j], target);
      }
      r[j] -= target;
      terms[j] = j < count ? r[j] * r[j] : T(0);
      r[j] *= state.coefficients.gradient;
    }
    sums[0] += sum_quad(terms);
    if (gradient_.data != nullptr) {
      store_quad(gradient_, row, column, count, r);
    }
  }

  __device__ void swept(std::int64_t /*pass*/, bool /*leader*/, const double* sums,
                        Row& state) const {
    state.half_square = 0.5 * sums[0];
  }

  __device__ double end(std::int64_t row, const Row& state) const {
    return rows_.after(row, state.coefficients.weight, state.half_square);
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
