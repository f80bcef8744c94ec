// Evaluates far queries (kde_far_cuda.cuh) again, a block a query, in double: everything, from the
// nearest datum to the outputs. Blocks without one stop at once.
//
//   search   sweeps over the data, each to the datum that is nearest as seen from the one before,
//            until none is nearer; near ties may look nearer from each other, so they are counted
//   first    one sweep: sums of p, p^2, p (r^2 - r_*^2) and p (y - y_*), and the most probable data
//   second   where wanted, one more: second moments about the mean
//
// A thread takes a datum of a tile of kThreads; sums over a tile's data are a thread's own and
// added up in a fixed order; vectors are a column a thread. Shapes: rows [n, pitch]; x, tangent and
// the rows of vectors [m, pitch]. A sweep reads n d elements, from L2 where several blocks run.
#include <cmath>

#include "common/cuda_check.cuh"
#include "kde/kde_far_cuda.cuh"
#include "kde/kde_merge_cuda.cuh"

namespace scf::kde {
namespace {

struct FarPolicy {
  static constexpr int kThreads = 128;
  static constexpr int kWarps = kThreads / 32;
  static constexpr int kQueries = 8;  // that a block looks at, one after the other if they are far
  static constexpr int kBlocks = 4;   // a multiprocessor
  static constexpr int kSweeps = 4;   // of the search
};

constexpr double kHalfLog2Pi = 0.9189385332046727;
constexpr double kRootHalfLog2E = 0.8493218002880191;  // sqrt(log2(e) / 2)
constexpr double kLeast = 2.2250738585072014e-308;
constexpr double kMost = 1.7976931348623157e308;

// Sums of the second sweep, about the mean and in the query's unit; z = r^2 - r_*^2.
enum FarSum {
  kFarSpread,    // p |g|^2, g = a (y - m)
  kFarSpreadZ,   // p |g|^2 z
  kFarTangent,   // p g.v
  kFarTangent2,  // p (g.v)^2
  kFarTangent2Z,
  kFarScore,  // p g.u
  kFarScoreZ,
  kFarSums
};

template <class T>
class FarBlock {
  using P = FarPolicy;

 public:
  struct Shared {
    double weights[P::kThreads];
    double exponents[P::kThreads];
    double partial[P::kWarps];
    std::int64_t partial_index[P::kWarps];
    double top_exponents[kMaxTop];
    std::int64_t top_indices[kMaxTop];
  };

  __device__ FarBlock(const FarArguments<T>& arguments, Shared& shared, std::int64_t query)
      : a_(arguments),
        data_(arguments.data),
        outputs_(arguments.outputs),
        state_(arguments.states[query]),
        shared_(shared),
        query_(query),
        x_(arguments.x + query * arguments.data.pitch),
        offset_(arguments.vectors == nullptr ? nullptr
                                             : arguments.vectors + query * arguments.vector_pitch),
        thread_(static_cast<int>(threadIdx.x)) {}

  __device__ void run() {
    make_frame();
    find_nearest();
    first();
    write_first();
    if (outputs_.top > 0 && thread_ == 0) {
      write_top();
    }
    if (wants_second()) {
      second();
    }
    if (a_.log_bandwidths != nullptr || a_.tangent_means != nullptr) {
      write_gradient();
    }
  }

 private:
  [[nodiscard]] __device__ bool wants_second() const {
    return outputs_.divergence != nullptr || outputs_.jacobian_product != nullptr ||
           outputs_.quadratic_form != nullptr || a_.score_weights != nullptr ||
           a_.divergence_weights != nullptr || a_.quadratic_form_weights != nullptr;
  }

  // ---- Over the block, the same for all threads ----

