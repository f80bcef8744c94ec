// The loop over a schedule: its memory, the start, what each method does in a step, chunks of steps
// that a backend may record, and what is said of a run that ends early.
#include "sampler/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "common/memory.h"
#include "sampler/block.h"
#include "sampler/step_rules.h"

namespace scf::sampler {
namespace {

[[nodiscard]] std::int64_t corrector_steps_of(Method method, std::int64_t corrector_steps) {
  return method == Method::kPc || method == Method::kSmld ? corrector_steps : 0;
}

// Whose noise a row's words are; sampler.h numbers them.
class Words {
 public:
  Words(const random::Stream& first, std::int64_t d, std::int64_t corrector_steps)
      : first_(first), stride_(loss::words_of_noise(d)), updates_(corrector_steps + 1) {}

  [[nodiscard]] random::Stream start() const { return at(0); }
  [[nodiscard]] random::Stream known_start() const { return at(1); }
  // Update 0 of a step is its predictor, the others are its corrector's.
  [[nodiscard]] random::Stream update(std::int64_t step, std::int64_t number) const {
    return at(2 * (1 + step * updates_ + number));
  }
  [[nodiscard]] random::Stream known(std::int64_t step, std::int64_t number) const {
    return at(2 * (1 + step * updates_ + number) + 1);
  }

 private:
  [[nodiscard]] random::Stream at(std::int64_t block) const {
    random::Stream stream = first_;
    stream.offset += static_cast<std::uint64_t>(block) * static_cast<std::uint64_t>(stride_);
    return stream;
  }
  random::Stream first_;
  std::int64_t stride_;
  std::int64_t updates_;
};

template <class T>
class Run {
 public:
  Run(const SamplerBackend<T>& backend, const SamplerProblem<T>& problem, SamplerResult& result)
      : backend_(backend),
        of_(problem),
        result_(result),
        words_(problem.words, problem.d,
               corrector_steps_of(problem.method, problem.corrector_steps)),
        plan_(nullptr),
        memory_(backend, lay_out(plan_)),
        arena_(memory_.data()) {
    (void)lay_out(arena_);
  }

  void run() {
    result_.steps_done = of_.first_step;
    backend_.clear(status_, sizeof(std::uint32_t) * static_cast<std::size_t>(steps() + 1));
    begin();
    for (std::int64_t step = of_.first_step; step < of_.stop_step;) {
      // A chunk of steps, after which progress is reported.
      const std::int64_t end =
          of_.progress == nullptr
              ? of_.stop_step
              : std::min(of_.stop_step, (step / of_.progress_every + 1) * of_.progress_every);
      run_chunk(step, end);
      look_at_status(step, end);
      step = end;
      if (of_.progress != nullptr && of_.progress(step, steps())) {
        hand_over_previous();
        throw Error(Status::kCancelled, "cancelled after step " + std::to_string(step) + " of " +
                                            std::to_string(steps()));
      }
    }
    if (of_.stop_step == steps() && of_.denoise) {
      try {
        denoise();
      } catch (...) {
        result_.failed_step = steps() - 1;
        hand_over_previous();
        throw;
      }
      look_at_status(steps(), steps() + 1);
    }
    hand_over_previous();
  }

 private:
  [[nodiscard]] std::int64_t steps() const { return of_.schedule.steps(); }

  // ---- Memory
  std::size_t lay_out(Arena& arena) {
    output_ = {arena.take<T>(of_.m, of_.d), of_.d};
    if (of_.method == Method::kEdm || of_.method == Method::kDpmpp) {
      denoised_ = {arena.take<T>(of_.m, of_.d), of_.d};
    }
    if (may_fail_within_a_step()) {
      saved_ = {arena.take<T>(of_.m, of_.d), of_.d};
    }
    // One word a step, and one for the last denoising.
    status_ = arena.take<std::uint32_t>(steps() + 1);
    if (of_.kde.is_there()) {
      evaluate_memory_ = arena.take<char>(static_cast<std::int64_t>(
          backend_.evaluate_workspace(of_.kde, queries({1, 1}), outputs(of_.x.data))));
    }
    if (of_.method == Method::kPc) {
      corrector_memory_ = arena.take<char>(static_cast<std::int64_t>(
          backend_.corrector_workspace(of_.corrector.rule, of_.m, of_.d)));
    }
    return arena.used();
  }

