#include "digits.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>

#include "errors.h"
#include "normal.h"
#include "table.h"

namespace scf::demo {

namespace {

constexpr std::int64_t kClasses = 10;
constexpr double kNoiseLevels[] = {2, 4, 8};

void read_digits(const std::string& path, DigitsResult& digits) {
  digits.pixels = cli::take_values<float>(cli::read_table(path, cli::ColumnList("0-63")), path);
  const auto labels = cli::take_values<float>(
      cli::read_table(path, cli::ColumnList(std::to_string(kPixels))), path);
  for (std::int64_t digit = 0; digit < kClasses; ++digit) {
    const auto found = std::find(labels.begin(), labels.end(), static_cast<float>(digit));
    if (found == labels.end()) {
      throw cli::InputError(path + ": there is no digit " + std::to_string(digit));
    }
    digits.one_of_each.push_back(found - labels.begin());
  }
}

double root_mean_square(const std::vector<float>& a, const std::vector<float>& b) {
  const double square = std::inner_product(
      a.begin(), a.end(), b.begin(), 0.0, std::plus<>(),
      [](float x, float y) { return (static_cast<double>(x) - y) * (static_cast<double>(x) - y); });
  return std::sqrt(square / static_cast<double>(a.size()));
}

// The model of a clean digit y is the estimate of bandwidth h, so that of a noisy one, x = y +
// sigma z, has bandwidth sqrt(h^2 + sigma^2), and E[y | x] = x + sigma^2 s(x) with its score s
// (Tweedie). Each digit's own datum is left out of the estimate, otherwise the answer would be
// among the data.
Denoising denoise(cli::Estimate<float>& estimate, const std::vector<float>& clean, double bandwidth,
                  double noise, Report& report) {
  Denoising result{noise, clean, std::vector<float>(clean.size()), 0, 0};
  NormalNumbers normal(static_cast<std::uint64_t>(noise * 1000));
  for (float& pixel : result.noisy) pixel += static_cast<float>(noise * normal.next());
  std::vector<std::int64_t> own(static_cast<std::size_t>(estimate.n()));
  std::iota(own.begin(), own.end(), std::int64_t{0});
  const cli::Queries<float> queries{result.noisy.data(), estimate.n(), std::hypot(bandwidth, noise),
                                    1, own.data()};
  cli::Wanted wanted;
  wanted.score = true;
  cli::Progress progress("denoising", estimate.n());
  const double seconds =
      estimate.evaluate(queries, wanted, &progress, [&](const cli::Batch<float>& batch) {
        const auto at = static_cast<std::size_t>(batch.first * kPixels);
        for (std::size_t i = 0; i < batch.score.size(); ++i) {
          result.denoised[at + i] =
              result.noisy[at + i] + static_cast<float>(noise * noise) * batch.score[i];
        }
      });
  const auto n = static_cast<double>(estimate.n());
  report.add({cli::format("digits denoised, noise %g", noise), kPixels, n * n, seconds});
  result.error_before = root_mean_square(result.noisy, clean);
  result.error_after = root_mean_square(result.denoised, clean);
  return result;
}

}  // namespace

DigitsResult compute_digits(const cli::Context& context, const std::string& path, Report& report) {
  DigitsResult digits;
  read_digits(path, digits);
  cli::Estimate<float> estimate(context, digits.pixels, kPixels);
  digits.curve = cli::search_bandwidth(estimate, digits.pixels, {}, {});
  const cli::BandwidthCurve& curve = digits.curve;
  report.add({cli::format("digits: %zu bandwidths, each left out in turn",
                          curve.grid.size() + curve.refined.size()),
              kPixels, curve.pairs, curve.seconds});
  std::printf("bandwidth of the %lld digits: h = %.4g by likelihood, %.4g by Hyvarinen score\n",
              static_cast<long long>(estimate.n()), curve.log_likelihood.bandwidth,
              curve.hyvarinen.bandwidth);
  for (const double noise : kNoiseLevels) {
    digits.denoisings.push_back(
        denoise(estimate, digits.pixels, curve.log_likelihood.bandwidth, noise, report));
    const Denoising& last = digits.denoisings.back();
    std::printf("noise %g on pixels of 0 to 16: rms error %.2f before, %.2f after E[y | x]\n",
                noise, last.error_before, last.error_after);
  }
  return digits;
}

}  // namespace scf::demo
