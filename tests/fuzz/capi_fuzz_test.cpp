// Random calls of the C entry points: sizes, scalars, struct sizes and pointers that no sane caller
// would pass, on real and small allocations with canaries. Nothing may crash, write outside an
// output, or return a status that is none. Bounded in time; a failure prints the seed of its call,
// and SCF_FUZZ_SEED and SCF_FUZZ_SECONDS choose others.
//
// What a caller must keep even here: a pointer that is passed points to as many bytes as the sizes
// passed beside it say, or the sizes are out of their bounds.
//
// Long because each family of calls has its generator here, all of the same few kinds of bad
// values.
#include <gtest/gtest.h>
#include <scorefield/scorefield.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <limits>
#include <memory>
#include <vector>

#include "support/device.h"
#include "support/random.h"

namespace scf::test {
namespace {

constexpr std::uint64_t kDefaultSeed = 20240611;
constexpr double kDefaultSeconds = 3;
constexpr std::int64_t kMostRows = 40;
constexpr std::int64_t kMostColumns = 20;
constexpr std::int64_t kMostGap = 3;

double number_from_environment(const char* name, double otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtod(text, nullptr);
}

// A scalar that is mostly sane.
double any_scalar(Random& random) {
  static const double kOdd[] = {0.0,
                                -0.0,
                                -1.0,
                                std::numeric_limits<double>::quiet_NaN(),
                                std::numeric_limits<double>::infinity(),
                                -std::numeric_limits<double>::infinity(),
                                std::numeric_limits<double>::denorm_min(),
                                std::numeric_limits<double>::min(),
                                std::numeric_limits<double>::max(),
                                1e-300,
                                1e-45,
                                1e-30,
                                1e30,
                                1e200};
  if (random.chance(0.25)) return kOdd[random.below(std::size(kOdd))];
  return std::exp(random.uniform(-8, 4));
}

template <class T>
T any_element(Random& random) {
  const double value = random.chance(0.02) ? any_scalar(random) : random.normal();
  return static_cast<T>(random.chance(0.01) ? value * 1e18 : value);
}

// A size that is mostly the right one, else out of bounds: a larger one would claim memory that is
// not there.
std::int64_t any_size(Random& random, std::int64_t right) {
  static const std::int64_t kOdd[] = {0, -1, -7, INT64_MIN, INT64_MIN + 1};
  return random.chance(0.03) ? kOdd[random.below(std::size(kOdd))] : right;
}

std::uint32_t any_struct_size(Random& random, std::size_t right) {
  if (!random.chance(0.05)) return static_cast<std::uint32_t>(right);
  // Never more than there is.
  return static_cast<std::uint32_t>(random.below(static_cast<std::int64_t>(right) + 1));
}

std::int32_t any_top(Random& random) {
  static const std::int32_t kOdd[] = {-1, INT32_MIN, 65, 1000, INT32_MAX};
  if (random.chance(0.05)) return kOdd[random.below(std::size(kOdd))];
  return static_cast<std::int32_t>(random.chance(0.4) ? 0 : random.below(65));
}

// Memory of one call, freed with it.
class Memory {
 public:
  explicit Memory(const Context& context) : context_(context) {}

  void* output(std::size_t bytes) {
    outputs_.push_back(
        std::make_unique<DeviceBlock>(context_, bytes, DeviceBlock::Guards::kCanaries));
    return outputs_.back()->data();
  }

  template <class E>
  E* input(const std::vector<E>& values) {
    inputs_.push_back(std::make_unique<DeviceBlock>(context_, values.size() * sizeof(E),
                                                    DeviceBlock::Guards::kNone));
    inputs_.back()->write(values.data());
    return static_cast<E*>(inputs_.back()->data());
  }

  [[nodiscard]] bool intact() const {
    for (const auto& block : outputs_) {
      if (!block->guards_intact()) return false;
    }
    return true;
  }

 private:
  const Context& context_;
  std::vector<std::unique_ptr<DeviceBlock>> outputs_;
  std::vector<std::unique_ptr<DeviceBlock>> inputs_;
};

template <class T>
struct Entry;

template <>
struct Entry<float> {
  static constexpr auto create = scf_kde_create_f32;
  static constexpr auto evaluate = scf_kde_evaluate_f32;
  static constexpr auto gradient = scf_kde_gradient_f32;
  static constexpr auto loss = scf_kde_loss_f32;
  static constexpr auto fit = scf_kde_fit_bandwidth_f32;
};

template <>
struct Entry<double> {
  static constexpr auto create = scf_kde_create_f64;
  static constexpr auto evaluate = scf_kde_evaluate_f64;
  static constexpr auto gradient = scf_kde_gradient_f64;
  static constexpr auto loss = scf_kde_loss_f64;
  static constexpr auto fit = scf_kde_fit_bandwidth_f64;
};

template <class T>
class Fuzzer {
 public:
  Fuzzer(const Context& context, std::uint64_t seed)
      : context_(context), random_(seed), memory_(context) {}

  // One dataset and a few calls on it; returns how many of these succeeded.
  int run() {
    create();
    for (int call = 0; call < 4; ++call) {
      const double chosen = random_.uniform();
      if (chosen < 0.3) {
        evaluate();
      } else if (chosen < 0.5) {
        gradient();
      } else if (chosen < 0.63) {
        loss();
      } else if (chosen < 0.68) {
        fit();
      } else if (chosen < 0.88) {
        step();
      } else if (random_.chance(0.5)) {
        sample();
      } else {
        flow();
      }
    }
    scf_kde_destroy(kde_);
    EXPECT_TRUE(memory_.intact());
    return succeeded_;
  }

