// PNG encoding of a canvas.
#pragma once

#include "output_file.h"
#include "plot_canvas.h"

namespace scf::cli {

// Writes the whole picture to `file`, 8 bits a channel. Throws CommandError.
void write_png(const Canvas& canvas, OutputFile& file);

}  // namespace scf::cli
