// scorefield.hpp: views, owners, errors as the caller chooses, and calls that are the C calls, bit
// for bit, without an allocation of their own. Long because it has a case for each call, all on one
// fixture.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <scorefield/scorefield.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "counted_new.h"

namespace sf = scorefield;

namespace {

constexpr std::int64_t kM = 5;
constexpr std::int64_t kD = 3;
constexpr std::int64_t kLd = 4;
constexpr std::size_t kScratch = 1 << 20;  // bytes, enough for every call here

using scf::test::allocations;

// [rows, kD] with leading dimension kLd, different for each seed.
template <class T>
std::vector<T> numbers(std::int64_t rows, int seed) {
  std::vector<T> values(static_cast<std::size_t>(rows * kLd));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<T>(std::sin(1.7 * static_cast<double>(i) + seed));
  }
  return values;
}

template <class T>
sf::matrix_view<T> strided(std::vector<T>& values) {
  return {values.data(), static_cast<std::int64_t>(values.size()) / kLd, kD, kLd};
}

// The code of the error that call throws, SCF_SUCCESS where it throws none.
template <class Call>
scf_status code_of(Call&& call) {
  try {
    call();
  } catch (const sf::error& error) {
    EXPECT_NE(std::string(error.what()).find(scf_status_name(error.code())), std::string::npos);
    return error.code();
  }
  return SCF_SUCCESS;
}

sf::context one_thread() {
  sf::context_params params;
  params.threads = 1;
  return sf::context(params);
}

// ---- Views
// -----------------------------------------------------------------------------------------

static_assert(std::is_convertible_v<std::vector<float>&, sf::view<float>>);
static_assert(std::is_convertible_v<std::vector<float>&, sf::view<const float>>);
static_assert(std::is_convertible_v<const std::vector<float>&, sf::view<const float>>);
static_assert(!std::is_convertible_v<const std::vector<float>&, sf::view<float>>);
static_assert(!std::is_convertible_v<std::vector<float>&, sf::view<double>>);
static_assert(std::is_convertible_v<sf::matrix_view<float>, sf::matrix_view<const float>>);
static_assert(!std::is_convertible_v<sf::matrix_view<const float>, sf::matrix_view<float>>);
static_assert(std::is_trivially_copyable_v<sf::matrix_view<float>>);
static_assert(!std::is_copy_constructible_v<sf::context> && !std::is_copy_constructible_v<sf::kde>);

TEST(Views, TakeContainersAndArrays) {
  std::array<double, 4> array{1, 2, 3, 4};
  double plain[6] = {};
  EXPECT_EQ(sf::view(array).size(), 4);
  EXPECT_EQ(sf::view<const double>(plain).size(), 6);
  EXPECT_EQ(sf::view<double>().data(), nullptr);

  const std::vector<float> seven(7);
  const sf::matrix_view rows(seven, 3);  // whole rows alone: nothing is read past the end
  static_assert(std::is_same_v<decltype(rows), const sf::matrix_view<const float>>);
  EXPECT_EQ(rows.rows(), 2);
  EXPECT_EQ(rows.ld(), 3);
  const auto part = rows.row_range(1, 1).column_range(2, 1);
  EXPECT_EQ(part.data(), seven.data() + 5);
  EXPECT_EQ(part.columns(), 1);
  EXPECT_EQ(part.ld(), 3);
}

TEST(Owners, MoveAndEmpty) {
  sf::context first = one_thread();
  scf_context* const raw = first;
  sf::context second = std::move(first);
  EXPECT_EQ(second.get(), raw);
  EXPECT_EQ(second.backend(), SCF_BACKEND_CPU);
  EXPECT_EQ(second.device(), 0);
  EXPECT_EQ(second.threads(), 1);
  EXPECT_STRNE(second.cpu_target(), "");
  EXPECT_EQ(sf::device_count(SCF_BACKEND_CPU), 1);
  EXPECT_STREQ(sf::device_describe(SCF_BACKEND_CPU).name, second.cpu_target());
  EXPECT_EQ(sf::version(), scf_version());
  EXPECT_STREQ(sf::version_string(), scf_version_string());

  sf::buffer<double> memory(second, 6);
  double* const inside = memory.data();
  sf::buffer<double> taken = std::move(memory);
  EXPECT_EQ(taken.data(), inside);
  EXPECT_EQ(taken.matrix(3).rows(), 2);
  EXPECT_EQ(code_of([&] { sf::buffer<double>(second, -1); }), SCF_ERROR_INVALID_ARGUMENT);

  sf::stream stream(second);
  EXPECT_EQ(stream.get(), nullptr);  // a CPU has none
  stream.synchronize();
  const std::vector<double> source{1, 2, 3, 4, 5, 6};
  sf::copy(second, sf::view<double>(taken), source, SCF_COPY_HOST_TO_DEVICE, stream);
  sf::synchronize(second, stream);
  EXPECT_EQ(taken.data()[5], 6);
  std::vector<double> shorter(5);
  EXPECT_EQ(code_of([&] { sf::copy(second, sf::view(shorter), taken, SCF_COPY_DEVICE_TO_HOST); }),
            SCF_ERROR_INVALID_ARGUMENT);
}

