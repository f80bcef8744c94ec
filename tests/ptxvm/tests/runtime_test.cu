// The runtime: streams, events, capture, allocation, and the misuse that CUDA refuses.
#include "support.h"

namespace ptxvm_test {
namespace {

__global__ void add_one(int* values) {
  values[threadIdx.x] += 1;
}

TEST(Runtime, Device) {
  int count = 0;
  ASSERT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(count, 1);
  cudaDeviceProp properties;
  ASSERT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  EXPECT_STREQ(properties.name, "ptxvm");
  EXPECT_EQ(properties.major, 8);
  int value = 0;
  EXPECT_EQ(cudaDeviceGetAttribute(&value, cudaDevAttrWarpSize, 0), cudaSuccess);
  EXPECT_EQ(value, 32);
  for (const int unknown : {0, 9999}) {
    EXPECT_EQ(cudaDeviceGetAttribute(&value, static_cast<cudaDeviceAttr>(unknown), 0),
              cudaErrorInvalidValue);
  }
  cudaGetLastError();
  EXPECT_EQ(cudaSetDevice(1), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess) << "reading an error clears it";
  EXPECT_STREQ(cudaGetErrorName(cudaErrorInvalidValue), "cudaErrorInvalidValue");
  EXPECT_STREQ(cudaGetErrorString(cudaErrorIllegalAddress),
               "an illegal memory access was encountered");
}

TEST(Runtime, CopiesCheckTheirPointers) {
  testing::internal::CaptureStderr();
  std::vector<int> host(16, 3);
  const DeviceArray<int> device(host);
  EXPECT_EQ(cudaMemcpy(device.get(), host.data(), 65, cudaMemcpyHostToDevice),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host.data(), device.get(), 64, cudaMemcpyHostToDevice),
            cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(host.data(), device.get(), 64, cudaMemcpyDefault), cudaSuccess);
  EXPECT_EQ(cudaMemset(device.get() + 1, 0, 64), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(device.get() + 1), cudaErrorInvalidValue);
  cudaPointerAttributes attributes;
  EXPECT_EQ(cudaPointerGetAttributes(&attributes, device.get() + 3), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
  EXPECT_EQ(cudaPointerGetAttributes(&attributes, host.data()), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeUnregistered);
  void* huge = nullptr;
  EXPECT_EQ(cudaMalloc(&huge, size_t{1} << 40), cudaErrorMemoryAllocation);
  cudaGetLastError();
  testing::internal::GetCapturedStderr();
}

TEST(Runtime, PinnedMemoryIsVisibleToKernels) {
  int* pinned = nullptr;
  ASSERT_EQ(
      cudaHostAlloc(reinterpret_cast<void**>(&pinned), 32 * sizeof(int), cudaHostAllocDefault),
      cudaSuccess);
  for (int i = 0; i < 32; ++i) pinned[i] = i;
  add_one<<<1, 32>>>(pinned);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_EQ(pinned[31], 32);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST(Runtime, StreamsEventsAndPools) {
  cudaStream_t stream;
  cudaEvent_t start, end;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  ASSERT_EQ(cudaEventCreate(&start), cudaSuccess);
  ASSERT_EQ(cudaEventCreateWithFlags(&end, cudaEventDisableTiming), cudaSuccess);
  float elapsed = -1;
  EXPECT_EQ(cudaEventElapsedTime(&elapsed, start, start), cudaErrorInvalidResourceHandle);
  int* values = nullptr;
  ASSERT_EQ(cudaMallocAsync(&values, 32 * sizeof(int), stream), cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(values, 0, 32 * sizeof(int), stream), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(start, stream), cudaSuccess);
  add_one<<<1, 32, 0, stream>>>(values);
  EXPECT_EQ(cudaEventRecord(end, stream), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&elapsed, start, end), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventElapsedTime(&elapsed, start, start), cudaSuccess);
  EXPECT_EQ(elapsed, 0.0f);
  int first = 0;
  EXPECT_EQ(cudaMemcpyAsync(&first, values, sizeof first, cudaMemcpyDeviceToHost, stream),
            cudaSuccess);
  EXPECT_EQ(cudaFreeAsync(values, stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
  EXPECT_EQ(first, 1);
  EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle);
  EXPECT_EQ(cudaEventDestroy(start), cudaSuccess);
  EXPECT_EQ(cudaEventDestroy(end), cudaSuccess);
  cudaGetLastError();
}

class Capture : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(cudaStreamCreate(&stream_), cudaSuccess);
    ASSERT_EQ(cudaStreamCreate(&other_), cudaSuccess);
    ASSERT_EQ(cudaEventCreate(&event_), cudaSuccess);
  }
  void TearDown() override {
    cudaStreamDestroy(stream_);
    cudaStreamDestroy(other_);
    cudaEventDestroy(event_);
    cudaGetLastError();
  }
  cudaStream_t stream_, other_;
  cudaEvent_t event_;
};

TEST_F(Capture, ReplaysWhatItRecorded) {
  const DeviceArray<int> values(std::vector<int>(32, 0));
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaSuccess);
  add_one<<<1, 32, 0, stream_>>>(values.get());
  ASSERT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(other_, event_, 0), cudaSuccess);
  add_one<<<1, 32, 0, other_>>>(values.get());
  ASSERT_EQ(cudaEventRecord(event_, other_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(stream_, event_, 0), cudaSuccess);
  cudaGraph_t graph;
  ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
  EXPECT_EQ(values.download()[0], 0) << "recording runs nothing";
  size_t nodes = 0;
  EXPECT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
  EXPECT_EQ(nodes, 2u);
  cudaGraphExec_t executable;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(cudaGraphLaunch(executable, stream_), cudaSuccess);
  EXPECT_EQ(values.download()[31], 6);
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGraphExecDestroy(executable), cudaErrorInvalidValue);
}

