// The losses that project on random directions, on a CUDA device: SSM, SSM-VR, FD-SSM of scores,
// FD-DSM.
//
// Directions are made in registers, again in each pass over a row, which is cheaper than to keep
// them in memory; but the signs of SSM's probe, where there is one and a row's signs fit, stay in a
// register for the score's gradient. Memory traffic: each matrix once; the score of SSM once a
// probe, from the caches while a block's rows fit there.
#include "loss/loss_cuda.cuh"
#include "loss/loss_rows.h"

namespace scf::loss {
namespace {

// ---- SSM ---------------------------------------------------------------------------------------

// Passes, of one probe after another: where probes are on the sphere, its norm; then v.Hv and v.s,
// and its product's gradient. In the end the score's gradient, for which the slopes v.s wait in a
// register or, where there are several probes, in the workspace. SSM-VR needs |s|^2 in the place of
// v.s and takes the score with the first probe's products.
template <class T>
class SsmOperation : public RowOperationCuda {
 public:
  static constexpr int kSums = 2;
  static constexpr int kResults = 1;
  static constexpr bool kHasValues = true;
  static constexpr int kKeptQuads = 7;  // whose signs, and a mark before them, are a word
  struct Row {
    double* slopes;       // [projections]
    double slope;         // of the last probe: v.s before it is scaled, times what scales it
    double total;         // of the probes, and |s|^2 of SSM-VR
    T factor;             // that puts the probe on the sphere
    std::uint32_t signs;  // of the probe's numbers, the oldest in front, a 1 before it
  };

  SsmOperation(const Batch<T>& batch, const SsmArrays<T>& arrays, const RowPlanCuda& plan,
               double* slopes, const MeanScale& scale)
      : m_(batch.m),
        d_(batch.d),
        projections_(batch.settings.projections),
        variance_reduced_(batch.settings.variance_reduced),
        sphere_(batch.settings.probe == random::Distribution::kSphere &&
                batch.settings.probes.data == nullptr),
        keeps_signs_(projections_ == 1 && !variance_reduced_ &&
                     batch.settings.probe == random::Distribution::kRademacher &&
                     batch.settings.probes.data == nullptr &&
                     batch.d <= 4 * kKeptQuads * plan.group),
        factor_(batch.per_sample()),
        mean_(scale),
        score_(arrays.score),
        products_(arrays.products),
        score_gradient_(arrays.score_gradient),
        products_gradient_(arrays.products_gradient),
        probes_(probe_of(batch.settings, batch.settings.probe, 0, batch.d)),
        slopes_(slopes) {
    vectors_ =
        all_aligned(score_, products_, score_gradient_, products_gradient_) && probes_.vectors();
    const bool last = !variance_reduced_ && score_gradient_.data != nullptr;
    passes_ = projections_ * (sphere_ ? 2 : 1) + (last ? 1 : 0);
  }

  __device__ std::int64_t passes() const { return passes_; }
  __device__ bool vectors() const { return vectors_; }

  __device__ void start() {
    probes_.start();
    scale_ = factor_ * mean_.get();
    share_ = static_cast<T>(scale_ / static_cast<double>(projections_));
  }

  __device__ void open(const Own& /*own*/, std::int64_t slot, const Hand& /*hand*/,
                       Row& state) const {
    state = {slopes_ + slot * projections_, 0, 0, T(1), 1};
  }

  template <bool kVector>
  __device__ void quad(std::int64_t pass, std::int64_t row, std::int64_t column, int count,
                       Row& state, double* sums) const {
    if (is_last(pass)) {
      score_quad<kVector>(row, column, count, state);
    } else if (is_norm(pass)) {
      T v[4];
      probe_quad<kVector>(index_of(pass), row, column, count, v);
      sums[0] += dot_quad(v, v);
    } else {
      products_quad<kVector>(index_of(pass), row, column, count, state, sums);
    }
  }

