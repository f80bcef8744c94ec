// The affine residual (rows.h) as an operation for run_rows_cuda. Noise is made in registers.
//
// Noise is a class with
//   static constexpr bool kPresent;
//   bool vectors() const;                    for host and device
//   __device__ void start();                 once a thread
//   __device__ void quad(std::int64_t row, std::int64_t column, std::int64_t left, bool vector,
//                        T* z) const;        see draw() in rows_cuda.cuh
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
  static constexpr int kNumbers = Noise::kPresent ? 4 : 0;
  static constexpr bool kHasValues = true;
  using Number = T;
  using Own = ResidualCoefficients<T>;
  struct Row {
    const T* output;
    const T* reference_at;
    T* gradient_at;
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
      state.noise = common_.noise;
      state.reference = common_.reference;
      state.gradient = common_.gradient;
      return;
    }
    if constexpr (Noise::kPresent) {
      state.noise = hand(own.noise);
      state.reference = hand(own.reference);
    }
    state.gradient = hand(own.gradient);
  }

  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    state.output = output_.at(row, column);
    state.reference_at = reference_.at(row, column);
    state.gradient_at = gradient_.at(row, column);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    state.output += columns;
    state.reference_at += columns;
    state.gradient_at += columns;
  }

  __device__ void draw(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       std::int64_t left, bool vector, Row& /*state*/, T* z) const {
    noise_.quad(row, column, left, vector, z);
  }

  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, [[maybe_unused]] T* z, Row& state,
                       double* sums) const {
    T r[4];
    T target[4];
    load_quad<kVector>(state.output, count, r);
    if (reference_.data != nullptr) {
      load_quad<kVector>(state.reference_at, count, target);
      if constexpr (Noise::kPresent) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          target[j] = fma(state.noise, z[j], state.reference * target[j]);
        }
      }
      subtract(target, r);
    } else if constexpr (Noise::kPresent) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        target[j] = state.noise * z[j];
      }
      subtract(target, r);
    }
    if constexpr (Noise::kPresent) {
      keep<kVector>(count, r);
    }
    sums[0] += dot_quad(r, r);
    if (gradient_.data != nullptr) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        r[j] *= state.gradient;
      }
      store_quad<kVector>(state.gradient_at, count, r);
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
  static __device__ void subtract(const T* target, T* r) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      r[j] -= target[j];
    }
  }

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
