// Builds the index of kde_screen_cpu.h: principal directions of a sample by subspace iteration, and
// the map of all data. 2 d k multiply-adds a datum of the sample and iteration, d k a datum, in
// double; blocks of fixed size, so that no result depends on the threads.
#include <algorithm>
#include <cmath>
#include <vector>

#include "common/cpu_context.h"
#include "kde/kde_cpu.h"
#include "kde/kde_detection.h"
#include "kde/kde_screen_cpu.h"

namespace scf::kde {
namespace {

constexpr std::int64_t kRows = ScreenIndex::kRows;
constexpr std::int64_t kSample = 1024;
constexpr std::int64_t kSampleBlocks = 8;
constexpr int kIterations = 4;

std::int64_t directions(std::int64_t d) {
  return std::clamp<std::int64_t>(d / 8 / 4 * 4, 16, 64);
}

// Numbers that only need to be different from each other.
double scrambled(std::int64_t i) {
  auto bits = static_cast<std::uint64_t>(i + 1) * 0x9E3779B97F4A7C15u;
  bits ^= bits >> 29;
  bits *= 0xBF58476D1CE4E5B9u;
  bits ^= bits >> 32;
  return static_cast<double>(bits >> 11) * 0x1p-53 - 0.5;
}

// sums[b] += x y[b], b < count.
void add_products(double x, const double* y, std::int64_t count, double* sums) {
  for (std::int64_t b = 0; b < count; ++b) {
    sums[b] += x * y[b];
  }
}

double product(const double* x, const double* y, std::int64_t count) {
  double sums[4] = {};  // none of which waits for another
  std::int64_t b = 0;
  for (; b + 4 <= count; b += 4) {
    for (std::int64_t i = 0; i < 4; ++i) {
      sums[i] += x[b + i] * y[b + i];
    }
  }
  for (; b < count; ++b) {
    sums[0] += x[b] * y[b];
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

template <class S>
class Builder {
 public:
  Builder(const CpuContext& context, const CpuKde<S>& kde) : context_(context), kde_(kde) {}

  std::unique_ptr<const ScreenIndex> build() {
    auto index = std::make_unique<ScreenIndex>();
    const AllocatorCallbacks& allocator = context_.allocator();
    index->d = kde_.d;
    index->k = directions(kde_.d);
    index->pitch = (index->k + 7) / 8 * 8;
    index->centre = HostArray<double>(allocator, kde_.d);
    index->w = HostArray<double>(allocator, kde_.d * index->pitch);
    double squares = 0;
    for (std::int64_t j = 0; j < kde_.d; ++j) {
      index->centre[j] = kde_.mean[j];
      squares += kde_.mean[j] * kde_.mean[j];
    }
    index->centre_norm = std::sqrt(squares) * (1 + 1e-12);
    find_directions(*index);
    map_data(*index);
    return index;
  }

 private:
  // u of a position.
  void centred(const ScreenIndex& index, std::int64_t at, double* u) const {
    constexpr std::int64_t kPanel = CpuKde<S>::kPanel;
    const S* const column = kde_.panels.data() + at / kPanel * kPanel * kde_.d + at % kPanel;
    for (std::int64_t j = 0; j < kde_.d; ++j) {
      u[j] = static_cast<double>(column[j * kPanel]) - index.centre[j];
    }
  }

  // Position of one of `sample` data: spread over all, each anywhere in its part of them, because
  // data may come in turns.
  [[nodiscard]] std::int64_t sampled(std::int64_t place, std::int64_t sample) const {
    const auto start = [&](std::int64_t at) {  // at n / sample without its overflow
      return at * (kde_.n / sample) + at * (kde_.n % sample) / sample;
    };
    const auto size = static_cast<double>(start(place + 1) - start(place));
    return start(place) + static_cast<std::int64_t>((scrambled(place) + 0.5) * size);
  }

  void find_directions(ScreenIndex& index) const {
    const std::int64_t d = kde_.d;
    const std::int64_t pitch = index.pitch;
    for (std::int64_t j = 0; j < d; ++j) {
      for (std::int64_t i = 0; i < pitch; ++i) {
        index.w[j * pitch + i] = i < index.k ? scrambled(j * pitch + i) : 0;
      }
    }
    orthonormalise(index);
    const std::int64_t sample = std::min(kde_.n, kSample);
    const std::int64_t block = (sample + kSampleBlocks - 1) / kSampleBlocks;
    std::vector<std::vector<double>> sums(kSampleBlocks);
    for (int iteration = 0; iteration < kIterations; ++iteration) {
      context_.parallel_for(kSampleBlocks, [&](std::int64_t b, int) {
        sums[b].assign(static_cast<std::size_t>(d * pitch), 0);
        std::vector<double> u(static_cast<std::size_t>(kRows * d));
        std::vector<double> v(static_cast<std::size_t>(kRows * (pitch + 1)));
        double norms[kRows];
        for (std::int64_t i = b * block; i < std::min(sample, (b + 1) * block); i += kRows) {
          std::fill(u.begin(), u.end(), 0.0);
          for (std::int64_t r = 0; r < std::min(kRows, sample - i); ++r) {
            centred(index, sampled(i + r, sample), u.data() + r * d);
          }
          kde_screen_map(context_.targets(), index, u.data(), v.data(), norms);
          kde_screen_accumulate(context_.targets(), index, u.data(), v.data(), sums[b].data());
        }
      });
      for (std::int64_t e = 0; e < d * pitch; ++e) {
        index.w[e] = 0;
        for (const auto& part : sums) {
          index.w[e] += part[e];
        }
      }
      orthonormalise(index);
    }
    shrink(index);
  }

  // Gram and Schmidt, twice. A direction that the data lack becomes 0, which is harmless.
  static void orthonormalise(ScreenIndex& index) {
    const std::int64_t pitch = index.pitch;
    double* const w = index.w.data();
    const auto dot = [&](std::int64_t a, std::int64_t b) {
      double sum = 0;
      for (std::int64_t j = 0; j < index.d; ++j) {
        sum += w[j * pitch + a] * w[j * pitch + b];
      }
      return sum;
    };
    const auto scale = [&](std::int64_t a) {
      double largest = 0;
      for (std::int64_t j = 0; j < index.d; ++j) {
        largest = std::max(largest, std::abs(w[j * pitch + a]));
      }
      // In two steps: squares may over- or underflow.
      for (const bool squared : {false, true}) {
        const double size = squared ? std::sqrt(dot(a, a)) : largest;
        for (std::int64_t j = 0; j < index.d; ++j) {
          double& element = w[j * pitch + a];
          element = size > 0 && std::isfinite(size) ? element / size : 0;
        }
      }
    };
    // Row by row of W, in which the directions lie side by side.
    std::vector<double> parts(static_cast<std::size_t>(pitch));
    for (std::int64_t a = 0; a < index.k; ++a) {
      scale(a);
      for (int pass = 0; pass < 2; ++pass) {
        std::fill(parts.begin(), parts.end(), 0.0);
        for (std::int64_t j = 0; j < index.d; ++j) {
          const double* const row = w + j * pitch;
          add_products(row[a], row, a, parts.data());
        }
        for (std::int64_t j = 0; j < index.d; ++j) {
          double* const row = w + j * pitch;
          row[a] -= product(parts.data(), row, a);
        }
        if (std::sqrt(dot(a, a)) < 1e-6) {  // within the others' span
          for (std::int64_t j = 0; j < index.d; ++j) {
            w[j * pitch + a] = 0;
          }
        }
        scale(a);
      }
    }
  }

  // Makes W a contraction: its largest singular value squared is at most 1 + |W W^T - I|_F over the
  // directions that are not 0, which is computed with an error of d k u.
  static void shrink(ScreenIndex& index) {
    std::vector<double> products(static_cast<std::size_t>(index.k * index.k));
    for (std::int64_t j = 0; j < index.d; ++j) {
      const double* const row = index.w.data() + j * index.pitch;
      for (std::int64_t a = 0; a < index.k; ++a) {
        add_products(row[a], row, index.k, products.data() + a * index.k);
      }
    }
    double squares = 0;
    for (std::int64_t a = 0; a < index.k; ++a) {
      for (std::int64_t b = 0; b < index.k; ++b) {
        const double sum = products[a * index.k + b];
        const double off = a == b ? std::max(0.0, sum - 1) : sum;
        squares += off * off;
      }
    }
    const double rounding = 8 * kUnitDouble * static_cast<double>(index.d * index.k);
    const double bound = std::sqrt(1 + std::sqrt(squares) + rounding) * (1 + 32 * kUnitDouble);
    for (std::int64_t e = 0; e < index.d * index.pitch; ++e) {
      index.w[e] = index.w[e] / bound;
    }
  }

  void map_data(ScreenIndex& index) const {
    constexpr std::int64_t kPanel = CpuKde<float>::kPanel;
    constexpr std::int64_t kTile = CpuKde<float>::kTile;
    const std::int64_t d = kde_.d;
    const std::int64_t tiles = (kde_.n + kTile - 1) / kTile;
    const std::int64_t mapped = index.mapped();
    index.panels = HostArray<float>(context_.allocator(), tiles * kTile * mapped);
    std::vector<double> largest(static_cast<std::size_t>(tiles), 0);
    context_.parallel_for(tiles, [&](std::int64_t tile, int) {
      std::vector<double> u(static_cast<std::size_t>(kRows * d));
      std::vector<double> v(static_cast<std::size_t>(kRows * (index.pitch + 1)));
      double norms[kRows];
      float* const panels = index.panels.data() + tile * kTile * mapped;
      std::fill_n(panels, kTile * mapped, 0.0F);
      const std::int64_t count = std::min(kTile, kde_.n - tile * kTile);
      for (std::int64_t c = 0; c < count; c += kRows) {
        std::fill(u.begin(), u.end(), 0.0);
        const std::int64_t rows = std::min(kRows, count - c);
        for (std::int64_t r = 0; r < rows; ++r) {
          centred(index, tile * kTile + c + r, u.data() + r * d);
        }
        kde_screen_map(context_.targets(), index, u.data(), v.data(), norms);
        for (std::int64_t r = 0; r < rows; ++r) {
          float* const to = panels + (c + r) / kPanel * kPanel * mapped + (c + r) % kPanel;
          const double* const from = v.data() + r * (index.pitch + 1);
          for (std::int64_t i = 0; i < index.k; ++i) {
            to[i * kPanel] = static_cast<float>(from[i]);
          }
          to[index.k * kPanel] = static_cast<float>(from[index.pitch]);
          largest[tile] = std::max(largest[tile], norms[r]);
        }
      }
    });
    index.largest_norm = *std::max_element(largest.begin(), largest.end()) * (1 + 1e-6);
  }

  const CpuContext& context_;
  const CpuKde<S>& kde_;
};

}  // namespace

double ScreenIndex::map_error(double u_norm, double x_norm, double a) const {
  const auto dimensions = static_cast<double>(d);
  const double roundings = dimensions * (2 * std::sqrt(static_cast<double>(k)) + 2) +
                           static_cast<double>(k) + 16;  // of |u|^2 - |W u|^2, in units of |u|^2
  const double of_root = 1.1 * std::sqrt(2 * roundings * kUnitDouble);
  const double of_u = 4 * kUnitDouble * (x_norm + a * centre_norm);
  return (1.01 * kUnitSingle + of_root) * (u_norm + of_u) + of_u;
}

template <class S>
std::unique_ptr<const ScreenIndex> kde_build_screen_cpu(const CpuContext& context,
                                                        const CpuKde<S>& kde) {
  return Builder<S>(context, kde).build();
}

template std::unique_ptr<const ScreenIndex> kde_build_screen_cpu(const CpuContext&,
                                                                 const CpuKde<float>&);
template std::unique_ptr<const ScreenIndex> kde_build_screen_cpu(const CpuContext&,
                                                                 const CpuKde<double>&);

}  // namespace scf::kde
