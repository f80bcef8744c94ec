#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "api.h"
#include "launcher.h"

namespace ptxvm {
namespace {

cudaError_t sticky_error = cudaSuccess;
thread_local cudaError_t last_error = cudaSuccess;

struct ErrorText {
  cudaError_t code;
  const char* name;
  const char* text;
};

#define PTXVM_ERROR(code, text) \
  { code, #code, text }  // the name is the code's own spelling
constexpr ErrorText kErrors[] = {
    PTXVM_ERROR(cudaSuccess, "no error"),
    PTXVM_ERROR(cudaErrorInvalidValue, "invalid argument"),
    PTXVM_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    PTXVM_ERROR(cudaErrorInitializationError, "initialization error"),
    PTXVM_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    PTXVM_ERROR(cudaErrorInvalidPitchValue, "invalid pitch argument"),
    PTXVM_ERROR(cudaErrorInvalidSymbol, "invalid device symbol"),
    PTXVM_ERROR(cudaErrorInvalidDevicePointer, "invalid device pointer"),
    PTXVM_ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    PTXVM_ERROR(cudaErrorInsufficientDriver,
                "CUDA driver version is insufficient for CUDA runtime version"),
    PTXVM_ERROR(cudaErrorMissingConfiguration, "__global__ function call is not configured"),
    PTXVM_ERROR(cudaErrorInvalidDeviceFunction, "invalid device function"),
    PTXVM_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    PTXVM_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    PTXVM_ERROR(cudaErrorInvalidKernelImage, "device kernel image is invalid"),
    PTXVM_ERROR(cudaErrorNoKernelImageForDevice,
                "no kernel image is available for execution on the device"),
    PTXVM_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    PTXVM_ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    PTXVM_ERROR(cudaErrorNotReady, "device not ready"),
    PTXVM_ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    PTXVM_ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    PTXVM_ERROR(cudaErrorAssert, "device-side assert triggered"),
    PTXVM_ERROR(cudaErrorHostMemoryAlreadyRegistered,
                "part or all of the requested memory range is already mapped"),
    PTXVM_ERROR(cudaErrorHostMemoryNotRegistered,
                "pointer does not correspond to a registered memory region"),
    PTXVM_ERROR(cudaErrorIllegalInstruction, "an illegal instruction was encountered"),
    PTXVM_ERROR(cudaErrorMisalignedAddress, "misaligned address"),
    PTXVM_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    PTXVM_ERROR(cudaErrorNotPermitted, "operation not permitted"),
    PTXVM_ERROR(cudaErrorNotSupported, "operation not supported"),
    PTXVM_ERROR(cudaErrorStreamCaptureUnsupported,
                "operation not permitted when stream is capturing"),
    PTXVM_ERROR(cudaErrorStreamCaptureInvalidated,
                "operation failed due to a previous error during capture"),
    PTXVM_ERROR(cudaErrorStreamCaptureMerge,
                "operation would result in a merge of separate "
                "capture sequences"),
    PTXVM_ERROR(cudaErrorStreamCaptureUnmatched,
                "capture was not ended in the same stream as "
                "it began"),
    PTXVM_ERROR(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    PTXVM_ERROR(cudaErrorStreamCaptureIsolation,
                "dependency created on uncaptured work in another stream"),
    PTXVM_ERROR(cudaErrorStreamCaptureImplicit,
                "operation would make the legacy stream depend on a capturing blocking stream"),
    PTXVM_ERROR(cudaErrorCapturedEvent,
                "operation not permitted on an event last recorded in a capturing stream"),
    PTXVM_ERROR(cudaErrorStreamCaptureWrongThread,
                "attempt to terminate a thread-local capture sequence from another thread"),
    PTXVM_ERROR(cudaErrorGraphExecUpdateFailure,
                "the graph update was not performed because it included changes which violated "
                "constraints specific to instantiated graph update"),
    PTXVM_ERROR(cudaErrorUnknown, "unknown error")};
#undef PTXVM_ERROR

const ErrorText* find_error(cudaError_t code) {
  for (const ErrorText& error : kErrors) {
    if (error.code == code) return &error;
  }
  return nullptr;
}

const char* memory_name(MemoryKind kind) {
  if (kind == MemoryKind::kPinnedHost) return "pinned host";
  return kind == MemoryKind::kManaged ? "managed" : "device";
}

// Runs after the destructors of everything that uses this library.
__attribute__((destructor)) void at_exit() {
  write_report();
  uint64_t leaks = 0;
  for (const Allocation& allocation : DeviceMemory::instance().live()) {
    if (allocation.kind == MemoryKind::kModule) continue;
    if (++leaks > 10) continue;
    complain("leak: " + std::to_string(allocation.bytes) + " bytes of " +
             memory_name(allocation.kind) + " memory were never freed");
  }
  if (leaks == 0) return;
  complain("leak: " + std::to_string(leaks) + " allocations in all");
  if (!settings().leaks_are_errors || sticky_error != cudaSuccess) return;
  std::fflush(nullptr);
  _exit(86);
}

}  // namespace

std::recursive_mutex& runtime_mutex() {
  static auto* mutex = new std::recursive_mutex;
  return *mutex;
}

cudaError_t entry(const std::function<cudaError_t()>& body) {
  const std::lock_guard<std::recursive_mutex> lock(runtime_mutex());
  cudaError_t result = sticky_error;
  if (result == cudaSuccess) {
    try {
      result = body();
    } catch (const std::exception& error) {
      complain(error.what());
      result = cudaErrorInvalidKernelImage;
    }
  }
  if (result != cudaSuccess && result != cudaErrorNotReady) last_error = result;
  return result;
}

void set_sticky(cudaError_t error) {
  if (sticky_error == cudaSuccess) sticky_error = error;
}

void clear_errors() {
  sticky_error = last_error = cudaSuccess;
}

void complain(const std::string& text) {
  std::fflush(stdout);
  std::fprintf(stderr, "ptxvm: %s\n", text.c_str());
}

extern "C" {

cudaError_t cudaGetLastError() {
  const std::lock_guard<std::recursive_mutex> lock(runtime_mutex());
  if (sticky_error != cudaSuccess) return sticky_error;
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard<std::recursive_mutex> lock(runtime_mutex());
  return sticky_error != cudaSuccess ? sticky_error : last_error;
}

const char* cudaGetErrorName(cudaError_t code) {
  const ErrorText* error = find_error(code);
  return error == nullptr ? "unrecognized error code" : error->name;
}

const char* cudaGetErrorString(cudaError_t code) {
  const ErrorText* error = find_error(code);
  return error == nullptr ? "unrecognized error code" : error->text;
}

cudaError_t cudaDeviceReset() {
  const std::lock_guard<std::recursive_mutex> lock(runtime_mutex());
  for (const Allocation& allocation : DeviceMemory::instance().live()) {
    if (allocation.kind == MemoryKind::kModule) continue;
    (void)DeviceMemory::instance().release(reinterpret_cast<const void*>(allocation.address),
                                           allocation.kind);
  }
  reset_streams();
  clear_errors();
  return cudaSuccess;
}

}  // extern "C"
}  // namespace ptxvm
