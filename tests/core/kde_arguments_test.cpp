// Every argument check of the KDE's C functions: each refusal names its argument, its bound and its
// value, and writes nothing.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "handles.h"

namespace {

using scf::core_test::ContextHandle;
using scf::core_test::create_context;
using scf::core_test::default_query_params;
using scf::core_test::KdeHandle;
using scf::core_test::no_gradients;
using scf::core_test::no_outputs;

constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

void expect_refusal(scf_status status, const std::string& message,
                    scf_status expected = SCF_ERROR_INVALID_ARGUMENT) {
  EXPECT_EQ(status, expected) << message;
  EXPECT_NE(std::string(scf_last_error()).find(message), std::string::npos)
      << "expected \"" << message << "\", got \"" << scf_last_error() << "\"";
}

// ---- Creation ----------------------------------------------------------------------------------

class KdeCreate : public ::testing::Test {
 protected:
  struct Arguments {
    const float* data;
    std::int64_t n = 2;
    std::int64_t d = 3;
    std::int64_t ld = 3;
    scf_kde_params params;
  };

  void expect_refused(const std::string& message, const std::function<void(Arguments&)>& spoil,
                      scf_status expected = SCF_ERROR_INVALID_ARGUMENT) {
    Arguments arguments{data_, 2, 3, 3, {}};
    ASSERT_EQ(scf_kde_params_init(&arguments.params, sizeof arguments.params), SCF_SUCCESS);
    spoil(arguments);
    int here = 0;
    auto* kde = reinterpret_cast<scf_kde*>(&here);
    expect_refusal(scf_kde_create_f32(context_.get(), arguments.data, arguments.n, arguments.d,
                                      arguments.ld, &arguments.params, nullptr, &kde),
                   message, expected);
    EXPECT_EQ(kde, nullptr) << message;
  }

  const ContextHandle context_ = create_context();
  float data_[6] = {0, 1, 2, 3, 4, 5};
};

TEST_F(KdeCreate, RefusesBadSizesAndPointers) {
  expect_refused("n must be >= 1, got 0", [](Arguments& a) { a.n = 0; });
  expect_refused("n must be >= 1, got -5", [](Arguments& a) { a.n = -5; });
  expect_refused("d must be >= 1, got 0", [](Arguments& a) { a.d = 0; });
  expect_refused("ld must be >= d = 3, got 2", [](Arguments& a) { a.ld = 2; });
  expect_refused("data must not be NULL", [](Arguments& a) { a.data = nullptr; });
  expect_refused("data must be aligned to 4 bytes", [](Arguments& a) {
    a.data = reinterpret_cast<const float*>(reinterpret_cast<const char*>(a.data) + 1);
  });
  expect_refused("params.reserved must be 0, got 9", [](Arguments& a) { a.params.reserved = 9; });
  expect_refused("params.struct_size", [](Arguments& a) { a.params.struct_size = 3; });
}

// Sizes whose product wraps around 64 bits must not be taken for small ones.
TEST_F(KdeCreate, RefusesSizesBeyondTheAddressSpace) {
  const std::string message = "data must fit the address space";
  expect_refused(message, [](Arguments& a) { a.n = kHuge; });
  expect_refused(message, [](Arguments& a) { a.ld = kHuge; });
  expect_refused(message, [](Arguments& a) { a.d = a.ld = kHuge; });
  expect_refused(message, [](Arguments& a) { a.n = a.ld = std::int64_t{1} << 32; });
  expect_refused(message, [](Arguments& a) { a.n = a.ld = std::int64_t{1} << 31; });
}

TEST_F(KdeCreate, RefusesBadValues) {
  data_[4] = NAN;
  expect_refused("data", [](Arguments&) {});
  data_[4] = -std::numeric_limits<float>::infinity();
  expect_refused("data", [](Arguments&) {});
  data_[4] = 4;
  const float negative[] = {1, -1};
  expect_refused("weight", [&](Arguments& a) { a.params.weights = negative; });
  const float infinite[] = {1, std::numeric_limits<float>::infinity()};
  expect_refused("weight", [&](Arguments& a) { a.params.weights = infinite; });
  const float zeros[] = {0, 0};
  expect_refused("weight", [&](Arguments& a) { a.params.weights = zeros; });
  const std::int32_t labels[] = {1, SCF_KDE_ANY_LABEL};
  expect_refused("label", [&](Arguments& a) { a.params.labels = labels; });
}

TEST_F(KdeCreate, RefusesMissingHandles) {
  scf_kde* kde = nullptr;
  expect_refusal(scf_kde_create_f32(nullptr, data_, 2, 3, 3, nullptr, nullptr, &kde),
                 "context must not be NULL");
  expect_refusal(scf_kde_create_f32(context_.get(), data_, 2, 3, 3, nullptr, nullptr, nullptr),
                 "kde must not be NULL");
  expect_refusal(scf_kde_create_f32(context_.get(), data_, 2, 3, 3, nullptr, data_, &kde),
                 "stream must be NULL on a CPU context");
}

// ---- Evaluation --------------------------------------------------------------------------------

// A well-formed call with every input and output; tests spoil one argument of it.
class KdeEvaluate : public ::testing::Test {
 protected:
  static constexpr std::int64_t kM = 4;
  static constexpr std::int64_t kD = 2;