  __device__ double block_sum(double value) {
    value = warp_sum(value);
    __syncthreads();
    if (thread_ % 32 == 0) {
      shared_.partial[thread_ / 32] = value;
    }
    __syncthreads();
    double sum = 0;
    for (const double partial : shared_.partial) {
      sum += partial;
    }
    return sum;
  }
  __device__ double block_maximum(double value) {
    value = warp_maximum(value);
    __syncthreads();
    if (thread_ % 32 == 0) {
      shared_.partial[thread_ / 32] = value;
    }
    __syncthreads();
    double largest = shared_.partial[0];
    for (const double partial : shared_.partial) {
      largest = max(largest, partial);
    }
    return largest;
  }
  // The least value, and its index; of equal values the least index.
  __device__ double block_minimum(double value, std::int64_t& index) {
    for (int step = 16; step > 0; step /= 2) {
      keep_less(__shfl_xor_sync(~0u, value, step), __shfl_xor_sync(~0u, index, step), value, index);
    }
    __syncthreads();
    if (thread_ % 32 == 0) {
      shared_.partial[thread_ / 32] = value;
      shared_.partial_index[thread_ / 32] = index;
    }
    __syncthreads();
    for (int warp = 0; warp < P::kWarps; ++warp) {
      keep_less(shared_.partial[warp], shared_.partial_index[warp], value, index);
    }
    return value;
  }
  static __device__ void keep_less(double other, std::int64_t other_index, double& value,
                                   std::int64_t& index) {
    if (other < value || (other == value && other_index < index)) {
      value = other;
      index = other_index;
    }
  }

  // ---- The query's unit and its nearest datum ----

  __device__ void make_frame() {
    double largest_x = 0;
    double largest_y = 0;
    for (std::int64_t column = thread_; column < data_.d; column += P::kThreads) {
      largest_x = max(largest_x, fabs(static_cast<double>(x_[column])));
      largest_y = max(largest_y, max(fabs(static_cast<double>(data_.lower[column])),
                                     fabs(static_cast<double>(data_.upper[column]))));
    }
    largest_x = block_maximum(largest_x);
    largest_y = block_maximum(largest_y);
    int exponent = -1000;
    if (largest_x > 0) {
      exponent = max(exponent, ilogb(largest_x) + 1);
    }
    if (largest_y > 0) {
      exponent = max(exponent, ilogb(largest_y) + ilogb(state_.scale) + 2);
    }
    frame_.unit_first = ldexp(1.0, -(exponent / 2));
    frame_.unit_second = ldexp(1.0, -(exponent - exponent / 2));
    frame_.scale = far_x(frame_, state_.scale);
    frame_.bandwidth = min(max(far_x(frame_, state_.bandwidth), kLeast), kMost);
    frame_.root_rate = kRootHalfLog2E / frame_.bandwidth;
  }

  [[nodiscard]] __device__ const T* row(std::int64_t datum) const {
    return data_.rows + datum * data_.pitch;
  }
  [[nodiscard]] __device__ double nearest(std::int64_t column) const {
    return static_cast<double>(row(frame_.nearest)[column]);
  }
  [[nodiscard]] __device__ double lever(std::int64_t column) const {
    return far_lever(frame_, nearest(column), static_cast<double>(x_[column]));
  }

  // log2 of the weight of a datum, -inf where it is not seen.
  [[nodiscard]] __device__ double log2_weight(std::int64_t datum) const {
    if (datum >= data_.n) {
      return minus_infinity<double>();
    }
    const auto seen = visible_of<T, double>(data_, datum, state_.skip, state_.label);
    return seen.exponent > minus_infinity<double>() ? seen.exponent + log2(seen.factor)
                                                    : seen.exponent;
  }

  // A datum as seen from the nearest; exponent is -inf where it is not seen, and finite elsewhere.
  struct Look {
    double square;
    double exponent;
  };
  [[nodiscard]] __device__ Look look(std::int64_t datum) const {
    const double weight = log2_weight(datum);
    if (!(weight > minus_infinity<double>())) {
      return {static_cast<double>(INFINITY), weight};
    }
    const double square = far_square(frame_, row(datum), row(frame_.nearest), x_, data_.d);
    return {square, max(weight - far_exponent(frame_, square), -kMost)};
  }

