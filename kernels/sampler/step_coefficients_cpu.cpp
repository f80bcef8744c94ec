// The rules of steps on vectors of samples; see step_coefficients_cpu.h.
#include "sampler/step_coefficients_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sampler/step_coefficients_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "common/narrow-inl.h"
#include "common/simd.h"

HWY_BEFORE_NAMESPACE();
namespace scf::sampler {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// ---- Numbers of samples, a lane each -----------------------------------------------------------

using Doubles = hn::ScalableTag<double>;

struct Truth {
  hn::Mask<Doubles> mask;
};

struct Number {
  HWY_INLINE Number(double value) : lanes(hn::Set(Doubles(), value)) {}
  HWY_INLINE explicit Number(hn::Vec<Doubles> of) : lanes(of) {}

  friend HWY_INLINE Number operator+(Number a, Number b) {
    return Number(hn::Add(a.lanes, b.lanes));
  }
  friend HWY_INLINE Number operator-(Number a, Number b) {
    return Number(hn::Sub(a.lanes, b.lanes));
  }
  friend HWY_INLINE Number operator*(Number a, Number b) {
    return Number(hn::Mul(a.lanes, b.lanes));
  }
  friend HWY_INLINE Number operator/(Number a, Number b) {
    return Number(hn::Div(a.lanes, b.lanes));
  }
  friend HWY_INLINE Number operator-(Number a) { return Number(hn::Neg(a.lanes)); }
  friend HWY_INLINE Truth operator==(Number a, Number b) { return {hn::Eq(a.lanes, b.lanes)}; }
  friend HWY_INLINE Truth operator<(Number a, Number b) { return {hn::Lt(a.lanes, b.lanes)}; }
  friend HWY_INLINE Truth operator>(Number a, Number b) { return {hn::Gt(a.lanes, b.lanes)}; }
  friend HWY_INLINE Truth operator<=(Number a, Number b) { return {hn::Le(a.lanes, b.lanes)}; }
  friend HWY_INLINE Truth operator>=(Number a, Number b) { return {hn::Ge(a.lanes, b.lanes)}; }

  hn::Vec<Doubles> lanes;
};

#define SCF_RULE [[nodiscard]] HWY_INLINE

SCF_RULE Number root(Number value) {
  return Number(hn::Sqrt(value.lanes));
}
SCF_RULE Number magnitude(Number value) {
  return Number(hn::Abs(value.lanes));
}
SCF_RULE Number at_least_zero(Number value) {
  return Number(hn::Max(hn::Zero(Doubles()), value.lanes));
}
SCF_RULE Number select(Truth truth, Number yes, Number no) {
  return Number(hn::IfThenElse(truth.mask, yes.lanes, no.lanes));
}
SCF_RULE Truth both(Truth a, Truth b) {
  return {hn::And(a.mask, b.mask)};
}
SCF_RULE Truth either(Truth a, Truth b) {
  return {hn::Or(a.mask, b.mask)};
}
SCF_RULE Truth everywhere(bool truth) {
  return Number(truth ? 1 : 0) > Number(0);
}
SCF_RULE bool any(Truth truth) {
  return !hn::AllFalse(Doubles(), truth.mask);
}
// Lane by lane: those of all targets are the C library's.
[[nodiscard]] HWY_NOINLINE Number logarithm(Number value) {
  const Doubles d;
  HWY_ALIGN double lanes[hn::MaxLanes(d)];
  hn::Store(value.lanes, d, lanes);
  for (std::size_t i = 0; i < hn::Lanes(d); ++i) {
    lanes[i] = std::log(lanes[i]);
  }
  return Number(hn::Load(d, lanes));
}

#include "sampler/step_rules-inl.h"

// ---- Rows --------------------------------------------------------------------------------------

// Samples that numbers are asked for ahead of their use.
inline constexpr std::int64_t kSamplesAhead = 64;

// A vector of rows from `row` on.
struct SamplesAt {
  std::int64_t row;

