// The corrector's inner loops; see corrector_sweep_cpu.h.
//
// A row's step size is made of its norms, so its numbers are needed twice. Rows of two are a lane
// each: a block of normals is noise of whole rows, and their norms, root and division stay in
// registers. Of longer rows noise is kept in the L1 cache, where the row's x and output are by then
// too: they were asked for while noise was made. The step of a row follows when the noise of the
// next one is there, so that a core has other work than to wait for a root and a division.
#include "sampler/corrector_sweep_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sampler/corrector_sweep_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>

#include "common/narrow-inl.h"
#include "common/pairs-inl.h"
#include "common/row_sweep-inl.h"
#include "common/simd.h"
#include "random/random-inl.h"

HWY_BEFORE_NAMESPACE();
namespace scf::sampler {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using scf::HWY_NAMESPACE::FetchAhead;
using scf::HWY_NAMESPACE::kAhead;
using scf::HWY_NAMESPACE::LoadPairs;
using scf::HWY_NAMESPACE::Operands;
using scf::HWY_NAMESPACE::StorePairs;
using scf::HWY_NAMESPACE::StreamPairs;
using scf::HWY_NAMESPACE::SumTag;
using scf::HWY_NAMESPACE::Sweep;
using scf::HWY_NAMESPACE::SweepRow;

// kX: the score is not of the output alone.
template <bool kX>
struct Norms {
  static constexpr int kInputs = 2 + kX;
  static constexpr int kCoefficients = 2;
  static constexpr int kOutputs = 0;
  static constexpr int kSums = 2;

  template <class V>
  static HWY_INLINE V Score(const V& x, const V& output, const V* c) {
    return kX ? hn::MulAdd(c[1], output, hn::Mul(c[0], x)) : hn::Mul(c[1], output);
  }
  template <class D, class V>
  static HWY_INLINE void Apply(D /*d*/, const V* in, const V* c, V* /*out*/, V* terms) {
    const V score = Score(in[kX ? 2 : 0], in[0], c);
    terms[0] = hn::Mul(score, score);
    terms[1] = hn::Mul(in[1], in[1]);
  }
};

struct LangevinStep {
  static constexpr int kInputs = 3;
  static constexpr int kCoefficients = 3;
  static constexpr int kOutputs = 1;
  static constexpr int kSums = 1;

  template <class D, class V>
  static HWY_INLINE void Apply(D d, const V* in, const V* c, V* out, V* terms) {
    out[0] = hn::MulAdd(c[2], in[2], hn::MulAdd(c[1], in[1], hn::Mul(c[0], in[0])));
    terms[0] = hn::Mul(out[0], hn::Zero(d));
  }
};

template <class T>
void RunNorms(const RowSweep<T>& given) {
  // x last: it may be left out
  RowSweep<T> sweep = given;
  for (int i = 0; i < 3; ++i) {
    sweep.inputs[i] = given.inputs[(i + 1) % 3];
    sweep.input_lds[i] = given.input_lds[(i + 1) % 3];
  }
  const T* const of_x = given.coefficients[0];
  const bool of_output =
      std::all_of(of_x, of_x + (given.uniform ? 1 : given.rows), [](T of) { return of == 0; });
  of_output ? Sweep<Norms<false>>(sweep) : Sweep<Norms<true>>(sweep);
}

// ---- Step sizes, a lane a row ------------------------------------------------------------------

// p or q of rows from `row` on.
template <class D>
HWY_INLINE hn::Vec<D> OfRows(D d, const ScoreOfRows& score, const double* values,
                             std::int64_t row) {
  return score.uniform ? hn::Set(d, values[0]) : hn::LoadU(d, values + row);
}

// of: of x, of output, of noise.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void StepByNorms(D d, const NormRule& rule, const ScoreOfRows& score, std::int64_t row,
                            V noise_square, V score_square, V* of) {
  const V ratio =
      hn::IfThenZeroElse(hn::Eq(score_square, hn::Zero(d)), hn::Div(noise_square, score_square));
  const V size = hn::Mul(hn::Set(d, rule.factor), ratio);
  const V one = hn::Set(d, 1.0);
  of[0] = score.of_output ? one : hn::MulAdd(size, OfRows(d, score, score.x, row), one);
  of[1] = hn::Mul(size, OfRows(d, score, score.output, row));
  of[2] = hn::Mul(hn::Set(d, rule.noise_factor), hn::Sqrt(ratio));
}

