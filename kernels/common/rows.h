// Operations on the rows of a batch, as the losses and the divergences are: each row gives a value
// and gradients, and the values a mean and its standard error. What both backends share.
//
// rows_cpu.h and rows_cuda.cuh run such an operation; residual_cpu.h and residual_cuda.cuh are the
// operation that most of them are.
#pragma once

#include <cstdint>

#include "common/host_device.h"
#include "common/moments.h"

namespace scf {

// A row-major matrix; a null one is absent.
template <class T>
struct Matrix {
  T* data = nullptr;
  std::int64_t ld = 0;

  [[nodiscard]] SCF_HOST_DEVICE T* row(std::int64_t i) const { return data + i * ld; }
};

// Bits of the status word that every such operation may set.
enum RowStatus : std::uint32_t {
  kRowNotFinite = 1,  // the value of a row that counts, rounded to its type, is NaN or infinite
  kRowNone = 2,       // no row counts
};

// The rows of an operation.
template <class T>
struct RowBatch {
  std::int64_t m = 0;
  std::int64_t d = 0;
  const std::uint8_t* mask = nullptr;  // [m]: rows with 0 do not count; null: all count
  T* values = nullptr;                 // [m] or null; 0 for a row that does not count
};

// Where the means go; null ones are not computed.
struct RowSummary {
  double* mean = nullptr;
  double* standard_error = nullptr;
  std::uint32_t* status = nullptr;
};

// What gradients of the mean are scaled with: gradient_scale / number of rows that count. The
// number may be known to the device alone.
struct MeanScale {
  double scale = 1;                     // divided already where count is null
  const std::int64_t* count = nullptr;  // 1 at least

  [[nodiscard]] SCF_HOST_DEVICE double get() const {
    return count == nullptr ? scale : scale / static_cast<double>(*count);
  }
};

// Writes value and standard error of up to two sets of rows together: factor times the sum of their
// means. Shared by host and device.
SCF_HOST_DEVICE inline std::uint32_t write_summary(const Moments* sets, int count, double factor,
                                                   const RowSummary& summary) {
  double mean = 0;
  double squared_error = 0;
  std::uint32_t status = 0;
  for (int s = 0; s < count; ++s) {
    mean += sets[s].average();
    squared_error += sets[s].squared_error();
    status |= sets[s].empty() ? std::uint32_t{kRowNone} : 0U;
    status |= sets[s].finite() ? 0U : std::uint32_t{kRowNotFinite};
  }
  if (summary.mean != nullptr) {
    *summary.mean = factor * mean;
  }
  if (summary.standard_error != nullptr) {
    *summary.standard_error = fabs(factor) * sqrt(squared_error);
  }
  return status;
}

// ---- The affine residual -----------------------------------------------------------------------

// Of a row, with matrices of outputs of a model, references x and noise z, the last two of which
// may be absent:
//   r = output - (noise z + reference x),   gradient of the output = gradient r,
//   value = the operation's own function of `weight` and 1/2 |r|^2
// The target in brackets is rounded to T before it is subtracted: an output that is the target has
// residual 0.
//
// Which numbers these are is an operation's own: a class for host and device with
//   bool uniform() const;                                  every row has the same
//   ResidualCoefficients<T> before(std::int64_t row) const;
//   double after(std::int64_t row, double weight, double half_square) const;
//     the value; writes scalar gradients
//   void clear(std::int64_t row) const;                    zeros them, for a row that does not
//   count
template <class T>
struct ResidualCoefficients {
  double weight = 1;
  T noise = 0;
  T reference = 0;
  T gradient = 0;
};

// The matrices [m, d].
template <class T>
struct ResidualMatrices {
  Matrix<const T> output;
  Matrix<const T> reference;  // may be null
  Matrix<T> gradient;         // may be null; may lie on output
};

}  // namespace scf
