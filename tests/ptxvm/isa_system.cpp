// printf and assert in device code: calls to vprintf and __assertfail.
#include <cstdio>

#include "access.h"
#include "isa_apply.h"

namespace ptxvm {
namespace {

template <typename T>
T argument(Warp& warp, uint64_t offset, int lane) {
  const Place place = resolve(warp, lane, Space::kLocal, offset, sizeof(T), AccessKind::kLoad);
  T value;
  std::memcpy(&value, place.data, sizeof value);
  return value;
}

template <typename T>
T read_generic(Warp& warp, uint64_t address, int lane) {
  const Place place = resolve(warp, lane, Space::kGeneric, address, sizeof(T), AccessKind::kLoad);
  T value;
  std::memcpy(&value, place.data, sizeof value);
  return value;
}

std::string read_string(Warp& warp, uint64_t address, int lane) {
  std::string text;
  while (const char c = read_generic<char>(warp, address + text.size(), lane)) text += c;
  return text;
}

// Formats one conversion whose argument lies at `address`; returns the address behind it.
uint64_t format_argument(Warp& warp, int lane, const std::string& conversion, uint64_t address,
                         std::string* out) {
  const char kind = conversion.back();
  const bool is_long = conversion.find('l') != std::string::npos || kind == 'p' || kind == 's' ||
                       conversion.find('z') != std::string::npos;
  const bool is_float = std::string("fFeEgGaA").find(kind) != std::string::npos;
  const uint64_t bytes = is_long || is_float ? 8 : 4;
  address = (address + bytes - 1) / bytes * bytes;
  char text[512];
  if (kind == 's') {
    const std::string value = read_string(warp, read_generic<uint64_t>(warp, address, lane), lane);
    std::snprintf(text, sizeof text, conversion.c_str(), value.c_str());
  } else if (is_float) {
    std::snprintf(text, sizeof text, conversion.c_str(), read_generic<double>(warp, address, lane));
  } else if (is_long) {
    std::snprintf(text, sizeof text, conversion.c_str(),
                  read_generic<uint64_t>(warp, address, lane));
  } else {
    std::snprintf(text, sizeof text, conversion.c_str(),
                  read_generic<uint32_t>(warp, address, lane));
  }
  *out += text;
  return address + bytes;
}

void print(Warp& warp, const Instruction& in, uint32_t mask) {
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    const std::string format = read_string(warp, argument<uint64_t>(warp, in.list[1], lane), lane);
    uint64_t address = argument<uint64_t>(warp, in.list[2], lane);
    std::string out;
    for (size_t i = 0; i < format.size(); ++i) {
      if (format[i] != '%') {
        out += format[i];
      } else if (i + 1 < format.size() && format[i + 1] == '%') {
        out += format[i++];
      } else {
        const size_t end = format.find_first_of("diouxXcpsfFeEgGaA", i);
        if (end == std::string::npos) break;
        address = format_argument(warp, lane, format.substr(i, end - i + 1), address, &out);
        i = end;
      }
    }
    std::fputs(out.c_str(), stdout);
    const Place result = resolve(warp, lane, Space::kLocal, in.list[0], 4, AccessKind::kStore);
    std::memset(result.data, 0, 4);
    std::memset(result.states, kDefined, 4);
  }
}

void assertion_failed(Warp& warp, const Instruction& in, uint32_t mask) {
  const int lane = __builtin_ctz(mask);
  const std::string message = read_string(warp, argument<uint64_t>(warp, in.list[0], lane), lane);
  const std::string file = read_string(warp, argument<uint64_t>(warp, in.list[1], lane), lane);
  const auto line = argument<uint32_t>(warp, in.list[2], lane);
  fail(kErrorAssert, "assertion", file + ":" + std::to_string(line) + ": " + message, lane);
}

}  // namespace

void decode_system_call(Decoder& decoder, const std::string& name,
                        const std::vector<Operand>& results, const std::vector<Operand>& arguments,
                        Instruction* in) {
  in->step = Step::kSelf;
  in->op_class = OpClass::kControl;
  in->execute = name == "vprintf" ? &print : &assertion_failed;
  for (const auto* operands : {&results, &arguments}) {
    for (const Operand& operand : *operands) {
      Symbol symbol;
      if (!decoder.find(operand.name, &symbol) || symbol.space != Space::kLocal) {
        decoder.unsupported();
      }
      in->list.push_back(static_cast<uint32_t>(symbol.address));
    }
  }
}

}  // namespace ptxvm
