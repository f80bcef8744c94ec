// CPU kernel of the KDE for d <= 3 with a tolerance and wide bandwidths: truncated series of cells
// of data, a lane for each query, in double.
//
//   in   a tile of up to 16 queries, the expansions of the data;   out  its PartialLayout per query
//
// With u = (x - a c) / h and t = a (y - c) / h for a node's centre c, Hermite's generating function
//
//   exp(-|u - t|^2 / 2) = exp(-|u|^2 / 2) sum_beta  He_beta(u) t^beta / beta!
//
// makes a node's sum one of its moments (kde_expansion_cpu.h) with factors b_i = He_i(u_j) s^i / i!
// of each coordinate, s = a r / h; those of y - c are the same moments with b_{i - 1}. Two
// multiply-adds a moment and vector of queries; what is read are the moments of the nodes that
// count, once for the tile.
//
// Per query: down the tree for what the sum is at least. Per tile: down the tree; for all queries
// at once where they agree, else for each, a node is left out, or its series summed up to an order
// that suffices, or its children are looked at; the data of leaves for which no series suffices are
// summed singly. README.md beside this file proves the error. A query's results depend on the
// others of its tile, within that error.
//
// Long because series, bounds and both ways down the tree are inlined into one another: what is in
// another file of this kind is compiled for each SIMD target anew.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kde/kde_expansion_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/simd.h"
#include "kde/kde_expansion_cpu.h"
#include "kde/kde_tile-inl.h"

#ifndef SCF_KDE_EXPANSION_CPU_ONCE_
#define SCF_KDE_EXPANSION_CPU_ONCE_
namespace scf::kde {

// 1 / i, and ln sqrt(i!).
struct SeriesTables {
  double inverse[ExpansionIndex::kMostOrder + 3];
  double log_root_factorial[ExpansionIndex::kMostOrder + 3];
  SeriesTables() {
    inverse[0] = log_root_factorial[0] = 0;
    for (int i = 1; i < ExpansionIndex::kMostOrder + 3; ++i) {
      inverse[i] = 1.0 / i;
      log_root_factorial[i] = log_root_factorial[i - 1] + std::log(static_cast<double>(i)) / 2;
    }
  }
};
inline const SeriesTables kSeries;

inline constexpr double kLog2E = 1.44269504088896340736;

}  // namespace scf::kde
#endif

HWY_BEFORE_NAMESPACE();
namespace scf::kde {
namespace HWY_NAMESPACE {

// As of boxes: not for the baseline of x86-64.
#if HWY_ARCH_X86 && HWY_TARGET > HWY_AVX2
template <class S>
void ExpansionChunk(const ExpansionTask<S>&) {}
void ExpansionMoments(int, int, const double*, const double*, double*) {}
#else

using D = hn::CappedTag<double, kExpansionTile>;
using V = hn::Vec<D>;
using DF = hn::CappedTag<double, ExpansionIndex::kFan>;  // a lane for each of a node's children

// Vectors of queries that are taken at a time.
inline constexpr int kVectors =
    std::max(1, std::min(4, kExpansionTile / static_cast<int>(hn::MaxLanes(D()))));

// ---- Series ------------------------------------------------------------------------------------

// The sums of a node for kV vectors of queries, of the moments |beta| <= order: of 1, and of (y -
// c)_j / r, which takes moments of one order more. `next` is that of 1 with those.
template <int kD, int kV>
struct NodeSums {
  V mass[kV], next[kV], sum[kD][kV];
};

template <int kV>
using Factors = V[ExpansionIndex::kMostOrder + 2][kV];

// From coordinate kJ on: the moments of the exponents that are left, and the factors
// b[coordinate][i]. `most` is the order that is stored, `order` that of the series, at least -1.
template <int kD, int kJ, int kV>
HWY_INLINE NodeSums<kD - kJ, kV> Series(const double*& moments, const Factors<kV>* b, int most,
                                        int order) {
  const D dc;
  NodeSums<kD - kJ, kV> sums;
  const Factors<kV>& factor = b[kJ];
  const double* from = moments;
  V previous[kV];
#pragma GCC unroll 4
  for (int v = 0; v < kV; ++v) {
    previous[v] = sums.mass[v] = sums.next[v] = hn::Zero(dc);
#pragma GCC unroll 4
    for (int j = 0; j < kD - kJ; ++j) {
      sums.sum[j][v] = hn::Zero(dc);
    }
  }
  if constexpr (kJ + 1 == kD) {
    for (int i = 0; i <= order; ++i) {
      const V moment = hn::Set(dc, from[i]);
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) {
        sums.sum[0][v] = hn::MulAdd(moment, previous[v], sums.sum[0][v]);
        previous[v] = factor[i][v];
        sums.mass[v] = hn::MulAdd(moment, previous[v], sums.mass[v]);
      }
    }
    const V moment = hn::Set(dc, from[order + 1]);
#pragma GCC unroll 4
    for (int v = 0; v < kV; ++v) {
      sums.sum[0][v] = hn::MulAdd(moment, previous[v], sums.sum[0][v]);
      sums.next[v] = hn::MulAdd(moment, factor[order + 1][v], sums.mass[v]);
    }
    moments += most + 1;
  } else {
    for (int i = 0; i <= order + 1; ++i) {
      const auto inner = Series<kD, kJ + 1, kV>(from, b, most - i, order - i);
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) {
        sums.mass[v] = hn::MulAdd(inner.mass[v], factor[i][v], sums.mass[v]);
        sums.next[v] = hn::MulAdd(inner.next[v], factor[i][v], sums.next[v]);
        sums.sum[0][v] = hn::MulAdd(inner.next[v], previous[v], sums.sum[0][v]);
#pragma GCC unroll 4
        for (int j = 1; j < kD - kJ; ++j) {
          sums.sum[j][v] = hn::MulAdd(inner.sum[j - 1][v], factor[i][v], sums.sum[j][v]);
        }
        previous[v] = factor[i][v];
      }
    }
    moments += ExpansionIndex::terms(kD - kJ, most);
  }
  return sums;
}

