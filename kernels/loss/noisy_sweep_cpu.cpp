// Sweeps over rows beside the making of their noise; see noisy_sweep_cpu.h.
#include "loss/noisy_sweep_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "loss/noisy_sweep_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include <cmath>
#include <type_traits>
#include <utility>

#include "common/residual-inl.h"
#include "common/row_sweep-inl.h"
#include "common/simd.h"
#include "loss/loss_formulas-inl.h"
#include "random/random-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scf::loss {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace rnd = scf::random::HWY_NAMESPACE;
using scf::HWY_NAMESPACE::AddInDouble;
using scf::HWY_NAMESPACE::ApplyAt;
using scf::HWY_NAMESPACE::CoefficientOfRow;
using scf::HWY_NAMESPACE::kRun;
using scf::HWY_NAMESPACE::Operands;
using scf::HWY_NAMESPACE::OperandsOfRow;
using scf::HWY_NAMESPACE::Residual;
using scf::HWY_NAMESPACE::SetSumsOfRow;
using scf::HWY_NAMESPACE::SumTag;
using T = float;

struct ProbeProductsAndSquare {
  static constexpr int kInputs = 3;
  static constexpr int kCoefficients = 2;
  static constexpr int kOutputs = 2;
  static constexpr int kSums = 2;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* out, V* terms) {
    out[0] = hn::Mul(c[0], in[0]);
    out[1] = hn::Mul(c[1], in[2]);
    terms[0] = hn::Mul(in[0], in[1]);
    terms[1] = hn::Mul(in[2], in[2]);
  }
};

struct Squares {
  static constexpr int kInputs = 1;
  static constexpr int kCoefficients = 0;
  static constexpr int kOutputs = 0;
  static constexpr int kSums = 1;

  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* /*c*/, V* /*out*/, V* terms) {
    terms[0] = hn::Mul(in[0], in[0]);
  }
};

// ---- Kinds -------------------------------------------------------------------------------------
// Noise is input kFirstNoise of the first formula and kSecondNoise of the second, whose coefficient
// kLinked comes from the first one's sums.
constexpr int kNotLinked = -1;

// Without a second.
template <class Formula, int kNoise>
struct Once {
  static constexpr random::Distribution kDistribution = random::Distribution::kNormal;
  using First = Formula;
  using Second = Formula;
  static constexpr bool kSecond = false;
  static constexpr int kFirstNoise = kNoise;
  static constexpr int kSecondNoise = kNoise;
  static constexpr int kLinked = kNotLinked;
  static T Link(const SweepLink& /*link*/, const double* /*sums*/) { return 0; }
};

template <random::Distribution kOf>
struct Probe {
  static constexpr random::Distribution kDistribution = kOf;
  using First = ProbeProducts<true>;
  using Second = Accumulate<false>;
  static constexpr bool kSecond = true;
  static constexpr int kFirstNoise = 0;
  static constexpr int kSecondNoise = 0;
  static constexpr int kLinked = 0;
  static T Link(const SweepLink& link, const double* sums) {
    return static_cast<T>(sums[1] * link.factor);
  }
};

struct ProbeAndSquare : Once<ProbeProductsAndSquare, 0> {
  static constexpr random::Distribution kDistribution = random::Distribution::kRademacher;
};

template <class Formula, int kNoise, int kCoefficient>
struct Direction {
  static constexpr random::Distribution kDistribution = random::Distribution::kNormal;
  using First = Squares;
  using Second = Formula;
  static constexpr bool kSecond = true;
  static constexpr int kFirstNoise = 0;
  static constexpr int kSecondNoise = kNoise;
  static constexpr int kLinked = kCoefficient;
  static T Link(const SweepLink& link, const double* sums) {
    return static_cast<T>(link.length / std::sqrt(sums[0]) * link.factor);
  }
};

// ---- A row, vector by vector -------------------------------------------------------------------

// Its sums are added up in the order of SweepRow: Flush() follows every kRun-th vector.
template <class Formula>
class SteppedRow {
  using D = hn::ScalableTag<T>;
  using D1 = hn::CappedTag<T, 1>;
  using DD = SumTag<T>;

 public:
  HWY_INLINE SteppedRow() { Clear(); }
  // Of row `row` of the sweep, but for `noise` as input kNoise and `linked` as coefficient kLinked.
  template <int kNoise, int kLinked>
  HWY_INLINE void Begin(const RowSweep<T>& sweep, std::int64_t row, const T* noise, T linked) {
    operands_ = OperandsOfRow<Formula>(sweep, row);
    operands_.inputs[kNoise] = noise;
    for (int i = 0; i < Formula::kCoefficients; ++i) {
      coefficients_[i] = i == kLinked ? linked : CoefficientOfRow<Formula>(sweep, i, row);
      c_[i] = hn::Set(D(), coefficients_[i]);
    }
    Clear();
  }

