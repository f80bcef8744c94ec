// Evaluation of a Gaussian KDE on the CPU: the driver around the SIMD kernels.
//
// Queries are taken in batches of tiles of kTileQueries, the data in chunks whose number depends on
// the data alone. A first pass gives, for each query and chunk, weighted sums relative to an
// integer power of two; they are merged in the order of the chunks, exactly but for the additions,
// and finished in double. Second-order outputs take a second pass about the posterior mean. So a
// query's result depends neither on the threads nor on the other queries.
//
// Single precision is not enough for every query, nor one pass for every divergence: those that
// need more are found from their own results (needs_more) and evaluated again, from the same
// prepared data.
//
// One class, longer than files here aim to be: its passes share all of their state.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "common/cpu_context.h"
#include "common/flush_subnormals.h"
#include "kde/kde_chunk_cpu.h"
#include "kde/kde_detection.h"
#include "kde/kde_evaluate_cpu.h"
#include "kde/kde_expansion_cpu.h"

namespace scf::kde {

inline constexpr double kLn2 = 0.693147180559945309417;
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

// log2(e) / (2 h^2) of query i in the stored unit, or 0 or infinity beyond a double's range.
template <class T>
double exact_rate(const CpuKde<T>& kde, const Queries<T>& queries, std::int64_t i) {
  const double h = kde.to_stored(bandwidth_of(queries, i));
  return 0.5 / (kLn2 * h) / h;
}

// The same, kept in a range whose products in type C are no NaN: queries beyond it are evaluated in
// double, or are far.
template <class C>
double bounded_rate(double rate) {
  const double limit = sizeof(C) == sizeof(float) ? 1e30 : 1e300;
  return std::clamp(rate, 1 / limit, limit);
}

// What rounding in type C may move a coordinate of a y by, |y| < 2: a shared signal scale is a
// double, and may lie between two numbers of type C; and a product may be rounded. Over h^2 it is
// an error of the score.
template <class C>
double displacement(const CpuContext& context, double a) {
  double moved = 2 * std::abs(a - static_cast<double>(static_cast<C>(a)));
  if (a != 1 && !kde_fuses_multiply_adds(context.targets())) {
    moved += 2 * a * (sizeof(C) == sizeof(double) ? kUnitDouble : kUnitSingle);
  }
  return moved;
}

// Whether sums in single precision are numbers that mean something; `query` is the largest
// |component| of x and h the bandwidth, in the stored unit. The largest weight is about 1; where it
// is not, exponents are too large to say how large.
inline bool single_in_range(double query, double h, double rate, double moved, double reference,
                            double mass) {
  return query < 1e15 && rate > 1e-28 && rate < 1e28 && mass > 0.25 && std::isfinite(mass) &&
         !is_far(reference, mass, rate) && moved <= 5e-7 * h;
}

// Natural logarithm of the density of query i, from its sum mass 2^reference.
template <class T>
double log_density_of(const CpuKde<T>& kde, const Queries<T>& queries, std::int64_t i,
                      double bandwidth, double reference, double mass) {
  const DataClass& of = class_of(kde, queries, i);
  const double visible = kde.visible_weight(of, skip_of(kde, queries, i));
  return kLn2 * reference + std::log(mass) - std::log(visible) -
         static_cast<double>(kde.d) * (0.918938533204672741780 + std::log(bandwidth));
}

// From so many dimensions on, moments cost a twentieth of a first pass at most, and evaluations in
// single precision make them to be judged by.
inline constexpr std::int64_t kLeastForMoments = 16;

inline constexpr std::int64_t kMaxChunks = 32;
inline constexpr std::int64_t kMinChunk = 16384;  // data
inline constexpr std::size_t kPartialBytes = std::size_t{64}
                                             << 20;  // of a batch's partial sums, about
inline constexpr int kTilesPerThread = 4;
// Shares of the data: where boxes sum more, or screens let more pass, dense is faster.
inline constexpr double kMostSummed = 0.4;
inline constexpr double kMostListed = 0.25;
inline constexpr double kMostListedAlone = 0.6;  // where the nearest of few data says how near
// A dense evaluation in double without what it would not notice: reported as dense.
inline constexpr Method kNear = static_cast<Method>(-1);
// What it may leave out: README.md, Near data. From so many dimensions
// and data on it looks for them.
inline constexpr double kLog2Near = -60;
inline constexpr double kLog2NearSpread = -28;
inline constexpr double kMostNear = 0.15;  // shares: one costs as much as four dense pairs
inline constexpr double kMostNearAlone = 0.2;
inline constexpr double kNearAgain = 0.125;
inline constexpr std::int64_t kLeastNearDimension = kSmallDimension + 1;
inline constexpr std::int64_t kLeastNearData = 512;
// Of the median leaf, a times its radius in bandwidths: where it is wider, boxes sum leaves faster
// than expansions are evaluated.
inline constexpr double kWidestLeaf = 1;

// By what a query was evaluated, and how many data.
template <class T>
void write_report(const Outputs<T>& outputs, std::int64_t i, Method method,
                  std::int64_t evaluated) {
  if (outputs.method != nullptr) {
    outputs.method[i] = static_cast<std::int32_t>(method);
  }
  if (outputs.evaluated != nullptr) {
    outputs.evaluated[i] = evaluated;
  }
}

// ---- Chunks
// --------------------------------------------------------------------------------------

// Chunks of a range of positions: boundaries on tiles, so that they depend on the data alone.
struct Chunks {
  std::int64_t base;  // first position, rounded down to a tile
  std::int64_t size;
  std::int64_t count;
};

inline Chunks chunks_of(std::int64_t begin, std::int64_t end) {
  constexpr std::int64_t kTile = CpuKde<float>::kTile;
  const std::int64_t base = begin / kTile * kTile;
  const std::int64_t even = (end - base + kMaxChunks - 1) / kMaxChunks;
  const std::int64_t size = std::max(kMinChunk, (even + kTile - 1) / kTile * kTile);
  return {base, size, (end - base + size - 1) / size};
}

// ---- Tiles of queries
// -----------------------------------------------------------------------------

struct QueryTile {
  const std::int64_t* order;  // indices of its queries
  int count;
  const DataClass* of;  // which they all see
  Chunks chunks;
};

// Queries that a tile takes: whole groups, so that all threads have some, and that the last tile is
// no small rest.
template <class T>
std::int64_t queries_a_tile(const CpuContext& context, const CpuKde<T>& kde, std::int64_t count) {
  const std::int64_t groups = (count + kGroupRows - 1) / kGroupRows;
  constexpr std::int64_t kMost = kTileQueries / kGroupRows;
  std::int64_t tiles = (groups + kMost - 1) / kMost;
  if (tiles * chunks_of(0, kde.n).count < context.threads()) {
    tiles = context.threads();
  }
  return (groups + tiles - 1) / tiles * kGroupRows;
}

// Fills up to `most` tiles of up to `size` queries from order[done..count), which is sorted by
// class, and advances done.
template <class T>
std::int64_t list_tiles(const CpuKde<T>& kde, const Queries<T>& queries, const std::int64_t* order,
                        std::int64_t count, std::int64_t& done, std::int64_t size, QueryTile* tiles,
                        std::int64_t most) {
  std::int64_t listed = 0;
  while (listed < most && done < count) {
    const DataClass* of = &class_of(kde, queries, order[done]);
    std::int64_t end = done + 1;
    while (end < count && end - done < size && &class_of(kde, queries, order[end]) == of) {
      ++end;
    }
    tiles[listed++] = {order + done, static_cast<int>(end - done), of,
                       chunks_of(of->begin, of->end)};
    done = end;
  }
  return listed;
}

// ---- The merged state of a query
// -----------------------------------------------------------------

// Everything that outputs are made of, in the stored unit; mean is [padded].
struct QueryState {
  double reference;  // exponent (base 2) that masses are relative to
  double mass;
  double moment;
  double squares;
  double verdict;  // Verdict of the first pass
  double* mean;
};
inline constexpr std::int64_t kStateScalars = 5;

// What a first pass finds out about a query: nothing, that another evaluation is to repair it, or
// that it is far.
enum class Verdict { kGood, kNeedsMore, kFar };

// Sizes of a query's vectors in the stored unit, from which its error is estimated.
struct Extent {
  double away_squared = 0;  // |a m - x|^2
  double away = 0;          // largest |component| of a m - x,
  double mean = 0;          // of m,
  double shift = 0;         // of m - rho,
  double query = 0;         // and of x
};

// Sum or maximum over j in [0, d), by lanes: none waits for another, and compilers make vectors of
// them.
template <class Add, class Value>
double fold(std::int64_t d, const Add& add, const Value& value) {
  constexpr std::int64_t kLanes = 4;
  double lanes[kLanes] = {};
  std::int64_t j = 0;
  for (; j + kLanes <= d; j += kLanes) {
    for (std::int64_t k = 0; k < kLanes; ++k) {
      lanes[k] = add(lanes[k], value(j + k));
    }
  }
  for (; j < d; ++j) {
    lanes[0] = add(lanes[0], value(j));
  }
  return add(add(lanes[0], lanes[1]), add(lanes[2], lanes[3]));
}
template <class Value>
double sum_of(std::int64_t d, const Value& value) {
  return fold(
      d, [](double a, double b) { return a + b; }, value);
}
template <class T>
double largest_of(const T* values, std::int64_t d) {
  return fold(
      d, [](double a, double b) { return b > a ? b : a; },
      [values](std::int64_t j) { return static_cast<double>(std::abs(values[j])); });
}

// a b - c rounded once, as far as a double goes: what std::fma gives, without a call into the
// mathematical library where a processor's own instruction may not be used. Dekker's product.
class ExactScale {
 public:
  explicit ExactScale(double scale) : scale_(scale) {
    const double wide = scale * 134217729.0;  // 2^27 + 1
    high_ = wide - (wide - scale);
    low_ = scale - high_;
    splits_ = scale < 1e100 && scale > 1e-100;
  }
  // b is of moderate size: less than 1e100.
  [[nodiscard]] double minus(double b, double c) const {
    if (!splits_) {
      return std::fma(scale_, b, -c);
    }
    const double product = scale_ * b;
    const double wide = b * 134217729.0;
    const double high = wide - (wide - b);
    const double low = b - high;
    const double rest = ((high_ * high - product) + high_ * low + low_ * high) + low_ * low;
    return (product - c) + rest;
  }

