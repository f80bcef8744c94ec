// The losses that project on random directions, on a CUDA device: SSM, SSM-VR, FD-SSM of scores,
// FD-DSM.
//
// Directions are made in registers, again in each pass over a row, which is cheaper than to keep
// them. Memory traffic: each matrix once; the score of SSM once for every kProbes probes, from the
// caches while a block's rows fit there.
#include "loss/loss_cuda.cuh"
#include "loss/loss_rows.h"

namespace scf::loss {
namespace {

// ---- SSM ---------------------------------------------------------------------------------------

// Passes: where probes are on the sphere, their norms, kProbes at a time; v.Hv and v.s of kProbes
// probes at a time, and the products' gradients; in the end the score's gradient. Norms and slopes
// v.s wait in the workspace.
template <class T>
class SsmOperation {
 public:
  static constexpr int kProbes = 4;
  static constexpr int kSums = kProbes + 1;
  static constexpr bool kHasValues = true;
  struct Row {
    double* slots;  // [projections]: first the factors that put probes on the sphere, then slopes
    double total;   // of the probes; the leader's alone
    double square;  // |s|^2
    double scale;   // of gradients
  };

  SsmOperation(const Batch<T>& batch, const SsmArrays<T>& arrays, double* slots,
               const MeanScale& scale)
      : m_(batch.m),
        d_(batch.d),
        projections_(batch.settings.projections),
        variance_reduced_(batch.settings.variance_reduced),
        sphere_(batch.settings.probe == random::Distribution::kSphere &&
                batch.settings.probes.data == nullptr),
        factor_(batch.per_sample()),
        scale_(scale),
        score_(arrays.score),
        products_(arrays.products),
        score_gradient_(arrays.score_gradient),
        products_gradient_(arrays.products_gradient),
        probes_(probe_of(batch.settings, batch.settings.probe, 0, batch.d)),
        slots_(slots) {}

  // Norms, if need be, and products of one group of probes after another; then the score.
  __device__ std::int64_t passes() const { return groups() * (sphere_ ? 2 : 1) + 1; }

  __device__ void begin(std::int64_t /*row*/, std::int64_t slot, Row& state) const {
    state.slots = slots_ + slot * projections_;
    state.total = 0;
    state.square = 0;
    state.scale = factor_ * scale_.get();
  }

  __device__ void quad(std::int64_t pass, std::int64_t row, std::int64_t column, int count,
                       Row& state, double* sums) const {
    if (pass + 1 == passes()) {
      score_quad(row, column, count, state, sums);
    } else if (is_norm(pass)) {
      norm_quad(first_of(pass), row, column, count, sums);
    } else {
      products_quad(first_of(pass), row, column, count, state, sums);
    }
  }

  __device__ void swept(std::int64_t pass, bool leader, const double* sums, Row& state) const {
    if (pass + 1 == passes()) {
      state.square = sums[0];
      return;
    }
    if (!leader) {
      return;
    }
    const std::int64_t first = first_of(pass);
    if (is_norm(pass)) {
      for (int p = 0; p < kProbes && first + p < projections_; ++p) {
        state.slots[first + p] = sqrt(static_cast<double>(d_) / sums[p]);
      }
      return;
    }
    for (int p = 0; p < kProbes && first + p < projections_; ++p) {
      // Times its factor: the score's gradient is made from the probe before it is scaled.
      state.slots[first + p] = sphere_ ? sums[p] * state.slots[first + p] : sums[p];
      state.total += 0.5 * sums[p] * sums[p];
    }
    state.total += sums[kProbes];
  }

  __device__ double end(std::int64_t /*row*/, const Row& state) const {
    const double reduced = variance_reduced_ ? 0.5 * state.square : 0;
    return factor_ * (state.total / static_cast<double>(projections_) + reduced);
  }

  __device__ void clear_quad(std::int64_t row, std::int64_t column, int count) const {
    loss::clear_quad(score_gradient_, row, column, count);
    for (std::int64_t k = 0; k < projections_; ++k) {
      loss::clear_quad(products_gradient_, k * m_ + row, column, count);
    }
  }
  __device__ void clear(std::int64_t /*row*/) const {}

 private:
  [[nodiscard]] __device__ std::int64_t groups() const {
    return (projections_ + kProbes - 1) / kProbes;
  }
  // With the sphere, passes of norms and of products take turns.
  [[nodiscard]] __device__ bool is_norm(std::int64_t pass) const {
    return sphere_ && pass % 2 == 0;
  }
  [[nodiscard]] __device__ std::int64_t first_of(std::int64_t pass) const {
    return (sphere_ ? pass / 2 : pass) * kProbes;
  }

