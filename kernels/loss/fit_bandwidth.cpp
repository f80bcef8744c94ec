// Leave-one-out fit of a bandwidth: the samples are the KDE's own data, and datum i is left out for
// sample i. In sample these losses collapse: ISM falls without bound as h -> 0, DSM is least at
// h = sigma exactly. Points and noise are made once, so that the mean is a smooth function of h;
// bandwidth_search.cpp finds its least value. One read from the device an evaluation.
#include "loss/fit_bandwidth.h"

#include <limits>
#include <string>

#include "common/error.h"
#include "common/memory.h"

namespace scf::loss {
namespace {

// What a run leaves on the device, read at once.
struct Report {
  double mean;
  double slope;
  std::uint32_t query_status;
  std::uint32_t loss_status;
};

void require_two_data(std::int64_t count) {
  if (count < 2) {
    throw Error(Status::kInvalidArgument,
                "kde must have at least 2 data of positive weight to leave one out, got " +
                    std::to_string(count));
  }
}

// What the device found in arrays, and no bandwidth would mend.
void require_good_samples(const Report& report) {
  if ((report.query_status & kde::kNoWeight) != 0) {
    throw Error(Status::kInvalidArgument,
                "kde must have at least 2 data of positive weight to leave one out");
  }
  if ((report.loss_status & kRowNone) != 0) {
    throw Error(Status::kInvalidArgument, "mask must let a sample count");
  }
  const char* const bad = (report.loss_status & kBadSigma) != 0 ? "sigmas must be > 0"
                          : (report.loss_status & kBadSignalScale) != 0
                              ? "signal_scales must be >= 0"
                          : (report.loss_status & kBadWeight) != 0 ? "weights must be >= 0"
                                                                   : nullptr;
  if (bad != nullptr) {
    throw Error(Status::kInvalidArgument, std::string(bad) + " and finite in every row");
  }
}

template <class T>
class Fit {
 public:
  Fit(const KdeLossBackend<T>& backend, const KdeLossProblem<T>& problem,
      const FitProgress& progress)
      : backend_(backend),
        progress_(progress),
        memory_(backend, sizes(problem.m)),
        loss_(backend, left_out(problem), KdeLoss<T>::Gradient::kWanted) {}

  BandwidthPoint at(double bandwidth) {
    loss_.set_bandwidth(bandwidth);
    KdeLossResults<T> results;
    results.mean = &report_->mean;
    results.log_bandwidth_gradient = &report_->slope;
    loss_.run(results);
    Report report = {};
    backend_.read(&report, report_, sizeof report);
    require_good_samples(report);
    ++evaluations_;
    if (progress_ && progress_(evaluations_, bandwidth, report.mean)) {
      throw Error(Status::kCancelled,
                  "progress asked to stop after " + std::to_string(evaluations_) + " evaluations");
    }
    return {bandwidth, report.mean, report.slope};
  }

 private:
  struct Room {
    Report* report;
    std::int64_t* skip;
  };
  static Room take_room(Arena& arena, std::int64_t m) {
    Room room = {};
    room.report = arena.take<Report>(1);
    room.skip = arena.take<std::int64_t>(m);
    return room;
  }
  static std::size_t sizes(std::int64_t m) {
    Arena arena(nullptr);
    (void)take_room(arena, m);
    return arena.used();
  }

  KdeLossProblem<T> left_out(KdeLossProblem<T> problem) {
    Arena arena(memory_.data());
    const Room room = take_room(arena, problem.m);
    report_ = room.report;
    backend_.clear(report_, sizeof(Report));
    backend_.number(problem.m, room.skip);
    problem.query.skip = room.skip;
    problem.query.status = &report_->query_status;
    problem.settings.status = &report_->loss_status;
    problem.settings.gradient_scale = 1;
    return problem;
  }

  const KdeLossBackend<T>& backend_;
  const FitProgress& progress_;
  BackendBlock<T> memory_;
  Report* report_ = nullptr;  // in memory_
  KdeLoss<T> loss_;
  std::int32_t evaluations_ = 0;
};

}  // namespace

template <class T>
BandwidthFound fit_bandwidth(const KdeLossBackend<T>& backend, const KdeLossProblem<T>& problem,
                             const BandwidthSearch& search, const FitProgress& progress) {
  require_two_data(problem.m);
  const std::int64_t weighted = backend.weighted_data(problem.kde);
  if (weighted >= 0) {
    require_two_data(weighted);
  }
  Fit<T> fit(backend, problem, progress);
  BandwidthSearch rounded = search;
  rounded.rounding = 4 * static_cast<double>(std::numeric_limits<T>::epsilon());
  return search_bandwidth(rounded, [&](double bandwidth) { return fit.at(bandwidth); });
}

template BandwidthFound fit_bandwidth(const KdeLossBackend<float>&, const KdeLossProblem<float>&,
                                      const BandwidthSearch&, const FitProgress&);
template BandwidthFound fit_bandwidth(const KdeLossBackend<double>&, const KdeLossProblem<double>&,
                                      const BandwidthSearch&, const FitProgress&);

}  // namespace scf::loss