 private:
  double scale_, high_, low_;
  bool splits_;
};

// ---- One evaluation
// ------------------------------------------------------------------------------

// Queries that evaluations come across and leave to others: the far ones (kde_far_cpu.h), say.
struct QueryList {
  std::int64_t* queries;
  std::int64_t count;
};

// kOne gives the divergence from the moments of the first pass, and no Jacobian products; kTwo
// gives second-order outputs from a second pass, in double.
enum class Passes { kOne, kTwo };

template <class S, class C>
class Evaluation {
 public:
  Evaluation(const CpuContext& context, const CpuKde<S>& kde, const Queries<S>& queries,
             const Outputs<S>& outputs, Passes passes, Method method = Method::kDense,
             const PosteriorSummaries& summaries = {})
      : context_(context),
        kde_(kde),
        queries_(queries),
        outputs_(outputs),
        method_(method),
        summaries_(summaries) {
    layout_ = {kde.padded(), outputs.top};
    tangent_ = outputs.jacobian_product != nullptr || outputs.quadratic_form != nullptr;
    second_ = passes == Passes::kTwo;
    sums_ = second_ || summaries.mean != nullptr || outputs.score != nullptr ||
            outputs.denoised != nullptr || outputs.divergence != nullptr;
    moments_ = outputs.effective_sample_size != nullptr ||
               (!second_ && outputs.divergence != nullptr) ||
               (!kExact && (outputs.denoised != nullptr || (sums_ && kde.d >= kLeastForMoments)));
    judged_by_moments_ = outputs.effective_sample_size != nullptr || outputs.denoised != nullptr ||
                         outputs.divergence != nullptr;
    score_only_ = !second_ && summaries.mean == nullptr && outputs.denoised == nullptr;
    small_ = kde.d <= kSmallDimension && outputs.top == 0;
    // A label's range may straddle one more. Methods with a tolerance take all data at once.
    in_chunks_ = method == Method::kDense || method == kNear;
    max_chunks_ = in_chunks_ ? chunks_of(0, kde.n).count + 1 : 1;
    const std::size_t per_tile =
        sizeof(double) * static_cast<std::size_t>(layout_.size() * max_chunks_ * kTileQueries);
    const std::int64_t fitting = static_cast<std::int64_t>(kPartialBytes / per_tile);
    tiles_ = std::clamp<std::int64_t>(fitting, 1, kTilesPerThread * context.threads());
    tiles_ = std::min(tiles_, queries.m);  // every tile may hold a single query
  }

