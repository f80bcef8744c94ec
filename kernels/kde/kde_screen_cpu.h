// Screening for evaluations that may skip mass at large d: the index, and the contract of the
// kernel that sums by it. README.md beside this file (Adaptive evaluation) proves the bounds.
//
// Data u = y - c about their mean c are mapped to k + 1 numbers v(u) = (W u, sqrt(|u|^2 - |W
// u|^2)), W the leading principal directions of a sample, scaled so that no vector grows. Distances
// shrink under v, so that those of k + 1 numbers bound those of d from below.
#pragma once

#include <cstdint>
#include <memory>

#include "common/memory.h"

namespace scf {
class CpuContext;
}

namespace scf::kde {

template <class T>
class CpuKde;
template <class S, class C>
struct ChunkTask;

struct ScreenIndex {
  static constexpr std::int64_t kLeastDimension = 32;
  static constexpr std::int64_t kLeastData = 512;
  static constexpr std::int64_t kRows = 4;  // that are projected at a time

  std::int64_t d = 0;
  std::int64_t k = 0;        // directions
  std::int64_t pitch = 0;    // k rounded up to a row of W
  HostArray<double> centre;  // [d], stored unit
  HostArray<double> w;       // [d][pitch], zeros beyond k
  HostArray<float> panels;   // v of the data, laid out as CpuKde::panels with k + 1 for d
  double largest_norm = 0;   // bounds |v| of all data
  double centre_norm = 0;    // |c|

  [[nodiscard]] std::int64_t mapped() const noexcept { return k + 1; }
  // Bounds |computed v - v| of a vector u = x - a c: the rounding of v to float, of |u|^2 - |W
  // u|^2, and of u itself.
  [[nodiscard]] double map_error(double u_norm, double x_norm, double a) const;
};

template <class S>
[[nodiscard]] std::unique_ptr<const ScreenIndex> kde_build_screen_cpu(const CpuContext& context,
                                                                      const CpuKde<S>& kde);

// v of kRows rows u [kRows][d] in double, to [kRows][pitch + 1]: W u, then the last number at
// [pitch]; and |u|.
void kde_screen_map(std::int64_t targets, const ScreenIndex& index, const double* u, double* v,
                    double* norms);
// sums [d][pitch] += sum over kRows rows of u (W u)^T, v as above.
void kde_screen_accumulate(std::int64_t targets, const ScreenIndex& index, const double* u,
                           const double* v, double* sums);

// A tile of queries that may each leave out a share of their mass. What they are screened by is
// either v, or the data's own coordinates in single precision.
template <class S, class C>
struct ScreenTask {
  const ChunkTask<S, C>* chunk = nullptr;
  const float* panels = nullptr;  // v of the data, or CpuKde::panels,
  std::int64_t numbers = 0;       // k + 1, or d
  double visible = 0;             // the weight of all data in the range, relative to the largest
  double most = 0;        // share of a block of data beyond which those that pass wait for what
                          // other blocks say, and a query is declined if they still do;
  double most_alone = 0;  // where one block is all there is
  double again = 0;       // what making a mapped distance again costs, in data that pass
  const double* log2_tolerance = nullptr;  // per query
  const float* mapped = nullptr;  // v of the queries, packed [kTileQueries / 6][numbers][6]
  const float* scale = nullptr;   // a, [kTileQueries]
  const double* slack = nullptr;  // per query: what rounding may add to a distance, mapped or not
  std::int64_t* evaluated = nullptr;  // per query: data that were summed; -1: declined
  void* scratch = nullptr;            // kde_screen_scratch() bytes
};

template <class S>
[[nodiscard]] std::size_t kde_screen_scratch(const CpuKde<S>& kde);

template <class S, class C>
void kde_screen_chunk(std::int64_t targets, const ScreenTask<S, C>& task);
// The same for the data's own coordinates, d > 4: no index is needed. The range may be a chunk of
// the data; a query that sees nothing in it is not declined for that.
void kde_near_chunk(std::int64_t targets, const ScreenTask<float, double>& task);

}  // namespace scf::kde
