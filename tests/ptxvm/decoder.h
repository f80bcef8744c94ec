// Turns the statements of a kernel into instructions; each family of opcodes decodes itself.
#pragma once

#include <functional>
#include <unordered_map>

#include "machine.h"

namespace ptxvm {

constexpr Type kTypeNarrow{TypeKind::kBits, 32};
constexpr Type kTypeWide{TypeKind::kBits, 64};

// Where a name lives: resolved by the module that owns the variables.
struct Symbol {
  enum class Kind { kRegister, kVariable, kBranchTable };
  Kind kind = Kind::kRegister;
  Type type;
  uint32_t unit = 0;
  Space space = Space::kGlobal;
  uint64_t address = 0;  // absolute for global and constant, an offset in the other spaces
  std::vector<std::string> labels;
};

// The end of a function's body, where `ret` of an inlined call goes.
constexpr const char* kReturnLabel = "$return";

class Decoder {
 public:
  using FindVariable = std::function<bool(const std::string& name, Symbol* symbol)>;

  Decoder(const Module& module, const Function& kernel, FindVariable find_variable);
  Program decode();

  // --- for the families ---
  [[noreturn]] void unsupported() const;
  [[nodiscard]] const Statement& statement() const { return *statement_; }
  [[nodiscard]] const Operand& operand(size_t index) const;
  [[nodiscard]] size_t operand_count() const { return statement_->operands.size(); }
  // Row of a source operand; literals become constants of `type`.
  uint32_t source(const Operand& operand, Type type);
  uint32_t source(size_t index, Type type) { return source(operand(index), type); }
  // Row of a destination register, the sink for `_`.
  uint32_t destination(const Operand& operand);
  uint32_t destination(size_t index) { return destination(operand(index)); }
  uint32_t destination_pair(size_t index);  // %p in %r|%p
  [[nodiscard]] Type register_type(const Operand& operand) const;
  [[nodiscard]] bool find(const std::string& name, Symbol* symbol) const;
  // The base row, offset and space of a memory operand.
  void address(const Operand& operand, Instruction* instruction, Space stated);
  uint32_t constant(uint64_t bits, bool wide);
  uint32_t new_row(Type type);
  uint32_t special(const std::string& name);
  Program& program() { return program_; }
  [[nodiscard]] bool inside_call() const { return call_depth_ > 0; }
  void emit(Instruction instruction);
  void branch_to(Instruction instruction, const std::string& label);
  void branch_table(Instruction instruction, const Symbol& table);
  // Sets up 1 to 3 sources of `type` from operands 1, 2, 3 and the destination from operand 0.
  void plain_operands(Instruction* instruction, int sources, Type type);

 private:
  struct Scope {
    std::unordered_map<std::string, Symbol> symbols;
    struct Family {
      Type type;
      int count;
      std::unordered_map<int, uint32_t> units;
    };
    std::unordered_map<std::string, Family> families;  // %r<94>
    std::unordered_map<std::string, uint32_t> labels;
    struct Fixup {
      size_t instruction;
      int list_index;  // -1: the target itself
      std::string label;
    };
    std::vector<Fixup> fixups;
    bool function = false;  // names outside are the module's, not the caller's
  };

  void decode_body(const Function& function);
  void decode_statement(const Statement& statement);
  void declare_variable(const VariableDeclaration& variable);
  void declare_registers(const std::vector<RegisterDeclaration>& registers);
  void decode_instruction();
  void call();
  void open_scope(bool function);
  void close_scope();
  bool find_family(const std::string& name, Symbol* symbol);
  uint64_t shared_offset(const VariableDeclaration& variable);
  void place_parameters(const Function& kernel);
  std::string describe_location(uint32_t location) const;

  const Module& module_;
  const Function& kernel_;
  FindVariable find_variable_;
  Program program_;
  std::vector<Scope> scopes_;
  std::unordered_map<std::string, Symbol> shared_symbols_;
  std::unordered_map<uint64_t, uint32_t> narrow_constants_, wide_constants_;
  std::unordered_map<int, uint32_t> special_units_;
  const Statement* statement_ = nullptr;
  const Function* function_ = nullptr;
  std::string last_label_;
  int call_depth_ = 0;
};

// A family decodes the current statement into `instruction` or calls Decoder::unsupported.
using FamilyDecoder = void (*)(Decoder&, Instruction*);
void decode_integer(Decoder&, Instruction*);
void decode_bits(Decoder&, Instruction*);
void decode_carry(Decoder&, Instruction*);
void decode_arithmetic(Decoder&, Instruction*);  // add, mul...: integer, float or half by type
void decode_float(Decoder&, Instruction*);
void decode_rounded(Decoder&, Instruction*);
void decode_half(Decoder&, Instruction*);
void decode_special_function(Decoder&, Instruction*);
void decode_compare(Decoder&, Instruction*);
void decode_move(Decoder&, Instruction*);
void decode_convert(Decoder&, Instruction*);
void decode_memory(Decoder&, Instruction*);
void decode_atomic(Decoder&, Instruction*);
void decode_async_copy(Decoder&, Instruction*);
void decode_control(Decoder&, Instruction*);
void decode_warp(Decoder&, Instruction*);
void decode_barrier(Decoder&, Instruction*);
void decode_matrix(Decoder&, Instruction*);
// vprintf and __assertfail, which device code calls like functions.
void decode_system_call(Decoder&, const std::string& name, const std::vector<Operand>& results,
                        const std::vector<Operand>& arguments, Instruction*);

}  // namespace ptxvm