template <class T>
void StepsByNorms(const NormRule& rule, const ScoreOfRows& score, const double* noise_squares,
                  const double* score_squares, std::int64_t rows, T* const* to) {
  const auto step = [&](auto d, std::int64_t first, std::int64_t last) HWY_ATTR {
    const std::int64_t lanes = hn::Lanes(d);
    HWY_ALIGN double of_rows[hn::MaxLanes(d)];
    hn::Vec<decltype(d)> of[3];
    for (std::int64_t i = first; i < last; i += lanes) {
      StepByNorms(d, rule, score, i, hn::LoadU(d, noise_squares + i),
                  hn::LoadU(d, score_squares + i), of);
      for (int k = 0; k < 3; ++k) {
        hn::Store(of[k], d, of_rows);
        for (std::int64_t j = 0; j < lanes; ++j) {
          to[k][i + j] = static_cast<T>(of_rows[j]);
        }
      }
    }
  };
  const hn::ScalableTag<double> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t whole = rows / lanes * lanes;
  step(d, 0, whole);
  step(hn::CappedTag<double, 1>(), whole, rows);
}

double SumOfRoots(const double* squares, std::int64_t count) {
  const hn::ScalableTag<double> d;
  const hn::CappedTag<double, 1> d1;
  const std::int64_t lanes = hn::Lanes(d);
  auto sum = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    sum = hn::Add(sum, hn::Sqrt(hn::LoadU(d, squares + i)));
  }
  double total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < count; ++i) {
    total += hn::GetLane(hn::Sqrt(hn::Set(d1, squares[i])));
  }
  return total;
}

// In whole vectors: up to one of them more is written.
template <class T>
HWY_INLINE void CopyVectors(const T* from, std::int64_t count, T* to) {
  const hn::ScalableTag<T> d;
  const std::int64_t lanes = hn::Lanes(d);
  for (std::int64_t j = 0; j < count; j += lanes) {
    hn::StoreU(hn::LoadU(d, from + j), d, to + j);
  }
}

// ---- Rows of two -------------------------------------------------------------------------------

// Vectors of doubles that hold the lanes of one of T.
template <class T>
inline constexpr int kParts = HWY_TARGET == HWY_SCALAR ? 1 : sizeof(double) / sizeof(T);

template <class D, class DD = SumTag<hn::TFromD<D>>>
HWY_INLINE void InDouble(D /*d*/, hn::Vec<D> v, hn::Vec<DD>* parts) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(double)) {
    parts[0] = v;
  } else {
    const DD dd;
#if HWY_TARGET == HWY_SCALAR
    parts[0] = hn::PromoteTo(dd, v);
#else
    const hn::Half<D> half;
    parts[0] = hn::PromoteTo(dd, hn::LowerHalf(half, v));
    parts[1] = hn::PromoteTo(dd, hn::UpperHalf(half, v));
#endif
  }
}
template <class D, class DD = SumTag<hn::TFromD<D>>>
HWY_INLINE hn::Vec<D> Rounded([[maybe_unused]] D d, const hn::Vec<DD>* parts) {
  if constexpr (sizeof(hn::TFromD<D>) == sizeof(double)) {
    return parts[0];
  } else {
#if HWY_TARGET == HWY_SCALAR
    return scf::HWY_NAMESPACE::Narrow(d, parts[0]);
#else
    const hn::Half<D> half;
    return hn::Combine(d, hn::DemoteTo(half, parts[1]), hn::DemoteTo(half, parts[0]));
#endif
  }
}

// Rows of two, as many as a vector has lanes.
template <class T>
struct PairRows {
  const T* x;
  const T* output;
  const T* noise;
  ScoreOfRows score;
};

// The columns of x, output and noise, and the squares of norms in double.
template <class T>
struct PairVectors {
  using D = hn::ScalableTag<T>;
  using V = hn::Vec<D>;
  using VD = hn::Vec<SumTag<T>>;