// ---- A tile ------------------------------------------------------------------------------------

template <class S, int kD>
class ExpansionTile {
  static constexpr std::int64_t kLeaf = BoxIndex<S>::kLeaf;
  static constexpr int kFan = ExpansionIndex::kFan;
  static constexpr int kGroup = ExpansionIndex::kGroup;
  static constexpr int kQueries = kExpansionTile;
  static constexpr ExpansionIndex::Rows kRows = ExpansionIndex::Rows(kD);
  static constexpr int kMostLevels = 32;  // 64 x 4^32 data
  static constexpr int kTogether = 4;
  // README.md: the bound of rounding, and the logarithms of it and of Cramer's constant.
  static constexpr double kLogRounding = -27.72;  // ln(2 x 4096 x 2^-53), rounded upwards
  static constexpr double kLogCramer = 1.4702;    // ln(4 x 1.0865), rounded upwards
  static constexpr double kMargin = 0x1p-20;      // of logarithms and exponents
  static constexpr double kFarthest = 200;        // |u|^2 of a series
  // Cycles that it takes to say what is done with a node, for all queries at once and for each.
  static constexpr double kDecisionForAll = 60;
  static constexpr double kDecision = 400;
  static constexpr double kWiden = 0x1p-30;  // of what encloses a tile, and is rounded

  // What is done with a node. Masks are bits of queries.
  struct Entry {
    std::int64_t node;
    std::int16_t level;
    std::int16_t order;    // of its series
    std::uint32_t series;  // for these it is summed,
    std::uint32_t rest;    // and for these it counts, but no series suffices
  };
  static constexpr std::int64_t kMost = kExpansionScratch / sizeof(Entry);

 public:
  explicit ExpansionTile(const ExpansionTask<S>& task)
      : limits_(task),
        task_(*task.chunk),
        index_(*task_.kde->expansion),
        boxes_(*task_.kde->boxes),
        entries_(static_cast<Entry*>(task.scratch)),
        lanes_(static_cast<int>(hn::Lanes(D()))) {
    for (int q = 0; q < task_.queries; ++q) {
      const double rate = task_.rate[q];
      const double inverse = std::sqrt(rate * (2 / kLog2E));
      const double scale = task_.scale[q];
      rate_[q] = rate;
      scale_[q] = scale;
      inverse_[q] = inverse;
      ratio_[q] = scale * inverse;
      log_ratio_[q] = std::log(scale * inverse) + kMargin;
      for (int j = 0; j < kD; ++j) {
        x_[j][q] = task_.x[(q / kGroupRows * kD + j) * kGroupRows + q % kGroupRows];
        rho_[j][q] = task_.rho[q * task_.layout.padded + j];
      }
      hidden_[q] = task_.skip[q] >= 0 ? boxes_.slots[task_.skip[q]] : -1;
      hides_ = hides_ || hidden_[q] >= 0;
      evaluated_[q] = 0;
      threshold_[q] = 0;
    }
    // Places beyond the last query repeat it, and count for nothing.
    const auto repeat = [last = task_.queries - 1](auto* values) {
      std::fill(values + last + 1, values + kQueries, values[last]);
    };
    for (double* const values : {rate_, scale_, inverse_, ratio_, log_ratio_, threshold_}) {
      repeat(values);
    }
    for (int j = 0; j < kD; ++j) {
      repeat(x_[j]);
      repeat(rho_[j]);
    }
    repeat(hidden_);
    repeat(evaluated_);
    std::fill_n(&totals_[0][0], (1 + kD) * kQueries, 0.0);
  }

  HWY_NOINLINE void Run() {
    for (int q = 0; q < task_.queries; ++q) {
      const double least = LogLeast(q);
      if (least > -400) {
        threshold_[q] = least + limits_.log_tolerance - std::log(index_.weight) - kMargin;
        served_ |= 1U << q;
      }
    }
    if (served_ == 0) {
      return;
    }
    Enclose();
    // A dense pair costs about as many cycles: of single precision where the data are, with as many
    // lanes twice.
    const double pair = (sizeof(S) == 4 ? 4.0 : 12.0) * (2 * kD + 7) / 11 / lanes_;
    most_ = 0.28 * pair * static_cast<double>(task_.kde->n);
    Walk walk;
    Start(walk);
    std::int64_t found = Next(walk);
    const bool all = found < kMost;
    while (found == kMost) {
      found = Next(walk);
    }
    if (served_ == 0) {
      return;
    }
    if (!all) {
      most_ = std::numeric_limits<double>::infinity();
      Start(walk);
      found = Next(walk);
    }
    for (;;) {
      for (std::int64_t i = 0; i < found; ++i) {
        Add(entries_[i]);
      }
      if (found < kMost) {
        return;
      }
      found = Next(walk);
    }
  }

  HWY_NOINLINE void Write() const {
    for (int q = 0; q < task_.queries; ++q) {
      double* const partial = task_.partials + q * task_.stride;
      std::fill_n(partial, task_.layout.size(), 0.0);
      partial[PartialLayout::kMass] = totals_[0][q];
      for (int j = 0; j < kD; ++j) {
        partial[PartialLayout::kSums + j] = totals_[1 + j][q];
      }
      limits_.evaluated[q] = (served_ >> q & 1) != 0 ? evaluated_[q] : -1;
    }
  }

 private:
  static HWY_INLINE V Row(const double* group, int row, int lane) {
    return hn::Load(D(), group + row * kGroup + lane);
  }

  template <class Tag>
  static HWY_INLINE std::uint32_t Bits(Tag tag, hn::Mask<Tag> mask) {
    std::uint8_t bytes[8] = {};
    hn::StoreMaskBits(tag, mask, bytes);
    return bytes[0] | static_cast<std::uint32_t>(bytes[1]) << 8;
  }