  SCF_RULE Number at(const PerSample& of) const {
    if (of.values == nullptr) {
      return Number(of.value);
    }
    hwy::Prefetch(of.values + row + kSamplesAhead);  // past the end too: that is no access
    return Number(hn::LoadU(Doubles(), of.values + row));
  }
};

#undef SCF_RULE

// A few samples, of which the last is there again and again as far as a vector goes.
template <class T>
class LastSamples {
 public:
  HWY_NOINLINE LastSamples(const StepSettings<T>& of, const StepUses& uses, std::int64_t row,
                           std::int64_t rows)
      : settings_(of) {
    const struct {
      bool used;
      PerSample* of;
    } all[kMost] = {{uses.level, &settings_.level.signal_scale},
                    {uses.level, &settings_.level.sigma},
                    {uses.next, &settings_.next.signal_scale},
                    {uses.next, &settings_.next.sigma},
                    {uses.before, &settings_.before.signal_scale},
                    {uses.before, &settings_.before.sigma},
                    {uses.step_size, &settings_.step_size},
                    {uses.sde, &settings_.drift},
                    {uses.sde, &settings_.diffusion},
                    {uses.sde, &settings_.interval}};
    for (int k = 0; k < kMost; ++k) {
      PerSample& numbers = *all[k].of;
      if (all[k].used && numbers.values != nullptr) {
        const double* const last = numbers.values + row + rows - 1;
        std::fill(std::copy(numbers.values + row, last, values_[k]), std::end(values_[k]), *last);
        numbers.values = values_[k];
      }
    }
  }
  LastSamples(const LastSamples&) = delete;
  LastSamples& operator=(const LastSamples&) = delete;

  [[nodiscard]] const StepSettings<T>& settings() const { return settings_; }

 private:
  static constexpr int kMost = 10;

  StepSettings<T> settings_;
  double values_[kMost][hn::MaxLanes(Doubles())];
};

inline constexpr int kMostOutputs = 7;

// Calls vectors(settings, row, rows, to) for rows that fill whole vectors, and for the last ones as
// if they did; it writes whole vectors to `count` arrays.
template <class T, class Out, class Vectors>
HWY_INLINE void ForRows(const StepSettings<T>& settings, const StepUses& uses, std::int64_t row,
                        std::int64_t rows, int count, Out* const* to, const Vectors& vectors) {
  const std::int64_t whole = rows - rows % static_cast<std::int64_t>(hn::Lanes(Doubles()));
  if (whole > 0) {
    vectors(settings, row, whole, to);
  }
  if (whole < rows) {
    const LastSamples<T> last(settings, uses, row + whole, rows - whole);
    Out few[kMostOutputs][hn::MaxLanes(Doubles())];
    Out* of_few[kMostOutputs];
    for (int c = 0; c < count; ++c) {
      of_few[c] = few[c];
    }
    vectors(last.settings(), 0, rows - whole, of_few);
    for (int c = 0; c < count; ++c) {
      std::copy_n(few[c], rows - whole, to[c] + whole);
    }
  }
}

template <class T>
HWY_NOINLINE bool VectorsAreGood(const StepSettings<T>& settings, const StepUses& uses,
                                 std::int64_t row, std::int64_t rows) {
  const std::int64_t lanes = hn::Lanes(Doubles());
  Truth good = everywhere(true);
  for (std::int64_t i = 0; i < rows; i += lanes) {
    const SamplesAt samples = {row + i};
    good = both(good, both(has_good_levels(settings, uses, samples),
                           has_good_step_size(settings, uses, samples)));
  }
  return hn::AllTrue(Doubles(), good.mask);
}

template <class T>
HWY_NOINLINE void VectorCoefficients(const StepSettings<T>& given, const StepUses& uses,
                                     const CorrectorSettings* corrector, std::int64_t row,
                                     std::int64_t rows, int count, T* const* to) {
  const Doubles d;
  const std::int64_t lanes = hn::Lanes(d);
  const StepSettings<T> settings = given;  // which no store changes
  const double root_temperature = std::sqrt(settings.temperature);
  T* outputs[kMostOutputs];
  std::copy_n(to, count, outputs);
  for (std::int64_t i = 0; i < rows; i += lanes) {
    const SamplesAt samples = {row + i};
    const StepCoefficients of =
        corrector == nullptr
            ? step_coefficients(settings, uses, samples, root_temperature)
            : corrector_coefficients(settings, uses, *corrector, samples, root_temperature);
    const Number all[kMostOutputs] = {of.x_x,  of.x_output,  of.x_noise, of.x_previous,
                                      of.x0_x, of.x0_output, of.x_x0};
#pragma GCC unroll 8
    for (int c = 0; c < kMostOutputs; ++c) {
      if (c < count) {
        scf::HWY_NAMESPACE::StoreRounded(d, all[c].lanes, outputs[c] + i);
      }
    }
  }
}

HWY_NOINLINE void VectorScores(Form form, const Levels& level, std::int64_t row, std::int64_t rows,
                               double* of_x, double* of_output) {
  const Doubles d;
  const std::int64_t lanes = hn::Lanes(d);
  for (std::int64_t i = 0; i < rows; i += lanes) {
    const Affine score = score_of(form, level_of(level, SamplesAt{row + i}));
    hn::StoreU(score.x.lanes, d, of_x + i);
    hn::StoreU(score.output.lanes, d, of_output + i);
  }
}

template <class T>
bool AreGood(const StepSettings<T>& settings, const StepUses& uses, std::int64_t row,
             std::int64_t rows) {
  bool good = true;
  ForRows<T, T>(
      settings, uses, row, rows, 0, nullptr,
      [&](const StepSettings<T>& of, std::int64_t first, std::int64_t count, T* const* /*to*/)
          HWY_ATTR { good = good && VectorsAreGood(of, uses, first, count); });
  return good;
}

template <class T>
void Coefficients(const StepSettings<T>& settings, const StepUses& uses,
                  const CorrectorSettings* corrector, std::int64_t row, std::int64_t rows,
                  int count, T* const* to) {
  ForRows(
      settings, uses, row, rows, count, to,
      [&](const StepSettings<T>& of, std::int64_t first, std::int64_t of_rows, T* const* outputs)
          HWY_ATTR { VectorCoefficients(of, uses, corrector, first, of_rows, count, outputs); });
}

void Scores(Form form, bool uses_level, const Levels& level, std::int64_t row, std::int64_t rows,
            double* of_x, double* of_output) {
  StepSettings<double> settings;
  StepUses uses = {};
  uses.level = uses_level;
  if (uses_level) {
    settings.level = level;
  }
  double* const to[] = {of_x, of_output};
  ForRows(settings, uses, row, rows, 2, to,
          [&](const StepSettings<double>& of, std::int64_t first, std::int64_t count,
              double* const* outputs)
              HWY_ATTR { VectorScores(form, of.level, first, count, outputs[0], outputs[1]); });
}

void ScoresOfRows(const CpuContext& context, Form form, bool uses_level, const Levels& level,
                  std::int64_t row, std::int64_t rows, double* of_x, double* of_output) {
  context.note_target_ran(HWY_TARGET);
  Scores(form, uses_level, level, row, rows, of_x, of_output);
}
// NOLINTBEGIN(bugprone-macro-parentheses): T is a type
#define SCF_STEP_COEFFICIENTS(T, name)                                                    \
  bool AreGood##name(const CpuContext& context, const StepSettings<T>& settings,          \
                     const StepUses& uses, std::int64_t row, std::int64_t rows) {         \
    context.note_target_ran(HWY_TARGET);                                                  \
    return AreGood(settings, uses, row, rows);                                            \
  }                                                                                       \
  void Coefficients##name(const CpuContext& context, const StepSettings<T>& settings,     \
                          const StepUses& uses, const CorrectorSettings* corrector,       \
                          std::int64_t row, std::int64_t rows, int count, T* const* to) { \
    context.note_target_ran(HWY_TARGET);                                                  \
    Coefficients(settings, uses, corrector, row, rows, count, to);                        \
  }