  void SetUp() override {
    const std::vector<double> data = {0, 0, 1, 1, 2, 0};
    scf_kde* raw = nullptr;
    ASSERT_EQ(scf_kde_create_f64(context_.get(), data.data(), 3, kD, kD, nullptr, nullptr, &raw),
              SCF_SUCCESS)
        << scf_last_error();
    kde_.reset(raw);
    params_ = default_query_params();
    params_.bandwidth = 1;
    params_.top = 2;
    params_.tangent = tangent_.data();
    params_.ld_tangent = kD;
    outputs_ = no_outputs();
    outputs_.log_density = log_density_.data();
    outputs_.score = score_.data();
    outputs_.ld_score = kD;
    outputs_.jacobian_product = jacobian_product_.data();
    outputs_.ld_jacobian_product = kD;
    outputs_.top_indices = top_indices_.data();
    outputs_.top_weights = top_weights_.data();
    ASSERT_EQ(scf_kde_evaluate_workspace(context_.get(), kde_.get(), kM, &params_, &outputs_,
                                         &workspace_bytes_),
              SCF_SUCCESS)
        << scf_last_error();
    ASSERT_GT(workspace_bytes_, 0u);
    ASSERT_EQ(scf_allocate(context_.get(), workspace_bytes_ + 256, nullptr, &workspace_),
              SCF_SUCCESS);
  }

  scf_status evaluate() {
    return scf_kde_evaluate_f64(context_.get(), kde_.get(), x_, m_, ldx_, &params_, &outputs_,
                                workspace_, workspace_bytes_, stream_);
  }

  void expect_refused(const std::string& message,
                      scf_status expected = SCF_ERROR_INVALID_ARGUMENT) {
    expect_refusal(evaluate(), message, expected);
    EXPECT_EQ(log_density_, std::vector<double>(kM, -77)) << message << ": has written";
    EXPECT_EQ(score_, std::vector<double>(kM * kD, -77)) << message << ": has written";
  }

  // The same refusal from the workspace function, which sees the same params and outputs.
  void expect_refused_by_both(const std::string& message) {
    expect_refused(message);
    std::size_t bytes = 12345;
    expect_refusal(
        scf_kde_evaluate_workspace(context_.get(), kde_.get(), m_, &params_, &outputs_, &bytes),
        message);
    EXPECT_EQ(bytes, 12345u);
  }

