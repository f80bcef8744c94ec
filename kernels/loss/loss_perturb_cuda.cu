// Points where the model must be evaluated, on a CUDA device, and the direction of DDE's particles.
//
// x is read once and outputs are written once. Noise is made in registers; where a direction has a
// length, in a first pass for its norm and again for the points.
#include <cmath>

#include "loss/loss_cuda.cuh"
#include "loss/loss_rows.h"

namespace scf::loss {
namespace {

// What operations without values and masks have in common.
struct Points {
  static constexpr bool kHasValues = false;

  __device__ void clear_quad(std::int64_t /*row*/, std::int64_t /*column*/, int /*count*/) const {}
  __device__ void clear(std::int64_t /*row*/) const {}
};

template <class T, class Operation>
void run_points(const CudaContext& context, const char* name, std::int64_t m, std::int64_t d,
                const Operation& operation, void* stream) {
  const RowPlanCuda plan(context, m, d);
  run_rows_cuda(name, plan, RowBatch<T>{m, d, nullptr, nullptr}, operation, nullptr, stream);
}

// perturbed = a x + sigma z and its target.
template <class T>
class PerturbOperation : public Points {
 public:
  static constexpr int kSums = 0;
  struct Row {
    T signal_scale;
    T sigma;
    T target_noise;
    T target_x;
  };

  PerturbOperation(const Settings<T>& settings, const Matrix<const T>& x,
                   const Matrix<T>& perturbed, const Matrix<T>& target)
      : form_(settings.form),
        levels_(settings.levels),
        status_(settings.status),
        noise_(noise_of(settings)),
        x_(x),
        perturbed_(perturbed),
        target_(target) {}

  __device__ std::int64_t passes() const { return 1; }

  __device__ void begin(std::int64_t row, std::int64_t /*slot*/, Row& state) const {
    const Level level = level_of(levels_, row, status_);
    const Target target = target_of(form_, level);
    state.signal_scale = static_cast<T>(level.signal_scale);
    state.sigma = static_cast<T>(level.sigma);
    state.target_noise = static_cast<T>(target.noise);
    state.target_x = static_cast<T>(target.x);
  }

  __device__ void quad(std::int64_t /*pass*/, std::int64_t row, std::int64_t column, int count,
                       Row& state, double* /*sums*/) const {
    T x[4];
    T z[4];
    load_quad(x_, row, column, count, x);
    noise_.quad(row, column, count, z);
    T perturbed[4];
    T target[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      perturbed[j] = fma(state.sigma, z[j], state.signal_scale * x[j]);
      target[j] = fma(state.target_noise, z[j], state.target_x * x[j]);
    }
    store_quad(perturbed_, row, column, count, perturbed);
    if (target_.data != nullptr) {
      store_quad(target_, row, column, count, target);
    }
  }

  __device__ void swept(std::int64_t /*pass*/, bool /*leader*/, const double* /*sums*/,
                        Row& /*state*/) const {}

 private:
  Form form_;
  Levels<T> levels_;
  std::uint32_t* status_;
  NoiseCuda<T> noise_;
  QuadMatrix<const T> x_;
  QuadMatrix<T> perturbed_;
  QuadMatrix<T> target_;
};

// y + v and y - v, |v| = radius, y = x or a x + sigma z.
template <class T>
class DifferenceOperation : public Points {
 public:
  static constexpr int kSums = 1;
  struct Row {
    T signal_scale;
    T sigma;
    T along;  // factor of the direction as it is made
  };

  DifferenceOperation(Difference difference, const Settings<T>& settings, std::int64_t d,
                      const Matrix<const T>& x, const Matrix<T>& plus, const Matrix<T>& minus)
      : perturbs_(difference == Difference::kFddsm),
        radius_(settings.epsilon * (perturbs_ ? std::sqrt(static_cast<double>(d)) : 1)),
        levels_(settings.levels),
        status_(settings.status),
        noise_(noise_of(settings)),
        direction_(perturbs_ ? probe_of(settings, random::Distribution::kNormal, 1, d) : noise_),
        x_(x),
        plus_(plus),
        minus_(minus) {}

  __device__ std::int64_t passes() const { return 2; }

  __device__ void begin(std::int64_t row, std::int64_t /*slot*/, Row& state) const {
    const Level level = level_of(levels_, row, status_);
    state.signal_scale = static_cast<T>(level.signal_scale);
    state.sigma = static_cast<T>(level.sigma);
  }

  __device__ void quad(std::int64_t pass, std::int64_t row, std::int64_t column, int count,
                       Row& state, double* sums) const {
    T v[4];
    direction_.quad(row, column, count, v);
    if (pass == 0) {
      keep(count, v);
      sums[0] += dot_quad(v, v);
      return;
    }
    T centre[4];
    load_quad(x_, row, column, count, centre);
    if (perturbs_) {
      T z[4];
      noise_.quad(row, column, count, z);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        centre[j] = fma(state.sigma, z[j], state.signal_scale * centre[j]);
      }
    }
    T minus[4];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      minus[j] = fma(-state.along, v[j], centre[j]);
      centre[j] = fma(state.along, v[j], centre[j]);
    }
    store_quad(plus_, row, column, count, centre);
    store_quad(minus_, row, column, count, minus);
  }

  __device__ void swept(std::int64_t pass, bool /*leader*/, const double* sums, Row& state) const {
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
};

// out = first - second, or first alone.
template <class T>
class SubtractOperation : public Points {
 public:
  static constexpr int kSums = 0;
  struct Row {};

  SubtractOperation(const Matrix<const T>& first, const Matrix<const T>& second,
                    const Matrix<T>& out)
      : first_(first), second_(second), out_(out) {}

  __device__ std::int64_t passes() const { return 1; }
  __device__ void begin(std::int64_t /*row*/, std::int64_t /*slot*/, Row& /*state*/) const {}

  __device__ void quad(std::int64_t /*pass*/, std::int64_t row, std::int64_t column, int count,
                       Row& /*state*/, double* /*sums*/) const {
    T first[4];
    load_quad(first_, row, column, count, first);
    if (second_.data != nullptr) {
      T second[4];
      load_quad(second_, row, column, count, second);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        first[j] -= second[j];
      }
    }
    store_quad(out_, row, column, count, first);
  }

  __device__ void swept(std::int64_t /*pass*/, bool /*leader*/, const double* /*sums*/,
                        Row& /*state*/) const {}

 private:
  QuadMatrix<const T> first_;
  QuadMatrix<const T> second_;
  QuadMatrix<T> out_;
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