  V x[2];
  V output[2];
  V noise[2];
  VD noise_square[kParts<T>];
  VD score_square[kParts<T>];

  template <bool kX>
  HWY_INLINE void Load(const PairRows<T>& rows) {
    const D d;
    LoadPairs(d, rows.x, x);
    LoadPairs(d, rows.output, output);
    LoadPairs(d, rows.noise, noise);
    const V c[2] = {kX ? Coefficient(rows, rows.score.x) : hn::Zero(d),
                    Coefficient(rows, rows.score.output)};
    VD parts[2][kParts<T>];
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      const V score = Norms<kX>::Score(x[j], output[j], c);
      InDouble(d, hn::Mul(score, score), parts[j]);
    }
#pragma GCC unroll 2
    for (int k = 0; k < kParts<T>; ++k) {
      score_square[k] = hn::Add(parts[0][k], parts[1][k]);
    }
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      InDouble(d, hn::Mul(noise[j], noise[j]), parts[j]);
    }
#pragma GCC unroll 2
    for (int k = 0; k < kParts<T>; ++k) {
      noise_square[k] = hn::Add(parts[0][k], parts[1][k]);
    }
  }

 private:
  static HWY_INLINE V Coefficient(const PairRows<T>& rows, const double* values) {
    const SumTag<T> dd;
    VD parts[kParts<T>];
#pragma GCC unroll 2
    for (int k = 0; k < kParts<T>; ++k) {
      parts[k] = OfRows(dd, rows.score, values, k * static_cast<std::int64_t>(hn::Lanes(dd)));
    }
    return Rounded(D(), parts);
  }
};

// Calls body(row, vector of rows, how many), with rows of 0 after the last. A block of noise is
// used when the next one has been made: nothing waits for the end of either.
template <class T, class Body>
HWY_INLINE void ForPairs(const NormRows<T>& of, const Body& body) {
  constexpr std::int64_t kMost = hn::MaxLanes(hn::ScalableTag<T>());
  constexpr std::int64_t kMostOfBlock = 4 * hn::MaxLanes(hn::ScalableTag<std::uint32_t>());
  const std::int64_t width = 2 * hn::Lanes(hn::ScalableTag<T>());
  const T* const inputs[2] = {of.output, of.x};
  const ScoreOfRows score = of.score;
  T padded[3][2 * kMost];
  double of_score[2][kMost];
  alignas(64) T held[2][kMostOfBlock + kMost];
  const auto use = [&](std::int64_t at, const T* noise, std::int64_t count) HWY_ATTR
      __attribute__((always_inline)) {
    for (std::int64_t j = 0; j < count; j += width) {
      const std::int64_t e = at + j;
      PairRows<T> rows = {inputs[1] + e, inputs[0] + e, noise + j, score};
      if (!score.uniform) {
        rows.score.x += e / 2;
        rows.score.output += e / 2;
      }
      const std::int64_t left = count - j;
      if (HWY_UNLIKELY(left < width)) {
        const T** const operands[] = {&rows.x, &rows.output, &rows.noise};
        for (int i = 0; i < 3; ++i) {
          std::fill_n(std::copy_n(*operands[i], left, padded[i]), width - left, T(0));
          *operands[i] = padded[i];
        }
        if (!score.uniform) {
          std::fill_n(std::copy_n(rows.score.x, left / 2, of_score[0]), (width - left) / 2, 0.0);
          std::fill_n(std::copy_n(rows.score.output, left / 2, of_score[1]), (width - left) / 2,
                      0.0);
          rows.score.x = of_score[0];
          rows.score.output = of_score[1];
        }
      }
      body(e / 2, rows, std::min(left, width) / 2);
    }
  };
  std::int64_t held_at = 0;
  std::int64_t held_count = 0;
  int turn = 0;
  random::HWY_NAMESPACE::ForNormalPairs<T>(
      of.words, of.row, of.rows,
      [&](std::int64_t at, const T* numbers, std::int64_t count) HWY_ATTR
      __attribute__((always_inline)) {
        FetchAhead<2>(inputs, at + kAhead, count);
        CopyVectors(numbers, count, held[turn]);
        use(held_at, held[1 - turn], held_count);
        held_at = at;
        held_count = count;
        turn = 1 - turn;
      });
  use(held_at, held[1 - turn], held_count);
}

