// Flows on a CUDA device: ode_backend.h.
//
// What is computed on states is one pass over them: a combination reads x and its slopes once and
// writes once, an error reads x, x' and six slopes. Rows are swept as rows_cuda.cuh says. What is
// moved (results, the batch that is left) takes a warp a row.
//
// One file, in four parts as marked: a backend is one translation unit for nvcc, whose front end
// takes most of the time that it takes.
#include <algorithm>
#include <cmath>

#include "common/cuda_check.cuh"
#include "common/cuda_context.h"
#include "common/rows_cuda.cuh"
#include "ode/ode_backend.h"

namespace scf::ode {
namespace {

struct MovePolicy {
  static constexpr int kThreads = 256;
  static constexpr int kWarps = kThreads / 32;
  static constexpr int kBlocksPerMultiprocessor = 8;
  static constexpr int kResidentBlocks = 2;  // said aloud: the assembler spills to reach more
};

// ---- Sample by sample ---------------------------------------------------------------------------

template <class Rule>
__global__ void __launch_bounds__(MovePolicy::kThreads)
    samples_kernel(const Rule rule, std::int64_t count) {
  const std::int64_t stride = std::int64_t{gridDim.x} * MovePolicy::kThreads;
  for (std::int64_t i = std::int64_t{blockIdx.x} * MovePolicy::kThreads + threadIdx.x; i < count;
       i += stride) {
    rule(i);
  }
}

template <class Number>
struct PickRule {
  const Number* column;
  const std::int64_t* from;
  Number* to;

  __device__ void operator()(std::int64_t i) const { to[i] = column[from[i]]; }
};

// ---- Row by row ---------------------------------------------------------------------------------

// Up to kCount matrices that are swept together, rows d apart.
template <class T, int kCount>
struct Bundle {
  QuadMatrix<const T> matrices[kCount];
  bool aligned = true;

  void set(int i, const Matrix<const T>& matrix) {
    matrices[i] = QuadMatrix<const T>(matrix);
    aligned = aligned && matrices[i].aligned;
  }
  void set(int i, const T* data, std::int64_t d) { set(i, {data, d}); }
  struct Place {
    const T* at[kCount];
  };
  __device__ void seek(std::int64_t row, std::int64_t column, Place& place) const {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      place.at[i] = matrices[i].at(row, column);
    }
  }
  static __device__ void advance(std::int64_t columns, Place& place) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      place.at[i] += columns;
    }
  }
};

// to = x + h sum_j weights_j slopes_j.
template <class T, int kSlopes>
class CombineOperation : public RowOperationCuda {
 public:
  using Number = T;
  struct Own {
    double h;
  };
  struct Row {
    T weights[kSlopes];
    typename Bundle<T, kSlopes + 1>::Place place;
    T* to;
  };

  CombineOperation(const Stages<T>& of, const StepLengths& h, std::int64_t d, T* to)
      : h_(h), has_x_(of.x != nullptr), to_(Matrix<T>{to, d}) {
    inputs_.set(0, has_x_ ? of.x : of.slopes[0], d);
    for (int j = 0; j < kSlopes; ++j) {
      inputs_.set(1 + j, of.slopes[j], d);
      weights_[j] = of.weights[j];
    }
    vectors_ = inputs_.aligned && to_.aligned;
  }

  __device__ bool vectors() const { return vectors_; }
  __device__ void start() {}
  __device__ void begin(std::int64_t row, Own& own) const {
    own.h = h_.each == nullptr ? h_.all : h_.each[row];
  }
  __device__ void open(const Own& own, std::int64_t /*slot*/, const Hand& hand, Row& state) const {
    const double h = hand(own.h);
#pragma unroll
    for (int j = 0; j < kSlopes; ++j) {
      state.weights[j] = static_cast<T>(h * weights_[j]);
    }
  }
  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    inputs_.seek(row, column, state.place);
    state.to = to_.at(row, column);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    inputs_.advance(columns, state.place);
    state.to += columns;
  }
  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, const T* /*z*/, Row& state,
                       double* /*sums*/) const {
    T in[4];
    T sum[4];
    load_quad<kVector>(state.place.at[1], count, in);
#pragma unroll
    for (int l = 0; l < 4; ++l) {
      sum[l] = state.weights[0] * in[l];
    }
#pragma unroll
    for (int j = 1; j < kSlopes; ++j) {
      load_quad<kVector>(state.place.at[1 + j], count, in);
#pragma unroll
      for (int l = 0; l < 4; ++l) {
        sum[l] = fma(state.weights[j], in[l], sum[l]);
      }
    }
    if (has_x_) {
      load_quad<kVector>(state.place.at[0], count, in);
#pragma unroll
      for (int l = 0; l < 4; ++l) {
        sum[l] = in[l] + sum[l];
      }
    }
    store_quad<kVector>(state.to, count, sum);
  }

 private:
  StepLengths h_;
  bool has_x_;
  Bundle<T, kSlopes + 1> inputs_;
  double weights_[kSlopes];
  QuadMatrix<T> to_;
  bool vectors_;
};

