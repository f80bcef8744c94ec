#include "progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "errors.h"

namespace scf::cli {

namespace {

constexpr double kLeastSeconds = 1.0;    // shorter work shows no bar
constexpr double kSurveySeconds = 0.25;  // how long the total time is guessed from
constexpr double kDrawInterval = 0.1;
constexpr int kMostBarCells = 30;

int terminal_columns() {
  struct winsize size {};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 60) return format("%lld s", whole);
  if (whole < 3600) return format("%lld min %lld s", whole / 60, whole % 60);
  return format("%lld h %lld min", whole / 3600, whole % 3600 / 60);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Progress::Progress(std::string label, std::int64_t total)
    : label_(std::move(label)), total_(total), terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void Progress::advance(std::int64_t amount) {
  done_ += amount;
  if (!terminal_ || done_ <= 0) return;
  const double seconds = seconds_since(start_);
  const double total_seconds = seconds * static_cast<double>(total_) / static_cast<double>(done_);
  if (!shown_ && (seconds < kSurveySeconds || total_seconds < kLeastSeconds)) return;
  if (shown_ && seconds - drawn_at_ < kDrawInterval) return;
  shown_ = true;
  drawn_at_ = seconds;
  draw(seconds);
}

void Progress::draw(double seconds) const {
  const double share = std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
  const std::string left = duration_text(seconds / share - seconds) + " left";
  // What is beside the bar: label, brackets, percentage, time, and a free last column.
  const int beside = static_cast<int>(label_.size() + left.size()) + 12;
  const int cells = std::clamp(terminal_columns() - beside, 0, kMostBarCells);
  const int full = static_cast<int>(share * cells);
  const std::string bar = std::string(static_cast<std::size_t>(full), '#') +
                          std::string(static_cast<std::size_t>(cells - full), '.');
  std::fprintf(stderr, "\r%s [%s] %3.0f%%  %s\033[K", label_.c_str(), bar.c_str(), 100 * share,
               left.c_str());
  std::fflush(stderr);
}

}  // namespace scf::cli
