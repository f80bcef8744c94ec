// Moments by boxes, for d <= 6 with a tolerance: two kernels, a warp a query.
//
//   choice   down the tree to the leaf of the largest bound, and to the one where the query lies on
//            the curve; the sum of the better says what the whole sum is at least, hence the cut;
//            down the tree for the number of leaves that may count
//   sums     sum p, sum p^2, sum p r^2, sum p (y - center) over the data of these leaves
//
// Shapes: BoxView; x and center [m, pitch]; a lane has one of the 32 boxes of a group, and two of
// the 64 data of a leaf. Boxes and data are read in whole lines, 2 d + 1 numbers a box and d a
// datum, and warps side by side have queries side by side, which read the same: from the first or
// second cache. A pair costs the operations of the small kernel. Where to go next in the tree is
// the same for all lanes: lane l keeps what is left to do of level l.
//
// Sums of a lane's 16 data are of type C, and go into compensated doubles; lanes are added up last,
// always in the same order. So a query's results depend on nothing but itself.
//
// README.md beside this file proves what is left out.
#pragma once

#include "common/cuda_check.cuh"
#include "kde/kde_boxes_launch_cuda.h"
#include "kde/kde_detection.h"
#include "kde/kde_hilbert_cuda.cuh"
#include "kde/kde_launch_cuda.h"
#include "kde/kde_merge_cuda.cuh"

namespace scf::kde {

struct BoxPolicy {
  static constexpr int kThreads = MergePolicy::kThreads;  // whose slots these are
  static constexpr int kRun = 8;  // leaves that are summed before sums go to doubles
};

// Blocks a multiprocessor, at least: as many as leave registers for all that a warp holds.
template <class C, int D>
struct BoxBlocks {
  static constexpr bool kSingle = sizeof(C) == sizeof(float);
  static constexpr int kChoice = kSingle ? (D < 6 ? 8 : 6) : 5;
  static constexpr int kSums = kSingle ? (D < 6 ? 4 : 3) : (D < 5 ? 3 : 2);
};

// Two numbers side by side.
__device__ __forceinline__ void load_two(const float* from, float (&to)[2]) {
  const float2 both = *reinterpret_cast<const float2*>(from);
  to[0] = both.x;
  to[1] = both.y;
}
__device__ __forceinline__ void load_two(const double* from, double (&to)[2]) {
  const double2 both = *reinterpret_cast<const double2*>(from);
  to[0] = both.x;
  to[1] = both.y;
}
__device__ __forceinline__ void load_two(const float* from, double (&to)[2]) {
  const float2 both = *reinterpret_cast<const float2*>(from);
  to[0] = static_cast<double>(both.x);
  to[1] = static_cast<double>(both.y);
}

// The warp's query, in the stored unit, and what both kernels do with it.
template <class T, class C, int D>
class BoxWarp {
  static constexpr std::int64_t kLeaf = BoxLayout::kLeaf;
  static constexpr int kFan = BoxLayout::kFan;
  static constexpr double kUnit = sizeof(C) == sizeof(float) ? kUnitSingle : kUnitDouble;
  static constexpr double kRounding = 32 * kUnit;

 public:
  // A lane's two data of a leaf.
  struct Pair {
    C y[D][2];
    C square[2];
    C exponent[2];  // above the reference
    C factor[2];
  };

  __device__ __forceinline__ BoxWarp(const BoxArguments<T>& arguments, std::int64_t query)
      : arguments_(arguments),
        boxes_(arguments.boxes),
        state_(arguments.pass.queries.states[query]),
        lane_(static_cast<int>(threadIdx.x) % 32),
        to_stored_(ldexp(1.0, -boxes_.unit_exponent)),
        from_stored_(ldexp(1.0, boxes_.unit_exponent)) {
    const T* const x = arguments.pass.queries.x + query * arguments.pass.data.pitch;
#pragma unroll
    for (int j = 0; j < D; ++j) {
      x_[j] = static_cast<C>(static_cast<double>(x[j]) * to_stored_);
    }
    stored_rate_ = state_.rate * from_stored_ * from_stored_;
    rate_ = static_cast<C>(stored_rate_);
    least_rate_ = static_cast<C>(stored_rate_ * (1 - kRounding));
    scale_ = static_cast<C>(state_.scale);
    moved_ = 2 * fabs(state_.scale - static_cast<double>(scale_));
    slack_ = static_cast<C>(moved_ * (1 + 2 * kRounding));
    hidden_ = state_.skip >= 0 ? boxes_.places[state_.skip] : -1;
    hidden_leaf_ = hidden_ >= 0 ? hidden_ / kLeaf : -1;
  }

