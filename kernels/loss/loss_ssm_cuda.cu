// SSM and SSM-VR on a CUDA device.
//
// Probes are made in registers, again in each pass over a row, which is cheaper than to keep them
// in memory; but the signs of a lone probe, where a row's fit, stay in a register for the score's
// gradient. Memory traffic: each matrix once; the score of SSM once a probe, from the caches while
// a block's rows fit there.
#include "loss/loss_cuda.cuh"

namespace scf::loss {
namespace {

// What all forms share: v.Hv and v.s of a probe, or |s|^2 in the place of v.s, and gradients.
template <class T>
class SsmMatrices {
 public:
  struct At {
    const T* score;
    T* score_gradient;
    const T* products;
    T* products_gradient;
  };

  SsmMatrices(const Batch<T>& batch, const SsmArrays<T>& arrays, const MeanScale& scale)
      : variance_reduced_(batch.settings.variance_reduced),
        m_(batch.m),
        projections_(batch.settings.projections),
        factor_(batch.per_sample()),
        mean_(scale),
        score_(arrays.score),
        products_(arrays.products),
        score_gradient_(arrays.score_gradient),
        products_gradient_(arrays.products_gradient) {}

  [[nodiscard]] bool aligned() const {
    return all_aligned(score_, products_, score_gradient_, products_gradient_);
  }
  // The score's gradient needs a sweep of its own: it takes slopes v.s of whole rows.
  [[nodiscard]] bool sweeps_score() const {
    return !variance_reduced_ && score_gradient_.data != nullptr;
  }

  __device__ void start() {
    scale_ = factor_ * mean_.get();
    share_ = static_cast<T>(scale_ / static_cast<double>(projections_));
  }

  __device__ void seek(std::int64_t probe, std::int64_t row, std::int64_t column, At& at) const {
    at = {score_.at(row, column), score_gradient_.at(row, column),
          products_.at(probe * m_ + row, column), products_gradient_.at(probe * m_ + row, column)};
  }
  static __device__ void advance(std::int64_t columns, At& at) {
    at.score += columns;
    at.score_gradient += columns;
    at.products += columns;
    at.products_gradient += columns;
  }

  // Adds v.s, or |s|^2 of the first probe, to sums[0] and v.Hv to sums[1]; writes the gradients
  // that need no sums. v is lost.
  template <bool kVector>
  __device__ void sweep_probe(bool first, int count, const At& at, T* v, double* sums) const {
    T s[4];
    T products[4];
    load_quad<kVector>(at.products, count, products);
    if (!variance_reduced_) {
      load_quad<kVector>(at.score, count, s);
      sums[0] += dot_quad(v, s);
    } else if (first) {
      load_quad<kVector>(at.score, count, s);
      sums[0] += dot_quad(s, s);
      if (score_gradient_.data != nullptr) {
        scale_quad(static_cast<T>(scale_), s);
        store_quad<kVector>(at.score_gradient, count, s);
      }
    }
    sums[1] += dot_quad(v, products);
    if (products_gradient_.data != nullptr) {
      scale_quad(share_, v);
      store_quad<kVector>(at.products_gradient, count, v);
    }
  }

  // What a swept probe adds to the value, times projections.
  [[nodiscard]] __device__ double value_of(bool first, const double* sums) const {
    if (!variance_reduced_) {
      return 0.5 * sums[0] * sums[0] + sums[1];
    }
    return first ? 0.5 * sums[0] * static_cast<double>(projections_) + sums[1] : sums[1];
  }
  [[nodiscard]] __device__ double mean_value(double total) const {
    return factor_ * (total / static_cast<double>(projections_));
  }
  // The factor of a probe in the score's gradient.
  [[nodiscard]] __device__ T gradient_of(double slope) const {
    return static_cast<T>(slope / static_cast<double>(projections_) * scale_);
  }

  __device__ void clear_quad(std::int64_t row, std::int64_t column, int count) const {
    scf::clear_quad(score_gradient_, row, column, count);
    for (std::int64_t k = 0; k < projections_; ++k) {
      scf::clear_quad(products_gradient_, k * m_ + row, column, count);
    }
  }

  static __device__ void scale_quad(T factor, T* quad) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      quad[j] *= factor;
    }
  }

 private:
  bool variance_reduced_;
  std::int64_t m_;
  std::int64_t projections_;
  double factor_;
  MeanScale mean_;
  QuadMatrix<const T> score_;
  QuadMatrix<const T> products_;
  QuadMatrix<T> score_gradient_;
  QuadMatrix<T> products_gradient_;
  double scale_;  // of gradients
  T share_;       // of a probe
};

