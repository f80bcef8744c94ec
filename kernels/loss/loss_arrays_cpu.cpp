#include "loss/loss_arrays_cpu.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

#include "common/error.h"
#include "common/row_sweep_cpu.h"

namespace scf::loss {
namespace {

enum class Bound { kPositive, kNotNegative };

template <class T>
bool fits(T value, Bound bound) {
  return (bound == Bound::kPositive ? value > 0 : value >= 0) &&
         value <= std::numeric_limits<T>::max();
}

template <class T>
void check(const char* name, const T* values, Bound bound, std::int64_t m,
           const std::uint8_t* mask) {
  if (values == nullptr) {
    return;
  }
  // Most arrays are good: look for the place only where something is wrong.
  bool good = true;
  for (std::int64_t i = 0; i < m; ++i) {
    good &= fits(values[i], bound);
  }
  for (std::int64_t i = 0; !good && i < m; ++i) {
    if ((mask == nullptr || mask[i] != 0) && !fits(values[i], bound)) {
      char value[32] = "nan";  // without the sign that printf would show
      if (!std::isnan(values[i])) {
        std::snprintf(value, sizeof value, "%.9g", static_cast<double>(values[i]));
      }
      throw Error(Status::kInvalidArgument,
                  std::string(name) + "[" + std::to_string(i) + "] must be " +
                      (bound == Bound::kPositive ? "> 0" : ">= 0") + " and finite, got " + value);
    }
  }
}

}  // namespace

template <class T>
void check_arrays(const Settings<T>& settings, std::int64_t m, const std::uint8_t* mask) {
  check("sigmas", settings.levels.sigmas, Bound::kPositive, m, mask);
  const bool needs_signal = settings.stands_for == Form::kX0 || settings.stands_for == Form::kV;
  check("signal_scales", settings.levels.signal_scales,
        needs_signal ? Bound::kPositive : Bound::kNotNegative, m, mask);
  check("weights", settings.weights, Bound::kNotNegative, m, mask);
}

template <class T>
void sum_squares(const CpuContext& context, const Matrix<const T>& x, std::int64_t rows,
                 std::int64_t columns,
                 double* sums) {  // NOLINT(readability-non-const-parameter)
  const T zero = 0;
  RowSweep<T> sweep;
  sweep.rows = rows;
  sweep.columns = columns;
  sweep.inputs[0] = x.data;
  sweep.input_lds[0] = x.ld;
  sweep.uniform = true;
  std::fill_n(sweep.coefficients, 3, &zero);
  sweep.sums[0] = sums;
  sweep_residual(context, sweep);
}

template void check_arrays(const Settings<float>&, std::int64_t, const std::uint8_t*);
template void check_arrays(const Settings<double>&, std::int64_t, const std::uint8_t*);
template void sum_squares(const CpuContext&, const Matrix<const float>&, std::int64_t, std::int64_t,
                          double*);
template void sum_squares(const CpuContext&, const Matrix<const double>&, std::int64_t,
                          std::int64_t, double*);

}  // namespace scf::loss
