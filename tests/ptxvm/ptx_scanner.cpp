#include "ptx_scanner.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace ptxvm {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' ||
         c == '%';
}

}  // namespace

bool Scanner::more() {
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      ++position_;
    } else if (c == '/' && text_.substr(position_, 2) == "//") {
      skip_line();
    } else if (c == '/' && text_.substr(position_, 2) == "/*") {
      const size_t end = text_.find("*/", position_);
      position_ = end == std::string_view::npos ? text_.size() : end + 2;
    } else {
      return true;
    }
  }
  return false;
}

char Scanner::peek() {
  return more() ? text_[position_] : '\0';
}

bool Scanner::accept(char symbol) {
  if (peek() != symbol) return false;
  ++position_;
  return true;
}

void Scanner::expect(char symbol) {
  if (!accept(symbol)) fail(std::string("expected '") + symbol + "'");
}

std::string Scanner::word(bool dotted) {
  more();
  const size_t begin = position_;
  while (position_ < text_.size()) {
    const char c = text_[position_];
    const bool colons = dotted && c == ':' && text_.substr(position_, 2) == "::";
    if (colons) ++position_;
    if (!is_word(c) && !colons && !(dotted && c == '.')) break;
    ++position_;
  }
  if (begin == position_) fail("expected a name");
  return std::string(text_.substr(begin, position_ - begin));
}

std::string Scanner::quoted() {
  expect('"');
  const size_t begin = position_;
  skip_past('"');
  return std::string(text_.substr(begin, position_ - 1 - begin));
}

Operand Scanner::number() {
  const bool negative = accept('-');
  more();
  const size_t begin = position_;
  bool decimal_point = false;
  while (position_ < text_.size() && (is_word(text_[position_]) || text_[position_] == '.')) {
    decimal_point |= text_[position_++] == '.';
  }
  const std::string token(text_.substr(begin, position_ - begin));
  if (token.empty() || !is_digit(token[0])) fail("expected a number");
  Operand operand;
  const char marker = token.size() > 1 ? token[1] : '\0';
  if (marker == 'f' || marker == 'F') {
    operand.kind = Operand::Kind::kFloat32;
    operand.bits = std::strtoull(token.c_str() + 2, nullptr, 16);
    if (negative) operand.bits ^= uint64_t{1} << 31;
  } else if (marker == 'd' || marker == 'D') {
    operand.kind = Operand::Kind::kFloat64;
    operand.bits = std::strtoull(token.c_str() + 2, nullptr, 16);
    if (negative) operand.bits ^= uint64_t{1} << 63;
  } else if (decimal_point) {
    const double value = std::strtod(token.c_str(), nullptr) * (negative ? -1 : 1);
    operand.kind = Operand::Kind::kFloat64;
    std::memcpy(&operand.bits, &value, sizeof value);
  } else {
    operand.kind = Operand::Kind::kInteger;
    const bool binary = marker == 'b' || marker == 'B';
    operand.bits = std::strtoull(token.c_str() + (binary ? 2 : 0), nullptr, binary ? 2 : 0);
    if (negative) operand.bits = 0 - operand.bits;
  }
  return operand;
}

uint64_t Scanner::integer() {
  return number().bits;
}

void Scanner::skip_line() {
  while (position_ < text_.size() && text_[position_] != '\n') ++position_;
}

void Scanner::skip_braces() {
  expect('{');
  for (int depth = 1; depth > 0 && position_ < text_.size(); ++position_) {
    if (text_[position_] == '{') ++depth;
    if (text_[position_] == '}') --depth;
  }
}

void Scanner::skip_past(char symbol) {
  while (position_ < text_.size() && text_[position_] != symbol) ++position_;
  ++position_;
}

bool Scanner::at_line_end() {
  while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\t')) {
    ++position_;
  }
  return position_ >= text_.size() || text_[position_] == '\n';
}

void Scanner::fail(const std::string& what) {
  const size_t shown = std::min(position_, text_.size());
  const auto line = std::count(text_.begin(), text_.begin() + static_cast<long>(shown), '\n') + 1;
  throw std::runtime_error("PTX line " + std::to_string(line) + ": " + what + " at '" +
                           std::string(text_.substr(shown, 40)) + "'");
}

}  // namespace ptxvm