  // Of probe k before it is put on the sphere.
  __device__ void raw_quad(std::int64_t k, std::int64_t row, std::int64_t column, int count,
                           T* v) const {
    probes_.quad_of(static_cast<std::uint64_t>(k) * static_cast<std::uint64_t>(words_of_noise(d_)),
                    k * m_, row, column, count, v);
    keep(count, v);
  }

  __device__ void norm_quad(std::int64_t first, std::int64_t row, std::int64_t column, int count,
                            double* sums) const {
#pragma unroll
    for (int p = 0; p < kProbes; ++p) {
      if (first + p < projections_) {
        T v[4];
        raw_quad(first + p, row, column, count, v);
        sums[p] += dot_quad(v, v);
      }
    }
  }

  __device__ void products_quad(std::int64_t first, std::int64_t row, std::int64_t column,
                                int count, const Row& state, double* sums) const {
    T s[4] = {};
    if (!variance_reduced_) {
      load_quad(score_, row, column, count, s);
    }
    const T share = static_cast<T>(state.scale / static_cast<double>(projections_));
#pragma unroll
    for (int p = 0; p < kProbes; ++p) {
      if (first + p >= projections_) {
        continue;
      }
      const std::int64_t k = first + p;
      T v[4];
      raw_quad(k, row, column, count, v);
      const T factor = sphere_ ? static_cast<T>(state.slots[k]) : T(1);
      T products[4];
      load_quad(products_, k * m_ + row, column, count, products);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        v[j] *= factor;
      }
      sums[p] += dot_quad(v, s);
      sums[kProbes] += dot_quad(v, products);
      if (products_gradient_.data != nullptr) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          v[j] *= share;
        }
        store_quad(products_gradient_, k * m_ + row, column, count, v);
      }
    }
  }

  __device__ void score_quad(std::int64_t row, std::int64_t column, int count, const Row& state,
                             double* sums) const {
    T gradient[4] = {};
    if (variance_reduced_) {
      load_quad(score_, row, column, count, gradient);
      sums[0] += dot_quad(gradient, gradient);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        gradient[j] *= static_cast<T>(state.scale);
      }
    } else if (score_gradient_.data != nullptr) {
      for (std::int64_t k = 0; k < projections_; ++k) {
        T v[4];
        raw_quad(k, row, column, count, v);
        const T slope =
            static_cast<T>(state.slots[k] / static_cast<double>(projections_) * state.scale);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          gradient[j] = fma(slope, v[j], gradient[j]);
        }
      }
    }
    if (score_gradient_.data != nullptr) {
      store_quad(score_gradient_, row, column, count, gradient);
    }
  }

  std::int64_t m_;
  std::int64_t d_;
  std::int64_t projections_;
  bool variance_reduced_;
  bool sphere_;
  double factor_;
  MeanScale scale_;
  QuadMatrix<const T> score_;
  QuadMatrix<const T> products_;
  QuadMatrix<T> score_gradient_;
  QuadMatrix<T> products_gradient_;
  NoiseCuda<T> probes_;
  double* slots_;
};

// ---- FD-SSM of scores --------------------------------------------------------------------------

template <class T>
class FdssmScoreOperation {
 public:
  static constexpr int kSums = 2;
  static constexpr bool kHasValues = true;
  struct Row {
    double along;  // factor of the direction as it is made
    double value;
    double scale;  // of gradients
  };

  FdssmScoreOperation(const Batch<T>& batch, const FdssmScoreArrays<T>& arrays,
                      const MeanScale& scale)
      : factors_(fdssm_score_factors(batch)),
        scale_(scale),
        plus_(arrays.plus),
        minus_(arrays.minus),
        plus_gradient_(arrays.plus_gradient),
        minus_gradient_(arrays.minus_gradient),
        noise_(noise_of(batch.settings)) {}

  __device__ std::int64_t passes() const { return 2; }
  __device__ void begin(std::int64_t /*row*/, std::int64_t /*slot*/, Row& state) const {
    state.scale = scale_.get();
  }

