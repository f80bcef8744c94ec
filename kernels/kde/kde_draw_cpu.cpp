// Draws from the KDE on the CPU.
//
//   out [m, ld] <- a y_k + h z,  indices [m] <- k
//
// A task is a fixed block of about kTaskNumbers numbers of the output, some rows or part of a long
// one; it makes the words of its rows' indices and, a buffer at a time in L1, their normals. A
// datum is read once, in runs of a cache line. Sums in double, rounded once.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kde/kde_draw_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <string>

#include "common/cpu_context.h"
#include "common/error.h"
#include "common/narrow-inl.h"
#include "common/simd.h"
#include "kde/kde_cpu.h"
#include "kde/kde_draw_datum.h"
#include "kde/kde_queries_cpu.h"
#include "random/random.h"
#include "random/random_blocks.h"

#ifndef SCF_KDE_DRAW_CPU_ONCE_  // this file is included once a target
#define SCF_KDE_DRAW_CPU_ONCE_
namespace scf::kde {

struct DrawPolicy {
  static constexpr std::int64_t kTaskNumbers = 1 << 13;
  static constexpr std::int64_t kBuffer = 1 << 11;  // numbers
  static constexpr std::int64_t kRunsAhead = 6;     // of a datum, fetched early
};

template <class T>
struct DrawTask {
  const CpuContext* context;
  const CpuKde<T>* kde;
  const Queries<T>* queries;
  Draws<T> draws;
  DrawView view;
  random::Words index_words;
  random::Words normal_words;
  bool noise;  // whether any bandwidth may differ from 0
};

}  // namespace scf::kde
#endif

HWY_BEFORE_NAMESPACE();
namespace scf::kde {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// out [count] <- scale (y unit) + bandwidth z.
template <class T>
HWY_INLINE void MoveRun(const T* y, double unit, double scale, double bandwidth, const T* z,
                        std::int64_t count, T* out) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<T, decltype(d)> dt;
  const std::int64_t lanes = hn::Lanes(d);
  const auto load = [&](const T* from) HWY_ATTR {
    if constexpr (sizeof(T) == 8) {
      return hn::LoadU(d, from);
    } else {
      return hn::PromoteTo(d, hn::LoadU(dt, from));
    }
  };
  std::int64_t j = 0;
  for (; j + lanes <= count; j += lanes) {
    const auto datum = hn::Mul(load(y + j), hn::Set(d, unit));
    const auto noise = hn::Mul(load(z + j), hn::Set(d, bandwidth));
    const auto moved = hn::Add(hn::Mul(datum, hn::Set(d, scale)), noise);
    scf::HWY_NAMESPACE::StoreRounded(d, moved, out + j);
  }
  for (; j < count; ++j) {
    out[j] = static_cast<T>(scale * (static_cast<double>(y[j]) * unit) +
                            bandwidth * static_cast<double>(z[j]));
  }
}

// Calls run(at, begin, end) for the runs of coordinates of a datum that lie side by side: columns
// [begin, end) at `at`.
template <class T, class Run>
HWY_INLINE void ForEachRun(const CpuKde<T>& kde, std::int64_t position, std::int64_t column,
                           std::int64_t columns, const Run& run) {
  constexpr std::int64_t kTile = CpuKde<T>::kTile;
  const T* const tile = kde.rows.data() + position / kTile * kTile * kde.padded();
  for (std::int64_t j = column; j < column + columns;) {
    const std::int64_t group = j / kde.group;
    const std::int64_t end = std::min((group + 1) * kde.group, column + columns);
    run(tile + (group * kTile + position % kTile) * kde.group + j % kde.group, j, end);
    j = end;
  }
}

