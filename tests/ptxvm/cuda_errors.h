// The CUDA error codes that the machine itself raises (values of cudaError_t).
#pragma once

namespace ptxvm {

constexpr int kErrorIllegalAddress = 700;
constexpr int kErrorAssert = 710;
constexpr int kErrorIllegalInstruction = 715;
constexpr int kErrorMisalignedAddress = 716;
constexpr int kErrorLaunchFailure = 719;

}  // namespace ptxvm