// value = factor (of_x x + of_value value).
template <class T>
class MixOperation : public RowOperationCuda {
 public:
  using Number = T;
  struct Own {
    T of_x;
    T of_value;
  };
  struct Row {
    Own of;
    const T* x;
    T* value;
  };

  MixOperation(const RowMixture& of, const Matrix<const T>& x, const Matrix<T>& value)
      : of_(of),
        // An x that has no part in it is not looked at.
        x_(of.of_x == nullptr ? Matrix<const T>{value.data, value.ld} : x),
        value_(value),
        vectors_(all_aligned(x_, value_)) {}

  __device__ bool vectors() const { return vectors_; }
  __device__ void start() {}
  __device__ void begin(std::int64_t row, Own& own) const {
    own = {static_cast<T>(of_.of_x == nullptr ? 0.0 : of_.factor * of_.of_x[row]),
           static_cast<T>(of_.factor * (of_.of_value == nullptr ? 1.0 : of_.of_value[row]))};
  }
  __device__ void open(const Own& own, std::int64_t /*slot*/, const Hand& hand, Row& state) const {
    state.of = {hand(own.of_x), hand(own.of_value)};
  }
  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    state.x = x_.at(row, column);
    state.value = value_.at(row, column);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    state.x += columns;
    state.value += columns;
  }
  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, const T* /*z*/, Row& state,
                       double* /*sums*/) const {
    T x[4];
    T value[4];
    load_quad<kVector>(state.x, count, x);
    load_quad<kVector>(static_cast<const T*>(state.value), count, value);
#pragma unroll
    for (int l = 0; l < 4; ++l) {
      value[l] = fma(state.of.of_x, x[l], state.of.of_value * value[l]);
    }
    store_quad<kVector>(state.value, count, value);
  }

 private:
  RowMixture of_;
  QuadMatrix<const T> x_;
  QuadMatrix<T> value_;
  bool vectors_;
};

// A scale of 0 is of a number that must be exact: an error of 0 is none.
template <class T>
__device__ __forceinline__ T at_least_tiny(T scale) {
  return fmax(scale, sizeof(T) == 4 ? static_cast<T>(1.17549435e-38)
                                    : static_cast<T>(2.2250738585072014e-308));
}

// Operations whose result is sums over a row.
template <class T, int kInputs>
class SumOperation : public RowOperationCuda {
 public:
  using Number = T;
  __device__ bool vectors() const { return inputs_.aligned; }
  __device__ void start() {}

 protected:
  Bundle<T, kInputs> inputs_;
};

// (e/(absolute + relative max(|x|, |x'|)))^2, e = h sum_i error_weight_i slopes_i.
template <class T>
class ErrorOperation : public SumOperation<T, 2 + kWeighted> {
 public:
  static constexpr int kSums = 1;
  static constexpr int kResults = 1;
  struct Own {
    double h;
  };
  struct Row {
    T weights[kWeighted];
    typename Bundle<T, 2 + kWeighted>::Place place;
  };

  ErrorOperation(const T* x, const T* next, const T* const* slopes, const double* h,
                 const Tolerance& tolerance, std::int64_t d, double* sums)
      : h_(h),
        absolute_(static_cast<T>(tolerance.absolute)),
        relative_(static_cast<T>(tolerance.relative)),
        sums_(sums) {
    this->inputs_.set(0, x, d);
    this->inputs_.set(1, next, d);
    for (int j = 0; j < kWeighted; ++j) {
      this->inputs_.set(2 + j, slopes[j], d);
    }
  }