// One probe of Rademacher signs. Those of up to kMostQuads quads stay in a register from the sweep
// over products to that over the score's gradient.
template <class T>
class SignSsmOperation : public RowOperationCuda {
 public:
  static constexpr int kSums = 2;
  static constexpr int kResults = 1;
  static constexpr int kNumbers = 4;
  static constexpr bool kHasValues = true;
  using Number = T;
  static constexpr int kMostQuads = 7;  // their signs, and a mark before them, are a word
  struct Row {
    typename SsmMatrices<T>::At at;
    double total;
    T slope;              // of the gradient
    std::uint32_t signs;  // the oldest in front, a 1 before it
  };

  [[nodiscard]] static bool takes(const Batch<T>& batch, const RowPlanCuda& plan) {
    return batch.settings.projections == 1 && batch.settings.probes.data == nullptr &&
           batch.settings.probe == random::Distribution::kRademacher &&
           batch.d <= 4 * kMostQuads * plan.group;
  }

  SignSsmOperation(const Batch<T>& batch, const SsmArrays<T>& arrays, const MeanScale& scale)
      : matrices_(batch, arrays, scale),
        words_(batch.settings.words),
        vectors_(matrices_.aligned()),
        passes_(matrices_.sweeps_score() ? 2 : 1) {}

  __device__ std::int64_t passes() const { return passes_; }
  __device__ bool vectors() const { return vectors_; }

  __device__ void start() {
    const random::Words words = random::words_of(words_);
    words_.offset = in_register(words.offset);
    words_.first_row = in_register(words.first_row);
    keys_ = random::keys_in_registers(words.seed);
    matrices_.start();
  }

  __device__ void open(const Own& /*own*/, std::int64_t /*slot*/, const Hand& /*hand*/,
                       Row& state) const {
    state.signs = 1;
  }

  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    matrices_.seek(0, row, column, state.at);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    matrices_.advance(columns, state.at);
  }

  __device__ void draw(std::int64_t pass, std::int64_t row, std::int64_t column,
                       std::int64_t /*left*/, bool /*vector*/, Row& state, T* z) const {
    if (pass == 0) {
      const uint4 w = random::words_at(keys_, words_.offset + static_cast<std::uint64_t>(column),
                                       words_.first_row + row);
      random::rademachers_of(w, z);
      state.signs = __funnelshift_l(w.x, state.signs, 1);
      state.signs = __funnelshift_l(w.y, state.signs, 1);
      state.signs = __funnelshift_l(w.z, state.signs, 1);
      state.signs = __funnelshift_l(w.w, state.signs, 1);
      return;
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      z[j] = random::change_sign(state.slope, state.signs << j);
    }
    state.signs <<= 4;
  }

  template <bool kVector>
  __device__ void quad(std::int64_t pass, int count, T* z, Row& state, double* sums) const {
    if (pass == 0) {
      keep<kVector>(count, z);
      matrices_.template sweep_probe<kVector>(true, count, state.at, z, sums);
    } else {
      store_quad<kVector>(state.at.score_gradient, count, z);
    }
  }

  __device__ void swept(std::int64_t pass, bool /*leader*/, double* sums, Row& state) const {
    if (pass == 0) {
      state.total = matrices_.value_of(true, sums);
      state.slope = matrices_.gradient_of(sums[0]);
      state.signs = state.signs << __clz(static_cast<int>(state.signs)) << 1;
    }
    sums[0] = state.total;
  }

  __device__ double end(std::int64_t /*row*/, const Own& /*own*/, const double* results) const {
    return matrices_.mean_value(results[0]);
  }
  __device__ void clear_quad(std::int64_t row, std::int64_t column, int count) const {
    matrices_.clear_quad(row, column, count);
  }

 private:
  SsmMatrices<T> matrices_;
  random::Stream words_;
  bool vectors_;
  std::int64_t passes_;
  random::PhiloxKeys keys_;
};

// Any probes, one after another. Passes: where they are on the sphere, the probe's norm; then v.Hv
// and v.s, and its product's gradient. In the end the score's gradient, for which the slopes v.s
// wait in the workspace.
template <class T>
class SsmOperation : public RowOperationCuda {
 public:
  static constexpr int kSums = 2;
  static constexpr int kResults = 1;
  static constexpr int kNumbers = 4;
  static constexpr bool kHasValues = true;
  static constexpr int kResidentBlocks = 1;
  using Number = T;
  struct Row {
    typename SsmMatrices<T>::At at;
    double* slopes;  // [projections]: v.s before the probe is scaled, times what scales it
    double total;    // of the values
    T factor;        // that puts the probe on the sphere
  };

  SsmOperation(const Batch<T>& batch, const SsmArrays<T>& arrays, double* slopes,
               const MeanScale& scale)
      : matrices_(batch, arrays, scale),
        m_(batch.m),
        d_(batch.d),
        projections_(batch.settings.projections),
        sphere_(batch.settings.probe == random::Distribution::kSphere &&
                batch.settings.probes.data == nullptr),
        probes_(probes_of(batch.settings)),
        slopes_(slopes),
        vectors_(matrices_.aligned() && probes_.vectors()),
        score_pass_(projections_ * (sphere_ ? 2 : 1)),
        passes_(score_pass_ + (matrices_.sweeps_score() ? 1 : 0)) {}

