// Log-densities of queries at many bandwidths on the CPU.
//
//   in   m queries, G bandwidths h_g;   out  [G, ld] log p(x_i) at h_g
//
// Exponents are r^2 times a rate that depends on the bandwidth alone, so that the squared distances
// of a tile (kde_tile_cpu.cpp), 2 d operations a pair, serve all bandwidths; each adds an
// exponential, about 15 operations. Up to kTogether bandwidths are taken at once, which bounds the
// workspace. The arithmetic at one bandwidth is that of an evaluation of the log-density, and so is
// the judgement of single precision: what it does not serve is evaluated again in double.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kde/kde_evaluate_cpu.h"
#include "kde/kde_evaluation_cpu.h"

namespace scf::kde {
namespace {

constexpr std::int64_t kTogether = 64;

template <class T>
class CurveEvaluation {
 public:
  CurveEvaluation(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                  std::int64_t bandwidths)
      : context_(context),
        kde_(kde),
        queries_(queries),
        together_(std::min(bandwidths, kTogether)),
        max_chunks_(chunks_of(0, kde.n).count + 1) {
    const std::int64_t per_tile =
        kTileQueries * max_chunks_ * kCurveSize * together_ * std::int64_t{sizeof(double)};
    tiles_ = std::clamp<std::int64_t>(static_cast<std::int64_t>(kPartialBytes) / per_tile, 1,
                                      kTilesPerThread * context.threads());
    tiles_ = std::min(tiles_, queries.m);
  }

  void carve(Arena& arena) {
    const std::int64_t slots = tiles_ * kTileQueries;
    order_ = arena.take<std::int64_t>(queries_.m);
    flagged_ = arena.take<std::int64_t>(slots);
    flags_ = arena.take<std::int8_t>(slots, together_);
    rates_ = arena.take<double>(together_);
    tile_list_ = arena.take<QueryTile>(tiles_);
    partials_ = arena.take<double>(slots * max_chunks_ * kCurveSize, together_);
    scratch_size_ = 0;
    Arena scratch(nullptr);
    (void)take_scratch(scratch);
    scratch_size_ = scratch.used();
    scratch_ = arena.take<char>(static_cast<std::int64_t>(scratch_size_), context_.threads());
    Outputs<T> outputs;
    T any{};
    outputs.log_density = &any;
    repair_ = arena.take<char>(static_cast<std::int64_t>(
        kde_evaluate_in_double_workspace_cpu(context_, kde_, queries_, outputs)));
  }

  void run(const Curve<T>& curve) {
    constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
    const std::int64_t count = order_queries(
        kde_, queries_, order_, [](std::int64_t) { return true; },
        [&](std::int64_t i) {
          for (std::int64_t g = 0; g < curve.count; ++g) {
            curve.log_density[g * curve.ld + i] = kNan;
          }
        });
    for (std::int64_t g = 0; g < curve.count; g += together_) {
      Curve<T> part = curve;
      part.bandwidths += g;
      part.log_density += g * curve.ld;
      part.count = std::min(together_, curve.count - g);
      run_part(part, count);
    }
  }

 private:
  struct Scratch {
    std::int64_t* skip;
    T* scale;
    T* x;
    double* distances;
    T* posterior;
  };

  Scratch take_scratch(Arena& arena) const {
    Scratch s{};
    s.skip = arena.take<std::int64_t>(kTileQueries);
    s.scale = arena.take<T>(kTileQueries);
    s.x = arena.take<T>(kTileQueries, kde_.d);
    s.distances = arena.take<double>(kTileQueries * CpuKde<T>::kTile);
    s.posterior = arena.take<T>(kTileQueries * CpuKde<T>::kTile);
    return s;
  }

  // The queries with one of the bandwidths.
  Queries<T> at(double bandwidth) const {
    Queries<T> queries = queries_;
    queries.bandwidth = bandwidth;
    queries.bandwidths = nullptr;
    return queries;
  }

  void run_part(const Curve<T>& curve, std::int64_t count) {
    for (std::int64_t g = 0; g < curve.count; ++g) {
      rates_[g] = bounded_rate<T>(exact_rate(kde_, at(curve.bandwidths[g]), 0));
    }
    for (std::int64_t done = 0; done < count;) {
      const std::int64_t tiles =
          list_tiles(kde_, queries_, order_, count, done, queries_a_tile(context_, kde_, count),
                     tile_list_, tiles_);
      context_.parallel_for(tiles * max_chunks_, [&](std::int64_t index, int thread) {
        if (index % max_chunks_ < tile_list_[index / max_chunks_].chunks.count) {
          run_chunk(index / max_chunks_, index % max_chunks_, thread, curve.count);
        }
      });
      context_.parallel_for(tiles * kTileQueries, [&](std::int64_t slot, int) {
        if (slot % kTileQueries < tile_list_[slot / kTileQueries].count) {
          finish(slot, curve);
        }
      });
      repair(tiles, curve);
    }
  }

  double* partial_of(std::int64_t slot, std::int64_t chunk) const {
    return partials_ +
           ((slot / kTileQueries * max_chunks_ + chunk) * kTileQueries + slot % kTileQueries) *
               kCurveSize * together_;
  }

