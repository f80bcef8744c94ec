// Handlers made from scalar operations: `Operation{}(a, b)` on every lane.
#pragma once

#include "decoder.h"
#include "warp.h"

namespace ptxvm {

template <typename Out, typename In, typename Operation>
void apply1(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row<Out>(in.destination);
  const auto* a = warp.row<In>(in.source[0]);
  for_lanes(
      mask, [&](int l) __attribute__((always_inline)) {
        d[l] = to_slot<Out>(Operation{}(read_slot<In>(a[l])));
      });
}

template <typename Out, typename In, typename Operation>
void apply2(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row<Out>(in.destination);
  const auto* a = warp.row<In>(in.source[0]);
  const auto* b = warp.row<In>(in.source[1]);
  for_lanes(
      mask, [&](int l) __attribute__((always_inline)) {
        d[l] = to_slot<Out>(Operation{}(read_slot<In>(a[l]), read_slot<In>(b[l])));
      });
}

// The third operand may be wider than the others (mad.wide).
template <typename Out, typename In, typename Third, typename Operation>
void apply3(Warp& warp, const Instruction& in, uint32_t mask) {
  auto* d = warp.row<Out>(in.destination);
  const auto* a = warp.row<In>(in.source[0]);
  const auto* b = warp.row<In>(in.source[1]);
  const auto* c = warp.row<Third>(in.source[2]);
  for_lanes(
      mask, [&](int l) __attribute__((always_inline)) {
        d[l] = to_slot<Out>(
            Operation{}(read_slot<In>(a[l]), read_slot<In>(b[l]), read_slot<Third>(c[l])));
      });
}

// Calls `make(T{})` with the C++ integer type of a PTX type; null for what is no integer.
template <typename Make>
Handler by_integer(Type type, Make make) {
  if (type.is_float() || type.is_predicate()) return nullptr;
  if (type.is_signed()) {
    switch (type.bits) {
      case 8:
        return make(int8_t{});
      case 16:
        return make(int16_t{});
      case 32:
        return make(int32_t{});
      default:
        return make(int64_t{});
    }
  }
  switch (type.bits) {
    case 8:
      return make(uint8_t{});
    case 16:
      return make(uint16_t{});
    case 32:
      return make(uint32_t{});
    default:
      return make(uint64_t{});
  }
}

// The same with the unsigned type of that width.
template <typename Make>
Handler by_width(Type type, Make make) {
  switch (type.bits) {
    case 8:
      return make(uint8_t{});
    case 16:
      return make(uint16_t{});
    case 32:
      return make(uint32_t{});
    default:
      return make(uint64_t{});
  }
}

constexpr Type kU16{TypeKind::kUnsigned, 16};
constexpr Type kU32{TypeKind::kUnsigned, 32};
constexpr Type kU64{TypeKind::kUnsigned, 64};
constexpr Type kF32{TypeKind::kFloat, 32};
constexpr Type kPred{TypeKind::kPredicate, 1};

}  // namespace ptxvm
