// Ctrl-C and SIGTERM: noted by a handler, acted on between two pieces of work.
#pragma once

namespace scf::cli {

// Notes SIGINT and SIGTERM from now on; a signal that the parent had ignored stays ignored.
void watch_for_interrupts();

// Throws CommandError (kInterrupted, kTerminated) once a signal has come.
void throw_if_interrupted();

}  // namespace scf::cli
