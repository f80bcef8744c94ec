// Recursive-descent parser of PTX modules.
#include <algorithm>
#include <stdexcept>

#include "ptx.h"
#include "ptx_scanner.h"

namespace ptxvm {
namespace {

std::vector<std::string> split_at_dots(const std::string& word) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (true) {
    const size_t dot = word.find('.', begin);
    parts.push_back(word.substr(begin, dot - begin));
    if (dot == std::string::npos) return parts;
    begin = dot + 1;
  }
}

bool parse_space(const std::string& name, Space* space) {
  if (name == "global")
    *space = Space::kGlobal;
  else if (name == "const")
    *space = Space::kConstant;
  else if (name == "shared")
    *space = Space::kShared;
  else if (name == "local")
    *space = Space::kLocal;
  else if (name == "param")
    *space = Space::kParameter;
  else
    return false;
  return true;
}

class ModuleParser {
 public:
  explicit ModuleParser(Module* module) : module_(module), scan_(module->text) {}

  void parse() {
    while (scan_.more()) parse_top_level();
  }

 private:
  using Words = std::vector<std::string>;

  // `.visible`, `.extern .shared`...: the parts of the directive words up to something else.
  Words directive() {
    Words parts = split_at_dots(scan_.word(true));
    parts.erase(parts.begin());
    return parts;
  }

  void parse_top_level() {
    if (scan_.peek() != '.') scan_.fail("expected a directive");
    const Words parts = directive();
    const std::string& first = parts.at(0);
    Space space;
    if (first == "version" || first == "target" || first == "address_size") {
      scan_.skip_line();
    } else if (first == "file") {
      const auto index = static_cast<uint32_t>(scan_.integer());
      module_->files[index] = scan_.quoted();
      scan_.skip_line();
    } else if (first == "section") {
      scan_.word(true);
      scan_.skip_braces();
    } else if (first == "extern" || first == "visible" || first == "weak" || first == "common") {
      return;  // linkage does not matter: one module is complete in itself
    } else if (first == "pragma" || first == "alias") {
      scan_.skip_past(';');
    } else if (first == "func" || first == "entry") {
      parse_function(first == "entry");
    } else if (parse_space(first, &space)) {
      module_->variables.push_back(parse_variable(space, parts));
      scan_.expect(';');
    } else {
      scan_.fail("unknown directive ." + first);
    }
  }

  VariableDeclaration parse_variable(Space space, Words parts) {
    VariableDeclaration variable;
    variable.space = space;
    uint32_t vector = 1;
    for (parts.erase(parts.begin());;) {
      for (size_t i = 0; i < parts.size(); ++i) {
        const std::string& part = parts[i];
        if (part == "align")
          variable.alignment = static_cast<uint32_t>(scan_.integer());
        else if (part == "v2" || part == "v4")
          vector = static_cast<uint32_t>(part[1] - '0');
        else if (part == "attribute")
          scan_.skip_past(')');
        else if (const Type type = parse_type(part); type.kind != TypeKind::kNone) {
          variable.element_bytes = static_cast<uint32_t>(type.bytes()) * vector;
        }  // what remains (.ptr, .global, .const) only annotates a pointer parameter
      }
      if (scan_.peek() != '.') break;
      parts = directive();
    }
    variable.alignment = std::max(variable.alignment, variable.element_bytes);
    variable.name = scan_.word();
    variable.bytes = variable.element_bytes;
    while (scan_.accept('[')) {
      if (scan_.peek() == ']')
        variable.external = true;
      else
        variable.bytes *= scan_.integer();
      scan_.expect(']');
    }
    if (scan_.accept('=')) parse_initializers(&variable);
    if (variable.external) {
      variable.bytes = variable.initializers.size() * variable.element_bytes;
    }
    return variable;
  }

  void parse_initializers(VariableDeclaration* variable) {
    if (scan_.accept('{')) {
      while (!scan_.accept('}')) {
        if (scan_.peek() == '{')
          parse_initializers(variable);
        else
          variable->initializers.push_back(parse_initializer());
        scan_.accept(',');
      }
    } else {
      variable->initializers.push_back(parse_initializer());
    }
  }

  VariableDeclaration::Initializer parse_initializer() {
    VariableDeclaration::Initializer initializer;
    const char c = scan_.peek();
    if (c == '-' || (c >= '0' && c <= '9')) {
      initializer.bits = scan_.integer();
      return initializer;
    }
    initializer.name = scan_.word();
    if (initializer.name == "generic") {
      scan_.expect('(');
      initializer.name = scan_.word();
      scan_.expect(')');
    }
    if (scan_.accept('+')) initializer.bits = scan_.integer();
    return initializer;
  }

