// Graphs, which come from capture alone: a list of work in an order that keeps the dependencies.
#include "api.h"

namespace ptxvm {
namespace {

using Body = std::shared_ptr<GraphBody>;

std::set<void*>& live_graphs() {
  static auto* all = new std::set<void*>;
  return *all;
}

// A graph arrives from capture unannounced; it is known from its first use on.
Body* body_of(cudaGraph_t graph) {
  return reinterpret_cast<Body*>(graph);
}

}  // namespace

GraphBody::~GraphBody() {
  for (void* allocation : allocations) {
    (void)DeviceMemory::instance().release(allocation, MemoryKind::kDevice);
  }
}

extern "C" {

cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned) {
  return entry([&] {
    *graph = reinterpret_cast<cudaGraph_t>(new Body(std::make_shared<GraphBody>()));
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return entry([&] {
    if (graph == nullptr) return cudaErrorInvalidValue;
    delete body_of(graph);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  return entry([&] {
    if (graph == nullptr || executable == nullptr) return cudaErrorInvalidValue;
    auto* copy = new Body(*body_of(graph));
    live_graphs().insert(copy);
    *executable = reinterpret_cast<cudaGraphExec_t>(copy);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long flags) {
  return cudaGraphInstantiate(executable, graph, flags);
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t stream) {
  return entry([&] {
    if (live_graphs().count(executable) == 0 || !valid_stream(stream)) {
      return cudaErrorInvalidValue;
    }
    return cudaSuccess;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return entry([&] {
    if (live_graphs().count(executable) == 0) return cudaErrorInvalidValue;
    const Body body = *reinterpret_cast<Body*>(executable);
    return enqueue(stream, [body] {
      for (const Work& work : body->nodes) {
        if (const cudaError_t error = work(); error != cudaSuccess) return error;
        if (const cudaError_t error = cudaPeekAtLastError(); error != cudaSuccess) break;
      }
      return cudaSuccess;
    });
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  return entry([&] {
    if (live_graphs().erase(executable) == 0) return cudaErrorInvalidValue;
    delete reinterpret_cast<Body*>(executable);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t executable, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo* result) {
  return entry([&] {
    if (live_graphs().count(executable) == 0 || graph == nullptr) return cudaErrorInvalidValue;
    auto* current = reinterpret_cast<Body*>(executable);
    const bool same_shape = (*current)->nodes.size() == (*body_of(graph))->nodes.size();
    if (result != nullptr) {
      *result = {};
      result->result =
          same_shape ? cudaGraphExecUpdateSuccess : cudaGraphExecUpdateErrorTopologyChanged;
    }
    if (!same_shape) return cudaErrorGraphExecUpdateFailure;
    *current = *body_of(graph);
    return cudaSuccess;
  });
}

// Only the number of nodes is known.
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return entry([&] {
    if (graph == nullptr || count == nullptr) return cudaErrorInvalidValue;
    if (nodes != nullptr) return cudaErrorNotSupported;
    *count = (*body_of(graph))->nodes.size();
    return cudaSuccess;
  });
}

}  // extern "C"
}  // namespace ptxvm