  // Lays out the workspace; with a null base it only counts.
  void carve(Arena& arena) {
    const std::int64_t slots = tiles_ * kTileQueries;
    tile_list_ = arena.take<Tile>(tiles_);
    partials_ = arena.take<double>(slots * max_chunks_ * layout_.size());
    states_ = arena.take<double>(slots * (kStateScalars + layout_.padded));
    away_ = arena.take<double>(context_.threads() * layout_.padded);
    rho_ = arena.take<C>(context_.threads() * layout_.padded);
    evaluated_ =
        method_ == Method::kDense ? nullptr : arena.take<std::int64_t>(slots * max_chunks_);
    scratch_size_ = 0;
    Arena scratch(nullptr);
    take_scratch(scratch);
    scratch_size_ = scratch.used();
    scratch_ = arena.take<char>(static_cast<std::int64_t>(scratch_size_) * context_.threads());
  }

  // Evaluates the queries listed in `order`, which is sorted by class; writes the indices of those
  // that need more than C's precision, or than one pass, to `flagged`, which may be `order` itself,
  // and returns their number. None are looked for where `flagged` is null. In double, queries that
  // are far are put on `far` instead, where that is given; their outputs mean nothing yet. So are
  // those that a method other than the dense one declines, on `declined`.
  std::int64_t run(const std::int64_t* order, std::int64_t count, std::int64_t* flagged,
                   QueryList* far = nullptr, QueryList* declined = nullptr) {
    std::int64_t flags = 0;
    for (std::int64_t done = 0; done < count;) {
      const std::int64_t tiles = list_some(order, count, done);
      run_tiles(tiles, Pass::kFirst);
      context_.parallel_for(tiles * kTileQueries, [&](std::int64_t slot, int thread) {
        const Tile& tile = tile_list_[slot / kTileQueries];
        if (slot % kTileQueries < tile.count && !is_declined(tile, slot)) {
          finish_first(slot, tile.order[slot % kTileQueries], thread);
        }
      });
      if (second_) {
        run_tiles(tiles, Pass::kSecond);
        context_.parallel_for(tiles * kTileQueries, [&](std::int64_t slot, int) {
          const Tile& tile = tile_list_[slot / kTileQueries];
          if (slot % kTileQueries < tile.count) {
            finish_second(slot, tile.order[slot % kTileQueries]);
          }
        });
      }
      for (std::int64_t t = 0; t < tiles; ++t) {
        for (int q = 0; q < tile_list_[t].count; ++q) {
          const std::int64_t i = tile_list_[t].order[q];
          const auto verdict =
              static_cast<Verdict>(static_cast<int>(state_of(t * kTileQueries + q).verdict));
          if (is_declined(tile_list_[t], t * kTileQueries + q)) {
            declined->queries[declined->count++] = i;
          } else if (far != nullptr && verdict == Verdict::kFar) {
            far->queries[far->count++] = i;
          } else if (flagged != nullptr && verdict != Verdict::kGood) {
            flagged[flags++] = i;
          }
        }
      }
    }
    return flags;
  }

 private:
  static constexpr bool kExact = sizeof(C) == sizeof(double);

  enum class Pass { kFirst, kSecond };

  using Tile = QueryTile;

  // A tile's queries on their way to the screen.
  struct ScreenScratchpad {
    double* u;
    double* v;
    double* tolerance;
    float* mapped;
    float* scale;
    char* kernel;
  };

  struct Scratch {
    double* rate;
    double* reference;
    std::int64_t* skip;
    std::int8_t* origin;
    C* scale;
    C* x;
    C* rho;
    C* mean;
    C* tangent;
    double* distances;
    C* posterior;
    double* slack;  // of the methods that are not dense
    ScreenScratchpad screen;
    char* expansion;
  };

  Scratch take_scratch(Arena& arena) const {
    const std::int64_t d = kde_.d;
    Scratch s{};
    s.rate = arena.take<double>(kTileQueries);
    s.reference = arena.take<double>(kTileQueries);
    s.skip = arena.take<std::int64_t>(kTileQueries);
    s.origin = arena.take<std::int8_t>(kTileQueries);
    s.scale = arena.take<C>(kTileQueries);
    s.x = arena.take<C>(kTileQueries * d);
    s.rho = arena.take<C>(kTileQueries * layout_.padded);
    if (second_) {
      s.mean = arena.take<C>(kTileQueries * d);
      s.tangent = arena.take<C>(kTileQueries * d);
    }
    if (method_ != Method::kDense) {
      s.slack = arena.take<double>(kTileQueries);
      if (method_ == Method::kExpansion) {
        s.expansion = arena.take<char>(kExpansionScratch);
      }
      if (method_ == Method::kScreen || method_ == kNear) {
        const bool maps = method_ == Method::kScreen;
        if (maps) {
          s.screen.u = arena.take<double>(ScreenIndex::kRows * d);
          s.screen.v = arena.take<double>(ScreenIndex::kRows * (kde_.screen->pitch + 1));
        }
        s.screen.tolerance = arena.take<double>(kTileQueries);
        s.screen.mapped = arena.take<float>(kTileQueries * (maps ? kde_.screen->mapped() : d));
        s.screen.scale = arena.take<float>(kTileQueries);
        s.screen.kernel = arena.take<char>(static_cast<std::int64_t>(kde_screen_scratch(kde_)));
      }
    } else {
      s.distances = arena.take<double>((second_ ? 3 : 1) * kTileQueries * CpuKde<S>::kTile);
      s.posterior = arena.take<C>(kTileQueries * CpuKde<S>::kTile);
    }
    return s;
  }

