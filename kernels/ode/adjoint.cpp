// Discrete: the flow is solved forward once, which steps each sample takes is written down, and its
// state is kept every so many steps. Then, from the last step to the first, the stages of a step
// are made again from the state before it and gone through backward. With X_s = x + h sum_j a_sj
// k_j, k_s = f(X_s), x' = x + h sum_s b_s k_s and l' = dL/dx',
//   u_s = h (b_s l' + sum_{j > s} a_js l_j),  l_s = J(X_s)^T u_s,  l = l' + sum_s l_s,
//   dL/dparameters += sum_s u_s . df(X_s)/dparameters.
// A state between steps is x + h sum_s w_s(theta) k_s: its gradient goes to l and, by w_s, to the
// u_s. The step sizes are taken as given.
//
// Continuous: between wanted times, from the last to the first, z = (x, a) is solved backward with
// the flow's own solver: dx/dt = f, da/dt = -J^T a; at each wanted time x is set to the state there
// and the loss's gradient is added to a. The parameters' gradient is the integral of a .
// df/dparameters, summed up over the steps that were taken.
//
// One file: both share the sums of the parameters' gradients, and are read side by side.
#include "ode/adjoint.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "common/memory.h"
#include "ode/failures.h"
#include "sampler/block.h"

namespace scf::ode {
namespace {

using sampler::Block;

// Gradients of the parameters as they are added up.
template <class T>
class Sums {
 public:
  Sums(const OdeBackend<T>& backend, const AdjointProblem<T>& problem)
      : backend_(backend),
        of_(problem),
        log_bandwidths_(backend.base(), bytes_of_bandwidths()),
        data_(backend.base(), bytes_of_data()) {
    const auto& base = backend.base();
    if (of_.of_function != nullptr) {
      base.clear(of_.of_function, sizeof(double) * static_cast<std::size_t>(of_.n_parameters));
    }
    if (log_bandwidths_.data() != nullptr) {
      base.clear(log_bandwidths_.data(), bytes_of_bandwidths());
    }
    if (data_.data() != nullptr) {
      base.clear(data_.data(), bytes_of_data());
    }
  }

  [[nodiscard]] ParameterGradients<T> places() const {
    return {of_.of_function, static_cast<double*>(log_bandwidths_.data()),
            static_cast<double*>(data_.data()), of_.n};
  }
  void hand_over() const {
    const auto& base = backend_.base();
    if (of_.log_bandwidth != nullptr) {
      std::vector<double> values(static_cast<std::size_t>(of_.flow.m));
      if (!values.empty()) {
        base.read(values.data(), log_bandwidths_.data(), bytes_of_bandwidths());
      }
      double sum = 0;
      for (const double value : values) {
        sum += value;
      }
      base.write(of_.log_bandwidth, &sum, sizeof(double));
    }
    if (data_.data() != nullptr) {
      backend_.round_rows(static_cast<const double*>(data_.data()), of_.n, of_.flow.d, of_.data);
    }
  }

 private:
  [[nodiscard]] std::size_t bytes_of_bandwidths() const {
    return of_.log_bandwidth == nullptr ? 0 : sizeof(double) * static_cast<std::size_t>(of_.flow.m);
  }
  [[nodiscard]] std::size_t bytes_of_data() const {
    return of_.data.data == nullptr ? 0
                                    : sizeof(double) * static_cast<std::size_t>(of_.n * of_.flow.d);
  }
  const OdeBackend<T>& backend_;
  const AdjointProblem<T>& of_;
  Block<T> log_bandwidths_;  // [m]
  Block<T> data_;            // [n, d]
};

// ---- Discrete -----------------------------------------------------------------------------------

// A step of the working batch. h is 0 where a sample has not taken it.
struct TapeStep {
  std::vector<double> t;
  std::vector<double> h;
};
// Steps that the same samples make side by side.
template <class T>
struct TapeSegment {
  std::vector<std::int64_t> index;
  std::vector<TapeStep> steps;
  std::vector<std::unique_ptr<Block<T>>> states;  // before step 0, k, 2k, ...
};

// Writes a solve down.
template <class T>
class Tape final : public StepObserver<T> {
 public:
  Tape(const OdeBackend<T>& backend, std::int64_t d, std::int64_t every, bool adaptive)
      : backend_(backend), d_(d), every_(every), adaptive_(adaptive) {}

