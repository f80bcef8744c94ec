// A host engine's allocators: everything through them, every byte given back with the size it was
// asked for, and their refusal is OUT_OF_MEMORY.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <vector>

#include "handles.h"
#include "support/device.h"

namespace {

using scf::core_test::ContextHandle;
using scf::core_test::create_context;
using scf::core_test::default_context_params;
using scf::core_test::default_query_params;
using scf::core_test::KdeHandle;
using scf::core_test::no_outputs;

// Counts blocks by address and size. The library may call from any of its threads.
class Ledger {
 public:
  void add(void* pointer, std::size_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_TRUE(live_.emplace(pointer, size).second) << "handed out twice";
    ++allocations_;
    largest_ = std::max(largest_, size);
  }
  void remove(void* pointer, std::size_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = live_.find(pointer);
    ASSERT_NE(found, live_.end()) << "freed, but never allocated";
    EXPECT_EQ(found->second, size) << "freed with another size";
    live_.erase(found);
  }
  [[nodiscard]] bool refuses() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return allocations_ >= limit_;
  }
  void set_limit(int limit) { limit_ = limit; }
  [[nodiscard]] int allocations() const { return allocations_; }
  [[nodiscard]] std::size_t largest() const { return largest_; }
  [[nodiscard]] std::size_t live() const { return live_.size(); }

 private:
  std::mutex mutex_;
  std::map<void*, std::size_t> live_;
  int allocations_ = 0;
  int limit_ = 1 << 30;
  std::size_t largest_ = 0;
};

void* count_host_allocate(void* user, std::size_t size, std::size_t alignment) {
  auto* ledger = static_cast<Ledger*>(user);
  EXPECT_GT(size, 0u);
  EXPECT_LE(alignment, 256u);
  EXPECT_EQ(alignment & (alignment - 1), 0u);
  if (ledger->refuses()) {
    return nullptr;
  }
  void* pointer = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  ledger->add(pointer, size);
  return pointer;
}

void count_host_free(void* user, void* pointer, std::size_t size) {
  static_cast<Ledger*>(user)->remove(pointer, size);
  std::free(pointer);
}

scf_context_params counting_params(Ledger& ledger) {
  scf_context_params params = default_context_params();
  params.allocator_user = &ledger;
  params.host_allocate = count_host_allocate;
  params.host_free = count_host_free;
  return params;
}

scf_kde* create_kde(scf_context* context, std::int64_t n, std::int64_t d) {
  std::vector<float> data(static_cast<std::size_t>(n * d));
  for (std::size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<float>(i % 37);
  }
  scf_kde* kde = nullptr;
  EXPECT_EQ(scf_kde_create_f32(context, data.data(), n, d, d, nullptr, nullptr, &kde), SCF_SUCCESS)
      << scf_last_error();
  return kde;
}

TEST(Allocators, AreCalledAndBalanced) {
  Ledger ledger;
  {
    const ContextHandle context = create_context(counting_params(ledger));
    void* pointer = nullptr;
    ASSERT_EQ(scf_allocate(context.get(), 1000, nullptr, &pointer), SCF_SUCCESS);
    EXPECT_EQ(ledger.live(), 1u);
    EXPECT_GE(ledger.largest(), 1000u);
    EXPECT_EQ(scf_free(context.get(), pointer, nullptr), SCF_SUCCESS);
    EXPECT_EQ(ledger.live(), 0u);
    ASSERT_EQ(scf_allocate(context.get(), 64, nullptr, &pointer), SCF_SUCCESS);
  }
  EXPECT_EQ(ledger.live(), 0u) << "destroying a context frees what is left";
}

// The data of a prepared dataset lies in the engine's memory, also after the context has gone.
TEST(Allocators, HoldThePreparedData) {
  Ledger ledger;
  ContextHandle context = create_context(counting_params(ledger));
  KdeHandle kde(create_kde(context.get(), 500, 20));
  EXPECT_GE(ledger.largest(), 500 * 20 * sizeof(float));
  context.reset();
  EXPECT_GE(ledger.live(), 1u);
  kde.reset();
  EXPECT_EQ(ledger.live(), 0u);
}

