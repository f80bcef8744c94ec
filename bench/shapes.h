// Shapes of the benchmarks: the dimensions that each kernel serves, with enough pairs for a stable
// time and few enough for a short one.
#pragma once

#include <cstdint>

namespace scf_bench {

struct Shape {
  std::int64_t m;
  std::int64_t n;
  std::int64_t d;
};

inline constexpr Shape kKdeShapes[] = {{2048, 65536, 1}, {2048, 65536, 2},  {2048, 65536, 3},
                                       {1024, 32768, 8}, {1024, 32768, 16}, {768, 16384, 64},
                                       {192, 4096, 784}, {96, 4096, 3072}};

// Enough to fill a device: milliseconds at the limit of what it can do.
inline constexpr Shape kDeviceKdeShapes[] = {
    {65536, 262144, 1},  {65536, 262144, 2},  {65536, 262144, 3},
    {32768, 262144, 8},  {32768, 262144, 16}, {32768, 131072, 32},
    {16384, 131072, 64}, {4096, 65536, 784},  {2048, 32768, 3072}};

// On a device that may be an emulator.
inline constexpr Shape kEmulatedKdeShapes[] = {{32, 512, 2}, {16, 128, 64}};

struct LossShape {
  std::int64_t m;
  std::int64_t d;
};

// Matrices of 64 MiB in single precision, past any cache.
inline constexpr LossShape kLossShapes[] = {{8388608, 2}, {262144, 64}, {21400, 784}};
inline constexpr LossShape kEmulatedLossShape = {64, 20};

}  // namespace scf_bench
