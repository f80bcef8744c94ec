// The library can be loaded and let go of while its threads live: plugins and foreign runtimes do.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <scorefield/scorefield.h>

#include <chrono>
#include <thread>
#include <vector>

namespace {

template <class Function>
Function* function(void* library, const char* name) {
  auto* const found = reinterpret_cast<Function*>(dlsym(library, name));
  EXPECT_NE(found, nullptr) << name;
  return found;
}

TEST(Unload, AfterWorkOnSeveralThreads) {
  for (int round = 0; round < 2; ++round) {
    void* const library = dlopen(SCF_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << dlerror();
    scf_context* context = nullptr;
    scf_context_params params;
    ASSERT_EQ(function<decltype(scf_context_params_init)>(library, "scf_context_params_init")(
                  &params, sizeof params),
              SCF_SUCCESS);
    params.threads = 2;
    ASSERT_EQ(
        function<decltype(scf_context_create)>(library, "scf_context_create")(&params, &context),
        SCF_SUCCESS);
    std::vector<float> numbers(1 << 20);
    EXPECT_EQ(function<decltype(scf_random_normal_f32)>(library, "scf_random_normal_f32")(
                  context, nullptr, 1 << 10, 1 << 10, numbers.data(), 1 << 10, nullptr),
              SCF_SUCCESS);
    function<decltype(scf_context_destroy)>(library, "scf_context_destroy")(context);
    EXPECT_EQ(dlclose(library), 0);
    // Threads of the pool that still run must find their code.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace
