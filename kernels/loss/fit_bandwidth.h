// The bandwidth of a KDE at which a loss of its own data is least, each datum left out in turn.
// Public header: scf_bandwidth_fit of loss.h.
#pragma once

#include <cstdint>
#include <functional>

#include "loss/bandwidth_search.h"
#include "loss/kde_loss.h"

namespace scf::loss {

// Called after each evaluation with their number, the bandwidth and the mean; true cancels.
using FitProgress = std::function<bool(std::int32_t evaluations, double bandwidth, double mean)>;

// problem.x and problem.m are the data that problem.kde was prepared of. Its query's bandwidth and
// skip, the status words and the gradient's scale are the fit's own. Throws Error(kCancelled).
template <class T>
[[nodiscard]] BandwidthFound fit_bandwidth(const KdeLossBackend<T>& backend,
                                           const KdeLossProblem<T>& problem,
                                           const BandwidthSearch& search,
                                           const FitProgress& progress);

}  // namespace scf::loss
