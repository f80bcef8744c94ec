// Runs the command as a user does: its exit code and what it wrote.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace scf::test {

struct Outcome {
  int exit_code = -1;  // 128 + signal where a signal ended it
  std::string out;
  std::string err;
};

// A running command. stdin is empty, signals have their default meaning.
class Running {
 public:
  enum class ErrorsTo { kPipe, kTerminal };
  explicit Running(const std::vector<std::string>& arguments, ErrorsTo errors_to = ErrorsTo::kPipe);
  ~Running();  // kills what still runs
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  void send(int signal) const;
  // Reads its output for up to `seconds` or until stderr contains `text`; true if it does.
  bool wait_for_error_text(const std::string& text, double seconds);
  // Waits until it has computed for so long; false where it ended before.
  bool wait_for_processor_time(double seconds) const;
  Outcome finish();  // waits for its end

 private:
  bool read_some(int milliseconds);  // false once both ends are closed

  pid_t process_ = -1;
  int out_ = -1;
  int err_ = -1;
  Outcome outcome_;
};

[[nodiscard]] Outcome run_command(const std::vector<std::string>& arguments);

}  // namespace scf::test
