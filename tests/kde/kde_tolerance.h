// What evaluations with a tolerance promise, and problems that ask for them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kde_errors.h"
#include "support/compare.h"
#include "support/kde_call.h"
#include "support/kde_data.h"
#include "support/kde_promise.h"
#include "support/kde_reference.h"

namespace scf::test {

inline constexpr OutputSet kFirstMoments =
    OutputSet(Output::kLogDensity) | Output::kScore | Output::kDenoised;

template <class T>
double promise(double single) {
  return sizeof(T) == sizeof(float) ? single : 1e-12;
}

// Largest distance between a datum that query i sees and a point.
template <class T, class Real>
Real reach(const KdeProblem<T>& problem, const std::vector<Real>& posterior, const T* mean) {
  Real largest = 0;
  for (std::int64_t k = 0; k < problem.n; ++k) {
    Real squares = 0;
    for (std::int64_t c = 0; c < problem.d; ++c) {
      const Real difference = static_cast<Real>(problem.data[k * problem.d + c]) - mean[c];
      squares += difference * difference;
    }
    largest = posterior[k] > 0 ? std::max(largest, squares) : largest;
  }
  return std::sqrt(largest);
}

template <class Real, class T>
Real distance(const std::vector<Real>& left, const T* right) {
  Real squares = 0;
  for (std::size_t c = 0; c < left.size(); ++c) {
    squares += (left[c] - right[c]) * (left[c] - right[c]);
  }
  return std::sqrt(squares);
}

// The statement of the header: log p too small by -log(1 - tau) at most, of series too large by
// log(1
// + tau), m off by tau D, s by tau a D / h^2; beside them the promise of accuracy, and what the
// rounding of exponents allows. The reference is computed once for all tolerances.
template <class T>
class ToleranceJudge {
  using Real = Wider<T>;

 public:
  explicit ToleranceJudge(const KdeProblem<T>& problem) {
    const KdeReference<T> reference(problem);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      rows_.push_back(reference.row(i));
      posteriors_.push_back(reference.posterior(i));
      for (const Real& s : rows_[i].score) largest_score_ = std::max(largest_score_, std::abs(s));
      for (const Real& m : rows_[i].denoised) largest_mean_ = std::max(largest_mean_, std::abs(m));
    }
  }

  [[nodiscard]] ::testing::AssertionResult accepts(const KdeProblem<T>& problem,
                                                   const KdeResults<T>& results) const {
    const Real tau = problem.tolerance;
    const auto slack = static_cast<Real>(promise<T>(problem.d <= 64 ? 5e-6 : 2e-5) *
                                         std::sqrt(static_cast<double>(problem.d)));
    Comparison comparison("log-density, score, denoiser", describe(problem));
    for (std::int64_t i = 0; i < problem.m; ++i) {
      const ReferenceRow<Real>& row = rows_[i];
      const auto require = [&](bool holds, const char* what, Real value) {
        comparison.expect_that(i, holds, what + std::to_string(static_cast<double>(value)));
      };
      const Real allowed =
          promise<T>(1e-5) * std::max({Real(1), std::abs(row.log_density), row.least_exponent});
      const bool series = results.method[i] == SCF_KDE_METHOD_EXPANSION;
      const Real off = static_cast<Real>(results.log_density[i]) - row.log_density;
      const Real above = series ? std::log1p(tau) : Real(0);
      require(off <= above + allowed && off >= std::log1p(-tau) - allowed, "log-density off by ",
              off);
      const T* const mean = results.denoised.data() + i * problem.d;
      const Real a =
          problem.signal_scales.empty() ? problem.signal_scale : problem.signal_scales[i];
      const Real h = row.bandwidth;
      const Real moved = tau * reach(problem, posteriors_[i], mean);
      const Real rounding = kExponentRounding * std::max(Real(1), row.least_exponent);
      const Real mean_off = distance(row.denoised, mean);
      require(mean_off <= moved + slack * largest_mean_ + rounding * row.denoised_condition,
              "denoiser off by ", mean_off);
      const Real score_off = distance(row.score, results.score.data() + i * problem.d);
      require(
          score_off <= moved * a / h / h + slack * largest_score_ + rounding * row.score_condition,
          "score off by ", score_off);
      require(results.evaluated[i] >= (series ? 0 : 1) && results.evaluated[i] <= problem.n,
              "data evaluated: ", static_cast<Real>(results.evaluated[i]));
    }
    return comparison.result();
  }

 private:
  std::vector<ReferenceRow<Real>> rows_;
  std::vector<std::vector<Real>> posteriors_;
  Real largest_score_ = 0;
  Real largest_mean_ = 0;
};

template <class T>
::testing::AssertionResult within_tolerance(const KdeProblem<T>& problem,
                                            const KdeResults<T>& results) {
  return ToleranceJudge<T>(problem).accepts(problem, results);
}

// A batch of diffusion times: every query a bandwidth of its own, from far below the distance of
// neighbours to far beyond the data.
template <class T>
void spread_bandwidths(KdeProblem<T>& problem, double least, double most) {
  problem.bandwidths.resize(problem.m);
  for (std::int64_t i = 0; i < problem.m; ++i) {
    const double share =
        static_cast<double>(i) / static_cast<double>(std::max<std::int64_t>(1, problem.m - 1));
    problem.bandwidths[i] = static_cast<T>(least * std::pow(most / least, share));
  }
}

template <class T>
KdeProblem<T> indexed(KdeProblem<T> problem, const char* note) {
  problem.index = true;
  problem.top = 0;
  problem.tangent.clear();
  problem.note = note;
  return problem;
}

}  // namespace scf::test