template <bool kX, class T>
double StepPairs(const NormRows<T>& of, const NormRule& rule, T* next, bool wants_streams) {
  using D = hn::ScalableTag<T>;
  const D d;
  const SumTag<T> dd;
  constexpr std::int64_t kMost = hn::MaxLanes(D());
  const std::int64_t lanes = hn::Lanes(d);
  const bool streams =
      wants_streams && reinterpret_cast<std::uintptr_t>(next) % (lanes * sizeof(T)) == 0;
  HWY_ALIGN T pairs[2 * kMost];
  auto total = hn::Zero(d);
  ForPairs(
      of, [&](std::int64_t row, const PairRows<T>& rows, std::int64_t count) HWY_ATTR
      __attribute__((always_inline)) {
        using V = hn::Vec<D>;
        using VD = hn::Vec<decltype(dd)>;
        PairVectors<T> v;
        v.template Load<kX>(rows);
        VD of_rows[3][kParts<T>];
#pragma GCC unroll 2
        for (int k = 0; k < kParts<T>; ++k) {
          VD of_part[3];
          StepByNorms(dd, rule, rows.score, k * static_cast<std::int64_t>(hn::Lanes(dd)),
                      v.noise_square[k], v.score_square[k], of_part);
#pragma GCC unroll 4
          for (int i = 0; i < 3; ++i) {
            of_rows[i][k] = of_part[i];
          }
        }
        const V c[3] = {Rounded(d, of_rows[0]), Rounded(d, of_rows[1]), Rounded(d, of_rows[2])};
        V nexts[2];
#pragma GCC unroll 2
        for (int j = 0; j < 2; ++j) {
          const V in[3] = {v.x[j], v.output[j], v.noise[j]};
          V term;
          LangevinStep::Apply(d, in, c, nexts + j, &term);
          total = hn::Add(total, term);
        }
        T* const to = next + 2 * row;
        if (HWY_UNLIKELY(count < lanes)) {
          StorePairs(d, nexts, pairs);
          std::copy_n(pairs, 2 * count, to);
        } else if (streams) {
          StreamPairs(d, nexts, to);
        } else {
          StorePairs(d, nexts, to);
        }
      });
  return static_cast<double>(hn::GetLane(hn::SumOfLanes(d, total)));
}

template <bool kX, class T>
void SquaresOfPairs(const NormRows<T>& of, double* noise_squares, double* score_squares) {
  const SumTag<T> dd;
  constexpr std::int64_t kMost = hn::MaxLanes(hn::ScalableTag<T>());
  const std::int64_t lanes = hn::Lanes(hn::ScalableTag<T>());
  double few[2][kMost];
  ForPairs(
      of, [&](std::int64_t row, const PairRows<T>& rows, std::int64_t count) HWY_ATTR
      __attribute__((always_inline)) {
        PairVectors<T> v;
        v.template Load<kX>(rows);
        const bool whole = count == lanes;
        double* const of_noise = whole ? noise_squares + row : few[0];
        double* const of_score = whole ? score_squares + row : few[1];
#pragma GCC unroll 2
        for (int k = 0; k < kParts<T>; ++k) {
          const std::int64_t part = k * static_cast<std::int64_t>(hn::Lanes(dd));
          hn::StoreU(v.noise_square[k], dd, of_noise + part);
          hn::StoreU(v.score_square[k], dd, of_score + part);
        }
        if (!whole) {
          std::copy_n(few[0], count, noise_squares + row);
          std::copy_n(few[1], count, score_squares + row);
        }
      });
}

// ---- Longer rows -------------------------------------------------------------------------------