  // ---- The start
  void begin() {
    const RowKinds kinds = kinds_of_rows();  // throws before anything is written
    if (of_.first_step == 0) {
      if (of_.start != Start::kGiven) {
        draw_start(kinds);
      }
      put_known(level(0), words_.known_start(), 0);
    }
    if (of_.method == Method::kDpmpp && of_.first_step > 0) {
      backend_.copy_rows({of_.previous, of_.d}, of_.m, of_.d, denoised_);
    }
    keep_state(of_.first_step);
  }

  // The data that rows are drawn from, by label.
  struct RowKinds {
    std::vector<std::int32_t> of_row;  // empty: 0 of all
    std::vector<double> means;         // [kinds, d]
    std::vector<double> variances;     // [kinds, d]
  };
  [[nodiscard]] RowKinds kinds_of_rows() const {
    RowKinds kinds;
    if (!of_.kde.is_there() || (of_.labels == nullptr && of_.start != Start::kMatched)) {
      return kinds;
    }
    std::vector<std::int32_t> labels = {kde::kAnyLabel};
    if (of_.labels != nullptr) {
      kinds.of_row.resize(static_cast<std::size_t>(of_.m));
      backend_.read(kinds.of_row.data(), of_.labels, sizeof(std::int32_t) * kinds.of_row.size());
      labels = kinds.of_row;
      std::sort(labels.begin(), labels.end());
      labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
      for (std::int32_t& kind : kinds.of_row) {
        kind = static_cast<std::int32_t>(std::lower_bound(labels.begin(), labels.end(), kind) -
                                         labels.begin());
      }
    }
    const auto d = static_cast<std::size_t>(of_.d);
    kinds.means.resize(labels.size() * d);
    kinds.variances.resize(labels.size() * d);
    for (std::size_t k = 0; k < labels.size(); ++k) {
      backend_.moments(of_.kde, labels[k], kinds.means.data() + k * d,
                       kinds.variances.data() + k * d);
    }
    return kinds;
  }

  void draw_start(const RowKinds& kinds) {
    const Level at = level(0);
    const bool matched = of_.start == Start::kMatched;
    const std::size_t numbers = matched ? kinds.means.size() : static_cast<std::size_t>(of_.d);
    std::vector<T> mean(numbers, T{0});
    std::vector<T> deviation(numbers, static_cast<T>(at.sigma));
    for (std::size_t j = 0; matched && j < numbers; ++j) {
      mean[j] = static_cast<T>(at.signal_scale * kinds.means[j]);
      const double spread = std::hypot(std::sqrt(kinds.variances[j]), of_.base_bandwidth);
      deviation[j] = static_cast<T>(std::hypot(at.signal_scale * spread, at.sigma));
    }
    const std::vector<std::int32_t> none;
    const std::vector<std::int32_t>& of_row = matched ? kinds.of_row : none;
    const auto copied = [&](const auto& values) {
      using Value = typename std::decay_t<decltype(values)>::value_type;
      return sizeof(Value) * values.size();
    };
    const Block<T> mean_memory(backend_, copied(mean));
    const Block<T> deviation_memory(backend_, copied(deviation));
    const Block<T> kinds_memory(backend_, copied(of_row));
    backend_.write(mean_memory.data(), mean.data(), copied(mean));
    backend_.write(deviation_memory.data(), deviation.data(), copied(deviation));
    backend_.write(kinds_memory.data(), of_row.data(), copied(of_row));
    backend_.start(words_.start(), of_.m, of_.d,
                   static_cast<const std::int32_t*>(kinds_memory.data()),
                   static_cast<const T*>(mean_memory.data()),
                   static_cast<const T*>(deviation_memory.data()), of_.x);
    backend_.wait();
  }

  // ---- Levels
  [[nodiscard]] Level level(std::int64_t i) const {
    return {of_.schedule.signal_scales[static_cast<std::size_t>(i)],
            of_.schedule.sigmas[static_cast<std::size_t>(i)]};
  }
  [[nodiscard]] double time(std::int64_t i) const {
    return of_.schedule.times[static_cast<std::size_t>(i)];
  }
  static void set_levels(Levels& to, const Level& level) {
    to.signal_scale = {level.signal_scale, nullptr};
    to.sigma = {level.sigma, nullptr};
  }

