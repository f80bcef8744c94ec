// Launches of the exact repair: a screen of all data in half precision, and double precision for
// what it cannot leave out. kernels/kde/README.md, "Survivors", has the proof.
#pragma once

#include <cstdint>

#include "kde/kde_pass_cuda.cuh"
#include "kde/kde_survivors_layout.h"

namespace scf::kde {

// A query for the screen. With e_k = z'.y'_k - share |y'_k|^2 / 2 the exponent of datum k is
// slope (e_k - own) + log2 w_k, and what the screen finds for e_k + log2 w_k / slope is off by
// `error` at most.
struct ScreenQuery {
  double own;
  double slope;
  double error;
  float share;         // U / V
  float weight_share;  // 1 / slope
  std::int32_t best;   // the largest that the screen found, as ordered_of() has it
  bool declined;       // out of the range in which this holds
};

// By slot of the pass.
struct ScreenQueries {
  ScreenQuery* queries;     // [slots]
  std::uint16_t* operands;  // [slots, columns]
  std::int32_t* counts;     // [chunks, slots], of survivors; more than kSurvivors: not all are kept
  std::uint32_t* survivors;  // [chunks, slots, kSurvivors], from the chunk's first datum, rising
};

struct ScreenArguments {
  PassArguments<float> pass;
  ScreenData data;
  ScreenQueries screen;
  double window;      // how far below the best data are left out, log2 units; 0: for the promise
  std::int64_t most;  // data that a query may keep
};

// The window at which n data may weigh a share `tolerance` of the sum together.
[[nodiscard]] double screen_window(std::int64_t n, double tolerance);

// ---- kde_survivors_prepare_cuda.cu --------------------------------------------------------------

// The unit U for data whose components about their mean are at most this.
[[nodiscard]] double screen_unit(double range);

// Writes all but the unit and the number of columns.
void launch_screen_layout(const DataView<float>& data, double unit, std::uint16_t* rows,
                          float* norms, float* log_weights, ScreenBounds* bounds, void* stream);

void launch_screen_queries(const ScreenArguments& arguments, std::int64_t most, void* stream);

// Flags all queries of a pass: kChosen, or kDeclined where as many data lie within `window` log2
// units of the query itself that the screen would leave out too few.
void launch_screen_choice(const PassArguments<float>& pass, double window, std::uint8_t* flags,
                          void* stream);

// ---- kde_survivors_cuda.cu ----------------------------------------------------------------------

// Finds the survivors of the queries of a list, and leaves the partial results of a moments pass in
// double over them. A query that has too many, or was declined, gets a sum that is NaN.
void launch_survivors(const ScreenArguments& arguments, Visibility visibility, std::int64_t most,
                      void* stream);

// Says of the queries of a list how many data were summed, after the merge has set flags: where
// those ask for more, all of them, dense. Null outputs are not written.
void launch_survivors_report(const ScreenArguments& arguments, std::int64_t most,
                             const std::uint8_t* flags, std::int64_t* evaluated,
                             std::int32_t* method, void* stream);

}  // namespace scf::kde
