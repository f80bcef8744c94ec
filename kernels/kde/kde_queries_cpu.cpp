#include "kde/kde_queries_cpu.h"

#include <cmath>
#include <cstdio>
#include <string>

#include "common/error.h"

namespace scf::kde {
namespace {

std::string at(const char* name, std::int64_t i) {
  return std::string(name) + "[" + std::to_string(i) + "]";
}

template <class T>
void check_bound(const char* name, const T* values, std::int64_t i, LeastBandwidth least) {
  const bool zero_allowed = least == LeastBandwidth::kZero;
  if (values == nullptr || (values[i] > 0 && std::isfinite(values[i])) ||
      (zero_allowed && values[i] == 0)) {
    return;
  }
  char value[32];
  std::snprintf(value, sizeof value, "%.9g", static_cast<double>(values[i]));
  throw Error(Status::kInvalidArgument, at(name, i) + " must be " + (zero_allowed ? ">=" : ">") +
                                            " 0 and finite, got " + value);
}

}  // namespace

template <class T>
void check_query_arrays(const CpuKde<T>& kde, const Queries<T>& queries, LeastBandwidth least) {
  for (std::int64_t i = 0; i < queries.m; ++i) {
    check_bound("bandwidths", queries.bandwidths, i, least);
    check_bound("signal_scales", queries.signal_scales, i, LeastBandwidth::kAboveZero);
    if (queries.skip != nullptr && (queries.skip[i] < -1 || queries.skip[i] >= kde.given)) {
      throw Error(Status::kInvalidArgument, at("skip", i) + " must be in [-1, " +
                                                std::to_string(kde.given) + "), got " +
                                                std::to_string(queries.skip[i]));
    }
    if (queries.labels != nullptr && kde.find_class(queries.labels[i]) == nullptr) {
      throw Error(Status::kInvalidArgument, at("labels", i) +
                                                " must be the label of a datum, got " +
                                                std::to_string(queries.labels[i]));
    }
    const DataClass& of = class_of(kde, queries, i);
    if (!(kde.visible_weight(of, skip_of(kde, queries, i)) > 0)) {
      throw Error(Status::kInvalidArgument,
                  at("skip", i) + " leaves no weight for its query to see");
    }
  }
}

template <class T>
bool query_is_finite(const CpuKde<T>& kde, const Queries<T>& queries, std::int64_t i) {
  return all_finite(queries.x + i * queries.ld, kde.d) &&
         (queries.tangent == nullptr ||
          all_finite(queries.tangent + i * queries.ld_tangent, kde.d));
}

template void check_query_arrays(const CpuKde<float>&, const Queries<float>&, LeastBandwidth);
template bool query_is_finite(const CpuKde<float>&, const Queries<float>&, std::int64_t);
template void check_query_arrays(const CpuKde<double>&, const Queries<double>&, LeastBandwidth);
template bool query_is_finite(const CpuKde<double>&, const Queries<double>&, std::int64_t);

}  // namespace scf::kde