  __device__ void find_nearest() {
    double ignored = 1;
    std::int64_t index = data_.n;
    for (std::int64_t datum = thread_; datum < data_.n; datum += P::kThreads) {
      if (log2_weight(datum) > minus_infinity<double>()) {
        ignored = 0;
        index = datum;
        break;
      }
    }
    block_minimum(ignored, index);
    frame_.nearest = index;
    bool moved = true;
    for (int sweep = 0; moved; ++sweep) {
      double least = INFINITY;
      double largest = minus_infinity<double>();
      for (std::int64_t datum = thread_; datum < data_.n; datum += P::kThreads) {
        const Look seen = look(datum);
        keep_less(seen.square, datum, least, index);
        largest = max(largest, seen.exponent);
      }
      least = block_minimum(least, index);
      reference_ = ceil(block_maximum(largest));
      moved = least < 0 && sweep < P::kSweeps;
      if (moved) {
        frame_.nearest = index;
      }
    }
  }

  // ---- First sweep ----

  // The weight of a datum, which goes to shared memory too; true where the tile has any but the
  // nearest's.
  __device__ bool weigh(std::int64_t datum, Look& seen, double& weight) {
    __syncthreads();
    seen = look(datum);
    weight = exp2(seen.exponent - reference_);
    shared_.weights[thread_] = weight;
    shared_.exponents[thread_] = seen.exponent;
    return __syncthreads_or(weight > 0 && datum != frame_.nearest) != 0;
  }

  __device__ void first() {
    for (std::int64_t column = thread_; offset_ != nullptr && column < data_.d;
         column += P::kThreads) {
      offset_[column] = 0;
    }
    for (int rank = thread_; rank < kMaxTop; rank += P::kThreads) {
      shared_.top_exponents[rank] = minus_infinity<double>();
      shared_.top_indices[rank] = -1;
    }
    double mass = 0;
    double squares = 0;
    double distance = 0;
    for (std::int64_t tile = 0; tile < data_.n; tile += P::kThreads) {
      Look seen = {};
      double weight = 0;
      const bool any = weigh(tile + thread_, seen, weight);
      if (weight > 0) {
        mass += weight;
        squares = fma(weight, weight, squares);
        distance = fma(weight, seen.square, distance);
      }
      for (std::int64_t column = thread_; any && offset_ != nullptr && column < data_.d;
           column += P::kThreads) {
        const double from = nearest(column);
        double sum = 0;
        for (int at = 0; at < P::kThreads; ++at) {
          if (shared_.weights[at] > 0) {
            sum = fma(shared_.weights[at],
                      far_step(frame_, static_cast<double>(row(tile + at)[column]), from), sum);
          }
        }
        offset_[column] += sum;
      }
      if (outputs_.top > 0 && thread_ < 32) {
        update_top(tile);
      }
    }
    mass_ = block_sum(mass);
    squares_ = block_sum(squares);
    distance_ = block_sum(distance) / mass_;
    for (std::int64_t column = thread_; offset_ != nullptr && column < data_.d;
         column += P::kThreads) {
      offset_[column] /= mass_;
    }
    __syncthreads();
  }

  // By the first warp: data come in rising order and only a larger exponent displaces one, so of
  // equals the lowest index stays.
  __device__ void update_top(std::int64_t tile) {
    for (int group = 0; group < P::kThreads; group += 32) {
      const double exponent = shared_.exponents[group + thread_];
      const double last = shared_.top_exponents[outputs_.top - 1];
      const unsigned mask = __ballot_sync(~0u, exponent > last);
      for (unsigned left = mask; thread_ == 0 && left != 0; left &= left - 1) {
        const int at = group + __ffs(static_cast<int>(left)) - 1;
        insert_top(shared_.exponents[at], tile + at);
      }
      __syncwarp();
    }
  }
  __device__ void insert_top(double exponent, std::int64_t index) {
    int rank = outputs_.top - 1;
    if (!(exponent > shared_.top_exponents[rank])) {
      return;
    }
    for (; rank > 0 && exponent > shared_.top_exponents[rank - 1]; --rank) {
      shared_.top_exponents[rank] = shared_.top_exponents[rank - 1];
      shared_.top_indices[rank] = shared_.top_indices[rank - 1];
    }
    shared_.top_exponents[rank] = exponent;
    shared_.top_indices[rank] = index;
  }