  // The vector at column j.
  HWY_INLINE void Step(std::int64_t j) {
    hn::Vec<D> terms[Formula::kSums + 1];
    ApplyAt<Formula>(D(), operands_, j, c_, terms);
#pragma GCC unroll 4
    for (int i = 0; i < Formula::kSums; ++i) {
      run_[i] = hn::Add(run_[i], terms[i]);
    }
  }
  HWY_INLINE void Flush() {
#pragma GCC unroll 4
    for (int i = 0; i < Formula::kSums; ++i) {
      totals_[i] = AddInDouble(D(), run_[i], totals_[i]);
      run_[i] = hn::Zero(D());
    }
  }

  // The columns from j on; then the row's sums.
  HWY_INLINE void Finish(std::int64_t j, std::int64_t columns, double* sums) {
    const std::int64_t lanes = hn::Lanes(D());
    for (; j + lanes <= columns; j += lanes) {
      Step(j);
      if ((j / lanes + 1) % kRun == 0) {
        Flush();
      }
    }
    Flush();
#pragma GCC unroll 4
    for (int i = 0; i < Formula::kSums; ++i) {
      sums[i] = hn::GetLane(hn::SumOfLanes(DD(), totals_[i]));
    }
    for (; j < columns; ++j) {
      double terms[Formula::kSums + 1];
      StepOne(j, terms);
#pragma GCC unroll 4
      for (int i = 0; i < Formula::kSums; ++i) {
        sums[i] += terms[i];
      }
    }
  }

 private:
  HWY_INLINE void StepOne(std::int64_t j, double* of_terms) const {
    hn::Vec<D1> c[Formula::kCoefficients + 1];
    for (int i = 0; i < Formula::kCoefficients; ++i) {
      c[i] = hn::Set(D1(), coefficients_[i]);
    }
    hn::Vec<D1> terms[Formula::kSums + 1];
    ApplyAt<Formula>(D1(), operands_, j, c, terms);
    for (int i = 0; i < Formula::kSums; ++i) {
      of_terms[i] = static_cast<double>(hn::GetLane(terms[i]));
    }
  }
  HWY_INLINE void Clear() {
    for (int i = 0; i < Formula::kSums; ++i) {
      run_[i] = hn::Zero(D());
      totals_[i] = hn::Zero(DD());
    }
  }

  Operands<Formula, T> operands_ = {};
  T coefficients_[Formula::kCoefficients + 1];
  hn::Vec<D> c_[Formula::kCoefficients + 1];
  hn::Vec<D> run_[Formula::kSums + 1];
  hn::Vec<DD> totals_[Formula::kSums + 1];
};

// ---- The loop ----------------------------------------------------------------------------------

#if HWY_TARGET == HWY_SCALAR
template <class Kind>
void RunRows(const random::Words& words, std::int64_t row, const RowSweep<T>& first,
             const SweepLink& link, const RowSweep<T>& second, T* buffer) {
  const std::int64_t columns = first.columns;
  double sums[RowSweep<T>::kMost];
  for (std::int64_t r = 0; r < first.rows; ++r) {
    random::ScalarTile(Kind::kDistribution, words, row + r, 1, 0, columns, buffer, columns);
    SteppedRow<typename Kind::First> one;
    one.template Begin<Kind::kFirstNoise, kNotLinked>(first, r, buffer, 0);
    one.Finish(0, columns, sums);
    SetSumsOfRow<typename Kind::First>(first, r, sums);
    if constexpr (Kind::kSecond) {
      SteppedRow<typename Kind::Second> two;
      two.template Begin<Kind::kSecondNoise, Kind::kLinked>(second, r, buffer,
                                                            Kind::Link(link, sums));
      two.Finish(0, columns, sums);
      SetSumsOfRow<typename Kind::Second>(second, r, sums);
    }
  }
}
#else
template <random::Distribution kDistribution>
using MapOf = std::conditional_t<kDistribution == random::Distribution::kNormal, rnd::NormalMap<T>,
                                 rnd::RademacherMap<T>>;

// Keys in memory, whence they are broadcast at no cost: not in registers, which hold the state.
struct StoredKeys : rnd::PhiloxKeys {
  explicit StoredKeys(std::uint64_t seed) : PhiloxKeys(seed) {
#ifdef __GNUC__
    asm volatile("" : : "r"(this) : "memory");  // NOLINT(hicpp-no-assembler)
#endif
  }
};

