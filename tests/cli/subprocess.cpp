#include "subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

namespace scf::test {

namespace {

struct Ends {
  int reader;
  int writer;
};

Ends open_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  return {ends[0], ends[1]};
}

Ends open_terminal() {
  const int reader = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (reader < 0 || ::grantpt(reader) != 0 || ::unlockpt(reader) != 0) {
    throw std::runtime_error("posix_openpt");
  }
  const int writer = ::open(::ptsname(reader), O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (writer < 0) throw std::runtime_error("ptsname");
  return {reader, writer};
}

[[noreturn]] void become(const std::vector<std::string>& arguments, int out, int err) {
  const int nothing = ::open("/dev/null", O_RDONLY);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  // A test run in the background of a shell inherits an ignored SIGINT.
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) ::signal(signal, SIG_DFL);
  std::vector<char*> words;
  std::string program = SCF_COMMAND;
  words.push_back(program.data());
  for (const std::string& argument : arguments)
    words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::execv(program.c_str(), words.data());
  ::_exit(127);
}

}  // namespace

Running::Running(const std::vector<std::string>& arguments, ErrorsTo errors_to) {
  const Ends out = open_pipe();
  const Ends err = errors_to == ErrorsTo::kTerminal ? open_terminal() : open_pipe();
  process_ = ::fork();
  if (process_ < 0) throw std::runtime_error("fork");
  if (process_ == 0) become(arguments, out.writer, err.writer);
  ::close(out.writer);
  ::close(err.writer);
  out_ = out.reader;
  err_ = err.reader;
}

Running::~Running() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  if (out_ >= 0) ::close(out_);
  if (err_ >= 0) ::close(err_);
}

void Running::send(int signal) const {
  ::kill(process_, signal);
}

bool Running::read_some(int milliseconds) {
  pollfd ends[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
  ::poll(ends, 2, milliseconds);
  const auto drain = [](const pollfd& end, int& descriptor, std::string& text) {
    if (descriptor < 0 || end.revents == 0) return;
    char bytes[65536];
    const ssize_t count = ::read(descriptor, bytes, sizeof bytes);
    if (count > 0) {
      text.append(bytes, static_cast<std::size_t>(count));
    } else if (count == 0 || errno != EINTR) {  // a terminal's end reads as an error
      ::close(descriptor);
      descriptor = -1;
    }
  };
  drain(ends[0], out_, outcome_.out);
  drain(ends[1], err_, outcome_.err);
  return out_ >= 0 || err_ >= 0;
}

bool Running::wait_for_error_text(const std::string& text, double seconds) {
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  while (outcome_.err.find(text) == std::string::npos) {
    if (elapsed() > seconds || !read_some(50)) break;
  }
  return outcome_.err.find(text) != std::string::npos;
}

bool Running::wait_for_processor_time(double seconds) const {
  const auto ticks = seconds * static_cast<double>(::sysconf(_SC_CLK_TCK));
  for (;;) {
    std::ifstream file("/proc/" + std::to_string(process_) + "/stat");
    std::string line;
    if (!std::getline(file, line)) return false;
    // After the name in parentheses: the state, ten numbers, user and system time.
    std::istringstream fields(line.substr(line.rfind(')') + 1));
    std::string state;
    fields >> state;
    if (state == "Z" || state == "X") return false;
    double number = 0;
    for (int i = 0; i < 10; ++i) fields >> number;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    if (user + system >= ticks) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Outcome Running::finish() {
  while (read_some(1000)) {
  }
  int status = 0;
  ::waitpid(process_, &status, 0);
  process_ = -1;
  outcome_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome_;
}

Outcome run_command(const std::vector<std::string>& arguments) {
  return Running(arguments).finish();
}

}  // namespace scf::test
