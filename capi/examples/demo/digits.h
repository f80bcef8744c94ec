// The demo's first part, on 1797 handwritten digits: a bandwidth by leave-one-out, then denoising.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bandwidth_search.h"
#include "estimate.h"
#include "report.h"

namespace scf::demo {

constexpr int kSide = 8;
constexpr std::int64_t kPixels = kSide * kSide;
constexpr float kBlack = 16;  // largest grey value

// The noisy digits x of one level, and E[y | x], what is expected of the clean ones.
struct Denoising {
  double noise = 0;             // standard deviation
  std::vector<float> noisy;     // [n, 64]
  std::vector<float> denoised;  // [n, 64]
  double error_before = 0;      // root mean square over all pixels of all digits
  double error_after = 0;
};

struct DigitsResult {
  std::vector<float> pixels;              // [n, 64], the clean digits
  std::vector<std::int64_t> one_of_each;  // a datum of each class, 0 to 9
  cli::BandwidthCurve curve;
  std::vector<Denoising> denoisings;
};

// `path` is the table of digits: 64 pixels of 0 to 16, then the label.
[[nodiscard]] DigitsResult compute_digits(const cli::Context& context, const std::string& path,
                                          Report& report);

}  // namespace scf::demo