  // Posterior mean minus the nearest datum, in the caller's unit.
  [[nodiscard]] __device__ double shift(std::int64_t column) const {
    return offset_[column] == 0 ? 0.0 : offset_[column] / frame_.scale;
  }

  __device__ void write_first() {
    double exponent = 0;  // r_*^2 / 2h^2
    for (std::int64_t column = thread_; column < data_.pitch; column += P::kThreads) {
      const bool inside = column < data_.d;
      const double away = inside ? lever(column) / 2 / frame_.bandwidth : 0.0;
      exponent = fma(away, away / 2, exponent);
      if (a_.mean != nullptr) {
        a_.mean[query_ * data_.pitch + column] =
            inside ? static_cast<T>(nearest(column) + shift(column)) : T(0);
      }
      if (inside && outputs_.score != nullptr) {
        outputs_.score[query_ * outputs_.ld_score + column] = static_cast<T>(score(column));
      }
      if (inside && outputs_.denoised != nullptr) {
        outputs_.denoised[query_ * outputs_.ld_denoised + column] =
            static_cast<T>(nearest(column) + shift(column));
      }
    }
    nearest_exponent_ = block_sum(exponent);
    if (thread_ != 0) {
      return;
    }
    if (outputs_.log_density != nullptr) {
      outputs_.log_density[query_] = static_cast<T>(
          kLn2 * reference_ + (log(mass_) - state_.log_visible) -
          static_cast<double>(data_.d) * (kHalfLog2Pi + log(state_.bandwidth)) - nearest_exponent_);
    }
    if (outputs_.effective_sample_size != nullptr) {
      outputs_.effective_sample_size[query_] =
          static_cast<T>(min(max(mass_ * mass_ / squares_, 1.0), static_cast<double>(data_.n)));
    }
    if (a_.normaliser != nullptr) {
      a_.normaliser[query_] = reference_ + log2(mass_);
      a_.frames[query_] = frame_;
    }
  }

  // The first quotient has no unit: it is large only where the score is.
  [[nodiscard]] __device__ double score(std::int64_t column) const {
    return (offset_[column] + lever(column) / 2) / frame_.bandwidth / state_.bandwidth;
  }

  __device__ void write_top() const {
    double left = 1;
    for (int rank = 0; rank < outputs_.top; ++rank) {
      const std::int64_t to = query_ * outputs_.top + rank;
      if (outputs_.top_indices != nullptr) {
        outputs_.top_indices[to] = shared_.top_indices[rank];
      }
      if (outputs_.top_weights != nullptr) {
        const double weight = min(exp2(shared_.top_exponents[rank] - reference_) / mass_, left);
        outputs_.top_weights[to] = static_cast<T>(weight);
        left -= weight;
      }
    }
  }

  // ---- Second sweep ----

  [[nodiscard]] __device__ double tangent(std::int64_t column) const {
    return a_.tangent == nullptr ? 0.0
                                 : static_cast<double>(a_.tangent[query_ * data_.pitch + column]);
  }
  [[nodiscard]] __device__ double score_weight(std::int64_t column) const {
    return a_.score_weights == nullptr
               ? 0.0
               : static_cast<double>(a_.score_weights[query_ * a_.ld_score_weights + column]);
  }
  [[nodiscard]] __device__ double centred(std::int64_t datum, std::int64_t column) const {
    return far_step(frame_, static_cast<double>(row(datum)[column]), nearest(column)) -
           offset_[column];
  }

