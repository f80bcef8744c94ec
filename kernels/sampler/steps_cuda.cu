// The samplers' steps on a CUDA device: x, the output and what else there is are read once, the new
// state is written once, and noise is made in registers. Rows are swept as rows_cuda.cuh says.
//
// One file: all operations share the matrices and coefficients of a step, and nvcc reads its
// headers once.
#include <cmath>

#include "loss/loss_cuda.cuh"
#include "sampler/step_rules.h"
#include "sampler/steps.h"

namespace scf::sampler {
namespace {

// The coefficients of a row, in T.
template <class T>
struct RowCoefficients {
  T x0_x;
  T x0_output;
  T x_x;
  T x_output;
  T x_x0;
  T x_noise;
  T x_previous;

  RowCoefficients() = default;
  SCF_HOST_DEVICE explicit RowCoefficients(const StepCoefficients& of)
      : x0_x(static_cast<T>(of.x0_x)),
        x0_output(static_cast<T>(of.x0_output)),
        x_x(static_cast<T>(of.x_x)),
        x_output(static_cast<T>(of.x_output)),
        x_x0(static_cast<T>(of.x_x0)),
        x_noise(static_cast<T>(of.x_noise)),
        x_previous(static_cast<T>(of.x_previous)) {}

  __device__ RowCoefficients handed(const Hand& hand) const {
    RowCoefficients of;
    of.x0_x = hand(x0_x);
    of.x0_output = hand(x0_output);
    of.x_x = hand(x_x);
    of.x_output = hand(x_output);
    of.x_x0 = hand(x_x0);
    of.x_noise = hand(x_noise);
    of.x_previous = hand(x_previous);
    return of;
  }
};

__device__ __forceinline__ void report(std::uint32_t* status, std::uint32_t bits) {
  if (bits != 0 && status != nullptr) {
    atomicOr(status, bits);
  }
}

// Whether a number is NaN or infinite.
template <class T>
__device__ __forceinline__ bool is_not_finite(T value) {
  return !(value - value == T(0));
}

template <class T>
bool is_uniform(const StepSettings<T>& settings, const StepUses& uses) {
  const auto one = [](const PerSample& of) { return of.values == nullptr; };
  const auto same = [&](const Levels& of) { return one(of.signal_scale) && one(of.sigma); };
  return (!uses.level || same(settings.level)) && (!uses.next || same(settings.next)) &&
         (!uses.before || same(settings.before)) && (!uses.step_size || one(settings.step_size)) &&
         (!uses.sde || (one(settings.drift) && one(settings.diffusion) && one(settings.interval)));
}

// What a step reads and writes, and the update of four columns of it.
template <class T>
class StepMatrices {
 public:
  struct Place {
    const T* x;
    const T* output;
    const T* previous;
    T* next;
    T* denoised;
  };

  StepMatrices(const StepArrays<T>& arrays, double clip)
      : x_(arrays.x),
        output_(arrays.output),
        previous_(arrays.previous),
        next_(arrays.next),
        denoised_(arrays.denoised),
        clip_(static_cast<T>(clip)),
        vectors_(all_aligned(x_, output_, previous_, next_, denoised_)) {}

  [[nodiscard]] SCF_HOST_DEVICE bool vectors() const { return vectors_; }

  __device__ void seek(std::int64_t row, std::int64_t column, Place& place) const {
    place = {x_.at(row, column), output_.at(row, column), previous_.at(row, column),
             next_.at(row, column), denoised_.at(row, column)};
  }
  __device__ void advance(std::int64_t columns, Place& place) const {
    place.x += columns;
    place.output += columns;
    place.previous += columns;
    place.next += columns;
    place.denoised += columns;
  }