  std::vector<VariableDeclaration> parse_parameters() {
    std::vector<VariableDeclaration> parameters;
    if (!scan_.accept('(')) return parameters;
    while (!scan_.accept(')')) {
      parameters.push_back(parse_variable(Space::kParameter, directive()));
      scan_.accept(',');
    }
    return parameters;
  }

  void parse_function(bool is_entry) {
    auto function = std::make_unique<Function>();
    function->is_entry = is_entry;
    if (!is_entry) function->results = parse_parameters();
    function->name = scan_.word();
    function->parameters = parse_parameters();
    while (scan_.peek() == '.') parse_function_directive(function.get());
    if (!scan_.accept(';')) {
      scan_.expect('{');
      function->has_body = true;
      parse_body(function.get());
    }
    auto& known = module_->functions[function->name];
    if (!known || function->has_body) known = std::move(function);
  }

  void parse_function_directive(Function* function) {
    const std::string name = directive().at(0);
    if (name == "noreturn") return;
    uint32_t values[3] = {1, 1, 1};
    for (int i = 0; i < 3; ++i) {
      const char c = scan_.peek();
      if (c < '0' || c > '9') break;
      values[i] = static_cast<uint32_t>(scan_.integer());
      scan_.accept(',');
    }
    if (name == "maxntid") function->max_threads = values[0] * values[1] * values[2];
    if (name == "reqntid") std::copy(values, values + 3, function->required_threads);
  }

  void parse_body(Function* function) {
    for (int depth = 1; depth > 0;) {
      const char c = scan_.peek();
      Statement statement;
      statement.location = location_;
      if (c == '\0') scan_.fail("the body has no end");
      if (scan_.accept(';')) continue;
      if (scan_.accept('{')) {
        ++depth;
        statement.kind = Statement::Kind::kOpen;
      } else if (scan_.accept('}')) {
        --depth;
        statement.kind = Statement::Kind::kClose;
        if (depth == 0) break;
      } else if (c == '.') {
        if (!parse_body_directive(function, &statement)) continue;
      } else {
        parse_instruction_or_label(&statement);
      }
      function->body.push_back(std::move(statement));
    }
    location_ = 0;
  }

  // False when the directive leaves no statement behind.
  bool parse_body_directive(Function* function, Statement* statement) {
    const Words parts = directive();
    const std::string& name = parts.at(0);
    Space space;
    if (name == "loc") {
      parse_location(function);
      return false;
    }
    if (name == "pragma") {
      scan_.skip_past(';');
      return false;
    }
    if (name == "reg") {
      parse_registers(parts, statement);
      return true;
    }
    if (name == "branchtargets") {  // belongs to the label before it
      statement->opcode = {name};
      do statement->operands.push_back(parse_operand());
      while (scan_.accept(','));
      scan_.expect(';');
      return true;
    }
    if (!parse_space(name, &space)) scan_.fail("unknown directive ." + name);
    statement->kind = Statement::Kind::kVariable;
    statement->variable = parse_variable(space, parts);
    scan_.expect(';');
    return true;
  }

  // .loc file line column [, function_name label, inlined_at file line column]
  void parse_location(Function* function) {
    SourceLocation location = parse_position();
    if (!scan_.at_line_end() && scan_.accept(',')) {
      scan_.word();  // function_name
      scan_.word();
      if (scan_.accept('+')) scan_.integer();
      scan_.expect(',');
      scan_.word();  // inlined_at
      location.inlined_at = find_location(*function, parse_position());
    }
    location_ = static_cast<uint32_t>(function->locations.size());
    function->locations.push_back(location);
  }

  SourceLocation parse_position() {
    SourceLocation location;
    location.file = static_cast<uint32_t>(scan_.integer());
    location.line = static_cast<uint32_t>(scan_.integer());
    location.column = static_cast<uint32_t>(scan_.integer());
    return location;
  }

  // nvcc states a caller's location just before those of what it inlined there.
  static uint32_t find_location(const Function& function, const SourceLocation& wanted) {
    for (size_t i = function.locations.size(); i-- > 1;) {
      const SourceLocation& known = function.locations[i];
      if (known.file == wanted.file && known.line == wanted.line && known.column == wanted.column) {
        return static_cast<uint32_t>(i);
      }
    }
    return 0;
  }

