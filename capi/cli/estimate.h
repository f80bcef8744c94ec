// A prepared dataset and queries of it, evaluated batch by batch, so that progress can be shown and
// Ctrl-C works. Results do not depend on the batches: the library promises that of each query
// without a tolerance, and with one they stay within it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "device.h"
#include "progress.h"

namespace scf::cli {

template <class T>
struct Queries {
  const T* x = nullptr;  // [m, d], host memory
  std::int64_t m = 0;
  double bandwidth = 0;
  double signal_scale = 1;
  const std::int64_t* skip = nullptr;  // [m]: datum left out for each query; or null
  double tolerance = 0;                // share of a query's mass that may be skipped
};

// What to compute besides the log-density.
struct Wanted {
  bool score = false;
  bool denoised = false;
  bool divergence = false;
  bool nearest = false;  // index of the most probable datum
  bool method = false;   // how each query was evaluated, and over how many data
  bool laplace = false;  // the Laplacian-corrected density in place of the density
};

// Results of queries [first, first + count), in host memory; empty where not wanted.
template <class T>
struct Batch {
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::vector<T> log_density;           // [count]; of a Laplacian-corrected one, its magnitude's
  std::vector<std::int32_t> sign;       // [count], of that density
  std::vector<T> score;                 // [count, d]
  std::vector<T> denoised;              // [count, d]
  std::vector<T> divergence;            // [count]
  std::vector<std::int64_t> nearest;    // [count]
  std::vector<std::int64_t> evaluated;  // [count]
  std::vector<std::int32_t> method;     // [count], SCF_KDE_METHOD_*
};

template <class T>
class Estimate {
 public:
  // As of PreparedKde.
  Estimate(const Context& context, const std::vector<T>& data, std::int64_t d,
           const std::vector<T>& weights = {}, const Preparation& preparation = {});

  [[nodiscard]] const Context& context() const { return context_; }
  [[nodiscard]] const PreparedKde<T>& kde() const { return kde_; }
  [[nodiscard]] std::int64_t n() const { return kde_.n(); }
  [[nodiscard]] std::int64_t d() const { return kde_.d(); }

  // Evaluates all queries, batch by batch and in order, and returns the seconds that took without
  // those spent in `consume`. Advances `progress` by one a query. Throws CommandError, also when
  // interrupted.
  double evaluate(const Queries<T>& queries, const Wanted& wanted, Progress* progress,
                  const std::function<void(const Batch<T>&)>& consume);

 private:
  void evaluate_batch(const Queries<T>& queries, const Wanted& wanted, Batch<T>& batch);
  void correct_batch(const T* x, const scf_kde_query_params& params, Batch<T>& batch);
  // `last` is the size of the batch before, 0 for the first.
  [[nodiscard]] std::int64_t next_batch(std::int64_t last) const;
  void note_speed(std::int64_t count, double seconds);

  const Context& context_;
  PreparedKde<T> kde_;
  DeviceBuffer x_, skip_, log_density_, sign_, score_, denoised_, divergence_, nearest_, evaluated_,
      method_, workspace_;
  QueryStatus status_;
  double seconds_per_query_;  // a guess at first, then as measured
};

}  // namespace scf::cli