  // Whether the vector of queries from `q` on has one whose bit is set.
  [[nodiscard]] HWY_INLINE bool Any(std::uint32_t bits, int q) const {
    return (bits >> q & ((1U << lanes_) - 1)) != 0;
  }

  // Lanes from `lane` on whose bits are set.
  HWY_INLINE hn::Mask<D> Lanes(std::uint32_t bits, int lane) const {
    const hn::RebindToUnsigned<D> du;
    const auto places = hn::Set(du, static_cast<std::uint64_t>(bits >> lane));
    return hn::RebindMask(D(), hn::TestBit(places, hn::Shl(hn::Set(du, 1), hn::Iota(du, 0))));
  }

  [[nodiscard]] bool Hides(int q, int level, std::int64_t node) const {
    return hidden_[q] >= 0 && hidden_[q] / kLeaf / index_.levels[level].leaves == node;
  }

  // ---- What a sum is at least ------------------------------------------------------------------

  // ln of a lower bound of the sum: by Jensen's inequality a node's data weigh no less than as many
  // at their mean squared distance. The largest of the bounds of the groups on the way down to the
  // node that weighs most. Here a lane is a node.
  HWY_NOINLINE double LogLeast(int q) const {
    const D dc;
    const V scale = hn::Set(dc, scale_[q]);
    const V inverse = hn::Set(dc, inverse_[q]);
    const V ratio = hn::Set(dc, ratio_[q]);
    double least = 0;
    std::int64_t group = 0;
    int level = static_cast<int>(index_.levels.size()) - 1;
    for (;;) {
      const double* const nodes = index_.group(level, group);
      V total = hn::Zero(dc);
      HWY_ALIGN double masses[kGroup];
      for (int c = 0; c < kGroup; c += lanes_) {
        V squared = hn::Mul(hn::Mul(ratio, ratio), Row(nodes, kRows.variance, c));
        V away = hn::Zero(dc);
#pragma GCC unroll 4
        for (int j = 0; j < kD; ++j) {
          const V x = hn::Set(dc, x_[j][q]);
          const V u = hn::Mul(hn::MulSub(scale, Row(nodes, kRows.centre + j, c), x), inverse);
          const V mean = hn::MulAdd(ratio, Row(nodes, kRows.mean + j, c), u);
          squared = hn::MulAdd(mean, mean, squared);
          away = hn::MulAdd(u, u, away);
        }
        // Farther or larger nodes are left out of the bound: their rounding is not proven.
        const V radius = hn::Mul(ratio, Row(nodes, kRows.radius, c));
        const auto proven = hn::Le(hn::MulAdd(radius, radius, away), hn::Set(dc, 0x1p19));
        const V exponent = hn::Max(hn::Mul(squared, hn::Set(dc, -kLog2E / 2)), hn::Set(dc, -1e3));
        const V mass =
            hn::IfThenElseZero(proven, hn::Mul(Row(nodes, kRows.weight, c), Exp2(dc, exponent)));
        hn::Store(mass, dc, masses + c);
        total = hn::Add(total, mass);
      }
      double sum = hn::GetLane(hn::SumOfLanes(dc, total));
      if (hides_ && hidden_[q] >= 0) {
        const std::int64_t node = hidden_[q] / kLeaf / index_.levels[level].leaves;
        if (node / kGroup == group) {
          masses[node % kGroup] = 0;
          sum = 0;
          for (const double mass : masses) {
            sum += mass;
          }
        }
      }
      least = std::max(least, sum);
      if (level == 0) {
        break;
      }
      // A group is the grandchildren of one node.
      const int best = static_cast<int>(std::max_element(masses, masses + kGroup) - masses);
      group = group * kGroup + (masses[best] > 0 ? best : Nearest(q, nodes));
      group = level == 1 ? group * kFan / kGroup : group;
      level = std::max(0, level - 2);
    }
    return least > 1e-290 ? std::log(least) - kMargin : -std::numeric_limits<double>::infinity();
  }

  // Where no node weighs anything that counts: the one whose data are nearest.
  HWY_NOINLINE int Nearest(int q, const double* nodes) const {
    double least = std::numeric_limits<double>::infinity();
    int at = 0;
    for (int c = 0; c < kGroup; ++c) {
      double squared = 0;
      for (int j = 0; j < kD; ++j) {
        const double u = scale_[q] * nodes[(kRows.centre + j) * kGroup + c] - x_[j][q];
        squared += u * u;
      }
      const double gap = std::sqrt(squared) - scale_[q] * nodes[kRows.radius * kGroup + c];
      if (nodes[kRows.weight * kGroup + c] > 0 && gap < least) {
        least = gap;
        at = c;
      }
    }
    return at;
  }

  // ---- What is done with a node ----------------------------------------------------------------

  // What encloses the queries that are served: x / a in a ball, a / h, and the thresholds.
  struct Enclosure {
    double centre[kD];
    double radius;
    double least_ratio, largest_ratio;
    double least_log_ratio, largest_log_ratio;
    double least_threshold, largest_threshold;
  };