  // Whether the method left this query to the dense one: in any chunk.
  bool is_declined(const Tile& tile, std::int64_t slot) const {
    if (method_ == Method::kDense) {
      return false;
    }
    bool declined = false;
    for (std::int64_t c = 0; c < tile.chunks.count; ++c) {
      declined = declined || *evaluated_of(slot, c) < 0;
    }
    return declined;
  }

  // Fills tile_list_ from order[done..count), advancing done.
  std::int64_t list_some(const std::int64_t* order, std::int64_t count, std::int64_t& done) {
    if (in_chunks_) {
      return list_tiles(kde_, queries_, order, count, done, queries_a_tile(context_, kde_, count),
                        tile_list_, tiles_);
    }
    // A tile of another method is one task, of all data: there are to be as many as threads.
    // Those of expansions are evaluated together, and are the same whatever the threads.
    const std::int64_t size =
        method_ == Method::kExpansion
            ? kExpansionTile
            : std::clamp<std::int64_t>(count / context_.threads(), kGroupRows, kTileQueries);
    const std::int64_t listed =
        list_tiles(kde_, queries_, order, count, done, size, tile_list_, tiles_);
    for (std::int64_t t = 0; t < listed; ++t) {
      tile_list_[t].chunks = {tile_list_[t].of->begin, kde_.n, 1};
    }
    return listed;
  }

  double* partial_of(std::int64_t slot, std::int64_t chunk) const {
    const std::int64_t tile = slot / kTileQueries;
    return partials_ +
           ((tile * max_chunks_ + chunk) * kTileQueries + slot % kTileQueries) * layout_.size();
  }

  // Those of a tile's queries lie side by side.
  std::int64_t* evaluated_of(std::int64_t slot, std::int64_t chunk) const {
    const std::int64_t tile = slot / kTileQueries;
    return evaluated_ + (tile * max_chunks_ + chunk) * kTileQueries + slot % kTileQueries;
  }

  QueryState state_of(std::int64_t slot) const {
    double* const s = states_ + slot * (kStateScalars + layout_.padded);
    return {s[0], s[1], s[2], s[3], s[4], s + kStateScalars};
  }

  void run_tiles(std::int64_t tiles, Pass pass) {
    context_.parallel_for(tiles * max_chunks_, [&](std::int64_t index, int thread) {
      const std::int64_t tile = index / max_chunks_;
      const std::int64_t chunk = index % max_chunks_;
      if (chunk < tile_list_[tile].chunks.count) {
        run_chunk(tile, chunk, thread, pass);
      }
    });
  }

  void run_chunk(std::int64_t tile_index, std::int64_t chunk, int thread, Pass pass) {
    const Tile& tile = tile_list_[tile_index];
    Arena arena(scratch_ + scratch_size_ * static_cast<std::size_t>(thread));
    const Scratch scratch = take_scratch(arena);
    ChunkTask<S, C> task;
    task.context = &context_;
    task.kde = &kde_;
    task.begin = std::max(tile.of->begin, tile.chunks.base + chunk * tile.chunks.size);
    task.end = std::min(tile.of->end, tile.chunks.base + (chunk + 1) * tile.chunks.size);
    task.queries = tile.count;
    task.sums = pass == Pass::kFirst ? sums_ : outputs_.jacobian_product != nullptr;
    task.moments = moments_;
    task.layout = layout_;
    task.partials = partial_of(tile_index * kTileQueries, chunk);
    task.stride = layout_.size();
    pack(tile, tile_index * kTileQueries, scratch, pass, task);
    // Far data weigh next to nothing, and their squares and products less than that.
    const FlushSubnormals flush;
    if constexpr (kExact) {
      if (pass == Pass::kSecond) {
        return kde_second_chunk(context_.targets(), task);
      }
    }
    if constexpr (kExact) {
      if (method_ == Method::kExpansion) {
        return kde_expansion_chunk<S>(
            context_.targets(), {&task, std::log(queries_.tolerance),
                                 evaluated_of(tile_index * kTileQueries, 0), scratch.expansion});
      }
    }
    if constexpr (kExact && sizeof(S) == sizeof(float)) {
      if (method_ == kNear) {
        return run_near(task, tile, evaluated_of(tile_index * kTileQueries, chunk), scratch);
      }
    }
    if (method_ == Method::kBoxes) {
      run_boxes(task, tile, tile_index * kTileQueries, scratch.slack);
    } else if (method_ == Method::kScreen) {
      run_screen(task, tile, tile_index * kTileQueries, scratch);
    } else if (small_) {
      kde_small_chunk(context_.targets(), task);
    } else {
      kde_tile_chunk(context_.targets(), task);
    }
  }

  void run_boxes(const ChunkTask<S, C>& chunk, const Tile& tile, std::int64_t first_slot,
                 double* slack) {
    for (int q = 0; q < tile.count; ++q) {
      slack[q] = displacement<C>(context_, scale_of(queries_, tile.order[q]));
    }
    BoxTask<S, C> task;
    task.chunk = &chunk;
    task.log2_tolerance = std::log2(queries_.tolerance);
    task.most_leaves =
        static_cast<std::int64_t>(kMostSummed * static_cast<double>(kde_.n)) / BoxIndex<S>::kLeaf;
    task.slack = slack;
    task.evaluated = evaluated_of(first_slot, 0);
    kde_boxes_chunk(context_.targets(), task);
  }