  __device__ void begin(std::int64_t row, Own& own) const { own.h = h_[row]; }
  __device__ void open(const Own& own, std::int64_t /*slot*/, const Hand& hand, Row& state) const {
    const double h = hand(own.h);
#pragma unroll
    for (int j = 0; j < kWeighted; ++j) {
      state.weights[j] = static_cast<T>(h * error_weight(j));
    }
  }
  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    this->inputs_.seek(row, column, state.place);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    this->inputs_.advance(columns, state.place);
  }
  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, const T* /*z*/, Row& state,
                       double* sums) const {
    T in[4];
    T off[4];
    load_quad<kVector>(state.place.at[2], count, in);
#pragma unroll
    for (int l = 0; l < 4; ++l) {
      off[l] = state.weights[0] * in[l];
    }
#pragma unroll
    for (int j = 1; j < kWeighted; ++j) {
      load_quad<kVector>(state.place.at[2 + j], count, in);
#pragma unroll
      for (int l = 0; l < 4; ++l) {
        off[l] = fma(state.weights[j], in[l], off[l]);
      }
    }
    T next[4];
    load_quad<kVector>(state.place.at[0], count, in);
    load_quad<kVector>(state.place.at[1], count, next);
#pragma unroll
    for (int l = 0; l < 4; ++l) {
      const T scale = at_least_tiny(fma(relative_, fmax(fabs(in[l]), fabs(next[l])), absolute_));
      // A state that is not finite is no state, whatever the scale.
      off[l] = off[l] / scale + (next[l] - next[l]);
    }
    keep<kVector>(count, off);
    sums[0] += dot_quad(off, off);
  }
  __device__ double end(std::int64_t row, const Own& /*own*/, const double* results) const {
    sums_[row] = results[0];
    return 0;
  }

 private:
  const double* h_;
  T absolute_;
  T relative_;
  double* sums_;
};

// (x/scale)^2 and ((p - q)/scale)^2, scale = absolute + relative |x|.
template <class T>
class NormsOperation : public SumOperation<T, 3> {
 public:
  static constexpr int kSums = 2;
  static constexpr int kResults = 2;
  struct Own {};
  struct Row {
    typename Bundle<T, 3>::Place place;
  };

  NormsOperation(const Matrix<const T>& x, const Matrix<const T>& p, const Matrix<const T>& q,
                 const Tolerance& tolerance, double* of_x, double* of_p)
      : absolute_(static_cast<T>(tolerance.absolute)),
        relative_(static_cast<T>(tolerance.relative)),
        has_q_(q.data != nullptr),
        of_x_(of_x),
        of_p_(of_p) {
    this->inputs_.set(0, x);
    this->inputs_.set(1, p);
    this->inputs_.set(2, has_q_ ? q : p);
  }

  __device__ void begin(std::int64_t /*row*/, Own& /*own*/) const {}
  __device__ void open(const Own& /*own*/, std::int64_t /*slot*/, const Hand& /*hand*/,
                       Row& /*state*/) const {}
  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    this->inputs_.seek(row, column, state.place);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    this->inputs_.advance(columns, state.place);
  }
  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, const T* /*z*/, Row& state,
                       double* sums) const {
    T x[4];
    T p[4];
    T q[4] = {};
    load_quad<kVector>(state.place.at[0], count, x);
    load_quad<kVector>(state.place.at[1], count, p);
    if (has_q_) {
      load_quad<kVector>(state.place.at[2], count, q);
    }
#pragma unroll
    for (int l = 0; l < 4; ++l) {
      const T scale = at_least_tiny(fma(relative_, fabs(x[l]), absolute_));
      p[l] = (p[l] - q[l]) / scale;
      x[l] = x[l] / scale;
    }
    keep<kVector>(count, p);
    keep<kVector>(count, x);
    sums[0] += dot_quad(x, x);
    sums[1] += dot_quad(p, p);
  }
  __device__ double end(std::int64_t row, const Own& /*own*/, const double* results) const {
    if (of_x_ != nullptr) {
      of_x_[row] = results[0];
    }
    of_p_[row] = results[1];
    return 0;
  }

 private:
  T absolute_;
  T relative_;
  bool has_q_;
  double* of_x_;
  double* of_p_;
};

// share v.p
template <class T>
class DotOperation : public SumOperation<T, 2> {
 public:
  static constexpr int kSums = 1;
  static constexpr int kResults = 1;
  struct Own {};
  struct Row {
    typename Bundle<T, 2>::Place place;
  };

