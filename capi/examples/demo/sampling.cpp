#include "sampling.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "errors.h"
#include "kde_sampler.h"
#include "normal.h"

namespace scf::demo {

namespace {

// Runs all n samples of a sampler in one batch or several; returns them, and the states.
struct Run {
  std::vector<float> samples;
  std::vector<std::vector<float>> states;  // every so many steps
  cli::SampleCounts counts;
};

Run run(cli::KdeSampler<float>& sampler, std::int64_t n, std::int64_t every) {
  cli::SampleRequest<float> request;
  request.n = n;
  request.trajectory_every = every;
  Run result;
  if (every > 0) result.states.resize(static_cast<std::size_t>(sampler.states(every)));
  result.counts = sampler.run(request, [&](const cli::SampleBatch<float>& batch) {
    result.samples.insert(result.samples.end(), batch.samples.begin(), batch.samples.end());
    auto from = batch.trajectory.begin();
    for (std::vector<float>& state : result.states) {
      const auto to = from + static_cast<std::ptrdiff_t>(batch.samples.size());
      state.insert(state.end(), from, to);
      from = to;
    }
  });
  return result;
}

Row row_of(const char* what, std::int64_t d, std::int64_t data, std::int64_t n,
           const cli::SampleCounts& counts) {
  const double pairs =
      static_cast<double>(data) * static_cast<double>(n) * static_cast<double>(counts.evaluations);
  return {what, d, pairs, counts.seconds};
}

// ---- The mixture
// -----------------------------------------------------------------------------------

constexpr std::int64_t kMixtureData = 100;
constexpr std::int64_t kMixtureSamples = 1500;
constexpr double kMixtureWeight = 0.8;
constexpr double kMixtureBandwidth = 0.35;

// Two modes, one of four times the weight of the other.
std::vector<float> mixture_data() {
  constexpr double kCentre = 3;
  constexpr double kDeviation = 0.35;
  NormalNumbers random(7);
  std::vector<float> data;
  for (std::int64_t i = 0; i < kMixtureData; ++i) {
    const double centre =
        static_cast<double>(i) < kMixtureWeight * kMixtureData ? -kCentre : kCentre;
    for (int j = 0; j < 2; ++j) {
      data.push_back(static_cast<float>(centre + kDeviation * random.next()));
    }
  }
  return data;
}

// Langevin dynamics of the density itself: from the same start, every step at the last level.
cli::Levels without_annealing(cli::Levels levels) {
  constexpr double kStep = 0.1;  // of the squared bandwidth: large enough to mix within a mode
  const double last = levels.sigmas.back();
  const double bandwidth = 10 * last;  // the last level is a tenth of it
  std::fill(levels.sigmas.begin() + 1, levels.sigmas.end(), last);
  std::fill(levels.step_sizes.begin(), levels.step_sizes.end(), kStep * bandwidth * bandwidth);
  levels.step_sizes.front() = 0;
  levels.times = levels.sigmas;
  return levels;
}

MixtureSamples mixture_samples(std::vector<float> points) {
  MixtureSamples samples{std::move(points), 0};
  double below = 0;
  for (std::size_t i = 0; i < samples.points.size(); i += 2) {
    below += samples.points[i] + samples.points[i + 1] < 0 ? 1 : 0;
  }
  samples.weight = 2 * below / static_cast<double>(samples.points.size());
  return samples;
}

}  // namespace

NewDigits sample_digits(const cli::Context& context, const std::vector<float>& pixels,
                        Report& report) {
  constexpr std::int64_t kEvery = 25;
  constexpr std::size_t kShown[] = {0, 16, 20, 24, 27, 30, 32, 34, 36, 38, 40};  // of 40
  NewDigits digits;
  digits.bandwidth = 1;
  cli::SampleChoice choice;
  choice.method = "pc";
  cli::KdeSampler<float> sampler(context, pixels, kPixels, {}, digits.bandwidth,
                                 cli::plan_of(choice));
  Run done = run(sampler, NewDigits::kCount, kEvery);
  const auto data = static_cast<std::int64_t>(pixels.size()) / kPixels;
  report.add(row_of("digits: 100 new ones, predictor-corrector", kPixels, data, NewDigits::kCount,
                    done.counts));
  digits.pixels = std::move(done.samples);
  for (const std::size_t state : kShown) {
    const std::size_t level = state * kEvery;
    digits.snapshots.push_back(
        {sampler.levels().sigmas[level] / sampler.levels().signal_scales[level] *
             sampler.space().spread(),
         std::move(done.states[state])});
  }
  return digits;
}

MixtureResult sample_mixture(const cli::Context& context, Report& report) {
  MixtureResult result;
  result.weight = kMixtureWeight;
  cli::SampleChoice choice;
  choice.method = "smld";
  cli::KdeSampler<float> sampler(context, mixture_data(), 2, {}, kMixtureBandwidth,
                                 cli::plan_of(choice));
  Run annealed = run(sampler, kMixtureSamples, 0);
  report.add(
      row_of("mixture: annealed Langevin", 2, kMixtureData, kMixtureSamples, annealed.counts));
  sampler.replace_levels(without_annealing(sampler.levels()));
  Run plain = run(sampler, kMixtureSamples, 0);
  report.add(row_of("mixture: plain Langevin", 2, kMixtureData, kMixtureSamples, plain.counts));
  result.evaluations = static_cast<double>(annealed.counts.evaluations);
  result.annealed = mixture_samples(std::move(annealed.samples));
  result.plain = mixture_samples(std::move(plain.samples));
  std::printf("mixture of weights 0.8 and 0.2: %.3f by annealed, %.3f by plain Langevin\n",
              result.annealed.weight, result.plain.weight);
  return result;
}

}  // namespace scf::demo