  void run_screen(const ChunkTask<S, C>& chunk, const Tile& tile, std::int64_t first_slot,
                  const Scratch& scratch) {
    const ScreenIndex& index = *kde_.screen;
    const ScreenScratchpad& pad = scratch.screen;
    const std::int64_t d = kde_.d;
    for (int first = 0; first < rows_of(tile); first += static_cast<int>(ScreenIndex::kRows)) {
      double x_norms[ScreenIndex::kRows];
      double norms[ScreenIndex::kRows];
      for (int r = 0; r < ScreenIndex::kRows; ++r) {
        const std::int64_t i = tile.order[std::min(first + r, tile.count - 1)];
        const double a = scale_of(queries_, i);
        double squares = 0;
        for (std::int64_t j = 0; j < d; ++j) {
          const double xj = kde_.to_stored(static_cast<double>(queries_.x[i * queries_.ld + j]));
          pad.u[r * d + j] = xj - a * index.centre[j];
          squares += xj * xj;
        }
        x_norms[r] = std::sqrt(squares);
      }
      kde_screen_map(context_.targets(), index, pad.u, pad.v, norms);
      for (int r = 0; r < ScreenIndex::kRows; ++r) {
        const int q = first + r;
        const double* const v = pad.v + r * (index.pitch + 1);
        float* const to =
            pad.mapped + q / kGroupRows * kGroupRows * index.mapped() + q % kGroupRows;
        for (std::int64_t k = 0; k < index.k; ++k) {
          to[k * kGroupRows] = static_cast<float>(v[k]);
        }
        to[index.k * kGroupRows] = static_cast<float>(v[index.pitch]);
        const double a = scale_of(queries_, tile.order[std::min(q, tile.count - 1)]);
        pad.scale[q] = static_cast<float>(a);
        const double product = a == 1 ? 0 : 3 * kUnitSingle * a * index.largest_norm;
        scratch.slack[q] = index.map_error(norms[r], x_norms[r], a) +
                           a * index.map_error(index.largest_norm, index.largest_norm, 1) +
                           product +
                           std::sqrt(static_cast<double>(d)) * displacement<C>(context_, a);
      }
    }
    std::fill_n(pad.tolerance, kTileQueries, std::log2(queries_.tolerance));
    ScreenTask<S, C> task;
    task.chunk = &chunk;
    task.panels = index.panels.data();
    task.numbers = index.mapped();
    task.log2_tolerance = pad.tolerance;
    task.visible = tile.of->weight;
    // Of a dense pair's 3 d operations, 2 for each mapped number; a datum that passes costs as much
    // as 2.5 pairs, and 0.8 of them all are to be worth it.
    const double mapped = static_cast<double>(index.mapped()) / (1.5 * static_cast<double>(d));
    task.most = std::min(kMostListed, (0.8 - mapped) / 2.5);
    task.most_alone = kMostListedAlone;
    task.again = 1.5 * mapped / 2.5;
    task.mapped = pad.mapped;
    task.scale = pad.scale;
    task.slack = scratch.slack;
    task.evaluated = evaluated_of(first_slot, 0);
    task.scratch = pad.kernel;
    kde_screen_chunk(context_.targets(), task);
  }

  // The data that count beside what a double rounds, found in single precision.
  void run_near(const ChunkTask<S, C>& chunk, const Tile& tile, std::int64_t* evaluated,
                const Scratch& scratch) {
    const ScreenScratchpad& pad = scratch.screen;
    const double diameter = std::sqrt(sum_of(kde_.d, [this](std::int64_t j) {
      const double side = static_cast<double>(kde_.upper[j]) - static_cast<double>(kde_.lower[j]);
      return side * side;
    }));
    const int rows = rows_of(tile);
    for (int q = 0; q < rows; ++q) {
      const std::int64_t i = tile.order[std::min(q, tile.count - 1)];
      const double a = scale_of(queries_, i);
      const double h = kde_.to_stored(bandwidth_of(queries_, i));
      pad.scale[q] = static_cast<float>(a);
      pad.tolerance[q] =
          std::min(kLog2Near, kLog2NearSpread + 2 * std::log2(h / (a * diameter + h)));
      scratch.slack[q] = std::sqrt(static_cast<double>(kde_.d)) *
                         (displacement<float>(context_, a) + displacement<double>(context_, a));
    }
    // Stored coordinates are numbers of single precision.
    for (std::int64_t e = 0; e < rows * kde_.d; ++e) {
      pad.mapped[e] = static_cast<float>(chunk.x[e]);
    }
    ScreenTask<float, double> task;
    task.chunk = &chunk;
    task.panels = kde_.panels.data();
    task.numbers = kde_.d;
    task.log2_tolerance = pad.tolerance;
    task.visible = tile.of->weight;
    task.most = kMostNear;
    task.most_alone = kMostNearAlone;
    task.again = kNearAgain;
    task.mapped = pad.mapped;
    task.scale = pad.scale;
    task.slack = scratch.slack;
    task.evaluated = evaluated;
    task.scratch = pad.kernel;
    kde_near_chunk(context_.targets(), task);
  }

  // Rows that kernels look at: whole groups.
  static int rows_of(const Tile& tile) {
    return (tile.count + kGroupRows - 1) / kGroupRows * kGroupRows;
  }