  // Lengths and rates within a range where bounds neither over- nor underflow, and all data seen.
  [[nodiscard]] __device__ bool suits() const {
    bool suits = state_.label == kAnyLabel && stored_rate_ > 1e-28 && stored_rate_ < 1e28 &&
                 state_.scale > 1e-6 && state_.scale < 1e6;
#pragma unroll
    for (int j = 0; j < D; ++j) {
      suits = suits && fabs(x_[j]) < C(1e15);
    }
    return suits;
  }

  // Down the tree, always to the box of the largest bound.
  [[nodiscard]] __device__ std::int64_t best_leaf() const {
    std::int64_t node = 0;
    for (int level = boxes_.levels - 1; level >= 0; --level) {
      const C own = bound(level, node);
      const unsigned best = __ballot_sync(~0u, own == warp_largest(own));
      // Where all are at -infinity the first is taken, which exists.
      node = node * kFan + (best != 0 ? __ffs(static_cast<int>(best)) - 1 : 0);
    }
    return node;
  }

  // The leaf about whose place on the curve the query has its own: the box that contains a query
  // may be large and its data far, but those that come next on the curve are near.
  [[nodiscard]] __device__ std::int64_t own_leaf() const {
    const int bits = hilbert_bits(D, BoxLayout::kKeyBits);
    const std::uint64_t own = place(bits);
    std::int64_t first = 0;
    std::int64_t end = boxes_.leaves;
    while (end - first > 1) {
      const std::int64_t step = (end - first + kFan - 1) / kFan;
      const std::int64_t leaf = first + lane_ * step;
      const unsigned before =
          __ballot_sync(~0u, leaf == first || (leaf < end && boxes_.first_keys[leaf] <= own));
      first += (__popc(before) - 1) * step;
      end = min(end, first + step);
    }
    return first;
  }

  // Where boxes are cut: the exponent below which the data left out cannot weigh more than the
  // tolerance allows, of what the sum is at least, from the `mass` of one leaf. README.md.
  [[nodiscard]] __device__ double cut(double reference, double mass) const {
    const double moved = moved_ * sqrt(static_cast<double>(D));
    const double farthest = 61 - reference;  // rate r^2 of data that the mass is made of
    const double margin = kRounding * farthest + 2 * moved * sqrt(stored_rate_ * farthest) +
                          stored_rate_ * moved * moved + 0x1p-9;
    const double least = reference + log2(mass) - margin;
    const double exact =
        least + arguments_.log2_tolerance - log2(static_cast<double>(boxes_.count));
    return exact - kRounding * fabs(exact);
  }

  // Calls each(first leaf, which of the 32 from there on) for all leaves whose data may count, in
  // order of the leaves, until it returns false.
  template <class Each>
  __device__ __forceinline__ void for_each_counting(C cut, Each&& each) const {
    const int top = boxes_.levels - 1;
    int level = top;
    std::int64_t group = 0;
    unsigned bits = counting(level, group, cut);
    std::int64_t kept_group = 0;  // of level `lane`
    unsigned kept_bits = 0;
    for (;;) {
      if (level == 0) {
        if (bits != 0 && !each(group * kFan, bits)) {
          return;
        }
        bits = 0;
      }
      while (bits == 0) {
        if (level == top) {
          return;
        }
        ++level;
        bits = __shfl_sync(~0u, kept_bits, level);
        group = __shfl_sync(~0u, kept_group, level);
      }
      const int child = __ffs(static_cast<int>(bits)) - 1;
      bits &= bits - 1;
      if (lane_ == level) {
        kept_bits = bits;
        kept_group = group;
      }
      group = group * kFan + child;
      --level;
      bits = counting(level, group, cut);
    }
  }

