// Launches that a check must stop, and launches that none may.
#pragma once

#include "support.h"

namespace ptxvm_test {

// Runs `launch` and expects it to fail in the check of that name; leaves a fresh device behind.
// `detail` must stand in the report.
template <typename Launch>
void expect_caught(const char* check, cudaError_t error, Launch launch, const char* detail = "") {
  testing::internal::CaptureStderr();
  launch();
  EXPECT_EQ(cudaDeviceSynchronize(), error);
  EXPECT_EQ(cudaGetLastError(), error) << "the error stays";
  void* pointer = nullptr;
  EXPECT_EQ(cudaMalloc(&pointer, 4), error) << "every later call fails";
  EXPECT_EQ(cudaDeviceReset(), cudaSuccess);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find(std::string("ptxvm: ") + check + " in "), std::string::npos) << text;
  EXPECT_NE(text.find("block ("), std::string::npos) << text;
  EXPECT_NE(text.find(detail), std::string::npos) << text;
}

template <typename T>
T* device_memory(size_t count, int fill = 0) {
  T* pointer = nullptr;
  EXPECT_EQ(cudaMalloc(&pointer, count * sizeof(T)), cudaSuccess);
  EXPECT_EQ(cudaMemset(pointer, fill, count * sizeof(T)), cudaSuccess);
  return pointer;
}

template <typename Launch>
void expect_clean(Launch launch) {
  launch();
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(cudaDeviceReset(), cudaSuccess);
}

}  // namespace ptxvm_test