  HWY_NOINLINE void Enclose() {
    const D dc;
    const auto range = [&](const auto& value, double* lower, double* upper) HWY_ATTR {
      V least = hn::Set(dc, std::numeric_limits<double>::infinity());
      V largest = hn::Neg(least);
      for (int c = 0; c < kQueries; c += lanes_) {
        const auto mask = Lanes(served_, c);
        least = hn::Min(least, hn::IfThenElse(mask, value(c), least));
        largest = hn::Max(largest, hn::IfThenElse(mask, value(c), largest));
      }
      *lower = hn::GetLane(hn::MinOfLanes(dc, least));
      *upper = hn::GetLane(hn::MaxOfLanes(dc, largest));
    };
    const auto of = [&](const double* values) HWY_ATTR {
      return [&, values](int c) HWY_ATTR { return hn::Load(dc, values + c); };
    };
    for (int j = 0; j < kD; ++j) {
      double lower = 0;
      double upper = 0;
      range([&](int c)
                HWY_ATTR { return hn::Div(hn::Load(dc, x_[j] + c), hn::Load(dc, scale_ + c)); },
            &lower, &upper);
      all_.centre[j] = (lower + upper) / 2;
    }
    double nearest = 0;
    range(
        [&](int c) HWY_ATTR {
          const V scale = hn::Load(dc, scale_ + c);
          V squared = hn::Zero(dc);
          for (int j = 0; j < kD; ++j) {
            const V away =
                hn::NegMulAdd(scale, hn::Set(dc, all_.centre[j]), hn::Load(dc, x_[j] + c));
            squared = hn::MulAdd(away, away, squared);
          }
          return hn::Div(hn::Sqrt(squared), scale);
        },
        &nearest, &all_.radius);
    range(of(ratio_), &all_.least_ratio, &all_.largest_ratio);
    range(of(log_ratio_), &all_.least_log_ratio, &all_.largest_log_ratio);
    range(of(threshold_), &all_.least_threshold, &all_.largest_threshold);
    all_.radius *= 1 + kWiden;
    all_.least_ratio *= 1 - kWiden;
    all_.largest_ratio *= 1 + kWiden;
  }

  // Siblings, for all queries at once. Masks are bits of nodes.
  struct Family {
    std::uint32_t out;    // left out for all
    std::uint32_t open;   // for all the series' rounding is allowed,
    std::uint32_t shut;   // or for none
    double budget[kFan];  // of truncation: the least of all queries',
    double square[kFan];  // and s^2, the largest
    double best_budget[kFan];
    double best_square[kFan];
  };

  // Here a lane is a node.
  HWY_NOINLINE void Judge(int level, std::int64_t first, Family& family) const {
    const DF dc;
    using VF = hn::Vec<DF>;
    const double* const nodes = index_.group(level, first / kGroup) + first % kGroup;
    const VF half = hn::Set(dc, 0.5);
    const VF quarter = hn::Set(dc, 0.25);
    const VF zero = hn::Zero(dc);
    const VF least_ratio = hn::Set(dc, all_.least_ratio);
    const VF largest_ratio = hn::Set(dc, all_.largest_ratio);
    const VF least_threshold = hn::Set(dc, all_.least_threshold);
    const VF largest_threshold = hn::Set(dc, all_.largest_threshold);
    const VF farthest = hn::Set(dc, kFarthest);
    family.out = family.open = family.shut = 0;
    const int lanes = static_cast<int>(hn::Lanes(dc));
    for (int c = 0; c < kFan; c += lanes) {
      VF squared = zero;
#pragma GCC unroll 4
      for (int j = 0; j < kD; ++j) {
        const VF away = hn::Sub(hn::Load(dc, nodes + (kRows.centre + j) * kGroup + c),
                                hn::Set(dc, all_.centre[j]));
        squared = hn::MulAdd(away, away, squared);
      }
      const VF distance = hn::Sqrt(squared);
      const VF radius = hn::Load(dc, nodes + kRows.radius * kGroup + c);
      const VF near =
          hn::Max(hn::MulSub(distance, hn::Set(dc, 1 - kWiden), hn::Set(dc, all_.radius)), zero);
      const VF far = hn::MulAdd(distance, hn::Set(dc, 1 + kWiden), hn::Set(dc, all_.radius));
      const VF u_least = hn::Mul(near, least_ratio);
      const VF u_largest = hn::Mul(far, largest_ratio);
      const VF s_least = hn::Mul(radius, least_ratio);
      const VF s_largest = hn::Mul(radius, largest_ratio);
      const VF gap = hn::Max(hn::Mul(hn::Sub(near, radius), least_ratio), zero);
      const VF passed = hn::Mul(hn::Mul(gap, gap), half);
      const VF u_squared = hn::Mul(u_least, u_least);
      const VF u_most = hn::Mul(u_largest, u_largest);
      const VF s_squared = hn::Mul(s_least, s_least);
      const VF s_most = hn::Mul(s_largest, s_largest);
      const VF rounding = hn::Add(hn::Sub(s_most, passed), hn::Set(dc, kLogRounding + kMargin));
      const VF reach = hn::Mul(hn::Max(u_most, s_most), half);
      const VF best = hn::Add(hn::Sub(s_squared, reach), hn::Set(dc, kLogRounding));
      family.out |= Bits(dc, hn::Le(hn::Sub(hn::Set(dc, kMargin), passed), least_threshold)) << c;
      family.open |= Bits(dc, hn::And(hn::Le(rounding, least_threshold), hn::Le(u_most, farthest)))
                     << c;
      family.shut |= Bits(dc, hn::Or(hn::Gt(u_squared, farthest), hn::Gt(best, largest_threshold)))
                     << c;
      hn::StoreU(hn::Sub(hn::MulAdd(u_squared, quarter, least_threshold),
                         hn::Set(dc, kLogCramer + kMargin)),
                 dc, family.budget + c);
      hn::StoreU(s_most, dc, family.square + c);
      hn::StoreU(hn::Sub(hn::MulAdd(u_most, quarter, largest_threshold), hn::Set(dc, kLogCramer)),
                 dc, family.best_budget + c);
      hn::StoreU(s_squared, dc, family.best_square + c);
    }
  }

  // The least order that suffices for all queries, or -1.
  int OrderForAll(int level, std::int64_t node, const Family& family) {
    const int i = static_cast<int>(node % kFan);
    const double* const powers = index_.block(level, node);
    const auto enough = [&](int order) {
      return (order + 1) * all_.largest_log_ratio + powers[order + 1] -
                     kSeries.log_root_factorial[order + 1] <=
                 family.budget[i] &&
             family.square[i] <= (order + 2) * 0.25;
    };
    // Most likely that of the node before.
    const int most = index_.levels[level].order;
    int order = std::min(most, order_);
    if (enough(order)) {
      while (order > 0 && enough(order - 1)) {
        --order;
      }
    } else {
      do {
        if (order == most) {
          return -1;
        }
        ++order;
      } while (!enough(order));
    }
    order_ = order;
    return order;
  }

