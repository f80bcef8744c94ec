// What the demo did: a table of the work and its speed, and the pictures' names.
#pragma once

#include <string>
#include <vector>

#include "plot_canvas.h"

namespace scf::demo {

struct Row {
  std::string what;
  std::int64_t dimensions;
  double pairs;    // query-datum pairs
  double seconds;  // of evaluation
};

class Report {
 public:
  explicit Report(std::string folder) : folder_(std::move(folder)) {}

  void add(const Row& row) { rows_.push_back(row); }
  // Saves a picture into the folder and says so.
  void save(const cli::Canvas& canvas, const std::string& name);
  void print(const std::string& backend, double total_seconds) const;

 private:
  std::string folder_;
  std::vector<Row> rows_;
};

}  // namespace scf::demo
