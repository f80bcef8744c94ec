// Operations among the lanes of a warp: shfl vote match redux. The member mask is source[3],
// where the interpreter's loop looks for it.
#include <algorithm>

#include "isa_apply.h"

namespace ptxvm {
namespace {

enum ShuffleMode : int64_t { kUp, kDown, kButterfly, kIndex };

void shuffle(Warp& warp, const Instruction& in, uint32_t mask) {
  uint32_t values[kLanes];
  std::memcpy(values, warp.row32(in.source[0]), sizeof values);
  const uint32_t values_defined = warp.defined(in.source[0]);
  warp.require_defined(in.source[1], mask, "the lane of the shuffle");
  warp.require_defined(in.source[2], mask, "the clamp of the shuffle");
  uint32_t lane_operand[kLanes], clamps[kLanes];
  std::memcpy(lane_operand, warp.row32(in.source[1]), sizeof lane_operand);
  std::memcpy(clamps, warp.row32(in.source[2]), sizeof clamps);
  uint32_t defined = 0;
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    const int b = static_cast<int>(lane_operand[lane] & 31);
    const int clamp = static_cast<int>(clamps[lane] & 31);
    const int segment = static_cast<int>(clamps[lane] >> 8 & 31);
    const int last = (lane & segment) | (clamp & ~segment);
    int from = lane;
    bool inside = false;
    switch (in.immediate) {
      case kUp:
        from = lane - b, inside = from >= last;
        break;
      case kDown:
        from = lane + b, inside = from <= last;
        break;
      case kButterfly:
        from = lane ^ b, inside = from <= last;
        break;
      default:
        from = (lane & segment) | (b & ~segment), inside = from <= last;
        break;
    }
    if (!inside) from = lane;
    warp.row32(in.destination)[lane] = values[from];
    warp.row32(in.second_destination)[lane] = to_predicate(inside);
    if ((mask & values_defined) >> from & 1)
      defined |= 1u << lane;
    else
      warp.pass_undefined(from, lane);
  }
  warp.set_defined(in.destination, mask, defined);
  warp.set_defined(in.second_destination, mask, kAllLanes);
}

enum VoteMode : int64_t { kAll, kAny, kUniform, kBallot };

void vote(Warp& warp, const Instruction& in, uint32_t mask) {
  uint32_t trues = warp.predicate_mask(in.source[0]);
  if (in.negated_operand) trues = ~trues;
  trues &= mask;
  const bool known = (mask & ~warp.defined(in.source[0])) == 0;
  uint32_t result = trues;
  if (in.immediate == kAll) result = to_predicate(trues == mask);
  if (in.immediate == kAny) result = to_predicate(trues != 0);
  if (in.immediate == kUniform) result = to_predicate(trues == 0 || trues == mask);
  for_lanes(mask, [&](int l) { warp.row32(in.destination)[l] = result; });
  warp.set_defined(in.destination, mask, known ? kAllLanes : 0);
}

template <typename T, bool kAllEqual>
void match(Warp& warp, const Instruction& in, uint32_t mask) {
  const auto* values = warp.row<T>(in.source[0]);
  warp.require_defined(in.source[0], mask, "the operand of match");
  uint32_t results[kLanes] = {};
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    for (uint32_t others = mask; others != 0; others &= others - 1) {
      const int other = __builtin_ctz(others);
      if (values[other] == values[lane]) results[lane] |= 1u << other;
    }
  }
  const bool all = results[__builtin_ctz(mask)] == mask;
  for_lanes(mask, [&](int l) {
    warp.row32(in.destination)[l] = kAllEqual ? (all ? mask : 0) : results[l];
    warp.row32(in.second_destination)[l] = to_predicate(all);
  });
  warp.set_defined(in.destination, mask, kAllLanes);
  warp.set_defined(in.second_destination, mask, kAllLanes);
}

struct Reduction {
  const char* name;
  uint32_t (*combine)(uint32_t, uint32_t, bool is_signed);
};

uint32_t smaller(uint32_t a, uint32_t b, bool is_signed) {
  if (is_signed) return static_cast<int32_t>(a) < static_cast<int32_t>(b) ? a : b;
  return std::min(a, b);
}

constexpr Reduction kReductions[] = {
    {"add", [](uint32_t a, uint32_t b, bool) { return a + b; }},
    {"min", [](uint32_t a, uint32_t b, bool s) { return smaller(a, b, s); }},
    {"max", [](uint32_t a, uint32_t b, bool s) { return smaller(a, b, s) == a ? b : a; }},
    {"and", [](uint32_t a, uint32_t b, bool) { return a & b; }},
    {"or", [](uint32_t a, uint32_t b, bool) { return a | b; }},
    {"xor", [](uint32_t a, uint32_t b, bool) { return a ^ b; }}};

