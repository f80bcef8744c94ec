// The kernels of evaluations by boxes: what they take, and who launches them.
#pragma once

#include <cstdint>

#include "kde/kde_boxes_cuda.h"
#include "kde/kde_launch_cuda.h"
#include "kde/kde_order_cuda.h"

namespace scf::kde {

// How a query is to be summed: exponents below the cut are proven to be left out.
struct BoxQuery {
  double reference;
  double cut;
};

// Queries are the pass's, partial results those of one chunk; arrays are by query.
template <class T>
struct BoxArguments {
  PassArguments<T> pass;
  BoxView<T> boxes;
  double log2_tolerance;
  BoxQuery* queries;
  std::uint8_t* flags;            // kChosen, kDeclined; in single precision also kRefine
  std::int64_t* evaluated;        // data that were summed; -1: declined
  std::uint64_t* keys = nullptr;  // of an order of the queries, declined last; or null
  std::int64_t* values = nullptr;
};

// Keys of queries: an octave of h / a, then the place.
inline constexpr int kBoxPlaceBits = 24;
inline constexpr int kBoxKeyBits = 32;
inline constexpr std::uint64_t kDeclinedKey = 0xffffffff;

// kde_boxes_f32_cuda.cu, kde_boxes_f64_cuda.cu. `most` bounds the number of queries in the list.

// Flags the queries whose data in boxes that may count are few, and those that are declined.
void launch_box_choice_single(const BoxArguments<float>& arguments, std::int64_t most,
                              void* stream);
template <class T>
void launch_box_choice_double(const BoxArguments<T>& arguments, std::int64_t most, void* stream);

// Sums queries that were chosen: the partial results of a moments pass of one chunk.
void launch_box_sums_single(const BoxArguments<float>& arguments, std::int64_t most, void* stream);
template <class T>
void launch_box_sums_double(const BoxArguments<T>& arguments, std::int64_t most, void* stream);

template <class T>
void run_box_choice(const BoxArguments<T>& arguments, Precision precision, std::int64_t most,
                    void* stream) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (precision == Precision::kSingle) {
      return launch_box_choice_single(arguments, most, stream);
    }
  }
  launch_box_choice_double(arguments, most, stream);
}
template <class T>
void run_box_sums(const BoxArguments<T>& arguments, Precision precision, std::int64_t most,
                  void* stream) {
  if constexpr (sizeof(T) == sizeof(float)) {
    if (precision == Precision::kSingle) {
      return launch_box_sums_single(arguments, most, stream);
    }
  }
  launch_box_sums_double(arguments, most, stream);
}

}  // namespace scf::kde