  void begin_step(const StepView<T>& step) override {
    const auto& base = backend_.base();
    const auto count = static_cast<std::size_t>(step.count);
    if (segments_.empty() || segments_.back().index.size() != count) {
      segments_.emplace_back();
      segments_.back().index.resize(count);
      base.read(segments_.back().index.data(), step.samples.index, sizeof(std::int64_t) * count);
    }
    TapeSegment<T>& segment = segments_.back();
    if (static_cast<std::int64_t>(segment.steps.size()) % every_ == 0) {
      const std::size_t bytes = sizeof(T) * count * static_cast<std::size_t>(d_);
      segment.states.push_back(std::make_unique<Block<T>>(base, bytes));
      backend_.copy_rows({step.x, d_}, step.count, d_,
                         {static_cast<T*>(segment.states.back()->data()), d_});
    }
    segment.steps.emplace_back();
  }
  void end_step(const StepView<T>& step) override {
    const auto& base = backend_.base();
    const auto count = static_cast<std::size_t>(step.count);
    TapeStep& of = segments_.back().steps.back();
    of.t.resize(count);
    of.h.resize(count);
    base.read(of.t.data(), step.samples.t, sizeof(double) * count);
    base.read(of.h.data(), step.samples.h, sizeof(double) * count);
    if (!adaptive_) {
      return;
    }
    std::vector<std::uint32_t> phases(count);
    backend_.read_phases(step.samples, step.count, phases.data());
    for (std::size_t i = 0; i < count; ++i) {
      if ((phases[i] & kAccepted) == 0) {
        of.h[i] = 0;
      }
    }
  }

  [[nodiscard]] std::vector<TapeSegment<T>>& segments() { return segments_; }

 private:
  const OdeBackend<T>& backend_;
  std::int64_t d_;
  std::int64_t every_;
  bool adaptive_;
  std::vector<TapeSegment<T>> segments_;
};

// Goes back over a tape.
template <class T>
class Discrete {
 public:
  Discrete(const OdeBackend<T>& backend, const AdjointProblem<T>& problem, OdeResult& result)
      : backend_(backend),
        of_(problem),
        result_(result),
        m_(problem.flow.m),
        d_(problem.flow.d),
        adaptive_(problem.flow.solver == Solver::kDopri5),
        tableau_(tableau_of(problem.flow.solver)),
        stages_(adaptive_ ? tableau_.stages - 1 : tableau_.stages),
        sums_(backend, problem),
        calls_(backend, problem.flow.field, problem.flow.trace, sums_.places(), m_, d_),
        failures_(backend, m_),
        memory_(backend.base(), needed()) {
    Arena arena(memory_.data());
    lay_out(arena);
  }

  void run() {
    calls_.begin();
    Tape<T> tape(backend_, d_, of_.checkpoint_every, adaptive_);
    solve_forward(tape);
    const auto& base = backend_.base();
    base.clear(full_, sizeof(T) * static_cast<std::size_t>(m_ * d_));
    base.write(ones_, std::vector<double>(static_cast<std::size_t>(m_), 1).data(),
               sizeof(double) * static_cast<std::size_t>(m_));
    auto& segments = tape.segments();
    std::size_t longest = 1;
    for (const TapeSegment<T>& segment : segments) {
      longest = std::max(longest, segment.steps.size());
    }
    longest = std::min(longest, static_cast<std::size_t>(of_.checkpoint_every));
    const Block<T> replayed(base, sizeof(T) * longest * static_cast<std::size_t>(m_ * d_));
    replayed_ = static_cast<T*>(replayed.data());
    for (std::size_t i = segments.size(); i-- > 0;) {
      go_back(segments[i]);
      segments.pop_back();
    }
    // The loss of where it starts.
    backend_.add_rows(ones_, of_.output_gradients, all_, m_, d_, full_);
    backend_.copy_rows({full_, d_}, m_, d_, of_.gradient);
    failures_.take_rows({full_, d_}, d_, weights_);
    failures_.spoil(d_, of_.gradient);
    failures_.tell(result_, of_.flow.statuses);
    sums_.hand_over();
    base.wait();
    result_.calls += calls_.calls();
    result_.evaluations += calls_.evaluations();
  }