  [[nodiscard]] __device__ __forceinline__ Pair look(std::int64_t leaf, C reference) const {
    Pair pair;
    const T* const from = boxes_.data + leaf * (D * kLeaf) + 2 * lane_;
    pair.square[0] = pair.square[1] = 0;
#pragma unroll
    for (int j = 0; j < D; ++j) {
      load_two(from + j * kLeaf, pair.y[j]);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const C difference = fma(scale_, pair.y[j][i], -x_[j]);
        pair.square[i] = fma(difference, difference, pair.square[i]);
      }
    }
    C weights[2] = {0, 0};
    pair.factor[0] = pair.factor[1] = 1;
    if (boxes_.weight_factors != nullptr) {
      load_two(boxes_.weight_exponents + leaf * kLeaf + 2 * lane_, weights);
      load_two(boxes_.weight_factors + leaf * kLeaf + 2 * lane_, pair.factor);
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      pair.exponent[i] = fma(-rate_, pair.square[i], weights[i] - reference);
    }
    if (leaf == hidden_leaf_ || leaf == boxes_.leaves - 1) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const std::int64_t place = leaf * kLeaf + 2 * lane_ + i;
        if (place == hidden_ || place >= boxes_.count) {
          pair.exponent[i] = minus_infinity<C>();
        }
      }
    }
    return pair;
  }

  // Largest exponent of a leaf, -infinity where nothing is seen.
  [[nodiscard]] __device__ C largest(std::int64_t leaf) const {
    const Pair pair = look(leaf, C(0));
    return warp_largest(max(pair.exponent[0], pair.exponent[1]));
  }

  // Data of a leaf that the query sees.
  [[nodiscard]] __device__ std::int64_t seen_in(std::int64_t leaf) const {
    const std::int64_t in_leaf = min(kLeaf, boxes_.count - leaf * kLeaf);
    return in_leaf - (leaf == hidden_leaf_ ? 1 : 0);
  }

  // An octave of h / a and the place on the curve of x / a, so that neighbours do alike.
  [[nodiscard]] __device__ std::uint64_t key() const {
    const int octave = ilogb(stored_rate_ * state_.scale * state_.scale) / 2;
    const auto octave_key = static_cast<std::uint64_t>(min(max(octave, -63), 63) + 63);
    return octave_key << kBoxPlaceBits | place(hilbert_bits(D, kBoxPlaceBits));
  }

  [[nodiscard]] __device__ const C& x(int j) const {
    return x_[j];
  }
  [[nodiscard]] __device__ double to_stored() const {
    return to_stored_;
  }
  [[nodiscard]] __device__ double from_stored() const {
    return from_stored_;
  }
  [[nodiscard]] __device__ int lane() const {
    return lane_;
  }

 private:
  // Of x / a on the curve.
  [[nodiscard]] __device__ std::uint64_t place(int bits) const {
    std::uint32_t cell[BoxLayout::kMostDimensions] = {};
#pragma unroll
    for (int j = 0; j < D; ++j) {
      cell[j] = hilbert_cell(boxes_, static_cast<double>(x_[j]) / state_.scale, j, bits);
    }
    return hilbert_position(cell, D, bits);
  }

  // An upper bound of the exponents in the lane's box of a group, but for what the cut covers.
  [[nodiscard]] __device__ __forceinline__ C bound(int level, std::int64_t group) const {
    const T* const from =
        boxes_.bounds + (boxes_.first_group[level] + group) * ((2 * D + 1) * kFan) + lane_;
    C square = 0;
#pragma unroll
    for (int j = 0; j < D; ++j) {
      const C lower = static_cast<C>(from[j * kFan]);
      const C upper = static_cast<C>(from[(D + j) * kFan]);
      const C gap = max(fma(scale_, lower, -x_[j]), fma(-scale_, upper, x_[j])) - slack_;
      const C outside = max(gap, C(0));
      square = fma(outside, outside, square);
    }
    return fma(-least_rate_, square, static_cast<C>(from[2 * D * kFan]));
  }
  [[nodiscard]] __device__ __forceinline__ unsigned counting(int level, std::int64_t group,
                                                             C cut) const {
    return __ballot_sync(~0u, bound(level, group) > cut);
  }

  const BoxArguments<T>& arguments_;
  const BoxView<T>& boxes_;
  const QueryState& state_;
  const int lane_;
  const double to_stored_;
  const double from_stored_;
  double stored_rate_;
  double moved_;         // what rounding a to C moves a coordinate of a y by, at most
  std::int64_t hidden_;  // place of the datum that is left out, and its leaf; -1: none
  std::int64_t hidden_leaf_;
  C x_[D];
  C rate_;
  C least_rate_;
  C scale_;
  C slack_;
};

