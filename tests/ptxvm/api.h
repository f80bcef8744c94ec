// What the entry points of the runtime share: errors, streams and captures.
#pragma once

#include <cuda_runtime_api.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "memory.h"
#include "registry.h"

namespace ptxvm {

using Work = std::function<cudaError_t()>;

// The work that a capture recorded, in an order that respects every dependency.
struct GraphBody {
  std::vector<Work> nodes;
  std::vector<void*> allocations;  // made by captured cudaMallocAsync calls
  ~GraphBody();
};

struct Capture {
  std::shared_ptr<GraphBody> body = std::make_shared<GraphBody>();
  cudaStream_t origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  bool invalid = false;
  std::set<cudaStream_t> unjoined;  // streams with work that the origin has not waited for
  std::set<cudaStream_t> members;
  unsigned long long id = 0;
};

// One lock serialises the runtime; kernels run under it.
std::recursive_mutex& runtime_mutex();

// Runs the body of an entry point: under the lock, after the sticky error, noting its own error.
cudaError_t entry(const std::function<cudaError_t()>& body);
// Makes `error` stay until the device is reset.
void set_sticky(cudaError_t error);
void clear_errors();
void complain(const std::string& text);

// --- streams (api_stream.cpp) ---
[[nodiscard]] bool valid_stream(cudaStream_t stream);
// Runs `work` now, or records it when the stream is being captured.
cudaError_t enqueue(cudaStream_t stream, Work work);
Capture* capture_of(cudaStream_t stream);
// For calls that a capture in progress forbids: the error, which also spoils the capture.
cudaError_t refuse_while_capturing();
cudaError_t refuse_on_captured(cudaStream_t stream);
// For calls that use a stream without adding to it: the legacy stream waits for every blocking
// stream, so none of these may be capturing.
cudaError_t refuse_implicit_capture(cudaStream_t stream);
void reset_streams();

// --- graphs (api_graph.cpp) ---
cudaGraph_t make_graph(std::shared_ptr<GraphBody> body);

// --- memory (api_memory.cpp) ---
cudaError_t copy_bytes(void* to, const void* from, size_t bytes, cudaMemcpyKind kind);

// --- launches (api_launch.cpp) ---
struct LaunchRequest {
  dim3 grid, block;
  void** arguments;
  size_t dynamic_shared;
  cudaStream_t stream;
};
cudaError_t launch_kernel(Kernel* kernel, const LaunchRequest& request);
int blocks_per_multiprocessor(Kernel* kernel, int block_size, size_t dynamic_shared);

// Properties of the device that several calls state.
constexpr int kMultiprocessors = 4;
constexpr size_t kSharedPerBlock = 48 * 1024;
constexpr size_t kSharedPerBlockOptIn = 163 * 1024;
constexpr size_t kSharedPerMultiprocessor = 164 * 1024;
constexpr int kRegistersPerMultiprocessor = 65536;
constexpr int kThreadsPerMultiprocessor = 2048;
constexpr int kBlocksPerMultiprocessor = 32;

}  // namespace ptxvm
