// The losses that take differences along random directions, on a CUDA device: FD-SSM of scores and
// FD-DSM.
//
// Directions are made in registers, again in each pass over a row, which is cheaper than to keep
// them in memory. Memory traffic: each matrix once.
#include "loss/loss_cuda.cuh"
#include "loss/loss_rows.h"

namespace scf::loss {
namespace {

// ---- FD-SSM of scores --------------------------------------------------------------------------

template <class T>
class FdssmScoreOperation : public RowOperationCuda {
 public:
  static constexpr int kSums = 2;
  static constexpr int kResults = 1;
  static constexpr int kNumbers = 4;
  static constexpr bool kHasValues = true;
  using Number = T;
  struct Row {
    double along;  // factor of the direction as it is made
    const T* plus;
    const T* minus;
    T* plus_gradient;
    T* minus_gradient;
  };

  FdssmScoreOperation(const Batch<T>& batch, const FdssmScoreArrays<T>& arrays,
                      const MeanScale& scale)
      : factors_(fdssm_score_factors(batch)),
        mean_(scale),
        plus_(arrays.plus),
        minus_(arrays.minus),
        plus_gradient_(arrays.plus_gradient),
        minus_gradient_(arrays.minus_gradient),
        noise_(noise_of(batch.settings)),
        vectors_(all_aligned(plus_, minus_, plus_gradient_, minus_gradient_) && noise_.vectors()) {}

  __device__ std::int64_t passes() const { return 2; }
  __device__ bool vectors() const { return vectors_; }
  __device__ void start() {
    noise_.start();
    scale_ = mean_.get();
  }

  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    state.plus = plus_.at(row, column);
    state.minus = minus_.at(row, column);
    state.plus_gradient = plus_gradient_.at(row, column);
    state.minus_gradient = minus_gradient_.at(row, column);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    state.plus += columns;
    state.minus += columns;
    state.plus_gradient += columns;
    state.minus_gradient += columns;
  }

  __device__ void draw(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       std::int64_t left, bool vector, Row& /*state*/, T* z) const {
    noise_.quad(row, column, left, vector, z);
  }

  template <bool kVector>
  __device__ void quad(std::int64_t pass, int count, T* v, Row& state, double* sums) const {
    keep<kVector>(count, v);
    if (pass == 0) {
      sums[0] += dot_quad(v, v);
      return;
    }
    T plus[4];
    T minus[4];
    load_quad<kVector>(state.plus, count, plus);
    load_quad<kVector>(state.minus, count, minus);
    const T across = static_cast<T>(factors_.sum / 4 * scale_);
    const T along = static_cast<T>(state.along * scale_);
    T difference[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      difference[j] = plus[j] - minus[j];
      plus[j] += minus[j];
    }
    sums[0] += dot_quad(plus, plus);
    sums[1] += dot_quad(difference, v);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const T of_sum = across * plus[j];
      const T of_difference = along * v[j];
      plus[j] = of_sum + of_difference;
      minus[j] = of_sum - of_difference;
    }
    if (plus_gradient_.data != nullptr) {
      store_quad<kVector>(state.plus_gradient, count, plus);
    }
    if (minus_gradient_.data != nullptr) {
      store_quad<kVector>(state.minus_gradient, count, minus);
    }
  }

  __device__ void swept(std::int64_t pass, bool /*leader*/, double* sums, Row& state) const {
    if (pass == 0) {
      state.along = factors_.difference / sqrt(sums[0]);
    } else {
      sums[0] = factors_.sum / 8 * sums[0] + state.along * sums[1];
    }
  }

  __device__ double end(std::int64_t /*row*/, const Own& /*own*/, const double* results) const {
    return results[0];
  }

  __device__ void clear_quad(std::int64_t row, std::int64_t column, int count) const {
    scf::clear_quad(plus_gradient_, row, column, count);
    scf::clear_quad(minus_gradient_, row, column, count);
  }

