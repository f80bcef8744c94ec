#include "flow.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "bandwidth_search.h"
#include "errors.h"
#include "estimate.h"
#include "kde_flow.h"
#include "normal.h"

namespace scf::demo {

namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr std::int64_t kData = 1000;
constexpr std::int64_t kSamples = 1200;
constexpr std::int64_t kQueries = 300;
constexpr std::int64_t kTimes = 160;  // steps of time from noise to data

// A pinwheel: arms that bend as they go outwards. Datum i is of arm i % kArms.
std::vector<double> pinwheel(std::int64_t count, std::uint64_t seed) {
  constexpr double kAlong = 0.38;
  constexpr double kAcross = 0.075;
  constexpr double kBend = 0.26;
  NormalNumbers random(seed);
  std::vector<double> points;
  for (std::int64_t i = 0; i < count; ++i) {
    const double x = 1.15 + kAlong * random.next();
    const double y = kAcross * (0.6 + x) * random.next();
    const double angle = 2 * kPi * static_cast<double>(i % FlowResult::kArms) / FlowResult::kArms +
                         kBend * std::exp(x);
    points.push_back(x * std::cos(angle) - y * std::sin(angle));
    points.push_back(x * std::sin(angle) + y * std::cos(angle));
  }
  return points;
}

template <class T>
std::vector<T> rounded(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

// The density at the centres of cells, and the nearest datum's arm at the samples.
void evaluate(cli::Estimate<float>& estimate, FlowResult& result, Report& report) {
  constexpr int kCells = FlowResult::kCells;
  std::vector<float> cells;
  for (int row = 0; row < kCells; ++row) {
    for (int column = 0; column < kCells; ++column) {
      const auto at = [](int i) { return FlowResult::kHalfWidth * ((2 * i + 1.0) / kCells - 1); };
      cells.push_back(static_cast<float>(at(column)));
      cells.push_back(static_cast<float>(-at(row)));
    }
  }
  const auto count = static_cast<std::int64_t>(cells.size() / 2);
  const double seconds = estimate.evaluate(
      {cells.data(), count, result.bandwidth}, {}, nullptr, [&](const cli::Batch<float>& batch) {
        result.log_density.insert(result.log_density.end(), batch.log_density.begin(),
                                  batch.log_density.end());
      });
  report.add({cli::format("pinwheel: density on %d x %d", kCells, kCells), 2,
              static_cast<double>(count) * static_cast<double>(kData), seconds});
  cli::Wanted wanted;
  wanted.nearest = true;
  const std::vector<float>& ends = result.states.back();
  estimate.evaluate({ends.data(), kSamples, result.bandwidth}, wanted, nullptr,
                    [&](const cli::Batch<float>& batch) {
                      for (const std::int64_t datum : batch.nearest) {
                        result.arms.push_back(static_cast<int>(datum % FlowResult::kArms));
                      }
                    });
}

void follow(const cli::Context& context, const std::vector<double>& data, FlowResult& result,
            Report& report) {
  cli::FlowChoice choice;
  choice.steps = kTimes;
  choice.counts_steps = true;
  cli::KdeFlow<float> flow(context, rounded<float>(data), 2, {}, result.bandwidth,
                           cli::flow_plan_of(choice));
  cli::SampleRequest<float> request;
  request.n = kSamples;
  request.trajectory_every = 1;
  result.states.resize(static_cast<std::size_t>(flow.states(1)));
  const cli::SampleCounts counts =
      flow.sample(request, SCF_START_MATCHED, 0, [&](const cli::SampleBatch<float>& batch) {
        auto from = batch.trajectory.begin();
        for (std::vector<float>& state : result.states) {
          const auto to = from + static_cast<std::ptrdiff_t>(batch.samples.size());
          state.insert(state.end(), from, to);
          from = to;
        }
      });
  report.add({cli::format("pinwheel: %lld samples by the flow", static_cast<long long>(kSamples)),
              2, static_cast<double>(kData) * static_cast<double>(counts.evaluations),
              counts.seconds});
}

// In double, so that the tolerance is what is seen.
void compare_likelihoods(const cli::Context& context, const std::vector<double>& data,
                         double bandwidth, Report& report) {
  const std::vector<double> queries = pinwheel(kQueries, 12);
  std::vector<double> exact;
  cli::Estimate<double> estimate(context, data, 2);
  estimate.evaluate({queries.data(), kQueries, bandwidth}, {}, nullptr,
                    [&](const cli::Batch<double>& batch) {
                      exact.insert(exact.end(), batch.log_density.begin(), batch.log_density.end());
                    });
  const auto mean = [](const std::vector<double>& values) {
    double sum = 0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
  };
  std::printf(
      "\nlog-density of %lld new points of the pinwheel, by the flow beside the density's own\n",
      static_cast<long long>(kQueries));
  std::printf("%-10s %12s %16s %12s %14s\n", "tolerance", "evaluations", "mean log-density",
              "rms error", "largest error");
  double pairs = 0;
  double seconds = 0;
  for (const double tolerance : {1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8}) {
    cli::FlowChoice choice;
    choice.rtol = tolerance;
    choice.atol = tolerance;
    cli::KdeFlow<double> flow(context, data, 2, {}, bandwidth, cli::flow_plan_of(choice));
    cli::LikelihoodRequest request;
    request.m = kQueries;
    std::vector<double> found;
    const cli::SampleCounts counts =
        flow.log_likelihood(queries.data(), request, [&](const cli::LikelihoodBatch& batch) {
          found.insert(found.end(), batch.log_density.begin(), batch.log_density.end());
        });
    double squares = 0;
    double largest = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double error = std::abs(found[i] - exact[i]);
      squares += error * error;
      largest = std::max(largest, error);
    }
    std::printf("%-10.0e %12.0f %16.8f %12.1e %14.1e\n", tolerance,
                static_cast<double>(counts.evaluations) / static_cast<double>(kQueries),
                mean(found), std::sqrt(squares / static_cast<double>(kQueries)), largest);
    pairs += static_cast<double>(kData) * static_cast<double>(counts.evaluations);
    seconds += counts.seconds;
  }
  std::printf("%-10s %12d %16.8f\n\n", "its own", 1, mean(exact));
  report.add({"pinwheel: likelihoods by the flow, in f64", 2, pairs, seconds});
}

}  // namespace

FlowResult compute_flow(const cli::Context& context, Report& report) {
  FlowResult result;
  result.data = kData;
  const std::vector<double> data = pinwheel(kData, 11);
  const std::vector<float> single = rounded<float>(data);
  cli::Estimate<float> estimate(context, single, 2);
  result.bandwidth = cli::search_bandwidth(estimate, single, {}, {}).log_likelihood.bandwidth;
  follow(context, data, result, report);
  evaluate(estimate, result, report);
  compare_likelihoods(context, data, result.bandwidth, report);
  return result;
}

}  // namespace scf::demo
