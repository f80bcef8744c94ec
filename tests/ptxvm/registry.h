// The fat binaries of the process: their kernels and variables, found by host address.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "machine.h"

namespace ptxvm {

class FatBinary;

struct Kernel {
  FatBinary* binary = nullptr;
  std::string name;
  std::unique_ptr<Program> program;   // decoded at its first use
  int registers = 0;                  // a thread's, from the machine code; 0 when there is none
  uint64_t dynamic_shared_limit = 0;  // raised by cudaFuncSetAttribute; 0 for the default
  int preferred_carveout = -1;
};

struct ModuleVariable {
  uint64_t address = 0;
  uint64_t bytes = 0;
};

class FatBinary {
 public:
  explicit FatBinary(const void* wrapper) : wrapper_(wrapper) {}
  // Parses the PTX and places its variables, at the first call.
  void load();
  Program decode(const std::string& kernel);
  [[nodiscard]] bool find_variable(const std::string& name, ModuleVariable* variable) const;
  [[nodiscard]] int registers_of(const std::string& kernel) const;
  [[nodiscard]] int architecture() const { return architecture_; }
  void unload();

 private:
  void place_variables();
  void initialise(const VariableDeclaration& declaration, uint64_t address);

  const void* wrapper_;
  std::unique_ptr<Module> module_;
  int architecture_ = 0;
  std::unordered_map<std::string, ModuleVariable> variables_;
  std::unordered_map<std::string, int> registers_;
};

class Registry {
 public:
  static Registry& instance();

  FatBinary* add_binary(const void* wrapper);
  void remove_binary(FatBinary* binary);
  void add_kernel(FatBinary* binary, const void* host_function, const char* name);
  void add_variable(FatBinary* binary, const void* host_variable, const char* name);
  // Null when no kernel is registered at that address.
  Kernel* find_kernel(const void* host_function);
  // Its program, decoded; throws std::runtime_error on PTX that the machine does not execute.
  const Program& program(Kernel* kernel);
  bool find_variable(const void* host_variable, ModuleVariable* variable);

 private:
  struct NamedVariable {
    FatBinary* binary;
    std::string name;
  };
  std::vector<std::unique_ptr<FatBinary>> binaries_;
  std::unordered_map<const void*, std::unique_ptr<Kernel>> kernels_;
  std::unordered_map<const void*, NamedVariable> variables_;
};

}  // namespace ptxvm
