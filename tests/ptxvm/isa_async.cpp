// cp.async: copies from global to shared memory that land when they are waited for.
#include <algorithm>

#include "access.h"
#include "isa_apply.h"

namespace ptxvm {
namespace {

uint64_t copy_source(Warp& warp, const Instruction& in, int lane) {
  return warp.row64(in.source[1])[lane] + static_cast<uint64_t>(in.list[0]);
}

void count_copies(Warp& warp, const Instruction& in, uint32_t mask) {
  Counters* counters = warp.block().counters();
  if (counters == nullptr) return;
  uint64_t from[kLanes] = {}, to[kLanes] = {};
  for_lanes(mask, [&](int l) {
    from[l] = copy_source(warp, in, l);
    to[l] = lane_address(warp, in, l);
  });
  counters->count_global(from, mask, in.element_bytes, false);
  counters->count_shared(to, mask, in.element_bytes);
}

void copy(Warp& warp, const Instruction& in, uint32_t mask) {
  warp.require_defined(in.source[0], mask, "the destination address");
  warp.require_defined(in.source[1], mask, "the source address");
  warp.require_defined(in.source[2], mask, "the number of bytes");
  count_copies(warp, in, mask);
  const uint32_t bytes = in.element_bytes;
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    const uint32_t wanted = warp.row32(in.source[2])[lane];
    const Place to = resolve(warp, lane, Space::kShared, lane_address(warp, in, lane), bytes,
                             AccessKind::kStore);
    Block::AsyncCopy pending{};
    pending.offset = to.offset;
    pending.bytes = bytes;
    pending.pc = warp.pc();
    if (wanted > 0) {  // the rest is filled with zeros
      const uint64_t source = copy_source(warp, in, lane);
      if ((source & (bytes - 1)) != 0) {
        fail(kErrorMisalignedAddress, "misaligned", "source of cp.async", lane);
      }
      const uint32_t count = std::min(wanted, bytes);
      for (uint32_t i = 0; i < count; ++i) {
        const Place from = resolve(warp, lane, Space::kGlobal, source + i, 1, AccessKind::kLoad);
        check_written(warp, from, 1, lane);
        if (*from.states != kDefined) {
          fail(kErrorLaunchFailure, "uninitialised memory", "cp.async reads undefined bytes", lane);
        }
        pending.data[i] = *from.data;
      }
    }
    // Until the copy lands its destination holds nothing that may be read or replaced.
    check_no_copy(warp, to, bytes, lane);
    warp.block().races().write(warp.index(), static_cast<uint32_t>(lane), to.offset, bytes,
                               warp.pc(), SharedRaces::Strength::kPlain, false);
    std::memset(to.data, 0xFF, bytes);
    std::memset(to.states, kInFlight, bytes);
    warp.block().issue_copy(warp.thread(lane), pending);
  }
}

void commit(Warp& warp, const Instruction&, uint32_t mask) {
  for_lanes(mask, [&](int l) { warp.block().commit_copies(warp.thread(l)); });
}

void wait(Warp& warp, const Instruction& in, uint32_t mask) {
  for (uint32_t left = mask; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    if (in.immediate < 0)
      warp.block().wait_all_copies(warp, lane);
    else
      warp.block().wait_copies(warp, lane, static_cast<uint32_t>(in.immediate));
  }
}

}  // namespace

void decode_async_copy(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  if (statement.opcode.size() < 3 || statement.opcode[1] != "async") decoder.unsupported();
  in->step = Step::kSelf;
  in->op_class = OpClass::kAsyncCopy;
  const std::string& form = statement.opcode[2];
  if (form == "commit_group") {
    in->execute = &commit;
  } else if (form == "wait_group" || form == "wait_all") {
    in->immediate = form == "wait_all" ? -1 : static_cast<int64_t>(decoder.operand(0).bits);
    in->execute = &wait;
  } else if (form == "ca" || form == "cg") {
    decoder.address(decoder.operand(0), in, Space::kShared);
    const Operand& from = decoder.operand(1);
    Operand base;
    base.kind = Operand::Kind::kName;
    base.name = from.name;
    if (from.kind != Operand::Kind::kAddress || from.name.empty()) decoder.unsupported();
    in->source[1] = decoder.source(base, kU64);
    in->list = {static_cast<uint32_t>(from.bits)};
    in->element_bytes = static_cast<uint8_t>(decoder.operand(2).bits);
    const bool has_size = decoder.operand_count() > 3 && !statement.has("L2::cache_hint");
    in->source[2] = has_size ? decoder.source(3, kU32) : decoder.constant(in->element_bytes, false);
    in->execute = &copy;
  } else {
    decoder.unsupported();
  }
}

}  // namespace ptxvm