  // z null: no noise. Whether a number has become NaN or infinite.
  template <bool kVector, bool kNoise>
  __device__ bool update(const RowCoefficients<T>& of, const Place& place, int count,
                         const T* z) const {
    T next[4];
    T x0[4];
    T in[4];
    load_quad<kVector>(place.x, count, in);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      x0[j] = of.x0_x * in[j];
      next[j] = of.x_x * in[j];
    }
    if (output_.data != nullptr) {
      load_quad<kVector>(place.output, count, in);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        x0[j] = fma(of.x0_output, in[j], x0[j]);
        next[j] = fma(of.x_output, in[j], next[j]);
      }
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      // Comparisons that a NaN fails: it stays.
      x0[j] = x0[j] > clip_ ? clip_ : x0[j];
      x0[j] = x0[j] < -clip_ ? -clip_ : x0[j];
      next[j] = fma(of.x_x0, x0[j], next[j]);
    }
    if constexpr (kNoise) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        next[j] = fma(of.x_noise, z[j], next[j]);
      }
    }
    if (previous_.data != nullptr) {
      load_quad<kVector>(place.previous, count, in);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        next[j] = fma(of.x_previous, in[j], next[j]);
      }
    }
    store_quad<kVector>(place.next, count, next);
    if (denoised_.data != nullptr) {
      store_quad<kVector>(place.denoised, count, x0);
    }
    bool bad = false;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      bad |= j < count && is_not_finite(next[j]);
    }
    return bad;
  }

  // Four columns of the score p x + q output.
  template <bool kVector>
  __device__ void score(T of_x, T of_output, const Place& place, int count, T* score) const {
    T x[4] = {};
    if (of_x != 0) {
      load_quad<kVector>(place.x, count, x);
    }
    load_quad<kVector>(place.output, count, score);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      score[j] = fma(of_output, score[j], of_x * x[j]);
    }
    keep<kVector>(count, score);
  }

 private:
  QuadMatrix<const T> x_;
  QuadMatrix<const T> output_;
  QuadMatrix<const T> previous_;
  QuadMatrix<T> next_;
  QuadMatrix<T> denoised_;
  T clip_;
  bool vectors_;
};

// The coefficients of a step by its rule.
template <class T>
struct StepRows {
  StepSettings<T> settings;
  StepUses uses;

  [[nodiscard]] bool uniform() const { return is_uniform(settings, uses); }
  SCF_HOST_DEVICE StepCoefficients at(std::int64_t row, std::uint32_t& bits) const {
    bits = check_sample(settings, uses, row);
    return coefficients_of(settings, uses, row, bits);
  }
};

// Of a corrector whose step size is of the noise level, or of the means of the batch's norms, which
// lie on the device.
template <class T>
struct CorrectorRows {
  StepSettings<T> settings;
  StepUses uses;
  CorrectorSettings corrector;
  const double* norms;  // of noise and score, or null

  [[nodiscard]] bool uniform() const { return norms == nullptr && is_uniform(settings, uses); }
  SCF_HOST_DEVICE StepCoefficients at(std::int64_t row, std::uint32_t& bits) const {
    bits = check_sample(settings, uses, row);
    if (bits != 0) {
      return coefficients_of(settings, uses, row, bits);
    }
    const Level level = level_at(settings.level, row);
    const double alpha = norms == nullptr ? corrector_step_size(corrector, level.sigma)
                                          : corrector_step_size(corrector, norms[0], norms[1]);
    return langevin_of(settings.form, uses.level, level, alpha, sqrt(settings.temperature));
  }
};

// A step in one sweep.
template <class T, class Rows, bool kNoise>
class StepOperation : public RowOperationCuda {
 public:
  static constexpr int kNumbers = kNoise ? 4 : 0;
  using Number = T;
  using Own = RowCoefficients<T>;
  struct Row {
    RowCoefficients<T> of;
    typename StepMatrices<T>::Place place;
    bool bad = false;
  };

  StepOperation(const Rows& rows, const StepArrays<T>& arrays)
      : rows_(rows),
        matrices_(arrays, rows.settings.clip),
        noise_(random::Distribution::kNormal, rows.settings.words, rows.settings.noise),
        vectors_(matrices_.vectors() && (!kNoise || noise_.vectors())),
        uniform_(rows.uniform()) {
    if (uniform_) {
      std::uint32_t bits = 0;
      common_ = Own(rows_.at(0, bits));
    }
  }

