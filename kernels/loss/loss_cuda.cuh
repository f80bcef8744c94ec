// What the CUDA kernels of the losses share: workspace, noise in registers, launches. For .cu
// files.
#pragma once

#include <cstdint>

#include "common/rows_cuda.cuh"
#include "loss/loss.h"
#include "random/random_cuda.cuh"

namespace scf::loss {

struct WorkspaceCuda {
  RowWorkspaceCuda rows;
  double* slopes;  // [row_slots_cuda, projections]: v.s of the probes of a row
};

[[nodiscard]] inline WorkspaceCuda take_workspace_cuda(Arena& arena, const RowPlanCuda& plan,
                                                       std::int64_t projections) {
  WorkspaceCuda workspace = {};
  workspace.rows = take_rows_cuda(arena, plan);
  workspace.slopes = arena.take<double>(row_slots_cuda(plan), projections);
  return workspace;
}

template <class T>
[[nodiscard]] WorkspaceCuda workspace_cuda(const RowPlanCuda& plan, const Batch<T>& batch,
                                           std::int64_t projections) {
  Arena arena(batch.workspace);
  return take_workspace_cuda(arena, plan, projections);
}

// The normal noise z (or v) of a batch, the caller's or regenerated; see residual_cuda.cuh.
template <class T>
class NoiseCuda {
 public:
  static constexpr bool kPresent = true;

  NoiseCuda() = default;
  NoiseCuda(random::Distribution distribution, const random::Stream& words,
            const Matrix<const T>& given)
      : distribution_(distribution), words_(words), given_(given) {}

  [[nodiscard]] bool vectors() const { return given_.aligned; }

  // Reads the offset in device memory, if any: once a thread.
  __device__ void start() {
    const random::Words words = random::words_of(words_);
    words_.offset = words.offset;
    words_.device_offset = nullptr;
  }

  // Columns beyond `count` are 0 or belong to the noise; nothing must come of them.
  template <bool kVector>
  __device__ void quad(std::int64_t row, std::int64_t column, int count, T* z) const {
    if (given_.data != nullptr) {
      load_quad<kVector>(given_, row, column, count, z);
    } else if (distribution_ == random::Distribution::kRademacher) {
      random::rademacher4(words(), row, column / 4, z);
    } else {
      z[2] = z[3] = 0;
      random::normal4(words(), row, column / 4, z, kVector ? 4 : count);
    }
  }

  // The noise after `more` words of every row, of the caller's rows from `first_given` on.
  __device__ NoiseCuda moved(std::uint64_t more, std::int64_t first_given) const {
    NoiseCuda result = *this;
    result.words_.offset += more;
    if (given_.data != nullptr) {
      result.given_.data += first_given * given_.ld;
    }
    return result;
  }

  [[nodiscard]] __device__ bool given() const { return given_.data != nullptr; }
  [[nodiscard]] __device__ random::Words words() const {
    return {words_.seed, words_.offset, words_.first_row};
  }

 private:
  random::Distribution distribution_ = random::Distribution::kNormal;
  random::Stream words_;
  QuadMatrix<const T> given_;
};

template <class T>
[[nodiscard]] NoiseCuda<T> noise_of(const Settings<T>& settings) {
  return {random::Distribution::kNormal, settings.words, settings.noise};
}

// Probes of SSM (moved() on to the k-th), or, for FD-DSM, n with the words after those of
// z.
template <class T>
[[nodiscard]] NoiseCuda<T> probe_of(const Settings<T>& settings, random::Distribution distribution,
                                    std::int64_t index, std::int64_t d) {
  random::Stream words = settings.words;
  words.offset += static_cast<std::uint64_t>(index) * static_cast<std::uint64_t>(words_of_noise(d));
  return {distribution, words, settings.probes};
}

// The count of a mask first, then the operation that make(scale) gives, then the summary.
template <class T, class Make>
void run_loss_cuda(const CudaContext& context, const char* name, const RowPlanCuda& plan,
                   const Batch<T>& batch, const WorkspaceCuda& workspace, const Make& make,
                   void* stream) {
  const MeanScale scale =
      mean_scale_cuda(context, batch.settings.gradient_scale, batch.settings.mask, batch.m,
                      workspace.rows.count, stream);
  run_rows_cuda(name, plan, batch.rows(plan.d), make(scale), workspace.rows.partials, stream);
  summarise_rows_cuda({workspace.rows.partials, plan.blocks}, {}, 1, 1, batch.summary(), stream);
}

}  // namespace scf::loss
