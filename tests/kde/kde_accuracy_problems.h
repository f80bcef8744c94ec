// The hard problems of accuracy, by name: what loses digits in a Gaussian KDE.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "support/kde_problem.h"
#include "support/shapes.h"

namespace scf::test {

struct AccuracyKind {
  std::string name;
  std::vector<std::int64_t> dimensions;
  std::function<KdeProblem<float>(const Shape&)> f32;
  std::function<KdeProblem<double>(const Shape&)> f64;
};

const std::vector<AccuracyKind>& accuracy_kinds();

template <class T>
KdeProblem<T> make_problem(const AccuracyKind& kind, const Shape& shape);

}  // namespace scf::test
