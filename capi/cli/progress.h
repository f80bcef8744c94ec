// A progress bar with the time left, on stderr, only on a terminal, only for work of over a second.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace scf::cli {

class Progress {
 public:
  Progress(std::string label, std::int64_t total);
  ~Progress();  // clears the bar
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(std::int64_t amount);

 private:
  void draw(double seconds) const;

  using Clock = std::chrono::steady_clock;
  std::string label_;
  std::int64_t total_;
  std::int64_t done_ = 0;
  Clock::time_point start_ = Clock::now();
  double drawn_at_ = 0;  // seconds from the start
  bool terminal_;
  bool shown_ = false;
};

// "4 s", "3 min 20 s", "2 h 5 min".
[[nodiscard]] std::string duration_text(double seconds);

[[nodiscard]] double seconds_since(std::chrono::steady_clock::time_point start);

}  // namespace scf::cli