  __device__ bool vectors() const { return vectors_; }

  __device__ void start() {
    if constexpr (kNoise) {
      noise_.start();
    }
  }

  __device__ void begin(std::int64_t row, Own& own) const {
    if (!uniform_) {
      std::uint32_t bits = 0;
      own = Own(rows_.at(row, bits));
      report(rows_.settings.status, bits);
    }
  }

  __device__ void open(const Own& own, std::int64_t /*slot*/, const Hand& hand, Row& state) const {
    state.of = uniform_ ? common_ : own.handed(hand);
    state.bad = false;
  }

  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    matrices_.seek(row, column, state.place);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    matrices_.advance(columns, state.place);
  }

  __device__ void draw(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       std::int64_t left, bool vector, Row& /*state*/, T* z) const {
    noise_.quad(row, column, left, vector, z);
  }

  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, const T* z, Row& state,
                       double* /*sums*/) const {
    state.bad |= matrices_.template update<kVector, kNoise>(state.of, state.place, count, z);
  }

  __device__ void swept(std::int64_t /*pass*/, bool /*leader*/, double* /*sums*/,
                        Row& state) const {
    report(rows_.settings.status, state.bad ? kNotFinite : 0U);
  }

 private:
  Rows rows_;
  StepMatrices<T> matrices_;
  loss::NoiseCuda<T> noise_;
  bool vectors_;
  bool uniform_;
  Own common_ = {};
};

// What both norms of a row need: factors of the score.
template <class T>
struct ScoreFactors {
  T x;
  T output;
};

// A corrector whose step size is of the row's own norms: a sweep for them, and one for the step,
// with the same noise made again.
template <class T>
class SampleCorrectorOperation : public RowOperationCuda {
 public:
  static constexpr int kSums = 2;
  static constexpr int kNumbers = 4;
  // In double two blocks' registers do not hold it all.
  static constexpr int kResidentBlocks = sizeof(T) == sizeof(double) ? 1 : 2;
  using Number = T;
  struct Own {
    ScoreFactors<T> score;
    double signal_scale;  // NaN of a bad sample
    double sigma;
  };
  struct Row {
    double signal_scale;
    double sigma;
    RowCoefficients<T> of;  // in the first sweep x_x and x_output are the score's
    typename StepMatrices<T>::Place place;
    bool bad;
  };

  SampleCorrectorOperation(const StepSettings<T>& settings, const StepUses& uses,
                           const CorrectorSettings& corrector, const StepArrays<T>& arrays)
      : settings_(settings),
        uses_(uses),
        corrector_(corrector),
        matrices_(arrays, settings.clip),
        noise_(random::Distribution::kNormal, settings.words, settings.noise),
        vectors_(matrices_.vectors() && noise_.vectors()) {}

  __device__ std::int64_t passes() const { return 2; }
  __device__ bool vectors() const { return vectors_; }
  __device__ void start() { noise_.start(); }

  __device__ void begin(std::int64_t row, Own& own) const {
    const Level level = level_at(settings_.level, row);
    const Affine score = score_of(settings_.form, level);
    const std::uint32_t bits = check_sample(settings_, uses_, row);
    own = {{static_cast<T>(score.x), static_cast<T>(score.output)},
           bits != 0     ? NAN
           : uses_.level ? level.signal_scale
                         : 1,
           level.sigma};
    report(settings_.status, bits);
  }

