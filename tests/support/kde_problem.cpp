#include "support/kde_problem.h"

#include <algorithm>
#include <sstream>

namespace scf::test {
namespace {

template <class T>
std::vector<T> slice(const std::vector<T>& rows, std::int64_t width, std::int64_t first,
                     std::int64_t count) {
  if (rows.empty()) return {};
  const auto begin = rows.begin() + first * width;
  return {begin, begin + count * width};
}

}  // namespace

template <class T>
std::string describe(const KdeProblem<T>& problem) {
  std::ostringstream text;
  text << (sizeof(T) == sizeof(float) ? "f32" : "f64") << " n=" << problem.n << " m=" << problem.m
       << " d=" << problem.d << " seed=" << problem.seed << " h=";
  if (problem.bandwidths.empty()) {
    text << problem.bandwidth;
  } else {
    text << "per query";
  }
  text << " a=";
  if (problem.signal_scales.empty()) {
    text << problem.signal_scale;
  } else {
    text << "per query";
  }
  if (!problem.weights.empty()) text << " weights";
  if (!problem.labels.empty()) text << " data-labels";
  if (!problem.query_labels.empty()) text << " query-labels";
  if (!problem.skip.empty()) text << " skip";
  if (!problem.tangent.empty()) text << " tangent";
  if (problem.top > 0) text << " top=" << problem.top;
  if (problem.tolerance > 0) text << " tolerance=" << problem.tolerance;
  if (problem.index) text << " index";
  if (!problem.note.empty()) text << " (" << problem.note << ")";
  return text.str();
}

template <class T>
KdeProblem<T> slice_queries(const KdeProblem<T>& problem, std::int64_t first, std::int64_t count) {
  KdeProblem<T> part = problem;
  part.m = count;
  part.queries = slice(problem.queries, problem.d, first, count);
  part.bandwidths = slice(problem.bandwidths, 1, first, count);
  part.signal_scales = slice(problem.signal_scales, 1, first, count);
  part.skip = slice(problem.skip, 1, first, count);
  part.query_labels = slice(problem.query_labels, 1, first, count);
  part.tangent = slice(problem.tangent, problem.d, first, count);
  return part;
}

template <class T>
OutputSet possible_outputs(const KdeProblem<T>& problem) {
  OutputSet outputs = OutputSet(Output::kLogDensity) | Output::kScore | Output::kDenoised |
                      Output::kDivergence | Output::kEffectiveSampleSize;
  // Without queries there is no tangent to be had, and none is needed.
  if (!problem.tangent.empty()) {
    outputs = outputs | Output::kJacobianProduct | Output::kQuadraticForm;
  }
  if (problem.top > 0) outputs = outputs | Output::kTopIndices | Output::kTopWeights;
  return outputs;
}

template <class T>
KdeProblem<T> restricted(const KdeProblem<T>& problem, OutputSet wanted) {
  KdeProblem<T> enough = problem;
  if (!wanted.has(Output::kTopIndices) && !wanted.has(Output::kTopWeights)) enough.top = 0;
  if (!wanted.has(Output::kJacobianProduct) && !wanted.has(Output::kQuadraticForm)) {
    enough.tangent.clear();
  }
  return enough;
}

template <class T>
std::vector<OutputSet> typical_requests(const KdeProblem<T>& problem) {
  const OutputSet first = OutputSet(Output::kLogDensity) | Output::kScore | Output::kDenoised;
  const OutputSet second = OutputSet(Output::kDivergence) | Output::kEffectiveSampleSize;
  const OutputSet jacobian = OutputSet(Output::kJacobianProduct) | Output::kQuadraticForm;
  const OutputSet top = OutputSet(Output::kTopIndices) | Output::kTopWeights;
  const OutputSet possible = possible_outputs(problem);
  std::vector<OutputSet> requests;
  for (const OutputSet& request :
       {kAllOutputs, OutputSet(Output::kLogDensity), OutputSet(Output::kScore), first,
        first | second, OutputSet(Output::kDivergence), OutputSet(Output::kEffectiveSampleSize),
        OutputSet(Output::kJacobianProduct), second | jacobian, first | second | jacobian,
        top | Output::kScore}) {
    const OutputSet asked = request & possible;
    const auto same = [&](OutputSet other) { return other.bits() == asked.bits(); };
    if (asked.bits() != 0 && std::none_of(requests.begin(), requests.end(), same)) {
      requests.push_back(asked);
    }
  }
  return requests;
}

std::string output_name(Output output) {
  switch (output) {
    case Output::kLogDensity:
      return "log_density";
    case Output::kScore:
      return "score";
    case Output::kDenoised:
      return "denoised";
    case Output::kDivergence:
      return "divergence";
    case Output::kJacobianProduct:
      return "jacobian_product";
    case Output::kQuadraticForm:
      return "quadratic_form";
    case Output::kEffectiveSampleSize:
      return "effective_sample_size";
    case Output::kTopIndices:
      return "top_indices";
    case Output::kTopWeights:
      return "top_weights";
  }
  return "unknown";
}

std::string describe(OutputSet outputs) {
  std::string text;
  for (unsigned i = 0; i < kOutputCount; ++i) {
    const auto output = static_cast<Output>(1u << i);
    if (outputs.has(output)) text += (text.empty() ? "" : "+") + output_name(output);
  }
  return text.empty() ? "nothing" : text;
}

template struct KdeProblem<float>;
template struct KdeProblem<double>;
template std::string describe(const KdeProblem<float>&);
template std::string describe(const KdeProblem<double>&);
template KdeProblem<float> slice_queries(const KdeProblem<float>&, std::int64_t, std::int64_t);
template KdeProblem<double> slice_queries(const KdeProblem<double>&, std::int64_t, std::int64_t);
template OutputSet possible_outputs(const KdeProblem<float>&);
template OutputSet possible_outputs(const KdeProblem<double>&);
template KdeProblem<float> restricted(const KdeProblem<float>&, OutputSet);
template KdeProblem<double> restricted(const KdeProblem<double>&, OutputSet);
template std::vector<OutputSet> typical_requests(const KdeProblem<float>&);
template std::vector<OutputSet> typical_requests(const KdeProblem<double>&);

}  // namespace scf::test
