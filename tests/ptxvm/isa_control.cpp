// Branches, returns, traps and the small change of control: nanosleep, activemask.
#include <sched.h>

#include "cuda_errors.h"
#include "isa_apply.h"

namespace ptxvm {
namespace {

void no_operation(Warp&, const Instruction&, uint32_t) {}

void trap(Warp&, const Instruction&, uint32_t mask) {
  fail(kErrorLaunchFailure, "trap", "the kernel executed trap", __builtin_ctz(mask));
}

void sleep(Warp&, const Instruction&, uint32_t) {
  sched_yield();
}

void active_mask(Warp& warp, const Instruction& in, uint32_t mask) {
  for_lanes(mask, [&](int l) { warp.row32(in.destination)[l] = mask; });
  warp.set_defined(in.destination, mask, kAllLanes);
}

}  // namespace

void decode_control(Decoder& decoder, Instruction* in) {
  const Statement& statement = decoder.statement();
  const std::string& base = statement.opcode[0];
  in->op_class = OpClass::kControl;
  in->step = Step::kSelf;
  if (base == "bra") {
    in->step = Step::kBranch;
    return decoder.branch_to(*in, decoder.operand(0).name);
  }
  if (base == "brx") {
    Symbol table;
    if (!decoder.find(decoder.operand(1).name, &table) ||
        table.kind != Symbol::Kind::kBranchTable || in->guard != kZeroUnit) {
      decoder.unsupported();
    }
    in->step = Step::kIndirectBranch;
    in->source[0] = decoder.source(0, kU32);
    return decoder.branch_table(*in, table);
  }
  if (base == "ret" && decoder.inside_call()) {
    in->step = Step::kBranch;
    return decoder.branch_to(*in, kReturnLabel);
  }
  if (base == "ret" || base == "exit") {
    in->step = Step::kExit;
    in->execute = &no_operation;
  } else if (base == "trap") {
    in->execute = &trap;
  } else if (base == "nanosleep") {
    in->execute = &sleep;
  } else if (base == "activemask") {
    in->destination = decoder.destination(0);
    in->execute = &active_mask;
  } else {
    decoder.unsupported();
  }
}

}  // namespace ptxvm