 private:
  [[nodiscard]] std::size_t needed() {
    Arena plan(nullptr);
    lay_out(plan);
    return plan.used();
  }
  void lay_out(Arena& arena) {
    full_ = arena.take<T>(m_, d_);
    gradient_ = arena.take<T>(m_, d_);
    cotangent_ = arena.take<T>(m_, d_);
    for (int s = 0; s < tableau_.stages; ++s) {
      points_[s] = arena.take<T>(m_, d_);
      slopes_[s] = arena.take<T>(m_, d_);
      // What outputs between steps give to a stage.
      given_[s] = adaptive_ ? arena.take<T>(m_, d_) : nullptr;
    }
    all_ = arena.take<std::int64_t>(m_);
    samples_.index = arena.take<std::int64_t>(m_);
    samples_.t = arena.take<double>(m_);
    samples_.h = arena.take<double>(m_);
    ones_ = arena.take<double>(m_);
    weights_ = arena.take<double>(m_);
    calls_.lay_out(arena, of_.gradient.data);
  }

  void solve_forward(Tape<T>& tape) {
    OdeProblem<T> flow = of_.flow;
    const auto& base = backend_.base();
    const Block<T> x(base, sizeof(T) * static_cast<std::size_t>(m_ * d_));
    flow.x = {static_cast<T*>(x.data()), d_};
    flow.observer = &tape;
    flow.statuses = failures_.place();
    backend_.copy_rows(of_.x, m_, d_, flow.x);
    solve_ode(backend_, flow, result_);
    failures_.take();
    std::vector<std::int64_t> all(static_cast<std::size_t>(m_));
    for (std::int64_t i = 0; i < m_; ++i) {
      all[static_cast<std::size_t>(i)] = i;
    }
    base.write(all_, all.data(), sizeof(std::int64_t) * all.size());
  }

  void go_back(TapeSegment<T>& segment) {
    const auto& base = backend_.base();
    count_ = static_cast<std::int64_t>(segment.index.size());
    base.write(samples_.index, segment.index.data(), sizeof(std::int64_t) * segment.index.size());
    calls_.use_rows(samples_.index, count_);
    backend_.pick_rows(full_, samples_.index, count_, d_, gradient_);
    const auto steps = static_cast<std::int64_t>(segment.steps.size());
    for (std::int64_t kept = static_cast<std::int64_t>(segment.states.size()); kept-- > 0;) {
      const std::int64_t first = kept * of_.checkpoint_every;
      const std::int64_t last = std::min(steps, first + of_.checkpoint_every);
      backend_.copy_rows({static_cast<const T*>(segment.states.back()->data()), d_}, count_, d_,
                         {replayed(0), d_});
      segment.states.pop_back();
      for (std::int64_t step = first; step + 1 < last; ++step) {
        take_step(segment.steps[static_cast<std::size_t>(step)], replayed(step - first),
                  replayed(step - first + 1));
      }
      for (std::int64_t step = last; step-- > first;) {
        go_back_over(segment.steps[static_cast<std::size_t>(step)], replayed(step - first));
      }
    }
    backend_.put_rows(gradient_, samples_.index, count_, d_, full_);
  }

