// The memory and stream helpers, on every backend that is there.
#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "handles.h"
#include "support/device.h"

namespace {

using scf::core_test::ContextHandle;
using scf::core_test::create_context;
using scf::core_test::default_context_params;

struct MemoryCase {
  scf::test::Backend backend;
};

class Memory : public scf::test::OnBackend<MemoryCase> {
 protected:
  ContextHandle context() const {
    scf_context_params params = default_context_params();
    params.backend = static_cast<std::int32_t>(GetParam().backend);
    return create_context(params);
  }
};

TEST_P(Memory, IsAlignedAndHoldsWhatIsCopied) {
  const ContextHandle context = this->context();
  for (const std::size_t count : {1, 63, 64, 65, 100003}) {
    std::vector<std::int32_t> source(count);
    std::iota(source.begin(), source.end(), 17);
    const std::size_t bytes = count * sizeof(source[0]);
    void* first = nullptr;
    void* second = nullptr;
    ASSERT_EQ(scf_allocate(context.get(), bytes, nullptr, &first), SCF_SUCCESS);
    ASSERT_EQ(scf_allocate(context.get(), bytes, nullptr, &second), SCF_SUCCESS);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 256, 0u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(second) % 256, 0u);
    std::vector<std::int32_t> result(count, -1);
    scf_context* c = context.get();
    EXPECT_EQ(scf_copy(c, first, source.data(), bytes, SCF_COPY_HOST_TO_DEVICE, nullptr), 0);
    EXPECT_EQ(scf_copy(c, second, first, bytes, SCF_COPY_DEVICE_TO_DEVICE, nullptr), 0);
    EXPECT_EQ(scf_copy(c, result.data(), second, bytes, SCF_COPY_DEVICE_TO_HOST, nullptr), 0);
    EXPECT_EQ(scf_stream_synchronize(c, nullptr), SCF_SUCCESS);
    EXPECT_EQ(result, source);
    EXPECT_EQ(scf_free(c, first, nullptr), SCF_SUCCESS);
    EXPECT_EQ(scf_free(c, second, nullptr), SCF_SUCCESS);
  }
}

TEST_P(Memory, NothingIsNothing) {
  const ContextHandle context = this->context();
  int here = 0;
  void* pointer = &here;
  EXPECT_EQ(scf_allocate(context.get(), 0, nullptr, &pointer), SCF_SUCCESS);
  EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(scf_free(context.get(), nullptr, nullptr), SCF_SUCCESS);
  EXPECT_EQ(scf_copy(context.get(), nullptr, nullptr, 0, SCF_COPY_HOST_TO_DEVICE, nullptr),
            SCF_SUCCESS);
}

TEST_P(Memory, TooMuchIsOutOfMemory) {
  const ContextHandle context = this->context();
  for (const std::size_t bytes : {SIZE_MAX, SIZE_MAX / 2, std::size_t{1} << 60}) {
    void* pointer = nullptr;
    EXPECT_EQ(scf_allocate(context.get(), bytes, nullptr, &pointer), SCF_ERROR_OUT_OF_MEMORY)
        << bytes;
    EXPECT_EQ(pointer, nullptr);
  }
}

TEST_P(Memory, FreesOnceAndOnlyItsOwn) {
  const ContextHandle context = this->context();
  const ContextHandle other = this->context();
  void* pointer = nullptr;
  ASSERT_EQ(scf_allocate(context.get(), 100, nullptr, &pointer), SCF_SUCCESS);
  EXPECT_EQ(scf_free(other.get(), pointer, nullptr), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_free(context.get(), pointer, nullptr), SCF_SUCCESS);
  EXPECT_EQ(scf_free(context.get(), pointer, nullptr), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(scf_last_error()).find("scf_allocate of the same context"),
            std::string::npos);
}

TEST_P(Memory, RefusesBadArguments) {
  const ContextHandle context = this->context();
  char from[8] = {};
  char to[8] = {};
  void* pointer = nullptr;
  EXPECT_EQ(scf_allocate(nullptr, 1, nullptr, &pointer), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_allocate(context.get(), 1, nullptr, nullptr), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_free(nullptr, to, nullptr), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_copy(context.get(), to, from, 8, 3, nullptr), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_copy(context.get(), to, from, 8, -1, nullptr), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_copy(context.get(), nullptr, from, 8, 0, nullptr), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_copy(context.get(), to, nullptr, 8, 0, nullptr), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_stream_create(context.get(), nullptr), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(scf_stream_synchronize(nullptr, nullptr), SCF_ERROR_INVALID_ARGUMENT);
}

TEST_P(Memory, CopyRefusesOverlap) {
  const ContextHandle context = this->context();
  void* pointer = nullptr;
  ASSERT_EQ(scf_allocate(context.get(), 512, nullptr, &pointer), SCF_SUCCESS);
  auto* bytes = static_cast<char*>(pointer);
  scf_context* c = context.get();
  EXPECT_EQ(scf_copy(c, bytes, bytes + 256, 257, SCF_COPY_DEVICE_TO_DEVICE, nullptr),
            SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(scf_last_error(), "destination must not overlap source");
  EXPECT_EQ(scf_copy(c, bytes, bytes + 256, 256, SCF_COPY_DEVICE_TO_DEVICE, nullptr), SCF_SUCCESS);
}

TEST_P(Memory, CopyRefusesMoreThanTheAddressSpace) {
  const ContextHandle context = this->context();
  char from[8] = {};
  char to[8] = {};
  EXPECT_EQ(scf_copy(context.get(), to, from, SIZE_MAX, SCF_COPY_HOST_TO_DEVICE, nullptr),
            SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(std::string(scf_last_error()),
            "bytes must fit the address space, got " + std::to_string(SIZE_MAX));
}

TEST_P(Memory, StreamsAreThereOnCudaAlone) {
  const ContextHandle context = this->context();
  int here = 0;
  void* stream = &here;
  ASSERT_EQ(scf_stream_create(context.get(), &stream), SCF_SUCCESS) << scf_last_error();
  EXPECT_EQ(stream == nullptr, GetParam().backend == scf::test::Backend::kCpu);
  void* pointer = nullptr;
  EXPECT_EQ(scf_allocate(context.get(), 64, stream, &pointer), SCF_SUCCESS);
  EXPECT_EQ(scf_free(context.get(), pointer, stream), SCF_SUCCESS);
  EXPECT_EQ(scf_stream_synchronize(context.get(), stream), SCF_SUCCESS);
  EXPECT_EQ(scf_stream_destroy(context.get(), stream), SCF_SUCCESS);
}

INSTANTIATE_TEST_SUITE_P(Backends, Memory,
                         ::testing::Values(MemoryCase{scf::test::Backend::kCpu},
                                           MemoryCase{scf::test::Backend::kCuda}),
                         [](const auto& tested) {
                           return scf::test::name_of(tested.param.backend);
                         });

TEST(Streams, ACpuContextTakesNone) {
  const ContextHandle context = create_context();
  int here = 0;
  EXPECT_EQ(scf_stream_synchronize(context.get(), &here), SCF_ERROR_INVALID_ARGUMENT);
  EXPECT_STREQ(scf_last_error(), "stream must be NULL on a CPU context");
  EXPECT_EQ(scf_stream_destroy(context.get(), &here), SCF_ERROR_INVALID_ARGUMENT);
  void* pointer = nullptr;
  EXPECT_EQ(scf_allocate(context.get(), 8, &here, &pointer), SCF_ERROR_INVALID_ARGUMENT);
}

}  // namespace
