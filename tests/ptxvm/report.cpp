#include "report.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>

#include "launcher.h"

namespace ptxvm {
namespace {

constexpr const char* kClassNames[] = {
    "integer",   "float32", "float64",     "half",         "special",     "convert",      "move",
    "predicate", "control", "load_global", "store_global", "load_shared", "store_shared", "local",
    "parameter", "atomic",  "async_copy",  "warp",         "barrier",     "matrix"};
constexpr auto kClasses = static_cast<size_t>(OpClass::kCount);
static_assert(sizeof kClassNames / sizeof *kClassNames == kClasses, "a name for every class");

struct KernelReport {
  uint64_t launches = 0, blocks = 0, threads = 0;
  uint64_t by_class[kClasses] = {};
  uint64_t exponentials = 0;    // ex2, of threads; among the special ones
  uint64_t dynamic_shared = 0;  // bytes a block, the most of all launches
  uint32_t grid[3] = {};        // of the launch with the most blocks
  uint64_t most_blocks = 0;
  uint64_t warp_instructions = 0, thread_instructions = 0;
  Counters counters;
};

std::map<std::string, KernelReport>& reports() {
  static auto* all = new std::map<std::string, KernelReport>;
  return *all;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

double ratio(uint64_t numerator, uint64_t denominator) {
  return denominator == 0 ? 0.0 : static_cast<double>(numerator) / static_cast<double>(denominator);
}

class JsonObject {
 public:
  explicit JsonObject(std::ostream* out, int depth) : out_(*out), depth_(depth) { out_ << "{"; }
  template <typename Value>
  void put(const std::string& name, const Value& value) {
    key(name);
    out_ << value;
  }
  void key(const std::string& name) {
    out_ << (first_ ? "\n" : ",\n") << std::string(static_cast<size_t>(depth_) * 2, ' ')
         << quoted(name) << ": ";
    first_ = false;
  }
  void end() { out_ << "\n" << std::string(static_cast<size_t>(depth_ - 1) * 2, ' ') << "}"; }

 private:
  std::ostream& out_;
  int depth_;
  bool first_ = true;
};

void write_kernel(std::ostream* out, const KernelReport& report) {
  const Counters& counts = report.counters;
  JsonObject kernel(out, 3);
  kernel.put("launches", report.launches);
  kernel.put("blocks", report.blocks);
  kernel.put("threads", report.threads);
  kernel.put("dynamic_shared_bytes", report.dynamic_shared);
  kernel.key("largest_grid");
  *out << "[" << report.grid[0] << ", " << report.grid[1] << ", " << report.grid[2] << "]";
  kernel.put("warp_instructions", report.warp_instructions);
  kernel.put("thread_instructions", report.thread_instructions);
  kernel.put("instructions_per_thread", ratio(report.thread_instructions, report.threads));
  kernel.put("lanes_active", ratio(report.thread_instructions, report.warp_instructions * kLanes));
  kernel.put("conditional_branches", counts.branches);
  kernel.put("divergent_branches", counts.divergent_branches);
  kernel.put("barriers", counts.barriers);
  kernel.key("thread_instructions_by_class");
  JsonObject classes(out, 4);
  for (size_t i = 0; i < kClasses; ++i) classes.put(kClassNames[i], report.by_class[i]);
  classes.end();
  kernel.put("exponentials", report.exponentials);
  kernel.key("global");
  JsonObject global(out, 4);
  global.put("requests", counts.global_requests);
  global.put("bytes_read", counts.global_bytes_read);
  global.put("bytes_written", counts.global_bytes_written);
  global.put("sectors", counts.global_sectors);
  global.put("ideal_sectors", counts.ideal_global_sectors);
  global.put("sectors_over_ideal", ratio(counts.global_sectors, counts.ideal_global_sectors));
  global.end();
  kernel.key("shared");
  JsonObject shared(out, 4);
  shared.put("requests", counts.shared_requests);
  shared.put("bytes", counts.shared_bytes);
  shared.put("wavefronts", counts.shared_wavefronts);
  shared.put("ideal_wavefronts", counts.ideal_shared_wavefronts);
  shared.put("bank_conflicts", counts.shared_wavefronts - counts.ideal_shared_wavefronts);
  shared.end();
  kernel.put("matrix_multiply_adds", counts.matrix_operations);
  kernel.end();
}

}  // namespace

void add_to_report(const Launch& launch, const Counters& counters) {
  const Program& program = *launch.program;
  KernelReport& report = reports()[program.readable_name];
  ++report.launches;
  report.blocks += launch.blocks();
  report.threads += launch.blocks() * launch.threads();
  if (launch.blocks() > report.most_blocks) {
    report.most_blocks = launch.blocks();
    std::copy(launch.grid, launch.grid + 3, report.grid);
  }
  report.dynamic_shared = std::max(report.dynamic_shared, launch.dynamic_shared);
  for (size_t i = 0; i < program.code.size(); ++i) {
    const std::string_view text = program.origins[program.code[i].statement].text;
    if (text.find("ex2.") != std::string_view::npos) {
      report.exponentials += counters.lane_executions[i];
    }
    report.by_class[static_cast<size_t>(program.code[i].op_class)] += counters.lane_executions[i];
    report.warp_instructions += counters.executions[i];
    report.thread_instructions += counters.lane_executions[i];
  }
  report.counters.add(counters);
}

void write_report() {
  const std::string& path = settings().report_path;
  if (path.empty()) return;
  std::ofstream out(path);
  JsonObject top(&out, 1);
  top.put("device", quoted("ptxvm"));
  top.key("kernels");
  JsonObject kernels(&out, 2);
  for (const auto& [name, report] : reports()) {
    kernels.key(name);
    write_kernel(&out, report);
  }
  kernels.end();
  top.end();
  out << "\n";
  if (!out) std::fprintf(stderr, "ptxvm: cannot write the report to %s\n", path.c_str());
}

}  // namespace ptxvm
