// Points where the model must be evaluated, on a CUDA device, and the direction of DDE's particles.
//
// x is read once and outputs are written once. Noise is made in registers; where a direction has a
// length, in a first pass for its norm and again for the points.
#include <cmath>

#include "loss/loss_cuda.cuh"
#include "loss/loss_rows.h"

namespace scf::loss {
namespace {

template <class T, class Operation>
void run_points(const CudaContext& context, const char* name, std::int64_t m, std::int64_t d,
                const Operation& operation, void* stream) {
  const RowPlanCuda plan(context, m, d);
  run_rows_cuda(name, plan, RowBatch<T>{m, d, nullptr, nullptr}, operation, nullptr, stream);
}

// perturbed = a x + sigma z and its target.
template <class T>
class PerturbOperation : public RowOperationCuda {
 public:
  static constexpr int kNumbers = 4;
  using Number = T;
  struct Own {
    T signal_scale;
    T sigma;
    T target_noise;
    T target_x;
  };
  struct Row {
    Own of;
    const T* x;
    T* perturbed;
    T* target;
  };

  PerturbOperation(const Settings<T>& settings, const Matrix<const T>& x,
                   const Matrix<T>& perturbed, const Matrix<T>& target)
      : form_(settings.form),
        levels_(settings.levels),
        uniform_(levels_.sigmas == nullptr && levels_.signal_scales == nullptr),
        status_(settings.status),
        noise_(noise_of(settings)),
        x_(x),
        perturbed_(perturbed),
        target_(target),
        vectors_(all_aligned(x_, perturbed_, target_) && noise_.vectors()) {}

  __device__ bool vectors() const { return vectors_; }

  __device__ void start() {
    noise_.start();
    if (uniform_) {
      common_ = row_of(0);
    }
  }

  __device__ void begin(std::int64_t row, Own& own) const {
    if (!uniform_) {
      own = row_of(row);
    }
  }

  __device__ void open(const Own& own, std::int64_t /*slot*/, const Hand& hand, Row& state) const {
    if (uniform_) {
      state.of = common_;
    } else {
      state.of = {hand(own.signal_scale), hand(own.sigma), hand(own.target_noise),
                  hand(own.target_x)};
    }
  }

  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    state.x = x_.at(row, column);
    state.perturbed = perturbed_.at(row, column);
    state.target = target_.at(row, column);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    state.x += columns;
    state.perturbed += columns;
    state.target += columns;
  }

  __device__ void draw(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       std::int64_t left, bool vector, Row& /*state*/, T* z) const {
    noise_.quad(row, column, left, vector, z);
  }

  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, const T* z, Row& state,
                       double* /*sums*/) const {
    T x[4];
    load_quad<kVector>(state.x, count, x);
    T out[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      out[j] = fma(state.of.sigma, z[j], state.of.signal_scale * x[j]);
    }
    store_quad<kVector>(state.perturbed, count, out);
    if (target_.data != nullptr) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        out[j] = fma(state.of.target_noise, z[j], state.of.target_x * x[j]);
      }
      store_quad<kVector>(state.target, count, out);
    }
  }

 private:
  __device__ Own row_of(std::int64_t row) const {
    const Level level = level_of(levels_, row, status_);
    const Target target = target_of(form_, level);
    return {static_cast<T>(level.signal_scale), static_cast<T>(level.sigma),
            static_cast<T>(target.noise), static_cast<T>(target.x)};
  }

  Form form_;
  Levels<T> levels_;
  bool uniform_;
  std::uint32_t* status_;
  NoiseCuda<T> noise_;
  QuadMatrix<const T> x_;
  QuadMatrix<T> perturbed_;
  QuadMatrix<T> target_;
  bool vectors_;
  Own common_;  // of all rows, where they are uniform
};

// y + v and y - v, |v| = radius, y = x or a x + sigma z.
template <class T>
class DifferenceOperation : public RowOperationCuda {
 public:
  static constexpr int kSums = 1;
  static constexpr int kNumbers = 8;  // the direction, and the noise
  using Number = T;
  struct Own {
    T signal_scale;
    T sigma;
  };
  struct Row {
    T signal_scale;
    T sigma;
    T along;  // factor of the direction as it is made
    const T* x;
    T* plus;
    T* minus;
  };