  DotOperation(const T* v, const T* p, double share, bool adds, std::int64_t d, double* sums)
      : share_(share), adds_(adds), sums_(sums) {
    this->inputs_.set(0, v, d);
    this->inputs_.set(1, p, d);
  }

  __device__ void begin(std::int64_t /*row*/, Own& /*own*/) const {}
  __device__ void open(const Own& /*own*/, std::int64_t /*slot*/, const Hand& /*hand*/,
                       Row& /*state*/) const {}
  __device__ void seek(std::int64_t /*pass*/, std::int64_t row, std::int64_t column,
                       Row& state) const {
    this->inputs_.seek(row, column, state.place);
  }
  __device__ void advance(std::int64_t columns, Row& state) const {
    this->inputs_.advance(columns, state.place);
  }
  template <bool kVector>
  __device__ void quad(std::int64_t /*pass*/, int count, const T* /*z*/, Row& state,
                       double* sums) const {
    T v[4];
    T p[4];
    load_quad<kVector>(state.place.at[0], count, v);
    load_quad<kVector>(state.place.at[1], count, p);
    sums[0] += dot_quad(v, p);
  }
  __device__ double end(std::int64_t row, const Own& /*own*/, const double* results) const {
    sums_[row] = (adds_ ? sums_[row] : 0) + share_ * results[0];
    return 0;
  }

 private:
  double share_;
  bool adds_;
  double* sums_;
};

// ---- What is moved: a warp a row ----------------------------------------------------------------

// Calls body(row) for the rows of a warp.
template <class Body>
__device__ void for_rows(std::int64_t count, const Body& body) {
  const std::int64_t warps = std::int64_t{gridDim.x} * MovePolicy::kWarps;
  for (std::int64_t i = std::int64_t{blockIdx.x} * MovePolicy::kWarps + threadIdx.x / 32; i < count;
       i += warps) {
    body(i);
  }
}

template <class T>
__device__ void copy_row(const T* from, T* to, std::int64_t d) {
  for (std::int64_t j = threadIdx.x % 32; j < d; j += 32) {
    to[j] = from[j];
  }
}
template <class T>
__device__ void fill_row(T value, T* to, std::int64_t d) {
  for (std::int64_t j = threadIdx.x % 32; j < d; j += 32) {
    to[j] = value;
  }
}

template <class T>
__global__ void __launch_bounds__(MovePolicy::kThreads)
    gather_rows_kernel(const T* matrix, const std::int64_t* from, std::int64_t count,
                       std::int64_t d, T* to) {
  for_rows(count, [&](std::int64_t i) { copy_row(matrix + from[i] * d, to + i * d, d); });
}

template <class T>
__global__ void __launch_bounds__(MovePolicy::kThreads)
    put_rows_kernel(const T* matrix, const std::int64_t* index, std::int64_t count, std::int64_t d,
                    T* to) {
  for_rows(count, [&](std::int64_t i) { copy_row(matrix + i * d, to + index[i] * d, d); });
}

template <class T>
__global__ void __launch_bounds__(MovePolicy::kThreads)
    add_rows_kernel(const double* weights, const T* from, const std::int64_t* index,
                    std::int64_t count, std::int64_t d, T* to) {
  for_rows(count, [&](std::int64_t i) {
    const T weight = static_cast<T>(weights[i]);
    for (std::int64_t j = threadIdx.x % 32; weight != T(0) && j < d; j += 32) {
      to[i * d + j] += weight * from[index[i] * d + j];
    }
  });
}

template <class T>
__global__ void __launch_bounds__(MovePolicy::kThreads)
    round_rows_kernel(const double* from, std::int64_t count, std::int64_t d, const Matrix<T> to) {
  for_rows(count, [&](std::int64_t i) {
    for (std::int64_t j = threadIdx.x % 32; j < d; j += 32) {
      to.row(i)[j] = static_cast<T>(from[i * d + j]);
    }
  });
}

template <class T>
__global__ void __launch_bounds__(MovePolicy::kThreads)
    spoil_rows_kernel(const std::uint32_t* statuses, std::int64_t count, std::int64_t d,
                      const Matrix<T> rows) {
  for_rows(count, [&](std::int64_t i) {
    if (statuses[i] != 0) {
      fill_row(static_cast<T>(NAN), rows.row(i), d);
    }
  });
}