// The flag of a query, and what its sums need.
template <class T, class C, int D>
__device__ QueryFlag choose(const BoxArguments<T>& arguments, const BoxWarp<T, C, D>& warp,
                            BoxQuery& chosen) {
  constexpr bool kSingle = sizeof(C) == sizeof(float);
  // Beyond, single precision does not say how large an exponent is; in double queries are far.
  constexpr double kLeastReference = kSingle ? -4194304.0 : -2 * kFarExponent;
  // In double there is nothing that could do better by boxes.
  constexpr QueryFlag kUnclear = kSingle ? kRefine : kDeclined;
  if (!warp.suits()) {
    return kDeclined;
  }
  std::int64_t leaf = warp.best_leaf();
  C largest = warp.largest(leaf);
  const std::int64_t own = warp.own_leaf();
  if (const C other = warp.largest(own); other > largest) {
    largest = other;
    leaf = own;
  }
  if (largest == minus_infinity<C>() && warp.seen_in(leaf) == 0) {
    return kDeclined;
  }
  if (!(static_cast<double>(largest) > kLeastReference)) {
    return kUnclear;
  }
  const C reference = round_of(largest);
  const auto again = warp.look(leaf, reference);
  const double mass = warp_sum(static_cast<double>(again.factor[0] * exp2_of(again.exponent[0])) +
                               static_cast<double>(again.factor[1] * exp2_of(again.exponent[1])));
  if (!(mass > 0.25 && mass < 1e30)) {
    return kUnclear;
  }
  chosen.reference = static_cast<double>(reference);
  chosen.cut = warp.cut(chosen.reference, mass);
  const auto most = static_cast<std::int64_t>(BoxLayout::kMostSummed *
                                              static_cast<double>(arguments.boxes.count)) /
                    BoxLayout::kLeaf;
  std::int64_t leaves = 0;
  warp.for_each_counting(static_cast<C>(chosen.cut), [&](std::int64_t, unsigned bits) {
    leaves += __popc(bits);
    return leaves <= most;
  });
  return leaves <= most ? kChosen : kDeclined;
}

template <class T, class C, int D>
__global__ void __launch_bounds__(BoxPolicy::kThreads, BoxBlocks<C, D>::kChoice)
    kde_boxes_choice_kernel(const __grid_constant__ BoxArguments<T> arguments) {
  Slot slot;
  if (!find_slot(arguments.pass.queries, slot)) {
    return;
  }
  const BoxWarp<T, C, D> warp(arguments, slot.query);
  BoxQuery chosen = {};
  const QueryFlag flag = choose(arguments, warp, chosen);
  if (warp.lane() != 0) {
    return;
  }
  arguments.flags[slot.query] = flag;
  arguments.queries[slot.query] = chosen;
  if (flag != kChosen) {
    arguments.evaluated[slot.query] = -1;
  }
  if (arguments.keys != nullptr) {
    arguments.keys[slot.query] = flag == kChosen ? warp.key() : kDeclinedKey;
    arguments.values[slot.query] = slot.query;
  }
}

// A double and what its rounding lost.
struct CompensatedSum {
  double sum = 0;
  double lost = 0;

  __device__ __forceinline__ void add(double value) {
    const double next = sum + value;
    const double taken = next - sum;
    lost += (sum - (next - taken)) + (value - taken);
    sum = next;
  }
  // By a power of two.
  __device__ __forceinline__ void scale(double factor) {
    sum *= factor;
    lost *= factor;
  }
};

// The sums of a warp's query.
template <class T, class C, int D>
class BoxSums {
  using Warp = BoxWarp<T, C, D>;

 public:
  __device__ __forceinline__ BoxSums(const BoxArguments<T>& arguments, const Warp& warp,
                                     std::int64_t query)
      : warp_(warp), reference_(static_cast<C>(arguments.queries[query].reference)) {
    const T* const center = arguments.pass.queries.center + query * arguments.pass.data.pitch;
#pragma unroll
    for (int j = 0; j < D; ++j) {
      center_[j] = static_cast<C>(static_cast<double>(center[j]) * warp.to_stored());
    }
    clear_run();
  }

  __device__ __forceinline__ void add_leaf(std::int64_t leaf) {
    typename Warp::Pair pair = warp_.look(leaf, reference_);
    const C largest = max(pair.exponent[0], pair.exponent[1]);
    if (__any_sync(~0u, largest > C(kReferenceSlack))) {
      raise(warp_largest(largest));
      pair = warp_.look(leaf, reference_);
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const C weight = pair.factor[i] * exp2_of(pair.exponent[i]);
      run_[0] += weight;
      run_[1] = fma(weight, weight, run_[1]);
      run_[2] = fma(weight, pair.square[i], run_[2]);
#pragma unroll
      for (int j = 0; j < D; ++j) {
        run_[3 + j] = fma(weight, pair.y[j][i] - center_[j], run_[3 + j]);
      }
    }
    evaluated_ += warp_.seen_in(leaf);
    if (++in_run_ == BoxPolicy::kRun) {
      flush();
    }
  }