TEST(Allocators, AreNotCalledByAnEvaluation) {
  Ledger ledger;
  const ContextHandle context = create_context(counting_params(ledger));
  const KdeHandle kde(create_kde(context.get(), 300, 5));
  const std::vector<float> x(100 * 5, 1.0F);
  std::vector<float> score(100 * 5);
  scf_kde_query_params params = default_query_params();
  params.bandwidth = 2;
  scf_kde_outputs outputs = no_outputs();
  outputs.score = score.data();
  outputs.ld_score = 5;
  std::size_t bytes = 0;
  ASSERT_EQ(scf_kde_evaluate_workspace(context.get(), kde.get(), 100, &params, &outputs, &bytes),
            SCF_SUCCESS);
  void* workspace = nullptr;
  ASSERT_EQ(scf_allocate(context.get(), bytes, nullptr, &workspace), SCF_SUCCESS);
  const int before = ledger.allocations();
  ASSERT_EQ(scf_kde_evaluate_f32(context.get(), kde.get(), x.data(), 100, 5, &params, &outputs,
                                 workspace, bytes, nullptr),
            SCF_SUCCESS)
      << scf_last_error();
  EXPECT_EQ(ledger.allocations(), before);
}

// Whichever allocation it is that fails, the call says so and gives the others back.
TEST(Allocators, RefusalIsOutOfMemory) {
  Ledger counting;
  {
    const ContextHandle context = create_context(counting_params(counting));
    const KdeHandle kde(create_kde(context.get(), 200, 9));
  }
  ASSERT_GE(counting.allocations(), 1);
  for (int limit = 0; limit < counting.allocations(); ++limit) {
    Ledger ledger;
    ledger.set_limit(limit);
    const ContextHandle context = create_context(counting_params(ledger));
    const std::vector<float> data(200 * 9, 1.0F);
    scf_kde* kde = nullptr;
    EXPECT_EQ(scf_kde_create_f32(context.get(), data.data(), 200, 9, 9, nullptr, nullptr, &kde),
              SCF_ERROR_OUT_OF_MEMORY);
    EXPECT_EQ(kde, nullptr);
    EXPECT_EQ(ledger.live(), 0u);
  }
}

// ---- Device allocators: the memory below them comes from a second context ----------------------

struct DeviceEngine {
  Ledger ledger;
  ContextHandle memory;
};

void* count_device_allocate(void* user, std::size_t size, void* stream) {
  auto* engine = static_cast<DeviceEngine*>(user);
  void* pointer = nullptr;
  if (engine->ledger.refuses() ||
      scf_allocate(engine->memory.get(), size, stream, &pointer) != SCF_SUCCESS) {
    return nullptr;
  }
  engine->ledger.add(pointer, size);
  return pointer;
}

void count_device_free(void* user, void* pointer, std::size_t size, void* stream) {
  auto* engine = static_cast<DeviceEngine*>(user);
  engine->ledger.remove(pointer, size);
  EXPECT_EQ(scf_free(engine->memory.get(), pointer, stream), SCF_SUCCESS) << scf_last_error();
}

struct CudaCase {
  scf::test::Backend backend;
};
class DeviceAllocators : public scf::test::OnBackend<CudaCase> {};

TEST_P(DeviceAllocators, AreCalledAndBalanced) {
  DeviceEngine engine;
  scf_context_params params = default_context_params();
  params.backend = SCF_BACKEND_CUDA;
  engine.memory = create_context(params);
  params.allocator_user = &engine;
  params.device_allocate = count_device_allocate;
  params.device_free = count_device_free;
  {
    const ContextHandle context = create_context(params);
    void* data = nullptr;
    ASSERT_EQ(scf_allocate(context.get(), 300 * sizeof(float), nullptr, &data), SCF_SUCCESS);
    EXPECT_EQ(engine.ledger.live(), 1u);
    const std::vector<float> values(300, 1.5F);
    ASSERT_EQ(scf_copy(context.get(), data, values.data(), 300 * sizeof(float),
                       SCF_COPY_HOST_TO_DEVICE, nullptr),
              SCF_SUCCESS);
    scf_kde* raw = nullptr;
    ASSERT_EQ(scf_kde_create_f32(context.get(), static_cast<float*>(data), 100, 3, 3, nullptr,
                                 nullptr, &raw),
              SCF_SUCCESS)
        << scf_last_error();
    const KdeHandle kde(raw);
    EXPECT_GE(engine.ledger.live(), 2u);
    engine.ledger.set_limit(0);
    void* more = nullptr;
    EXPECT_EQ(scf_allocate(context.get(), 8, nullptr, &more), SCF_ERROR_OUT_OF_MEMORY);
  }
  EXPECT_EQ(engine.ledger.live(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Backends, DeviceAllocators,
                         ::testing::Values(CudaCase{scf::test::Backend::kCuda}),
                         [](const auto&) { return "cuda"; });

}  // namespace