// ---- Errors
// ----------------------------------------------------------------------------------------

TEST(Errors, ThrowOrTellAsTheCallerChooses) {
  const sf::context context = one_thread();
  std::vector<float> data = numbers<float>(kM, 1);
  try {
    const sf::kde kde(context, strided(data).row_range(0, 0));
    FAIL() << "no data are no KDE";
  } catch (const sf::error& error) {
    EXPECT_EQ(error.code(), SCF_ERROR_INVALID_ARGUMENT);
    EXPECT_NE(std::string(error.what()).find("INVALID_ARGUMENT: n must be"), std::string::npos)
        << error.what();
  }
  sf::status status;
  EXPECT_TRUE(status.ok());
  EXPECT_STREQ(status.message(), "");
  const sf::kde none(context, strided(data).row_range(0, 0), nullptr, nullptr, status);
  EXPECT_EQ(none.get(), nullptr);
  EXPECT_FALSE(status.ok());
  EXPECT_STREQ(status.name(), "INVALID_ARGUMENT");
  EXPECT_STREQ(status.message(), scf_last_error());
  EXPECT_EQ(none.size(), 0);

  const sf::context absent(99, status);
  EXPECT_EQ(absent.get(), nullptr);
  EXPECT_EQ(status.code(), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(sf::device_count(SCF_BACKEND_CPU, status), 1);
  EXPECT_TRUE(status.ok());  // success replaces what was there
}

TEST(Errors, ShapesThatDifferAreRefused) {
  const sf::context context = one_thread();
  std::vector<float> x = numbers<float>(kM, 1), next = x, output = x;
  const std::vector<float> before = next;
  sf::step_params params;
  params.step_size = .1;
  const auto wide = sf::matrix_view(next, kLd);
  sf::status status;
  sf::langevin_step(context, params, strided(x), strided(output), wide, nullptr, status);
  EXPECT_STREQ(status.message(), "next must have the rows and columns of x");
  sf::langevin_step(context, params, strided(x), strided(output).row_range(0, kM - 1),
                    strided(next), nullptr, status);
  EXPECT_STREQ(status.message(), "output must have the rows and columns of x");
  EXPECT_EQ(next, before);
  EXPECT_EQ(code_of([&] { sf::langevin_step(context, params, strided(x), strided(output), wide); }),
            SCF_ERROR_INVALID_ARGUMENT);

  const sf::kde kde(context, strided(x));
  EXPECT_EQ(code_of([&] {
              sf::kde_evaluate(context, kde, wide, sf::kde_query_params(), sf::kde_outputs(), {});
            }),
            SCF_ERROR_INVALID_ARGUMENT);
  std::vector<double> short_mean(kD - 1);
  EXPECT_EQ(code_of([&] { sf::kde_moments(context, kde, SCF_KDE_ANY_LABEL, short_mean, {}); }),
            SCF_ERROR_INVALID_ARGUMENT);
}

// ---- Calls are the C calls
// -------------------------------------------------------------------------

template <class T>
class Calls : public ::testing::Test {
 protected:
  sf::context context = one_thread();
  std::vector<T> data = numbers<T>(kM, 1), x = numbers<T>(kM, 2), other = numbers<T>(kM, 3);
  std::vector<T> vector = numbers<T>(kM, 4), vector_b = numbers<T>(kM, 5);
  sf::kde kde{context, strided(data)};
  sf::buffer<> scratch{context, kScratch};

  // What `cpp` and `c` write to an output of kM rows (and more, for probes): the same.
  template <class Cpp, class C>
  void expect_same(const char* name, Cpp&& cpp, C&& c, std::int64_t rows = kM) {
    std::vector<T> by_cpp(static_cast<std::size_t>(rows * kLd), T{-7}), by_c = by_cpp;
    const std::vector<T> before = by_cpp;
    const std::int64_t start = allocations();
    cpp(by_cpp);
    const std::int64_t middle = allocations();
    ASSERT_EQ(c(by_c.data()), SCF_SUCCESS) << name << ": " << scf_last_error();
    EXPECT_LE(middle - start, allocations() - middle) << name << " allocates";
    EXPECT_EQ(by_cpp, by_c) << name;
    EXPECT_NE(by_cpp, before) << name << " wrote nothing";
  }
};
using Dtypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Calls, Dtypes);

template <class T, class F32, class F64>
auto of(F32 f32, F64 f64) {
  return sf::detail::of_dtype<T>(f32, f64);
}
// A name and its C function of dtype T.
#define OF(name) of<T>(scf_##name##_f32, scf_##name##_f64)