template <class T>
__global__ void __launch_bounds__(MovePolicy::kThreads)
    replace_rows_kernel(const double* weights, const Matrix<const T> from, std::int64_t count,
                        std::int64_t d, const Matrix<T> rows) {
  for_rows(count, [&](std::int64_t i) {
    if (weights[i] != 0) {
      return;
    }
    if (from.data == nullptr) {
      fill_row(T(0), rows.row(i), d);
    } else {
      copy_row(from.row(i), rows.row(i), d);
    }
  });
}

template <class T>
__device__ void place(const ResultPlaces<T>& places, std::int64_t to, std::int64_t time,
                      std::int64_t n_times, const T* x, double log_density, std::int64_t d) {
  const bool leads = threadIdx.x % 32 == 0;
  if (places.states != nullptr) {
    copy_row(x, places.states + (time * places.m + to) * d, d);
  }
  if (places.log_densities != nullptr && leads) {
    places.log_densities[time * places.m + to] = log_density;
  }
  if (time == n_times - 1) {
    copy_row(x, places.x.row(to), d);
    if (places.log_density != nullptr && leads) {
      places.log_density[to] = log_density;
    }
  }
}

// All times from `time` on are NaN.
template <class T>
__device__ void fail(const ResultPlaces<T>& places, std::int64_t to, std::int64_t time,
                     std::int64_t n_times, std::int64_t d) {
  const bool leads = threadIdx.x % 32 == 0;
  const T nothing = static_cast<T>(NAN);
  for (; time < n_times; ++time) {
    if (places.states != nullptr) {
      fill_row(nothing, places.states + (time * places.m + to) * d, d);
    }
    if (places.log_densities != nullptr && leads) {
      places.log_densities[time * places.m + to] = NAN;
    }
  }
  fill_row(nothing, places.x.row(to), d);
  if (places.log_density != nullptr && leads) {
    places.log_density[to] = NAN;
  }
}

template <class T>
__device__ void tell(const Samples& samples, std::int64_t i, std::uint32_t status,
                     const ResultPlaces<T>& places) {
  if (threadIdx.x % 32 != 0) {
    return;
  }
  const std::int64_t to = samples.index[i];
  places.failures[to] = status;
  if (places.statuses != nullptr) {
    places.statuses[to] = status;
  }
  if (places.steps_taken != nullptr) {
    places.steps_taken[to] = samples.steps_taken[i];
  }
  if (places.steps_refused != nullptr) {
    places.steps_refused[to] = samples.steps_refused[i];
  }
}

// The state of row i at a time within its step.
template <class T>
__device__ void interpolate(const StepResults<T>& step, std::int64_t i, std::int64_t time,
                            std::int64_t d, const ResultPlaces<T>& places) {
  const double h = step.samples.h[i];
  const double theta = (step.course.times[time] - step.samples.t[i]) / h;
  T weights[kWeighted];
  double log_density = step.samples.log_density[i];
#pragma unroll
  for (int j = 0; j < kWeighted; ++j) {
    const double weight = dense_weight(j, theta);
    weights[j] = static_cast<T>(h * weight);
    if (step.divergences != nullptr) {
      log_density -= h * weight * step.divergences[weighted_stage(j) * step.stride + i];
    }
  }
  const std::int64_t to = step.samples.index[i];
  if (places.states != nullptr) {
    T* const row = places.states + (time * places.m + to) * d;
    for (std::int64_t j = threadIdx.x % 32; j < d; j += 32) {
      T sum = weights[0] * step.slopes[0][i * d + j];
#pragma unroll
      for (int s = 1; s < kWeighted; ++s) {
        sum = fma(weights[s], step.slopes[s][i * d + j], sum);
      }
      row[j] = step.x[i * d + j] + sum;
    }
  }
  if (places.log_densities != nullptr && threadIdx.x % 32 == 0) {
    places.log_densities[time * places.m + to] = log_density;
  }
}

