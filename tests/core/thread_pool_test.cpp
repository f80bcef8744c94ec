// The loops below every CPU kernel: each index once, thread numbers in range and never shared at a
// time, exceptions to the caller.
#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "common/cpu_context.h"

namespace {

using scf::CpuContext;

class Loops : public ::testing::TestWithParam<int> {
 protected:
  const CpuContext context_{GetParam(), nullptr, {}};
};

TEST_P(Loops, VisitEachIndexOnce) {
  for (const std::int64_t count : {0, 1, 2, 3, 100, 4001}) {
    std::vector<int> visits(static_cast<std::size_t>(count), 0);
    context_.parallel_for(count, [&](std::int64_t index, int thread) {
      EXPECT_GE(thread, 0);
      EXPECT_LT(thread, context_.threads());
      ++visits[static_cast<std::size_t>(index)];
    });
    EXPECT_EQ(visits, std::vector<int>(static_cast<std::size_t>(count), 1));
  }
}

// Scratch of a thread is its own while a body runs.
TEST_P(Loops, NeverShareAThreadNumberAtATime) {
  std::vector<std::atomic<int>> inside(static_cast<std::size_t>(context_.threads()));
  std::atomic<int> clashes{0};
  context_.parallel_for(300, [&](std::int64_t, int thread) {
    auto& mine = inside[static_cast<std::size_t>(thread)];
    clashes += mine.fetch_add(1) != 0 ? 1 : 0;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    mine.fetch_sub(1);
  });
  EXPECT_EQ(clashes, 0);
}

TEST_P(Loops, PassExceptionsOn) {
  EXPECT_THROW(context_.parallel_for(50,
                                     [](std::int64_t index, int) {
                                       if (index == 33) {
                                         throw std::runtime_error("index 33");
                                       }
                                     }),
               std::runtime_error);
  std::atomic<std::int64_t> sum{0};
  context_.parallel_for(10, [&](std::int64_t index, int) { sum += index; });
  EXPECT_EQ(sum, 45) << "a loop after a failed one";
}

INSTANTIATE_TEST_SUITE_P(Threads, Loops, ::testing::Values(1, 2, 5),
                         [](const auto& tested) { return std::to_string(tested.param); });

}  // namespace