TYPED_TEST(Calls, Kde) {
  using T = TypeParam;
  EXPECT_EQ(this->kde.size(), kM);
  EXPECT_EQ(this->kde.dimension(), kD);
  sf::kde_query_params query;
  query.bandwidth = .5;
  const auto evaluate = [&](T* score, auto&& call) {
    sf::kde_outputs outputs;
    sf::place(outputs.score, outputs.ld_score, sf::matrix_view<T>(score, kM, kD, kLd));
    const std::size_t bytes =
        sf::kde_evaluate_workspace(this->context, this->kde, kM, query, outputs);
    EXPECT_LE(bytes, kScratch);
    return call(outputs);
  };
  this->expect_same(
      "kde_evaluate",
      [&](std::vector<T>& out) {
        evaluate(out.data(), [&](const scf_kde_outputs& outputs) {
          sf::kde_evaluate(this->context, this->kde, strided(this->x), query, outputs,
                           this->scratch);
        });
      },
      [&](T* out) {
        return evaluate(out, [&](const scf_kde_outputs& outputs) {
          return OF(kde_evaluate)(this->context, this->kde, this->x.data(), kM, kLd, &query,
                                  &outputs, this->scratch.data(), kScratch, nullptr);
        });
      });
  const auto weigh = [&](T* out) {
    sf::kde_gradients gradients;
    gradients.log_density_weights = this->vector.data();
    sf::place(gradients.data, gradients.ld_data, sf::matrix_view<T>(out, kM, kD, kLd));
    EXPECT_LE(sf::kde_gradient_workspace(this->context, this->kde, kM, query, gradients), kScratch);
    return gradients;
  };
  this->expect_same(
      "kde_gradient",
      [&](std::vector<T>& out) {
        sf::kde_gradient(this->context, this->kde, strided(this->x), query, weigh(out.data()),
                         this->scratch);
      },
      [&](T* out) {
        const sf::kde_gradients gradients = weigh(out);
        return OF(kde_gradient)(this->context, this->kde, this->x.data(), kM, kLd, &query,
                                &gradients, this->scratch.data(), kScratch, nullptr);
      });
}

TYPED_TEST(Calls, KdeCurveAndLaplace) {
  using T = TypeParam;
  sf::kde_query_params query;
  query.bandwidth = .5;
  const std::array<double, 2> bandwidths = {.5, .25};
  EXPECT_LE(sf::kde_log_density_curve_workspace(this->context, this->kde, kM, query, 2), kScratch);
  this->expect_same(
      "kde_log_density_curve",
      [&](std::vector<T>& out) {
        sf::kde_log_density_curve(this->context, this->kde, strided(this->x), query, bandwidths,
                                  sf::matrix_view<T>(out.data(), 2, kM), this->scratch);
      },
      [&](T* out) {
        return OF(kde_log_density_curve)(this->context, this->kde, this->x.data(), kM, kLd, &query,
                                         bandwidths.data(), 2, out, kM, this->scratch.data(),
                                         kScratch, nullptr);
      });
  EXPECT_LE(sf::kde_laplace_workspace(this->context, this->kde, kM, query), kScratch);
  std::array<std::int32_t, kM> sign{};
  this->expect_same(
      "kde_laplace",
      [&](std::vector<T>& out) {
        sf::kde_laplace(this->context, this->kde, strided(this->x), query,
                        sf::view<T>(out.data(), kM), sign, this->scratch);
      },
      [&](T* out) {
        return OF(kde_laplace)(this->context, this->kde, this->x.data(), kM, kLd, &query, out,
                               sign.data(), this->scratch.data(), kScratch, nullptr);
      });
  for (const std::int32_t s : sign) EXPECT_EQ(std::abs(s), 1);
  const auto debiased = sf::kde::debiased(this->context.get(), strided(this->x), .5);
  EXPECT_EQ(debiased.size(), kM);
}

