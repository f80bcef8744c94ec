// The structs of the losses and their versions, and the workspace: its size, its alignment, and one
// byte too little of it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "support/errors.h"
#include "support/loss_call.h"
#include "support/loss_problem.h"
#include "support/loss_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

class LossStructs : public OnEachBackend {};

TEST_P(LossStructs, Workspace) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    for (const Loss loss : all_losses()) {
      SCOPED_TRACE(name_of(loss));
      const auto problem = normal_loss<T>(loss, 301, 3, 182);
      LossCall<T> call(context, problem);
      std::size_t bytes = 0;
      ASSERT_EQ(call.workspace_size(&bytes), SCF_SUCCESS) << scf_last_error();
      const DeviceBlock workspace(context, bytes + 256, DeviceBlock::Guards::kCanaries);
      // A loss that needs no workspace takes none.
      if (bytes > 0) {
        EXPECT_EQ(call.run_with(workspace.data(), bytes - 1), SCF_ERROR_WORKSPACE_TOO_SMALL);
        EXPECT_TRUE(message_names("workspace"));
        EXPECT_EQ(call.run_with(workspace.data(), 0), SCF_ERROR_WORKSPACE_TOO_SMALL);
        EXPECT_EQ(call.run_with(nullptr, bytes), SCF_ERROR_INVALID_ARGUMENT);
        EXPECT_TRUE(message_names("workspace"));
        for (const int off : {1, 4, 64, 128}) {
          void* shifted = static_cast<unsigned char*>(workspace.data()) + off;
          EXPECT_EQ(call.run_with(shifted, bytes), SCF_ERROR_INVALID_ARGUMENT) << off;
          EXPECT_TRUE(message_names("workspace"));
        }
        EXPECT_TRUE(call.outputs_untouched());
        EXPECT_TRUE(workspace.untouched());
      }
      EXPECT_EQ(call.run_with(workspace.data(), bytes), SCF_SUCCESS) << scf_last_error();
      EXPECT_TRUE(matches_reference(problem, call.results()));
    }
  });
}

TEST_P(LossStructs, WorkspaceSize) {
  run([](const Context& context, auto) {
    scf_loss_params params;
    require_success(scf_loss_params_init(&params, sizeof params), "scf_loss_params_init");
    std::size_t bytes = 12345;
    const auto refuses = [&](scf_context* handle, const scf_loss_params* given, std::int64_t m,
                             std::int64_t d, std::size_t* out, const char* argument) {
      EXPECT_EQ(scf_loss_workspace(handle, given, m, d, out), SCF_ERROR_INVALID_ARGUMENT);
      EXPECT_TRUE(message_names(argument));
      EXPECT_EQ(bytes, 12345u);
    };
    refuses(nullptr, &params, 4, 3, &bytes, "context");
    refuses(context.get(), nullptr, 4, 3, &bytes, "params");
    refuses(context.get(), &params, -1, 3, &bytes, "m");
    refuses(context.get(), &params, 4, 0, &bytes, "d");
    refuses(context.get(), &params, 4, INT64_MIN, &bytes, "d");
    refuses(context.get(), &params, 4, 3, nullptr, "bytes");
    params.struct_size = 4;
    refuses(context.get(), &params, 4, 3, &bytes, "struct_size");
    params.struct_size = sizeof params;
    if (context.backend() == Backend::kCpu) {  // on CUDA it does not grow with m
      refuses(context.get(), &params, std::int64_t{1} << 62, std::int64_t{1} << 40, &bytes,
              "m = 4611686018427387904, d = 1099511627776 and projections = 1");
    }
    // It grows with neither d nor, by more than a few numbers, with m.
    EXPECT_EQ(scf_loss_workspace(context.get(), &params, 1'000'000, 1000, &bytes), SCF_SUCCESS);
    EXPECT_LE(bytes, 64u * 1'000'000u);
  });
}

// A newer caller's field that is set is a wish that cannot be ignored.
TEST_P(LossStructs, ParamsOfAnotherVersion) {
  run([](const Context& context, auto tag) {
    using T = decltype(tag);
    struct Newer {
      scf_loss_params known;
      std::uint64_t unknown;
    };
    const DeviceBlock workspace(context, 1 << 20, DeviceBlock::Guards::kCanaries);
    const auto problem = normal_loss<T>(Loss::kDsm, 4, 3, 183);
    LossCall<T> call(context, problem);
    Newer newer{*call.params, 0};
    newer.known.struct_size = sizeof newer;
    call.params_pointer = &newer.known;
    EXPECT_EQ(call.run_with(workspace.data(), workspace.bytes()), SCF_SUCCESS) << scf_last_error();
    EXPECT_TRUE(matches_reference(problem, call.results()));
    newer.unknown = 1;
    LossCall<T> refused(context, problem);
    refused.params_pointer = &newer.known;
    EXPECT_EQ(refused.run_with(workspace.data(), workspace.bytes()), SCF_ERROR_UNSUPPORTED);
    EXPECT_TRUE(refused.outputs_untouched());
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, LossStructs, ::testing::ValuesIn(all_backend_cases()),
                         parameter_name<BackendCase>);

TEST(LossParams, Defaults) {
  scf_loss_params params;
  ASSERT_EQ(scf_loss_params_init(&params, sizeof params), SCF_SUCCESS);
  EXPECT_EQ(params.struct_size, sizeof params);
  EXPECT_EQ(params.form, SCF_FORM_SCORE);
  EXPECT_EQ(params.weighting, SCF_WEIGHTING_NONE);
  EXPECT_EQ(params.probe, SCF_PROBE_RADEMACHER);
  EXPECT_EQ(params.weighting_exponent, 2);
  EXPECT_TRUE(std::isnan(params.sigma));
  EXPECT_EQ(params.signal_scale, 1);
  EXPECT_TRUE(std::isnan(params.epsilon));
  EXPECT_EQ(params.projections, 1);
  EXPECT_EQ(params.variance_reduced, 0);
  EXPECT_EQ(params.per_dimension, 0);
  EXPECT_EQ(params.seed, 0u);
  EXPECT_EQ(params.offset, 0u);
  EXPECT_EQ(params.first_row, 0);
  EXPECT_EQ(params.gradient_scale, 1);
  for (const void* pointer :
       {params.weights, params.sigmas, params.signal_scales, params.noise, params.probes,
        static_cast<const void*>(params.mask), static_cast<const void*>(params.device_offset),
        static_cast<const void*>(params.status)}) {
    EXPECT_EQ(pointer, nullptr);
  }
  EXPECT_EQ(scf_loss_params_init(nullptr, sizeof params), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_loss_params_init(&params, 5), SCF_ERROR_INVALID_ARGUMENT);

  scf_loss_outputs outputs;
  ASSERT_EQ(scf_loss_outputs_init(&outputs, sizeof outputs), SCF_SUCCESS);
  EXPECT_EQ(outputs.struct_size, sizeof outputs);
  EXPECT_EQ(outputs.reserved, 0u);
  EXPECT_EQ(outputs.values, nullptr);
  EXPECT_EQ(outputs.mean, nullptr);
  EXPECT_EQ(outputs.standard_error, nullptr);
  EXPECT_EQ(scf_loss_outputs_init(nullptr, sizeof outputs), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_loss_outputs_init(&outputs, 0), SCF_ERROR_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace scf::test
