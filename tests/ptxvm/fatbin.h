// Finds the PTX text that nvcc embedded in a program, and what ptxas made of its kernels.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

namespace ptxvm {

struct PtxImage {
  int architecture = 0;  // 80 for compute_80
  std::string text;
};

struct FatBinaryContent {
  std::vector<PtxImage> ptx;
  // Registers a thread of each kernel takes in the machine code, where there is any.
  std::unordered_map<std::string, int> registers;
};

// What is in the fat binary that `wrapper` (the argument of __cudaRegisterFatBinary) points to.
// Throws std::runtime_error on a container that this reader does not understand, compressed PTX
// included: build with --no-compress.
[[nodiscard]] FatBinaryContent read_fat_binary(const void* wrapper);

}  // namespace ptxvm