  __device__ void open(const Own& own, std::int64_t /*slot*/, const Hand& hand, Row& state) const {
    state.signal_scale = hand(own.signal_scale);
    state.sigma = hand(own.sigma);
    state.of.x_x = hand(own.score.x);
    state.of.x_output = hand(own.score.output);
    state.bad = false;
  }

  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    matrices_.seek(row, column, state.place);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    matrices_.advance(columns, state.place);
  }

  __device__ void draw(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       std::int64_t left, bool vector, Row& /*state*/, T* z) const {
    noise_.quad(row, column, left, vector, z);
  }

  template <bool kVector>
  __device__ void quad(std::int64_t pass, int count, T* z, Row& state, double* sums) const {
    if (pass > 0) {
      state.bad |= matrices_.template update<kVector, true>(state.of, state.place, count, z);
      return;
    }
    T score[4];
    matrices_.template score<kVector>(state.of.x_x, state.of.x_output, state.place, count, score);
    keep<kVector>(count, z);
    sums[0] += dot_quad(score, score);
    sums[1] += dot_quad(z, z);
  }

  __device__ void swept(std::int64_t pass, bool /*leader*/, double* sums, Row& state) const {
    if (pass > 0) {
      report(settings_.status, state.bad ? kNotFinite : 0U);
      return;
    }
    // Of a bad sample x0^ and the new state are NaN. What no corrector multiplies stays a constant
    // 0, and takes no register.
    const bool bad = !(state.signal_scale == state.signal_scale);
    const double alpha = bad ? NAN : corrector_step_size(corrector_, sqrt(sums[1]), sqrt(sums[0]));
    StepCoefficients of =
        langevin_of(settings_.form, uses_.level, {state.signal_scale, state.sigma}, alpha,
                    sqrt(settings_.temperature));
    of.x0_x = bad ? NAN : of.x0_x;
    state.of = RowCoefficients<T>(of);
  }

 private:
  StepSettings<T> settings_;
  StepUses uses_;
  CorrectorSettings corrector_;
  StepMatrices<T> matrices_;
  loss::NoiseCuda<T> noise_;
  bool vectors_;
};

// The norm of each row's noise, or of its score, as the row's value.
template <class T, bool kOfNoise>
class NormOperation : public RowOperationCuda {
 public:
  static constexpr int kSums = 1;
  static constexpr int kResults = 1;
  static constexpr bool kHasValues = true;
  static constexpr int kNumbers = kOfNoise ? 4 : 0;
  using Number = T;
  using Own = ScoreFactors<T>;
  struct Row {
    ScoreFactors<T> score;
    typename StepMatrices<T>::Place place;
  };

  NormOperation(const StepSettings<T>& settings, const StepArrays<T>& arrays)
      : settings_(settings),
        matrices_(arrays, settings.clip),
        noise_(random::Distribution::kNormal, settings.words, settings.noise),
        vectors_(kOfNoise ? noise_.vectors() : matrices_.vectors()) {}

  __device__ bool vectors() const { return vectors_; }
  __device__ void start() {
    if constexpr (kOfNoise) {
      noise_.start();
    }
  }
  __device__ void begin(std::int64_t row, Own& own) const {
    if constexpr (!kOfNoise) {
      const Affine score = score_of(settings_.form, level_at(settings_.level, row));
      own = {static_cast<T>(score.x), static_cast<T>(score.output)};
    }
  }
  __device__ void open(const Own& own, std::int64_t /*slot*/, const Hand& hand, Row& state) const {
    if constexpr (!kOfNoise) {
      state.score = {hand(own.x), hand(own.output)};
    }
  }
  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    matrices_.seek(row, column, state.place);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    matrices_.advance(columns, state.place);
  }
  __device__ void draw(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       std::int64_t left, bool vector, Row& /*state*/, T* z) const {
    noise_.quad(row, column, left, vector, z);
  }
  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, T* z, Row& state, double* sums) const {
    if constexpr (kOfNoise) {
      keep<kVector>(count, z);
      sums[0] += dot_quad(z, z);
    } else {
      T score[4];
      matrices_.template score<kVector>(state.score.x, state.score.output, state.place, count,
                                        score);
      sums[0] += dot_quad(score, score);
    }
  }
  __device__ double end(std::int64_t /*row*/, const Own& /*own*/, const double* results) const {
    return sqrt(results[0]);
  }

 private:
  StepSettings<T> settings_;
  StepMatrices<T> matrices_;
  loss::NoiseCuda<T> noise_;
  bool vectors_;
};

// next = a known + sigma z where known is not NaN, else x.
template <class T>
class KnownOperation : public RowOperationCuda {
 public:
  static constexpr int kNumbers = 4;
  using Number = T;
  struct Own {
    T signal_scale;
    T sigma;
  };
  struct Row {
    Own of;
    const T* x;
    const T* known;
    T* next;
    bool bad;
  };

