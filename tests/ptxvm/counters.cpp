#include "counters.h"

#include <algorithm>

namespace ptxvm {
namespace {

constexpr uint64_t kSectorBytes = 32;
constexpr uint32_t kBanks = 32;

// Distinct values among `values[0..count)`, which are reordered.
uint32_t count_distinct(uint64_t* values, uint32_t count) {
  std::sort(values, values + count);
  return static_cast<uint32_t>(std::unique(values, values + count) - values);
}

}  // namespace

void Counters::add(const Counters& other) {
  resize(std::max(executions.size(), other.executions.size()));
  for (size_t i = 0; i < other.executions.size(); ++i) {
    executions[i] += other.executions[i];
    lane_executions[i] += other.lane_executions[i];
  }
  branches += other.branches;
  divergent_branches += other.divergent_branches;
  global_requests += other.global_requests;
  global_sectors += other.global_sectors;
  ideal_global_sectors += other.ideal_global_sectors;
  global_bytes_read += other.global_bytes_read;
  global_bytes_written += other.global_bytes_written;
  shared_requests += other.shared_requests;
  shared_wavefronts += other.shared_wavefronts;
  ideal_shared_wavefronts += other.ideal_shared_wavefronts;
  shared_bytes += other.shared_bytes;
  matrix_operations += other.matrix_operations;
  barriers += other.barriers;
}

void Counters::count_global(const uint64_t* addresses, uint32_t mask, uint32_t bytes, bool store) {
  uint64_t sectors[32], words[32];
  uint32_t lanes = 0;
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    const uint64_t address = addresses[__builtin_ctz(left)];
    sectors[lanes] = address / kSectorBytes;  // an aligned access lies in one sector
    words[lanes++] = address;
  }
  const uint32_t used = count_distinct(sectors, lanes);
  const uint32_t distinct = count_distinct(words, lanes);
  ++global_requests;
  global_sectors += used;
  ideal_global_sectors += (uint64_t{distinct} * bytes + kSectorBytes - 1) / kSectorBytes;
  (store ? global_bytes_written : global_bytes_read) += uint64_t{lanes} * bytes;
}

void Counters::count_shared(const uint64_t* addresses, uint32_t mask, uint32_t bytes) {
  // Wide accesses are served a half or a quarter of the warp at a time.
  const uint32_t lanes_a_phase = bytes <= 4 ? 32 : (bytes == 8 ? 16 : 8);
  ++shared_requests;
  for (uint32_t first = 0; first < 32; first += lanes_a_phase) {
    uint64_t words[128];
    uint32_t count = 0;
    for (uint32_t lane = first; lane < first + lanes_a_phase; ++lane) {
      if ((mask >> lane & 1) == 0) continue;
      shared_bytes += bytes;
      for (uint32_t i = 0; i < std::max(bytes, 4u); i += 4) {
        words[count++] = (addresses[lane] + i) / 4;
      }
    }
    if (count == 0) continue;
    const uint32_t distinct = count_distinct(words, count);
    uint32_t in_bank[kBanks] = {};
    uint32_t worst = 0;
    for (uint32_t i = 0; i < distinct; ++i) worst = std::max(worst, ++in_bank[words[i] % kBanks]);
    shared_wavefronts += worst;
    ideal_shared_wavefronts += (distinct + kBanks - 1) / kBanks;
  }
}

}  // namespace ptxvm