template <class Kind>
void RunRows(const random::Words& words, std::int64_t row, const RowSweep<T>& first,
             const SweepLink& of_link, const RowSweep<T>& second, T* buffer) {
  using First = typename Kind::First;
  using Second = typename Kind::Second;
  const SweepLink link = of_link;
  const std::int64_t lanes = hn::Lanes(rnd::D32());
  const std::int64_t block = 4 * lanes;
  const std::int64_t rows = first.rows;
  const std::int64_t columns = first.columns;
  const std::int64_t whole = columns / block * block;
  const std::int64_t stride = (columns + block - 1) / block * block;
  const StoredKeys keys(words.seed);
  const rnd::LaneOrder<T, 4> order;
  const std::uint64_t first_quad = words.offset / 4;
  const std::uint64_t first_row =
      static_cast<std::uint64_t>(words.first_row) + static_cast<std::uint64_t>(row);
  // Of rows r, r - 1 and r - 2.
  T* made = buffer;
  T* swept = buffer + stride;
  T* finished = buffer + 2 * stride;
  SteppedRow<First> one;
  SteppedRow<Second> two;
  double sums[RowSweep<T>::kMost];
  T linked = 0;
  for (std::int64_t r = 0; r < rows + (Kind::kSecond ? 2 : 1); ++r) {
    const bool makes = r < rows;
    const bool has_one = r >= 1 && r <= rows;
    const bool has_two = Kind::kSecond && r >= 2;
    if (has_one) {
      one.template Begin<Kind::kFirstNoise, kNotLinked>(first, r - 1, swept, 0);
    }
    if (has_two) {
      two.template Begin<Kind::kSecondNoise, Kind::kLinked>(second, r - 2, finished, linked);
    }
    for (std::int64_t j = 0; j < stride; j += block) {
      const bool steps_one = has_one && j < whole;
      const bool steps_two = has_two && j < whole;
      // Vectors of the same columns as the block: of the first sweep, then of the second. Where Box
      // and Muller follow and there is time for both, late.
      const auto work = [&](int round) HWY_ATTR __attribute__((always_inline)) {
        constexpr int kFirst =
            Kind::kSecond || Kind::kDistribution != random::Distribution::kNormal ? 1 : 6;
        if (round >= kFirst && round < kFirst + 4) {
          if (steps_one) {
            one.Step(j + (round - kFirst) * lanes);
          }
        } else if (round >= 5 && round <= 8) {
          if (steps_two) {
            two.Step(j + (round - 5) * lanes);
          }
        }
      };
      if (makes) {
        rnd::BlockAt<MapOf<Kind::kDistribution>>(
            keys, order, first_quad + static_cast<std::uint64_t>(j / 4),
            first_row + static_cast<std::uint64_t>(r), made + j, work);
      } else {
        for (int round = 0; round < 10; ++round) {
          work(round);
        }
      }
      if (j / block % 2 == 1 && j < whole) {  // kRun vectors
        one.Flush();
        if constexpr (Kind::kSecond) {
          two.Flush();
        }
      }
    }
    if (has_two) {
      two.Finish(whole, columns, sums);
      SetSumsOfRow<Second>(second, r - 2, sums);
    }
    if (has_one) {
      one.Finish(whole, columns, sums);
      SetSumsOfRow<First>(first, r - 1, sums);
      linked = Kind::Link(link, sums);
    }
    std::swap(finished, swept);
    std::swap(swept, made);
  }
}
#endif

void RunNoisyF32(const CpuContext& context, NoisySweep kind, const random::Words& words,
                 std::int64_t row, const RowSweep<float>& first, const SweepLink& link,
                 const RowSweep<float>& second, float* buffer) {
  context.note_target_ran(HWY_TARGET);
  switch (kind) {
    case NoisySweep::kSigns:
      return RunRows<Probe<random::Distribution::kRademacher>>(words, row, first, link, second,
                                                               buffer);
    case NoisySweep::kNormals:
      return RunRows<Probe<random::Distribution::kNormal>>(words, row, first, link, second, buffer);
    case NoisySweep::kSignsAndSquare:
      return RunRows<ProbeAndSquare>(words, row, first, link, second, buffer);
    case NoisySweep::kDifference:
      return RunRows<Direction<Differences, 2, 1>>(words, row, first, link, second, buffer);
    case NoisySweep::kSymmetric:
      return RunRows<Direction<Symmetric<false>, 1, 0>>(words, row, first, link, second, buffer);
    case NoisySweep::kPerturb:
      return RunRows<Once<Perturb, 1>>(words, row, first, link, second, buffer);
    case NoisySweep::kResidual:
      return first.inputs[2] != nullptr
                 ? RunRows<Once<Residual<true, true>, 1>>(words, row, first, link, second, buffer)
                 : RunRows<Once<Residual<true, false>, 1>>(words, row, first, link, second, buffer);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::loss
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::loss {

HWY_EXPORT(RunNoisyF32);

void noisy_sweep(const CpuContext& context, NoisySweep kind, const random::Words& words,
                 std::int64_t row, RowSweep<float> first, const SweepLink& link,
                 RowSweep<float> second, float* buffer) {
  // Two outputs of one sweep, a vector of each in turn between operations of another kind, go past
  // the caches in parts of lines, at half the speed.
  first.streams &= 1U;
  second.streams &= 1U;
  // Rows of noise are placed one by one.
  for (int i = 0; i < 3; ++i) {
    if (first.inputs[i] == nullptr) {
      first.input_lds[i] = 0;
    }
    if (second.inputs[i] == nullptr) {
      second.input_lds[i] = 0;
    }
  }
  HWY_DISPATCH_TABLE(RunNoisyF32)
  [dispatch_index(context.targets())](context, kind, words, row, first, link, second, buffer);
}

}  // namespace scf::loss
#endif