 private:
  void check(scf_status status) {
    ASSERT_GE(status, SCF_SUCCESS);
    ASSERT_LE(status, SCF_ERROR_INTERNAL);
    EXPECT_NE(status, SCF_ERROR_INTERNAL) << scf_last_error();
    EXPECT_STRNE(scf_status_name(status), "UNKNOWN");
    if (status != SCF_SUCCESS) {
      EXPECT_STRNE(scf_last_error(), "");
    }
  }

  scf_context* context() { return random_.chance(0.01) ? nullptr : context_.get(); }

  std::vector<T> elements(std::int64_t count) {
    std::vector<T> values(count);
    for (T& value : values) value = any_element<T>(random_);
    return values;
  }

  template <class Make>
  auto maybe(double probability, const Make& make) -> decltype(make()) {
    return random_.chance(probability) ? make() : nullptr;
  }

  std::vector<T> positive(std::int64_t count) {
    std::vector<T> values(count);
    const bool odd = random_.chance(0.2);
    for (T& value : values) {
      value = static_cast<T>(odd ? any_scalar(random_) : std::exp(random_.uniform(-3, 2)));
    }
    return values;
  }

  std::vector<std::int32_t> labels(std::int64_t count) {
    std::vector<std::int32_t> values(count);
    const bool odd = random_.chance(0.1);
    for (auto& value : values) {
      value = odd ? static_cast<std::int32_t>(random_.bits())
                  : static_cast<std::int32_t>(random_.below(3));
    }
    return values;
  }

  std::vector<std::int64_t> skips(std::int64_t count) {
    std::vector<std::int64_t> values(count);
    const bool odd = random_.chance(0.1);
    for (auto& value : values) {
      value = odd ? static_cast<std::int64_t>(random_.bits()) : random_.below(n_ + 1) - 1;
    }
    return values;
  }

  void create() {
    n_ = 1 + random_.below(kMostRows);
    d_ = 1 + random_.below(kMostColumns);
    const std::int64_t ld = d_ + random_.below(kMostGap);
    auto values = elements(n_ * ld);
    // Most datasets must be good, or nothing else is tried.
    if (random_.chance(0.9)) {
      for (T& value : values) {
        if (!std::isfinite(value)) value = T(1);
      }
    }
    scf_kde_params params;
    check(scf_kde_params_init(&params, sizeof params));
    params.struct_size = any_struct_size(random_, sizeof params);
    params.weights = maybe(0.3, [&]() -> const void* { return memory_.input(positive(n_)); });
    params.labels = maybe(0.3, [&]() -> const std::int32_t* { return memory_.input(labels(n_)); });
    const T* data = maybe(0.99, [&]() -> const T* { return memory_.input(values); });
    const scf_status status = Entry<T>::create(
        context(), data, any_size(random_, n_), any_size(random_, d_), any_size(random_, ld),
        random_.chance(0.1) ? nullptr : &params, nullptr, &kde_);
    check(status);
    if (status != SCF_SUCCESS) {
      ASSERT_EQ(kde_, nullptr);
    }
    EXPECT_EQ(scf_kde_size(kde_), kde_ == nullptr ? 0 : n_);
    EXPECT_EQ(scf_kde_dimension(kde_), kde_ == nullptr ? 0 : d_);
  }

  scf_kde_query_params query_params(std::int64_t m) {
    scf_kde_query_params params;
    check(scf_kde_query_params_init(&params, sizeof params));
    params.top = any_top(random_);
    params.bandwidth = any_scalar(random_);
    params.signal_scale = random_.chance(0.5) ? 1 : any_scalar(random_);
    params.bandwidths = maybe(0.3, [&]() -> const void* { return memory_.input(positive(m)); });
    params.signal_scales = maybe(0.3, [&]() -> const void* { return memory_.input(positive(m)); });
    params.skip = maybe(0.3, [&]() -> const std::int64_t* { return memory_.input(skips(m)); });
    params.labels = maybe(0.3, [&]() -> const std::int32_t* { return memory_.input(labels(m)); });
    const std::int64_t ld = d_ + random_.below(kMostGap);
    params.tangent = maybe(0.6, [&]() -> const void* { return memory_.input(elements(m * ld)); });
    params.ld_tangent = any_size(random_, ld);
    params.status = maybe(
        0.7, [&]() -> std::uint32_t* { return memory_.input(std::vector<std::uint32_t>(1, 0)); });
    params.struct_size = any_struct_size(random_, sizeof params);
    return params;
  }

  void* matrix(std::int64_t rows, std::int64_t* ld) {
    *ld = d_ + random_.below(kMostGap);
    void* pointer = maybe(0.5, [&]() -> void* { return memory_.output(rows * *ld * sizeof(T)); });
    *ld = any_size(random_, *ld);
    return pointer;
  }

  void* vector(std::int64_t rows, std::size_t bytes = sizeof(T)) {
    return maybe(0.5, [&]() -> void* { return memory_.output(rows * bytes); });
  }

  // Gives run the workspace that size asks for, or mostly so.
  template <class Run>
  void with_workspace(scf_status sized, std::size_t bytes, const Run& run) {
    check(sized);
    if (sized != SCF_SUCCESS) bytes = 4096;
    ASSERT_LT(bytes, std::size_t{1} << 30) << "for a few small rows";
    auto* workspace = static_cast<unsigned char*>(memory_.output(bytes));
    if (random_.chance(0.03)) {
      bytes = static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(bytes) + 1));
    }
    if (random_.chance(0.02)) workspace = nullptr;
    const scf_status status = run(workspace, bytes);
    check(status);
    succeeded_ += status == SCF_SUCCESS ? 1 : 0;
    ASSERT_TRUE(memory_.intact());
  }

