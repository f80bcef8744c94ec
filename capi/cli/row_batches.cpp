#include "row_batches.h"

#include <unistd.h>

#include <algorithm>

#include "errors.h"

namespace scf::cli {

namespace {

void require_memory(double bytes) {
  const double all =
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  if (!(bytes > all)) return;
  throw CommandError(ExitCode::kFailure,
                     format("needs about %.3g GB of memory at once, this machine has %.3g GB",
                            bytes / 1e9, all / 1e9));
}

}  // namespace

std::int64_t rows_of_batch(const BatchNeeds& needs) {
  constexpr double kElements = 1 << 22;
  constexpr double kStateElements = 1 << 24;
  constexpr double kWork = 4e10;  // of a step: pairs times dimensions
  constexpr double kLeastRows = 256;
  const auto d = static_cast<double>(needs.d);
  double rows = std::max(kWork / (static_cast<double>(needs.data) * (d + 8)), kLeastRows);
  rows = std::min(rows, kElements / d) / needs.evaluations;
  if (needs.states > 0) rows = std::min(rows, kStateElements / (needs.states * d));
  if (needs.whole) rows = static_cast<double>(needs.rows);
  rows = std::clamp(rows, 1.0, static_cast<double>(needs.rows));
  rows = static_cast<double>(static_cast<std::int64_t>(rows));
  require_memory(rows * d * (2 * needs.states + needs.arrays) *
                 static_cast<double>(needs.element_bytes));
  return static_cast<std::int64_t>(rows);
}

}  // namespace scf::cli