  // Converts a tile's queries to the stored unit and the kernels' layouts.
  void pack(const Tile& tile, std::int64_t first_slot, const Scratch& s, Pass pass,
            ChunkTask<S, C>& task) const {
    const std::int64_t d = kde_.d;
    const std::int64_t padded = layout_.padded;
    task.rate = s.rate;
    task.scale = s.scale;
    task.skip = s.skip;
    task.origin = s.origin;
    task.reference = s.reference;
    task.x = s.x;
    task.rho = s.rho;
    task.mean = s.mean;
    task.tangent = s.tangent;
    task.distances = s.distances;
    task.posterior = s.posterior;
    const int rows = rows_of(tile);
    for (int q = 0; q < rows; ++q) {
      // Unused rows of a group repeat the last query, which keeps them finite.
      const std::int64_t i = tile.order[std::min(q, tile.count - 1)];
      const double a = scale_of(queries_, i);
      const double h_squared = relative_h_squared(i);
      const ReferencePoint kind = reference_kind(a, h_squared);
      s.origin[q] = kind == ReferencePoint::kOrigin ? 1 : 0;
      s.scale[q] = static_cast<C>(a);
      s.rate[q] = bounded_rate<C>(exact_rate(kde_, queries_, i));
      s.skip[q] = skip_of(kde_, queries_, i);
      task.scaled = task.scaled || s.scale[q] != C(1);
      task.rho_is_x = score_only_ && !task.scaled;
      const S* const x = queries_.x + i * queries_.ld;
      const std::int64_t at = q / kGroupRows * kGroupRows * d + q % kGroupRows;
      const PowerOfTwo to_stored = kde_.to_stored;
      for (std::int64_t j = 0; j < d; ++j) {
        s.x[at + j * kGroupRows] = static_cast<C>(to_stored(static_cast<double>(x[j])));
      }
      if (pass == Pass::kFirst) {
        reference_points(kind, x, a, h_squared, s.rho + q * padded);
      }
      std::fill(s.rho + q * padded + d, s.rho + (q + 1) * padded, C(0));
      if (pass == Pass::kSecond) {
        const QueryState state = state_of(first_slot + std::min(q, tile.count - 1));
        s.reference[q] = state.reference;
        for (std::int64_t j = 0; j < d; ++j) {
          const C mean = static_cast<C>(state.mean[j]);
          s.mean[at + j * kGroupRows] = mean;
          s.rho[q * padded + j] = mean;
          s.tangent[at + j * kGroupRows] =
              tangent_ ? static_cast<C>(queries_.tangent[i * queries_.ld_tangent + j]) : C(0);
        }
      }
    }
  }

  // Weighted sums gather p (y - rho) about a reference point rho per query:
  //   the query itself, for the score alone and a = 1: sum p (y - x) is the score and cannot
  //   cancel; 0 in its place, which is cheaper, where that costs no digits: sums of p y round by u
  //   |y|, |y| < 2 in the stored unit, and a score is of the size of the bandwidth or the data's
  //   spread; else a guess of the mean m, so that neither the score a m - x = a (m - rho) + (a rho
  //   - x) nor the mean m = rho + (m - rho) cancels: what m would be if the data were Gaussian, x /
  //   a at small bandwidths, their own mean at large ones.
  enum class ReferencePoint { kQuery, kOrigin, kGuess };

  ReferencePoint reference_kind(double a, double h_squared) const {
    if (!score_only_ || a != 1) {
      return ReferencePoint::kGuess;
    }
    const double enough = kde_.d <= 64 ? 0.125 : 0.0625;
    const bool digits_to_spare = kde_.spread >= enough && h_squared >= enough * enough;
    return !small_ && digits_to_spare ? ReferencePoint::kOrigin : ReferencePoint::kQuery;
  }

  // rho of a query, [d].
  void reference_points(ReferencePoint kind, const S* x, double a, double h_squared, C* rho) const {
    switch (kind) {
      case ReferencePoint::kOrigin:
        std::fill_n(rho, kde_.d, C(0));
        return;
      case ReferencePoint::kQuery:
        for (std::int64_t j = 0; j < kde_.d; ++j) {
          rho[j] = static_cast<C>(kde_.to_stored(static_cast<double>(x[j])));
        }
        return;
      case ReferencePoint::kGuess:
        break;
    }
    const double* const mean = kde_.mean.data();
    const double* const variance = kde_.variance.data();
    const double inverse = 1 / a;
    const double alone = h_squared > 0 ? 0 : 1;  // share of x where there is no variance
    for (std::int64_t j = 0; j < kde_.d; ++j) {
      const double xj = kde_.to_stored(static_cast<double>(x[j]));
      const double share = variance[j] > 0 ? variance[j] / (variance[j] + h_squared) : alone;
      const double guess = mean[j] + (xj * inverse - mean[j]) * share;
      rho[j] = static_cast<C>(std::clamp(guess, static_cast<double>(kde_.lower[j]),
                                         static_cast<double>(kde_.upper[j])));
    }
  }

  bool query_is_far(const QueryState& state, std::int64_t i) const {
    return is_far(state.reference, state.mass, exact_rate(kde_, queries_, i));
  }

  // (h / a)^2 in the stored unit.
  double relative_h_squared(std::int64_t i) const {
    const double h = kde_.to_stored(bandwidth_of(queries_, i)) / scale_of(queries_, i);
    return h * h;
  }

  // Merges the chunks of a query into its state, and writes the first-order outputs.
  void finish_first(std::int64_t slot, std::int64_t i, int thread) {
    const Tile& tile = tile_list_[slot / kTileQueries];
    double reference = -kInfinity;
    for (std::int64_t c = 0; c < tile.chunks.count; ++c) {
      reference = std::max(reference, partial_of(slot, c)[PartialLayout::kReference]);
    }
    double* const state = states_ + slot * (kStateScalars + layout_.padded);
    std::fill_n(state, kStateScalars, 0.0);
    state[0] = reference;
    double* const sums = state + kStateScalars;
    bool some = false;
    for (std::int64_t c = 0; c < tile.chunks.count; ++c) {
      const double* const partial = partial_of(slot, c);
      const double factor = std::exp2(partial[PartialLayout::kReference] - reference);
      if (!(factor > 0)) {  // a sum there may be infinite
        continue;
      }
      state[1] += factor * partial[PartialLayout::kMass];
      state[2] += factor * partial[PartialLayout::kMoment];
      state[3] += factor * factor * partial[PartialLayout::kSquares];
      const double* const from = partial + PartialLayout::kSums;
      if (some) {
        for (std::int64_t j = 0; j < kde_.d; ++j) {
          sums[j] += factor * from[j];
        }
      } else {
        for (std::int64_t j = 0; j < kde_.d; ++j) {
          sums[j] = factor * from[j];
        }
        some = true;
      }
    }
    if (!some) {
      std::fill_n(sums, kde_.d, 0.0);
    }
    std::fill(sums + kde_.d, sums + layout_.padded, 0.0);
    const Extent extent = write_first(thread, i, state);
    if (query_is_far(state_of(slot), i)) {
      state[4] = static_cast<double>(Verdict::kFar);
    } else if (needs_more(state_of(slot), i, extent)) {
      state[4] = static_cast<double>(Verdict::kNeedsMore);
    }
    if (in_chunks_) {
      write_report(outputs_, i, Method::kDense, tile.of->end - tile.of->begin);
    } else {
      write_report(outputs_, i, method_, *evaluated_of(slot, 0));
    }
    if (summaries_.mean != nullptr) {
      summaries_.log2_sum[i] = reference + std::log2(state[1]);
      std::copy_n(state + kStateScalars, layout_.padded, summaries_.mean + i * layout_.padded);
      summaries_.nearest[i] = -1;
    }
    if (outputs_.top > 0) {
      write_top(slot, i, state_of(slot));
    }
  }

