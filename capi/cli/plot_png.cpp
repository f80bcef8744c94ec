#include "plot_png.h"

#include <png.h>

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include "errors.h"

namespace scf::cli {

namespace {

std::uint8_t to_byte(float component) {
  return static_cast<std::uint8_t>(std::lround(255.0F * std::clamp(component, 0.0F, 1.0F)));
}

std::vector<std::uint8_t> to_bytes(const Image& image) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(3 * image.pixels.size());
  for (const Color& pixel : image.pixels) {
    for (const float component : {pixel.red, pixel.green, pixel.blue}) {
      bytes.push_back(to_byte(component));
    }
  }
  return bytes;
}

void append(png_structp png, png_bytep bytes, std::size_t count) {
  auto* const encoded = static_cast<std::string*>(png_get_io_ptr(png));
  bool done = true;
  try {
    encoded->append(reinterpret_cast<const char*>(bytes), count);
  } catch (const std::bad_alloc&) {
    done = false;
  }
  if (!done) png_error(png, "out of memory");  // jumps, so not from within the handler
}

void flush_nothing(png_structp /*png*/) {}

// libpng reports an error by a jump back to here: nothing between needs a destructor.
bool encode(png_structp png, png_infop info, int width, int height, const std::uint8_t* rows,
            std::string* encoded) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_write_fn(png, encoded, append, flush_nothing);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), 8,
               PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  // Plots are flat areas and repeated shapes, which compress best as they are.
  png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
  png_set_compression_level(png, 9);
  png_write_info(png, info);
  for (int row = 0; row < height; ++row) {
    png_write_row(png, rows + static_cast<std::size_t>(row) * width * 3);
  }
  png_write_end(png, info);
  return true;
}

}  // namespace

void write_png(const Canvas& canvas, OutputFile& file) {
  const Image& image = canvas.image();
  const std::vector<std::uint8_t> bytes = to_bytes(image);
  std::string encoded;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png == nullptr ? nullptr : png_create_info_struct(png);
  const bool done =
      info != nullptr && encode(png, info, image.width, image.height, bytes.data(), &encoded);
  png_destroy_write_struct(&png, &info);
  if (!done) {
    throw CommandError(ExitCode::kFailure, file.path() + ": the picture cannot be encoded");
  }
  file.write(encoded.data(), encoded.size());
}

}  // namespace scf::cli