  void evaluate() {
    std::int64_t m = random_.below(kMostRows);
    auto params = query_params(m);
    scf_kde_outputs outputs;
    check(scf_kde_outputs_init(&outputs, sizeof outputs));
    outputs.log_density = vector(m);
    outputs.score = matrix(m, &outputs.ld_score);
    outputs.denoised = matrix(m, &outputs.ld_denoised);
    outputs.divergence = vector(m);
    outputs.jacobian_product = matrix(m, &outputs.ld_jacobian_product);
    outputs.quadratic_form = vector(m);
    outputs.effective_sample_size = vector(m);
    const std::size_t top = params.top > 0 && params.top <= 64 ? params.top : 0;
    outputs.top_indices = static_cast<std::int64_t*>(vector(m, top * sizeof(std::int64_t)));
    outputs.top_weights = vector(m, top * sizeof(T));
    outputs.struct_size = any_struct_size(random_, sizeof outputs);
    const std::int64_t ldx = d_ + random_.below(kMostGap);
    const T* x = maybe(0.99, [&]() -> const T* { return memory_.input(elements(m * ldx)); });
    m = any_size(random_, m);
    const auto* given = random_.chance(0.01) ? nullptr : &params;
    const auto* wanted = random_.chance(0.01) ? nullptr : &outputs;
    std::size_t bytes = 0;
    const scf_status sized = scf_kde_evaluate_workspace(context(), kde_, m, given, wanted, &bytes);
    with_workspace(sized, bytes, [&](void* workspace, std::size_t size) {
      return Entry<T>::evaluate(context(), kde_, x, m, any_size(random_, ldx), given, wanted,
                                workspace, size, nullptr);
    });
  }

  void gradient() {
    std::int64_t m = random_.below(kMostRows);
    auto params = query_params(m);
    scf_kde_gradients gradients;
    check(scf_kde_gradients_init(&gradients, sizeof gradients));
    gradients.log_density_weights =
        maybe(0.7, [&]() -> const void* { return memory_.input(elements(m)); });
    const std::int64_t ld = d_ + random_.below(kMostGap);
    gradients.score_weights =
        maybe(0.7, [&]() -> const void* { return memory_.input(elements(m * ld)); });
    gradients.ld_score_weights = any_size(random_, ld);
    gradients.divergence_weights =
        maybe(0.2, [&]() -> const void* { return memory_.input(elements(m)); });
    gradients.quadratic_form_weights =
        maybe(0.2, [&]() -> const void* { return memory_.input(elements(m)); });
    const bool second =
        gradients.divergence_weights != nullptr || gradients.quadratic_form_weights != nullptr;
    if (!second || random_.chance(0.1)) {
      gradients.data = matrix(n_, &gradients.ld_data);
      gradients.log_weights = vector(n_);
    }
    gradients.log_bandwidths = vector(m);
    gradients.struct_size = any_struct_size(random_, sizeof gradients);
    const std::int64_t ldx = d_ + random_.below(kMostGap);
    const T* x = maybe(0.99, [&]() -> const T* { return memory_.input(elements(m * ldx)); });
    m = any_size(random_, m);
    const auto* given = random_.chance(0.01) ? nullptr : &params;
    std::size_t bytes = 0;
    const scf_status sized =
        scf_kde_gradient_workspace(context(), kde_, m, given, &gradients, &bytes);
    with_workspace(sized, bytes, [&](void* workspace, std::size_t size) {
      return Entry<T>::gradient(context(), kde_, x, m, any_size(random_, ldx), given, &gradients,
                                workspace, size, nullptr);
    });
  }

  // A selector that is mostly one of `count`.
  std::int32_t any_choice(std::int32_t count) {
    return random_.chance(0.03) ? static_cast<std::int32_t>(random_.bits())
                                : static_cast<std::int32_t>(random_.below(count));
  }

  scf_loss_params loss_params(std::int64_t m) {
    scf_loss_params params;
    check(scf_loss_params_init(&params, sizeof params));
    params.form = random_.chance(0.9) ? SCF_FORM_SCORE : any_choice(4);
    params.weighting = any_choice(3);
    params.probe = any_choice(3);
    params.weighting_exponent = any_scalar(random_);
    params.weights = maybe(0.6, [&]() -> const void* { return memory_.input(positive(m)); });
    params.sigma = any_scalar(random_);
    params.signal_scale = random_.chance(0.5) ? 1 : any_scalar(random_);
    params.sigmas = maybe(0.3, [&]() -> const void* { return memory_.input(positive(m)); });
    params.signal_scales = maybe(0.3, [&]() -> const void* { return memory_.input(positive(m)); });
    params.epsilon = any_scalar(random_);
    params.projections = any_size(random_, 1 + random_.below(3));
    params.variance_reduced = any_choice(2);
    params.per_dimension = any_choice(2);
    params.seed = random_.bits();
    params.offset = random_.chance(0.9) ? random_.bits() >> 32 : random_.bits();
    params.first_row = any_size(random_, random_.below(1000));
    const std::int64_t ld = d_ + random_.below(kMostGap);
    params.noise = maybe(0.3, [&]() -> const void* { return memory_.input(elements(m * ld)); });
    params.ld_noise = any_size(random_, ld);
    params.probes =
        maybe(0.3, [&]() -> const void* { return memory_.input(elements(3 * m * ld)); });
    params.ld_probes = any_size(random_, ld);
    params.mask = maybe(0.3, [&]() -> const std::uint8_t* {
      std::vector<std::uint8_t> mask(m);
      for (auto& byte : mask) byte = static_cast<std::uint8_t>(random_.below(3));
      return memory_.input(mask);
    });
    params.gradient_scale = any_scalar(random_);
    params.status = maybe(
        0.7, [&]() -> std::uint32_t* { return memory_.input(std::vector<std::uint32_t>(1, 0)); });
    params.struct_size = any_struct_size(random_, sizeof params);
    return params;
  }