  // Whether no query may take a series.
  [[nodiscard]] bool Shut(int level, std::int64_t node, const Family& family) const {
    const int i = static_cast<int>(node % kFan);
    const int most = index_.levels[level].order;
    return (family.shut >> i & 1) != 0 || family.best_square[i] > (most + 2) * 0.25 ||
           (most + 1) * all_.least_log_ratio + index_.block(level, node)[most + 1] -
                   kSeries.log_root_factorial[most + 1] >
               family.best_budget[i];
  }

  [[nodiscard]] bool HidesSome(std::uint32_t queries, int level, std::int64_t node) const {
    bool some = false;
    for (std::uint32_t bits = hides_ ? queries : 0; bits != 0; bits &= bits - 1) {
      some = some || Hides(__builtin_ctz(bits), level, node);
    }
    return some;
  }

  // For the queries of a mask, each by itself.
  HWY_NOINLINE Entry Decide(int level, std::int64_t node, std::uint32_t wanted) {
    const D dc;
    const double* const nodes = index_.group(level, node / kGroup) + node % kGroup;
    const double* const powers = index_.block(level, node);
    const int most = index_.levels[level].order;
    const V half = hn::Set(dc, 0.5);
    const V radius = hn::Set(dc, nodes[kRows.radius * kGroup]);
    Entry entry{node, static_cast<std::int16_t>(level), 0, 0, 0};
    std::uint32_t candidates = 0;
    HWY_ALIGN double budgets[kQueries];
    HWY_ALIGN double squares[kQueries];
    for (int c = 0; c < kQueries; c += lanes_) {
      if (!Any(wanted, c)) {
        continue;
      }
      const V scale = hn::Load(dc, scale_ + c);
      const V inverse = hn::Load(dc, inverse_ + c);
      const V threshold = hn::Load(dc, threshold_ + c);
      V squared = hn::Zero(dc);
#pragma GCC unroll 4
      for (int j = 0; j < kD; ++j) {
        const V centre = hn::Set(dc, nodes[(kRows.centre + j) * kGroup]);
        const V u = hn::Mul(hn::MulSub(scale, centre, hn::Load(dc, x_[j] + c)), inverse);
        squared = hn::MulAdd(u, u, squared);
      }
      const V u = hn::Sqrt(squared);
      const V s = hn::Mul(hn::Load(dc, ratio_ + c), radius);
      const V s_squared = hn::Mul(s, s);
      // Left out: -gap^2 / 2 <= threshold.
      const V gap = hn::Max(hn::Sub(hn::Mul(u, hn::Set(dc, 1 - kMargin)), s), hn::Zero(dc));
      const auto counts =
          hn::Gt(hn::NegMulAdd(hn::Mul(gap, gap), half, hn::Set(dc, kMargin)), threshold);
      // Rounding: ln(2 gamma) + |u| s + s^2 / 2 <= threshold + |u|^2 / 2.
      const V allowed = hn::MulAdd(squared, half, threshold);
      const V rounding =
          hn::MulAdd(s_squared, half, hn::MulAdd(u, s, hn::Set(dc, kLogRounding + kMargin)));
      const auto open = hn::And(hn::And(counts, hn::Le(rounding, allowed)),
                                hn::Le(squared, hn::Set(dc, kFarthest)));
      entry.rest |= Bits(dc, counts) << c;
      candidates |= Bits(dc, open) << c;
      hn::Store(hn::Sub(hn::MulAdd(squared, hn::Set(dc, 0.25), threshold),
                        hn::Set(dc, kLogCramer + kMargin)),
                dc, budgets + c);
      hn::Store(s_squared, dc, squares + c);
    }
    entry.rest &= wanted;
    candidates &= wanted;
    if (hides_) {
      for (int q = 0; q < kQueries; ++q) {
        candidates &= ~(Hides(q, level, node) ? 1U << q : 0U);
      }
    }
    if (candidates == 0) {
      return entry;
    }
    // Truncation: (order + 1) ln(a / h) + ln mean |y - c|^(order + 1) - ln sqrt((order + 1)!) <=
    // budget. Where one order suffices, so does any above.
    const auto enough = [&](int order) HWY_ATTR {
      const V next = hn::Set(dc, order + 1.0);
      const V power = hn::Set(dc, powers[order + 1] - kSeries.log_root_factorial[order + 1]);
      const V largest = hn::Set(dc, (order + 2) * 0.25);
      std::uint32_t bits = 0;
      for (int c = 0; c < kQueries; c += lanes_) {
        if (!Any(candidates, c)) {
          continue;
        }
        const V term = hn::MulAdd(next, hn::Load(dc, log_ratio_ + c), power);
        bits |= Bits(dc, hn::And(hn::Le(term, hn::Load(dc, budgets + c)),
                                 hn::Le(hn::Load(dc, squares + c), largest)))
                << c;
      }
      return bits;
    };
    entry.series = enough(most) & candidates;
    entry.rest &= ~entry.series;
    if (entry.series == 0) {
      return entry;
    }
    // Most likely that of the node before.
    int order = std::min(most, order_);
    const auto serves = [&](int some) HWY_ATTR { return (entry.series & ~enough(some)) == 0; };
    if (serves(order)) {
      while (order > 0 && serves(order - 1)) {
        --order;
      }
    } else {
      do {
        ++order;  // the last serves all
      } while (order < most && !serves(order));
    }
    order_ = order;
    entry.order = static_cast<std::int16_t>(order);
    return entry;
  }