  const ContextHandle context_ = create_context();
  KdeHandle kde_;
  std::vector<double> queries_ = {0, 1, 2, 3, 4, 5, 6, 7};
  const double* x_ = queries_.data();
  std::int64_t m_ = kM;
  std::int64_t ldx_ = kD;
  std::vector<double> tangent_ = std::vector<double>(kM * kD, 1);
  std::vector<double> log_density_ = std::vector<double>(kM, -77);
  std::vector<double> score_ = std::vector<double>(kM * kD, -77);
  std::vector<double> jacobian_product_ = std::vector<double>(kM * kD, -77);
  std::vector<std::int64_t> top_indices_ = std::vector<std::int64_t>(kM * 2, -77);
  std::vector<double> top_weights_ = std::vector<double>(kM * 2, -77);
  scf_kde_query_params params_;
  scf_kde_outputs outputs_;
  std::size_t workspace_bytes_ = 0;
  void* workspace_ = nullptr;
  void* stream_ = nullptr;
};

TEST_F(KdeEvaluate, TheCallThatTheOthersSpoilIsRight) {
  ASSERT_EQ(evaluate(), SCF_SUCCESS) << scf_last_error();
  EXPECT_TRUE(std::isfinite(log_density_[3]));
  EXPECT_NE(log_density_[3], -77);
}

TEST_F(KdeEvaluate, RefusesBadScalars) {
  for (const auto& [bandwidth, message] : std::vector<std::pair<double, std::string>>{
           {NAN, "bandwidth must be > 0, got nan"},
           {0, "bandwidth must be > 0, got 0"},
           {-1.5, "bandwidth must be > 0, got -1.5"},
           {-kInfinity, "bandwidth must be > 0, got -inf"},
           {kInfinity, "bandwidth must be finite, got inf"}}) {
    params_.bandwidth = bandwidth;
    expect_refused_by_both(message);
  }
  params_.bandwidth = 1;
  params_.signal_scale = NAN;
  expect_refused_by_both("signal_scale must be > 0, got nan");
  params_.signal_scale = 0;
  expect_refused_by_both("signal_scale must be > 0, got 0");
  params_.signal_scale = 1;
  params_.top = 65;
  expect_refused_by_both("top must be in [0, 64], got 65");
  params_.top = -1;
  expect_refused_by_both("top must be in [0, 64], got -1");
  params_.top = 0;
  expect_refused_by_both("top must be >= 1 where top_indices or top_weights is asked for, got 0");
}

// A bandwidth that bandwidths overrides need not be set, but those given count.
TEST_F(KdeEvaluate, ArraysReplaceScalars) {
  const std::vector<double> good(kM, 1);
  params_.bandwidth = NAN;
  params_.bandwidths = good.data();
  params_.signal_scale = -1;
  params_.signal_scales = good.data();
  EXPECT_EQ(evaluate(), SCF_SUCCESS) << scf_last_error();
}

TEST_F(KdeEvaluate, RefusesBadArrays) {
  for (const double bad : {double{NAN}, 0.0, -2.0, kInfinity}) {
    const std::vector<double> values = {1, 1, bad, 1};
    params_.bandwidths = values.data();
    expect_refused("bandwidths[2]");
    params_.bandwidths = nullptr;
    params_.signal_scales = values.data();
    expect_refused("signal_scales[2]");
    params_.signal_scales = nullptr;
  }
  for (const std::int64_t bad : {std::int64_t{3}, std::int64_t{-2}, kHuge}) {
    const std::vector<std::int64_t> skip = {0, -1, 1, bad};
    params_.skip = skip.data();
    expect_refused("skip[3]");
    params_.skip = nullptr;
  }
  const std::vector<std::int32_t> labels = {SCF_KDE_ANY_LABEL, 7, 0, 0};
  params_.labels = labels.data();
  expect_refused("labels[1]");
}

TEST_F(KdeEvaluate, RefusesBadSizes) {
  m_ = -1;
  expect_refused_by_both("m must be >= 0, got -1");
  m_ = kHuge;
  expect_refused_by_both("must fit the address space");
  m_ = kM;
  ldx_ = 1;
  expect_refused("ldx must be >= d = 2, got 1");
  ldx_ = kHuge;
  expect_refused("x must fit the address space");
  ldx_ = kD;
  outputs_.ld_score = 1;
  expect_refused_by_both("ld_score must be >= d = 2, got 1");
  outputs_.ld_score = kD;
  params_.ld_tangent = 0;
  expect_refused_by_both("ld_tangent must be >= d = 2, got 0");
  params_.ld_tangent = kD;
  outputs_.ld_jacobian_product = -1;
  expect_refused_by_both("ld_jacobian_product must be >= d = 2, got -1");
  outputs_.ld_jacobian_product = kD;
  outputs_.reserved = 1;
  expect_refused_by_both("outputs.reserved must be 0, got 1");
}

// Densities in f32 alone fit where the workspace's own lists, of two int64 a query, do not.
TEST_F(KdeEvaluate, RefusesAWorkspaceBeyondTheAddressSpace) {
  const float data[] = {0, 1};
  scf_kde* raw = nullptr;
  ASSERT_EQ(scf_kde_create_f32(context_.get(), data, 2, 1, 1, nullptr, nullptr, &raw), SCF_SUCCESS);
  kde_.reset(raw);
  outputs_ = no_outputs();
  outputs_.log_density = log_density_.data();
  params_.tangent = nullptr;
  std::size_t bytes = 12345;
  for (const int power : {59, 60}) {
    const std::int64_t m = std::int64_t{1} << power;
    expect_refusal(
        scf_kde_evaluate_workspace(context_.get(), kde_.get(), m, &params_, &outputs_, &bytes),
        "workspace must fit the address space, got " + std::to_string(m) + " rows");
  }
  EXPECT_EQ(bytes, 12345u);
}

TEST_F(KdeEvaluate, RefusesBadPointers) {
  x_ = nullptr;
  expect_refused("x must not be NULL");
  x_ = reinterpret_cast<const double*>(reinterpret_cast<const char*>(queries_.data()) + 4);
  expect_refused("x must be aligned to 8 bytes");
  x_ = queries_.data();
  outputs_.score = reinterpret_cast<char*>(score_.data()) + 2;
  expect_refused_by_both("score must be aligned to 8 bytes");
  outputs_.score = score_.data();
  params_.tangent = nullptr;
  expect_refused_by_both("tangent must not be NULL where jacobian_product is asked for");
  stream_ = &m_;
  expect_refused("stream must be NULL on a CPU context");
}

TEST_F(KdeEvaluate, RefusesOverlap) {
  outputs_.log_density = queries_.data();
  expect_refused("log_density must not overlap x");
  outputs_.log_density = log_density_.data();
  outputs_.log_density = queries_.data() + 4;
  expect_refused("log_density must not overlap x");
  outputs_.log_density = log_density_.data();
  outputs_.score = queries_.data();
  expect_refused("score must not overlap x");
  outputs_.score = tangent_.data();
  expect_refused("score must not overlap tangent");
  outputs_.score = score_.data();
  outputs_.jacobian_product = score_.data();
  expect_refused("jacobian_product must not overlap score");
  outputs_.jacobian_product = jacobian_product_.data();
  outputs_.log_density = workspace_;
  expect_refused("workspace must not overlap log_density");
}

// Two outputs as column ranges of one matrix interleave; they do not overlap.
TEST_F(KdeEvaluate, TakesInterleavedOutputs) {
  std::vector<double> both(kM * 2 * kD, -77);
  outputs_.score = both.data();
  outputs_.ld_score = 2 * kD;
  outputs_.jacobian_product = both.data() + kD;
  outputs_.ld_jacobian_product = 2 * kD;
  EXPECT_EQ(evaluate(), SCF_SUCCESS) << scf_last_error();
  for (const double value : both) {
    EXPECT_NE(value, -77);
  }
  log_density_.assign(kM, -77);
  outputs_.jacobian_product = both.data() + kD - 1;
  expect_refused("jacobian_product must not overlap score");
}

TEST_F(KdeEvaluate, RefusesBadWorkspaces) {
  const std::size_t enough = workspace_bytes_;
  workspace_bytes_ = enough - 1;
  expect_refused("workspace_bytes must be >= " + std::to_string(enough) + ", got " +
                     std::to_string(enough - 1),
                 SCF_ERROR_WORKSPACE_TOO_SMALL);
  workspace_bytes_ = 0;
  expect_refused("workspace_bytes must be >=", SCF_ERROR_WORKSPACE_TOO_SMALL);
  workspace_bytes_ = enough;
  void* const aligned = workspace_;
  workspace_ = static_cast<char*>(aligned) + 128;
  expect_refused("workspace must be aligned to 256 bytes");
  workspace_ = nullptr;
  expect_refused("workspace must not be NULL");
}

TEST_F(KdeEvaluate, RefusesAnotherDtype) {
  const std::vector<float> x(kM * kD, 0);
  expect_refusal(scf_kde_evaluate_f32(context_.get(), kde_.get(), x.data(), kM, kD, &params_,
                                      &outputs_, workspace_, workspace_bytes_, nullptr),
                 "kde must be of the function's dtype, f32, got f64");
}

TEST_F(KdeEvaluate, RefusesMissingHandles) {
  expect_refusal(scf_kde_evaluate_f64(nullptr, kde_.get(), x_, kM, kD, &params_, &outputs_,
                                      workspace_, workspace_bytes_, nullptr),
                 "context must not be NULL");
  expect_refusal(scf_kde_evaluate_f64(context_.get(), nullptr, x_, kM, kD, &params_, &outputs_,
                                      workspace_, workspace_bytes_, nullptr),
                 "kde must not be NULL");
  expect_refusal(scf_kde_evaluate_f64(context_.get(), kde_.get(), x_, kM, kD, &params_, nullptr,
                                      workspace_, workspace_bytes_, nullptr),
                 "outputs must not be NULL");
  expect_refusal(
      scf_kde_evaluate_workspace(context_.get(), kde_.get(), kM, &params_, &outputs_, nullptr),
      "bytes must not be NULL");
}

TEST_F(KdeEvaluate, NoQueriesIsNoWork) {
  m_ = 0;
  x_ = nullptr;
  workspace_ = nullptr;
  workspace_bytes_ = 0;
  std::size_t bytes = 12345;
  EXPECT_EQ(scf_kde_evaluate_workspace(context_.get(), kde_.get(), 0, &params_, &outputs_, &bytes),
            SCF_SUCCESS);
  EXPECT_EQ(bytes, 0u);
  EXPECT_EQ(evaluate(), SCF_SUCCESS) << scf_last_error();
  EXPECT_EQ(log_density_, std::vector<double>(kM, -77));
  params_.bandwidth = NAN;
  expect_refused("bandwidth must be > 0, got nan");
}

TEST_F(KdeEvaluate, NoOutputsIsFine) {
  outputs_ = no_outputs();
  EXPECT_EQ(evaluate(), SCF_SUCCESS) << scf_last_error();
}

// ---- Gradients ---------------------------------------------------------------------------------

class KdeGradient : public KdeEvaluate {
 protected:
  void SetUp() override {
    KdeEvaluate::SetUp();
    gradients_ = no_gradients();
    gradients_.score_weights = weights_.data();
    gradients_.ld_score_weights = kD;
    gradients_.data = data_gradient_.data();
    gradients_.ld_data = kD;
    ASSERT_EQ(scf_kde_gradient_workspace(context_.get(), kde_.get(), kM, &params_, &gradients_,
                                         &workspace_bytes_),
              SCF_SUCCESS)
        << scf_last_error();
    ASSERT_EQ(scf_allocate(context_.get(), workspace_bytes_ + 256, nullptr, &workspace_),
              SCF_SUCCESS);
  }

