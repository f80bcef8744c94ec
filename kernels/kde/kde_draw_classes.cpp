// Order of the data and prefix sums of their weights, for both backends; summed in long double.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "kde/kde_draw.h"
#include "kde/kde_draw_datum.h"

namespace scf::kde {
namespace {

// Prefix sums of the items [begin, end), starting anew beyond the pivot.
template <class Weight>
void sum_about(std::int64_t begin, std::int64_t pivot, std::int64_t end, const Weight& weight,
               double* prefix) {
  long double sum = 0;
  for (std::int64_t k = begin; k < end; ++k) {
    sum = k == pivot ? 0 : sum + weight(k);
    prefix[k] = static_cast<double>(sum);
  }
}

// Ranges of equal labels; those of no position are empty.
std::vector<DrawClass> label_classes(const std::int32_t* labels, std::int64_t n,
                                     const std::vector<std::int64_t>& order) {
  std::vector<std::int32_t> known(labels, labels + n);
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  std::vector<DrawClass> classes;
  std::int64_t begin = 0;
  for (const std::int32_t label : known) {
    std::int64_t end = begin;
    while (end < static_cast<std::int64_t>(order.size()) && labels[order[end]] == label) {
      ++end;
    }
    classes.push_back({begin, begin, end, 0, 0, label, 0});
    begin = end;
  }
  return classes;
}

}  // namespace

template <class T>
std::vector<std::int64_t> data_order(const T* weights, const std::int32_t* labels, std::int64_t n) {
  std::vector<std::int64_t> order;
  order.reserve(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    if (weights == nullptr || weights[i] > 0) {
      order.push_back(i);
    }
  }
  if (labels != nullptr) {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int64_t a, std::int64_t b) { return labels[a] < labels[b]; });
  }
  return order;
}

template <class T>
DrawClasses describe_draws(const T* weights, const std::int32_t* labels, std::int64_t n,
                           const std::vector<std::int64_t>& order, double* prefix) {
  DrawClasses result;
  if (labels != nullptr) {
    result.classes = label_classes(labels, n, order);
  } else if (weights != nullptr) {
    result.classes.push_back({0, 0, static_cast<std::int64_t>(order.size()), 0, 0, 0, 0});
  }
  if (weights == nullptr) {
    return result;
  }
  // In units of a power of two near the largest weight: no sum overflows.
  const int unit = std::ilogb(*std::max_element(weights, weights + n));
  const auto weight = [&](std::int64_t k) {
    return std::ldexp(static_cast<long double>(weights[order[k]]), -unit);
  };
  const auto& classes = result.classes;
  for (std::size_t c = 0; c < classes.size(); ++c) {
    DrawClass& of = result.classes[c];
    for (std::int64_t k = of.begin; k < of.end; ++k) {
      of.pivot = weights[order[k]] > weights[order[of.pivot]] ? k : of.pivot;
    }
    sum_about(of.begin, of.pivot, of.end, weight, prefix);
    of.pivot_weight = of.begin < of.end ? static_cast<double>(weight(of.pivot)) : 0;
    of.total = draw::total_of({prefix, of.begin, of.pivot, of.end, of.pivot_weight, -1, 0});
    if (of.pivot_weight > classes[result.pivot_class].pivot_weight) {
      result.pivot_class = static_cast<std::int64_t>(c);
    }
  }
  result.class_prefix.resize(classes.size());
  sum_about(
      0, result.pivot_class, static_cast<std::int64_t>(classes.size()),
      [&](std::int64_t c) { return static_cast<long double>(classes[c].total); },
      result.class_prefix.data());
  return result;
}

template std::vector<std::int64_t> data_order(const float*, const std::int32_t*, std::int64_t);
template std::vector<std::int64_t> data_order(const double*, const std::int32_t*, std::int64_t);
template DrawClasses describe_draws(const float*, const std::int32_t*, std::int64_t,
                                    const std::vector<std::int64_t>&, double*);
template DrawClasses describe_draws(const double*, const std::int32_t*, std::int64_t,
                                    const std::vector<std::int64_t>&, double*);

}  // namespace scf::kde