template <class T>
__global__ void __launch_bounds__(MovePolicy::kThreads, MovePolicy::kResidentBlocks)
    finish_step_kernel(const StepResults<T> step, std::int64_t count, std::int64_t d,
                       const ResultPlaces<T> places) {
  const Samples& samples = step.samples;
  const Course& course = step.course;
  for_rows(count, [&](std::int64_t i) {
    const std::uint32_t phase = samples.phase[i];
    if ((phase & kAccepted) == 0) {
      copy_row(step.x + i * d, step.next_x + i * d, d);
      copy_row(step.first_slope + i * d, step.last_slope + i * d, d);
    }
    if ((phase & kGone) != 0) {
      return;
    }
    const std::int64_t to = samples.index[i];
    std::int64_t time = samples.next_time[i];
    if ((phase & kAccepted) != 0) {
      const double end = step.next_t[i];
      const double log_density = step.divergences == nullptr ? 0 : step.next_log_density[i];
      for (; time < course.n_times && (course.times[time] - end) * course.direction <= 0; ++time) {
        if (course.times[time] == end) {
          place(places, to, time, course.n_times, step.next_x + i * d, log_density, d);
        } else {
          interpolate(step, i, time, d, places);
        }
      }
    }
    if ((phase & kDone) != 0) {
      if (samples.status[i] != 0) {
        fail(places, to, time, course.n_times, d);
      }
      tell(samples, i, samples.status[i], places);
    }
  });
}

template <class T>
__global__ void __launch_bounds__(MovePolicy::kThreads, MovePolicy::kResidentBlocks)
    emit_kernel(const Samples samples, const T* x, std::int64_t time, std::int64_t n_times,
                std::int64_t count, std::int64_t d, const ResultPlaces<T> places) {
  for_rows(count, [&](std::int64_t i) {
    bool good = true;
    for (std::int64_t j = threadIdx.x % 32; j < d; j += 32) {
      const T value = x[i * d + j];
      good = good && value - value == T(0);
    }
    std::uint32_t status = samples.status[i];
    const double log_density = samples.log_density[i];
    if (!__all_sync(~0U, good) || !(log_density - log_density == 0)) {
      status |= kNotFinite;
    }
    __syncwarp();
    if (threadIdx.x % 32 == 0) {
      samples.status[i] = status;
    }
    const std::int64_t to = samples.index[i];
    if (status != 0) {
      fail(places, to, time, n_times, d);
    } else {
      place(places, to, time, n_times, x + i * d, samples.log_density[i], d);
    }
    tell(samples, i, status, places);
  });
}

// ---- The backend --------------------------------------------------------------------------------

template <class T>
class CudaBackend final : public OdeBackend<T> {
 public:
  CudaBackend(const CudaContext& context, void* stream)
      : context_(context),
        base_(sampler::sampler_backend_cuda<T>(context, stream)),
        stream_(base_->stream()) {}

  [[nodiscard]] const sampler::SamplerBackend<T>& base() const override { return *base_; }

  void run(const StageRule<T>& rule, std::int64_t count) const override { each(rule, count); }
  void run(const FirstStepRule& rule, std::int64_t count) const override { each(rule, count); }
  void run(const GivenStepRule& rule, std::int64_t count) const override { each(rule, count); }
  void run(const DecideRule& rule, std::int64_t count) const override { each(rule, count); }
  void run(const GridStepRule& rule, std::int64_t count) const override { each(rule, count); }
  void run(const FlowDivergenceRule& rule, std::int64_t count) const override { each(rule, count); }
  void run(const StageWeightRule& rule, std::int64_t count) const override { each(rule, count); }
  void run(const LogBandwidthRule<T>& rule, std::int64_t count) const override {
    each(rule, count);
  }

  [[nodiscard]] std::size_t gradient_workspace(const sampler::KdeModel<T>& model,
                                               const kde::Queries<T>& queries,
                                               const kde::Gradients<T>& gradients) const override {
    return kde::kde_gradient_workspace_cuda(context_, *model.cuda, queries, gradients);
  }
  void gradient(const sampler::KdeModel<T>& model, const kde::Queries<T>& queries,
                const kde::Gradients<T>& gradients, void* workspace) const override {
    kde::kde_gradient_cuda(context_, *model.cuda, queries, gradients, workspace, stream_);
  }

