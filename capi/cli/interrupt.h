// Ctrl-C and its like: noted by a handler, acted on between two pieces of work.
#pragma once

namespace scf::cli {

// Notes SIGHUP, SIGINT, SIGQUIT and SIGTERM from now on; a signal that the parent had ignored stays
// ignored. Ignores SIGXFSZ, so that a file that may grow no further is an error of the write.
void watch_for_interrupts();

// Throws CommandError with the signal's exit code once one has come.
void throw_if_interrupted();

}  // namespace scf::cli