  // ---- The model
  [[nodiscard]] kde::Queries<T> queries(const Level& at) const {
    kde::Queries<T> queries;
    queries.x = of_.x.data;
    queries.m = of_.m;
    queries.ld = of_.x.ld;
    queries.signal_scale = at.signal_scale;
    queries.bandwidth = std::hypot(at.signal_scale * of_.base_bandwidth, at.sigma);
    queries.labels = of_.labels;
    return queries;
  }
  [[nodiscard]] kde::Outputs<T> outputs(T* score) const {
    kde::Outputs<T> outputs;
    outputs.score = score;
    outputs.ld_score = of_.d;
    return outputs;
  }
  [[nodiscard]] Form form() const {
    return of_.kde.is_there() || of_.guidance != nullptr ? Form::kScore : of_.form;
  }

  void ask(const ModelCall<T>& callback, const ModelRequest<T>& request) {
    try {
      callback(request);
    } catch (...) {
      callback_failed_ = true;
      throw;
    }
  }

  // The model's output at x, of a level, into output_.
  void evaluate(std::int64_t step, const Level& at, double time) {
    const ModelRequest<T> request = {
        {of_.x.data, of_.x.ld}, output_, at.signal_scale, at.sigma, time, step};
    if (of_.kde.is_there()) {
      backend_.evaluate(of_.kde, queries(at), outputs(output_.data), evaluate_memory_);
    } else {
      ask(of_.model, request);
    }
    ++result_.evaluations;
    if (of_.guidance == nullptr) {
      return;
    }
    if (!of_.kde.is_there() && of_.form != Form::kScore) {
      StepSettings<T> settings = settings_of(StepKind::kConvert, step);
      settings.form = of_.form;
      settings.converted = Form::kScore;
      set_levels(settings.level, at);
      StepArrays<T> arrays = arrays_of();
      arrays.next = output_;
      backend_.step(settings, of_.m, of_.d, arrays);
    }
    ask(of_.guidance, request);
  }

  // ---- Updates of the state
  [[nodiscard]] StepSettings<T> settings_of(StepKind kind, std::int64_t step) const {
    StepSettings<T> settings;
    settings.kind = kind;
    settings.form = form();
    settings.clip = of_.clip;
    settings.temperature = of_.temperature;
    settings.status = status_ + step;
    return settings;
  }
  [[nodiscard]] StepArrays<T> arrays_of() const {
    StepArrays<T> arrays;
    arrays.x = {of_.x.data, of_.x.ld};
    arrays.output = {output_.data, output_.ld};
    arrays.next = of_.x;
    return arrays;
  }

  void put_known(const Level& at, const random::Stream& words, std::int64_t step) {
    if (of_.known.data == nullptr) {
      return;
    }
    StepSettings<T> settings = settings_of(StepKind::kKnown, step);
    settings.words = words;
    set_levels(settings.level, at);
    backend_.known_step(settings, of_.m, of_.d, {of_.x.data, of_.x.ld}, of_.known, of_.x);
  }

  // DPM-Solver++: whether the step before was long enough to say how x0^ changes over this one.
  [[nodiscard]] bool looks_back(std::int64_t step) const {
    constexpr double kLeastShare = 1e-3;
    const auto log_ratio = [&](std::int64_t i) {
      return std::log(level(i).signal_scale / level(i).sigma);
    };
    const double before = log_ratio(step) - log_ratio(step - 1);
    return before > 0 && (level(step + 1).sigma == 0 ||
                          before >= kLeastShare * (log_ratio(step + 1) - log_ratio(step)));
  }

  // From level i to level i + 1 in one update of a kind.
  void go_down(StepKind kind, std::int64_t step) {
    evaluate(step, level(step), time(step));
    StepSettings<T> settings = settings_of(kind, step);
    settings.variance = of_.variance;
    settings.eta = of_.eta;
    settings.words = words_.update(step, 0);
    set_levels(settings.level, level(step));
    set_levels(settings.next, level(step + 1));
    if (kind == StepKind::kEulerMaruyama) {
      const auto i = static_cast<std::size_t>(step);
      settings.drift = {of_.schedule.drifts[i], nullptr};
      settings.diffusion = {of_.schedule.diffusions[i], nullptr};
      settings.interval = {of_.schedule.intervals[i], nullptr};
    }
    StepArrays<T> arrays = arrays_of();
    if (kind == StepKind::kDpmpp) {
      arrays.denoised = denoised_;
      if (step > 0 && looks_back(step)) {
        set_levels(settings.before, level(step - 1));
        arrays.previous = {denoised_.data, denoised_.ld};
      }
    }
    backend_.step(settings, of_.m, of_.d, arrays);
    put_known(level(step + 1), words_.known(step, 0), step);
  }

