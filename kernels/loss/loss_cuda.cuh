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

// The noise z (or v) of a batch, the caller's or regenerated; see residual_cuda.cuh. kSigns: it may
// be Rademacher signs, else it is normal. kKeys: the keys of its words stay in 20 registers.
template <class T, bool kSigns = false, bool kKeys = true>
class NoiseCuda {
 public:
  static constexpr bool kPresent = true;

  NoiseCuda(random::Distribution distribution, const random::Stream& words,
            const Matrix<const T>& given)
      : signs_(distribution == random::Distribution::kRademacher), words_(words), given_(given) {}

  [[nodiscard]] bool vectors() const { return given_.aligned; }

  // Reads the offset in device memory, if any: once a thread.
  __device__ void start() {
    const random::Words words = random::words_of(words_);
    words_.offset = in_register(words.offset);
    words_.first_row = in_register(words.first_row);
    keys_ = kKeys ? random::keys_in_registers(words.seed) : random::keys_of(words.seed);
  }

  // Columns beyond those left are 0 or belong to the noise; nothing must come of them.
  __device__ void quad(std::int64_t row, std::int64_t column, std::int64_t left, bool vector,
                       T* z) const {
    if (given_.data != nullptr) {
      if (vector) {
        load_quad<true>(given_.at(row, column), 4, z);
      } else {
        load_quad<false>(given_.at(row, column), static_cast<int>(min(left, std::int64_t{4})), z);
      }
      return;
    }
    const uint4 words = random::words_at(keys_, words_.offset + static_cast<std::uint64_t>(column),
                                         words_.first_row + row);
    if (kSigns && signs_) {
      random::rademachers_of(words, z);
    } else {
      random::normals_of(words, left, z);
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

 private:
  bool signs_;
  random::Stream words_;
  QuadMatrix<const T> given_;
  random::PhiloxKeys keys_;
};

template <class T>
[[nodiscard]] NoiseCuda<T> noise_of(const Settings<T>& settings) {
  return {random::Distribution::kNormal, settings.words, settings.noise};
}

// For FD-DSM, n: the words after those of z.
template <class T>
[[nodiscard]] NoiseCuda<T> direction_of(const Settings<T>& settings, std::int64_t d) {
  random::Stream words = settings.words;
  words.offset += static_cast<std::uint64_t>(words_of_noise(d));
  return {random::Distribution::kNormal, words, settings.probes};
}

// Probes of SSM; moved() on to the k-th.
template <class T>
[[nodiscard]] NoiseCuda<T, true, false> probes_of(const Settings<T>& settings) {
  return {settings.probe, settings.words, settings.probes};
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
