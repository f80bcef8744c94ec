// Reads the tokens of PTX text.
#pragma once

#include <string>
#include <string_view>

#include "ptx.h"

namespace ptxvm {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // Skips white space and comments; false at the end of the text.
  bool more();
  [[nodiscard]] char peek();
  bool accept(char symbol);
  void expect(char symbol);
  // An identifier, which may begin with % or $ and hold dots when `dotted`.
  std::string word(bool dotted = false);
  std::string quoted();
  // A literal, with its sign.
  Operand number();
  uint64_t integer();
  void skip_line();
  // Skips a braced section, nested braces included.
  void skip_braces();
  void skip_past(char symbol);
  [[nodiscard]] bool at_line_end();
  [[nodiscard]] size_t position() const { return position_; }
  [[nodiscard]] std::string_view slice(size_t begin, size_t end) const {
    return text_.substr(begin, end - begin);
  }
  [[noreturn]] void fail(const std::string& what);

 private:
  std::string_view text_;
  size_t position_ = 0;
};

}  // namespace ptxvm