  // The corrector's updates of a step, at a level.
  void correct(std::int64_t step, std::int64_t at_level) {
    const Level at = level(at_level);
    if (at.sigma == 0) {
      return;
    }
    for (std::int64_t number = 1; number <= of_.corrector_steps; ++number) {
      evaluate(step, at, time(at_level));
      StepSettings<T> settings = settings_of(StepKind::kLangevin, step);
      settings.words = words_.update(step, number);
      set_levels(settings.level, at);
      if (!of_.schedule.step_sizes.empty()) {
        settings.step_size = {of_.schedule.step_sizes[static_cast<std::size_t>(step)], nullptr};
        backend_.step(settings, of_.m, of_.d, arrays_of());
      } else {
        CorrectorSettings corrector = of_.corrector;
        // 1 - beta of the step: of VE 1
        const double ratio = level(step).signal_scale / level(step + 1).signal_scale;
        corrector.scale = ratio * ratio;
        backend_.corrector_step(settings, corrector, of_.m, of_.d, arrays_of(), corrector_memory_);
      }
      put_known(at, words_.known(step, number), step);
    }
  }

  void predict(std::int64_t step) {
    switch (of_.predictor) {
      case Predictor::kNone:
        break;
      case Predictor::kReverseDiffusion:
        go_down(StepKind::kReverseDiffusion, step);
        break;
      case Predictor::kAncestral:
        go_down(StepKind::kAncestral, step);
        break;
      case Predictor::kEulerMaruyama:
        go_down(StepKind::kEulerMaruyama, step);
        break;
    }
  }

  // Karras et al.: noise up to sigma^, Euler down, and the trapezoid of both slopes.
  void edm_step(std::int64_t step) {
    Level at = level(step);
    const Level next = level(step + 1);
    const double gamma =
        at.sigma >= of_.churn_min && at.sigma <= of_.churn_max
            ? std::min(of_.churn / static_cast<double>(steps()), std::sqrt(2.0) - 1)
            : 0;
    double at_time = time(step);
    if (gamma > 0) {
      const Level noisy = {at.signal_scale, at.sigma * (1 + gamma)};
      StepSettings<T> settings = settings_of(StepKind::kChurn, step);
      settings.temperature = of_.churn_noise * of_.churn_noise;
      settings.words = words_.update(step, 0);
      set_levels(settings.level, at);
      set_levels(settings.next, noisy);
      StepArrays<T> arrays = arrays_of();
      arrays.output = {};  // nothing has been asked of the model
      backend_.step(settings, of_.m, of_.d, arrays);
      at = noisy;
      at_time = noisy.sigma;
    }
    evaluate(step, at, at_time);
    StepSettings<T> settings = settings_of(StepKind::kDdim, step);
    set_levels(settings.level, at);
    set_levels(settings.next, next);
    StepArrays<T> arrays = arrays_of();
    arrays.denoised = denoised_;
    backend_.step(settings, of_.m, of_.d, arrays);
    if (next.sigma > 0) {
      evaluate(step, next, time(step + 1));
      settings.kind = StepKind::kHeun;
      arrays.denoised = {};
      arrays.previous = {denoised_.data, denoised_.ld};
      backend_.step(settings, of_.m, of_.d, arrays);
    }
    put_known(next, words_.known(step, 0), step);
  }

  void take_step(std::int64_t step) {
    switch (of_.method) {
      case Method::kSmld:
        correct(step, step);
        break;
      case Method::kDdpm:
        go_down(StepKind::kAncestral, step);
        break;
      case Method::kDdim:
        go_down(StepKind::kDdim, step);
        break;
      case Method::kPc:
        if (of_.corrector_first) {
          correct(step, step);
          predict(step);
        } else {
          predict(step);
          correct(step, step + 1);
        }
        break;
      case Method::kEm:
        go_down(StepKind::kEulerMaruyama, step);
        break;
      case Method::kEdm:
        edm_step(step);
        break;
      case Method::kDpmpp:
        go_down(StepKind::kDpmpp, step);
        break;
    }
    keep_state(step + 1);
  }

  // The last level that the model can be asked at.
  void denoise() {
    const std::int64_t last = of_.method == Method::kSmld ? steps() - 1 : steps();
    const Level at = level(last);
    if (at.sigma == 0) {
      return;
    }
    evaluate(steps() - 1, at, time(last));
    StepSettings<T> settings = settings_of(StepKind::kDenoise, steps());
    set_levels(settings.level, at);
    backend_.step(settings, of_.m, of_.d, arrays_of());
    put_known({1, 0}, words_.known_start(), steps());
  }