  Extent write_first(int thread, std::int64_t i, double* state) {
    const double mass = state[1];
    Extent extent;
    if (sums_) {
      write_vectors(thread, i, state, extent);
    }
    if (!kExact) {
      extent.query = kde_.to_stored(largest_of(queries_.x + i * queries_.ld, kde_.d));
    }
    if (outputs_.log_density != nullptr) {
      outputs_.log_density[i] = static_cast<S>(
          log_density_of(kde_, queries_, i, bandwidth_of(queries_, i), state[0], mass));
    }
    if (outputs_.effective_sample_size != nullptr) {
      outputs_.effective_sample_size[i] = static_cast<S>(mass * mass / state[3]);
    }
    if (outputs_.divergence != nullptr && !second_) {
      write_divergence(i, state[2] / mass - extent.away_squared);
    }
    return extent;
  }

  // Score and denoiser from the sums, which become the mean.
  void write_vectors(int thread, std::int64_t i, double* state, Extent& extent) {
    const double a = scale_of(queries_, i);
    const double h_squared = relative_h_squared(i);
    const ReferencePoint kind = reference_kind(a, h_squared);
    const S* const x = queries_.x + i * queries_.ld;
    double* const mean = state + kStateScalars;
    double* const away = away_ + thread * layout_.padded;
    const double inverse_mass = 1 / state[1];
    const ExactScale scale(a);
    if (!kExact && moments_) {
      extent.shift = largest_of(mean, kde_.d) * inverse_mass;
    }
    const PowerOfTwo to_stored = kde_.to_stored;
    if (kind == ReferencePoint::kGuess) {
      C* const rho = rho_ + thread * layout_.padded;
      reference_points(kind, x, a, h_squared, rho);
      for (std::int64_t j = 0; j < kde_.d; ++j) {
        const double offset = mean[j] * inverse_mass;
        const auto rho_j = static_cast<double>(rho[j]);
        const double xj = to_stored(static_cast<double>(x[j]));
        away[j] = a * offset + scale.minus(rho_j, xj);
        mean[j] = rho_j + offset;
      }
    } else {
      // a is 1, and rho is x or 0.
      const double of_query = kind == ReferencePoint::kQuery ? 1 : 0;
      for (std::int64_t j = 0; j < kde_.d; ++j) {
        const double offset = mean[j] * inverse_mass;
        const double xj = to_stored(static_cast<double>(x[j]));
        const auto rho_j = of_query * static_cast<double>(static_cast<C>(xj));
        away[j] = offset + (rho_j - xj);
        mean[j] = rho_j + offset;
      }
    }
    extent.away_squared = sum_of(kde_.d, [away](std::int64_t j) { return away[j] * away[j]; });
    if (!kExact && moments_) {
      extent.away = largest_of(away, kde_.d);
      extent.mean = largest_of(mean, kde_.d);
    }
    if (outputs_.score != nullptr) {
      // 1/h^2 in two steps: h^2 may under- or overflow where the score does not.
      const double inverse_h = 1 / kde_.to_stored(bandwidth_of(queries_, i));
      S* const score = outputs_.score + i * outputs_.ld_score;
      for (std::int64_t j = 0; j < kde_.d; ++j) {
        score[j] = static_cast<S>(to_stored(away[j] * inverse_h * inverse_h));
      }
    }
    if (outputs_.denoised != nullptr) {
      const PowerOfTwo from_stored = kde_.from_stored;
      S* const denoised = outputs_.denoised + i * outputs_.ld_denoised;
      for (std::int64_t j = 0; j < kde_.d; ++j) {
        denoised[j] = static_cast<S>(from_stored(mean[j]));
      }
    }
  }

  // a^2 tr Cov / h^4 - d / h^2, the trace in the stored unit.
  void write_divergence(std::int64_t i, double scaled_trace) {
    const double h = bandwidth_of(queries_, i);
    const double stored_h = kde_.to_stored(h);
    outputs_.divergence[i] =
        static_cast<S>((scaled_trace / stored_h / stored_h - static_cast<double>(kde_.d)) / h / h);
  }

  // Merges the chunks' lists of the largest exponents, ties by the lowest index. Exponents beyond
  // 2^53 are rounded to more than 1; the weights still add up to 1 at most.
  void write_top(std::int64_t slot, std::int64_t i, const QueryState& state) {
    const Tile& tile = tile_list_[slot / kTileQueries];
    double left = 1;
    std::int64_t taken[kMaxChunks + 1] = {};
    for (int rank = 0; rank < outputs_.top; ++rank) {
      std::int64_t best = -1;  // chunk
      double best_t = -kInfinity;
      std::int64_t best_index = -1;
      for (std::int64_t c = 0; c < tile.chunks.count; ++c) {
        if (taken[c] == outputs_.top) {
          continue;
        }
        const double* const partial = partial_of(slot, c);
        const auto place =
            reinterpret_cast<const std::int64_t*>(partial + layout_.top_positions())[taken[c]];
        if (place < 0) {
          continue;
        }
        const double t = partial[layout_.top_exponents() + taken[c]];
        const std::int64_t index = kde_.original_index(place);
        if (best < 0 || t > best_t || (t == best_t && index < best_index)) {
          best = c;
          best_t = t;
          best_index = index;
        }
      }
      if (outputs_.top_indices != nullptr) {
        outputs_.top_indices[i * outputs_.top + rank] = best_index;
      }
      if (outputs_.top_weights != nullptr) {
        const double weight = std::min(std::exp2(best_t - state.reference) / state.mass, left);
        outputs_.top_weights[i * outputs_.top + rank] = static_cast<S>(weight);
        left -= weight;
      }
      if (best >= 0) {
        ++taken[best];
      }
    }
  }