  KnownOperation(const StepSettings<T>& settings, const Matrix<const T>& x,
                 const Matrix<const T>& known, const Matrix<T>& next)
      : settings_(settings),
        uses_(uses_of(StepKind::kKnown, settings.form, false, false)),
        noise_(random::Distribution::kNormal, settings.words, settings.noise),
        x_(x),
        known_(known),
        next_(next),
        vectors_(all_aligned(x_, known_, next_) && noise_.vectors()) {}

  __device__ bool vectors() const { return vectors_; }
  __device__ void start() { noise_.start(); }

  __device__ void begin(std::int64_t row, Own& own) const {
    const std::uint32_t bits = check_sample(settings_, uses_, row);
    report(settings_.status, bits);
    const Level level = level_at(settings_.level, row);
    own = {static_cast<T>(bits == 0 ? level.signal_scale : NAN),
           static_cast<T>(bits == 0 ? level.sigma : NAN)};
  }
  __device__ void open(const Own& own, std::int64_t /*slot*/, const Hand& hand, Row& state) const {
    state.of = {hand(own.signal_scale), hand(own.sigma)};
    state.bad = false;
  }
  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    state.x = x_.at(row, column);
    state.known = known_.at(row, column);
    state.next = next_.at(row, column);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    state.x += columns;
    state.known += columns;
    state.next += columns;
  }
  __device__ void draw(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       std::int64_t left, bool vector, Row& /*state*/, T* z) const {
    noise_.quad(row, column, left, vector, z);
  }
  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, const T* z, Row& state,
                       double* /*sums*/) const {
    T x[4];
    T known[4];
    load_quad<kVector>(state.x, count, x);
    load_quad<kVector>(state.known, count, known);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const T at_level = fma(state.of.sigma, z[j], state.of.signal_scale * known[j]);
      // Of a bad sample all is NaN, the unknown too.
      const bool unknown = known[j] != known[j] && state.of.sigma == state.of.sigma;
      x[j] = unknown ? x[j] : at_level;
      state.bad |= j < count && is_not_finite(x[j]);
    }
    store_quad<kVector>(state.next, count, x);
  }
  __device__ void swept(std::int64_t /*pass*/, bool /*leader*/, double* /*sums*/,
                        Row& state) const {
    report(settings_.status, state.bad ? kNotFinite : 0U);
  }

 private:
  StepSettings<T> settings_;
  StepUses uses_;
  loss::NoiseCuda<T> noise_;
  QuadMatrix<const T> x_;
  QuadMatrix<const T> known_;
  QuadMatrix<T> next_;
  bool vectors_;
};

// ---- Launches ----------------------------------------------------------------------------------

template <class T, class Operation>
void run_operation(const CudaContext& context, const char* name, std::int64_t m, std::int64_t d,
                   const Operation& operation, void* stream) {
  run_rows_cuda(name, RowPlanCuda(context, m, d), RowBatch<T>{m, d, nullptr, nullptr}, operation,
                nullptr, stream);
}

template <class T, class Rows>
void run_step(const CudaContext& context, const char* name, std::int64_t m, std::int64_t d,
              const Rows& rows, const StepArrays<T>& arrays, bool noise, void* stream) {
  if (noise) {
    run_operation<T>(context, name, m, d, StepOperation<T, Rows, true>(rows, arrays), stream);
  } else {
    run_operation<T>(context, name, m, d, StepOperation<T, Rows, false>(rows, arrays), stream);
  }
}

// What the rule of the batch's norms needs.
struct NormWorkspace {
  RowWorkspaceCuda rows;
  double* norms;  // means of noise and score
};
NormWorkspace take_norms(Arena& arena, const RowPlanCuda& plan) {
  NormWorkspace workspace = {};
  workspace.rows = take_rows_cuda(arena, plan);
  workspace.norms = arena.take<double>(2);
  return workspace;
}