  __device__ void second() {
    double sums[kFarSums] = {};
    double* const product = offset_ + a_.product_at;
    const bool products = outputs_.jacobian_product != nullptr;
    for (std::int64_t column = thread_; products && column < data_.d; column += P::kThreads) {
      product[column] = 0;
    }
    for (std::int64_t tile = 0; tile < data_.n; tile += P::kThreads) {
      Look seen = {};
      double weight = 0;
      const bool any = weigh(tile + thread_, seen, weight);
      double along = 0;
      if (weight > 0) {
        along = add_second(tile + thread_, weight / mass_, seen.square - distance_, sums);
      }
      if (!any || !products) {
        continue;
      }
      __syncthreads();
      shared_.weights[thread_] = weight / mass_ * along;
      __syncthreads();
      for (std::int64_t column = thread_; column < data_.d; column += P::kThreads) {
        double sum = 0;
        for (int at = 0; at < P::kThreads; ++at) {
          if (shared_.weights[at] != 0) {
            sum = fma(shared_.weights[at], centred(tile + at, column), sum);
          }
        }
        product[column] += sum;
      }
    }
    for (int sum = 0; sum < kFarSums; ++sum) {
      sums_[sum] = block_sum(sums[sum]);
    }
    write_second(product);
  }

  // Adds a datum, and returns g.v.
  __device__ double add_second(std::int64_t datum, double weight, double z,
                               double (&sums)[kFarSums]) const {
    double square = 0;
    double along = 0;
    double along_u = 0;
    for (std::int64_t column = 0; column < data_.d; ++column) {
      const double g = centred(datum, column);
      square = fma(g, g, square);
      along = fma(g, tangent(column), along);
      along_u = fma(g, score_weight(column), along_u);
    }
    sums[kFarSpread] = fma(weight, square, sums[kFarSpread]);
    sums[kFarSpreadZ] = fma(weight * square, z, sums[kFarSpreadZ]);
    sums[kFarTangent] = fma(weight, along, sums[kFarTangent]);
    sums[kFarTangent2] = fma(weight * along, along, sums[kFarTangent2]);
    sums[kFarTangent2Z] = fma(weight * along * along, z, sums[kFarTangent2Z]);
    sums[kFarScore] = fma(weight, along_u, sums[kFarScore]);
    sums[kFarScoreZ] = fma(weight * along_u, z, sums[kFarScoreZ]);
    return along;
  }

  // A variance or covariance over h^2.
  [[nodiscard]] __device__ double over_h2(double value) const {
    return value / frame_.bandwidth / frame_.bandwidth;
  }

  __device__ void write_second(const double* product) {
    const double h = state_.bandwidth;
    double square = 0;
    for (std::int64_t column = thread_; column < data_.d; column += P::kThreads) {
      const double v = tangent(column);
      square = fma(v, v, square);
      if (outputs_.jacobian_product != nullptr) {
        outputs_.jacobian_product[query_ * outputs_.ld_jacobian_product + column] =
            static_cast<T>((over_h2(product[column]) - v) / h / h);
      }
    }
    tangent_square_ = block_sum(square);
    if (thread_ != 0) {
      return;
    }
    if (outputs_.quadratic_form != nullptr) {
      outputs_.quadratic_form[query_] =
          static_cast<T>((over_h2(sums_[kFarTangent2]) - tangent_square_) / h / h);
    }
    if (outputs_.divergence != nullptr) {
      outputs_.divergence[query_] =
          static_cast<T>((over_h2(sums_[kFarSpread]) - static_cast<double>(data_.d)) / h / h);
    }
  }

  // ---- Gradients ----

  // A term of the objective; a factor of 0 leaves out what may be infinite.
  [[nodiscard]] static __device__ double term(double factor, double value) {
    return factor == 0 ? 0.0 : factor * value;
  }
  [[nodiscard]] __device__ double factor(const T* factors) const {
    return factors == nullptr ? 0.0 : static_cast<double>(factors[query_]);
  }