  __device__ void swept(std::int64_t pass, bool leader, double* sums, Row& state) const {
    if (is_last(pass)) {
      sums[0] = state.total;
      return;
    }
    if (is_norm(pass)) {
      state.factor = static_cast<T>(sqrt(static_cast<double>(d_) / sums[0]));
      return;
    }
    state.slope = static_cast<double>(state.factor) * sums[0];
    if (variance_reduced_) {
      state.total += index_of(pass) == 0 ? 0.5 * sums[0] * static_cast<double>(projections_) : 0;
    } else {
      state.total += 0.5 * sums[0] * sums[0];
    }
    state.total += sums[1];
    if (leader && projections_ > 1) {
      state.slopes[index_of(pass)] = state.slope;
    }
    state.signs = state.signs << __clz(static_cast<int>(state.signs)) << 1;
    sums[0] = state.total;
  }

  __device__ double end(std::int64_t /*row*/, const Own& /*own*/, const double* results) const {
    return factor_ * (results[0] / static_cast<double>(projections_));
  }

  __device__ void clear_quad(std::int64_t row, std::int64_t column, int count) const {
    scf::clear_quad(score_gradient_, row, column, count);
    for (std::int64_t k = 0; k < projections_; ++k) {
      scf::clear_quad(products_gradient_, k * m_ + row, column, count);
    }
  }

 private:
  [[nodiscard]] __device__ bool is_last(std::int64_t pass) const {
    return pass == projections_ * (sphere_ ? 2 : 1);
  }
  // With the sphere, passes of norms and of products take turns.
  [[nodiscard]] __device__ bool is_norm(std::int64_t pass) const {
    return sphere_ && pass % 2 == 0;
  }
  [[nodiscard]] __device__ std::int64_t index_of(std::int64_t pass) const {
    return sphere_ ? pass / 2 : pass;
  }

  // Probe k before it is put on the sphere.
  template <bool kVector>
  __device__ void probe_quad(std::int64_t k, std::int64_t row, std::int64_t column, int count,
                             T* v) const {
    probes_
        .moved(static_cast<std::uint64_t>(k) * static_cast<std::uint64_t>(words_of_noise(d_)),
               k * m_)
        .template quad<kVector>(row, column, count, v);
    keep<kVector>(count, v);
  }

  template <bool kVector>
  __device__ void products_quad(std::int64_t k, std::int64_t row, std::int64_t column, int count,
                                Row& state, double* sums) const {
    T v[4];
    T s[4];
    T products[4];
    if (keeps_signs_) {
      std::uint32_t words[4];
      random::bits4(probes_.words(), row, column / 4, words);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        state.signs = __funnelshift_l(words[j], state.signs, 1);
        v[j] = random::rademacher_of<T>(words[j]);
      }
      keep<kVector>(count, v);
    } else {
      probe_quad<kVector>(k, row, column, count, v);
    }
    load_quad<kVector>(products_, k * m_ + row, column, count, products);
    if (!variance_reduced_) {
      load_quad<kVector>(score_, row, column, count, s);
    } else if (k == 0) {
      load_quad<kVector>(score_, row, column, count, s);
      sums[0] += dot_quad(s, s);
      if (score_gradient_.data != nullptr) {
        scale_quad(static_cast<T>(scale_), s);
        store_quad<kVector>(score_gradient_, row, column, count, s);
      }
    }
    if (sphere_) {
      scale_quad(state.factor, v);
    }
    if (!variance_reduced_) {
      sums[0] += dot_quad(v, s);
    }
    sums[1] += dot_quad(v, products);
    if (products_gradient_.data != nullptr) {
      scale_quad(share_, v);
      store_quad<kVector>(products_gradient_, k * m_ + row, column, count, v);
    }
  }