template <class T, bool kOfNoise>
void mean_norm(const RowPlanCuda& plan, const StepSettings<T>& settings,
               const StepArrays<T>& arrays, const NormWorkspace& workspace, double* mean,
               void* stream) {
  run_rows_cuda("norm_kernel", plan, RowBatch<T>{plan.m, plan.d, nullptr, nullptr},
                NormOperation<T, kOfNoise>(settings, arrays), workspace.rows.partials, stream);
  summarise_rows_cuda({workspace.rows.partials, plan.blocks}, {}, 1, 1, {mean, nullptr, nullptr},
                      stream);
}

}  // namespace

template <class T>
void step_cuda(const CudaContext& context, const StepSettings<T>& settings, std::int64_t m,
               std::int64_t d, const StepArrays<T>& arrays, void* stream) {
  const StepUses uses = uses_of(settings.kind, settings.form, arrays.denoised.data != nullptr,
                                arrays.previous.data != nullptr);
  const bool noise = draws_noise(settings.kind) && settings.temperature > 0 &&
                     !(settings.kind == StepKind::kDdim && settings.eta == 0);
  run_step(context, "step_kernel", m, d, StepRows<T>{settings, uses}, arrays, noise, stream);
}

template <class T>
void known_step_cuda(const CudaContext& context, const StepSettings<T>& settings, std::int64_t m,
                     std::int64_t d, const Matrix<const T>& x, const Matrix<const T>& known,
                     const Matrix<T>& next, void* stream) {
  run_operation<T>(context, "known_step_kernel", m, d, KnownOperation<T>(settings, x, known, next),
                   stream);
}

std::size_t corrector_workspace_cuda(const CudaContext& context, Rule rule, std::int64_t m,
                                     std::int64_t d) {
  if (rule != Rule::kBatch) {
    return 0;
  }
  Arena arena(nullptr);
  (void)take_norms(arena, RowPlanCuda(context, m, d));
  return arena.used();
}

template <class T>
void corrector_step_cuda(const CudaContext& context, const StepSettings<T>& settings,
                         const CorrectorSettings& corrector, std::int64_t m, std::int64_t d,
                         const StepArrays<T>& arrays, void* workspace, void* stream) {
  const StepUses uses =
      corrector_uses(corrector.rule, settings.form, arrays.denoised.data != nullptr);
  if (corrector.rule == Rule::kSample) {
    run_operation<T>(context, "corrector_step_kernel", m, d,
                     SampleCorrectorOperation<T>(settings, uses, corrector, arrays), stream);
    return;
  }
  const double* norms = nullptr;
  if (corrector.rule == Rule::kBatch) {
    const RowPlanCuda plan(context, m, d);
    Arena arena(workspace);
    const NormWorkspace of_norms = take_norms(arena, plan);
    mean_norm<T, true>(plan, settings, arrays, of_norms, of_norms.norms, stream);
    mean_norm<T, false>(plan, settings, arrays, of_norms, of_norms.norms + 1, stream);
    norms = of_norms.norms;
  }
  run_step(context, "corrector_step_kernel", m, d,
           CorrectorRows<T>{settings, uses, corrector, norms}, arrays, settings.temperature > 0,
           stream);
}

#define SCF_INSTANTIATE_STEPS(T)                                                                  \
  template void step_cuda(const CudaContext&, const StepSettings<T>&, std::int64_t, std::int64_t, \
                          const StepArrays<T>&, void*);                                           \
  template void known_step_cuda(const CudaContext&, const StepSettings<T>&, std::int64_t,         \
                                std::int64_t, const Matrix<const T>&, const Matrix<const T>&,     \
                                const Matrix<T>&, void*);                                         \
  template void corrector_step_cuda(const CudaContext&, const StepSettings<T>&,                   \
                                    const CorrectorSettings&, std::int64_t, std::int64_t,         \
                                    const StepArrays<T>&, void*, void*);
SCF_INSTANTIATE_STEPS(float)
SCF_INSTANTIATE_STEPS(double)
#undef SCF_INSTANTIATE_STEPS

}  // namespace scf::sampler
