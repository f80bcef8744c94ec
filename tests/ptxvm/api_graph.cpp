// Graphs, which come from capture alone: a list of work in an order that keeps the dependencies.
#include "api.h"

namespace ptxvm {
namespace {

using Body = std::shared_ptr<GraphBody>;

// Handles are addresses of shared pointers to what was recorded.
std::set<cudaGraph_t>& graphs() {
  static auto* all = new std::set<cudaGraph_t>;
  return *all;
}
std::set<cudaGraphExec_t>& executables() {
  static auto* all = new std::set<cudaGraphExec_t>;
  return *all;
}

bool is_live(cudaGraph_t graph) {
  return graphs().count(graph) != 0;
}
bool is_live(cudaGraphExec_t executable) {
  return executables().count(executable) != 0;
}

template <typename Handle>
Body& body_of(Handle handle) {
  return *reinterpret_cast<Body*>(handle);
}

}  // namespace

GraphBody::~GraphBody() {
  for (void* allocation : allocations) {
    (void)DeviceMemory::instance().release(allocation, MemoryKind::kDevice);
  }
}

cudaGraph_t make_graph(std::shared_ptr<GraphBody> body) {
  auto* graph = reinterpret_cast<cudaGraph_t>(new Body(std::move(body)));
  graphs().insert(graph);
  return graph;
}

extern "C" {

cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned) {
  return entry([&] {
    if (graph == nullptr) return cudaErrorInvalidValue;
    *graph = make_graph(std::make_shared<GraphBody>());
    return cudaSuccess;
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return entry([&] {
    if (graphs().erase(graph) == 0) return cudaErrorInvalidValue;
    delete &body_of(graph);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  return entry([&] {
    if (!is_live(graph) || executable == nullptr) return cudaErrorInvalidValue;
    *executable = reinterpret_cast<cudaGraphExec_t>(new Body(body_of(graph)));
    executables().insert(*executable);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long flags) {
  return cudaGraphInstantiate(executable, graph, flags);
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t stream) {
  return entry([&] {
    return is_live(executable) && valid_stream(stream) ? cudaSuccess : cudaErrorInvalidValue;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return entry([&] {
    if (!is_live(executable)) return cudaErrorInvalidValue;
    const Body body = body_of(executable);
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
    if (executables().erase(executable) == 0) return cudaErrorInvalidValue;
    delete &body_of(executable);
    return cudaSuccess;
  });
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t executable, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo* result) {
  return entry([&] {
    if (!is_live(executable) || !is_live(graph)) return cudaErrorInvalidValue;
    const bool same_shape = body_of(executable)->nodes.size() == body_of(graph)->nodes.size();
    if (result != nullptr) {
      *result = {};
      result->result =
          same_shape ? cudaGraphExecUpdateSuccess : cudaGraphExecUpdateErrorTopologyChanged;
    }
    if (!same_shape) return cudaErrorGraphExecUpdateFailure;
    body_of(executable) = body_of(graph);
    return cudaSuccess;
  });
}

// Only the number of nodes is known.
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return entry([&] {
    if (!is_live(graph) || count == nullptr) return cudaErrorInvalidValue;
    if (nodes != nullptr) return cudaErrorNotSupported;
    *count = body_of(graph)->nodes.size();
    return cudaSuccess;
  });
}

}  // extern "C"
}  // namespace ptxvm