  // Adds up the lanes, and leaves the partial result of a chunk.
  __device__ void store(const Partials& partials, std::int64_t slot) {
    flush();
    double sums[kSums];
    for (int i = 0; i < kSums; ++i) {
      sums[i] = warp_sum(totals_[i].sum + totals_[i].lost);
    }
    if (warp_.lane() != 0) {
      return;
    }
    const double unit = warp_.from_stored();
    partials.scalars[partials.scalar_at(kReference, 0, slot)] = static_cast<double>(reference_);
    partials.scalars[partials.scalar_at(kSum, 0, slot)] = sums[0];
    partials.scalars[partials.scalar_at(kSumSquare, 0, slot)] = sums[1];
    partials.scalars[partials.scalar_at(kSumDistance, 0, slot)] = sums[2] * unit * unit;
    if (partials.vectors != nullptr) {
      double* const to = partials.vectors + partials.vector_at(0, 0, slot);
#pragma unroll
      for (int j = 0; j < D; ++j) {
        to[j] = sums[3 + j] * unit;
      }
      for (std::int64_t j = D; j < partials.pitch; ++j) {
        to[j] = 0;
      }
    }
  }

  [[nodiscard]] __device__ std::int64_t evaluated() const {
    return evaluated_;
  }

 private:
  static constexpr int kSums = 3 + D;  // sum, sum of squares, sum of distances, vector

  __device__ __forceinline__ void clear_run() {
    in_run_ = 0;
#pragma unroll
    for (int i = 0; i < kSums; ++i) {
      run_[i] = 0;
    }
  }

  __device__ __forceinline__ void flush() {
#pragma unroll
    for (int i = 0; i < kSums; ++i) {
      totals_[i].add(static_cast<double>(run_[i]));
    }
    clear_run();
  }

  // A better reference; `largest` is above the one at hand.
  __device__ void raise(C largest) {
    flush();
    const C better = reference_ + round_of(largest);
    const double factor =
        rescaled(1.0, static_cast<double>(reference_), static_cast<double>(better));
#pragma unroll
    for (int i = 0; i < kSums; ++i) {
      totals_[i].scale(i == 1 ? factor * factor : factor);
    }
    reference_ = better;
  }

  const Warp& warp_;
  C reference_;
  C center_[D];
  C run_[kSums];
  CompensatedSum totals_[kSums];
  int in_run_;
  std::int64_t evaluated_ = 0;
};

template <class T, class C, int D>
__global__ void __launch_bounds__(BoxPolicy::kThreads, BoxBlocks<C, D>::kSums)
    kde_boxes_sum_kernel(const __grid_constant__ BoxArguments<T> arguments) {
  Slot slot;
  if (!find_slot(arguments.pass.queries, slot)) {
    return;
  }
  const BoxWarp<T, C, D> warp(arguments, slot.query);
  BoxSums<T, C, D> sums(arguments, warp, slot.query);
  const C cut = static_cast<C>(arguments.queries[slot.query].cut);
  warp.for_each_counting(cut, [&](std::int64_t first, unsigned bits) {
    for (; bits != 0; bits &= bits - 1) {
      sums.add_leaf(first + __ffs(static_cast<int>(bits)) - 1);
    }
    return true;
  });
  sums.store(arguments.pass.partials, slot.slot);
  if (warp.lane() == 0) {
    arguments.evaluated[slot.query] = sums.evaluated();
  }
}

template <class T, class C>
void launch_box_choice(const BoxArguments<T>& arguments, std::int64_t most, void* stream) {
  static_assert(BoxLayout::kMostDimensions == 6, "a kernel a dimension");
  void (*const kernels[])(BoxArguments<T>) = {
      kde_boxes_choice_kernel<T, C, 1>, kde_boxes_choice_kernel<T, C, 2>,
      kde_boxes_choice_kernel<T, C, 3>, kde_boxes_choice_kernel<T, C, 4>,
      kde_boxes_choice_kernel<T, C, 5>, kde_boxes_choice_kernel<T, C, 6>};
  cuda_launch("kde_boxes_choice_kernel", kernels[arguments.pass.data.d - 1], merge_blocks(most),
              BoxPolicy::kThreads, 0, stream, arguments);
}

template <class T, class C>
void launch_box_sums(const BoxArguments<T>& arguments, std::int64_t most, void* stream) {
  void (*const kernels[])(BoxArguments<T>) = {
      kde_boxes_sum_kernel<T, C, 1>, kde_boxes_sum_kernel<T, C, 2>, kde_boxes_sum_kernel<T, C, 3>,
      kde_boxes_sum_kernel<T, C, 4>, kde_boxes_sum_kernel<T, C, 5>, kde_boxes_sum_kernel<T, C, 6>};
  cuda_launch("kde_boxes_sum_kernel", kernels[arguments.pass.data.d - 1], merge_blocks(most),
              BoxPolicy::kThreads, 0, stream, arguments);
}

}  // namespace scf::kde