// Calls on_row(r, noise) when the noise of row r is there; that of row r - 1 still is.
template <class T, class OnRow>
HWY_INLINE void ForRows(const NormRows<T>& of, const OnRow& on_row) {
  constexpr std::int64_t kRoom = NormRows<T>::kMostOfSweep + hn::MaxLanes(hn::ScalableTag<T>());
  HWY_ALIGN T noise[2][kRoom];
  const T* const inputs[2] = {of.output, of.x};
  std::int64_t row = 0;
  std::int64_t column = 0;
  random::HWY_NAMESPACE::ForNormalRows<T>(of.words, of.row, of.rows, of.d,
                                          [&](std::int64_t at, const T* numbers, std::int64_t count)
                                              HWY_ATTR {
                                                FetchAhead<2>(inputs, at + kAhead, count);
                                                T* const of_row = noise[row % 2];
                                                CopyVectors(numbers, count, of_row + column);
                                                column += count;
                                                if (column == of.d) {
                                                  on_row(row, of_row);
                                                  column = 0;
                                                  ++row;
                                                }
                                              });
}

template <bool kX, class T>
HWY_NOINLINE void NormsOfRow(const NormRows<T>& of, std::int64_t row, const T* noise,
                             double* noise_square, double* score_square) {
  const std::int64_t i = of.score.uniform ? 0 : row;
  Operands<Norms<kX>, T> operands;
  operands.inputs[0] = of.output + row * of.d;
  operands.inputs[1] = noise;
  if constexpr (kX) {
    operands.inputs[2] = of.x + row * of.d;
  }
  const T c[2] = {static_cast<T>(of.score.x[i]), static_cast<T>(of.score.output[i])};
  double sums[3];
  SweepRow<Norms<kX>>(operands, c, of.d, sums);
  *score_square = sums[0];
  *noise_square = sums[1];
}

template <class T>
HWY_NOINLINE double StepOfRow(const NormRows<T>& of, std::int64_t row, const T* noise, const T* c,
                              T* next, bool streams) {
  Operands<LangevinStep, T> operands;
  operands.inputs[0] = of.x + row * of.d;
  operands.inputs[1] = of.output + row * of.d;
  operands.inputs[2] = noise;
  operands.outputs[0] = next + row * of.d;
  operands.SetStreams(streams ? 1 : 0);
  double sums[2];
  SweepRow<LangevinStep>(operands, c, of.d, sums);
  return sums[0];
}

template <bool kX, class T>
double StepRows(const NormRows<T>& of, const NormRule& rule, T* next, bool streams) {
  T c[2][3];  // of this row and the one before
  const T* before = nullptr;
  double total = 0;
  ForRows(of, [&](std::int64_t row, const T* noise) HWY_ATTR {
    if (row > 0) {
      total += StepOfRow(of, row - 1, before, c[(row - 1) % 2], next, streams);
    }
    double noise_square = 0;
    double score_square = 0;
    NormsOfRow<kX>(of, row, noise, &noise_square, &score_square);
    const hn::CappedTag<double, 1> d1;
    hn::Vec<decltype(d1)> of_row[3];
    StepByNorms(d1, rule, of.score, row, hn::Set(d1, noise_square), hn::Set(d1, score_square),
                of_row);
    for (int k = 0; k < 3; ++k) {
      c[row % 2][k] = static_cast<T>(hn::GetLane(of_row[k]));
    }
    before = noise;
  });
  return total + StepOfRow(of, of.rows - 1, before, c[(of.rows - 1) % 2], next, streams);
}

template <bool kX, class T>
void RunSquares(const NormRows<T>& of, double* noise_squares, double* score_squares) {
  if (of.d == 2) {
    return SquaresOfPairs<kX>(of, noise_squares, score_squares);
  }
  ForRows(of, [&](std::int64_t row, const T* noise) HWY_ATTR {
    NormsOfRow<kX>(of, row, noise, noise_squares + row, score_squares + row);
  });
}
template <bool kX, class T>
double RunNormStep(const NormRows<T>& of, const NormRule& rule, T* next, bool streams) {
  return of.d == 2 ? StepPairs<kX>(of, rule, next, streams) : StepRows<kX>(of, rule, next, streams);
}