  __device__ void quad(std::int64_t pass, std::int64_t row, std::int64_t column, int count,
                       Row& state, double* sums) const {
    T v[4];
    noise_.quad(row, column, count, v);
    keep(count, v);
    if (pass == 0) {
      sums[0] += dot_quad(v, v);
      return;
    }
    T plus[4];
    T minus[4];
    load_quad(plus_, row, column, count, plus);
    load_quad(minus_, row, column, count, minus);
    const T across = static_cast<T>(factors_.sum / 4 * state.scale);
    const T along = static_cast<T>(state.along * state.scale);
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
      store_quad(plus_gradient_, row, column, count, plus);
    }
    if (minus_gradient_.data != nullptr) {
      store_quad(minus_gradient_, row, column, count, minus);
    }
  }

  __device__ void swept(std::int64_t pass, bool /*leader*/, const double* sums, Row& state) const {
    if (pass == 0) {
      state.along = factors_.difference / sqrt(sums[0]);
    } else {
      state.value = factors_.sum / 8 * sums[0] + state.along * sums[1];
    }
  }

  __device__ double end(std::int64_t /*row*/, const Row& state) const {
    return state.value;
  }

  __device__ void clear_quad(std::int64_t row, std::int64_t column, int count) const {
    loss::clear_quad(plus_gradient_, row, column, count);
    loss::clear_quad(minus_gradient_, row, column, count);
  }
  __device__ void clear(std::int64_t /*row*/) const {}

 private:
  FdssmScoreFactors factors_;
  MeanScale scale_;
  QuadMatrix<const T> plus_;
  QuadMatrix<const T> minus_;
  QuadMatrix<T> plus_gradient_;
  QuadMatrix<T> minus_gradient_;
  NoiseCuda<T> noise_;
};

// ---- FD-DSM ------------------------------------------------------------------------------------

template <class T>
class FddsmOperation {
 public:
  static constexpr int kSums = 2;
  static constexpr bool kHasValues = true;
  struct Row {
    double dot;
    double square;
  };

  FddsmOperation(const Batch<T>& batch, const FddsmArrays<T>& arrays, const MeanScale& scale)
      : rows_(batch, arrays, scale),
        noise_(noise_of(batch.settings)),
        direction_(probe_of(batch.settings, random::Distribution::kNormal, 1, batch.d)) {}

  __device__ std::int64_t passes() const { return 1; }
  __device__ void begin(std::int64_t /*row*/, std::int64_t /*slot*/, Row& /*state*/) const {}

  __device__ void quad(std::int64_t /*pass*/, std::int64_t row, std::int64_t column, int count,
                       Row& /*state*/, double* sums) const {
    T n[4];
    T z[4];
    direction_.quad(row, column, count, n);
    noise_.quad(row, column, count, z);
    keep(count, n);
    keep(count, z);
    sums[0] += dot_quad(n, z);
    sums[1] += dot_quad(n, n);
  }

  __device__ void swept(std::int64_t /*pass*/, bool /*leader*/, const double* sums,
                        Row& state) const {
    state.dot = sums[0];
    state.square = sums[1];
  }

  __device__ double end(std::int64_t row, const Row& state) const {
    return rows_.take(row, state.dot, state.square);
  }
  __device__ void clear_quad(std::int64_t /*row*/, std::int64_t /*column*/, int /*count*/) const {}
  __device__ void clear(std::int64_t row) const { rows_.clear(row); }

 private:
  FddsmRows<T> rows_;
  NoiseCuda<T> noise_;
  NoiseCuda<T> direction_;
};

}  // namespace

template <class T>
void ssm_loss_cuda(const CudaContext& context, const Batch<T>& batch, const SsmArrays<T>& arrays,
                   void* stream) {
  const RowPlanCuda plan(context, batch.m, batch.d);
  const WorkspaceCuda workspace = workspace_cuda(plan, batch, batch.settings.projections);
  run_loss_cuda(
      context, "ssm_loss_kernel", plan, batch, workspace,
      [&](const MeanScale& scale) {
        return SsmOperation<T>(batch, arrays, workspace.slopes, scale);
      },
      stream);
}

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

template void ssm_loss_cuda(const CudaContext&, const Batch<float>&, const SsmArrays<float>&,
                            void*);
template void ssm_loss_cuda(const CudaContext&, const Batch<double>&, const SsmArrays<double>&,
                            void*);
template void fdssm_score_loss_cuda(const CudaContext&, const Batch<float>&,
                                    const FdssmScoreArrays<float>&, void*);
template void fdssm_score_loss_cuda(const CudaContext&, const Batch<double>&,
                                    const FdssmScoreArrays<double>&, void*);
template void fddsm_loss_cuda(const CudaContext&, const Batch<float>&, const FddsmArrays<float>&,
                              void*);
template void fddsm_loss_cuda(const CudaContext&, const Batch<double>&, const FddsmArrays<double>&,
                              void*);

}  // namespace scf::loss
