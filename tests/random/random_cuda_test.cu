// What needs CUDA code of its own: the words are those of cuRAND's Philox, and a captured graph
// draws new numbers when it is replayed with another device_offset.
#include <curand_kernel.h>
#include <gtest/gtest.h>
#include <scorefield/scorefield.h>

#include <cstdint>
#include <string>
#include <vector>

#include "support/draw_call.h"
#include "support/kde_data.h"
#include "support/random_call.h"

namespace scf::test {
namespace {

class RandomOnDevice : public OnBackend<BackendCase> {};

struct Sequence {
  unsigned long long seed;
  unsigned long long subsequence;
  unsigned long long offset;
};

constexpr int kDrawn = 11;

__global__ void draw_words(const Sequence* sequences, int count, unsigned* words) {
  const int at = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (at >= count) return;
  curandStatePhilox4_32_10_t state;
  curand_init(sequences[at].seed, sequences[at].subsequence, sequences[at].offset, &state);
  for (int i = 0; i < kDrawn; ++i) words[at * kDrawn + i] = curand(&state);
}

TEST_P(RandomOnDevice, WordsAreThoseOfCurand) {
  std::vector<Sequence> sequences;
  for (const unsigned long long seed : {0ull, 1ull, 0xFEDCBA9876543210ull}) {
    for (const unsigned long long row :
         {0ull, 3ull, 0xFFFFFFFFull, 0x100000000ull, (1ull << 63) - 2}) {
      for (const unsigned long long offset : {0ull, 1ull, 2ull, 3ull, 4ull, 5ull, 123456789ull,
                                              (1ull << 34) - 3, (1ull << 62) + 2, ~0ull - kDrawn}) {
        sequences.push_back({seed, row, offset});
      }
    }
  }
  const Context context(GetParam().backend);
  const auto count = static_cast<int>(sequences.size());
  DeviceBlock device(context, sequences.size() * sizeof(Sequence), DeviceBlock::Guards::kNone);
  device.write(sequences.data());
  const DeviceMatrix<std::uint32_t> words(context, true, count, kDrawn, kDrawn);
  draw_words<<<(count + 31) / 32, 32>>>(static_cast<const Sequence*>(device.data()), count,
                                        words.data());
  ASSERT_EQ(cudaGetLastError(), cudaSuccess);
  context.synchronize();
  const std::vector<std::uint32_t> expected = words.dense();
  const Context cpu(Backend::kCpu);
  for (int i = 0; i < count; ++i) {
    const auto params = random_params({sequences[i].seed, sequences[i].offset,
                                       static_cast<std::int64_t>(sequences[i].subsequence)});
    const std::vector<std::uint32_t> of_sequence(expected.begin() + i * kDrawn,
                                                 expected.begin() + (i + 1) * kDrawn);
    const std::string name = "seed " + std::to_string(sequences[i].seed) + " subsequence " +
                             std::to_string(sequences[i].subsequence) + " offset " +
                             std::to_string(sequences[i].offset);
    EXPECT_EQ(random_bits(cpu, params, 1, kDrawn), of_sequence) << name;
    EXPECT_EQ(random_bits(context, params, 1, kDrawn), of_sequence) << name;
  }
}

// Records what `enqueue(stream)` enqueues, and replays it.
class Replay {
 public:
  template <class Enqueue>
  Replay(const Context& context, const Enqueue& enqueue) : context_(context) {
    require_success(scf_stream_create(context.get(), &stream_), "scf_stream_create");
    const auto stream = static_cast<cudaStream_t>(stream_);
    EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    enqueue(stream_);
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream, &graph), cudaSuccess);
    EXPECT_EQ(cudaGraphInstantiate(&executable_, graph, 0), cudaSuccess);
    EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  }
  Replay(Replay&&) = delete;
  ~Replay() {
    EXPECT_EQ(cudaGraphExecDestroy(executable_), cudaSuccess);
    EXPECT_EQ(scf_stream_destroy(context_.get(), stream_), SCF_SUCCESS);
  }
  void run() const {
    ASSERT_EQ(cudaGraphLaunch(executable_, static_cast<cudaStream_t>(stream_)), cudaSuccess);
    ASSERT_EQ(scf_stream_synchronize(context_.get(), stream_), SCF_SUCCESS);
  }

 private:
  const Context& context_;
  void* stream_ = nullptr;
  cudaGraphExec_t executable_ = nullptr;
};

TEST_P(RandomOnDevice, AReplayedGraphDrawsNewNumbers) {
  constexpr std::int64_t kRows = 9;
  constexpr std::int64_t kColumns = 13;
  const Context context(GetParam().backend);
  const DeviceMatrix<float> normals(context, true, kRows, kColumns, kColumns);
  const DeviceMatrix<double> sphere(context, true, kRows, kColumns, kColumns);
  const auto problem = any_problem<float>({20, kRows, 4}, 3);
  const PreparedKde<float> kde(context, problem);
  DrawCall<float> draw(context, kde.get(), problem, {1, 10, 0});
  DeviceWord word(context, 0);
  scf_random_params params = random_params({1, 10, 0});
  params.device_offset = word.data();
  const Replay replay(context, [&](void* stream) {
    EXPECT_EQ(scf_random_normal_f32(context.get(), &params, kRows, kColumns, normals.data(),
                                    kColumns, stream),
              SCF_SUCCESS);
    EXPECT_EQ(scf_random_sphere_f64(context.get(), &params, kRows, kColumns, 2, sphere.data(),
                                    kColumns, stream),
              SCF_SUCCESS);
    EXPECT_EQ(kde_draw<float>(context.get(), kde.get(), &params, kRows, draw.query, draw.out,
                              draw.ld, draw.indices, nullptr, 0, stream),
              SCF_SUCCESS);
  });
  for (const std::uint64_t more : {0u, 52u, 7u}) {
    word.set(more);
    replay.run();
    const WordSource source{1, 10 + more, 0};
    EXPECT_EQ(normals.dense(), random_numbers<float>(context, RandomKind::kNormal,
                                                     random_params(source), kRows, kColumns));
    EXPECT_EQ(sphere.dense(),
              sphere_points<double>(context, random_params(source), kRows, kColumns, 2));
    const auto expected = draw_from(context, problem, source);
    EXPECT_EQ(draw.points(), expected.points);
    EXPECT_EQ(draw.drawn(), expected.indices);
  }
}

INSTANTIATE_TEST_SUITE_P(Random, RandomOnDevice,
                         ::testing::Values(BackendCase{Backend::kCuda, Dtype::kF32}),
                         [](const auto& info) { return name_of(info.param); });

}  // namespace
}  // namespace scf::test
