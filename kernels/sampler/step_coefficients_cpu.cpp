// The rules of steps on vectors of samples; see step_coefficients_cpu.h.
#include "sampler/step_coefficients_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sampler/step_coefficients_cpu.cpp"
#include <hwy/foreach_target.h>
// foreach_target.h comes first
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

// A vector of rows from `row` on.
struct SamplesAt {
  std::int64_t row;

  SCF_RULE Number at(const PerSample& of) const {
    return of.values == nullptr ? Number(of.value) : Number(hn::LoadU(Doubles(), of.values + row));
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

// Calls body(settings, samples, i, count) for vectors of rows [row + i, row + i + count).
template <class T, class Body>
HWY_INLINE void ForSamples(const StepSettings<T>& given, const StepUses& uses, std::int64_t row,
                           std::int64_t rows, const Body& body) {
  const std::int64_t lanes = hn::Lanes(Doubles());
  const std::int64_t whole = rows / lanes * lanes;
  const StepSettings<T> settings = given;  // which no store changes
  for (std::int64_t i = 0; i < whole; i += lanes) {
    body(settings, SamplesAt{row + i}, i, lanes);
  }
  if (whole < rows) {
    const LastSamples<T> last(given, uses, row + whole, rows - whole);
    body(last.settings(), SamplesAt{0}, whole, rows - whole);
  }
}

template <class T>
bool AreGood(const StepSettings<T>& settings, const StepUses& uses, std::int64_t row,
             std::int64_t rows) {
  Truth good = everywhere(true);
  ForSamples(settings, uses, row, rows,
             [&](const StepSettings<T>& given, const SamplesAt& samples, std::int64_t /*i*/,
                 std::int64_t /*count*/) HWY_ATTR {
               good = both(good, both(has_good_levels(given, uses, samples),
                                      has_good_step_size(given, uses, samples)));
             });
  return hn::AllTrue(Doubles(), good.mask);
}

// The lanes of as many numbers as there are.
template <class T>
HWY_INLINE void StoreFew(Number value, std::int64_t count, T* to) {
  const Doubles d;
  if (HWY_LIKELY(count == static_cast<std::int64_t>(hn::Lanes(d)))) {
    scf::HWY_NAMESPACE::StoreRounded(d, value.lanes, to);
    return;
  }
  T few[hn::MaxLanes(d)];
  scf::HWY_NAMESPACE::StoreRounded(d, value.lanes, few);
  std::copy_n(few, count, to);
}

template <class T>
void Coefficients(const StepSettings<T>& settings, const StepUses& uses,
                  const CorrectorSettings* corrector, std::int64_t row, std::int64_t rows,
                  int count, T* const* to) {
  const double root_temperature = std::sqrt(settings.temperature);
  ForSamples(settings, uses, row, rows,
             [&](const StepSettings<T>& given, const SamplesAt& samples, std::int64_t i,
                 std::int64_t of_rows) HWY_ATTR {
               const StepCoefficients of =
                   corrector == nullptr
                       ? step_coefficients(given, uses, samples, root_temperature)
                       : corrector_coefficients(given, uses, *corrector, samples, root_temperature);
               const Number all[] = {of.x_x,  of.x_output,  of.x_noise, of.x_previous,
                                     of.x0_x, of.x0_output, of.x_x0};
#pragma GCC unroll 8
               for (int c = 0; c < 7; ++c) {
                 if (c < count) {
                   StoreFew(all[c], of_rows, to[c] + i);
                 }
               }
             });
}

void Scores(Form form, bool uses_level, const Levels& level, std::int64_t row, std::int64_t rows,
            double* of_x, double* of_output) {
  StepSettings<double> settings;
  settings.level = level;
  StepUses uses = {};
  uses.level = uses_level;
  ForSamples(settings, uses, row, rows,
             [&](const StepSettings<double>& given, const SamplesAt& samples, std::int64_t i,
                 std::int64_t count) HWY_ATTR {
               const Affine score =
                   score_of(form, uses_level ? level_of(given.level, samples) : Level{1, 1});
               StoreFew(score.x, count, of_x + i);
               StoreFew(score.output, count, of_output + i);
             });
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