  void run_chunk(std::int64_t tile_index, std::int64_t chunk, int thread, std::int64_t count) {
    const QueryTile& tile = tile_list_[tile_index];
    Arena arena(scratch_ + scratch_size_ * static_cast<std::size_t>(thread));
    const Scratch scratch = take_scratch(arena);
    ChunkTask<T, T> task;
    task.context = &context_;
    task.kde = &kde_;
    task.begin = std::max(tile.of->begin, tile.chunks.base + chunk * tile.chunks.size);
    task.end = std::min(tile.of->end, tile.chunks.base + (chunk + 1) * tile.chunks.size);
    task.queries = tile.count;
    task.partials = partial_of(tile_index * kTileQueries, chunk);
    task.stride = kCurveSize * together_;
    task.skip = scratch.skip;
    task.scale = scratch.scale;
    task.x = scratch.x;
    task.distances = scratch.distances;
    task.posterior = scratch.posterior;
    const PowerOfTwo to_stored = kde_.to_stored;
    const int rows = (tile.count + kGroupRows - 1) / kGroupRows * kGroupRows;
    for (int q = 0; q < rows; ++q) {
      // Unused rows of a group repeat the last query.
      const std::int64_t i = tile.order[std::min(q, tile.count - 1)];
      scratch.scale[q] = static_cast<T>(scale_of(queries_, i));
      scratch.skip[q] = skip_of(kde_, queries_, i);
      task.scaled = task.scaled || scratch.scale[q] != T(1);
      const T* const x = queries_.x + i * queries_.ld;
      T* const to = scratch.x + q / kGroupRows * kGroupRows * kde_.d + q % kGroupRows;
      for (std::int64_t j = 0; j < kde_.d; ++j) {
        to[j * kGroupRows] = static_cast<T>(to_stored(static_cast<double>(x[j])));
      }
    }
    const FlushSubnormals flush;
    kde_curve_chunk(context_.targets(), task, rates_, count);
  }

  // Merges the chunks of a query, and flags what is to be evaluated in double.
  void finish(std::int64_t slot, const Curve<T>& curve) {
    const QueryTile& tile = tile_list_[slot / kTileQueries];
    const std::int64_t i = tile.order[slot % kTileQueries];
    const double query = kde_.to_stored(largest_of(queries_.x + i * queries_.ld, kde_.d));
    const double moved = displacement<float>(context_, scale_of(queries_, i));
    for (std::int64_t g = 0; g < curve.count; ++g) {
      const auto partial = [&](std::int64_t c) { return partial_of(slot, c) + g * kCurveSize; };
      double reference = -kInfinity;
      for (std::int64_t c = 0; c < tile.chunks.count; ++c) {
        reference = std::max(reference, partial(c)[PartialLayout::kReference]);
      }
      double mass = 0;
      for (std::int64_t c = 0; c < tile.chunks.count; ++c) {
        const double factor = std::exp2(partial(c)[PartialLayout::kReference] - reference);
        mass += factor > 0 ? factor * partial(c)[PartialLayout::kMass] : 0;
      }
      const double h = curve.bandwidths[g];
      const double rate = exact_rate(kde_, at(h), i);
      const bool good = sizeof(T) == sizeof(double) ? !is_far(reference, mass, rate)
                                                    : single_in_range(query, kde_.to_stored(h),
                                                                      rate, moved, reference, mass);
      flags_[slot * together_ + g] = good ? 0 : 1;
      curve.log_density[g * curve.ld + i] =
          static_cast<T>(log_density_of(kde_, queries_, i, h, reference, mass));
    }
  }

  void repair(std::int64_t tiles, const Curve<T>& curve) {
    for (std::int64_t g = 0; g < curve.count; ++g) {
      std::int64_t count = 0;
      for (std::int64_t t = 0; t < tiles; ++t) {
        for (int q = 0; q < tile_list_[t].count; ++q) {
          if (flags_[(t * kTileQueries + q) * together_ + g] != 0) {
            flagged_[count++] = tile_list_[t].order[q];
          }
        }
      }
      if (count == 0) {
        continue;
      }
      Outputs<T> outputs;
      outputs.log_density = curve.log_density + g * curve.ld;
      kde_evaluate_in_double_cpu(context_, kde_, at(curve.bandwidths[g]), outputs, flagged_, count,
                                 repair_);
    }
  }

  const CpuContext& context_;
  const CpuKde<T>& kde_;
  const Queries<T>& queries_;
  std::int64_t together_;  // bandwidths
  std::int64_t max_chunks_;
  std::int64_t tiles_ = 0;
  std::int64_t* order_ = nullptr;
  std::int64_t* flagged_ = nullptr;
  std::int8_t* flags_ = nullptr;  // [slot, bandwidth]
  double* rates_ = nullptr;
  QueryTile* tile_list_ = nullptr;
  double* partials_ = nullptr;
  char* scratch_ = nullptr;
  char* repair_ = nullptr;
  std::size_t scratch_size_ = 0;
};

}  // namespace

template <class T>
std::size_t kde_curve_workspace_cpu(const CpuContext& context, const CpuKde<T>& kde,
                                    const Queries<T>& queries, std::int64_t count) {
  if (queries.m == 0 || count == 0) {
    return 0;
  }
  Arena arena(nullptr);
  CurveEvaluation<T>(context, kde, queries, count).carve(arena);
  return arena.used();
}

template <class T>
void kde_curve_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                   const Curve<T>& curve, void* workspace) {
  check_query_arrays(kde, queries);
  if (queries.m == 0 || curve.count == 0) {
    return;
  }
  Arena arena(workspace);
  CurveEvaluation<T> evaluation(context, kde, queries, curve.count);
  evaluation.carve(arena);
  evaluation.run(curve);
}

template std::size_t kde_curve_workspace_cpu(const CpuContext&, const CpuKde<float>&,
                                             const Queries<float>&, std::int64_t);
template std::size_t kde_curve_workspace_cpu(const CpuContext&, const CpuKde<double>&,
                                             const Queries<double>&, std::int64_t);
template void kde_curve_cpu(const CpuContext&, const CpuKde<float>&, const Queries<float>&,
                            const Curve<float>&, void*);
template void kde_curve_cpu(const CpuContext&, const CpuKde<double>&, const Queries<double>&,
                            const Curve<double>&, void*);

}  // namespace scf::kde