  void loss() {
    std::int64_t m = random_.below(kMostRows);
    const auto params = loss_params(m);
    const auto query = query_params(m);
    const auto data_query = query_params(m);
    scf_kde_loss_params which;
    check(scf_kde_loss_params_init(&which, sizeof which));
    which.loss = any_choice(9);
    which.data_kde = random_.chance(0.9) ? kde_ : nullptr;
    which.data_query = random_.chance(0.9) ? &data_query : nullptr;
    which.struct_size = any_struct_size(random_, sizeof which);
    scf_loss_outputs outputs;
    check(scf_loss_outputs_init(&outputs, sizeof outputs));
    outputs.values = vector(m);
    outputs.mean = static_cast<double*>(vector(1, sizeof(double)));
    outputs.standard_error = static_cast<double*>(vector(1, sizeof(double)));
    outputs.struct_size = any_struct_size(random_, sizeof outputs);
    const std::int64_t ldx = d_ + random_.below(kMostGap);
    const T* x = maybe(0.99, [&]() -> const T* { return memory_.input(elements(m * ldx)); });
    m = any_size(random_, m);
    const scf_status status = Entry<T>::loss(
        context(), kde_, random_.chance(0.01) ? nullptr : &which,
        random_.chance(0.01) ? nullptr : &params, x, m, any_size(random_, ldx),
        random_.chance(0.01) ? nullptr : &query, random_.chance(0.05) ? nullptr : &outputs,
        static_cast<double*>(vector(1, sizeof(double))), nullptr);
    check(status);
    succeeded_ += status == SCF_SUCCESS ? 1 : 0;
    ASSERT_TRUE(memory_.intact());
  }

  const double* numbers(std::int64_t count) {
    return maybe(0.3, [&]() -> const double* {
      std::vector<double> values(count);
      const bool odd = random_.chance(0.1);
      for (double& value : values) {
        value = odd ? any_scalar(random_) : std::exp(random_.uniform(-3, 2));
      }
      return memory_.input(values);
    });
  }

  scf_step_params step_params(std::int64_t m) {
    scf_step_params params;
    check(scf_step_params_init(&params, sizeof params));
    params.form = any_choice(4);
    for (double* number : {&params.sigma, &params.next_sigma, &params.before_sigma,
                           &params.step_size, &params.diffusion, &params.interval}) {
      *number = any_scalar(random_);
    }
    if (random_.chance(0.7)) params.next_sigma = params.sigma * random_.uniform();
    if (random_.chance(0.7)) params.before_sigma = params.sigma * 2;
    for (double* number : {&params.signal_scale, &params.next_signal_scale,
                           &params.before_signal_scale, &params.clip, &params.temperature,
                           &params.eta, &params.snr, &params.corrector_scale, &params.drift}) {
      if (random_.chance(0.2)) *number = any_scalar(random_);
    }
    for (const double** array :
         {&params.signal_scales, &params.sigmas, &params.next_signal_scales, &params.next_sigmas,
          &params.step_sizes, &params.drifts, &params.diffusions, &params.intervals,
          &params.before_signal_scales, &params.before_sigmas}) {
      if (random_.chance(0.3)) *array = numbers(m);
    }
    params.variance = any_choice(2);
    params.rule = any_choice(3);
    params.seed = random_.bits();
    params.offset = random_.chance(0.9) ? random_.bits() >> 32 : random_.bits();
    params.first_row = any_size(random_, random_.below(1000));
    const std::int64_t ld = d_ + random_.below(kMostGap);
    params.noise = maybe(0.3, [&]() -> const void* { return memory_.input(elements(m * ld)); });
    params.ld_noise = any_size(random_, ld);
    params.denoised = matrix(m, &params.ld_denoised);
    params.status = maybe(
        0.7, [&]() -> std::uint32_t* { return memory_.input(std::vector<std::uint32_t>(1, 0)); });
    params.struct_size = any_struct_size(random_, sizeof params);
    return params;
  }

