// CudaKde: a dataset prepared on a CUDA device. This header needs no CUDA toolkit.
#pragma once

#include <cstdint>
#include <memory>

#include "kde/kde.h"
#include "kde/kde_boxes_cuda.h"
#include "kde/kde_choice_cuda.h"
#include "kde/kde_draw.h"
#include "kde/kde_survivors_layout.h"
#include "kde/kde_tensor_layout.h"
#include "kde/kde_tiled_layout.h"

namespace scf::kde {

// Totals of what a query with a given label sees, in the unit of the prepared weights. Entry 0 is
// of all data, entry 1 + i of the i-th smallest label.
struct ClassTotals {
  double total;           // sum of the weights
  double others;          // the same without datum `heaviest`, summed without it, so that leaving
                          // out the datum that holds nearly all weight cancels nothing
  std::int64_t heaviest;  // the datum of the largest weight (lowest index of several)
};

// What kernels see of the data: row-major rows of `pitch` elements, zero beyond column d, 16-byte
// aligned; kPaddedRows divides the number of allocated rows. A weight is factor * 2^exponent with
// factor in [1, 2), or exponent = -inf for a weight of zero; null arrays mean that all weights
// are 1.
template <class T>
struct DataView {
  const T* rows;
  std::int64_t n;
  std::int64_t d;
  std::int64_t pitch;
  const T* weight_exponents;    // [n] or null
  const T* weight_factors;      // [n] or null
  const std::int32_t* labels;   // [n] or null
  const T* lower;               // [pitch], the data's bounding box
  const T* upper;               // [pitch]
  const double* mean;           // [pitch], of the data, whatever their weights
  const double* variance;       // [pitch]
  const std::int32_t* classes;  // [class_count], ascending, or null
  const ClassTotals* totals;    // [1 + class_count]
  std::int64_t class_count;
};

// Owner of the arrays behind a DataView; kde_prepare_cuda.cu defines it.
template <class T>
struct CudaKdeArrays;

template <class T>
class CudaKde {
 public:
  CudaKde(int device, const DataView<T>& view, const DataTraits& traits, const TensorData& tensor,
          const BoxView<T>& boxes, const ScreenData& screen, const DrawView& draws,
          std::unique_ptr<CudaKdeArrays<T>> arrays);
  ~CudaKde();
  CudaKde(const CudaKde&) = delete;
  CudaKde& operator=(const CudaKde&) = delete;

  [[nodiscard]] const DataView<T>& view() const noexcept { return view_; }
  // What the choice of kernels knows of the data.
  [[nodiscard]] const DataTraits& traits() const noexcept { return traits_; }
  // The same data for the tensor kernels, where they are held for those.
  [[nodiscard]] const TensorData& tensor() const noexcept { return tensor_; }
  // What evaluations with a tolerance skip data by; null where there is no index.
  [[nodiscard]] const BoxView<T>& boxes() const noexcept { return boxes_; }
  // The same for the screen of the exact repair, of data in single precision.
  [[nodiscard]] const ScreenData& screen() const noexcept { return screen_; }
  // Where draws look a datum up; given indices are the rows of the view.
  [[nodiscard]] const DrawView& draws() const noexcept { return draws_; }
  [[nodiscard]] std::int64_t size() const noexcept { return view_.n; }
  [[nodiscard]] std::int64_t dimension() const noexcept { return view_.d; }

 private:
  int device_;
  DataView<T> view_;
  DataTraits traits_;
  TensorData tensor_;
  BoxView<T> boxes_;
  ScreenData screen_;
  DrawView draws_;
  std::unique_ptr<CudaKdeArrays<T>> arrays_;
};

}  // namespace scf::kde