  void combine(const Stages<T>& of, const StepLengths& h, std::int64_t count, std::int64_t d,
               T* to) const override {
    switch (of.count) {
      case 1:
        return sweep("combine_kernel", count, d, CombineOperation<T, 1>(of, h, d, to));
      case 2:
        return sweep("combine_kernel", count, d, CombineOperation<T, 2>(of, h, d, to));
      case 3:
        return sweep("combine_kernel", count, d, CombineOperation<T, 3>(of, h, d, to));
      case 4:
        return sweep("combine_kernel", count, d, CombineOperation<T, 4>(of, h, d, to));
      case 5:
        return sweep("combine_kernel", count, d, CombineOperation<T, 5>(of, h, d, to));
      default:
        return sweep("combine_kernel", count, d, CombineOperation<T, 6>(of, h, d, to));
    }
  }
  void mix_rows(const RowMixture& of, std::int64_t count, std::int64_t d, const Matrix<const T>& x,
                const Matrix<T>& value) const override {
    sweep("mix_kernel", count, d, MixOperation<T>(of, x, value));
  }
  void dot_rows(const T* v, const T* p, double share, bool adds, std::int64_t count, std::int64_t d,
                double* sums) const override {
    sweep("dot_kernel", count, d, DotOperation<T>(v, p, share, adds, d, sums));
  }
  void mix(const T* from, const Mixture& of, std::int64_t count, double* to) const override {
    each(MixRule<T>{from, of, to}, count);
  }
  void mix_numbers(const double* from, const Mixture& of, std::int64_t count,
                   double* to) const override {
    each(MixRule<double>{from, of, to}, count);
  }
  void root_mean(double* sums, std::int64_t count, std::int64_t d) const override {
    each(RootMeanRule{sums, static_cast<double>(d)}, count);
  }
  void errors(const T* x, const T* next, const T* const* slopes, const double* h,
              const Tolerance& tolerance, std::int64_t count, std::int64_t d,
              double* sums) const override {
    sweep("error_kernel", count, d, ErrorOperation<T>(x, next, slopes, h, tolerance, d, sums));
  }
  void norms(const Matrix<const T>& x, const Matrix<const T>& p, const Matrix<const T>& q,
             const Tolerance& tolerance, std::int64_t count, std::int64_t d, double* of_x,
             double* of_p) const override {
    sweep("norms_kernel", count, d, NormsOperation<T>(x, p, q, tolerance, of_x, of_p));
  }

  void finish_step(const StepResults<T>& step, const AdvanceRule& advance, std::int64_t count,
                   std::int64_t d, const ResultPlaces<T>& places) const override {
    move("finish_step_kernel", finish_step_kernel<T>, count, step, count, d, places);
    each(advance, count);
  }
  void emit(const Samples& samples, const T* x, std::int64_t time, std::int64_t n_times,
            std::int64_t count, std::int64_t d, const ResultPlaces<T>& places) const override {
    move("emit_kernel", emit_kernel<T>, count, samples, x, time, n_times, count, d, places);
  }

  void read_phases(const Samples& samples, std::int64_t count,
                   std::uint32_t* phases) const override {
    base_->read(phases, samples.phase, sizeof(std::uint32_t) * static_cast<std::size_t>(count));
  }