  void step() {
    std::int64_t m = random_.below(kMostRows);
    const auto params = step_params(m);
    const auto* given = random_.chance(0.01) ? nullptr : &params;
    const std::int64_t ld = d_ + random_.below(kMostGap);
    T* const x = maybe(0.99, [&]() -> T* { return memory_.input(elements(m * ld)); });
    T* const output = maybe(0.99, [&]() -> T* { return memory_.input(elements(m * ld)); });
    T* const extra = maybe(0.7, [&]() -> T* { return memory_.input(elements(m * ld)); });
    std::int64_t ld_next = ld;
    auto* next = random_.chance(0.5) ? static_cast<T*>(matrix(m, &ld_next))
                                     : (random_.chance(0.5) ? x : output);
    m = any_size(random_, m);
    const std::int64_t ldx = any_size(random_, ld);
    const std::int64_t ld_output = any_size(random_, ld);
    const auto plain = [&](auto function) {
      return function(context(), given, m, d_, x, ldx, output, ld_output, next, ld_next, nullptr);
    };
    const auto with_extra = [&](auto function) {
      return function(context(), given, m, d_, x, ldx, output, ld_output, extra,
                      any_size(random_, ld), next, ld_next, nullptr);
    };
    scf_status status = SCF_SUCCESS;
    switch (random_.below(12)) {
      case 0:
        status = plain(of_dtype<T>(scf_langevin_step_f32, scf_langevin_step_f64));
        break;
      case 1:
        status = plain(of_dtype<T>(scf_denoise_step_f32, scf_denoise_step_f64));
        break;
      case 2:
        status = plain(of_dtype<T>(scf_ancestral_step_f32, scf_ancestral_step_f64));
        break;
      case 3:
        status = plain(of_dtype<T>(scf_ddim_step_f32, scf_ddim_step_f64));
        break;
      case 4:
        status = plain(of_dtype<T>(scf_reverse_diffusion_step_f32, scf_reverse_diffusion_step_f64));
        break;
      case 5:
        status = plain(of_dtype<T>(scf_euler_maruyama_step_f32, scf_euler_maruyama_step_f64));
        break;
      case 6:
        status = with_extra(of_dtype<T>(scf_dpmpp_step_f32, scf_dpmpp_step_f64));
        break;
      case 7:
        status = with_extra(of_dtype<T>(scf_heun_step_f32, scf_heun_step_f64));
        break;
      case 8:
        status = of_dtype<T>(scf_churn_step_f32, scf_churn_step_f64)(context(), given, m, d_, x,
                                                                     ldx, next, ld_next, nullptr);
        break;
      case 9:
        status = of_dtype<T>(scf_known_step_f32, scf_known_step_f64)(
            context(), given, m, d_, x, ldx, extra, random_.chance(0.3) ? 0 : ld, next, ld_next,
            nullptr);
        break;
      case 10:
        status = of_dtype<T>(scf_convert_output_f32, scf_convert_output_f64)(
            context(), given, m, d_, x, ldx, output, ld_output, any_choice(4), next, ld_next,
            nullptr);
        break;
      default: {
        std::size_t bytes = 0;
        const scf_status sized = scf_corrector_workspace(context(), given, m, d_, &bytes);
        with_workspace(sized, bytes, [&](void* workspace, std::size_t size) {
          return of_dtype<T>(scf_corrector_step_f32, scf_corrector_step_f64)(
              context(), given, m, d_, x, ldx, output, ld_output, next, ld_next, workspace, size,
              nullptr);
        });
        return;
      }
    }
    check(status);
    succeeded_ += status == SCF_SUCCESS ? 1 : 0;
    ASSERT_TRUE(memory_.intact());
  }

  // A model that gives what is there, or an error.
  static scf_status any_model(void* user, const scf_model_request* request) {
    auto* random = static_cast<Random*>(user);
    if (random->chance(0.01)) return static_cast<scf_status>(random->below(9));
    auto* output = static_cast<T*>(request->output);
    for (std::int64_t i = 0; i < request->m; ++i) {
      for (std::int64_t j = 0; j < request->d; ++j) {
        output[i * request->ld_output + j] = static_cast<T>(random->normal());
      }
    }
    return SCF_SUCCESS;
  }

  void sample() {
    std::int64_t m = random_.below(kMostRows);
    const std::int64_t steps = 1 + random_.below(4);
    scf_sampler_params params;
    check(scf_sampler_params_init(&params, sizeof params));
    params.method = any_choice(7);
    params.steps = any_size(random_, steps);
    std::vector<double> sigmas(steps + 1);
    double sigma = std::exp(random_.uniform(-3, 3));
    for (double& level : sigmas) {
      level = random_.chance(0.02) ? any_scalar(random_) : sigma;
      sigma *= random_.uniform();
    }
    if (random_.chance(0.4)) sigmas.back() = 0;
    // In the order in which a forward process comes back: scales that do not fall.
    std::vector<double> scales(steps + 1, 1);
    std::vector<double> sizes(steps);
    for (double& size : sizes) size = std::exp(random_.uniform(-6, 0));
    params.sigmas = maybe(0.99, [&]() -> const double* { return sigmas.data(); });
    params.signal_scales = maybe(0.3, [&]() -> const double* { return scales.data(); });
    params.times = maybe(0.3, [&]() -> const double* { return sigmas.data(); });
    params.step_sizes = maybe(0.6, [&]() -> const double* { return sizes.data(); });
    params.drifts = maybe(0.6, [&]() -> const double* { return sizes.data(); });
    params.diffusions = maybe(0.9, [&]() -> const double* { return sizes.data(); });
    params.intervals = maybe(0.9, [&]() -> const double* { return sizes.data(); });
    params.predictor = any_choice(4);
    params.corrector_first = any_choice(2);
    params.corrector_steps = any_size(random_, random_.below(3));
    params.rule = any_choice(3);
    params.variance = any_choice(2);
    for (double* number :
         {&params.snr, &params.eta, &params.clip, &params.temperature, &params.churn,
          &params.churn_min, &params.churn_max, &params.churn_noise, &params.base_bandwidth}) {
      if (random_.chance(0.2)) *number = any_scalar(random_);
    }
    params.denoise = any_choice(2);
    params.start = any_choice(3);
    params.form = any_choice(4);
    if (random_.chance(0.6)) {
      params.kde = kde_;
      if (random_.chance(0.9)) params.base_bandwidth = std::exp(random_.uniform(-3, 1));
      if (random_.chance(0.2)) params.labels = memory_.input(labels(m));
    } else {
      params.model = any_model;
      params.model_user = &random_;
    }
    if (random_.chance(0.2)) {
      params.guidance = any_model;
      params.guidance_user = &random_;
    }
    const std::int64_t ld = d_ + random_.below(kMostGap);
    params.known = maybe(0.2, [&]() -> const void* { return memory_.input(elements(m * ld)); });
    params.ld_known = random_.chance(0.3) ? 0 : any_size(random_, ld);
    params.seed = random_.bits();
    params.offset = random_.chance(0.9) ? random_.bits() >> 32 : random_.bits();
    params.first_row = any_size(random_, random_.below(1000));
    params.first_step = random_.chance(0.8) ? 0 : random_.below(steps + 2) - 1;
    params.stop_step = random_.chance(0.8) ? -1 : random_.below(steps + 3) - 2;
    params.previous = vector(m * d_);
    params.trajectory = vector((steps + 1) * m * d_);
    params.trajectory_every = random_.below(4);
    params.progress_every = random_.below(4);
    params.progress_user = &random_;
    if (random_.chance(0.5)) {
      params.progress = [](void* user, std::int64_t, std::int64_t) -> std::int32_t {
        return static_cast<Random*>(user)->chance(0.05) ? 1 : 0;
      };
    }
    params.struct_size = any_struct_size(random_, sizeof params);
    scf_sampler_result result;
    check(scf_sampler_result_init(&result, sizeof result));
    result.struct_size = any_struct_size(random_, sizeof result);
    T* const x = maybe(0.99, [&]() -> T* { return memory_.input(elements(m * ld)); });
    m = any_size(random_, m);
    const scf_status status = of_dtype<T>(scf_sample_f32, scf_sample_f64)(
        context(), random_.chance(0.01) ? nullptr : &params, x, m, d_, any_size(random_, ld),
        random_.chance(0.2) ? nullptr : &result, nullptr);
    // A callback's own status may be any.
    if (params.model == nullptr && params.guidance == nullptr) check(status);
    succeeded_ += status == SCF_SUCCESS ? 1 : 0;
    ASSERT_TRUE(memory_.intact());
  }