  [[nodiscard]] T* replayed(std::int64_t i) const { return replayed_ + i * m_ * d_; }
  void set_step(const TapeStep& step) {
    const std::size_t bytes = sizeof(double) * step.t.size();
    backend_.base().write(samples_.t, step.t.data(), bytes);
    backend_.base().write(samples_.h, step.h.data(), bytes);
  }
  [[nodiscard]] FieldPoint<T> point(int s) const {
    return {samples_, count_, tableau_.c[s], {points_[s], d_}};
  }

  // The states at which the stages of a step from x look at the field.
  void make_points(const T* x, bool of_end) {
    backend_.copy_rows({x, d_}, count_, d_, {points_[0], d_});
    for (int s = 0; s + 1 < stages_ || (of_end && s + 1 < tableau_.stages); ++s) {
      calls_.evaluate(point(s), {slopes_[s], d_}, nullptr);
      combine(x, slopes_, tableau_.a[s + 1], s + 1, samples_.h, points_[s + 1]);
    }
  }
  void take_step(const TapeStep& step, const T* x, T* to) {
    set_step(step);
    make_points(x, false);
    calls_.evaluate(point(stages_ - 1), {slopes_[stages_ - 1], d_}, nullptr);
    combine(x, slopes_, tableau_.b, stages_, samples_.h, to);
  }
  // to = x + h sum_j weights_j slopes_j
  void combine(const T* x, T* const* slopes, const double* weights, int n, const double* h, T* to) {
    backend_.combine(stages_of<T>(x, slopes, weights, n), {h}, count_, d_, to);
  }

  void go_back_over(const TapeStep& step, const T* x) {
    set_step(step);
    const bool between = take_outputs(step, true);
    make_points(x, between);
    int stages = stages_;
    if (between) {
      // The slope at the end has part in what lies between.
      backend_.copy_rows({given_[stages_], d_}, count_, d_, {cotangent_, d_});
      go_through(stages_);
      const double one[] = {1};
      combine(gradient_, slopes_ + stages_, one, 1, ones_, gradient_);
    }
    while (stages-- > 0) {
      // b_s l' + sum_{j > s} a_js l_j, with those that are there
      T* parts[kMostStages] = {gradient_};
      double weights[kMostStages] = {tableau_.b[stages]};
      int n = 1;
      for (int j = stages + 1; j < stages_; ++j) {
        parts[n] = slopes_[j];
        weights[n] = tableau_.a[j][stages];
        ++n;
      }
      const bool any = std::any_of(weights, weights + n, [](double weight) { return weight != 0; });
      if (any) {
        combine(between ? given_[stages] : nullptr, parts, weights, n, samples_.h, cotangent_);
      } else if (between) {
        backend_.copy_rows({given_[stages], d_}, count_, d_, {cotangent_, d_});
      } else {
        backend_.base().clear(cotangent_, sizeof(T) * static_cast<std::size_t>(count_ * d_));
      }
      go_through(stages);
    }
    const double ones[kMostStages] = {1, 1, 1, 1, 1, 1, 1};
    combine(gradient_, slopes_, ones, stages_, ones_, gradient_);
    if (between) {
      (void)take_outputs(step, false);
    }
  }

  // l_s = J^T u, into the slope's place, and the parameters' part.
  void go_through(int s) {
    calls_.vector_jacobian(point(s), {cotangent_, d_}, 1, {slopes_[s], d_});
    if (sums_.places().wanted()) {
      calls_.add_parameters(point(s), {cotangent_, d_});
    }
  }

