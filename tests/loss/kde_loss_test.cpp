// scf_kde_loss: against what a caller would get by hand, closed forms of a Gaussian, and central
// differences over the bandwidth; what it does with masks, bad rows, threads and memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/compare.h"
#include "support/kde_data.h"
#include "support/kde_loss_call.h"

namespace scf::test {
namespace {

struct KdeLossCase {
  Backend backend;
  Dtype dtype;
  std::int32_t loss;
};

std::string name_of(const KdeLossCase& where) {
  return name_of(BackendCase{where.backend, where.dtype}) + "_" + kde_loss_name(where.loss);
}

void PrintTo(const KdeLossCase& where, std::ostream* out) {
  *out << name_of(where);
}

std::vector<KdeLossCase> all_cases() {
  std::vector<KdeLossCase> cases;
  for (const BackendCase& where : all_backend_cases()) {
    for (const std::int32_t loss : all_kde_losses()) {
      cases.push_back({where.backend, where.dtype, loss});
    }
  }
  return cases;
}

// Within a few roundings of T of the largest.
template <class T>
void expect_near(const std::vector<T>& values, const std::vector<T>& reference, double units) {
  ASSERT_EQ(values.size(), reference.size());
  double largest = 0;
  for (const T value : reference) largest = std::max(largest, std::fabs(double{value}));
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], reference[i],
                units * double{std::numeric_limits<T>::epsilon()} * largest)
        << i;
  }
}

class KdeLoss : public OnBackend<KdeLossCase> {
 protected:
  template <class Body>
  void run(Body&& body) const {
    const Context context(GetParam().backend);
    with_dtype(GetParam().dtype, [&](auto tag) { body(context, tag); });
  }
  [[nodiscard]] bool on_cpu() const { return GetParam().backend == Backend::kCpu; }
  [[nodiscard]] std::vector<Shape> shapes() const {
    if (!on_cpu()) return {{21, 7, 3}};
    return {{37, 19, 1}, {64, 33, 3}, {50, 21, 17}, {40, 1, 2}, {1, 5, 4}, {9, 0, 3}};
  }
};

// Values bit for bit, where the same kernels run in the same order; what is merged in another
// order, K probes or an average of log-densities, to rounding.
TEST_P(KdeLoss, IsWhatACallerGetsByHand) {
  run([&](const Context& context, auto tag) {
    using T = decltype(tag);
    const int count = on_cpu() ? 12 : 3;
    for (const Shape& shape : shapes()) {
      for (int k = 0; k < count; ++k) {
        const auto seed = static_cast<std::uint64_t>(1000 * k + 7 * shape.n);
        const auto problem = any_kde_loss<T>(GetParam().loss, shape, seed);
        SCOPED_TRACE(describe(problem));
        const auto by_hand = kde_loss_by_hand(context, problem);
        const auto results =
            evaluate_kde_loss(context, problem, {}, k % 2 == 0 ? Layout{} : odd_layout<T>());
        EXPECT_EQ(results.query_status, 0u);
        EXPECT_EQ(results.loss_status & ~std::uint32_t{SCF_LOSS_STATUS_NO_SAMPLE}, 0u);
        const bool merged = problem.loss == SCF_LOSS_LIKELIHOOD || problem.options.projections > 1;
        const bool none = std::isnan(by_hand.mean);
        if (merged) {
          expect_near(results.values, by_hand.values, 16);
        } else {
          EXPECT_TRUE(same_bits(results.values, by_hand.values));
        }
        double size = std::fabs(by_hand.mean);
        for (const T value : by_hand.values) size = std::max(size, std::fabs(double{value}));
        const double unit = 16 * double{std::numeric_limits<T>::epsilon()};
        if (none) {
          EXPECT_TRUE(std::isnan(results.mean));
        } else {
          EXPECT_NEAR(results.mean, by_hand.mean, merged ? unit * size : 0);
        }
        if (std::isnan(by_hand.standard_error)) {
          EXPECT_TRUE(std::isnan(results.standard_error));
        } else {
          EXPECT_NEAR(results.standard_error, by_hand.standard_error, merged ? unit * size : 0);
        }
        // A sum of terms of either sign, each rounded to T by hand and by the driver.
        EXPECT_NEAR(results.log_bandwidth_gradient, by_hand.log_bandwidth_gradient,
                    4 * unit * by_hand.gradient_size);
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Loss, KdeLoss, ::testing::ValuesIn(all_cases()),
                         parameter_name<KdeLossCase>);

}  // namespace
}  // namespace scf::test