  void expect_refused(const std::string& message,
                      scf_status expected = SCF_ERROR_INVALID_ARGUMENT) {
    expect_refusal(scf_kde_gradient_f64(context_.get(), kde_.get(), x_, m_, ldx_, &params_,
                                        &gradients_, workspace_, workspace_bytes_, nullptr),
                   message, expected);
    EXPECT_EQ(data_gradient_, std::vector<double>(3 * kD, -77)) << message << ": has written";
  }

  std::vector<double> weights_ = std::vector<double>(kM * kD, 1);
  std::vector<double> data_gradient_ = std::vector<double>(3 * kD, -77);
  scf_kde_gradients gradients_;
};

TEST_F(KdeGradient, RefusesBadArguments) {
  gradients_.ld_data = 1;
  expect_refused("ld_data must be >= d = 2, got 1");
  gradients_.ld_data = kD;
  gradients_.ld_score_weights = 0;
  expect_refused("ld_score_weights must be >= d = 2, got 0");
  gradients_.ld_score_weights = kD;
  gradients_.data = weights_.data();
  expect_refused("data must not overlap score_weights");
  gradients_.data = data_gradient_.data();
  gradients_.score_weights = nullptr;
  expect_refused(
      "one of log_density_weights, score_weights, divergence_weights and quadratic_form_weights "
      "must not be NULL");
  gradients_.quadratic_form_weights = weights_.data();
  params_.tangent = nullptr;
  expect_refused("tangent must not be NULL where quadratic_form_weights is given");
  gradients_.divergence_weights = weights_.data();
  gradients_.quadratic_form_weights = nullptr;
  expect_refused("data must be NULL where divergence_weights or quadratic_form_weights is given",
                 SCF_ERROR_UNSUPPORTED);
  gradients_.divergence_weights = nullptr;
  gradients_.score_weights = weights_.data();
  gradients_.reserved = 2;
  expect_refused("gradients.reserved must be 0, got 2");
  gradients_.reserved = 0;
  params_.bandwidth = -1;
  expect_refused("bandwidth must be > 0, got -1");
  params_.bandwidth = 1;
  m_ = -2;
  expect_refused("m must be >= 0, got -2");
  m_ = kM;
  x_ = nullptr;
  expect_refused("x must not be NULL");
  x_ = queries_.data();
  if (workspace_bytes_ > 0) {
    --workspace_bytes_;
    expect_refused("workspace_bytes must be >=", SCF_ERROR_WORKSPACE_TOO_SMALL);
  }
}

TEST_F(KdeGradient, RefusesAWorkspaceBeyondTheAddressSpace) {
  gradients_ = no_gradients();
  gradients_.score_weights = weights_.data();
  gradients_.ld_score_weights = kD;
  std::size_t bytes = 12345;
  for (const int power : {56, 57, 58}) {
    expect_refusal(scf_kde_gradient_workspace(context_.get(), kde_.get(), std::int64_t{1} << power,
                                              &params_, &gradients_, &bytes),
                   "workspace must fit the address space");
  }
  EXPECT_EQ(bytes, 12345u);
}

// top and tangent of the params are the evaluation's affair: nothing about them can be wrong here.
TEST_F(KdeGradient, IgnoresTopAndTangent) {
  params_.top = -9;
  params_.ld_tangent = 0;
  EXPECT_EQ(scf_kde_gradient_f64(context_.get(), kde_.get(), x_, m_, ldx_, &params_, &gradients_,
                                 workspace_, workspace_bytes_, nullptr),
            SCF_SUCCESS)
      << scf_last_error();
}

TEST_F(KdeGradient, NoQueriesWriteZeros) {
  m_ = 0;
  EXPECT_EQ(scf_kde_gradient_f64(context_.get(), kde_.get(), nullptr, 0, ldx_, &params_,
                                 &gradients_, workspace_, workspace_bytes_, nullptr),
            SCF_SUCCESS)
      << scf_last_error();
  EXPECT_EQ(data_gradient_, std::vector<double>(3 * kD, 0));
}

}  // namespace