  __device__ std::int64_t passes() const { return passes_; }
  __device__ bool vectors() const { return vectors_; }

  __device__ void start() {
    probes_.start();
    matrices_.start();
  }

  __device__ void open(const Own& /*own*/, std::int64_t slot, const Hand& /*hand*/,
                       Row& state) const {
    state.slopes = slopes_ + slot * projections_;
    state.total = 0;
    state.factor = 1;
  }

  __device__ void seek(std::int64_t pass, std::int64_t row, std::int64_t column, Row& state) const {
    matrices_.seek(index_of(pass), row, column, state.at);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    matrices_.advance(columns, state.at);
  }

  // Numbers of the pass's probe; in the end the score's gradient, made of all probes.
  __device__ void draw(std::int64_t pass, std::int64_t row, std::int64_t column, std::int64_t left,
                       bool vector, Row& state, T* z) const {
    const bool last = pass == score_pass_;
    const std::int64_t first = last ? 0 : index_of(pass);
    const std::int64_t end = last ? projections_ : first + 1;
    T gradient[4] = {};
#pragma unroll 1
    for (std::int64_t k = first; k < end; ++k) {
      probes_
          .moved(static_cast<std::uint64_t>(k) * static_cast<std::uint64_t>(words_of_noise(d_)),
                 k * m_)
          .quad(row, column, left, vector, z);
      const T slope = last ? matrices_.gradient_of(state.slopes[k]) : T(1);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        gradient[j] = fma(slope, z[j], gradient[j]);
      }
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      z[j] = gradient[j];
    }
  }

  template <bool kVector>
  __device__ void quad(std::int64_t pass, int count, T* z, Row& state, double* sums) const {
    if (pass == score_pass_) {
      store_quad<kVector>(state.at.score_gradient, count, z);
      return;
    }
    keep<kVector>(count, z);
    if (is_norm(pass)) {
      sums[0] += dot_quad(z, z);
    } else {
      SsmMatrices<T>::scale_quad(state.factor, z);
      matrices_.template sweep_probe<kVector>(index_of(pass) == 0, count, state.at, z, sums);
    }
  }

  __device__ void swept(std::int64_t pass, bool leader, double* sums, Row& state) const {
    if (is_norm(pass)) {
      state.factor = static_cast<T>(sqrt(static_cast<double>(d_) / sums[0]));
    } else if (pass < score_pass_) {
      state.total += matrices_.value_of(index_of(pass) == 0, sums);
      if (leader) {
        state.slopes[index_of(pass)] = static_cast<double>(state.factor) * sums[0];
      }
    }
    sums[0] = state.total;
  }

  __device__ double end(std::int64_t /*row*/, const Own& /*own*/, const double* results) const {
    return matrices_.mean_value(results[0]);
  }
  __device__ void clear_quad(std::int64_t row, std::int64_t column, int count) const {
    matrices_.clear_quad(row, column, count);
  }

 private:
  // With the sphere, passes of norms and of products take turns.
  [[nodiscard]] __device__ bool is_norm(std::int64_t pass) const {
    return sphere_ && pass < score_pass_ && pass % 2 == 0;
  }
  [[nodiscard]] __device__ std::int64_t index_of(std::int64_t pass) const {
    return sphere_ ? pass / 2 : pass;
  }

  SsmMatrices<T> matrices_;
  std::int64_t m_;
  std::int64_t d_;
  std::int64_t projections_;
  bool sphere_;
  NoiseCuda<T, true, false> probes_;
  double* slopes_;
  bool vectors_;
  std::int64_t score_pass_;
  std::int64_t passes_;
};

}  // namespace

template <class T>
void ssm_loss_cuda(const CudaContext& context, const Batch<T>& batch, const SsmArrays<T>& arrays,
                   void* stream) {
  const RowPlanCuda plan(context, batch.m, batch.d);
  const WorkspaceCuda workspace = workspace_cuda(plan, batch, batch.settings.projections);
  if (SignSsmOperation<T>::takes(batch, plan)) {
    run_loss_cuda(
        context, "sign_ssm_loss_kernel", plan, batch, workspace,
        [&](const MeanScale& scale) { return SignSsmOperation<T>(batch, arrays, scale); }, stream);
  } else {
    run_loss_cuda(
        context, "ssm_loss_kernel", plan, batch, workspace,
        [&](const MeanScale& scale) {
          return SsmOperation<T>(batch, arrays, workspace.slopes, scale);
        },
        stream);
  }
}

template void ssm_loss_cuda(const CudaContext&, const Batch<float>&, const SsmArrays<float>&,
                            void*);
template void ssm_loss_cuda(const CudaContext&, const Batch<double>&, const SsmArrays<double>&,
                            void*);

}  // namespace scf::loss