  // A place in the tree: nodes whose turn is to come, and for which queries.
  struct Walk {
    struct Siblings {
      int level;
      std::uint32_t wanted;
      std::int64_t first;  // up to the last
      std::int64_t last;
      Family family;
    };
    Siblings stack[kMostLevels];
    int depth;
  };

  void Push(Walk& walk, int level, std::int64_t first, std::uint32_t wanted) const {
    typename Walk::Siblings& siblings = walk.stack[walk.depth++];
    siblings.level = level;
    siblings.wanted = wanted;
    siblings.first = first;
    siblings.last = std::min(index_.levels[level].nodes, first + kFan);
    Judge(level, first, siblings.family);
  }

  void Start(Walk& walk) const {
    walk.depth = 0;
    Push(walk, static_cast<int>(index_.levels.size()) - 1, 0, served_);
  }

  // Adds to what each query of a mask costs, in about cycles; those that cost too much are no
  // longer served.
  void Charge(std::uint32_t queries, double cost) {
    if (queries == served_) {
      cost_of_all_ += cost;
      if (cost_of_all_ + largest_cost_ <= most_) {
        return;
      }
      cost = 0;
      largest_cost_ = 0;
    }
    for (std::uint32_t bits = queries; bits != 0; bits &= bits - 1) {
      const int q = __builtin_ctz(bits);
      cost_[q] += cost;
      if (cost_of_all_ + cost_[q] > most_) {
        served_ &= ~(1U << q);
      } else {
        largest_cost_ = std::max(largest_cost_, cost_[q]);
      }
    }
  }

  // Finds up to kMost entries with something to sum; fewer are the last. Charges queries for what
  // they cost, those of a node in equal shares.
  HWY_NOINLINE std::int64_t Next(Walk& walk) {
    std::int64_t count = 0;
    while (walk.depth > 0 && count < kMost) {
      typename Walk::Siblings& from = walk.stack[walk.depth - 1];
      const std::uint32_t wanted = from.wanted & served_;
      if (from.first == from.last || wanted == 0) {
        --walk.depth;
        continue;
      }
      const int level = from.level;
      const std::int64_t node = from.first++;
      const int i = static_cast<int>(node % kFan);
      if ((from.family.out >> i & 1) != 0) {
        continue;
      }
      Entry entry{node, static_cast<std::int16_t>(level), 0, 0, wanted};
      const int order =
          (from.family.open >> i & 1) != 0 ? OrderForAll(level, node, from.family) : -1;
      double cost = kDecisionForAll;
      if (order >= 0 && !HidesSome(wanted, level, node)) {
        entry.order = static_cast<std::int16_t>(order);
        entry.series = wanted;
        entry.rest = 0;
      } else if (level == 0 || !Shut(level, node, from.family)) {
        entry = Decide(level, node, wanted);
        cost += kDecision;
      }
      for (int c = 0; c < kQueries; c += lanes_) {
        if (Any(entry.series, c)) {
          cost += 75 + 1.15 * static_cast<double>(ExpansionIndex::terms(kD, entry.order + 1));
        }
      }
      Charge(wanted, cost / static_cast<double>(hwy::PopCount(wanted)));
      if (level > 0 && entry.rest != 0) {
        Push(walk, level - 1, node * kFan, entry.rest);
      } else {
        Charge(entry.rest, static_cast<double>(kLeaf) * (4 + 0.4 * kD) * 4 / lanes_);
      }
      if (entry.series != 0 || (level == 0 && entry.rest != 0)) {
        entries_[count++] = entry;
      }
    }
    return count;
  }

  // ---- Sums ------------------------------------------------------------------------------------

  void Add(Entry entry) {
    entry.series &= served_;
    entry.rest &= served_;
    for (int first = 0; first < kQueries; first += kVectors * lanes_) {
      int vectors = 0;
      int last = 0;
      for (int v = 0; v < kVectors; ++v) {
        if (Any(entry.series, first + v * lanes_)) {
          ++vectors;
          last = first + v * lanes_;
        }
      }
      if (vectors > 1) {
        AddSeries<kVectors>(entry, first);
      } else if (vectors == 1) {
        AddSeries<1>(entry, last);
      }
    }
    if (entry.level == 0) {
      for (std::uint32_t bits = entry.rest; bits != 0; bits &= bits - 1) {
        AddLeaf(__builtin_ctz(bits), entry.node);
      }
    }
  }