  // What the loss gives at wanted times within a step. first: to l', of states at the step's end,
  // and to the stages, of those between; says whether there are any. Else: to l, of those between.
  bool take_outputs(const TapeStep& step, bool first) {
    bool between = false;
    const std::vector<double>& times = of_.flow.times;
    const double direction = times.back() > times.front() ? 1 : -1;
    const auto count = step.t.size();
    std::vector<double> at_end(count);
    std::vector<double> inside(count);
    const auto [begin, end_time] = times_within(step, direction);
    for (std::size_t j = begin; j < end_time; ++j) {
      bool any_end = false;
      bool any_inside = false;
      for (std::size_t i = 0; i < count; ++i) {
        if (!adaptive_) {  // a step ends at a time where its length is what was left to it
          at_end[i] = step.h[i] != 0 && step.h[i] == times[j] - step.t[i] ? 1 : 0;
          any_end = any_end || at_end[i] != 0;
          continue;
        }
        const double end = end_of(step, i);
        const bool within = step.h[i] != 0 && (times[j] - step.t[i]) * direction > 0 &&
                            (times[j] - end) * direction <= 0;
        at_end[i] = within && times[j] == end ? 1 : 0;
        inside[i] = within && times[j] != end ? 1 : 0;
        any_end = any_end || at_end[i] != 0;
        any_inside = any_inside || inside[i] != 0;
      }
      const T* const given = of_.output_gradients + static_cast<std::int64_t>(j) * m_ * d_;
      if (first && any_end) {
        add(at_end, given, gradient_);
      }
      if (!any_inside) {
        continue;
      }
      if (!first) {
        add(inside, given, gradient_);
        continue;
      }
      if (!between) {
        for (int s = 0; s < tableau_.stages; ++s) {
          backend_.base().clear(given_[s], sizeof(T) * count * static_cast<std::size_t>(d_));
        }
      }
      between = true;
      for (int w = 0; w < kWeighted; ++w) {
        std::vector<double> weights(count);
        for (std::size_t i = 0; i < count; ++i) {
          weights[i] =
              inside[i] == 0 ? 0 : step.h[i] * dense_weight(w, (times[j] - step.t[i]) / step.h[i]);
        }
        add(weights, given, given_[weighted_stage(w)]);
      }
    }
    return between;
  }
  // The times that the step of any sample may reach: from the first one on to before the second.
  std::pair<std::size_t, std::size_t> times_within(const TapeStep& step, double direction) const {
    const std::vector<double>& times = of_.flow.times;
    double first = times.back();
    double last = times.front();
    for (std::size_t i = 0; i < step.t.size(); ++i) {
      const double end = end_of(step, i);
      first = (step.t[i] - first) * direction < 0 ? step.t[i] : first;
      last = (end - last) * direction > 0 ? end : last;
    }
    // A step may end a rounding from a time of the grid: one more on each side.
    const auto before = [direction](double a, double b) { return (a - b) * direction < 0; };
    const auto low = std::lower_bound(times.begin(), times.end(), first, before);
    const auto high = std::upper_bound(times.begin(), times.end(), last, before);
    const auto from = static_cast<std::size_t>(low - times.begin());
    const auto to = static_cast<std::size_t>(high - times.begin()) + 1;
    return {std::max<std::size_t>(from, 2) - 1, std::min(to, times.size())};
  }
  // As the solver has it: the last step of a sample ends at the last time, exactly.
  [[nodiscard]] double end_of(const TapeStep& step, std::size_t i) const {
    const double last = of_.flow.times.back();
    return step.h[i] == last - step.t[i] ? last : step.t[i] + step.h[i];
  }
  void add(const std::vector<double>& weights, const T* from, T* to) {
    backend_.base().write(weights_, weights.data(), sizeof(double) * weights.size());
    backend_.add_rows(weights_, from, samples_.index, count_, d_, to);
  }