  void parse_registers(Words parts, Statement* statement) {
    statement->kind = Statement::Kind::kRegister;
    if (parts.size() == 1) parts = directive();
    const Type type = parse_type(parts.back());
    do {
      RegisterDeclaration declaration{type, scan_.word(), 0};
      if (scan_.accept('<')) {
        declaration.count = static_cast<int>(scan_.integer());
        scan_.expect('>');
      }
      statement->registers.push_back(declaration);
    } while (scan_.accept(','));
    scan_.expect(';');
  }

  void parse_instruction_or_label(Statement* statement) {
    scan_.more();
    const size_t begin = scan_.position();
    if (scan_.accept('@')) {
      statement->guard_negated = scan_.accept('!');
      statement->guard = scan_.word();
    }
    const std::string word = scan_.word(true);
    if (statement->guard.empty() && scan_.accept(':')) {
      statement->kind = Statement::Kind::kLabel;
      statement->name = word;
      return;
    }
    statement->opcode = split_at_dots(word);
    while (scan_.peek() != ';' && scan_.peek() != '}') {
      statement->operands.push_back(parse_operand());
      if (!scan_.accept(',')) break;
    }
    statement->text = scan_.slice(begin, scan_.position());
    if (scan_.peek() != '}') scan_.expect(';');
  }

  Operand parse_operand() {
    Operand operand;
    const char c = scan_.peek();
    if (c == '{' || c == '(') {
      scan_.accept(c);
      const char close = c == '{' ? '}' : ')';
      operand.kind = Operand::Kind::kVector;
      while (!scan_.accept(close)) {
        operand.elements.push_back(parse_operand());
        scan_.accept(',');
      }
    } else if (c == '[') {
      operand = parse_address();
    } else if (c == '-' || (c >= '0' && c <= '9')) {
      operand = scan_.number();
    } else {
      operand.kind = Operand::Kind::kName;
      operand.negated = scan_.accept('!');
      operand.name = scan_.word(true);
      if (operand.name == "_") operand.kind = Operand::Kind::kSink;
      if (scan_.accept('|')) operand.paired = scan_.word();
      if (scan_.accept('+')) operand.bits = scan_.integer();
    }
    return operand;
  }

  Operand parse_address() {
    scan_.expect('[');
    Operand operand;
    const char c = scan_.peek();
    if (c == '-' || (c >= '0' && c <= '9'))
      operand = scan_.number();
    else
      operand.name = scan_.word();
    operand.kind = Operand::Kind::kAddress;
    if (scan_.accept('+')) operand.bits += scan_.integer();
    scan_.expect(']');
    return operand;
  }

  Module* module_;
  Scanner scan_;
  uint32_t location_ = 0;
};

}  // namespace

Type parse_type(std::string_view name) {
  static const std::unordered_map<std::string_view, Type> types = {
      {"pred", {TypeKind::kPredicate, 1}},    {"b8", {TypeKind::kBits, 8}},
      {"b16", {TypeKind::kBits, 16}},         {"b32", {TypeKind::kBits, 32}},
      {"b64", {TypeKind::kBits, 64}},         {"u8", {TypeKind::kUnsigned, 8}},
      {"u16", {TypeKind::kUnsigned, 16}},     {"u32", {TypeKind::kUnsigned, 32}},
      {"u64", {TypeKind::kUnsigned, 64}},     {"s8", {TypeKind::kSigned, 8}},
      {"s16", {TypeKind::kSigned, 16}},       {"s32", {TypeKind::kSigned, 32}},
      {"s64", {TypeKind::kSigned, 64}},       {"f16", {TypeKind::kFloat, 16}},
      {"f32", {TypeKind::kFloat, 32}},        {"f64", {TypeKind::kFloat, 64}},
      {"bf16", {TypeKind::kBFloat, 16}},      {"f16x2", {TypeKind::kFloat, 16, 2}},
      {"bf16x2", {TypeKind::kBFloat, 16, 2}}, {"tf32", {TypeKind::kTensorFloat, 32}}};
  const auto found = types.find(name);
  return found == types.end() ? Type{} : found->second;
}

bool Statement::has(std::string_view modifier) const {
  return std::find(opcode.begin(), opcode.end(), modifier) != opcode.end();
}

std::unique_ptr<Module> parse_module(std::string text) {
  auto module = std::make_unique<Module>();
  module->text = std::move(text);
  ModuleParser(module.get()).parse();
  return module;
}

}  // namespace ptxvm