  DifferenceOperation(Difference difference, const Settings<T>& settings, std::int64_t d,
                      const Matrix<const T>& x, const Matrix<T>& plus, const Matrix<T>& minus)
      : perturbs_(difference == Difference::kFddsm),
        radius_(settings.epsilon * (perturbs_ ? std::sqrt(static_cast<double>(d)) : 1)),
        levels_(settings.levels),
        status_(settings.status),
        noise_(noise_of(settings)),
        direction_(perturbs_ ? direction_of(settings, d) : noise_),
        x_(x),
        plus_(plus),
        minus_(minus),
        vectors_(all_aligned(x_, plus_, minus_) && noise_.vectors() && direction_.vectors()) {}

  __device__ std::int64_t passes() const { return 2; }
  __device__ bool vectors() const { return vectors_; }

  __device__ void start() {
    noise_.start();
    direction_.start();
  }

  __device__ void begin(std::int64_t row, Own& own) const {
    const Level level = level_of(levels_, row, status_);
    own = {static_cast<T>(level.signal_scale), static_cast<T>(level.sigma)};
  }

  __device__ void open(const Own& own, std::int64_t /*slot*/, const Hand& hand, Row& state) const {
    state.signal_scale = hand(own.signal_scale);
    state.sigma = hand(own.sigma);
  }

  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    state.x = x_.at(row, column);
    state.plus = plus_.at(row, column);
    state.minus = minus_.at(row, column);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    state.x += columns;
    state.plus += columns;
    state.minus += columns;
  }

  __device__ void draw(std::int64_t pass, std::int64_t row, std::int64_t column, std::int64_t left,
                       bool vector, Row& /*state*/, T* z) const {
    direction_.quad(row, column, left, vector, z);
    if (perturbs_ && pass > 0) {
      noise_.quad(row, column, left, vector, z + 4);
    }
  }

  template <bool kVector>
  __device__ void quad(std::int64_t pass, int count, T* v, Row& state, double* sums) const {
    if (pass == 0) {
      keep<kVector>(count, v);
      sums[0] += dot_quad(v, v);
      return;
    }
    T centre[4];
    load_quad<kVector>(state.x, count, centre);
    if (perturbs_) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        centre[j] = fma(state.sigma, v[4 + j], state.signal_scale * centre[j]);
      }
    }
    T minus[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      minus[j] = fma(-state.along, v[j], centre[j]);
      centre[j] = fma(state.along, v[j], centre[j]);
    }
    store_quad<kVector>(state.plus, count, centre);
    store_quad<kVector>(state.minus, count, minus);
  }

  __device__ void swept(std::int64_t pass, bool /*leader*/, double* sums, Row& state) const {
    if (pass == 0) {
      state.along = static_cast<T>(radius_ / sqrt(sums[0]));
    }
  }

 private:
  bool perturbs_;
  double radius_;
  Levels<T> levels_;
  std::uint32_t* status_;
  NoiseCuda<T> noise_;
  NoiseCuda<T> direction_;
  QuadMatrix<const T> x_;
  QuadMatrix<T> plus_;
  QuadMatrix<T> minus_;
  bool vectors_;
};

// out = first - second, or first alone.
template <class T>
class SubtractOperation : public RowOperationCuda {
 public:
  struct Row {
    const T* first;
    const T* second;
    T* out;
  };

  SubtractOperation(const Matrix<const T>& first, const Matrix<const T>& second,
                    const Matrix<T>& out)
      : first_(first), second_(second), out_(out), vectors_(all_aligned(first_, second_, out_)) {}

