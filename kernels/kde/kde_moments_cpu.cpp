// Mean and variance of the data on the CPU.
//
// The data are cut into blocks whose weighted sums are taken in double, about a datum of their own
// and block by block in order: one pass, no cancellation of large offsets, and the result depends
// on the data alone.
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/cpu_context.h"
#include "common/error.h"
#include "kde/kde_cpu.h"

namespace scf::kde {
namespace {

constexpr std::int64_t kBlock = 1024;  // data

// Weighted mean and sum of squares about it, of one coordinate.
struct Sums {
  double weight = 0;
  double mean = 0;
  double squares = 0;

  void add(double w, double value) { merge({w, value, 0}); }
  void merge(const Sums& other) {
    if (other.weight == 0) {
      return;
    }
    const double total = weight + other.weight;
    const double apart = other.mean - mean;
    const double share = other.weight / total;
    mean += apart * share;
    squares += other.squares + apart * apart * (weight * share);
    weight = total;
  }
};

}  // namespace

template <class T>
void kde_moments_cpu(const CpuContext& context, const CpuKde<T>& kde, std::int32_t label,
                     double* mean, double* variance) {
  const DataClass* of = &kde.all;
  if (label != kAnyLabel) {
    of = kde.find_class(label);
    if (of == nullptr) {
      throw Error(Status::kInvalidArgument,
                  "label must be that of a datum of positive weight, got " + std::to_string(label));
    }
  }
  const std::int64_t begin = of->begin;
  const std::int64_t end = of->end;
  const std::int64_t d = kde.d;
  const std::int64_t blocks = (end - begin + kBlock - 1) / kBlock;
  std::vector<Sums> sums(static_cast<std::size_t>(d));
  constexpr std::int64_t kTile = CpuKde<T>::kTile;
  // Coordinates in parallel: each one's blocks are merged in order.
  context.parallel_for(d, [&](std::int64_t j, int) {
    Sums total;
    for (std::int64_t block = 0; block < blocks; ++block) {
      Sums of_block;
      const std::int64_t last = std::min(end, begin + (block + 1) * kBlock);
      for (std::int64_t at = begin + block * kBlock; at < last; ++at) {
        const T* const tile = kde.rows.data() + at / kTile * kTile * kde.padded();
        const T value = tile[(j / kde.group * kTile + at % kTile) * kde.group + j % kde.group];
        of_block.add(kde.weight(at), static_cast<double>(value));
      }
      total.merge(of_block);
    }
    sums[static_cast<std::size_t>(j)] = total;
  });
  for (std::int64_t j = 0; j < d; ++j) {
    const Sums& of_column = sums[static_cast<std::size_t>(j)];
    mean[j] = kde.from_stored(of_column.mean);
    variance[j] = kde.from_stored(kde.from_stored(of_column.squares / of_column.weight));
  }
}

template void kde_moments_cpu(const CpuContext&, const CpuKde<float>&, std::int32_t, double*,
                              double*);
template void kde_moments_cpu(const CpuContext&, const CpuKde<double>&, std::int32_t, double*,
                              double*);

}  // namespace scf::kde
