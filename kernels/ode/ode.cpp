// The loop over steps: its memory, the start, methods on a grid, Dormand and Prince, who leaves the
// batch.
#include "ode/ode.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "common/error.h"
#include "common/memory.h"
#include "sampler/block.h"

namespace scf::ode {
namespace {

template <class T>
class Run {
 public:
  Run(const OdeBackend<T>& backend, const OdeProblem<T>& problem, OdeResult& result)
      : backend_(backend),
        of_(problem),
        result_(result),
        tableau_(tableau_of(problem.solver)),
        m_(problem.m),
        d_(problem.d),
        n_times_(static_cast<std::int64_t>(problem.times.size())),
        count_(problem.m),
        calls_(backend, problem.field, problem.trace, {}, problem.m, problem.d),
        memory_(backend.base(), needed()) {
    Arena arena(memory_.data());
    lay_out(arena);
  }

  void run() {
    try {
      begin();
      if (of_.solver == Solver::kDopri5) {
        run_adaptive();
      } else {
        run_on_grid();
      }
    } catch (...) {
      tell_calls();
      throw;
    }
    tell_calls();
    std::vector<std::uint32_t> statuses(static_cast<std::size_t>(m_));
    backend_.base().read(statuses.data(), statuses_, sizeof(std::uint32_t) * statuses.size());
    tell_failures(statuses, result_);
  }

 private:
  [[nodiscard]] bool traced() const { return of_.trace.trace != Trace::kNone; }

  // ---- Memory
  [[nodiscard]] std::size_t needed() {
    Arena plan(nullptr);
    lay_out(plan);
    return plan.used();
  }
  void lay_out(Arena& arena) {
    x_ = arena.take<T>(m_, d_);
    next_x_ = arena.take<T>(m_, d_);
    for (int s = 0; s < tableau_.stages; ++s) {
      slopes_[s] = arena.take<T>(m_, d_);
    }
    divergences_ = traced() ? arena.take<double>(m_, tableau_.stages) : nullptr;
    samples_.index = arena.take<std::int64_t>(m_);
    samples_.t = arena.take<double>(m_);
    samples_.h = arena.take<double>(m_);
    samples_.log_density = arena.take<double>(m_);
    samples_.status = arena.take<std::uint32_t>(m_);
    samples_.phase = arena.take<std::uint32_t>(m_);
    samples_.next_time = arena.take<std::int64_t>(m_);
    samples_.steps_taken = arena.take<std::int64_t>(m_);
    samples_.steps_refused = arena.take<std::int64_t>(m_);
    next_t_ = arena.take<double>(m_);
    next_log_density_ = arena.take<double>(m_);
    next_h_ = arena.take<double>(m_);
    sums_ = arena.take<double>(m_, 3);
    from_ = arena.take<std::int64_t>(m_);
    times_ = arena.take<double>(n_times_);
    statuses_ = arena.take<std::uint32_t>(m_);
    calls_.lay_out(arena, of_.x.data);
  }

  // The field at states x of stage `s`, c of the step on its way: slopes and, with a trace,
  // divergences of the stage.
  void evaluate(int s, double c, const T* x) { evaluate(s, {samples_, count_, c, {x, d_}}); }
  void evaluate(int s, const FieldPoint<T>& at) {
    calls_.evaluate(at, {slopes_[s], d_}, traced() ? divergences_ + s * m_ : nullptr);
  }

  // ---- The start
  void begin() {
    const auto& base = backend_.base();
    std::vector<std::int64_t> index(static_cast<std::size_t>(m_));
    for (std::int64_t i = 0; i < m_; ++i) {
      index[static_cast<std::size_t>(i)] = i;
    }
    const auto n = static_cast<std::size_t>(m_);
    base.write(samples_.index, index.data(), sizeof(std::int64_t) * n);
    base.write(samples_.next_time, std::vector<std::int64_t>(n, 1).data(),
               sizeof(std::int64_t) * n);
    base.write(samples_.t, std::vector<double>(n, of_.times.front()).data(), sizeof(double) * n);
    base.write(times_, of_.times.data(), sizeof(double) * of_.times.size());
    base.clear(samples_.h, sizeof(double) * n);
    base.clear(samples_.log_density, sizeof(double) * n);
    base.clear(samples_.status, sizeof(std::uint32_t) * n);
    base.clear(samples_.phase, sizeof(std::uint32_t) * n);
    base.clear(samples_.steps_taken, sizeof(std::int64_t) * n);
    base.clear(samples_.steps_refused, sizeof(std::int64_t) * n);
    base.clear(statuses_, sizeof(std::uint32_t) * n);
    calls_.begin();
    backend_.copy_rows({of_.x.data, of_.x.ld}, m_, d_, {x_, d_});
    backend_.emit(samples_, x_, 0, n_times_, count_, d_, places());
  }