TEST_F(Capture, RefusesWhatCannotBeRecorded) {
  cudaGraph_t graph;
  void* pointer = nullptr;
  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaSuccess);
  EXPECT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaErrorIllegalState);
  EXPECT_EQ(cudaStreamSynchronize(stream_), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureInvalidated);

  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&pointer, 16), cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureInvalidated);

  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&pointer, 16), cudaSuccess);
  EXPECT_EQ(cudaMemset(pointer, 0, 16), cudaErrorStreamCaptureImplicit);
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureInvalidated);

  ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(other_, event_, 0), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(pointer, 0, 16, other_), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureUnjoined);
  EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal),
            cudaErrorStreamCaptureUnsupported);
  EXPECT_EQ(cudaFree(pointer), cudaSuccess);
}

__device__ int device_variable;

TEST_F(Capture, RefusesTheLegacyStreamAndSynchronousCopies) {
  const DeviceArray<int> values(std::vector<int>(4, 0));
  int host[4] = {};
  const auto refused = [&](cudaStreamCaptureMode mode, auto call, cudaError_t error) {
    cudaGraph_t graph;
    ASSERT_EQ(cudaStreamBeginCapture(stream_, mode), cudaSuccess);
    EXPECT_EQ(call(), error);
    EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(call(), cudaSuccess) << "outside capture";
  };
  constexpr auto kRelaxed = cudaStreamCaptureModeRelaxed, kGlobal = cudaStreamCaptureModeGlobal;
  constexpr auto kImplicit = cudaErrorStreamCaptureImplicit;
  refused(
      kRelaxed, [] { return cudaStreamSynchronize(nullptr); }, kImplicit);
  refused(
      kRelaxed, [] { return cudaStreamQuery(cudaStreamLegacy); }, kImplicit);
  refused(
      kRelaxed, [&] { return cudaEventRecord(event_, nullptr); }, kImplicit);
  constexpr auto kUnsupported = cudaErrorStreamCaptureUnsupported;
  const auto copy = [&] {
    return cudaMemcpy2D(host, 8, values.get(), 8, 8, 2, cudaMemcpyDeviceToHost);
  };
  refused(kGlobal, copy, kUnsupported);
  refused(
      kGlobal, [&] { return cudaMemcpyToSymbol(device_variable, host, 4); }, kUnsupported);
  refused(
      kGlobal, [&] { return cudaMemcpyFromSymbol(host, device_variable, 4); }, kUnsupported);
  // The legacy stream does not wait for streams of this kind.
  cudaStream_t apart;
  cudaGraph_t graph;
  ASSERT_EQ(cudaStreamCreateWithFlags(&apart, cudaStreamNonBlocking), cudaSuccess);
  ASSERT_EQ(cudaStreamBeginCapture(apart, kRelaxed), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
  EXPECT_EQ(cudaEventRecord(event_, nullptr), cudaSuccess);
  EXPECT_EQ(cudaStreamEndCapture(apart, &graph), cudaSuccess);
  EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(cudaStreamDestroy(apart), cudaSuccess);
}

TEST(Runtime, Occupancy) {
  int blocks = 0;
  ASSERT_EQ(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add_one, 256, 0), cudaSuccess);
  EXPECT_EQ(blocks, 8);
  ASSERT_EQ(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add_one, 32, 40 * 1024),
            cudaSuccess);
  EXPECT_EQ(blocks, 4);
  cudaFuncAttributes attributes;
  ASSERT_EQ(cudaFuncGetAttributes(&attributes, add_one), cudaSuccess);
  EXPECT_GT(attributes.numRegs, 0) << "from the machine code";
  EXPECT_EQ(attributes.maxThreadsPerBlock, 1024);
}

void set_flag(void* flag) {
  *static_cast<bool*>(flag) = true;
}

TEST(Runtime, HostFunctions) {
  bool called = false;
  EXPECT_EQ(cudaLaunchHostFunc(nullptr, set_flag, &called), cudaSuccess);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
  EXPECT_TRUE(called);
}

}  // namespace
}  // namespace ptxvm_test