  // Of kV vectors of queries from query q on.
  template <int kV>
  HWY_NOINLINE void AddSeries(const Entry& entry, int q) {
    const D dc;
    const double* const node = index_.group(entry.level, entry.node / kGroup) + entry.node % kGroup;
    const double radius = node[kRows.radius * kGroup];
    V s_squared[kV];
    V kernel[kV];
    V u[kD][kV];
    Factors<kV> factors[kD];
#pragma GCC unroll 4
    for (int v = 0; v < kV; ++v) {
      const int at = q + v * lanes_;
      // For others all that is multiplied by 0 is finite.
      const auto mask = Lanes(entry.series, at);
      const V s = hn::IfThenElseZero(mask, hn::Mul(hn::Load(dc, ratio_ + at), hn::Set(dc, radius)));
      s_squared[v] = hn::Mul(s, s);
      V squared = hn::Zero(dc);
#pragma GCC unroll 4
      for (int j = 0; j < kD; ++j) {
        // (x - a c) / h
        const V centre = hn::Set(dc, node[(kRows.centre + j) * kGroup]);
        u[j][v] = hn::IfThenElseZero(mask, hn::Mul(hn::NegMulAdd(hn::Load(dc, scale_ + at), centre,
                                                                 hn::Load(dc, x_[j] + at)),
                                                   hn::Load(dc, inverse_ + at)));
        squared = hn::MulAdd(u[j][v], u[j][v], squared);
        factors[j][0][v] = hn::Set(dc, 1.0);
        factors[j][1][v] = hn::Mul(s, u[j][v]);
      }
      kernel[v] = hn::Mul(squared, hn::Set(dc, -kLog2E / 2));
    }
    Exp2Many<kV, true>(dc, kernel);
    // b_i = (s u b_(i - 1) - s^2 b_(i - 2)) / i
    for (int i = 2; i <= entry.order + 1; ++i) {
      const V inverse = hn::Set(dc, kSeries.inverse[i]);
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) {
#pragma GCC unroll 4
        for (int j = 0; j < kD; ++j) {
          factors[j][i][v] =
              hn::Mul(inverse, hn::MulSub(factors[j][1][v], factors[j][i - 1][v],
                                          hn::Mul(s_squared[v], factors[j][i - 2][v])));
        }
      }
    }
    const int most = index_.levels[entry.level].order;
    const double* moments = index_.block(entry.level, entry.node) + most + 2;
    const auto sums = Series<kD, 0, kV>(moments, factors, most + 1, entry.order);
#pragma GCC unroll 4
    for (int v = 0; v < kV; ++v) {
      const int at = q + v * lanes_;
      kernel[v] = hn::IfThenElseZero(Lanes(entry.series, at), kernel[v]);
      const V mass = hn::Mul(sums.mass[v], kernel[v]);
      const V scaled = hn::Mul(hn::Set(dc, radius), kernel[v]);
      AddTo(0, at, mass);
#pragma GCC unroll 4
      for (int j = 0; j < kD; ++j) {
        const V away =
            hn::Sub(hn::Set(dc, node[(kRows.centre + j) * kGroup]), hn::Load(dc, rho_[j] + at));
        AddTo(1 + j, at, hn::MulAdd(away, mass, hn::Mul(scaled, sums.sum[j][v])));
      }
    }
  }

  HWY_INLINE void AddTo(int i, int q, V value) {
    hn::Store(hn::Add(hn::Load(D(), totals_[i] + q), value), D(), totals_[i] + q);
  }

  // The data of a leaf, singly: here a lane is a datum.
  HWY_NOINLINE void AddLeaf(int q, std::int64_t leaf) {
    const D dc;
    const S* const data = boxes_.data.data() + leaf * kLeaf * kD;
    const bool hides = Hides(q, 0, leaf);
    const bool some = hides || (leaf == boxes_.leaves - 1 && boxes_.in_last < kLeaf);
    const bool weighted = !boxes_.log2_weights.empty();
    const V scale = hn::Set(dc, scale_[q]);
    const V rate = hn::Set(dc, rate_[q]);
    V mass = hn::Zero(dc);
    V sum[kD];
    V x[kD];
    V rho[kD];
#pragma GCC unroll 4
    for (int j = 0; j < kD; ++j) {
      sum[j] = hn::Zero(dc);
      x[j] = hn::Set(dc, x_[j][q]);
      rho[j] = hn::Set(dc, rho_[j][q]);
    }
    for (std::int64_t k = 0; k < kLeaf; k += kTogether * lanes_) {
      V p[kTogether];
#pragma GCC unroll 4
      for (int v = 0; v < kTogether; ++v) {
        V squared = hn::Zero(dc);
#pragma GCC unroll 4
        for (int j = 0; j < kD; ++j) {
          const V y = LoadAs(dc, data + j * kLeaf + k + v * lanes_);
          const V difference = hn::MulSub(scale, y, x[j]);
          squared = hn::MulAdd(difference, difference, squared);
        }
        const V weight =
            weighted ? hn::LoadU(dc, boxes_.log2_weights.data() + leaf * kLeaf + k + v * lanes_)
                     : hn::Zero(dc);
        p[v] = hn::NegMulAdd(rate, squared, weight);
      }
      Exp2Many<kTogether, true>(dc, p);  // at most 0
      if (HWY_UNLIKELY(some)) {
        for (int v = 0; v < kTogether; ++v) {
          p[v] = hn::Mul(p[v], Seen(hidden_[q], leaf * kLeaf + k + v * lanes_));
        }
      }
#pragma GCC unroll 4
      for (int v = 0; v < kTogether; ++v) {
        mass = hn::Add(mass, p[v]);
#pragma GCC unroll 4
        for (int j = 0; j < kD; ++j) {
          const V y = LoadAs(dc, data + j * kLeaf + k + v * lanes_);
          sum[j] = hn::MulAdd(p[v], hn::Sub(y, rho[j]), sum[j]);
        }
      }
    }
    totals_[0][q] += hn::GetLane(hn::SumOfLanes(dc, mass));
    for (int j = 0; j < kD; ++j) {
      totals_[1 + j][q] += hn::GetLane(hn::SumOfLanes(dc, sum[j]));
    }
    evaluated_[q] += (leaf == boxes_.leaves - 1 ? boxes_.in_last : kLeaf) - (hides ? 1 : 0);
  }

  // 1 where a place holds a datum that is seen, else 0.
  HWY_NOINLINE V Seen(std::int64_t hidden, std::int64_t slot) const {
    HWY_ALIGN double seen[kQueries];
    for (int i = 0; i < lanes_; ++i) {
      seen[i] = slot + i < task_.kde->n && slot + i != hidden ? 1.0 : 0.0;
    }
    return hn::Load(D(), seen);
  }

  const ExpansionTask<S>& limits_;
  const ChunkTask<S, double>& task_;
  const ExpansionIndex& index_;
  const BoxIndex<S>& boxes_;
  Entry* entries_;
  int lanes_;
  bool hides_ = false;  // whether some query leaves a datum out
  Enclosure all_;
  int order_ = 8;           // the last series'
  double most_ = 0;         // cycles that a query may cost,
  double cost_of_all_ = 0;  // and costs: each as much, and then one more than another
  double cost_[kQueries] = {};
  double largest_cost_ = 0;
  std::uint32_t served_ = 0;       // queries that are
  std::int64_t hidden_[kQueries];  // place of the datum that is left out, or -1
  std::int64_t evaluated_[kQueries];
  // 1 / h, a / h, its logarithm, log2(e) / 2h^2, a; ln of the error that a weight of 1 may have.
  HWY_ALIGN double inverse_[kQueries];
  HWY_ALIGN double ratio_[kQueries];
  HWY_ALIGN double log_ratio_[kQueries];
  HWY_ALIGN double rate_[kQueries];
  HWY_ALIGN double scale_[kQueries];
  HWY_ALIGN double threshold_[kQueries];
  HWY_ALIGN double x_[kD][kQueries];
  HWY_ALIGN double rho_[kD][kQueries];
  HWY_ALIGN double totals_[1 + kD][kQueries];
};

