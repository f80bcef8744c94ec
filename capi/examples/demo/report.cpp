#include "report.h"

#include <cstdio>

#include "output_file.h"
#include "plot_png.h"

namespace scf::demo {

void Report::save(const cli::Canvas& canvas, const std::string& name) {
  cli::OutputFile file(folder_ + "/" + name);
  cli::write_png(canvas, file);
  file.commit();
  std::printf("  drew %s\n", file.path().c_str());
}

void Report::print(const std::string& backend, double total_seconds) const {
  std::printf("\n%-46s %4s %10s %9s %11s\n", "computed", "d", "pairs", "seconds", "pairs/s");
  for (const Row& row : rows_) {
    std::printf("%-46s %4lld %10.3g %9.2f %11.3g\n", row.what.c_str(),
                static_cast<long long>(row.dimensions), row.pairs, row.seconds,
                row.pairs / row.seconds);
  }
  std::printf("on %s, f32; %.1f s in all, pictures included\n", backend.c_str(), total_seconds);
}

}  // namespace scf::demo