 private:
  FdssmScoreFactors factors_;
  MeanScale mean_;
  QuadMatrix<const T> plus_;
  QuadMatrix<const T> minus_;
  QuadMatrix<T> plus_gradient_;
  QuadMatrix<T> minus_gradient_;
  NoiseCuda<T> noise_;
  bool vectors_;
  double scale_;  // of gradients
};

// ---- FD-DSM ------------------------------------------------------------------------------------

template <class T>
class FddsmOperation : public RowOperationCuda {
 public:
  static constexpr int kSums = 2;  // z.n and |n|^2
  static constexpr int kResults = 2;
  static constexpr int kNumbers = 8;  // the direction, and the noise
  static constexpr bool kHasValues = true;
  using Number = T;

  FddsmOperation(const Batch<T>& batch, const FddsmArrays<T>& arrays, const MeanScale& scale)
      : rows_(batch, arrays, scale),
        noise_(noise_of(batch.settings)),
        direction_(direction_of(batch.settings, batch.d)),
        vectors_(noise_.vectors() && direction_.vectors()) {}

  __device__ bool vectors() const { return vectors_; }
  __device__ void start() {
    noise_.start();
    direction_.start();
  }

  __device__ void seek(std::int64_t /*pass*/, std::int64_t /*row*/, std::int64_t /*column*/,
                       Row& /*state*/) const {}
  __device__ void advance(std::int64_t /*columns*/, Row& /*state*/) const {}
  __device__ void draw(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       std::int64_t left, bool vector, Row& /*state*/, T* z) const {
    direction_.quad(row, column, left, vector, z);
    noise_.quad(row, column, left, vector, z + 4);
  }

  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, T* n, Row& /*state*/, double* sums) const {
    keep<kVector>(count, n);
    keep<kVector>(count, n + 4);
    sums[0] += dot_quad(n, n + 4);
    sums[1] += dot_quad(n, n);
  }

  __device__ double end(std::int64_t row, const Own& /*own*/, const double* results) const {
    return rows_.take(row, results[0], results[1]);
  }
  __device__ void clear(std::int64_t row) const { rows_.clear(row); }

 private:
  FddsmRows<T> rows_;
  NoiseCuda<T> noise_;
  NoiseCuda<T> direction_;
  bool vectors_;
};

}  // namespace

template <class T>
void fdssm_score_loss_cuda(const CudaContext& context, const Batch<T>& batch,
                           const FdssmScoreArrays<T>& arrays, void* stream) {
  const RowPlanCuda plan(context, batch.m, batch.d);
  run_loss_cuda(
      context, "fdssm_score_loss_kernel", plan, batch, workspace_cuda(plan, batch, 1),
      [&](const MeanScale& scale) { return FdssmScoreOperation<T>(batch, arrays, scale); }, stream);
}

template <class T>
void fddsm_loss_cuda(const CudaContext& context, const Batch<T>& batch,
                     const FddsmArrays<T>& arrays, void* stream) {
  const RowPlanCuda plan(context, batch.m, batch.d);
  run_loss_cuda(
      context, "fddsm_loss_kernel", plan, batch, workspace_cuda(plan, batch, 1),
      [&](const MeanScale& scale) { return FddsmOperation<T>(batch, arrays, scale); }, stream);
}

template void fdssm_score_loss_cuda(const CudaContext&, const Batch<float>&,
                                    const FdssmScoreArrays<float>&, void*);
template void fdssm_score_loss_cuda(const CudaContext&, const Batch<double>&,
                                    const FdssmScoreArrays<double>&, void*);
template void fddsm_loss_cuda(const CudaContext&, const Batch<float>&, const FddsmArrays<float>&,
                              void*);
template void fddsm_loss_cuda(const CudaContext&, const Batch<double>&, const FddsmArrays<double>&,
                              void*);

}  // namespace scf::loss
