// The affine residual (rows.h) as an operation for run_rows_cuda. Noise is made in registers.
//
// Noise is a class with
//   static constexpr bool kPresent;
//   bool vectors() const;                    for host and device
//   __device__ void start();                 once a thread
//   template <bool kVector>
//   __device__ void quad(std::int64_t row, std::int64_t column, int count, T* z) const;
// Without noise the reference's coefficient is 1.
#pragma once

#include "common/rows_cuda.cuh"

namespace scf {

template <class T>
struct NoNoiseCuda {
  static constexpr bool kPresent = false;
  [[nodiscard]] bool vectors() const { return true; }
  __device__ void start() {}
};

template <class T, class Rows, class Noise = NoNoiseCuda<T>>
class ResidualOperationCuda : public RowOperationCuda {
 public:
  static constexpr int kSums = 1;
  static constexpr int kResults = 1;
  static constexpr bool kHasValues = true;
  using Own = ResidualCoefficients<T>;
  struct Row {
    T noise;
    T reference;
    T gradient;
  };

  ResidualOperationCuda(const ResidualMatrices<T>& matrices, const Rows& rows,
                        const Noise& noise = {})
      : output_(matrices.output),
        reference_(matrices.reference),
        gradient_(matrices.gradient),
        vectors_(all_aligned(output_, reference_, gradient_) && noise.vectors()),
        uniform_(rows.uniform()),
        rows_(rows),
        noise_(noise) {}

  __device__ bool vectors() const { return vectors_; }

  __device__ void start() {
    noise_.start();
    if (uniform_) {
      common_ = rows_.before(0);
    }
  }

  __device__ void begin(std::int64_t row, Own& own) const {
    if (!uniform_) {
      own = rows_.before(row);
    }
  }

  __device__ void open(const Own& own, std::int64_t /*slot*/, const Hand& hand, Row& state) const {
    if (uniform_) {
      state = {common_.noise, common_.reference, common_.gradient};
      return;
    }
    if constexpr (Noise::kPresent) {
      state.noise = hand(own.noise);
      state.reference = hand(own.reference);
    }
    state.gradient = hand(own.gradient);
  }

  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, std::int64_t row, std::int64_t column, int count,
                       Row& state, double* sums) const {
    T r[4];
    T x[4];
    load_quad<kVector>(output_, row, column, count, r);
    if (reference_.data != nullptr) {
      load_quad<kVector>(reference_, row, column, count, x);
    }
    if constexpr (Noise::kPresent) {
      T z[4];
      noise_.template quad<kVector>(row, column, count, z);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        z[j] = reference_.data != nullptr ? fma(state.noise, z[j], state.reference * x[j])
                                          : state.noise * z[j];
        r[j] -= z[j];
      }
      keep<kVector>(count, r);
    } else if (reference_.data != nullptr) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        r[j] -= x[j];
      }
    }
    sums[0] += dot_quad(r, r);
    if (gradient_.data != nullptr) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        r[j] *= state.gradient;
      }
      store_quad<kVector>(gradient_, row, column, count, r);
    }
  }

  __device__ double end(std::int64_t row, const Own& own, const double* results) const {
    return rows_.after(row, uniform_ ? common_.weight : own.weight, 0.5 * results[0]);
  }

  __device__ void clear_quad(std::int64_t row, std::int64_t column, int count) const {
    scf::clear_quad(gradient_, row, column, count);
  }

  __device__ void clear(std::int64_t row) const {
    rows_.clear(row);
  }

 private:
  QuadMatrix<const T> output_;
  QuadMatrix<const T> reference_;
  QuadMatrix<T> gradient_;
  bool vectors_;
  bool uniform_;
  Rows rows_;
  Noise noise_;
  ResidualCoefficients<T> common_;  // of all rows, where they are uniform
};

}  // namespace scf