// NOLINTBEGIN(bugprone-macro-parentheses): T is a type
#define SCF_CORRECTOR_SWEEPS(T, name)                                                           \
  void NormSweep##name(const CpuContext& context, const RowSweep<T>& sweep) {                   \
    context.note_target_ran(HWY_TARGET);                                                        \
    RunNorms(sweep);                                                                            \
  }                                                                                             \
  void Steps##name(const CpuContext& context, const NormRule& rule, const ScoreOfRows& score,   \
                   const double* noise_squares, const double* score_squares, std::int64_t rows, \
                   T* const* to) {                                                              \
    context.note_target_ran(HWY_TARGET);                                                        \
    StepsByNorms(rule, score, noise_squares, score_squares, rows, to);                          \
  }                                                                                             \
  void Squares##name(const CpuContext& context, const NormRows<T>& of, double* noise_squares,   \
                     double* score_squares) {                                                   \
    context.note_target_ran(HWY_TARGET);                                                        \
    of.score.of_output ? RunSquares<false>(of, noise_squares, score_squares)                    \
                       : RunSquares<true>(of, noise_squares, score_squares);                    \
  }                                                                                             \
  double NormStep##name(const CpuContext& context, const NormRows<T>& of, const NormRule& rule, \
                        T* next, bool streams) {                                                \
    context.note_target_ran(HWY_TARGET);                                                        \
    return of.score.of_output ? RunNormStep<false>(of, rule, next, streams)                     \
                              : RunNormStep<true>(of, rule, next, streams);                     \
  }
SCF_CORRECTOR_SWEEPS(float, F32)
SCF_CORRECTOR_SWEEPS(double, F64)
#undef SCF_CORRECTOR_SWEEPS
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace HWY_NAMESPACE
}  // namespace scf::sampler
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::sampler {

HWY_EXPORT(SumOfRoots);

double sum_of_roots(const CpuContext& context, const double* squares, std::int64_t count) {
  return HWY_DISPATCH_TABLE(SumOfRoots)[dispatch_index(context.targets())](squares, count);
}

// NOLINTBEGIN(bugprone-macro-parentheses): T is a type
#define SCF_CORRECTOR_EXPORT(T, name)                                                             \
  HWY_EXPORT(NormSweep##name);                                                                    \
  HWY_EXPORT(Steps##name);                                                                        \
  HWY_EXPORT(Squares##name);                                                                      \
  HWY_EXPORT(NormStep##name);                                                                     \
  template <>                                                                                     \
  void norms_sweep(const CpuContext& context, const RowSweep<T>& sweep) {                         \
    HWY_DISPATCH_TABLE(NormSweep##name)[dispatch_index(context.targets())](context, sweep);       \
  }                                                                                               \
  template <>                                                                                     \
  void step_by_norms(const CpuContext& context, const NormRule& rule, const ScoreOfRows& score,   \
                     const double* noise_squares, const double* score_squares, std::int64_t rows, \
                     T* of_x, T* of_output, T* of_noise) {                                        \
    T* const to[] = {of_x, of_output, of_noise};                                                  \
    HWY_DISPATCH_TABLE(Steps##name)                                                               \
    [dispatch_index(context.targets())](context, rule, score, noise_squares, score_squares, rows, \
                                        to);                                                      \
  }                                                                                               \
  template <>                                                                                     \
  void norms_sweep(const CpuContext& context, const NormRows<T>& of, double* noise_squares,       \
                   double* score_squares) {                                                       \
    HWY_DISPATCH_TABLE(Squares##name)                                                             \
    [dispatch_index(context.targets())](context, of, noise_squares, score_squares);               \
  }                                                                                               \
  template <>                                                                                     \
  double norm_step_sweep(const CpuContext& context, const NormRows<T>& of, const NormRule& rule,  \
                         T* next, bool streams) {                                                 \
    return HWY_DISPATCH_TABLE(NormStep##name)[dispatch_index(context.targets())](                 \
        context, of, rule, next, streams);                                                        \
  }
SCF_CORRECTOR_EXPORT(float, F32)
SCF_CORRECTOR_EXPORT(double, F64)
#undef SCF_CORRECTOR_EXPORT
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace scf::sampler
#endif
