#include "errors.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

namespace scf::cli {

std::string format(const char* pattern, ...) {
  std::va_list arguments;
  va_start(arguments, pattern);
  std::va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, pattern, arguments);
  va_end(arguments);
  std::string text(static_cast<std::size_t>(std::max(length, 0)), '\0');
  std::vsnprintf(text.data(), text.size() + 1, pattern, again);
  va_end(again);
  return text;
}

std::string counted(std::int64_t count, const char* noun) {
  return format("%lld %s%s", static_cast<long long>(count), noun, count == 1 ? "" : "s");
}

std::string printable(const std::string& text) {
  constexpr std::size_t kLongest = 1000;
  std::string line = text.substr(0, kLongest);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return text.size() > kLongest ? line + "..." : line;
}

}  // namespace scf::cli