  void keep_state(std::int64_t after) {
    const std::int64_t since = after - of_.first_step;
    if (of_.trajectory != nullptr && since % of_.trajectory_every == 0) {
      T* const to = of_.trajectory + since / of_.trajectory_every * of_.m * of_.d;
      backend_.copy_rows({of_.x.data, of_.x.ld}, of_.m, of_.d, {to, of_.d});
    }
  }

  // Whether a callback is asked when the step has already changed the state.
  [[nodiscard]] bool may_fail_within_a_step() const {
    const bool asks = of_.model != nullptr || of_.guidance != nullptr;
    return asks &&
           (of_.method == Method::kSmld || of_.method == Method::kPc || of_.method == Method::kEdm);
  }

  // The last x0^ to the caller, and all work done.
  void hand_over_previous() const {
    if (of_.previous != nullptr && of_.method == Method::kDpmpp && result_.steps_done > 0) {
      backend_.copy_rows({denoised_.data, denoised_.ld}, of_.m, of_.d, {of_.previous, of_.d});
    }
    backend_.wait();
  }

  // ---- Chunks of steps
  void run_chunk(std::int64_t begin, std::int64_t end) {
    const bool recorded = can_record() && backend_.record();
    std::int64_t step = begin;
    try {
      for (; step < end; ++step) {
        if (!recorded && saved_.data != nullptr) {
          backend_.copy_rows({of_.x.data, of_.x.ld}, of_.m, of_.d, saved_);
        }
        take_step(step);
        if (!recorded) {
          result_.steps_done = step + 1;
          if (looks_at_every_step()) {
            look_at_status(step, step + 1);
          }
        }
      }
    } catch (...) {
      if (recorded) {
        backend_.abandon();
      }
      if (result_.failed_step < 0) {
        result_.failed_step = step;
      }
      if (callback_failed_) {
        // The state is that before the step; of what was recorded nothing has been done.
        if (!recorded && saved_.data != nullptr) {
          backend_.copy_rows({saved_.data, saved_.ld}, of_.m, of_.d, of_.x);
        }
        hand_over_previous();
      }
      throw;
    }
    if (recorded) {
      backend_.replay();
      result_.steps_done = end;
    }
  }
  [[nodiscard]] bool can_record() const {
    return of_.capturable || (of_.kde.is_there() && of_.guidance == nullptr);
  }
  [[nodiscard]] bool looks_at_every_step() const { return backend_.stream() == nullptr; }

  // Throws where a state of steps [begin, end) is not finite.
  void look_at_status(std::int64_t begin, std::int64_t end) {
    std::vector<std::uint32_t> words(static_cast<std::size_t>(end - begin));
    backend_.read(words.data(), status_ + begin, sizeof(std::uint32_t) * words.size());
    for (std::int64_t step = begin; step < end; ++step) {
      const std::uint32_t bits = words[static_cast<std::size_t>(step - begin)];
      result_.status |= bits;
      if ((bits & kNotFinite) != 0) {
        result_.failed_step = std::min(step, steps() - 1);
        throw Error(Status::kInvalidArgument,
                    "model must give outputs that lead to finite states; step " +
                        std::to_string(result_.failed_step) + " of " + std::to_string(steps()) +
                        " did not");
      }
    }
  }

  const SamplerBackend<T>& backend_;
  const SamplerProblem<T>& of_;
  SamplerResult& result_;
  Words words_;
  Matrix<T> output_;
  Matrix<T> denoised_;
  Matrix<T> saved_ = {};  // the state before a step
  bool callback_failed_ = false;
  std::uint32_t* status_ = nullptr;
  void* evaluate_memory_ = nullptr;
  void* corrector_memory_ = nullptr;
  Arena plan_;
  Block<T> memory_;
  Arena arena_;
};

}  // namespace

template <class T>
void run_sampler(const SamplerBackend<T>& backend, const SamplerProblem<T>& problem,
                 SamplerResult& result) {
  if (problem.m == 0) {
    result.steps_done = problem.stop_step;
    return;
  }
  Run<T>(backend, problem, result).run();
}

template void run_sampler(const SamplerBackend<float>&, const SamplerProblem<float>&,
                          SamplerResult&);
template void run_sampler(const SamplerBackend<double>&, const SamplerProblem<double>&,
                          SamplerResult&);

}  // namespace scf::sampler
