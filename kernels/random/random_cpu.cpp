// Random numbers on the CPU: tiles of random-inl.h, in parallel.
//
//   out [m, ld] <- d numbers a row
//
// A task is a fixed block of about kTaskNumbers numbers, some rows or part of a long one: one row
// of 1e9 numbers and 1e6 rows of two spread over the threads alike. Memory is written once.
//
// The sphere makes a row of normals, then scales it: short rows while they are in the cache. A
// row's sum of squares is taken in double, over parts of the row that depend on d alone and in
// their order, so that no schedule shows in it. Few long rows are worked on one after the other,
// their parts in parallel.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "random/random_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "common/cpu_context.h"
#include "common/narrow-inl.h"
#include "common/simd.h"
#include "random/random-inl.h"
#include "random/random_blocks.h"

HWY_BEFORE_NAMESPACE();
namespace scf::random {
namespace HWY_NAMESPACE {

template <class T>
void Fill(const CpuContext& context, Distribution distribution, const Words& words,
          std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns, T* out,
          std::int64_t ld) {
  context.note_target_ran(HWY_TARGET);
  RandomTile(distribution, words, row, rows, column, columns, out, ld);
}

// Sum of squares in double.
template <class T>
HWY_INLINE double SumOfSquares(const T* x, std::int64_t count) {
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
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto a = load(x + i);
    const auto b = load(x + i + lanes);
    sum0 = hn::MulAdd(a, a, sum0);
    sum1 = hn::MulAdd(b, b, sum1);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0, sum1)));
  for (; i < count; ++i) {
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  return sum;
}

// x <- x factor, the product rounded from double.
template <class T>
HWY_INLINE void Scale(T* x, std::int64_t count, double factor) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<T, decltype(d)> dt;
  const std::int64_t lanes = hn::Lanes(d);
  const auto by = hn::Set(d, factor);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    if constexpr (sizeof(T) == 8) {
      hn::StoreU(hn::Mul(hn::LoadU(d, x + i), by), d, x + i);
    } else {
      const auto v = hn::PromoteTo(d, hn::LoadU(dt, x + i));
      scf::HWY_NAMESPACE::StoreRounded(d, hn::Mul(v, by), x + i);
    }
  }
  for (; i < count; ++i) {
    x[i] = static_cast<T>(static_cast<double>(x[i]) * factor);
  }
}

// Rows of normals to rows of this norm.
template <class T>
void ScaleRows(T* x, std::int64_t rows, std::int64_t columns, std::int64_t ld, double radius) {
  // Square roots and divisions of some rows side by side; for short rows they are most of the work.
  constexpr std::int64_t kBatch = 64;
  const hn::ScalableTag<double> d;
  const std::int64_t lanes = hn::Lanes(d);
  double factors[kBatch];
  std::fill_n(factors, kBatch, 1.0);  // what fills the last vector up need only be defined
  for (std::int64_t r = 0; r < rows; r += kBatch) {
    const std::int64_t batch = std::min(kBatch, rows - r);
    T* const first = x + r * ld;
    for (std::int64_t i = 0; i < batch; ++i) {
      factors[i] = SumOfSquares(first + i * ld, columns);
    }
    for (std::int64_t i = 0; i < batch; i += lanes) {
      const auto sums = hn::LoadU(d, factors + i);
      hn::StoreU(hn::Div(hn::Set(d, radius), hn::Sqrt(sums)), d, factors + i);
    }
    for (std::int64_t i = 0; i < batch; ++i) {
      Scale(first + i * ld, columns, factors[i]);
    }
  }
}

