#include "registry.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "decoder.h"
#include "fatbin.h"
#include "launcher.h"
#include "memory.h"

namespace ptxvm {

// --- FatBinary ---

void FatBinary::load() {
  if (module_) return;
  FatBinaryContent content = read_fat_binary(wrapper_);
  PtxImage* best = nullptr;
  for (PtxImage& image : content.ptx) {
    if (image.architecture > settings().architecture) continue;
    if (best == nullptr || image.architecture > best->architecture) best = &image;
  }
  if (best == nullptr)
    throw std::runtime_error("no PTX for architecture " + std::to_string(settings().architecture) +
                             " or below");
  architecture_ = best->architecture;
  registers_ = std::move(content.registers);
  module_ = parse_module(std::move(best->text));
  place_variables();
}

void FatBinary::place_variables() {
  const auto in_memory = [](const VariableDeclaration& declaration) {
    return declaration.space == Space::kGlobal || declaration.space == Space::kConstant;
  };
  // Addresses first: an initialiser may name any of them.
  for (const VariableDeclaration& declaration : module_->variables) {
    if (!in_memory(declaration)) continue;
    void* address = DeviceMemory::instance().allocate(declaration.bytes, MemoryKind::kModule);
    if (address == nullptr) throw std::runtime_error("no memory for " + declaration.name);
    variables_[declaration.name] = {reinterpret_cast<uint64_t>(address), declaration.bytes};
  }
  for (const VariableDeclaration& declaration : module_->variables) {
    if (in_memory(declaration)) initialise(declaration, variables_[declaration.name].address);
  }
}

void FatBinary::initialise(const VariableDeclaration& declaration, uint64_t address) {
  for (const auto& initializer : declaration.initializers) {
    uint64_t bits = initializer.bits;
    if (!initializer.name.empty()) bits += variables_.at(initializer.name).address;
    std::memcpy(reinterpret_cast<void*>(address), &bits,
                std::min<uint32_t>(declaration.element_bytes, 8));
    address += declaration.element_bytes;
  }
}

Program FatBinary::decode(const std::string& kernel) {
  load();
  const auto function = module_->functions.find(kernel);
  if (function == module_->functions.end()) {
    throw std::runtime_error("the PTX has no kernel " + kernel);
  }
  const auto find = [this](const std::string& name, Symbol* symbol) {
    const auto found = variables_.find(name);
    if (found == variables_.end()) return false;
    symbol->kind = Symbol::Kind::kVariable;
    symbol->space = Space::kGlobal;
    symbol->address = found->second.address;
    return true;
  };
  return Decoder(*module_, *function->second, find).decode();
}

bool FatBinary::find_variable(const std::string& name, ModuleVariable* variable) const {
  const auto found = variables_.find(name);
  if (found == variables_.end()) return false;
  *variable = found->second;
  return true;
}

int FatBinary::registers_of(const std::string& kernel) const {
  const auto found = registers_.find(kernel);
  return found == registers_.end() ? 0 : found->second;
}

void FatBinary::unload() {
  for (const auto& variable : variables_) {
    (void)DeviceMemory::instance().release(reinterpret_cast<const void*>(variable.second.address),
                                           MemoryKind::kModule);
  }
  variables_.clear();
}

// --- Registry ---

Registry& Registry::instance() {
  static auto* registry = new Registry;  // programs use it until their last destructor
  return *registry;
}

FatBinary* Registry::add_binary(const void* wrapper) {
  binaries_.push_back(std::make_unique<FatBinary>(wrapper));
  return binaries_.back().get();
}

void Registry::remove_binary(FatBinary* binary) {
  binary->unload();
  for (auto entry = kernels_.begin(); entry != kernels_.end();) {
    entry = entry->second->binary == binary ? kernels_.erase(entry) : std::next(entry);
  }
  for (auto entry = variables_.begin(); entry != variables_.end();) {
    entry = entry->second.binary == binary ? variables_.erase(entry) : std::next(entry);
  }
  binaries_.erase(std::remove_if(binaries_.begin(), binaries_.end(),
                                 [binary](const auto& known) { return known.get() == binary; }),
                  binaries_.end());
}

void Registry::add_kernel(FatBinary* binary, const void* host_function, const char* name) {
  auto kernel = std::make_unique<Kernel>();
  kernel->binary = binary;
  kernel->name = name;
  kernels_[host_function] = std::move(kernel);
}

void Registry::add_variable(FatBinary* binary, const void* host_variable, const char* name) {
  variables_[host_variable] = {binary, name};
}

Kernel* Registry::find_kernel(const void* host_function) {
  const auto found = kernels_.find(host_function);
  return found == kernels_.end() ? nullptr : found->second.get();
}

const Program& Registry::program(Kernel* kernel) {
  if (!kernel->program) {
    kernel->program = std::make_unique<Program>(kernel->binary->decode(kernel->name));
    kernel->registers = kernel->binary->registers_of(kernel->name);
  }
  return *kernel->program;
}

bool Registry::find_variable(const void* host_variable, ModuleVariable* variable) {
  const auto found = variables_.find(host_variable);
  if (found == variables_.end()) return false;
  found->second.binary->load();
  return found->second.binary->find_variable(found->second.name, variable);
}

}  // namespace ptxvm