  __device__ bool vectors() const { return vectors_; }

  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    state = {first_.at(row, column), second_.at(row, column), out_.at(row, column)};
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    state.first += columns;
    state.second += columns;
    state.out += columns;
  }

  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, Number* /*z*/, Row& state,
                       double* /*sums*/) const {
    T first[4];
    load_quad<kVector>(state.first, count, first);
    if (second_.data != nullptr) {
      T second[4];
      load_quad<kVector>(state.second, count, second);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        first[j] -= second[j];
      }
    }
    store_quad<kVector>(state.out, count, first);
  }

 private:
  QuadMatrix<const T> first_;
  QuadMatrix<const T> second_;
  QuadMatrix<T> out_;
  bool vectors_;
};

}  // namespace

template <class T>
void dsm_perturb_cuda(const CudaContext& context, const Settings<T>& settings, std::int64_t m,
                      std::int64_t d, const Matrix<const T>& x, const Matrix<T>& perturbed,
                      const Matrix<T>& target, void* stream) {
  run_points<T>(context, "dsm_perturb_kernel", m, d,
                PerturbOperation<T>(settings, x, perturbed, target), stream);
}

template <class T>
void ssm_perturb_cuda(const CudaContext& context, const Settings<T>& settings, std::int64_t m,
                      std::int64_t d, const Matrix<T>& probes, void* stream) {
  if (settings.probes.data != nullptr) {
    run_points<T>(context, "ssm_perturb_kernel", settings.projections * m, d,
                  SubtractOperation<T>(settings.probes, {}, probes), stream);
    return;
  }
  random::Stream words = settings.words;
  for (std::int64_t k = 0; k < settings.projections; ++k) {
    random::random_fill_cuda(context, settings.probe, words, m, d,
                             std::sqrt(static_cast<double>(d)), probes.row(k * m), probes.ld,
                             stream);
    words.offset += static_cast<std::uint64_t>(words_of_noise(d));
  }
}

template <class T>
void difference_perturb_cuda(const CudaContext& context, Difference difference,
                             const Settings<T>& settings, std::int64_t m, std::int64_t d,
                             const Matrix<const T>& x, const Matrix<T>& plus,
                             const Matrix<T>& minus, void* stream) {
  run_points<T>(context, "difference_perturb_kernel", m, d,
                DifferenceOperation<T>(difference, settings, d, x, plus, minus), stream);
}

template <class T>
void dde_direction_cuda(const CudaContext& context, std::int64_t m, std::int64_t d,
                        const Matrix<const T>& generator, const Matrix<const T>& data,
                        const Matrix<T>& direction, void* stream) {
  run_points<T>(context, "dde_direction_kernel", m, d,
                SubtractOperation<T>(data, generator, direction), stream);
}

template void dsm_perturb_cuda(const CudaContext&, const Settings<float>&, std::int64_t,
                               std::int64_t, const Matrix<const float>&, const Matrix<float>&,
                               const Matrix<float>&, void*);
template void dsm_perturb_cuda(const CudaContext&, const Settings<double>&, std::int64_t,
                               std::int64_t, const Matrix<const double>&, const Matrix<double>&,
                               const Matrix<double>&, void*);
template void ssm_perturb_cuda(const CudaContext&, const Settings<float>&, std::int64_t,
                               std::int64_t, const Matrix<float>&, void*);
template void ssm_perturb_cuda(const CudaContext&, const Settings<double>&, std::int64_t,
                               std::int64_t, const Matrix<double>&, void*);
template void difference_perturb_cuda(const CudaContext&, Difference, const Settings<float>&,
                                      std::int64_t, std::int64_t, const Matrix<const float>&,
                                      const Matrix<float>&, const Matrix<float>&, void*);
template void difference_perturb_cuda(const CudaContext&, Difference, const Settings<double>&,
                                      std::int64_t, std::int64_t, const Matrix<const double>&,
                                      const Matrix<double>&, const Matrix<double>&, void*);
template void dde_direction_cuda(const CudaContext&, std::int64_t, std::int64_t,
                                 const Matrix<const float>&, const Matrix<const float>&,
                                 const Matrix<float>&, void*);
template void dde_direction_cuda(const CudaContext&, std::int64_t, std::int64_t,
                                 const Matrix<const double>&, const Matrix<const double>&,
                                 const Matrix<double>&, void*);

}  // namespace scf::loss