  // A field that gives what is wanted, or an error.
  static scf_status any_field(void* user, const scf_field_request* request) {
    auto* random = static_cast<Random*>(user);
    if (random->chance(0.01)) return static_cast<scf_status>(random->below(9));
    const auto fill = [&](void* matrix, std::int64_t ld) {
      for (std::int64_t i = 0; matrix != nullptr && i < request->m; ++i) {
        for (std::int64_t j = 0; j < request->d; ++j) {
          static_cast<T*>(matrix)[i * ld + j] = any_element<T>(*random);
        }
      }
    };
    fill(request->value, request->ld_value);
    fill(request->jacobian_product, request->ld_jacobian_product);
    fill(request->vector_jacobian, request->ld_vector_jacobian);
    for (std::int64_t i = 0; request->divergence != nullptr && i < request->m; ++i) {
      request->divergence[i] = random->normal();
    }
    if (request->parameter_gradient != nullptr) request->parameter_gradient[0] += 1;
    return SCF_SUCCESS;
  }

  scf_ode_params ode_params(const double* times, std::int64_t n_times, std::int64_t m) {
    scf_ode_params params;
    check(scf_ode_params_init(&params, sizeof params));
    params.solver = any_choice(4);
    params.times = maybe(0.97, [&] { return times; });
    params.n_times = any_size(random_, n_times);
    params.steps = any_size(random_, 1 + random_.below(3));
    for (double* number : {&params.rtol, &params.atol, &params.first_step}) {
      if (random_.chance(0.3)) *number = any_scalar(random_);
    }
    // What a field at random asks for has no end.
    params.max_steps = any_size(random_, 1 + random_.below(20));
    params.trace = any_choice(3);
    params.probe = any_choice(3);
    params.probes = any_size(random_, 1 + random_.below(3));
    params.seed = random_.bits();
    params.offset = random_.chance(0.9) ? random_.bits() >> 32 : random_.bits();
    params.first_row = any_size(random_, random_.below(1000));
    params.states = vector(n_times * m * d_);
    params.log_densities =
        random_.chance(0.3) ? static_cast<double*>(vector(n_times * m, sizeof(double))) : nullptr;
    params.statuses = static_cast<std::uint32_t*>(vector(m, sizeof(std::uint32_t)));
    params.steps_taken = static_cast<std::int64_t*>(vector(m, sizeof(std::int64_t)));
    params.steps_refused = static_cast<std::int64_t*>(vector(m, sizeof(std::int64_t)));
    params.progress_user = &random_;
    if (random_.chance(0.3)) {
      params.progress = [](void* user, std::int64_t, std::int64_t) -> std::int32_t {
        return static_cast<Random*>(user)->chance(0.02) ? 1 : 0;
      };
    }
    params.struct_size = any_struct_size(random_, sizeof params);
    return params;
  }

