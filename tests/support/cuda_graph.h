// Calls captured in a CUDA graph, for test programs that link the CUDA runtime.
#pragma once

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>
#include <scorefield/scorefield.h>

#include <stdexcept>

#include "support/device.h"
#include "support/errors.h"

namespace scf::test {

inline void require_cuda(cudaError_t status) {
  if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
}

class Stream {
 public:
  explicit Stream(const Context& context) : context_(context) {
    require_success(scf_stream_create(context.get(), &stream_), "scf_stream_create");
  }
  Stream(Stream&&) = delete;
  ~Stream() { EXPECT_EQ(scf_stream_destroy(context_.get(), stream_), SCF_SUCCESS); }
  [[nodiscard]] void* get() const { return stream_; }
  void synchronize() const {
    require_success(scf_stream_synchronize(context_.get(), stream_), "scf_stream_synchronize");
  }

 private:
  const Context& context_;
  void* stream_ = nullptr;
};

// What was enqueued in a stream between begin and end.
class Graph {
 public:
  template <class Enqueue>
  Graph(void* stream, Enqueue&& enqueue) : stream_(static_cast<cudaStream_t>(stream)) {
    require_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal));
    enqueue();
    require_cuda(cudaStreamEndCapture(stream_, &graph_));
    require_cuda(cudaGraphInstantiate(&executable_, graph_, 0));
  }
  Graph(Graph&&) = delete;
  ~Graph() {
    EXPECT_EQ(cudaGraphExecDestroy(executable_), cudaSuccess);
    EXPECT_EQ(cudaGraphDestroy(graph_), cudaSuccess);
  }
  void launch() const { require_cuda(cudaGraphLaunch(executable_, stream_)); }

 private:
  cudaStream_t stream_;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

}  // namespace scf::test
