// Far queries on the CPU (kde_far_cpu.h), a thread a query, lanes over data, in double.
//
//   search   sweeps over the data that the query sees, from datum to nearer datum, until none is
//            nearer; near ties may look nearer from each other, so the sweeps are counted
//   first    one sweep: sums of p, p^2 and p (y - y_*), and the most probable data
//   second   where wanted, one more: second moments about the mean
//
// A sweep reads n d elements and costs 4 n d flop; what follows costs only for data whose weight is
// not 0, hardly ever more than a few.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kde/kde_far_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "common/cpu_context.h"
#include "common/simd.h"
#include "kde/kde_far-inl.h"
#include "kde/kde_far_cpu.h"
#include "kde/kde_queries_cpu.h"

HWY_BEFORE_NAMESPACE();
namespace scf::kde {
namespace HWY_NAMESPACE {

// Of the data [0, kTile) of a tile, to `squares`.
template <class S>
void FarTile(const CpuKde<S>& kde, std::int64_t tile, const FarPoint& point, double* squares) {
  constexpr std::int64_t kTile = CpuKde<S>::kTile;
  const hn::ScalableTag<double> dd;
  const std::int64_t lanes = hn::Lanes(dd);
  const S* const panels = kde.panels.data() + tile * kTile * kde.d;
  for (std::int64_t c = 0; c < kTile; c += lanes) {
    hn::StoreU(FarDistances(dd, PanelColumn(panels, kde.d, c), kde.d, point), dd, squares + c);
  }
}

void FarTileF32(const CpuKde<float>& kde, std::int64_t tile, const FarPoint& point,
                double* squares) {
  FarTile(kde, tile, point, squares);
}
void FarTileF64(const CpuKde<double>& kde, std::int64_t tile, const FarPoint& point,
                double* squares) {
  FarTile(kde, tile, point, squares);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::kde
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::kde {
namespace {

HWY_EXPORT(FarTileF32);
HWY_EXPORT(FarTileF64);

void far_tile(std::size_t target, const CpuKde<float>& kde, std::int64_t tile,
              const FarPoint& point, double* squares) {
  HWY_DISPATCH_TABLE(FarTileF32)[target](kde, tile, point, squares);
}
void far_tile(std::size_t target, const CpuKde<double>& kde, std::int64_t tile,
              const FarPoint& point, double* squares) {
  HWY_DISPATCH_TABLE(FarTileF64)[target](kde, tile, point, squares);
}

constexpr double kLn2 = 0.693147180559945309417;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int kSweeps = 4;  // of the search

struct FarScratch {
  FarScratch(Arena& arena, std::int64_t d, std::int64_t tile, int top)
      : nearest(arena.take<double>(d)),
        lever(arena.take<double>(d)),
        offset(arena.take<double>(d)),
        product(arena.take<double>(d)),
        tile_sums(arena.take<double>(d)),
        squares(arena.take<double>(tile)),
        exponents(arena.take<double>(tile)),
        top_exponents(arena.take<double>(top)),
        top_positions(arena.take<std::int64_t>(top)) {}
  double* nearest;
  double* lever;
  double* offset;   // posterior mean minus the nearest datum
  double* product;  // Cov v
  double* tile_sums;
  double* squares;
  double* exponents;
  double* top_exponents;
  std::int64_t* top_positions;
};

// One query.
template <class S>
class FarQuery {
  static constexpr std::int64_t kTile = CpuKde<S>::kTile;

 public:
  FarQuery(std::size_t target, const CpuKde<S>& kde, const Queries<S>& queries,
           const Outputs<S>& outputs, std::int64_t i, const FarScratch& scratch)
      : target_(target),
        kde_(kde),
        queries_(queries),
        outputs_(outputs),
        i_(i),
        of_(class_of(kde, queries, i)),
        skip_(skip_of(kde, queries, i)),
        s_(scratch),
        point_(far_point(kde, queries, i)) {
    point_.nearest = s_.nearest;
    point_.lever = s_.lever;
  }

  void run(const PosteriorSummaries& summaries) {
    find_nearest();
    add_first();
    write_first();
    if (outputs_.top > 0) {
      write_top();
    }
    const bool tangent = outputs_.jacobian_product != nullptr || outputs_.quadratic_form != nullptr;
    if (tangent || outputs_.divergence != nullptr) {
      write_second(tangent);
    }
    if (summaries.mean != nullptr) {
      summaries.nearest[i_] = at_;
      summaries.log2_sum[i_] = reference_ + std::log2(mass_);
      double* const mean = summaries.mean + i_ * kde_.padded();
      std::fill_n(mean, kde_.padded(), 0.0);
      for (std::int64_t j = 0; j < kde_.d; ++j) {
        mean[j] = s_.nearest[j] + s_.offset[j];
      }
    }
  }

 private:
  [[nodiscard]] bool sees(std::int64_t k) const {
    return k >= of_.begin && k < of_.end && k != skip_;
  }
  [[nodiscard]] const S* column(std::int64_t k) const {
    constexpr std::int64_t kPanel = CpuKde<S>::kPanel;
    return kde_.panels.data() + k / kPanel * kPanel * kde_.d + k % kPanel;
  }
  [[nodiscard]] double from_nearest(std::int64_t k, std::int64_t j) const {
    return static_cast<double>(column(k)[j * CpuKde<S>::kPanel]) - s_.nearest[j];
  }

  void place(std::int64_t k) {
    at_ = k;
    place_far_point(kde_, queries_, i_, k, point_);
  }

  // Squared distances and exponents of a tile, all from the nearest datum on; the largest exponent
  // of what is seen, the rest being -infinity.
  double measure(std::int64_t tile) {
    far_tile(target_, kde_, tile, point_, s_.squares);
    double largest = -kInfinity;
    for (std::int64_t c = 0; c < kTile; ++c) {
      const std::int64_t k = tile * kTile + c;
      if (!sees(k)) {
        s_.squares[c] = kInfinity;
        s_.exponents[c] = -kInfinity;
        continue;
      }
      const double log2_weight = kde_.log2_weights.empty() ? 0 : kde_.log2_weights[k];
      s_.exponents[c] = far_exponent(point_, log2_weight, s_.squares[c]);
      largest = std::max(largest, s_.exponents[c]);
    }
    return largest;
  }

  void find_nearest() {
    place(of_.begin == skip_ ? of_.begin + 1 : of_.begin);
    bool moved = true;
    for (int sweep = 0; moved; ++sweep) {
      moved = false;
      double largest = -kInfinity;
      for (std::int64_t tile = of_.begin / kTile; tile * kTile < of_.end; ++tile) {
        largest = std::max(largest, measure(tile));
        const double* const nearer = std::min_element(s_.squares, s_.squares + kTile);
        if (*nearer < 0 && sweep < kSweeps) {
          place(tile * kTile + (nearer - s_.squares));
          moved = true;
        }
      }
      reference_ = std::ceil(largest);
    }
  }

  // Calls each(position, weight) for what the tile holds of weight.
  template <class Each>
  void for_weights(std::int64_t tile, const Each& each) {
    measure(tile);
    for (std::int64_t c = 0; c < kTile; ++c) {
      const double t = s_.exponents[c] - reference_;
      if (t > -1075) {
        each(tile * kTile + c, std::exp2(t));
      }
    }
  }

  void add_first() {
    std::fill_n(s_.offset, kde_.d, 0.0);
    std::fill_n(s_.top_positions, outputs_.top, std::int64_t{-1});
    for (std::int64_t tile = of_.begin / kTile; tile * kTile < of_.end; ++tile) {
      double mass = 0;
      double squares = 0;
      std::fill_n(s_.tile_sums, kde_.d, 0.0);
      for_weights(tile, [&](std::int64_t k, double p) {
        mass += p;
        squares += p * p;
        for (std::int64_t j = 0; k != at_ && j < kde_.d; ++j) {
          s_.tile_sums[j] += p * from_nearest(k, j);
        }
      });
      mass_ += mass;
      squares_ += squares;
      for (std::int64_t j = 0; mass > 0 && j < kde_.d; ++j) {
        s_.offset[j] += s_.tile_sums[j];
      }
      for (std::int64_t c = 0; outputs_.top > 0 && c < kTile; ++c) {
        if (sees(tile * kTile + c)) {
          keep_top(tile * kTile + c, s_.exponents[c]);
        }
      }
    }
    for (std::int64_t j = 0; j < kde_.d; ++j) {
      s_.offset[j] /= mass_;
    }
  }

  void keep_top(std::int64_t k, double t) {
    const auto before = [&](int other) {
      const std::int64_t at = s_.top_positions[other];
      return at < 0 || t > s_.top_exponents[other] ||
             (t == s_.top_exponents[other] && kde_.original_index(k) < kde_.original_index(at));
    };
    int rank = outputs_.top - 1;
    if (!before(rank)) {
      return;
    }
    for (; rank > 0 && before(rank - 1); --rank) {
      s_.top_exponents[rank] = s_.top_exponents[rank - 1];
      s_.top_positions[rank] = s_.top_positions[rank - 1];
    }
    s_.top_exponents[rank] = t;
    s_.top_positions[rank] = k;
  }

  void write_first() const {
    const double h = bandwidth_of(queries_, i_);
    double exponent = 0;  // r_*^2 / 2h^2
    for (std::int64_t j = 0; j < kde_.d; ++j) {
      const double away = s_.lever[j] / 2;
      exponent += away / point_.bandwidth * (away / point_.bandwidth / 2);
      if (outputs_.score != nullptr) {
        // The first quotient has no unit: it is large only where the score is.
        outputs_.score[i_ * outputs_.ld_score + j] =
            static_cast<S>((point_.scale * s_.offset[j] + away) / point_.bandwidth / h);
      }
      if (outputs_.denoised != nullptr) {
        outputs_.denoised[i_ * outputs_.ld_denoised + j] =
            static_cast<S>(kde_.from_stored(s_.nearest[j] + s_.offset[j]));
      }
    }
    if (outputs_.log_density != nullptr) {
      const auto d = static_cast<double>(kde_.d);
      outputs_.log_density[i_] = static_cast<S>(
          kLn2 * reference_ + std::log(mass_) - std::log(kde_.visible_weight(of_, skip_)) -
          d * (0.918938533204672741780 + std::log(h)) - exponent);
    }
    if (outputs_.effective_sample_size != nullptr) {
      outputs_.effective_sample_size[i_] = static_cast<S>(mass_ * mass_ / squares_);
    }
  }

  void write_top() const {
    double left = 1;
    for (int rank = 0; rank < outputs_.top; ++rank) {
      const std::int64_t k = s_.top_positions[rank];
      if (outputs_.top_indices != nullptr) {
        outputs_.top_indices[i_ * outputs_.top + rank] = k < 0 ? -1 : kde_.original_index(k);
      }
      if (outputs_.top_weights != nullptr) {
        const double weight =
            k < 0 ? 0 : std::min(std::exp2(s_.top_exponents[rank] - reference_) / mass_, left);
        outputs_.top_weights[i_ * outputs_.top + rank] = static_cast<S>(weight);
        left -= weight;
      }
    }
  }

  [[nodiscard]] double tangent(std::int64_t j) const {
    return static_cast<double>(queries_.tangent[i_ * queries_.ld_tangent + j]);
  }

  void write_second(bool with_tangent) {
    double spread = 0;    // tr Cov
    double variance = 0;  // v.Cov v
    std::fill_n(s_.product, kde_.d, 0.0);
    for (std::int64_t tile = of_.begin / kTile; tile * kTile < of_.end; ++tile) {
      for_weights(tile, [&](std::int64_t k, double p) {
        double square = 0;
        double along = 0;
        for (std::int64_t j = 0; j < kde_.d; ++j) {
          const double centred = from_nearest(k, j) - s_.offset[j];
          square += centred * centred;
          along += with_tangent ? centred * tangent(j) : 0;
        }
        spread += p / mass_ * square;
        variance += p / mass_ * along * along;
        for (std::int64_t j = 0; along != 0 && j < kde_.d; ++j) {
          s_.product[j] += p / mass_ * along * (from_nearest(k, j) - s_.offset[j]);
        }
      });
    }
    const double h = bandwidth_of(queries_, i_);
    const double ratio = point_.scale / point_.bandwidth;
    double tangent_square = 0;
    for (std::int64_t j = 0; with_tangent && j < kde_.d; ++j) {
      tangent_square += tangent(j) * tangent(j);
      if (outputs_.jacobian_product != nullptr) {
        outputs_.jacobian_product[i_ * outputs_.ld_jacobian_product + j] =
            static_cast<S>((ratio * (ratio * s_.product[j]) - tangent(j)) / h / h);
      }
    }
    if (outputs_.quadratic_form != nullptr) {
      outputs_.quadratic_form[i_] =
          static_cast<S>((ratio * (ratio * variance) - tangent_square) / h / h);
    }
    if (outputs_.divergence != nullptr) {
      outputs_.divergence[i_] =
          static_cast<S>((ratio * (ratio * spread) - static_cast<double>(kde_.d)) / h / h);
    }
  }

  std::size_t target_;
  const CpuKde<S>& kde_;
  const Queries<S>& queries_;
  const Outputs<S>& outputs_;
  std::int64_t i_;
  const DataClass& of_;
  std::int64_t skip_;
  const FarScratch& s_;
  FarPoint point_;
  std::int64_t at_ = 0;
  double reference_ = 0;
  double mass_ = 0;
  double squares_ = 0;
};

// The exponent of the query's unit, in the stored unit: its coordinates and the data's, times a,
// are at most 1 in it.
template <class T>
int unit_exponent(const CpuKde<T>& kde, const Queries<T>& queries, std::int64_t i) {
  int exponent = std::ilogb(scale_of(queries, i)) + 2;
  for (std::int64_t j = 0; j < kde.d; ++j) {
    const auto x = static_cast<double>(queries.x[i * queries.ld + j]);
    if (x != 0) {
      exponent = std::max(exponent, std::ilogb(x) + kde.to_stored.exponent() + 1);
    }
  }
  return exponent;
}

}  // namespace

template <class T>
FarPoint far_point(const CpuKde<T>& kde, const Queries<T>& queries, std::int64_t i) {
  constexpr double kLeast = std::numeric_limits<double>::min();
  constexpr double kMost = std::numeric_limits<double>::max();
  constexpr double kRootHalfLog2E = 0.849321800288019131;  // sqrt(log2(e) / 2)
  const int exponent = unit_exponent(kde, queries, i);
  const PowerOfTwo to_unit(kde.to_stored.exponent() - exponent);
  FarPoint point;
  point.scale = PowerOfTwo(-exponent)(scale_of(queries, i));
  point.bandwidth = std::clamp(to_unit(bandwidth_of(queries, i)), kLeast, kMost);
  point.root_rate = kRootHalfLog2E / point.bandwidth;
  point.unit = std::min(PowerOfTwo(exponent)(1), kMost);
  return point;
}

template <class T>
void place_far_point(const CpuKde<T>& kde, const Queries<T>& queries, std::int64_t i,
                     std::int64_t at, FarPoint& point) {
  constexpr std::int64_t kPanel = CpuKde<T>::kPanel;
  const PowerOfTwo to_unit(kde.to_stored.exponent() - unit_exponent(kde, queries, i));
  const T* const column = kde.panels.data() + at / kPanel * kPanel * kde.d + at % kPanel;
  for (std::int64_t j = 0; j < kde.d; ++j) {
    const double x = to_unit(static_cast<double>(queries.x[i * queries.ld + j]));
    point.nearest[j] = static_cast<double>(column[j * kPanel]);
    point.lever[j] = 2 * std::fma(point.scale, point.nearest[j], -x);
  }
}

template <class T>
std::size_t kde_far_workspace_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                  const Outputs<T>& outputs) {
  Arena arena(nullptr);
  for (int thread = 0; thread < context.threads(); ++thread) {
    (void)FarScratch(arena, kde.d, CpuKde<T>::kTile, outputs.top);
  }
  return arena.used();
}

template <class T>
void kde_far_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                 const Outputs<T>& outputs, const PosteriorSummaries& summaries,
                 const std::int64_t* list, std::int64_t count, Arena arena) {
  const std::size_t target = dispatch_index(context.targets());
  char* const base = arena.take<char>(0);
  const std::size_t size =
      kde_far_workspace_cpu(context, kde, outputs) / static_cast<std::size_t>(context.threads());
  context.parallel_for(count, [&](std::int64_t at, int thread) {
    Arena own(base + size * static_cast<std::size_t>(thread));
    const FarScratch scratch(own, kde.d, CpuKde<T>::kTile, outputs.top);
    FarQuery<T>(target, kde, queries, outputs, list[at], scratch).run(summaries);
  });
}

#define SCF_KDE_INSTANTIATE(T)                                                                   \
  template FarPoint far_point(const CpuKde<T>&, const Queries<T>&, std::int64_t);                \
  template void place_far_point(const CpuKde<T>&, const Queries<T>&, std::int64_t, std::int64_t, \
                                FarPoint&);                                                      \
  template std::size_t kde_far_workspace_cpu(const CpuContext&, const CpuKde<T>&,                \
                                             const Outputs<T>&);                                 \
  template void kde_far_cpu(const CpuContext&, const CpuKde<T>&, const Queries<T>&,              \
                            const Outputs<T>&, const PosteriorSummaries&, const std::int64_t*,   \
                            std::int64_t, Arena);
SCF_KDE_INSTANTIATE(float)
SCF_KDE_INSTANTIATE(double)
#undef SCF_KDE_INSTANTIATE

}  // namespace scf::kde
#endif