void FillF32(const CpuContext& context, Distribution distribution, const Words& words,
             std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns,
             float* out, std::int64_t ld) {
  Fill(context, distribution, words, row, rows, column, columns, out, ld);
}
void FillF64(const CpuContext& context, Distribution distribution, const Words& words,
             std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns,
             double* out, std::int64_t ld) {
  Fill(context, distribution, words, row, rows, column, columns, out, ld);
}
void FillBits(const CpuContext& context, const Words& words, std::int64_t row, std::int64_t rows,
              std::int64_t column, std::int64_t columns, std::uint32_t* out, std::int64_t ld) {
  context.note_target_ran(HWY_TARGET);
  RandomBitsTile(words, row, rows, column, columns, out, ld);
}
double SumOfSquaresF32(const float* x, std::int64_t count) {
  return SumOfSquares(x, count);
}
double SumOfSquaresF64(const double* x, std::int64_t count) {
  return SumOfSquares(x, count);
}
void ScaleRowsF32(float* x, std::int64_t rows, std::int64_t columns, std::int64_t ld,
                  double radius) {
  ScaleRows(x, rows, columns, ld, radius);
}
void ScaleRowsF64(double* x, std::int64_t rows, std::int64_t columns, std::int64_t ld,
                  double radius) {
  ScaleRows(x, rows, columns, ld, radius);
}
void ScaleF32(float* x, std::int64_t count, double factor) {
  Scale(x, count, factor);
}
void ScaleF64(double* x, std::int64_t count, double factor) {
  Scale(x, count, factor);
}

}  // namespace HWY_NAMESPACE
}  // namespace scf::random
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::random {

HWY_EXPORT(FillF32);
HWY_EXPORT(FillF64);
HWY_EXPORT(FillBits);
HWY_EXPORT(SumOfSquaresF32);
HWY_EXPORT(SumOfSquaresF64);
HWY_EXPORT(ScaleF32);
HWY_EXPORT(ScaleF64);
HWY_EXPORT(ScaleRowsF32);
HWY_EXPORT(ScaleRowsF64);

namespace {

struct FillPolicy {
  static constexpr std::int64_t kTaskNumbers = 1 << 14;
  static constexpr std::int64_t kMaxParts = 256;  // of a row whose norm is taken
  static constexpr std::int64_t kMinPart = 1 << 12;
  static constexpr std::int64_t kManyRows = 64;  // enough to be parallel over rows
};

// The functions of one target for numbers of one type.
template <class T>
struct Functions;
template <>
struct Functions<float> {
  explicit Functions(const CpuContext& context) : at(dispatch_index(context.targets())) {}
  std::size_t at;
  decltype(&HWY_STATIC_DISPATCH(FillF32)) fill = HWY_DISPATCH_TABLE(FillF32)[at];
  double (*sum_of_squares)(const float*, std::int64_t) = HWY_DISPATCH_TABLE(SumOfSquaresF32)[at];
  void (*scale)(float*, std::int64_t, double) = HWY_DISPATCH_TABLE(ScaleF32)[at];
  void (*scale_rows)(float*, std::int64_t, std::int64_t, std::int64_t,
                     double) = HWY_DISPATCH_TABLE(ScaleRowsF32)[at];
};
template <>
struct Functions<double> {
  explicit Functions(const CpuContext& context) : at(dispatch_index(context.targets())) {}
  std::size_t at;
  decltype(&HWY_STATIC_DISPATCH(FillF64)) fill = HWY_DISPATCH_TABLE(FillF64)[at];
  double (*sum_of_squares)(const double*, std::int64_t) = HWY_DISPATCH_TABLE(SumOfSquaresF64)[at];
  void (*scale)(double*, std::int64_t, double) = HWY_DISPATCH_TABLE(ScaleF64)[at];
  void (*scale_rows)(double*, std::int64_t, std::int64_t, std::int64_t,
                     double) = HWY_DISPATCH_TABLE(ScaleRowsF64)[at];
};

// Rows uniform on the sphere.
template <class T>
class SphereRows {
 public:
  SphereRows(const CpuContext& context, const Words& words, std::int64_t d, double radius, T* out,
             std::int64_t ld)
      : context_(context),
        functions_(context),
        words_(words),
        d_(d),
        radius_(radius),
        out_(out),
        ld_(ld) {
    // Multiples of 4 columns, so that a part starts with a quad.
    part_ =
        std::max(FillPolicy::kMinPart, ceil_divide(ceil_divide(d, FillPolicy::kMaxParts), 4) * 4);
    parts_ = ceil_divide(d, part_);
  }

  void fill(std::int64_t m) const {
    if (parts_ == 1) {
      const std::int64_t rows = std::max<std::int64_t>(1, FillPolicy::kTaskNumbers / d_);
      context_.parallel_for(ceil_divide(m, rows), [&](std::int64_t block, int) {
        fill_rows(block * rows, std::min(rows, m - block * rows));
      });
    } else if (m >= FillPolicy::kManyRows) {
      context_.parallel_for(m, [&](std::int64_t row, int) { fill_rows(row, 1); });
    } else {
      for (std::int64_t row = 0; row < m; ++row) {
        double sums[FillPolicy::kMaxParts];
        context_.parallel_for(parts_,
                              [&](std::int64_t part, int) { sums[part] = fill_part(row, part); });
        const double factor = factor_of(sums);
        context_.parallel_for(parts_, [&](std::int64_t part, int) {
          functions_.scale(part_of(row, part), part_size(part), factor);
        });
      }
    }
  }

  // On the calling thread.
  void fill_rows(std::int64_t first, std::int64_t rows) const {
    if (parts_ == 1) {
      fill_short_rows(first, rows);
      return;
    }
    for (std::int64_t row = first; row < first + rows; ++row) {
      double sums[FillPolicy::kMaxParts];
      for (std::int64_t part = 0; part < parts_; ++part) {
        sums[part] = fill_part(row, part);
      }
      functions_.scale(out_ + row * ld_, d_, factor_of(sums));
    }
  }

 private:
  void fill_short_rows(std::int64_t row, std::int64_t rows) const {
    functions_.fill(context_, Distribution::kSphere, words_, row, rows, 0, d_, out_ + row * ld_,
                    ld_);
    T* const x = out_ + row * ld_;
    if (d_ > 1) {
      functions_.scale_rows(x, rows, d_, ld_, radius_);
      return;
    }
    for (std::int64_t i = 0; i < rows; ++i) {  // two points, exactly
      x[i * ld_] = static_cast<T>(std::copysign(radius_, static_cast<double>(x[i * ld_])));
    }
  }

  [[nodiscard]] T* part_of(std::int64_t row, std::int64_t part) const {
    return out_ + row * ld_ + part * part_;
  }
  [[nodiscard]] std::int64_t part_size(std::int64_t part) const {
    return std::min(part_, d_ - part * part_);
  }

  // Normals of a part of a row, and their sum of squares.
  double fill_part(std::int64_t row, std::int64_t part) const {
    const std::int64_t columns = part_size(part);
    double sum = 0;
    for (std::int64_t c = 0; c < columns; c += FillPolicy::kMinPart) {
      const std::int64_t count = std::min(FillPolicy::kMinPart, columns - c);
      T* const x = part_of(row, part) + c;
      functions_.fill(context_, Distribution::kSphere, words_, row, 1, part * part_ + c, count, x,
                      ld_);
      sum += functions_.sum_of_squares(x, count);
    }
    return sum;
  }

  double factor_of(const double* sums) const {
    double sum = 0;
    for (std::int64_t part = 0; part < parts_; ++part) {
      sum += sums[part];
    }
    return radius_ / std::sqrt(sum);  // a normal is never 0
  }

  const CpuContext& context_;
  Functions<T> functions_;
  Words words_;
  std::int64_t d_;
  double radius_;
  T* out_;
  std::int64_t ld_;
  std::int64_t part_ = 0;
  std::int64_t parts_ = 0;
};

}  // namespace

Words read_words(const Stream& stream) {
  const std::uint64_t more = stream.device_offset == nullptr ? 0 : *stream.device_offset;
  return {stream.seed, stream.offset + more, stream.first_row};
}

template <class T>
void random_tile_cpu(const CpuContext& context, Distribution distribution, const Words& words,
                     std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns,
                     T* out, std::int64_t ld) {
  Functions<T>(context).fill(context, distribution, words, row, rows, column, columns, out, ld);
}

template <class T>
void sphere_tile_cpu(const CpuContext& context, Words words, std::int64_t row, std::int64_t rows,
                     std::int64_t d, double radius, T* out, std::int64_t ld) {
  words.first_row += row;
  SphereRows<T>(context, words, d, radius, out, ld).fill_rows(0, rows);
}

void random_bits_tile_cpu(const CpuContext& context, const Words& words, std::int64_t row,
                          std::int64_t rows, std::int64_t column, std::int64_t columns,
                          std::uint32_t* out, std::int64_t ld) {
  HWY_DISPATCH_TABLE(FillBits)
  [dispatch_index(context.targets())](context, words, row, rows, column, columns, out, ld);
}

void random_bits_cpu(const CpuContext& context, const Stream& stream, std::int64_t m,
                     std::int64_t d, std::uint32_t* out, std::int64_t ld) {
  if (m == 0 || d == 0) {
    return;
  }
  const Words words = read_words(stream);
  const auto fill = HWY_DISPATCH_TABLE(FillBits)[dispatch_index(context.targets())];
  for_each_block(
      context, m, d, FillPolicy::kTaskNumbers,
      [&](std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns) {
        fill(context, words, row, rows, column, columns, out + row * ld + column, ld);
      });
}

template <class T>
void random_fill_cpu(const CpuContext& context, Distribution distribution, const Stream& stream,
                     std::int64_t m, std::int64_t d, double radius, T* out, std::int64_t ld) {
  if (m == 0 || d == 0) {
    return;
  }
  const Words words = read_words(stream);
  if (distribution == Distribution::kSphere) {
    SphereRows<T>(context, words, d, radius, out, ld).fill(m);
    return;
  }
  const Functions<T> functions(context);
  for_each_block(
      context, m, d, FillPolicy::kTaskNumbers,
      [&](std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns) {
        functions.fill(context, distribution, words, row, rows, column, columns,
                       out + row * ld + column, ld);
      });
}

template void random_tile_cpu(const CpuContext&, Distribution, const Words&, std::int64_t,
                              std::int64_t, std::int64_t, std::int64_t, float*, std::int64_t);
template void random_tile_cpu(const CpuContext&, Distribution, const Words&, std::int64_t,
                              std::int64_t, std::int64_t, std::int64_t, double*, std::int64_t);
template void sphere_tile_cpu(const CpuContext&, Words, std::int64_t, std::int64_t, std::int64_t,
                              double, float*, std::int64_t);
template void sphere_tile_cpu(const CpuContext&, Words, std::int64_t, std::int64_t, std::int64_t,
                              double, double*, std::int64_t);
template void random_fill_cpu(const CpuContext&, Distribution, const Stream&, std::int64_t,
                              std::int64_t, double, float*, std::int64_t);
template void random_fill_cpu(const CpuContext&, Distribution, const Stream&, std::int64_t,
                              std::int64_t, double, double*, std::int64_t);

}  // namespace scf::random
#endif