TYPED_TEST(Calls, Random) {
  using T = TypeParam;
  sf::random_params params;
  params.seed = 7;
  const auto check = [&](const char* name, auto&& cpp, auto&& c) {
    this->expect_same(
        name, [&](std::vector<T>& out) { cpp(this->context, &params, strided(out)); },
        [&](T* out) { return c(this->context, &params, kM, kD, out, kLd, nullptr); });
  };
#define CHECK_DRAW(name) \
  check(                 \
      #name, [](auto&&... all) { sf::name(all...); }, OF(name))
  CHECK_DRAW(random_uniform);
  CHECK_DRAW(random_normal);
  CHECK_DRAW(random_rademacher);
  this->expect_same(
      "random_sphere",
      [&](std::vector<T>& out) { sf::random_sphere(this->context, nullptr, 2, strided(out)); },
      [&](T* out) {
        return OF(random_sphere)(this->context, nullptr, kM, kD, 2, out, kLd, nullptr);
      });
  std::vector<std::uint32_t> bits(kM * kD);
  sf::random_bits(this->context, &params, sf::matrix_view(bits, kD));
  EXPECT_NE(bits[0], bits[1]);

  sf::kde_query_params query;
  query.bandwidth = .5;
  EXPECT_LE(sf::kde_draw_workspace(this->context, this->kde, kM, query), kScratch);
  std::vector<std::int64_t> indices(kM, -7), by_c(kM);
  this->expect_same(
      "kde_draw",
      [&](std::vector<T>& out) {
        sf::kde_draw(this->context, this->kde, &params, query, strided(out), indices,
                     this->scratch);
      },
      [&](T* out) {
        return OF(kde_draw)(this->context, this->kde, &params, kM, &query, out, kLd, by_c.data(),
                            this->scratch.data(), kScratch, nullptr);
      });
  EXPECT_EQ(indices, by_c);
  std::fill(indices.begin(), indices.end(), -7);
  sf::kde_draw<T>(this->context, this->kde, &params, query, {}, indices, this->scratch);
  EXPECT_EQ(indices, by_c);  // the indices alone
}

TYPED_TEST(Calls, Perturbations) {
  using T = TypeParam;
  sf::loss_params params;
  params.sigma = .5;
  params.epsilon = .1;
  params.projections = 2;
  T* const x = this->x.data();
  this->expect_same(
      "dsm_perturb",
      [&](std::vector<T>& out) {
        sf::dsm_perturb(this->context, params, strided(this->x), strided(out), {});
      },
      [&](T* out) {
        return OF(dsm_perturb)(this->context, &params, kM, kD, x, kLd, out, kLd, nullptr, 0,
                               nullptr);
      });
  this->expect_same(
      "ssm_perturb",
      [&](std::vector<T>& out) { sf::ssm_perturb(this->context, params, kM, strided(out)); },
      [&](T* out) { return OF(ssm_perturb)(this->context, &params, kM, kD, out, kLd, nullptr); },
      2 * kM);
  std::vector<T> minus = numbers<T>(kM, 9);
  const auto check = [&](const char* name, auto&& cpp, auto&& c) {
    this->expect_same(
        name,
        [&](std::vector<T>& out) {
          cpp(this->context, params, strided(this->x), strided(out), strided(minus));
        },
        [&](T* out) {
          return c(this->context, &params, kM, kD, x, kLd, out, kLd, minus.data(), kLd, nullptr);
        });
  };
#define CHECK_PAIR(name) \
  check(                 \
      #name, [](auto&&... all) { sf::name(all...); }, OF(name))
  CHECK_PAIR(fdssm_perturb);
  CHECK_PAIR(fddsm_perturb);
}

TYPED_TEST(Calls, Losses) {
  using T = TypeParam;
  sf::loss_params params;
  params.sigma = .5;
  params.epsilon = .1;
  ASSERT_LE(sf::loss_workspace(this->context, params, kM, kD), kScratch);
  // Each loss's values, and the gradient by its first output: [kM, kD] or [kM].
  std::vector<T> values(kM);
  sf::loss_outputs outputs;
  outputs.values = values.data();
  scf_context* const context = this->context;
  void* const scratch = this->scratch.data();
  T *const x = this->x.data(), *const other = this->other.data(), *const v = this->vector.data();
  const auto mx = strided(this->x), mo = strided(this->other);
  const sf::view<T> vv(v, kM);
  const auto size = [](std::vector<T>& out) { return sf::view<T>(out.data(), kM); };
  const auto expect = [&](const char* name, auto&& cpp, auto&& c) {
    std::vector<T> by_cpp, by_c;
    this->expect_same(
        name, [&](std::vector<T>& out) { cpp(out), by_cpp = values; },
        [&](T* out) {
          std::fill(values.begin(), values.end(), T{0});
          const scf_status status = c(out);
          by_c = values;
          return status;
        });
    EXPECT_EQ(by_cpp, by_c) << name;
    EXPECT_NE(by_c, std::vector<T>(kM)) << name;
  };
  expect(
      "esm_loss",
      [&](std::vector<T>& out) {
        sf::esm_loss(context, params, mx, mo, outputs, strided(out), this->scratch);
      },
      [&](T* out) {
        return OF(esm_loss)(context, &params, kM, kD, x, kLd, other, kLd, &outputs, out, kLd,
                            scratch, kScratch, nullptr);
      });
  expect(
      "ism_loss",
      [&](std::vector<T>& out) {
        sf::ism_loss(context, params, mx, vv, outputs, strided(out), {}, this->scratch);
      },
      [&](T* out) {
        return OF(ism_loss)(context, &params, kM, kD, x, kLd, v, &outputs, out, kLd, nullptr,
                            scratch, kScratch, nullptr);
      });
  expect(
      "dsm_loss",
      [&](std::vector<T>& out) {
        sf::dsm_loss(context, params, {}, mx, outputs, strided(out), this->scratch);
      },
      [&](T* out) {
        return OF(dsm_loss)(context, &params, kM, kD, nullptr, 0, x, kLd, &outputs, out, kLd,
                            scratch, kScratch, nullptr);
      });
  expect(
      "ssm_loss",
      [&](std::vector<T>& out) {
        sf::ssm_loss(context, params, mx, mo, outputs, strided(out), {}, this->scratch);
      },
      [&](T* out) {
        return OF(ssm_loss)(context, &params, kM, kD, x, kLd, other, kLd, &outputs, out, kLd,
                            nullptr, 0, scratch, kScratch, nullptr);
      });
  expect(
      "fdssm_energy_loss",
      [&](std::vector<T>& out) {
        sf::fdssm_energy_loss(context, params, kD, vv, sf::view<T>(x, kM), sf::view<T>(other, kM),
                              outputs, size(out), {}, {}, this->scratch);
      },
      [&](T* out) {
        return OF(fdssm_energy_loss)(context, &params, kM, kD, v, x, other, &outputs, out, nullptr,
                                     nullptr, scratch, kScratch, nullptr);
      });
  expect(
      "fdssm_score_loss",
      [&](std::vector<T>& out) {
        sf::fdssm_score_loss(context, params, mx, mo, outputs, strided(out), {}, this->scratch);
      },
      [&](T* out) {
        return OF(fdssm_score_loss)(context, &params, kM, kD, x, kLd, other, kLd, &outputs, out,
                                    kLd, nullptr, 0, scratch, kScratch, nullptr);
      });
  expect(
      "fddsm_loss",
      [&](std::vector<T>& out) {
        sf::fddsm_loss(context, params, kD, vv, sf::view<T>(x, kM), outputs, size(out), {},
                       this->scratch);
      },
      [&](T* out) {
        return OF(fddsm_loss)(context, &params, kM, kD, v, x, &outputs, out, nullptr, scratch,
                              kScratch, nullptr);
      });
  expect(
      "dde_loss",
      [&](std::vector<T>& out) {
        sf::dde_loss(context, params, mx, outputs, strided(out), this->scratch);
      },
      [&](T* out) {
        return OF(dde_loss)(context, &params, kM, kD, x, kLd, &outputs, out, kLd, scratch, kScratch,
                            nullptr);
      });
  this->expect_same(
      "dde_direction",
      [&](std::vector<T>& out) { sf::dde_direction(context, mx, mo, strided(out)); },
      [&](T* out) {
        return OF(dde_direction)(context, kM, kD, x, kLd, other, kLd, out, kLd, nullptr);
      });
}

TYPED_TEST(Calls, KdesAsModels) {
  using T = TypeParam;
  const sf::kde second(this->context, strided(this->other));
  sf::kde_query_params query;
  query.bandwidth = .5;
  sf::kde_loss_params loss;
  loss.loss = SCF_LOSS_ISM;
  double mean = 0, by_c = 0;
  sf::loss_outputs outputs;
  outputs.mean = &mean;
  sf::kde_loss(this->context, this->kde, loss, sf::loss_params(), strided(this->x), query,
               &outputs);
  outputs.mean = &by_c;
  const sf::loss_params params;
  ASSERT_EQ(OF(kde_loss)(this->context, this->kde, &loss, &params, this->x.data(), kM, kLd, &query,
                         &outputs, nullptr, nullptr),
            SCF_SUCCESS);
  EXPECT_EQ(mean, by_c);
  EXPECT_NE(mean, 0);

  this->expect_same(
      "kde_dde_direction",
      [&](std::vector<T>& out) {
        sf::kde_dde_direction(this->context, this->kde, query, second, query, strided(this->x),
                              strided(out));
      },
      [&](T* out) {
        return OF(kde_dde_direction)(this->context, this->kde, &query, second, &query,
                                     this->x.data(), kM, kLd, out, kLd, nullptr);
      });

  sf::bandwidth_fit fit;
  fit.least = .01;
  fit.most = 10;
  loss.loss = SCF_LOSS_LIKELIHOOD;
  std::int32_t seen = 0;
  const auto count = [&](std::int32_t evaluations, double, double) {
    seen = evaluations;
    return 0;
  };
  sf::set_progress(fit, count);
  sf::kde_fit_bandwidth(this->context, this->kde, loss, params, strided(this->data), fit);
  EXPECT_EQ(seen, fit.evaluations);
  EXPECT_GT(fit.bandwidth, 0);
  std::vector<T> longer = numbers<T>(kM + 1, 1);
  EXPECT_EQ(code_of([&] {
              sf::kde_fit_bandwidth(this->context, this->kde, loss, params, strided(longer), fit);
            }),
            SCF_ERROR_INVALID_ARGUMENT);
  const auto fail = [](std::int32_t, double, double) -> int { throw std::range_error("enough"); };
  sf::set_progress(fit, fail);
  EXPECT_THROW(
      sf::kde_fit_bandwidth(this->context, this->kde, loss, params, strided(this->data), fit),
      std::range_error);

  std::vector<double> moments(kD), variance(kD), c_moments(kD);
  sf::kde_moments(this->context, this->kde, SCF_KDE_ANY_LABEL, moments, variance);
  ASSERT_EQ(scf_kde_moments(this->context, this->kde, SCF_KDE_ANY_LABEL, c_moments.data(), nullptr,
                            nullptr),
            SCF_SUCCESS);
  EXPECT_EQ(moments, c_moments);
  EXPECT_GT(variance[0], 0);
}

TYPED_TEST(Calls, Divergences) {
  using T = TypeParam;
  ASSERT_LE(sf::divergence_workspace(this->context, kM, kM, kD), kScratch);
  sf::divergence_points p;
  p.m = kM;
  p.d = kD;
  p.log_p = this->vector.data();
  p.log_q = this->vector_b.data();
  sf::place(p.score_p, p.ld_score_p, strided(this->x));
  sf::place(p.score_q, p.ld_score_q, strided(this->other));
  std::vector<double> by_cpp(kD), by_c(kD);
  sf::divergence_outputs outputs;
  const auto expect = [&](const char* name, auto&& cpp, auto&& c) {
    std::fill(by_cpp.begin(), by_cpp.end(), 0);
    outputs.value = by_cpp.data();
    cpp();
    outputs.value = by_c.data();
    ASSERT_EQ(c(), SCF_SUCCESS) << name << ": " << scf_last_error();
    EXPECT_EQ(by_cpp[0], by_c[0]) << name;
    EXPECT_NE(by_cpp[0], 0) << name;
  };
  void* const scratch = this->scratch.data();
#define CHECK_ONE(name)                                                      \
  expect(                                                                    \
      #name, [&] { sf::name<T>(this->context, p, outputs, this->scratch); }, \
      [&] { return OF(name)(this->context, &p, &outputs, scratch, kScratch, nullptr); })
#define CHECK_TWO(name)                                                         \
  expect(                                                                       \
      #name, [&] { sf::name<T>(this->context, p, p, outputs, this->scratch); }, \
      [&] { return OF(name)(this->context, &p, &p, &outputs, scratch, kScratch, nullptr); })
  CHECK_ONE(fisher_divergence);
  CHECK_ONE(kl_divergence);
  CHECK_ONE(kls_divergence);
  CHECK_ONE(f2_divergence);
  CHECK_TWO(js_divergence);
  CHECK_TWO(jf_divergence);

  sf::local_variance_points points;
  points.m = kM;
  points.d = points.c = kD;
  sf::place(points.displacement, points.ld_displacement, strided(this->x));
  sf::place(points.f_displaced, points.ld_f_displaced, strided(this->other));
  expect(
      "local_variance",
      [&] { sf::local_variance<T>(this->context, points, outputs, this->scratch); },
      [&] {
        return OF(local_variance)(this->context, &points, &outputs, scratch, kScratch, nullptr);
      });

  const sf::kde second(this->context, strided(this->other));
  sf::kde_query_params query;
  query.bandwidth = .5;
  sf::kde_divergence_params params;
  params.divergence = SCF_DIVERGENCE_F2;
  params.p = this->kde;
  params.q = second;
  params.p_query = params.q_query = &query;
  params.x = this->x.data();
  params.m = kM;
  params.ldx = kLd;
  std::vector<T> integrand(kM * kD);
  expect(
      "kde_divergence", [&] { sf::kde_divergence<T>(this->context, params, outputs, integrand); },
      [&] {
        return OF(kde_divergence)(this->context, &params, &outputs, nullptr, nullptr, nullptr,
                                  nullptr);
      });
  integrand.pop_back();
  EXPECT_EQ(code_of([&] { sf::kde_divergence<T>(this->context, params, outputs, integrand); }),
            SCF_ERROR_INVALID_ARGUMENT);
}

TYPED_TEST(Calls, Steps) {
  using T = TypeParam;
  sf::step_params params;
  params.sigma = 1;
  params.next_sigma = .5;
  params.step_size = .1;
  params.diffusion = 1;
  params.interval = .1;
  params.before_sigma = 2;
  scf_context* const context = this->context;
  T *const x = this->x.data(), *const other = this->other.data();
  const auto mx = strided(this->x), mo = strided(this->other);
  const auto check = [&](const char* name, auto&& cpp, auto&& c) {
    this->expect_same(
        name, [&](std::vector<T>& out) { cpp(context, params, mx, mo, strided(out)); },
        [&](T* out) { return c(context, &params, kM, kD, x, kLd, other, kLd, out, kLd, nullptr); });
  };
#define CHECK_STEP(name) \
  check(                 \
      #name, [](auto&&... all) { sf::name(all...); }, OF(name))
  CHECK_STEP(langevin_step);
  CHECK_STEP(denoise_step);
  CHECK_STEP(ancestral_step);
  CHECK_STEP(ddim_step);
  CHECK_STEP(reverse_diffusion_step);
  CHECK_STEP(euler_maruyama_step);
  CHECK_STEP(known_step);
  const auto check_with_third = [&](const char* name, auto&& cpp, auto&& c) {
    this->expect_same(
        name, [&](std::vector<T>& out) { cpp(context, params, mx, mo, mo, strided(out)); },
        [&](T* out) {
          return c(context, &params, kM, kD, x, kLd, other, kLd, other, kLd, out, kLd, nullptr);
        });
  };
#define CHECK_STEP_WITH_THIRD(name) \
  check_with_third(                 \
      #name, [](auto&&... all) { sf::name(all...); }, OF(name))
  CHECK_STEP_WITH_THIRD(dpmpp_step);
  CHECK_STEP_WITH_THIRD(heun_step);
  this->expect_same(
      "known_step, one row for all",
      [&](std::vector<T>& out) {
        sf::known_step(context, params, mx, mo.row_range(0, 1), strided(out));
      },
      [&](T* out) {
        return OF(known_step)(context, &params, kM, kD, x, kLd, other, 0, out, kLd, nullptr);
      });
  this->expect_same(
      "corrector_step",
      [&](std::vector<T>& out) {
        EXPECT_LE(sf::corrector_workspace(context, params, kM, kD), kScratch);
        sf::corrector_step(context, params, mx, mo, strided(out), this->scratch);
      },
      [&](T* out) {
        return OF(corrector_step)(context, &params, kM, kD, x, kLd, other, kLd, out, kLd,
                                  this->scratch.data(), kScratch, nullptr);
      });
  this->expect_same(
      "convert_output",
      [&](std::vector<T>& out) {
        sf::convert_output(context, params, mx, mo, SCF_FORM_X0, strided(out));
      },
      [&](T* out) {
        return OF(convert_output)(context, &params, kM, kD, x, kLd, other, kLd, SCF_FORM_X0, out,
                                  kLd, nullptr);
      });
  params.next_sigma = 2;
  this->expect_same(
      "churn_step", [&](std::vector<T>& out) { sf::churn_step(context, params, mx, strided(out)); },
      [&](T* out) { return OF(churn_step)(context, &params, kM, kD, x, kLd, out, kLd, nullptr); });
}

TEST(Schedules, AreTheCOnes) {
  std::vector<double> by_cpp(5), by_c(5);
  const auto expect = [&](const char* name, scf_status status) {
    ASSERT_EQ(status, SCF_SUCCESS) << name;
    EXPECT_EQ(by_cpp, by_c) << name;
  };
  sf::schedule_geometric(10, .1, by_cpp);
  expect("geometric", scf_schedule_geometric(10, .1, 5, by_c.data()));
  sf::schedule_karras(10, .1, 7, by_cpp);
  expect("karras", scf_schedule_karras(10, .1, 7, 4, by_c.data()));
  sf::schedule_beta_cosine(.008, .999, by_cpp);
  expect("beta_cosine", scf_schedule_beta_cosine(.008, .999, 5, by_c.data()));
  sf::schedule_beta_linear(1e-4, .02, by_cpp);
  expect("beta_linear", scf_schedule_beta_linear(1e-4, .02, 5, by_c.data()));
  sf::schedule_alpha_bar(by_cpp, by_cpp);
  expect("alpha_bar", scf_schedule_alpha_bar(by_c.data(), 5, by_c.data()));
  std::vector<std::int64_t> times(4);
  sf::schedule_strided(1000, times);
  EXPECT_EQ(times, (std::vector<std::int64_t>{750, 500, 250, 0}));
  const std::vector<double> t{0, .25, .5, .75, 1};
  sf::sde_coefficients coefficients;
  coefficients.sigma = by_cpp.data();
  sf::sde_evaluate(sf::sde_params(), t, coefficients);
  EXPECT_LT(by_cpp[0], by_cpp[4]);
  EXPECT_EQ(code_of([&] { sf::schedule_geometric(-1, .1, by_cpp); }), SCF_ERROR_INVALID_ARGUMENT);
}

// ---- Drivers and callers' functions
// ----------------------------------------------------------------

struct Schedule {
  std::vector<double> scales = std::vector<double>(9), sigmas = scales, times = scales;
  sf::sampler_params params;

  Schedule() {
    sf::sde_params sde;
    sde.kind = SCF_SDE_VE;
    sf::sampler_schedule(SCF_SAMPLER_DDIM, &sde, 8, 0, {scales, sigmas, times, {}, {}, {}, {}});
    params.method = SCF_SAMPLER_DDIM;
    params.steps = 8;
    params.signal_scales = scales.data();
    params.sigmas = sigmas.data();
    params.times = times.data();
    params.start = SCF_START_PRIOR;
  }
};

TYPED_TEST(Calls, SampleWithAFunction) {
  using T = TypeParam;
  Schedule schedule;
  // The score of N(0, I) smoothed: what it samples is N(0, I).
  const auto score = [](const scf_model_request& request) {
    const auto x = sf::state_of<T>(request);
    const auto output = sf::output_of<T>(request);
    const double variance = request.sigma * request.sigma + 1;
    for (std::int64_t i = 0; i < x.rows(); ++i) {
      for (std::int64_t j = 0; j < x.columns(); ++j) {
        output.row(i)[j] = static_cast<T>(-x.row(i)[j] / variance);
      }
    }
  };
  sf::set_model(schedule.params, score);
  std::int64_t steps = 0, guided = 0;
  const auto progress = [&](std::int64_t step, std::int64_t) { return steps = step, 0; };
  const auto guidance = [&](const scf_model_request&) -> scf_status {
    ++guided;
    return SCF_SUCCESS;
  };
  sf::set_progress(schedule.params, progress);
  sf::set_guidance(schedule.params, guidance);
  sf::sampler_result result;
  std::vector<T> x(kM * kLd, T{9});
  sf::sample(this->context, schedule.params, strided(x), &result);
  EXPECT_EQ(result.steps_done, 8);
  EXPECT_EQ(steps, 8);
  EXPECT_EQ(guided, 8);
  EXPECT_LT(std::abs(x[0]), 8);
  EXPECT_EQ(x[kD], T{9});  // the gap between rows

  const auto cancel = [](std::int64_t, std::int64_t) { return 1; };
  sf::set_progress(schedule.params, cancel);
  EXPECT_EQ(code_of([&] { sf::sample(this->context, schedule.params, strided(x)); }),
            SCF_ERROR_CANCELLED);
}

TYPED_TEST(Calls, WhatAFunctionThrowsComesOutOfTheCall) {
  using T = TypeParam;
  Schedule schedule;
  const auto fails = [](const scf_model_request& request) {
    if (request.step == 3) throw std::range_error("third step");
    const auto output = sf::output_of<T>(request);
    for (std::int64_t i = 0; i < request.m; ++i) std::fill_n(output.row(i), request.d, T{0});
  };
  sf::set_model(schedule.params, fails);
  std::vector<T> x(kM * kLd);
  sf::sampler_result result;
  EXPECT_THROW(sf::sample(this->context, schedule.params, strided(x), &result), std::range_error);
  EXPECT_EQ(result.failed_step, 3);
  sf::status status;
  sf::sample(this->context, schedule.params, strided(x), &result, nullptr, status);
  EXPECT_EQ(status.code(), SCF_ERROR_INTERNAL);
  EXPECT_STREQ(status.message(), "a caller's own function threw an exception");
  // A later failure of another kind is not taken for it.
  schedule.params.steps = -1;
  EXPECT_EQ(code_of([&] { sf::sample(this->context, schedule.params, strided(x)); }),
            SCF_ERROR_INVALID_ARGUMENT);
}

TYPED_TEST(Calls, Flows) {
  using T = TypeParam;
  const std::vector<double> times{0, 1};
  sf::ode_params params;
  params.times = times.data();
  params.n_times = 2;
  sf::field decay;  // dx/dt = -x
  const auto minus_x = [](const scf_field_request& request) {
    const auto x = sf::state_of<T>(request);
    const auto value = sf::value_of<T>(request);
    for (std::int64_t i = 0; i < x.rows(); ++i) {
      for (std::int64_t j = 0; j < x.columns(); ++j) value.row(i)[j] = -x.row(i)[j];
    }
  };
  sf::set_function(decay, minus_x);
  std::int64_t finished = 0;
  const auto progress = [&](std::int64_t done, std::int64_t) { return finished = done, 0; };
  sf::set_progress(params, progress);
  std::vector<T> x = this->x;
  sf::ode_result result;
  sf::ode_solve(this->context, decay, params, strided(x), {}, &result);
  EXPECT_NEAR(x[1], this->x[1] * std::exp(-1.), 1e-4);
  EXPECT_EQ(finished, kM);
  EXPECT_EQ(result.failed, 0);

  sf::field flow;  // of a KDE
  flow.kind = SCF_FIELD_KDE;
  flow.kde = this->kde;
  flow.base_bandwidth = .5;
  params.progress = nullptr;
  params.solver = SCF_ODE_RK4;
  params.steps = 8;
  std::vector<double> of_row(kM), by_c(kM);
  this->expect_same(
      "ode_encode",
      [&](std::vector<T>& out) {
        sf::ode_encode(this->context, flow, params, strided(this->x), strided(out), of_row);
      },
      [&](T* out) {
        scf_ode_result told = sf::ode_result();
        return OF(ode_encode)(this->context, &flow, &params, this->x.data(), kM, kD, kLd, out, kLd,
                              by_c.data(), &told, nullptr);
      });
  EXPECT_EQ(of_row, by_c);
  this->expect_same(
      "ode_decode",
      [&](std::vector<T>& out) {
        sf::ode_decode(this->context, flow, params, strided(this->x), strided(out));
      },
      [&](T* out) {
        return OF(ode_decode)(this->context, &flow, &params, this->x.data(), kM, kD, kLd, out, kLd,
                              nullptr, nullptr);
      });
  std::vector<T> output_gradients(2 * kM * kD, T{1});
  sf::adjoint_params adjoint;
  adjoint.output_gradients = output_gradients.data();
  this->expect_same(
      "ode_adjoint",
      [&](std::vector<T>& out) {
        sf::ode_adjoint(this->context, flow, params, adjoint, strided(this->x), strided(out));
      },
      [&](T* out) {
        return OF(ode_adjoint)(this->context, &flow, &params, &adjoint, this->x.data(), kM, kD, kLd,
                               out, kLd, nullptr, nullptr);
      });
  sf::local_variance_params of_map;
  of_map.epsilon = .01;
  sf::ode_local_variance(this->context, flow, params, of_map, strided(this->x), of_row);
  EXPECT_GT(of_row[0], 0);
  params.trace = SCF_TRACE_EXACT;
  sf::likelihood_result likelihood;
  sf::ode_log_likelihood(this->context, flow, params, nullptr, strided(this->x), of_row,
                         &likelihood);
  EXPECT_NE(likelihood.mean_log_density, 0);
}

}  // namespace
