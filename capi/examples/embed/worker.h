// A thread's own part of the engine: a context with the engine's memory, a stream, and scratch
// memory. It evaluates a dataset that all workers share, and samples with a model that evaluates it
// too.
#pragma once

#include <scorefield/scorefield.h>

#include <cstdint>
#include <vector>

#include "memory.h"

namespace embed {

inline constexpr std::int64_t kDimension = 2;
inline constexpr double kBandwidth = 0.1;

class Worker {
 public:
  Worker(Ledger& host, Ledger& device, std::int32_t backend, std::int32_t threads);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  [[nodiscard]] scf_context* context() const { return context_; }
  [[nodiscard]] void* stream() const { return stream_; }

  // The dataset of n points; the caller destroys it.
  [[nodiscard]] scf_kde* prepare(const std::vector<float>& points);
  // Log-density and score of each point, one row of 1 + kDimension after the other.
  [[nodiscard]] std::vector<float> evaluate(const scf_kde* kde, const std::vector<float>& points);
  // Samples `rows` points by DDIM, from row first_row of the noise on. The model is a callback of
  // this worker; `calls` counts how often it was asked.
  [[nodiscard]] std::vector<float> sample(const scf_kde* kde, std::int64_t first_row,
                                          std::int64_t rows, std::int64_t& calls);

 private:
  struct Model {
    Worker* worker;
    const scf_kde* kde;
    std::int64_t calls;
  };
  static scf_status model(void* user, const scf_model_request* request) noexcept;

  // Device memory, kept and grown.
  class Scratch {
   public:
    void* reserve(Worker& worker, std::size_t bytes);
    void release(Worker& worker);

   private:
    void* data_ = nullptr;
    std::size_t bytes_ = 0;
  };
  void enqueue(const scf_kde* kde, const float* x, std::int64_t m, std::int64_t ldx,
               const scf_kde_query_params& query, const scf_kde_outputs& outputs);
  void copy(void* to, const void* from, std::size_t bytes, std::int32_t kind);

  Memory memory_;
  scf_context* context_ = nullptr;
  void* stream_ = nullptr;
  Scratch workspace_, input_, output_;
};

}  // namespace embed