SCF_STEP_COEFFICIENTS(float, F32)
SCF_STEP_COEFFICIENTS(double, F64)
#undef SCF_STEP_COEFFICIENTS
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace HWY_NAMESPACE
}  // namespace scf::sampler
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scf::sampler {

HWY_EXPORT(ScoresOfRows);

void scores_of_rows(const CpuContext& context, Form form, bool uses_level, const Levels& level,
                    std::int64_t row, std::int64_t rows, double* of_x, double* of_output) {
  HWY_DISPATCH_TABLE(ScoresOfRows)
  [dispatch_index(context.targets())](context, form, uses_level, level, row, rows, of_x, of_output);
}

// NOLINTBEGIN(bugprone-macro-parentheses): T is a type
#define SCF_STEP_COEFFICIENTS(T, name)                                                             \
  HWY_EXPORT(AreGood##name);                                                                       \
  HWY_EXPORT(Coefficients##name);                                                                  \
  template <>                                                                                      \
  bool samples_are_good(const CpuContext& context, const StepSettings<T>& settings,                \
                        const StepUses& uses, std::int64_t row, std::int64_t rows) {               \
    return HWY_DISPATCH_TABLE(AreGood##name)[dispatch_index(context.targets())](context, settings, \
                                                                                uses, row, rows);  \
  }                                                                                                \
  template <>                                                                                      \
  void coefficients_of_rows(const CpuContext& context, const StepSettings<T>& settings,            \
                            const StepUses& uses, const CorrectorSettings* corrector,              \
                            std::int64_t row, std::int64_t rows, int count, T* const* to) {        \
    HWY_DISPATCH_TABLE(Coefficients##name)                                                         \
    [dispatch_index(context.targets())](context, settings, uses, corrector, row, rows, count, to); \
  }
SCF_STEP_COEFFICIENTS(float, F32)
SCF_STEP_COEFFICIENTS(double, F64)
#undef SCF_STEP_COEFFICIENTS
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace scf::sampler
#endif