  [[nodiscard]] ResultPlaces<T> places() const {
    return {m_,        of_.x,        of_.log_density, of_.states,       of_.log_densities,
            statuses_, of_.statuses, of_.steps_taken, of_.steps_refused};
  }
  [[nodiscard]] Course course() const {
    const double first = of_.times.front();
    const double last = of_.times.back();
    return {times_, n_times_, first, last, last > first ? 1.0 : -1.0};
  }

  void combine(int stages, const double* weights, T* to) {
    combine(stages, weights, {samples_.h}, to);
  }
  void combine(int stages, const double* weights, const StepLengths& h, T* to) {
    backend_.combine(stages_of<T>(x_, slopes_, weights, stages), h, count_, d_, to);
  }

  void begin_step() {
    if (of_.observer != nullptr) {
      of_.observer->begin_step({samples_, count_, x_, slopes_});
    }
  }
  void end_step() {
    if (of_.observer != nullptr) {
      of_.observer->end_step({samples_, count_, x_, slopes_});
    }
  }

  void tell(std::int64_t finished) {
    if (of_.progress != nullptr && of_.progress(finished, m_)) {
      throw Error(Status::kCancelled, "cancelled with " + std::to_string(finished) + " of " +
                                          std::to_string(m_) + " samples finished");
    }
  }

  // ---- Methods on a grid: all samples side by side
  // Their time and step are the same, so that columns of them are kept for those alone who look at
  // them: observers, the log-density, and whoever may cancel and read how far each came.
  void run_on_grid() {
    const bool keeps_columns = traced() || of_.observer != nullptr || of_.progress != nullptr;
    const auto steps = static_cast<double>(of_.steps);
    for (std::int64_t j = 0; j + 1 < n_times_; ++j) {
      const double from = of_.times[static_cast<std::size_t>(j)];
      const double to = of_.times[static_cast<std::size_t>(j + 1)];
      const auto at = [&](std::int64_t i) {
        return i == of_.steps ? to : from + (to - from) * (static_cast<double>(i) / steps);
      };
      const auto length = [&](std::int64_t i) { return at(i + 1) - at(i); };
      backend_.run(GridStepRule{samples_, from, length(0), 0, {}, nullptr, m_, 0}, count_);
      for (std::int64_t i = 0; i < of_.steps; ++i) {
        begin_step();
        for (int s = 0; s < tableau_.stages; ++s) {
          const T* x = x_;
          if (s > 0) {
            combine(s, tableau_.a[s], {nullptr, length(i)}, next_x_);
            x = next_x_;
          }
          const double c = tableau_.c[s];
          evaluate(s, {samples_, count_, c, {x, d_}, true, at(i) + c * length(i)});
        }
        end_step();
        combine(tableau_.stages, tableau_.b, {nullptr, length(i)}, x_);
        const bool last = i + 1 == of_.steps;
        if (keeps_columns || last) {
          GridStepRule rule = {
              samples_,     at(i + 1), last ? 0 : length(i + 1),     tableau_.stages, {},
              divergences_, m_,        keeps_columns ? 1 : of_.steps};
          std::copy_n(tableau_.b, tableau_.stages, rule.weights);
          backend_.run(rule, count_);
        }
        if (last) {
          backend_.emit(samples_, x_, j + 1, n_times_, count_, d_, places());
        }
        tell(j + 2 == n_times_ && last ? m_ : 0);
      }
    }
  }

  // ---- Dormand and Prince: each sample by its own steps
  void run_adaptive() {
    evaluate(0, 0, x_);
    choose_first_step();
    std::vector<std::uint32_t> phases(static_cast<std::size_t>(m_));
    while (count_ > 0) {
      begin_step();
      for (int s = 1; s < kMostStages; ++s) {
        combine(s, tableau_.a[s], next_x_);
        evaluate(s, tableau_.c[s], next_x_);
      }
      finish_step();
      backend_.read_phases(samples_, count_, phases.data());
      leave_out_finished(phases);
      tell(m_ - count_);
    }
  }

  [[nodiscard]] double terms() const { return static_cast<double>(d_) + (traced() ? 1 : 0); }

