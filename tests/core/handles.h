// Owners of the C ABI's handles, for tests that look at the handles themselves.
#pragma once

#include <gtest/gtest.h>
#include <scorefield/scorefield.h>

#include <memory>

namespace scf::core_test {

struct DestroyContext {
  void operator()(scf_context* context) const { scf_context_destroy(context); }
};
using ContextHandle = std::unique_ptr<scf_context, DestroyContext>;

struct DestroyKde {
  void operator()(scf_kde* kde) const { scf_kde_destroy(kde); }
};
using KdeHandle = std::unique_ptr<scf_kde, DestroyKde>;

inline scf_context_params default_context_params() {
  scf_context_params params;
  EXPECT_EQ(scf_context_params_init(&params, sizeof params), SCF_SUCCESS);
  return params;
}

// Fails the test where the context cannot be made.
inline ContextHandle create_context(const scf_context_params& params = default_context_params()) {
  scf_context* context = nullptr;
  EXPECT_EQ(scf_context_create(&params, &context), SCF_SUCCESS) << scf_last_error();
  return ContextHandle(context);
}

inline scf_kde_query_params default_query_params() {
  scf_kde_query_params params;
  EXPECT_EQ(scf_kde_query_params_init(&params, sizeof params), SCF_SUCCESS);
  return params;
}

inline scf_kde_outputs no_outputs() {
  scf_kde_outputs outputs;
  EXPECT_EQ(scf_kde_outputs_init(&outputs, sizeof outputs), SCF_SUCCESS);
  return outputs;
}

inline scf_kde_gradients no_gradients() {
  scf_kde_gradients gradients;
  EXPECT_EQ(scf_kde_gradients_init(&gradients, sizeof gradients), SCF_SUCCESS);
  return gradients;
}

}  // namespace scf::core_test
