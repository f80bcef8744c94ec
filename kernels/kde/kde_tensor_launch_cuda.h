// The tensor kernels of the moments: what they take, and who launches them.
#pragma once

#include <cstdint>

#include "kde/kde_pass_cuda.cuh"
#include "kde/kde_tensor_layout.h"

namespace scf::kde {

// Indexed by query. operands is [count][2][kColumns] of half precision.
struct TensorQueries {
  TensorQuery* states;
  std::uint16_t* operands;
};

struct TensorArguments {
  PassArguments<float> pass;
  TensorData data;
  TensorQueries queries;
  bool general;  // whether there are weights, labels or left-out data, or squares are wanted
  bool squares;
};

// kde_tensor_f32_cuda.cu. Leaves the reference, the sums and the vectors of a pass: exponents are
// less the query's offset, vectors about the data's mean, in units U.
void launch_tensor_moments(const TensorArguments& arguments, std::int64_t most, void* stream);

// kde_tensor_small_cuda.cu: the same for d <= kSmallTensorDimensions.
void launch_small_tensor_moments(const TensorArguments& arguments, std::int64_t most, void* stream);

// kde_tensor_stream_cuda.cu: the same for d > kTensorDimensions, but for labels.
void launch_streamed_tensor_moments(const TensorArguments& arguments, std::int64_t most,
                                    void* stream);

// ---- kde_tensor_prepare_cuda.cu -----------------------------------------------------------------

// Elements of TensorData::tiles, and of TensorQueries::operands for a query.
[[nodiscard]] std::int64_t tensor_data_size(std::int64_t rows, std::int64_t d);
[[nodiscard]] std::int64_t tensor_operand_size(std::int64_t d);

// Squares of the largest |y - mean| of the data and of its largest component, into squares[0] and
// squares[1] on the device.
void launch_tensor_radius(const DataView<float>& data, double* squares, void* stream);

// The unit U for data within this radius of their mean, and this range of components.
[[nodiscard]] double tensor_unit(double radius, double range);

// From the unit, the mean and the rows on; sources[row] is the row's datum or -1, null: its index.
void launch_tensor_layout(const DataView<float>& data, const TensorData& tensor,
                          const std::int64_t* sources, std::uint16_t* tiles, void* stream);

// Prepares queries from their states and rows, and sets kTensor or kDirect in their flags.
void launch_tensor_queries(const PassArguments<float>& pass, const TensorData& data,
                           const TensorQueries& queries, std::uint8_t* flags, void* stream);

// ordered[0..list_size) = the queries of the list, those of a label beside each other, so that a
// block goes through the tiles of few; counts is [classes + 1] of workspace. Which of a label comes
// first is left open: no result depends on it.
void launch_tensor_order(const PassArguments<float>& pass, std::int32_t* counts,
                         std::int32_t* ordered, void* stream);

// Levels from a sample of the data, for the queries of the list.
void launch_tensor_levels(const TensorArguments& arguments, std::int64_t most, void* stream);

}  // namespace scf::kde