template <class T>
void DrawBlock(const DrawTask<T>& task, std::int64_t row, std::int64_t rows, std::int64_t column,
               std::int64_t columns) {
  constexpr std::int64_t kBuffer = DrawPolicy::kBuffer;
  const CpuKde<T>& kde = *task.kde;
  const double unit = kde.from_stored(1.0);                       // a power of two
  const std::int64_t ahead = DrawPolicy::kRunsAhead * kde.group;  // columns
  task.context->note_target_ran(HWY_TARGET);
  const Queries<T>& queries = *task.queries;
  std::uint32_t words[2 * kBuffer];
  std::int64_t positions[kBuffer];
  T normals[kBuffer] = {};
  const std::int64_t step =
      task.draws.out == nullptr ? kBuffer : std::max<std::int64_t>(1, kBuffer / columns);
  for (std::int64_t r = 0; r < rows; r += step) {
    const std::int64_t batch = std::min(step, rows - r);
    const std::int64_t first = row + r;
    random::random_bits_tile_cpu(*task.context, task.index_words, first, batch, 0, 2, words, 2);
    for (std::int64_t i = 0; i < batch; ++i) {
      const std::int64_t at = first + i;
      const DrawnDatum drawn =
          draw_datum(task.view, queries.labels == nullptr ? kAnyLabel : queries.labels[at],
                     queries.skip == nullptr ? -1 : queries.skip[at],
                     draw_uniform(words[2 * i], words[2 * i + 1]));
      positions[i] = drawn.position;
      if (task.draws.indices != nullptr && column == 0) {
        task.draws.indices[at] = given_index(task.view, drawn.position);
      }
    }
    if (task.draws.out == nullptr) {
      continue;
    }
    for (std::int64_t c = 0; c < columns; c += kBuffer) {
      const std::int64_t count = std::min(kBuffer, columns - c);
      if (task.noise) {
        random::random_tile_cpu(*task.context, random::Distribution::kNormal, task.normal_words,
                                first, batch, column + c, count, normals, count);
      }
      for (std::int64_t i = 0; i < batch; ++i) {
        // The runs of a datum lie far apart, in the same set of a cache: a few are fetched early,
        // and not all.
        if (i + 1 < batch) {
          ForEachRun(kde, positions[i + 1], column + c, std::min(count, ahead),
                     [](const T* y, std::int64_t, std::int64_t) HWY_ATTR { hwy::Prefetch(y); });
        }
        T* const out = task.draws.out + (first + i) * task.draws.ld + column + c;
        const T* const z = normals + i * count;
        const double scale = scale_of(queries, first + i);
        const double bandwidth = bandwidth_of(queries, first + i);
        ForEachRun(kde, positions[i], column + c, count,
                   [&](const T* y, std::int64_t begin, std::int64_t end) HWY_ATTR {
                     if (begin + ahead < kde.padded()) {
                       hwy::Prefetch(y + ahead * CpuKde<T>::kTile);
                     }
                     const std::int64_t at = begin - column - c;
                     MoveRun(y, unit, scale, bandwidth, z + at, end - begin, out + at);
                   });
      }
    }
  }
}

void DrawBlockF32(const DrawTask<float>& task, std::int64_t row, std::int64_t rows,
                  std::int64_t column, std::int64_t columns) {
  DrawBlock(task, row, rows, column, columns);
}
void DrawBlockF64(const DrawTask<double>& task, std::int64_t row, std::int64_t rows,
                  std::int64_t column, std::int64_t columns) {
  DrawBlock(task, row, rows, column, columns);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::kde
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::kde {

HWY_EXPORT(DrawBlockF32);
HWY_EXPORT(DrawBlockF64);

namespace {

auto draw_block(const CpuContext& context, const DrawTask<float>& /*task*/) {
  return HWY_DISPATCH_TABLE(DrawBlockF32)[dispatch_index(context.targets())];
}
auto draw_block(const CpuContext& context, const DrawTask<double>& /*task*/) {
  return HWY_DISPATCH_TABLE(DrawBlockF64)[dispatch_index(context.targets())];
}

// Weights far below the largest may vanish in the sums of their class.
template <class T>
void check_something_left(const DrawView& view, const Queries<T>& queries) {
  for (std::int64_t i = 0; i < queries.m; ++i) {
    const DrawnDatum drawn =
        draw_datum(view, queries.labels == nullptr ? kAnyLabel : queries.labels[i],
                   queries.skip == nullptr ? -1 : queries.skip[i], 0);
    if (drawn.status != 0) {
      throw Error(Status::kInvalidArgument,
                  "skip[" + std::to_string(i) + "] leaves no weight for its draw");
    }
  }
}

}  // namespace

template <class T>
void kde_draw_cpu(const CpuContext& context, const CpuKde<T>& kde, const Queries<T>& queries,
                  const random::Stream& words, const Draws<T>& draws) {
  check_query_arrays(kde, queries, LeastBandwidth::kZero);
  DrawTask<T> task{&context,    &kde,
                   &queries,    draws,
                   kde.draws(), random::read_words(words),
                   {},          queries.bandwidths != nullptr || queries.bandwidth > 0};
  task.normal_words = task.index_words;
  task.normal_words.offset += 4;
  if (queries.skip != nullptr || queries.labels != nullptr) {
    check_something_left(task.view, queries);
  }
  const auto draw = draw_block(context, task);
  random::for_each_block(context, queries.m, draws.out == nullptr ? 1 : kde.d,
                         DrawPolicy::kTaskNumbers,
                         [&](std::int64_t row, std::int64_t rows, std::int64_t column,
                             std::int64_t columns) { draw(task, row, rows, column, columns); });
}

template void kde_draw_cpu(const CpuContext&, const CpuKde<float>&, const Queries<float>&,
                           const random::Stream&, const Draws<float>&);
template void kde_draw_cpu(const CpuContext&, const CpuKde<double>&, const Queries<double>&,
                           const random::Stream&, const Draws<double>&);

}  // namespace scf::kde
#endif