  const OdeBackend<T>& backend_;
  const AdjointProblem<T>& of_;
  OdeResult& result_;
  std::int64_t m_;
  std::int64_t d_;
  std::int64_t count_ = 0;
  bool adaptive_;
  const Tableau& tableau_;
  int stages_;  // that make the step: all but Dormand and Prince's last
  Sums<T> sums_;
  FieldCalls<T> calls_;
  T* full_ = nullptr;      // dL/dx of the whole batch, as far as one has gone back
  T* gradient_ = nullptr;  // of the working batch
  T* cotangent_ = nullptr;
  T* points_[kMostStages] = {};
  T* slopes_[kMostStages] = {};
  T* given_[kMostStages] = {};
  T* replayed_ = nullptr;  // [checkpoint_every, m, d] at most
  std::int64_t* all_ = nullptr;
  Samples samples_ = {};
  double* ones_ = nullptr;
  double* weights_ = nullptr;
  Failures<T> failures_;
  Block<T> memory_;
};

// ---- Continuous ---------------------------------------------------------------------------------

template <class T>
class Continuous final : public StepObserver<T> {
 public:
  Continuous(const OdeBackend<T>& backend, const AdjointProblem<T>& problem, OdeResult& result)
      : backend_(backend),
        of_(problem),
        result_(result),
        m_(problem.flow.m),
        d_(problem.flow.d),
        tableau_(tableau_of(problem.flow.solver)),
        sums_(backend, problem),
        calls_(backend, problem.flow.field, problem.flow.trace, sums_.places(), m_, d_),
        failures_(backend, m_),
        memory_(backend.base(), needed()) {
    Arena arena(memory_.data());
    lay_out(arena);
  }

  void run() {
    calls_.begin();
    const auto& base = backend_.base();
    base.clear(zeros_, sizeof(double) * static_cast<std::size_t>(m_));
    solve_forward();
    const std::vector<double>& times = of_.flow.times;
    const auto last = static_cast<std::int64_t>(times.size()) - 1;
    const std::int64_t size = m_ * d_;
    backend_.copy_rows({of_.output_gradients + last * size, d_}, m_, d_, {pair_ + d_, 2 * d_});
    for (std::int64_t j = last; j > 0; --j) {
      backend_.copy_rows({states_ + j * size, d_}, m_, d_, {pair_, 2 * d_});
      go_back(times[static_cast<std::size_t>(j)], times[static_cast<std::size_t>(j - 1)]);
      add_gradient(of_.output_gradients + (j - 1) * size);
    }
    backend_.copy_rows({pair_ + d_, 2 * d_}, m_, d_, of_.gradient);
    failures_.take_rows({pair_ + d_, 2 * d_}, d_, sums_of_rows_);
    failures_.spoil(d_, of_.gradient);
    failures_.tell(result_, of_.flow.statuses);
    sums_.hand_over();
    base.wait();
    result_.calls += calls_.calls();
    result_.evaluations += calls_.evaluations();
  }

  // ---- Of the way back
  void begin_step(const StepView<T>& /*step*/) override {}
  void end_step(const StepView<T>& step) override {
    if (!sums_.places().wanted()) {
      return;
    }
    const bool adaptive = of_.flow.solver == Solver::kDopri5;
    calls_.use_rows(step.samples.index, step.count);
    for (int s = 0; s < tableau_.stages; ++s) {
      if (tableau_.b[s] == 0) {
        continue;
      }
      const T* at = step.x;
      if (s > 0) {
        backend_.combine(stages_of<T>(step.x, step.slopes, tableau_.a[s], s), {step.samples.h},
                         step.count, 2 * d_, point_);
        at = point_;
      }
      // h is negative where time is gone back.
      backend_.run(StageWeightRule{step.samples, -tableau_.b[s], !adaptive, weights_}, step.count);
      // A step that was refused may have looked where the field is nothing: it has no part.
      backend_.copy_rows({at + d_, 2 * d_}, step.count, d_, {cotangent_, d_});
      backend_.mix_rows({nullptr, weights_, 1}, step.count, d_, {}, {cotangent_, d_});
      backend_.replace_rows(weights_, {}, step.count, d_, {cotangent_, d_});
      if (s > 0) {
        backend_.replace_rows(weights_, {step.x, 2 * d_}, step.count, 2 * d_, {point_, 2 * d_});
      }
      calls_.add_parameters({step.samples, step.count, tableau_.c[s], {at, 2 * d_}},
                            {cotangent_, d_});
    }
  }

