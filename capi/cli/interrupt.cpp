#include "interrupt.h"

#include <csignal>

#include "errors.h"

namespace scf::cli {

namespace {

volatile std::sig_atomic_t received_signal = 0;

void note_signal(int signal) {
  received_signal = signal;
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
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM}) watch(signal);
  std::signal(SIGXFSZ, SIG_IGN);
}

void throw_if_interrupted() {
  switch (received_signal) {
    case SIGHUP:
      throw CommandError(ExitCode::kHungUp, "hung up");
    case SIGINT:
      throw CommandError(ExitCode::kInterrupted, "interrupted");
    case SIGQUIT:
      throw CommandError(ExitCode::kQuit, "quit");
    case SIGTERM:
      throw CommandError(ExitCode::kTerminated, "terminated");
    default:
      return;
  }
}

}  // namespace scf::cli
