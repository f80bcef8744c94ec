// One KDE case on the host, dense and in the library's dtype: data, queries, options. The reference
// computes from it, and the calls through the C ABI are made from it.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace scf::test {

template <class T>
struct KdeProblem {
  std::int64_t n = 0;
  std::int64_t m = 0;
  std::int64_t d = 0;
  std::vector<T> data;     // [n, d]
  std::vector<T> queries;  // [m, d]

  // Empty where not given.
  std::vector<T> weights;                  // [n]
  std::vector<std::int32_t> labels;        // [n]
  std::vector<T> bandwidths;               // [m]
  std::vector<T> signal_scales;            // [m]
  std::vector<std::int64_t> skip;          // [m]
  std::vector<std::int32_t> query_labels;  // [m]
  std::vector<T> tangent;                  // [m, d]

  double bandwidth = std::numeric_limits<double>::quiet_NaN();
  double signal_scale = 1;
  int top = 0;
  double tolerance = 0;  // of an evaluation
  bool index = false;    // whether the dataset is created with one

  std::uint64_t seed = 0;
  std::string note;  // what is particular about the case
};

// Everything that repeats the case.
template <class T>
std::string describe(const KdeProblem<T>& problem);

// The queries [first, first + count) of a problem, with all that belongs to them.
template <class T>
KdeProblem<T> slice_queries(const KdeProblem<T>& problem, std::int64_t first, std::int64_t count);

// Which outputs to ask for.
enum class Output : unsigned {
  kLogDensity = 1,
  kScore = 2,
  kDenoised = 4,
  kDivergence = 8,
  kJacobianProduct = 16,
  kQuadraticForm = 32,
  kEffectiveSampleSize = 64,
  kTopIndices = 128,
  kTopWeights = 256,
};

class OutputSet {
 public:
  constexpr OutputSet() = default;
  constexpr OutputSet(Output output)
      : bits_(static_cast<unsigned>(output)) {}  // NOLINT: a set of one
  constexpr explicit OutputSet(unsigned bits) : bits_(bits) {}

  [[nodiscard]] constexpr bool has(Output output) const {
    return (bits_ & static_cast<unsigned>(output)) != 0;
  }
  [[nodiscard]] constexpr unsigned bits() const { return bits_; }
  friend constexpr OutputSet operator|(OutputSet a, OutputSet b) {
    return OutputSet(a.bits_ | b.bits_);
  }
  friend constexpr OutputSet operator&(OutputSet a, OutputSet b) {
    return OutputSet(a.bits_ & b.bits_);
  }

 private:
  unsigned bits_ = 0;
};

inline constexpr unsigned kOutputCount = 9;
inline constexpr OutputSet kAllOutputs{(1u << kOutputCount) - 1};

// All that the problem allows: the Jacobian outputs need a tangent, the top ones need K >= 1.
template <class T>
OutputSet possible_outputs(const KdeProblem<T>& problem);

// The problem with nothing beyond what these outputs need: no top, no tangent. A call may take
// another way through the library for what its params hold, even where no output asks for it.
template <class T>
KdeProblem<T> restricted(const KdeProblem<T>& problem, OutputSet wanted);

// Requests of different kinds, of what the problem allows: all outputs, the first moments, the
// second ones, the Jacobian's, the most probable data.
template <class T>
std::vector<OutputSet> typical_requests(const KdeProblem<T>& problem);

std::string output_name(Output output);
std::string describe(OutputSet outputs);

// Results, dense; empty where not asked for.
template <class T>
struct KdeResults {
  std::vector<T> log_density;
  std::vector<T> score;
  std::vector<T> denoised;
  std::vector<T> divergence;
  std::vector<T> jacobian_product;
  std::vector<T> quadratic_form;
  std::vector<T> effective_sample_size;
  std::vector<std::int64_t> top_indices;
  std::vector<T> top_weights;
  std::uint32_t status_word = 0;
  std::vector<std::int64_t> evaluated;  // these two of a problem with an index or a tolerance
  std::vector<std::int32_t> method;
};

}  // namespace scf::test