  template <bool kVector>
  __device__ void score_quad(std::int64_t row, std::int64_t column, int count, Row& state) const {
    T gradient[4] = {};
    if (keeps_signs_) {
      const T slope = gradient_of(state.slope);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        gradient[j] = random::rademacher_of<T>(state.signs) * slope;
        state.signs <<= 1;
      }
    } else {
      for (std::int64_t k = 0; k < projections_; ++k) {
        T v[4];
        probe_quad<kVector>(k, row, column, count, v);
        const T slope = gradient_of(projections_ > 1 ? state.slopes[k] : state.slope);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          gradient[j] = fma(slope, v[j], gradient[j]);
        }
      }
    }
    store_quad<kVector>(score_gradient_, row, column, count, gradient);
  }

  [[nodiscard]] __device__ T gradient_of(double slope) const {
    return static_cast<T>(slope / static_cast<double>(projections_) * scale_);
  }
  static __device__ void scale_quad(T factor, T* quad) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      quad[j] *= factor;
    }
  }

  std::int64_t m_;
  std::int64_t d_;
  std::int64_t projections_;
  bool variance_reduced_;
  bool sphere_;
  bool keeps_signs_;
  double factor_;
  MeanScale mean_;
  QuadMatrix<const T> score_;
  QuadMatrix<const T> products_;
  QuadMatrix<T> score_gradient_;
  QuadMatrix<T> products_gradient_;
  NoiseCuda<T> probes_;
  double* slopes_;
  bool vectors_;
  std::int64_t passes_;
  double scale_;  // of gradients
  T share_;       // of a probe
};

// ---- FD-SSM of scores --------------------------------------------------------------------------

template <class T>
class FdssmScoreOperation : public RowOperationCuda {
 public:
  static constexpr int kSums = 2;
  static constexpr int kResults = 1;
  static constexpr bool kHasValues = true;
  struct Row {
    double along;  // factor of the direction as it is made
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

  template <bool kVector>
  __device__ void quad(std::int64_t pass, std::int64_t row, std::int64_t column, int count,
                       Row& state, double* sums) const {
    T v[4];
    noise_.template quad<kVector>(row, column, count, v);
    keep<kVector>(count, v);
    if (pass == 0) {
      sums[0] += dot_quad(v, v);
      return;
    }
    T plus[4];
    T minus[4];
    load_quad<kVector>(plus_, row, column, count, plus);
    load_quad<kVector>(minus_, row, column, count, minus);
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
      store_quad<kVector>(plus_gradient_, row, column, count, plus);
    }
    if (minus_gradient_.data != nullptr) {
      store_quad<kVector>(minus_gradient_, row, column, count, minus);
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
  static constexpr bool kHasValues = true;

  FddsmOperation(const Batch<T>& batch, const FddsmArrays<T>& arrays, const MeanScale& scale)
      : rows_(batch, arrays, scale),
        noise_(noise_of(batch.settings)),
        direction_(probe_of(batch.settings, random::Distribution::kNormal, 1, batch.d)),
        vectors_(noise_.vectors() && direction_.vectors()) {}

  __device__ bool vectors() const { return vectors_; }
  __device__ void start() {
    noise_.start();
    direction_.start();
  }

  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, std::int64_t row, std::int64_t column, int count,
                       Row& /*state*/, double* sums) const {
    T n[4];
    T z[4];
    direction_.template quad<kVector>(row, column, count, n);
    noise_.template quad<kVector>(row, column, count, z);
    keep<kVector>(count, n);
    keep<kVector>(count, z);
    sums[0] += dot_quad(n, z);
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
void ssm_loss_cuda(const CudaContext& context, const Batch<T>& batch, const SsmArrays<T>& arrays,
                   void* stream) {
  const RowPlanCuda plan(context, batch.m, batch.d);
  const WorkspaceCuda workspace = workspace_cuda(plan, batch, batch.settings.projections);
  run_loss_cuda(
      context, "ssm_loss_kernel", plan, batch, workspace,
      [&](const MeanScale& scale) {
        return SsmOperation<T>(batch, arrays, plan, workspace.slopes, scale);
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