  // A flow: solved, followed, measured, differentiated.
  void flow() {
    std::int64_t m = random_.below(kMostRows / 2);
    const std::int64_t n_times = 2 + random_.below(3);
    std::vector<double> times(n_times);
    double time = 0;
    for (double& at : times) {
      at = random_.chance(0.02) ? any_scalar(random_) : time;
      time += (1 - time) * random_.uniform();
    }
    if (random_.chance(0.5)) std::reverse(times.begin(), times.end());
    const auto params = ode_params(times.data(), n_times, m);
    scf_sde_params sde;
    check(scf_sde_params_init(&sde, sizeof sde));
    sde.kind = any_choice(3);
    for (double* number : {&sde.sigma_min, &sde.sigma_max, &sde.beta_min, &sde.beta_max}) {
      if (random_.chance(0.05)) *number = any_scalar(random_);
    }
    scf_field field;
    check(scf_field_init(&field, sizeof field));
    field.kind = random_.chance(0.6) ? SCF_FIELD_KDE : any_choice(3);
    field.function = any_field;
    field.user = &random_;
    field.sde = maybe(0.7, [&]() -> const scf_sde_params* { return &sde; });
    field.kde = kde_;
    field.base_bandwidth =
        random_.chance(0.8) ? std::exp(random_.uniform(-3, 1)) : any_scalar(random_);
    if (random_.chance(0.2)) field.labels = memory_.input(labels(m));
    field.struct_size = any_struct_size(random_, sizeof field);
    const scf_ode_params* given = random_.chance(0.01) ? nullptr : &params;
    const scf_field* given_field = random_.chance(0.01) ? nullptr : &field;
    const std::int64_t ld = d_ + random_.below(kMostGap);
    T* const x = maybe(0.99, [&]() -> T* { return memory_.input(elements(m * ld)); });
    const std::int64_t ldx = any_size(random_, ld);
    auto* const to = static_cast<T*>(vector(m * ld));
    auto* const numbers = static_cast<double*>(vector(m, sizeof(double)));
    scf_ode_result result;
    check(scf_ode_result_init(&result, sizeof result));
    result.struct_size = any_struct_size(random_, sizeof result);
    scf_ode_result* const told = random_.chance(0.1) ? nullptr : &result;
    const T* const weights =
        maybe(0.95, [&]() -> const T* { return memory_.input(elements(n_times * m * d_)); });
    const std::int64_t samples = any_size(random_, m);
    scf_status status = SCF_SUCCESS;
    switch (random_.below(6)) {
      case 0:
        status = of_dtype<T>(scf_ode_solve_f32, scf_ode_solve_f64)(
            context(), given_field, given, x, samples, d_, ldx,
            params.trace == SCF_TRACE_NONE ? nullptr : numbers, told, nullptr);
        break;
      case 1:
        status = of_dtype<T>(scf_ode_encode_f32, scf_ode_encode_f64)(
            context(), given_field, given, x, samples, d_, ldx, to, any_size(random_, ld), numbers,
            told, nullptr);
        break;
      case 2:
        status = of_dtype<T>(scf_ode_decode_f32, scf_ode_decode_f64)(
            context(), given_field, given, x, samples, d_, ldx, to, any_size(random_, ld), told,
            nullptr);
        break;
      case 3: {
        scf_likelihood_params likelihood;
        check(scf_likelihood_params_init(&likelihood, sizeof likelihood));
        likelihood.prior = any_choice(4) - 1;
        if (random_.chance(0.4)) likelihood.prior_variance = any_scalar(random_);
        if (random_.chance(0.2)) likelihood.bin_width = any_scalar(random_);
        likelihood.latents = to;
        likelihood.ld_latents = any_size(random_, ld);
        likelihood.struct_size = any_struct_size(random_, sizeof likelihood);
        scf_likelihood_result of;
        check(scf_likelihood_result_init(&of, sizeof of));
        of.struct_size = any_struct_size(random_, sizeof of);
        status = of_dtype<T>(scf_ode_log_likelihood_f32, scf_ode_log_likelihood_f64)(
            context(), given_field, given, random_.chance(0.3) ? nullptr : &likelihood, x, samples,
            d_, ldx, numbers, told == nullptr ? nullptr : &of, nullptr);
        break;
      }
      case 4: {
        scf_adjoint_params adjoint;
        check(scf_adjoint_params_init(&adjoint, sizeof adjoint));
        adjoint.method = any_choice(2);
        adjoint.checkpoint_every = any_size(random_, 1 + random_.below(5));
        adjoint.output_gradients = weights;
        if (random_.chance(0.5)) {
          if (field.kind == SCF_FIELD_KDE || random_.chance(0.05)) {
            adjoint.log_bandwidth_gradient = static_cast<double*>(vector(1, sizeof(double)));
            adjoint.data_gradient = vector(n_ * ld);
            adjoint.ld_data_gradient = any_size(random_, ld);
          } else {
            adjoint.parameter_gradient = static_cast<double*>(vector(2, sizeof(double)));
            adjoint.n_parameters = any_size(random_, 2);
          }
        }
        adjoint.struct_size = any_struct_size(random_, sizeof adjoint);
        status = of_dtype<T>(scf_ode_adjoint_f32, scf_ode_adjoint_f64)(
            context(), given_field, given, random_.chance(0.01) ? nullptr : &adjoint, x, samples,
            d_, ldx, to, any_size(random_, ld), told, nullptr);
        break;
      }
      default: {
        scf_local_variance_params of;
        check(scf_local_variance_params_init(&of, sizeof of));
        of.method = any_choice(2);
        of.epsilon = random_.chance(0.7) ? 0.1 : any_scalar(random_);
        of.draws = any_size(random_, 1 + random_.below(2));
        of.struct_size = any_struct_size(random_, sizeof of);
        status = of_dtype<T>(scf_ode_local_variance_f32, scf_ode_local_variance_f64)(
            context(), given_field, given, random_.chance(0.01) ? nullptr : &of, x, samples, d_,
            ldx, numbers, told, nullptr);
      }
    }
    // A callback's own status may be any.
    if (field.kind == SCF_FIELD_KDE) check(status);
    succeeded_ += status == SCF_SUCCESS ? 1 : 0;
    ASSERT_TRUE(memory_.intact());
  }

  void fit() {
    const auto params = loss_params(n_);
    scf_kde_loss_params which;
    check(scf_kde_loss_params_init(&which, sizeof which));
    which.loss = any_choice(9);
    scf_bandwidth_fit fit;
    check(scf_bandwidth_fit_init(&fit, sizeof fit));
    fit.least = any_scalar(random_);
    fit.most = random_.chance(0.7) ? 100 * fit.least : any_scalar(random_);
    fit.tolerance = any_scalar(random_);
    fit.max_evaluations = static_cast<std::int32_t>(random_.below(40));
    const std::int64_t ld = d_ + random_.below(kMostGap);
    const T* data = maybe(0.99, [&]() -> const T* { return memory_.input(elements(n_ * ld)); });
    const scf_status status =
        Entry<T>::fit(context(), kde_, &which, &params, data, any_size(random_, ld), &fit, nullptr);
    check(status);
    succeeded_ += status == SCF_SUCCESS ? 1 : 0;
    EXPECT_EQ(std::isfinite(fit.bandwidth), status == SCF_SUCCESS);
  }