template <int kD, class S>
void RunTile(const ExpansionTask<S>& task) {
  ExpansionTile<S, kD> tile(task);
  tile.Run();
  tile.Write();
}

template <class S>
void ExpansionChunk(const ExpansionTask<S>& task) {
  task.chunk->context->note_target_ran(HWY_TARGET);
  static_assert(ExpansionIndex::kMaxDimension == 3, "one case a dimension");
  switch (task.chunk->kde->d) {
    case 1:
      return RunTile<1>(task);
    case 2:
      return RunTile<2>(task);
    default:
      return RunTile<3>(task);
  }
}

// ---- Moments -----------------------------------------------------------------------------------

void ExpansionMoments(int d, int order, const double* offsets, const double* weights,
                      double* sums) {
  const D dc;
  constexpr std::int64_t kLeaf = BoxIndex<float>::kLeaf;
  constexpr int kTogether = 4;
  constexpr std::int64_t kLanes = hn::MaxLanes(D());
  constexpr std::int64_t kMostTerms = 1200;
  const std::int64_t lanes = hn::Lanes(dc);
  const std::int64_t terms = ExpansionIndex::terms(d, order);
  HWY_ALIGN double totals[kMostTerms * kLanes];
  std::fill_n(totals, (terms + order + 1) * lanes, 0.0);
  const int first = d > 2 ? order : 0;  // exponents of the coordinates before the last, at most
  const int second = d > 1 ? order : 0;
  for (std::int64_t k = 0; k < kLeaf; k += kTogether * lanes) {
    const double* const last = offsets + (d - 1) * kLeaf + k;
    const double* const before = d > 1 ? last - kLeaf : last;
    const double* const outermost = d > 2 ? before - kLeaf : last;
    V outer[kTogether];
    V y[kTogether];
    for (int v = 0; v < kTogether; ++v) {
      outer[v] = hn::LoadU(dc, weights + k + v * lanes);
      y[v] = hn::LoadU(dc, last + v * lanes);
    }
    double* to = totals;
    for (int a = 0; a <= first; ++a) {
      V middle[kTogether];
      for (int v = 0; v < kTogether; ++v) {
        middle[v] = outer[v];
        outer[v] = hn::Mul(outer[v], hn::LoadU(dc, outermost + v * lanes));
      }
      for (int b = 0; b <= std::min(second, order - a); ++b) {
        V p[kTogether];
        for (int v = 0; v < kTogether; ++v) {
          p[v] = middle[v];
          middle[v] = hn::Mul(middle[v], hn::LoadU(dc, before + v * lanes));
        }
        for (int i = 0; i <= order - a - b; ++i, to += lanes) {
          const V sum = hn::Add(hn::Add(p[0], p[1]), hn::Add(p[2], p[3]));
          hn::Store(hn::Add(hn::Load(dc, to), sum), dc, to);
#pragma GCC unroll 4
          for (int v = 0; v < kTogether; ++v) {
            p[v] = hn::Mul(p[v], y[v]);
          }
        }
      }
    }
    V distance[kTogether];
    for (int v = 0; v < kTogether; ++v) {
      V squared = hn::Zero(dc);
      for (int j = 0; j < d; ++j) {
        const V offset = hn::LoadU(dc, offsets + j * kLeaf + k + v * lanes);
        squared = hn::MulAdd(offset, offset, squared);
      }
      distance[v] = hn::Sqrt(squared);
      y[v] = hn::LoadU(dc, weights + k + v * lanes);
    }
    for (int i = 0; i <= order; ++i, to += lanes) {
      const V sum = hn::Add(hn::Add(y[0], y[1]), hn::Add(y[2], y[3]));
      hn::Store(hn::Add(hn::Load(dc, to), sum), dc, to);
#pragma GCC unroll 4
      for (int v = 0; v < kTogether; ++v) {
        y[v] = hn::Mul(y[v], distance[v]);
      }
    }
  }
  for (std::int64_t t = 0; t <= terms + order; ++t) {
    sums[t] += hn::GetLane(hn::SumOfLanes(dc, hn::Load(dc, totals + t * lanes)));
  }
}
#endif

void ExpansionChunkF32(const ExpansionTask<float>& task) {
  ExpansionChunk(task);
}
void ExpansionChunkF64(const ExpansionTask<double>& task) {
  ExpansionChunk(task);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::kde
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::kde {

HWY_EXPORT(ExpansionChunkF32);
HWY_EXPORT(ExpansionChunkF64);
HWY_EXPORT(ExpansionMoments);

template <>
void kde_expansion_chunk(std::int64_t targets, const ExpansionTask<float>& task) {
  HWY_DISPATCH_TABLE(ExpansionChunkF32)[dispatch_index(targets)](task);
}
template <>
void kde_expansion_chunk(std::int64_t targets, const ExpansionTask<double>& task) {
  HWY_DISPATCH_TABLE(ExpansionChunkF64)[dispatch_index(targets)](task);
}

void kde_expansion_moments(std::int64_t targets, int d, int order, const double* offsets,
                           const double* weights, double* sums) {
  HWY_DISPATCH_TABLE(ExpansionMoments)[dispatch_index(targets)](d, order, offsets, weights, sums);
}

}  // namespace scf::kde
#endif
