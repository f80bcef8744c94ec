// Tests of the canaries: that an overwritten one is seen.
#include "support/device.h"

#include <gtest/gtest.h>

#include <cstring>

namespace scf::test {
namespace {

TEST(DeviceBlock, SeesABytePastEitherEnd) {
  const Context context(Backend::kCpu);
  for (const std::ptrdiff_t at : {-1, 40, 295}) {
    DeviceBlock block(context, 40, DeviceBlock::Guards::kCanaries);
    EXPECT_TRUE(block.guards_intact());
    static_cast<unsigned char*>(block.data())[at] = 0;
    EXPECT_FALSE(block.guards_intact()) << at;
  }
}

TEST(DeviceBlock, SeesAWriteInside) {
  const Context context(Backend::kCpu);
  DeviceBlock block(context, 40, DeviceBlock::Guards::kCanaries);
  EXPECT_TRUE(block.untouched());
  static_cast<unsigned char*>(block.data())[39] = 0;
  EXPECT_FALSE(block.untouched());
  EXPECT_TRUE(block.guards_intact());
}

TEST(DeviceBlock, IsAlignedAsAsked) {
  const Context context(Backend::kCpu);
  const DeviceBlock aligned(context, 40, DeviceBlock::Guards::kCanaries);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(aligned.data()) % 256, 0u);
  const DeviceBlock shifted(context, 40, DeviceBlock::Guards::kNone, 4);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(shifted.data()) % 256, 4u);
}

TEST(DeviceMatrix, KeepsRowsAndSeesAWriteInAGap) {
  const Context context(Backend::kCpu);
  const std::vector<float> dense = {1, 2, 3, 4, 5, 6};
  const DeviceMatrix<float> input(context, dense, 3, 2, 5, sizeof(float));
  EXPECT_EQ(input.dense(), dense);

  DeviceMatrix<float> output(context, true, 3, 2, 5);
  EXPECT_TRUE(output.canaries_intact());
  for (int row = 0; row < 3; ++row) std::memcpy(output.data() + 5 * row, &dense[2 * row], 8);
  EXPECT_EQ(output.dense(), dense);
  EXPECT_TRUE(output.canaries_intact());
  output.data()[5 + 4] = 0;
  EXPECT_FALSE(output.canaries_intact());
}

TEST(DeviceMatrix, IsNullWhereNotGiven) {
  const Context context(Backend::kCpu);
  EXPECT_EQ(DeviceMatrix<double>(context, std::vector<double>{}, 3, 2, 5).data(), nullptr);
  EXPECT_EQ(DeviceMatrix<double>(context, false, 3, 2, 5).data(), nullptr);
  EXPECT_NE(DeviceMatrix<double>(context, true, 0, 2, 5).data(), nullptr);
}

}  // namespace
}  // namespace scf::test