  // d/d log h of (a^2/h^4) variance - size/h^2.
  [[nodiscard]] __device__ double second_gradient(double variance, double covariance,
                                                  double size) const {
    const double value = over_h2(over_h2(covariance) - 4 * variance) + 2 * size;
    return value / state_.bandwidth / state_.bandwidth;
  }

  __device__ void write_gradient() {
    double along = 0;  // u . s
    double left = 0;   // u . (m - its rounding to T)
    for (std::int64_t column = thread_; a_.score_weights != nullptr && column < data_.d;
         column += P::kThreads) {
      const double u = score_weight(column);
      along += term(u, score(column));
      const double mean = nearest(column) + shift(column);
      left = fma(u, mean - static_cast<double>(static_cast<T>(mean)), left);
    }
    along = block_sum(along);
    left = block_sum(left);
    if (thread_ != 0) {
      return;
    }
    const double g = factor(a_.log_density_weights);
    const double b = factor(a_.divergence_weights);
    const double c = factor(a_.quadratic_form_weights);
    const auto d = static_cast<double>(data_.d);
    double gradient = term(g, 2 * nearest_exponent_ + over_h2(distance_) - d);
    gradient -= 2 * along;
    gradient += over_h2(sums_[kFarScoreZ]) / frame_.bandwidth / state_.bandwidth;
    gradient += term(b, second_gradient(sums_[kFarSpread], sums_[kFarSpreadZ], d));
    gradient +=
        term(c, second_gradient(sums_[kFarTangent2], sums_[kFarTangent2Z], tangent_square_));
    const bool finite = isfinite(g) && isfinite(b) && isfinite(c) && !isnan(along);
    if (a_.log_bandwidths != nullptr) {
      a_.log_bandwidths[query_] = finite ? static_cast<T>(gradient) : static_cast<T>(NAN);
    }
    if (a_.tangent_means != nullptr) {
      a_.tangent_means[query_] = left;
    }
  }

  const FarArguments<T>& a_;
  const DataView<T>& data_;
  const Outputs<T>& outputs_;
  const QueryState& state_;
  Shared& shared_;
  const std::int64_t query_;
  const T* const x_;
  double* const offset_;  // a times the posterior mean less the nearest datum, [d]
  const int thread_;
  FarFrame frame_ = {};
  double reference_ = 0;
  double mass_ = 0;
  double squares_ = 0;
  double distance_ = 0;  // E (r^2 - r_*^2)
  double nearest_exponent_ = 0;
  double tangent_square_ = 0;
  double sums_[kFarSums] = {};
};

template <class T>
__global__ void __launch_bounds__(FarPolicy::kThreads, FarPolicy::kBlocks)
    kde_far_kernel(const __grid_constant__ FarArguments<T> arguments) {
  __shared__ typename FarBlock<T>::Shared shared;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * FarPolicy::kQueries;
  const std::int64_t end = min(first + FarPolicy::kQueries, arguments.count);
  const std::int64_t own = first + threadIdx.x;
  const bool far = own < end && (arguments.flags[own] & kFar) != 0;
  if (own < end && !far && arguments.frames != nullptr) {
    arguments.frames[own].nearest = -1;
  }
  if (__syncthreads_or(far) == 0) {
    return;
  }
  for (std::int64_t query = first; query < end; ++query) {
    if ((arguments.flags[query] & kFar) != 0) {
      FarBlock<T>(arguments, shared, query).run();
      __syncthreads();
    }
  }
}

}  // namespace

template <class T>
void launch_far(const FarArguments<T>& arguments, void* stream) {
  constexpr int kQueries = FarPolicy::kQueries;
  const auto blocks = static_cast<unsigned>((arguments.count + kQueries - 1) / kQueries);
  cuda_launch("kde_far_kernel", kde_far_kernel<T>, blocks, FarPolicy::kThreads, 0, stream,
              arguments);
}

template void launch_far(const FarArguments<float>&, void*);
template void launch_far(const FarArguments<double>&, void*);

}  // namespace scf::kde