  void finish_second(std::int64_t slot, std::int64_t i) {
    const Tile& tile = tile_list_[slot / kTileQueries];
    const QueryState state = state_of(slot);
    double* const total = partial_of(slot, 0);
    for (std::int64_t c = 1; c < tile.chunks.count; ++c) {
      const double* const partial = partial_of(slot, c);
      for (std::int64_t j = 0; j < SecondLayout::kSums + kde_.d; ++j) {
        total[j] += partial[j];
      }
    }
    const double a = scale_of(queries_, i);
    const double h = bandwidth_of(queries_, i);
    const double stored_h = kde_.to_stored(h);
    const double ratio = a / stored_h;
    double rounding_squared = 0;  // |mean - mean rounded|^2
    double v_squared = 0;
    const double mean_tangent = total[SecondLayout::kTangent] / state.mass;
    for (std::int64_t j = 0; j < kde_.d; ++j) {
      const double rounding = state.mean[j] - static_cast<double>(static_cast<C>(state.mean[j]));
      rounding_squared += rounding * rounding;
      if (!tangent_) {
        continue;
      }
      const auto v = static_cast<double>(queries_.tangent[i * queries_.ld_tangent + j]);
      v_squared += v * v;
      if (outputs_.jacobian_product != nullptr) {
        const double covariance =
            total[SecondLayout::kSums + j] / state.mass - mean_tangent * rounding;
        outputs_.jacobian_product[i * outputs_.ld_jacobian_product + j] =
            static_cast<S>((ratio * (ratio * covariance) - v) / h / h);
      }
    }
    if (outputs_.quadratic_form != nullptr) {
      const double variance =
          total[SecondLayout::kTangentSquared] / state.mass - mean_tangent * mean_tangent;
      outputs_.quadratic_form[i] = static_cast<S>((ratio * (ratio * variance) - v_squared) / h / h);
    }
    if (outputs_.divergence != nullptr) {
      write_divergence(i, a * a * (total[SecondLayout::kSpread] / state.mass - rounding_squared));
    }
  }

  // Whether another evaluation is to repair this query: of single precision one in double, of one
  // pass one of two.
  bool needs_more(const QueryState& state, std::int64_t i, const Extent& extent) const {
    if constexpr (!kExact) {
      return needs_double(state, i, extent);
    }
    if (outputs_.divergence == nullptr) {
      return false;
    }
    Moments moments{};
    moments.bandwidth = kde_.to_stored(bandwidth_of(queries_, i));
    moments.mean_square = state.moment / state.mass;
    return divergence_cancels<S>(moments, kde_.n, kde_.d);
  }

  // Whether single precision cannot promise this query. All lengths in the stored unit.
  bool needs_double(const QueryState& state, std::int64_t i, const Extent& extent) const {
    const double a = scale_of(queries_, i);
    const double h = kde_.to_stored(bandwidth_of(queries_, i));
    Moments moments{};
    moments.offset_square = extent.away_squared;
    moments.score_size = extent.away / h / h;
    moments.mean_size = extent.mean;
    // About the origin there are digits to spare.
    const ReferencePoint kind = reference_kind(a, relative_h_squared(i));
    moments.shift_size = kind == ReferencePoint::kOrigin ? 0 : extent.shift;
    const double rate = exact_rate(kde_, queries_, i);
    if (!single_in_range(extent.query, h, rate, displacement<float>(context_, a), state.reference,
                         state.mass) ||
        !std::isfinite(moments.offset_square)) {
      return true;
    }
    if (!judged_by_moments_) {
      SinglePrecision query;
      query.d = kde_.d;
      query.n = kde_.n;
      query.log_sum = kLn2 * (state.reference + std::log2(state.mass));
      query.score_exponent = moments.offset_square / h / h / 2;
      query.moments = moments_;
      if (moments_) {
        moments.mean_square = state.moment / state.mass;
        const double variance = variance_of(moments) + kVarianceError * moments.mean_square;
        query.exponent = moments.mean_square / h / h / 2;
        query.spread = variance / h / h / 2 * (state.squares / state.mass / state.mass);
      }
      return sums_ && !single_precision_suffices(query);
    }
    moments.bandwidth = h;
    moments.scale = a;
    moments.sum = state.mass;
    moments.effective_size = state.mass * state.mass / state.squares;
    moments.mean_square = state.moment / state.mass;
    if (!sums_) {
      moments.offset_square = 0;
    }
    return scf::kde::needs_double(
        moments, kde_.d, distance_error(kde_.d),
        {sums_, outputs_.denoised != nullptr, outputs_.divergence != nullptr,
         outputs_.effective_sample_size != nullptr});
  }

  const CpuContext& context_;
  const CpuKde<S>& kde_;
  const Queries<S>& queries_;
  const Outputs<S>& outputs_;
  Method method_;
  bool in_chunks_;  // of the data, as dense evaluations; else all data are one task
  PosteriorSummaries summaries_;
  PartialLayout layout_;
  bool tangent_, second_, sums_, moments_, judged_by_moments_, small_, score_only_;
  std::int64_t max_chunks_;
  std::int64_t tiles_;
  Tile* tile_list_ = nullptr;
  double* partials_ = nullptr;
  double* states_ = nullptr;
  double* away_ = nullptr;  // a m - x and rho of the query that a thread finishes
  C* rho_ = nullptr;
  // By a method other than the dense one, of each chunk; -1: declined.
  std::int64_t* evaluated_ = nullptr;
  char* scratch_ = nullptr;
  std::size_t scratch_size_ = 0;
};

}  // namespace scf::kde