  void gather(const Samples& samples, const std::int64_t* from, std::int64_t count,
              void* scratch) const override {
    pick(samples.index, from, count, scratch);
    pick(samples.t, from, count, scratch);
    pick(samples.h, from, count, scratch);
    pick(samples.log_density, from, count, scratch);
    pick(samples.status, from, count, scratch);
    pick(samples.phase, from, count, scratch);
    pick(samples.next_time, from, count, scratch);
    pick(samples.steps_taken, from, count, scratch);
    pick(samples.steps_refused, from, count, scratch);
  }
  void gather_rows(T* matrix, const std::int64_t* from, std::int64_t count, std::int64_t d,
                   T* scratch) const override {
    move("gather_rows_kernel", gather_rows_kernel<T>, count, static_cast<const T*>(matrix), from,
         count, d, scratch);
    copy(matrix, scratch, sizeof(T) * static_cast<std::size_t>(count * d));
  }
  void gather_numbers(double* column, const std::int64_t* from, std::int64_t count,
                      double* scratch) const override {
    pick(column, from, count, scratch);
  }
  void gather_labels(std::int32_t* labels, const std::int64_t* from, std::int64_t count,
                     std::int32_t* scratch) const override {
    pick(labels, from, count, scratch);
  }
  void copy_labels(const std::int32_t* from, std::int64_t count, std::int32_t* to) const override {
    copy(to, from, sizeof(std::int32_t) * static_cast<std::size_t>(count));
  }
  void pick_rows(const T* from, const std::int64_t* index, std::int64_t count, std::int64_t d,
                 T* to) const override {
    move("gather_rows_kernel", gather_rows_kernel<T>, count, from, index, count, d, to);
  }
  void put_rows(const T* from, const std::int64_t* index, std::int64_t count, std::int64_t d,
                T* to) const override {
    move("put_rows_kernel", put_rows_kernel<T>, count, from, index, count, d, to);
  }
  void add_rows(const double* weights, const T* from, const std::int64_t* index, std::int64_t count,
                std::int64_t d, T* to) const override {
    move("add_rows_kernel", add_rows_kernel<T>, count, weights, from, index, count, d, to);
  }
  void round_rows(const double* from, std::int64_t count, std::int64_t d,
                  const Matrix<T>& to) const override {
    move("round_rows_kernel", round_rows_kernel<T>, count, from, count, d, to);
  }
  void spoil_rows(const std::uint32_t* statuses, std::int64_t count, std::int64_t d,
                  const Matrix<T>& rows) const override {
    move("spoil_rows_kernel", spoil_rows_kernel<T>, count, statuses, count, d, rows);
  }
  void replace_rows(const double* weights, const Matrix<const T>& from, std::int64_t count,
                    std::int64_t d, const Matrix<T>& rows) const override {
    move("replace_rows_kernel", replace_rows_kernel<T>, count, weights, from, count, d, rows);
  }
  void pick_labels(const std::int32_t* from, const std::int64_t* index, std::int64_t count,
                   std::int32_t* to) const override {
    each(PickRule<std::int32_t>{from, index, to}, count);
  }
  void copy_rows(const Matrix<const T>& from, std::int64_t count, std::int64_t d,
                 const Matrix<T>& to) const override {
    base_->copy_rows(from, count, d, to);
  }
  void fill_probes(random::Distribution probe, const random::Stream& words, std::int64_t count,
                   std::int64_t d, T* to) const override {
    random::random_fill_cuda(context_, probe, words, count, d, std::sqrt(static_cast<double>(d)),
                             to, d, stream_);
  }

 private:
  template <class Rule>
  void each(const Rule& rule, std::int64_t count) const {
    cuda_launch("samples_kernel", samples_kernel<Rule>, blocks(count, MovePolicy::kThreads),
                MovePolicy::kThreads, 0, stream_, rule, count);
  }
  template <class Operation>
  void sweep(const char* name, std::int64_t count, std::int64_t d,
             const Operation& operation) const {
    run_rows_cuda(name, RowPlanCuda(context_, count, d), RowBatch<T>{count, d, nullptr, nullptr},
                  operation, nullptr, stream_);
  }
  template <class Kernel, class... Arguments>
  void move(const char* name, Kernel kernel, std::int64_t count,
            const Arguments&... arguments) const {
    cuda_launch(name, kernel, blocks(count, MovePolicy::kWarps), MovePolicy::kThreads, 0, stream_,
                arguments...);
  }
  [[nodiscard]] dim3 blocks(std::int64_t count, std::int64_t of_block) const {
    const std::int64_t most =
        std::int64_t{context_.multiprocessors()} * MovePolicy::kBlocksPerMultiprocessor;
    return dim3(static_cast<unsigned>(std::min((count + of_block - 1) / of_block, most)));
  }
  void copy(void* to, const void* from, std::size_t bytes) const {
    cuda_copy(to, from, bytes, CopyKind::kDeviceToDevice, stream_);
  }
  template <class Number>
  void pick(Number* column, const std::int64_t* from, std::int64_t count, void* scratch) const {
    each(PickRule<Number>{column, from, static_cast<Number*>(scratch)}, count);
    copy(column, scratch, sizeof(Number) * static_cast<std::size_t>(count));
  }

  const CudaContext& context_;
  std::unique_ptr<sampler::SamplerBackend<T>> base_;
  void* stream_;
};

}  // namespace

template <class T>
std::unique_ptr<OdeBackend<T>> ode_backend_cuda(const CudaContext& context, void* stream) {
  return std::make_unique<CudaBackend<T>>(context, stream);
}

template std::unique_ptr<OdeBackend<float>> ode_backend_cuda(const CudaContext&, void*);
template std::unique_ptr<OdeBackend<double>> ode_backend_cuda(const CudaContext&, void*);

}  // namespace scf::ode