void reduce(Warp& warp, const Instruction& in, uint32_t mask) {
  warp.require_defined(in.source[0], mask, "the operand of redux");
  const uint32_t* values = warp.row32(in.source[0]);
  uint32_t result = values[__builtin_ctz(mask)];
  for (uint32_t left = mask & (mask - 1); left != 0; left &= left - 1) {
    result = kReductions[in.immediate].combine(result, values[__builtin_ctz(left)], in.sign_extend);
  }
  for_lanes(mask, [&](int l) { warp.row32(in.destination)[l] = result; });
  warp.set_defined(in.destination, mask, kAllLanes);
}

void decode_shuffle(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  decoder.plain_operands(in, 3, kU32);
  in->source[3] = decoder.source(4, kU32);
  in->second_destination = decoder.destination_pair(0);
  in->immediate = kIndex;
  if (statement.has("up")) in->immediate = kUp;
  if (statement.has("down")) in->immediate = kDown;
  if (statement.has("bfly")) in->immediate = kButterfly;
  in->execute = &shuffle;
}

void decode_vote(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  in->destination = decoder.destination(0);
  in->source[0] = decoder.source(1, kPred);
  in->negated_operand = decoder.operand(1).negated;
  in->source[3] = decoder.source(2, kU32);
  in->immediate = kAll;
  if (statement.has("any")) in->immediate = kAny;
  if (statement.has("uni")) in->immediate = kUniform;
  if (statement.has("ballot")) in->immediate = kBallot;
  in->execute = &vote;
}

void decode_match(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const bool wide = parse_type(statement.opcode.back()).bits == 64;
  in->destination = decoder.destination(0);
  in->second_destination = decoder.destination_pair(0);
  in->source[0] = decoder.source(1, wide ? kU64 : kU32);
  in->source[3] = decoder.source(2, kU32);
  if (statement.has("all"))
    in->execute = wide ? &match<uint64_t, true> : &match<uint32_t, true>;
  else
    in->execute = wide ? &match<uint64_t, false> : &match<uint32_t, false>;
}

void decode_reduce(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const Type type = parse_type(statement.opcode.back());
  if (type.is_float()) decoder.unsupported();
  decoder.plain_operands(in, 1, kU32);
  in->source[3] = decoder.source(2, kU32);
  in->sign_extend = type.is_signed();
  for (int64_t i = 0; i < 6; ++i) {
    if (!statement.has(kReductions[i].name)) continue;
    in->immediate = i;
    in->execute = &reduce;
  }
}

}  // namespace

void decode_warp(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const std::string& base = statement.opcode[0];
  if (!statement.has("sync")) decoder.unsupported();
  in->step = Step::kSync;
  in->op_class = OpClass::kWarp;
  if (base == "shfl") {
    decode_shuffle(decoder, in);
  } else if (base == "vote") {
    decode_vote(decoder, in);
  } else if (base == "match") {
    decode_match(decoder, in);
  } else if (base == "redux") {
    decode_reduce(decoder, in);
  }
  if (in->execute == nullptr) decoder.unsupported();
}

// bar.warp.sync, bar.sync/arrive/red and their barrier. spellings.
void decode_barrier(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  in->op_class = OpClass::kBarrier;
  in->execute = [](Warp&, const Instruction&, uint32_t) {};
  if (statement.has("cluster")) decoder.unsupported();
  if (statement.has("warp")) {
    in->step = Step::kSync;
    in->op_class = OpClass::kWarp;
    in->joins_anywhere = true;
    in->source[3] = decoder.source(0, kU32);
    return;
  }
  in->step = Step::kBarrier;
  in->aligned = statement.opcode[0] == "bar" || statement.has("aligned");
  const bool reduces = statement.has("red");
  size_t next = reduces ? 1 : 0;
  in->source[0] = decoder.source(next++, kU32);
  const size_t count = decoder.operand_count() - (reduces ? 1 : 0);
  if (next < count) {
    in->source[1] = decoder.source(next++, kU32);
    in->target = 1;
  }
  if (statement.has("arrive")) in->immediate = 1;
  if (!reduces) return;
  in->destination = decoder.destination(0);
  in->source[2] = decoder.source(next, kPred);
  in->negated_operand = decoder.operand(next).negated;
  in->immediate = statement.has("and") ? 2 : (statement.has("or") ? 3 : 4);
}

}  // namespace ptxvm
