#include "decoder.h"

#include <cxxabi.h>

#include <algorithm>
#include <stdexcept>

#include "memory.h"

namespace ptxvm {
namespace {

uint64_t align_up(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

const std::unordered_map<std::string, FamilyDecoder>& families() {
  static const auto* table =
      new std::unordered_map<std::string, FamilyDecoder>{{"add", decode_arithmetic},
                                                         {"sub", decode_arithmetic},
                                                         {"mul", decode_arithmetic},
                                                         {"mad", decode_arithmetic},
                                                         {"div", decode_arithmetic},
                                                         {"rem", decode_integer},
                                                         {"min", decode_arithmetic},
                                                         {"max", decode_arithmetic},
                                                         {"abs", decode_arithmetic},
                                                         {"neg", decode_arithmetic},
                                                         {"fma", decode_arithmetic},
                                                         {"addc", decode_arithmetic},
                                                         {"subc", decode_arithmetic},
                                                         {"madc", decode_arithmetic},
                                                         {"sad", decode_integer},
                                                         {"dp4a", decode_integer},
                                                         {"dp2a", decode_integer},
                                                         {"sqrt", decode_float},
                                                         {"rcp", decode_float},
                                                         {"testp", decode_float},
                                                         {"copysign", decode_float},
                                                         {"rsqrt", decode_special_function},
                                                         {"ex2", decode_special_function},
                                                         {"lg2", decode_special_function},
                                                         {"sin", decode_special_function},
                                                         {"cos", decode_special_function},
                                                         {"tanh", decode_special_function},
                                                         {"and", decode_bits},
                                                         {"or", decode_bits},
                                                         {"xor", decode_bits},
                                                         {"not", decode_bits},
                                                         {"cnot", decode_bits},
                                                         {"shl", decode_bits},
                                                         {"shr", decode_bits},
                                                         {"shf", decode_bits},
                                                         {"lop3", decode_bits},
                                                         {"popc", decode_bits},
                                                         {"clz", decode_bits},
                                                         {"bfind", decode_bits},
                                                         {"brev", decode_bits},
                                                         {"bfe", decode_bits},
                                                         {"bfi", decode_bits},
                                                         {"bmsk", decode_bits},
                                                         {"prmt", decode_bits},
                                                         {"fns", decode_bits},
                                                         {"setp", decode_compare},
                                                         {"set", decode_compare},
                                                         {"selp", decode_compare},
                                                         {"slct", decode_compare},
                                                         {"mov", decode_move},
                                                         {"cvta", decode_move},
                                                         {"isspacep", decode_move},
                                                         {"cvt", decode_convert},
                                                         {"ld", decode_memory},
                                                         {"st", decode_memory},
                                                         {"prefetch", decode_memory},
                                                         {"membar", decode_memory},
                                                         {"fence", decode_memory},
                                                         {"atom", decode_atomic},
                                                         {"red", decode_atomic},
                                                         {"cp", decode_async_copy},
                                                         {"bra", decode_control},
                                                         {"brx", decode_control},
                                                         {"exit", decode_control},
                                                         {"ret", decode_control},
                                                         {"trap", decode_control},
                                                         {"nanosleep", decode_control},
                                                         {"activemask", decode_control},
                                                         {"shfl", decode_warp},
                                                         {"vote", decode_warp},
                                                         {"match", decode_warp},
                                                         {"redux", decode_warp},
                                                         {"bar", decode_barrier},
                                                         {"barrier", decode_barrier},
                                                         {"mma", decode_matrix},
                                                         {"ldmatrix", decode_matrix}};
  return *table;
}

std::string demangle(const std::string& name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  const std::string result = status == 0 ? text : name;
  std::free(text);
  return result;
}

}  // namespace

Decoder::Decoder(const Module& module, const Function& kernel, FindVariable find_variable)
    : module_(module), kernel_(kernel), find_variable_(std::move(find_variable)) {}

Program Decoder::decode() {
  program_.name = kernel_.name;
  program_.readable_name = demangle(kernel_.name);
  if (kernel_.max_threads != 0) program_.max_threads = kernel_.max_threads;
  std::copy_n(kernel_.required_threads, 3, program_.required_threads);
  open_scope(true);
  place_parameters(kernel_);
  decode_body(kernel_);
  close_scope();
  program_.local_bytes = align_up(program_.local_bytes, 16);
  return std::move(program_);
}

void Decoder::place_parameters(const Function& kernel) {
  for (const VariableDeclaration& parameter : kernel.parameters) {
    const uint64_t offset = align_up(program_.parameter_bytes, parameter.alignment);
    Symbol symbol;
    symbol.kind = Symbol::Kind::kVariable;
    symbol.space = Space::kParameter;
    symbol.address = offset;
    scopes_.back().symbols[parameter.name] = symbol;
    program_.parameters.push_back(parameter);
    program_.parameter_offsets.push_back(offset);
    program_.parameter_bytes = offset + parameter.bytes;
  }
}

// --- scopes and names ---

void Decoder::open_scope(bool function) {
  scopes_.emplace_back();
  scopes_.back().function = function;
}

void Decoder::close_scope() {
  Scope scope = std::move(scopes_.back());
  scopes_.pop_back();
  for (Scope::Fixup& fixup : scope.fixups) {
    const auto label = scope.labels.find(fixup.label);
    if (label == scope.labels.end()) {
      if (scopes_.empty() || scope.function) {
        throw std::runtime_error("label " + fixup.label + " is missing in " + kernel_.name);
      }
      scopes_.back().fixups.push_back(std::move(fixup));
      continue;
    }
    Instruction& instruction = program_.code[fixup.instruction];
    if (fixup.list_index < 0)
      instruction.target = label->second;
    else
      instruction.list[static_cast<size_t>(fixup.list_index)] = label->second;
  }
}

bool Decoder::find_family(const std::string& name, Symbol* symbol) {
  const size_t digits = name.find_last_not_of("0123456789") + 1;
  if (digits == name.size()) return false;
  const std::string prefix = name.substr(0, digits);
  const int number = std::stoi(name.substr(digits));
  for (size_t i = scopes_.size(); i-- > 0;) {
    const auto family = scopes_[i].families.find(prefix);
    if (family != scopes_[i].families.end() && number < family->second.count) {
      auto [unit, added] = family->second.units.emplace(number, 0);
      if (added) unit->second = new_row(family->second.type);
      symbol->kind = Symbol::Kind::kRegister;
      symbol->type = family->second.type;
      symbol->unit = unit->second;
      return true;
    }
    if (scopes_[i].function) return false;
  }
  return false;
}

bool Decoder::find(const std::string& name, Symbol* symbol) const {
  for (size_t i = scopes_.size(); i-- > 0;) {
    const auto found = scopes_[i].symbols.find(name);
    if (found != scopes_[i].symbols.end()) {
      *symbol = found->second;
      return true;
    }
    if (scopes_[i].function) break;
  }
  auto* self = const_cast<Decoder*>(this);  // rows of a register family are made when first used
  if (self->find_family(name, symbol)) return true;
  for (const VariableDeclaration& variable : module_.variables) {
    if (variable.name != name || variable.space != Space::kShared) continue;
    auto [known, added] = self->shared_symbols_.emplace(name, Symbol{});
    if (added) {
      known->second.kind = Symbol::Kind::kVariable;
      known->second.space = Space::kShared;
      known->second.address = self->shared_offset(variable);
    }
    *symbol = known->second;
    return true;
  }
  return find_variable_(name, symbol);
}

// Shared variables get red zones behind them, of whole bank rows so that banks stay what they are.
uint64_t Decoder::shared_offset(const VariableDeclaration& variable) {
  if (variable.external) {
    program_.uses_dynamic_shared = true;
    return kDynamicSharedOffset;
  }
  const uint64_t packed = align_up(program_.shared_bytes, variable.alignment);
  const uint64_t zones = 128 * program_.shared_variables.size();
  const uint64_t offset = packed + align_up(zones, std::max<uint64_t>(variable.alignment, 128));
  program_.shared_variables.push_back({offset, variable.bytes});
  program_.shared_bytes = packed + variable.bytes;
  program_.shared_span = offset + variable.bytes;
  return offset;
}

void Decoder::declare_variable(const VariableDeclaration& variable) {
  Symbol symbol;
  symbol.kind = Symbol::Kind::kVariable;
  symbol.space = variable.space;
  if (variable.space == Space::kShared) {
    // One place for the variable, however often its function is inlined.
    auto [known, added] = shared_symbols_.emplace(variable.name, symbol);
    if (added) known->second.address = shared_offset(variable);
    symbol = known->second;
  } else if (variable.space == Space::kLocal || variable.space == Space::kParameter) {
    symbol.space = Space::kLocal;  // arguments of inlined calls live in local memory
    symbol.address = align_up(program_.local_bytes, variable.alignment);
    program_.local_bytes = symbol.address + variable.bytes;
  } else if (!find_variable_(variable.name, &symbol)) {
    throw std::runtime_error("variable " + variable.name + " inside a function");
  }
  scopes_.back().symbols[variable.name] = symbol;
}

void Decoder::declare_registers(const std::vector<RegisterDeclaration>& registers) {
  Scope& scope = scopes_.back();
  for (const RegisterDeclaration& declaration : registers) {
    if (declaration.count > 0) {
      scope.families[declaration.name] = {declaration.type, declaration.count, {}};
      continue;
    }
    Symbol symbol;
    symbol.type = declaration.type;
    symbol.unit = new_row(declaration.type);
    scope.symbols[declaration.name] = symbol;
  }
}

// --- rows ---

uint32_t Decoder::new_row(Type type) {
  const uint32_t unit = program_.units;
  program_.units += type.bytes() == 8 ? 2 : 1;
  return unit;
}

uint32_t Decoder::constant(uint64_t bits, bool wide) {
  auto& known = wide ? wide_constants_ : narrow_constants_;
  if (!wide) bits &= 0xFFFFFFFFu;
  auto [unit, added] = known.emplace(bits, 0);
  if (added) {
    unit->second = new_row(wide ? kTypeWide : kTypeNarrow);
    program_.constants.push_back({unit->second, wide, bits});
  }
  return unit->second;
}

uint32_t Decoder::special(const std::string& name) {
  static const auto* names = new std::unordered_map<std::string, Special>{
      {"%tid.x", Special::kTidX},
      {"%tid.y", Special::kTidY},
      {"%tid.z", Special::kTidZ},
      {"%ntid.x", Special::kNtidX},
      {"%ntid.y", Special::kNtidY},
      {"%ntid.z", Special::kNtidZ},
      {"%ctaid.x", Special::kCtaidX},
      {"%ctaid.y", Special::kCtaidY},
      {"%ctaid.z", Special::kCtaidZ},
      {"%nctaid.x", Special::kNctaidX},
      {"%nctaid.y", Special::kNctaidY},
      {"%nctaid.z", Special::kNctaidZ},
      {"%laneid", Special::kLaneId},
      {"%warpid", Special::kWarpId},
      {"%nwarpid", Special::kNwarpId},
      {"%smid", Special::kSmId},
      {"%nsmid", Special::kNsmId},
      {"%gridid", Special::kGridId},
      {"%lanemask_eq", Special::kLaneMaskEq},
      {"%lanemask_le", Special::kLaneMaskLe},
      {"%lanemask_lt", Special::kLaneMaskLt},
      {"%lanemask_ge", Special::kLaneMaskGe},
      {"%lanemask_gt", Special::kLaneMaskGt},
      {"%dynamic_smem_size", Special::kDynamicSharedSize},
      {"%total_smem_size", Special::kTotalSharedSize}};
  const auto found = names->find(name);
  if (found == names->end()) unsupported();
  auto [unit, added] = special_units_.emplace(static_cast<int>(found->second), 0);
  if (added) {
    const bool wide = found->second == Special::kGridId;
    unit->second = new_row(wide ? kTypeWide : kTypeNarrow);
    program_.specials.emplace_back(found->second, unit->second);
  }
  return unit->second;
}

// --- bodies and statements ---

void Decoder::decode_body(const Function& function) {
  const Function* const caller = function_;
  function_ = &function;
  for (const Statement& statement : function.body) decode_statement(statement);
  scopes_.back().labels[kReturnLabel] = static_cast<uint32_t>(program_.code.size());
  if (function.is_entry) {
    Instruction exit;
    exit.step = Step::kExit;
    exit.op_class = OpClass::kControl;
    program_.code.push_back(std::move(exit));
    if (program_.origins.empty()) program_.origins.push_back({"exit;", ""});
    program_.code.back().statement = static_cast<uint32_t>(program_.origins.size() - 1);
  }
  function_ = caller;
}

void Decoder::decode_statement(const Statement& statement) {
  switch (statement.kind) {
    case Statement::Kind::kOpen:
      return open_scope(false);
    case Statement::Kind::kClose:
      return close_scope();
    case Statement::Kind::kRegister:
      return declare_registers(statement.registers);
    case Statement::Kind::kVariable:
      return declare_variable(statement.variable);
    case Statement::Kind::kLabel:
      scopes_.back().labels[statement.name] = static_cast<uint32_t>(program_.code.size());
      last_label_ = statement.name;
      return;
    case Statement::Kind::kInstruction:
      break;
  }
  statement_ = &statement;
  program_.origins.push_back({statement.text, describe_location(statement.location)});
  decode_instruction();
}

void Decoder::decode_instruction() {
  const std::string& base = statement_->opcode[0];
  if (base == "call") return call();
  if (base == "branchtargets") {
    Symbol table;
    table.kind = Symbol::Kind::kBranchTable;
    for (const Operand& operand : statement_->operands) table.labels.push_back(operand.name);
    scopes_.back().symbols[last_label_] = table;
    return;
  }
  Instruction instruction;
  if (!statement_->guard.empty()) {
    Operand guard;
    guard.kind = Operand::Kind::kName;
    guard.name = statement_->guard;
    instruction.guard = source(guard, {TypeKind::kPredicate, 1});
    instruction.guard_negated = statement_->guard_negated;
  }
  const auto family = families().find(base);
  if (family == families().end()) unsupported();
  family->second(*this, &instruction);
  if (instruction.execute != nullptr) emit(std::move(instruction));
}

void Decoder::emit(Instruction instruction) {
  instruction.statement = static_cast<uint32_t>(program_.origins.size() - 1);
  program_.code.push_back(std::move(instruction));
}

void Decoder::branch_to(Instruction instruction, const std::string& label) {
  scopes_.back().fixups.push_back({program_.code.size(), -1, label});
  emit(std::move(instruction));
}

void Decoder::branch_table(Instruction instruction, const Symbol& table) {
  instruction.list.resize(table.labels.size());
  for (size_t i = 0; i < table.labels.size(); ++i) {
    scopes_.back().fixups.push_back({program_.code.size(), static_cast<int>(i), table.labels[i]});
  }
  emit(std::move(instruction));
}

// call [(results),] function[, (arguments)];  The callee's parameters become other names for the
// caller's argument variables.
void Decoder::call() {
  const auto& operands = statement_->operands;
  size_t index = 0;
  std::vector<Operand> results, arguments;
  if (operands.at(0).kind == Operand::Kind::kVector) results = operands[index++].elements;
  const std::string name = operands.at(index++).name;
  if (index < operands.size()) arguments = operands[index].elements;
  if (!statement_->guard.empty()) unsupported();
  if (name == "vprintf" || name == "__assertfail") {
    Instruction instruction;
    decode_system_call(*this, name, results, arguments, &instruction);
    return emit(std::move(instruction));
  }
  const auto found = module_.functions.find(name);
  if (found == module_.functions.end() || !found->second->has_body) unsupported();
  if (++call_depth_ > 50) unsupported();  // recursion cannot be inlined
  const Function& callee = *found->second;
  std::unordered_map<std::string, Symbol> names;
  const auto bind = [&](const std::vector<VariableDeclaration>& formal,
                        const std::vector<Operand>& actual) {
    for (size_t i = 0; i < formal.size() && i < actual.size(); ++i) {
      if (!find(actual[i].name, &names[formal[i].name])) unsupported();
    }
  };
  bind(callee.results, results);
  bind(callee.parameters, arguments);
  open_scope(true);
  scopes_.back().symbols = std::move(names);
  decode_body(callee);
  close_scope();
  --call_depth_;
}

std::string Decoder::describe_location(uint32_t location) const {
  // Of a chain of inlined calls, the outermost is the user's own line: it comes first.
  std::string text;
  const auto& locations = function_->locations;
  for (uint32_t at = location; at != 0; at = locations[at].inlined_at) {
    if (locations[at].line == 0) continue;
    const auto file = module_.files.find(locations[at].file);
    std::string name = file == module_.files.end() ? "?" : file->second;
    name = name.substr(name.find_last_of('/') + 1) + ":" + std::to_string(locations[at].line);
    text = text.empty() ? name : name + " < " + text;
  }
  return text;
}

}  // namespace ptxvm
