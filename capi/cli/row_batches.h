// How many rows a driver of the library is given at once: so few that a step takes a second or so
// and the arrays some tens of megabytes, so many that the threads are busy.
#pragma once

#include <cstdint>

namespace scf::cli {

struct BatchNeeds {
  std::int64_t rows = 0;  // in all
  std::int64_t data = 0;  // of the estimate that a step evaluates
  std::int64_t d = 0;
  double evaluations = 1;  // of the estimate that a row takes at a time
  double arrays = 0;       // of d elements a row, in all
  double states = 0;       // of the trajectory, d elements a row each
  std::int64_t element_bytes = 0;
  bool whole = false;  // all rows must be one batch
};

// Throws CommandError where a batch and what it takes would not fit this machine: the command would
// be killed, not told.
[[nodiscard]] std::int64_t rows_of_batch(const BatchNeeds& needs);

}  // namespace scf::cli