 private:
  [[nodiscard]] std::size_t needed() {
    Arena plan(nullptr);
    lay_out(plan);
    return plan.used();
  }
  void lay_out(Arena& arena) {
    pair_ = arena.take<T>(m_, 2 * d_);
    point_ = arena.take<T>(m_, 2 * d_);
    cotangent_ = arena.take<T>(m_, d_);
    states_ = arena.take<T>(static_cast<std::int64_t>(of_.flow.times.size()), m_ * d_);
    zeros_ = arena.take<double>(m_);
    weights_ = arena.take<double>(m_);
    sums_of_rows_ = arena.take<double>(m_);
    calls_.lay_out(arena, of_.gradient.data);
  }

  void solve_forward() {
    OdeProblem<T> flow = of_.flow;
    const Block<T> x(backend_.base(), sizeof(T) * static_cast<std::size_t>(m_ * d_));
    flow.x = {static_cast<T*>(x.data()), d_};
    flow.states = states_;
    flow.statuses = failures_.place();
    backend_.copy_rows(of_.x, m_, d_, flow.x);
    solve_ode(backend_, flow, result_);
    failures_.take();
  }

  // The pair of state and gradient from one wanted time to the one before.
  void go_back(double from, double to) {
    OdeProblem<T> back = of_.flow;
    back.times = {from, to};
    back.d = 2 * d_;
    back.x = {pair_, 2 * d_};
    back.states = nullptr;
    back.statuses = failures_.place();
    back.steps_taken = nullptr;
    back.steps_refused = nullptr;
    back.observer = this;
    back.field = {};
    back.field.function = [this](const FieldRequest<T>& of) {
      Samples samples = {};
      samples.index = const_cast<std::int64_t*>(of.samples);
      samples.t = const_cast<double*>(of.times);
      samples.h = zeros_;
      calls_.use_rows(of.samples, of.m);
      const FieldPoint<T> at = {samples, of.m, 0, of.x};
      calls_.evaluate(at, of.value, nullptr);
      calls_.vector_jacobian(at, {of.x.data + d_, of.x.ld}, -1, {of.value.data + d_, of.value.ld});
    };
    OdeResult of_return;
    solve_ode(backend_, back, of_return);
    failures_.take();
  }
  void add_gradient(const T* given) {
    backend_.copy_rows({pair_ + d_, 2 * d_}, m_, d_, {cotangent_, d_});
    Stages<T> of = {};
    of.x = cotangent_;
    of.slopes[0] = given;
    of.weights[0] = 1;
    of.count = 1;
    backend_.base().write(weights_, std::vector<double>(static_cast<std::size_t>(m_), 1).data(),
                          sizeof(double) * static_cast<std::size_t>(m_));
    backend_.combine(of, {weights_}, m_, d_, cotangent_);
    backend_.copy_rows({cotangent_, d_}, m_, d_, {pair_ + d_, 2 * d_});
  }

  const OdeBackend<T>& backend_;
  const AdjointProblem<T>& of_;
  OdeResult& result_;
  std::int64_t m_;
  std::int64_t d_;
  const Tableau& tableau_;
  Sums<T> sums_;
  FieldCalls<T> calls_;
  T* pair_ = nullptr;  // [m, 2 d]: states, gradients
  T* point_ = nullptr;
  T* cotangent_ = nullptr;
  T* states_ = nullptr;  // [n_times, m, d]
  double* zeros_ = nullptr;
  double* weights_ = nullptr;
  double* sums_of_rows_ = nullptr;
  Failures<T> failures_;
  Block<T> memory_;
};

}  // namespace

template <class T>
void solve_adjoint(const OdeBackend<T>& backend, const AdjointProblem<T>& problem,
                   OdeResult& result) {
  if (problem.flow.m == 0) {
    Sums<T>(backend, problem).hand_over();
  } else if (problem.method == AdjointMethod::kDiscrete) {
    Discrete<T>(backend, problem, result).run();
  } else {
    Continuous<T>(backend, problem, result).run();
  }
}

template void solve_adjoint(const OdeBackend<float>&, const AdjointProblem<float>&, OdeResult&);
template void solve_adjoint(const OdeBackend<double>&, const AdjointProblem<double>&, OdeResult&);

}  // namespace scf::ode