  const Context& context_;
  Random random_;
  Memory memory_;
  std::int64_t n_ = 0;
  std::int64_t d_ = 0;
  scf_kde* kde_ = nullptr;
  int succeeded_ = 0;
};

// Runs body(seed), which returns how many calls succeeded, until the time is up.
template <class Body>
void repeat(const Body& body) {
  const double seconds = number_from_environment("SCF_FUZZ_SECONDS", kDefaultSeconds);
  const auto seed = static_cast<std::uint64_t>(
      number_from_environment("SCF_FUZZ_SEED", static_cast<double>(kDefaultSeed)));
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t round = 0;
  std::int64_t succeeded = 0;
  do {
    SCOPED_TRACE("SCF_FUZZ_SEED=" + std::to_string(seed + round));
    succeeded += body(seed + round);
    if (::testing::Test::HasFailure()) return;
    ++round;
  } while (std::chrono::steady_clock::now() - start < std::chrono::duration<double>(seconds));
  std::cout << "[ measured ] " << round << " rounds, " << succeeded << " calls succeeded\n";
  // Else nothing but argument checks was tried.
  EXPECT_GT(succeeded, 0);
}

TEST(CapiFuzz, Kde_f32_cpu) {
  const Context context(Backend::kCpu, {2, ""});
  repeat([&](std::uint64_t seed) { return Fuzzer<float>(context, seed).run(); });
}

TEST(CapiFuzz, Kde_f64_cpu) {
  const Context context(Backend::kCpu, {2, ""});
  repeat([&](std::uint64_t seed) { return Fuzzer<double>(context, seed).run(); });
}

// Contexts, allocations, copies, names: bad values of every kind.
class CoreFuzzer {
 public:
  explicit CoreFuzzer(std::uint64_t seed) : random_(seed) {}

  // Returns whether a context came to be.
  int run() {
    const auto any = static_cast<std::int32_t>(random_.bits());
    EXPECT_NE(scf_status_name(any), nullptr);
    std::int32_t count = -1;
    check(scf_device_count(small_or(any), &count));
    EXPECT_GE(count, 0);
    check(scf_device_count(small_or(any), nullptr));
    describe_device(any);
    use_context(any);
    return contexts_;
  }

 private:
  void check(scf_status status) {
    ASSERT_GE(status, SCF_SUCCESS);
    ASSERT_LT(status, SCF_ERROR_INTERNAL) << scf_last_error();
  }

  std::int32_t small_or(std::int32_t any) {
    return random_.chance(0.8) ? static_cast<std::int32_t>(random_.below(3)) : any;
  }

  void describe_device(std::int32_t any) {
    scf_device_info info;
    const std::uint32_t size = any_struct_size(random_, sizeof info);
    const scf_status initialised = scf_device_info_init(&info, size);
    check(initialised);
    if (initialised != SCF_SUCCESS) return;
    check(scf_device_describe(small_or(any), small_or(any), random_.chance(0.9) ? &info : nullptr));
  }

  void use_context(std::int32_t any) {
    scf_context_params params;
    check(scf_context_params_init(&params, sizeof params));
    params.struct_size = any_struct_size(random_, sizeof params);
    params.backend = random_.chance(0.8) ? SCF_BACKEND_CPU : any;
    params.device = random_.chance(0.8) ? 0 : any;
    params.threads = random_.chance(0.8) ? static_cast<std::int32_t>(random_.below(4)) : -any;
    if (params.threads > 64) params.threads = 64;
    static const char* const kTargets[] = {nullptr, "", "AVX2", "avx2", "SSE2", "?", "AVX2 "};
    params.cpu_target =
        random_.chance(0.5) ? nullptr : kTargets[random_.below(std::size(kTargets))];
    scf_context* context = nullptr;
    const scf_status created =
        scf_context_create(random_.chance(0.95) ? &params : nullptr, &context);
    check(created);
    ASSERT_EQ(context != nullptr, created == SCF_SUCCESS);
    contexts_ += created == SCF_SUCCESS ? 1 : 0;
    use_memory(context);
    scf_context_destroy(context);
  }

  void use_memory(scf_context* context) {
    void* pointer = nullptr;
    const auto bytes = static_cast<std::size_t>(random_.below(5000));
    // More than any machine has: refused, not promised.
    if (random_.chance(0.1)) {
      const scf_status huge = scf_allocate(
          context, SIZE_MAX - static_cast<std::size_t>(random_.below(600)), nullptr, &pointer);
      ASSERT_NE(huge, SCF_SUCCESS);
      ASSERT_EQ(pointer, nullptr);
    }
    const scf_status allocated = scf_allocate(context, bytes, nullptr, &pointer);
    check(allocated);
    if (allocated != SCF_SUCCESS) return;
    ASSERT_EQ(pointer == nullptr, bytes == 0);
    std::vector<unsigned char> host(bytes + 1, 3);
    const auto kind = static_cast<std::int32_t>(random_.below(6)) - 1;
    if (kind == SCF_COPY_DEVICE_TO_HOST) {
      check(scf_copy(context, host.data(), pointer, bytes, kind, nullptr));
    } else {
      check(scf_copy(context, pointer, host.data(), bytes, kind, nullptr));
    }
    EXPECT_EQ(host[bytes], 3);
    check(scf_free(context, pointer, nullptr));
    void* stream = &stream;
    if (scf_stream_create(context, &stream) == SCF_SUCCESS) {
      EXPECT_EQ(stream, nullptr);
      check(scf_stream_synchronize(context, stream));
      check(scf_stream_destroy(context, stream));
    }
  }

  Random random_;
  int contexts_ = 0;
};

TEST(CapiFuzz, Core_cpu) {
  repeat([](std::uint64_t seed) { return CoreFuzzer(seed).run(); });
}

}  // namespace
}  // namespace scf::test
