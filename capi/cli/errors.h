// How the command ends: its exit codes, and the one error type that carries a code and a line.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace scf::cli {

enum class ExitCode : int {
  kSuccess = 0,
  kFailure = 1,        // out of memory, a full disk, a defect
  kUsage = 2,          // bad options or bad input
  kBackendAbsent = 3,  // no such backend or device here
  kHungUp = 129,       // 128 + SIGHUP
  kInterrupted = 130,  // 128 + SIGINT
  kQuit = 131,         // 128 + SIGQUIT
  kTerminated = 143,   // 128 + SIGTERM
};

class CommandError : public std::runtime_error {
 public:
  CommandError(ExitCode code, const std::string& line) : std::runtime_error(line), code_(code) {}
  [[nodiscard]] ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

// What the user gave is wrong: exit code 2.
class InputError : public CommandError {
 public:
  explicit InputError(const std::string& line) : CommandError(ExitCode::kUsage, line) {}
};

// printf into a string.
[[nodiscard]] std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

// A count and its noun: "1 column", "2 columns".
[[nodiscard]] std::string counted(std::int64_t count, const char* noun);

// One printable line: control characters (of a file's name or content) become '?', and what is very
// long is cut.
[[nodiscard]] std::string printable(const std::string& text);

}  // namespace scf::cli
