// Streams and their capture, and events. Work runs when it is enqueued, so whatever order the
// streams and events demand is kept.
#include <algorithm>
#include <map>

#include "api.h"

namespace ptxvm {
namespace {

struct StreamState {
  unsigned flags = 0;
  int priority = 0;
  unsigned long long id = 0;
  std::shared_ptr<Capture> capture;
};

using Clock = std::chrono::steady_clock;

struct EventState {
  unsigned flags = 0;
  bool recorded = false;
  Clock::time_point time;
  std::shared_ptr<Capture> capture;  // of the stream that it was last recorded in
  cudaStream_t stream = nullptr;
};

unsigned long long next_id = 1;

// Handles are addresses of these, which are never reused, so a stale handle is always known.
std::map<cudaStream_t, StreamState>& streams() {
  static auto* all = new std::map<cudaStream_t, StreamState>;
  return *all;
}
std::map<cudaEvent_t, EventState>& events() {
  static auto* all = new std::map<cudaEvent_t, EventState>;
  return *all;
}
std::set<std::shared_ptr<Capture>>& captures() {
  static auto* all = new std::set<std::shared_ptr<Capture>>;
  return *all;
}

thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

bool is_default(cudaStream_t stream) {
  return stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
}

StreamState* find_stream(cudaStream_t stream) {
  const auto found = streams().find(stream);
  return found == streams().end() ? nullptr : &found->second;
}

EventState* find_event(cudaEvent_t event) {
  const auto found = events().find(event);
  return found == events().end() ? nullptr : &found->second;
}

cudaError_t create_stream(cudaStream_t* stream, unsigned flags, int priority) {
  return entry([&] {
    if (stream == nullptr || (flags & ~unsigned{cudaStreamNonBlocking}) != 0) {
      return cudaErrorInvalidValue;
    }
    const unsigned long long id = ++next_id;
    // Small even numbers above the special handles, which no pointer equals.
    *stream = reinterpret_cast<cudaStream_t>(id * 16);
    streams()[*stream] = {flags, std::clamp(priority, -5, 0), id, nullptr};
    return cudaSuccess;
  });
}

bool blocks_legacy(const Capture& capture) {
  const StreamState* origin = find_stream(capture.origin);
  return origin != nullptr && (origin->flags & cudaStreamNonBlocking) == 0;
}

cudaError_t leave_capture(const std::shared_ptr<Capture>& capture) {
  for (auto& [handle, state] : streams()) {
    if (state.capture == capture) state.capture.reset();
  }
  captures().erase(capture);
  return cudaSuccess;
}

}  // namespace

bool valid_stream(cudaStream_t stream) {
  return is_default(stream) || find_stream(stream) != nullptr;
}

Capture* capture_of(cudaStream_t stream) {
  const StreamState* state = find_stream(stream);
  return state == nullptr ? nullptr : state->capture.get();
}

cudaError_t enqueue(cudaStream_t stream, Work work) {
  if (!valid_stream(stream)) return cudaErrorInvalidResourceHandle;
  if (is_default(stream)) {
    const cudaError_t error = refuse_implicit_capture(stream);
    return error != cudaSuccess ? error : work();
  }
  Capture* capture = capture_of(stream);
  if (capture == nullptr) return work();
  if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
  capture->body->nodes.push_back(std::move(work));
  if (stream != capture->origin) capture->unjoined.insert(stream);
  return cudaSuccess;
}

cudaError_t refuse_while_capturing() {
  if (thread_mode == cudaStreamCaptureModeRelaxed) return cudaSuccess;
  for (const auto& capture : captures()) {
    if (capture->mode == cudaStreamCaptureModeRelaxed) continue;
    capture->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  return cudaSuccess;
}

cudaError_t refuse_on_captured(cudaStream_t stream) {
  Capture* capture = capture_of(stream);
  if (capture == nullptr) return cudaSuccess;
  capture->invalid = true;
  return cudaErrorStreamCaptureUnsupported;
}

cudaError_t refuse_implicit_capture(cudaStream_t stream) {
  if (!is_default(stream) || stream == cudaStreamPerThread) return cudaSuccess;
  for (const auto& capture : captures()) {
    if (!blocks_legacy(*capture)) continue;
    capture->invalid = true;
    return cudaErrorStreamCaptureImplicit;
  }
  return cudaSuccess;
}

void reset_streams() {
  captures().clear();
  streams().clear();
  events().clear();
}

extern "C" {

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return create_stream(stream, 0, 0);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return create_stream(stream, flags, 0);
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  return create_stream(stream, flags, priority);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return entry([&] {
    if (find_stream(stream) == nullptr) return cudaErrorInvalidResourceHandle;
    if (Capture* capture = capture_of(stream)) capture->invalid = true;
    streams().erase(stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return entry([&] {
    if (!valid_stream(stream)) return cudaErrorInvalidResourceHandle;
    const cudaError_t error = refuse_implicit_capture(stream);
    return error != cudaSuccess ? error : refuse_on_captured(stream);
  });
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return cudaStreamSynchronize(stream);
}

cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned* flags) {
  return entry([&] {
    if (!valid_stream(stream)) return cudaErrorInvalidResourceHandle;
    const StreamState* state = find_stream(stream);
    *flags = state == nullptr ? 0 : state->flags;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
  return entry([&] {
    if (!valid_stream(stream)) return cudaErrorInvalidResourceHandle;
    const StreamState* state = find_stream(stream);
    *priority = state == nullptr ? 0 : state->priority;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamGetId(cudaStream_t stream, unsigned long long* id) {
  return entry([&] {
    if (!valid_stream(stream)) return cudaErrorInvalidResourceHandle;
    const StreamState* state = find_stream(stream);
    *id = state == nullptr ? 1 : state->id;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamGetDevice(cudaStream_t stream, int* device) {
  return entry([&] {
    if (!valid_stream(stream)) return cudaErrorInvalidResourceHandle;
    *device = 0;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return entry([&] {
    EventState* state = find_event(event);
    if (state == nullptr || !valid_stream(stream)) return cudaErrorInvalidResourceHandle;
    StreamState* waiting = find_stream(stream);
    if (state->capture == nullptr) {
      // A capture may not depend on work outside it.
      const bool outside = waiting != nullptr && waiting->capture != nullptr && state->recorded;
      if (outside) waiting->capture->invalid = true;
      return outside ? cudaErrorStreamCaptureIsolation : cudaSuccess;
    }
    if (captures().count(state->capture) == 0) return cudaErrorCapturedEvent;
    if (waiting == nullptr) return cudaErrorStreamCaptureImplicit;
    if (waiting->capture == nullptr) {
      waiting->capture = state->capture;
      state->capture->unjoined.insert(stream);
    } else if (waiting->capture != state->capture) {
      waiting->capture->invalid = state->capture->invalid = true;
      return cudaErrorStreamCaptureMerge;
    }
    // Whoever has been waited for is joined when the waiter is.
    state->capture->unjoined.erase(state->stream);
    if (stream != state->capture->origin) state->capture->unjoined.insert(stream);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return entry([&] {
    if (is_default(stream)) return cudaErrorStreamCaptureUnsupported;
    StreamState* state = find_stream(stream);
    if (state == nullptr) return cudaErrorInvalidResourceHandle;
    if (state->capture != nullptr) return cudaErrorIllegalState;
    auto capture = std::make_shared<Capture>();
    capture->origin = stream;
    capture->mode = mode;
    capture->id = ++next_id;
    state->capture = capture;
    captures().insert(capture);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return entry([&] {
    StreamState* state = find_stream(stream);
    if (graph != nullptr) *graph = nullptr;
    if (state == nullptr) return cudaErrorInvalidResourceHandle;
    const std::shared_ptr<Capture> capture = state->capture;
    if (capture == nullptr) return cudaErrorIllegalState;
    if (capture->origin != stream) {
      capture->invalid = true;
      return cudaErrorStreamCaptureUnmatched;
    }
    leave_capture(capture);
    if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
    if (!capture->unjoined.empty()) return cudaErrorStreamCaptureUnjoined;
    if (graph == nullptr) return cudaErrorInvalidValue;
    *graph = make_graph(capture->body);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return entry([&] {
    if (!valid_stream(stream)) return cudaErrorInvalidResourceHandle;
    const Capture* capture = capture_of(stream);
    *status = capture == nullptr ? cudaStreamCaptureStatusNone
              : capture->invalid ? cudaStreamCaptureStatusInvalidated
                                 : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                     unsigned long long* id, cudaGraph_t* graph,
                                     const cudaGraphNode_t** dependencies,
                                     const cudaGraphEdgeData** edges, size_t* count) {
  const cudaError_t error = cudaStreamIsCapturing(stream, status);
  if (error != cudaSuccess) return error;
  const Capture* capture = capture_of(stream);
  if (id != nullptr && capture != nullptr) *id = capture->id;
  if (graph != nullptr) *graph = nullptr;
  if (dependencies != nullptr) *dependencies = nullptr;
  if (edges != nullptr) *edges = nullptr;
  if (count != nullptr) *count = 0;
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  return entry([&] {
    std::swap(thread_mode, *mode);
    return cudaSuccess;
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return entry([&] {
    return enqueue(stream, [function, data] {
      function(data);
      return cudaSuccess;
    });
  });
}

cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void* data,
                                  unsigned) {
  return entry([&] {
    if (const cudaError_t error = refuse_on_captured(stream); error != cudaSuccess) return error;
    return enqueue(stream, [=] {
      callback(stream, cudaSuccess, data);
      return cudaSuccess;
    });
  });
}

// --- events ---

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return entry([&] {
    constexpr unsigned kKnown =
        cudaEventBlockingSync | cudaEventDisableTiming | cudaEventInterprocess;
    if (event == nullptr || (flags & ~kKnown) != 0) return cudaErrorInvalidValue;
    *event = reinterpret_cast<cudaEvent_t>(++next_id * 16);
    events()[*event].flags = flags;
    return cudaSuccess;
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, 0);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return entry(
      [&] { return events().erase(event) == 0 ? cudaErrorInvalidResourceHandle : cudaSuccess; });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return entry([&] {
    EventState* state = find_event(event);
    if (state == nullptr || !valid_stream(stream)) return cudaErrorInvalidResourceHandle;
    const cudaError_t error = refuse_implicit_capture(stream);
    if (error != cudaSuccess) return error;
    StreamState* owner = find_stream(stream);
    state->capture = owner == nullptr ? nullptr : owner->capture;
    state->stream = stream;
    state->recorded = true;
    state->time = Clock::now();
    return cudaSuccess;
  });
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) {
  return cudaEventRecord(event, stream);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return entry([&] {
    EventState* state = find_event(event);
    if (state == nullptr) return cudaErrorInvalidResourceHandle;
    if (state->capture == nullptr) return cudaSuccess;
    state->capture->invalid = true;
    return cudaErrorCapturedEvent;
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return cudaEventSynchronize(event);
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return entry([&] {
    const EventState *first = find_event(start), *second = find_event(end);
    if (first == nullptr || second == nullptr || !first->recorded || !second->recorded ||
        ((first->flags | second->flags) & cudaEventDisableTiming) != 0) {
      return cudaErrorInvalidResourceHandle;
    }
    const std::chrono::duration<float, std::milli> elapsed = second->time - first->time;
    *milliseconds = elapsed.count();
    return cudaSuccess;
  });
}

}  // extern "C"
}  // namespace ptxvm
