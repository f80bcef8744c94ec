// The C API as the command and the demo use it: a context, a prepared dataset, and queries
// evaluated batch by batch, so that progress can be shown and Ctrl-C works. Results do not depend
// on the batches: the library promises that of each query.
#pragma once

#include <scorefield/scorefield.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "progress.h"

namespace scf::cli {

// Throws CommandError with the library's message and the exit code that fits the status.
void check_status(scf_status status);

class Context {
 public:
  // backend: SCF_BACKEND_*; threads 0: all.
  explicit Context(std::int32_t backend, std::int32_t threads = 0);

  [[nodiscard]] scf_context* get() const { return context_.get(); }
  [[nodiscard]] const char* device_name() const;  // "cpu", "cuda"
  [[nodiscard]] std::int32_t threads() const { return scf_context_threads(context_.get()); }
  // "cpu (AVX2, 2 threads)", "cuda (name of the device)".
  [[nodiscard]] std::string description() const;

 private:
  struct Deleter {
    void operator()(scf_context* context) const noexcept { scf_context_destroy(context); }
  };
  std::unique_ptr<scf_context, Deleter> context_;
};

// An array in a context's device memory that grows when it has to.
class DeviceBuffer {
 public:
  explicit DeviceBuffer(const Context& context) : context_(context) {}
  ~DeviceBuffer() { scf_free(context_.get(), pointer_, nullptr); }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  void* reserve(std::size_t bytes);
  void* upload(const void* host, std::size_t bytes);
  void download(void* host, std::size_t bytes) const;  // enqueued: synchronise before reading

 private:
  const Context& context_;
  void* pointer_ = nullptr;
  std::size_t bytes_ = 0;
};

template <class T>
struct Queries {
  const T* x = nullptr;  // [m, d], host memory
  std::int64_t m = 0;
  double bandwidth = 0;
  double signal_scale = 1;
  const std::int64_t* skip = nullptr;  // [m]: datum left out for each query; or null
};

// What to compute besides the log-density.
struct Wanted {
  bool score = false;
  bool denoised = false;
  bool divergence = false;
  bool nearest = false;  // index of the most probable datum
};

// Results of queries [first, first + count), in host memory; empty where not wanted.
template <class T>
struct Batch {
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::vector<T> log_density;         // [count]
  std::vector<T> score;               // [count, d]
  std::vector<T> denoised;            // [count, d]
  std::vector<T> divergence;          // [count]
  std::vector<std::int64_t> nearest;  // [count]
};

template <class T>
class Estimate {
 public:
  // data [n, d]; weights [n] or empty; both in host memory, copied.
  Estimate(const Context& context, const std::vector<T>& data, std::int64_t d,
           const std::vector<T>& weights = {});

  [[nodiscard]] const Context& context() const { return context_; }
  [[nodiscard]] std::int64_t n() const { return n_; }
  [[nodiscard]] std::int64_t d() const { return d_; }

  // Evaluates all queries, batch by batch and in order, and returns the seconds that took without
  // those spent in `consume`. Advances `progress` by one a query. Throws CommandError, also when
  // interrupted.
  double evaluate(const Queries<T>& queries, const Wanted& wanted, Progress* progress,
                  const std::function<void(const Batch<T>&)>& consume);

 private:
  void evaluate_batch(const Queries<T>& queries, const Wanted& wanted, Batch<T>& batch);
  // `last` is the size of the batch before, 0 for the first.
  [[nodiscard]] std::int64_t next_batch(std::int64_t last) const;
  void note_speed(std::int64_t count, double seconds);

  struct Deleter {
    void operator()(scf_kde* kde) const noexcept { scf_kde_destroy(kde); }
  };
  const Context& context_;
  std::int64_t n_;
  std::int64_t d_;
  std::unique_ptr<scf_kde, Deleter> kde_;
  DeviceBuffer x_, skip_, log_density_, score_, denoised_, divergence_, nearest_;
  DeviceBuffer status_, workspace_;
  double seconds_per_query_;  // a guess at first, then as measured
};

}  // namespace scf::cli
