// The syntax tree of a PTX module: what the text says, before anything is resolved.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ptxvm {

enum class TypeKind : uint8_t {
  kNone,
  kPredicate,
  kBits,
  kUnsigned,
  kSigned,
  kFloat,
  kBFloat,
  kTensorFloat
};

struct Type {
  TypeKind kind = TypeKind::kNone;
  uint8_t bits = 0;    // of one element: 1 for predicates
  uint8_t packed = 1;  // 2 for f16x2 and bf16x2

  [[nodiscard]] int bytes() const { return kind == TypeKind::kPredicate ? 4 : bits * packed / 8; }
  [[nodiscard]] bool is_signed() const { return kind == TypeKind::kSigned; }
  [[nodiscard]] bool is_float() const { return kind >= TypeKind::kFloat; }
  [[nodiscard]] bool is_predicate() const { return kind == TypeKind::kPredicate; }
};

// kNone when `name` ("u32", "f16x2", "pred") is not a type.
[[nodiscard]] Type parse_type(std::string_view name);

enum class Space : uint8_t { kGeneric, kGlobal, kConstant, kShared, kLocal, kParameter };

struct Operand {
  enum class Kind { kName, kInteger, kFloat32, kFloat64, kVector, kAddress, kSink };
  Kind kind = Kind::kSink;
  bool negated = false;           // !%p
  std::string name;               // kName, and the base of kAddress when it is not a number
  uint64_t bits = 0;              // value of a literal, and the offset of kAddress
  std::vector<Operand> elements;  // kVector
  std::string paired;             // %p in %r|%p
};

struct SourceLocation {
  uint32_t file = 0, line = 0, column = 0;
  uint32_t inlined_at = 0;  // index of the caller's location in Function::locations, 0 for none
};

struct VariableDeclaration {
  Space space = Space::kGlobal;
  std::string name;
  uint32_t alignment = 1;
  uint64_t bytes = 0;
  bool external = false;  // declared without a size: dynamic shared memory
  uint32_t element_bytes = 1;
  struct Initializer {
    uint64_t bits = 0;
    std::string name;  // address of a variable, when not empty
  };
  std::vector<Initializer> initializers;
};

struct RegisterDeclaration {
  Type type;
  std::string name;
  int count = 0;  // %r<94>: 94; 0 for a single register
};

struct Statement {
  enum class Kind { kInstruction, kLabel, kOpen, kClose, kRegister, kVariable };
  Kind kind = Kind::kInstruction;
  std::string name;   // label
  std::string guard;  // predicate register, may be empty
  bool guard_negated = false;
  std::vector<std::string> opcode;  // split at the dots
  std::vector<Operand> operands;
  std::vector<RegisterDeclaration> registers;
  VariableDeclaration variable;
  uint32_t location = 0;
  std::string_view text;

  [[nodiscard]] bool has(std::string_view modifier) const;
};

struct Function {
  std::string name;
  bool is_entry = false;
  bool has_body = false;
  std::vector<VariableDeclaration> results;
  std::vector<VariableDeclaration> parameters;
  uint32_t max_threads = 0;  // product of .maxntid, 0 when absent
  uint32_t required_threads[3] = {0, 0, 0};
  std::vector<Statement> body;
  std::vector<SourceLocation> locations{SourceLocation{}};
};

struct Module {
  std::string text;
  std::unordered_map<std::string, std::unique_ptr<Function>> functions;
  std::vector<VariableDeclaration> variables;
  std::unordered_map<uint32_t, std::string> files;
};

// Parses a whole module. Throws std::runtime_error with the line on a syntax it does not know.
[[nodiscard]] std::unique_ptr<Module> parse_module(std::string text);

}  // namespace ptxvm
