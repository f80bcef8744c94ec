#include "sampler/step_checks.h"

#include <cmath>
#include <cstdio>

namespace scf::sampler {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

class Numbers {
 public:
  Numbers(std::int64_t row, double least) : row_(row), least_(least) {}

  // Whether the number can be looked at.
  [[nodiscard]] bool knows(const PerSample& of) const { return row_ >= 0 || of.values == nullptr; }
  [[nodiscard]] bool knows(const Levels& of) const {
    return knows(of.signal_scale) && knows(of.sigma);
  }
  [[nodiscard]] double at(const PerSample& of) const {
    return of.values == nullptr ? of.value : of.values[row_];
  }
  [[nodiscard]] Level at(const Levels& of) const { return {at(of.signal_scale), at(of.sigma)}; }

  void require(const PerSample& of, const char* name, const char* bound, bool (*good)(double)) {
    if (problem_.empty() && knows(of) && !good(at(of))) {
      report(of, name, bound);
    }
  }
  void require(const Levels& of, const std::string& prefix, bool zero_allowed) {
    require(of.signal_scale, (prefix + "signal_scale").c_str(), "> 0 and finite", is_positive);
    require(of.sigma, (prefix + "sigma").c_str(),
            zero_allowed ? ">= 0 and finite" : "> 0 and finite",
            zero_allowed ? is_at_least_zero : is_positive);
    require_range(of.signal_scale, prefix + "signal_scale");
    require_range(of.sigma, prefix + "sigma");
  }
  void require_range(const PerSample& of, const std::string& name) {
    if (problem_.empty() && knows(of) && at(of) != 0 && !is_within(at(of), least_)) {
      report(of, name, "in [" + number(least_) + ", " + number(1 / least_) + "]");
    }
  }
  void report(const PerSample& of, const std::string& name, const std::string& bound) {
    char value[32];
    std::snprintf(value, sizeof value, "%.9g", at(of));
    problem_ = name + (of.values == nullptr ? "" : "s[" + std::to_string(row_) + "]") +
               " must be " + bound + ", got " + value;
  }
  [[nodiscard]] bool good() const { return problem_.empty(); }
  [[nodiscard]] const std::string& problem() const { return problem_; }

  static bool is_positive(double value) { return value > 0 && is_finite(value); }
  static bool is_at_least_zero(double value) { return is_not_negative(value); }

 private:
  std::int64_t row_;
  double least_;  // of a level
  std::string problem_;
};

}  // namespace

template <class T>
std::string problem_of(const StepSettings<T>& settings, const StepUses& uses, std::int64_t row) {
  Numbers numbers(row, least_level<T>());
  const bool churns = settings.kind == StepKind::kChurn;
  if (uses.level) {
    numbers.require(settings.level, "", churns || settings.kind == StepKind::kKnown);
  }
  if (uses.next) {
    numbers.require(settings.next, "next_", settings.kind != StepKind::kHeun);
    if (numbers.good() && numbers.knows(settings.level) && numbers.knows(settings.next)) {
      const Level at = numbers.at(settings.level);
      const Level next = numbers.at(settings.next);
      if (churns && !(next.sigma >= at.sigma)) {
        numbers.report(settings.next.sigma, "next_sigma", ">= sigma = " + number(at.sigma));
      } else if (!churns && !(descent_of(at, next).variance >= 0)) {
        numbers.report(settings.next.sigma, "next_sigma",
                       "<= sigma next_signal_scale / signal_scale = " +
                           number(at.sigma * next.signal_scale / at.signal_scale));
      }
    }
  }
  if (uses.before) {
    numbers.require(settings.before, "before_", false);
    if (numbers.good() && numbers.knows(settings.before) && numbers.knows(settings.level)) {
      const Level at = numbers.at(settings.level);
      const Level before = numbers.at(settings.before);
      if (!(before.signal_scale / before.sigma < at.signal_scale / at.sigma)) {
        numbers.report(settings.before.sigma, "before_sigma",
                       "> sigma before_signal_scale / signal_scale = " +
                           number(at.sigma * before.signal_scale / at.signal_scale));
      }
    }
  }
  if (uses.step_size) {
    numbers.require(settings.step_size, "step_size", ">= 0 and finite", Numbers::is_at_least_zero);
  }
  if (uses.sde) {
    numbers.require(settings.drift, "drift", "finite", is_finite);
    numbers.require(settings.diffusion, "diffusion", ">= 0 and finite", Numbers::is_at_least_zero);
    numbers.require(settings.interval, "interval", "> 0 and finite", Numbers::is_positive);
  }
  return numbers.problem();
}

template std::string problem_of(const StepSettings<float>&, const StepUses&, std::int64_t);
template std::string problem_of(const StepSettings<double>&, const StepUses&, std::int64_t);

}  // namespace scf::sampler
