#include "interrupt.h"

#include <unistd.h>

#include <csignal>
#include <cstddef>

#include "errors.h"

namespace scf::cli {

namespace {

// How the command ends by a signal.
struct Ending {
  int signal;
  ExitCode code;
  const char* words;
};

constexpr Ending kEndings[] = {{SIGHUP, ExitCode::kHungUp, "hung up"},
                               {SIGINT, ExitCode::kInterrupted, "interrupted"},
                               {SIGQUIT, ExitCode::kQuit, "quit"},
                               {SIGTERM, ExitCode::kTerminated, "terminated"}};

volatile std::sig_atomic_t received_signal = 0;
volatile std::sig_atomic_t ends_at_once = 0;
volatile std::sig_atomic_t on_terminal = 0;  // stderr is one, and may show a progress bar

// What a signal handler may use: no stdio, no allocation.
void write_error(const char* text) {
  std::size_t length = 0;
  while (text[length] != '\0') ++length;
  // Where stderr cannot be written to there is nobody to tell.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, length);
}

void note_signal(int signal) {
  received_signal = signal;
  if (ends_at_once == 0) return;
  for (const Ending& ending : kEndings) {
    if (ending.signal != signal) continue;
    if (on_terminal != 0) write_error("\r\033[K");
    write_error("scorefield: ");
    write_error(ending.words);
    write_error("\n");
    ::_exit(static_cast<int>(ending.code));
  }
}

void watch(int signal) {
  struct sigaction previous {};
  sigaction(signal, nullptr, &previous);
  if (previous.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = note_signal;
  // A read or write under way goes on: it is short, and the check comes right after it.
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

}  // namespace

void watch_for_interrupts() {
  on_terminal = ::isatty(STDERR_FILENO) == 1 ? 1 : 0;
  for (const Ending& ending : kEndings) watch(ending.signal);
  std::signal(SIGXFSZ, SIG_IGN);
}

void throw_if_interrupted() {
  for (const Ending& ending : kEndings) {
    if (ending.signal == received_signal) throw CommandError(ending.code, ending.words);
  }
}

EndAtOnce::EndAtOnce() {
  ends_at_once = 1;
  throw_if_interrupted();
}

EndAtOnce::~EndAtOnce() {
  ends_at_once = 0;
}

}  // namespace scf::cli