  void choose_first_step() {
    if (of_.first_step > 0) {
      backend_.run(GivenStepRule{samples_, course(), of_.first_step}, count_);
      return;
    }
    double* const state = sums_;
    double* const slope = sums_ + m_;
    double* const curvature = sums_ + 2 * m_;
    backend_.norms({x_, d_}, {slopes_[0], d_}, {}, of_.tolerance, count_, d_, state, slope);
    FirstStepRule rule = {samples_, course(), static_cast<double>(d_), state, slope, nullptr};
    backend_.run(rule, count_);
    const double one[] = {1};
    combine(1, one, next_x_);
    evaluate(1, 1, next_x_);
    backend_.norms({x_, d_}, {slopes_[1], d_}, {slopes_[0], d_}, of_.tolerance, count_, d_, nullptr,
                   curvature);
    rule.curvature = curvature;
    backend_.run(rule, count_);
  }

  void finish_step() {
    const T* weighted[kWeighted];
    for (int i = 0; i < kWeighted; ++i) {
      weighted[i] = slopes_[weighted_stage(i)];
    }
    backend_.errors(x_, next_x_, weighted, samples_.h, of_.tolerance, count_, d_, sums_);
    backend_.run(DecideRule{samples_, course(), of_.tolerance, terms(), of_.max_steps,
                            std::numeric_limits<T>::epsilon(), sums_, divergences_, m_, next_t_,
                            next_log_density_, next_h_},
                 count_);
    end_step();
    StepResults<T> step = {samples_, course(), next_t_, next_log_density_, divergences_,
                           m_,       x_,       next_x_, slopes_[0],        slopes_[kMostStages - 1],
                           {}};
    std::copy_n(weighted, kWeighted, step.slopes);
    backend_.finish_step(
        step, {samples_, course(), next_t_, next_log_density_, next_h_, divergences_, m_}, count_,
        d_, places());
    std::swap(x_, next_x_);
    std::swap(slopes_[0], slopes_[kMostStages - 1]);
  }

  // Samples that are done leave the batch, once they are an eighth of it.
  void leave_out_finished(const std::vector<std::uint32_t>& phases) {
    const auto is_left = [](std::uint32_t phase) { return (phase & kDone) == 0; };
    const std::int64_t left = std::count_if(phases.begin(), phases.begin() + count_, is_left);
    if (left > count_ - (count_ + 7) / 8) {
      return;
    }
    std::vector<std::int64_t> from;
    from.reserve(static_cast<std::size_t>(left));
    for (std::int64_t i = 0; i < count_; ++i) {
      if (is_left(phases[static_cast<std::size_t>(i)])) {
        from.push_back(i);
      }
    }
    count_ = left;
    if (left == 0) {
      return;
    }
    backend_.base().write(from_, from.data(), sizeof(std::int64_t) * from.size());
    backend_.gather(samples_, from_, left, sums_);
    backend_.gather_rows(x_, from_, left, d_, next_x_);
    backend_.gather_rows(slopes_[0], from_, left, d_, next_x_);
    if (traced()) {
      backend_.gather_numbers(divergences_, from_, left, next_t_);
    }
    calls_.gather(from_, left, next_x_);
  }

  // ---- The end
  void tell_calls() {
    result_.calls = calls_.calls();
    result_.evaluations = calls_.evaluations();
  }

  const OdeBackend<T>& backend_;
  const OdeProblem<T>& of_;
  OdeResult& result_;
  const Tableau& tableau_;
  std::int64_t m_;
  std::int64_t d_;
  std::int64_t n_times_;
  std::int64_t count_;  // of samples on their way: the first rows of all below
  FieldCalls<T> calls_;
  T* x_ = nullptr;
  T* next_x_ = nullptr;
  T* slopes_[kMostStages] = {};
  double* divergences_ = nullptr;  // [stages, m]
  Samples samples_ = {};
  double* next_t_ = nullptr;
  double* next_log_density_ = nullptr;
  double* next_h_ = nullptr;
  double* sums_ = nullptr;  // [3, m]
  std::int64_t* from_ = nullptr;
  double* times_ = nullptr;
  std::uint32_t* statuses_ = nullptr;  // of the whole batch
  sampler::Block<T> memory_;
};

}  // namespace

void tell_failures(const std::vector<std::uint32_t>& statuses, OdeResult& result) {
  result.status = 0;
  result.failed = 0;
  result.first_failed = -1;
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    if (statuses[i] != 0) {
      result.status |= statuses[i];
      result.first_failed = result.failed == 0 ? static_cast<std::int64_t>(i) : result.first_failed;
      ++result.failed;
    }
  }
}

template <class T>
void solve_ode(const OdeBackend<T>& backend, const OdeProblem<T>& problem, OdeResult& result) {
  if (problem.m > 0) {
    Run<T>(backend, problem, result).run();
  }
}

template void solve_ode(const OdeBackend<float>&, const OdeProblem<float>&, OdeResult&);
template void solve_ode(const OdeBackend<double>&, const OdeProblem<double>&, OdeResult&);

}  // namespace scf::ode
