#include "fatbin.h"

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace ptxvm {
namespace {

constexpr uint32_t kWrapperMagic = 0x466243B1;
constexpr uint32_t kContainerMagic = 0xBA55ED50;
constexpr uint16_t kEntryIsPtx = 1;
constexpr uint16_t kEntryIsElf = 2;
constexpr uint64_t kCompressionFlags = 0xA000;  // 0x2000 LZ4, 0x8000 zstd

struct Wrapper {
  uint32_t magic;
  uint32_t version;
  const unsigned char* container;
  const void* unused;
};

struct ContainerHeader {
  uint32_t magic;
  uint16_t version;
  uint16_t header_bytes;
  uint64_t payload_bytes;
};

struct EntryHeader {
  uint16_t kind;
  uint16_t attributes;
  uint32_t header_bytes;
  uint64_t payload_bytes;
  uint32_t compressed_bytes;
  uint32_t options_offset;
  uint16_t minor_version;
  uint16_t major_version;
  uint32_t architecture;
  uint32_t name_offset;
  uint32_t name_bytes;
  uint64_t flags;
};

template <typename Header>
Header read_header(const unsigned char* position) {
  Header header;
  std::memcpy(&header, position, sizeof header);
  return header;
}

// A kernel's machine code lies in section .text.NAME, its register count in the top byte of
// sh_info.
void read_register_counts(const unsigned char* elf, FatBinaryContent* content) {
  const auto header = read_header<Elf64_Ehdr>(elf);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return;  // compressed
  const auto section = [&](size_t index) {
    return read_header<Elf64_Shdr>(elf + header.e_shoff + index * header.e_shentsize);
  };
  const char* names = reinterpret_cast<const char*>(elf + section(header.e_shstrndx).sh_offset);
  constexpr char kPrefix[] = ".text.";
  for (size_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr text = section(i);
    const char* name = names + text.sh_name;
    if (std::strncmp(name, kPrefix, sizeof kPrefix - 1) != 0) continue;
    content->registers[name + sizeof kPrefix - 1] = static_cast<int>(text.sh_info >> 24);
  }
}

}  // namespace

FatBinaryContent read_fat_binary(const void* wrapper_address) {
  const auto wrapper = read_header<Wrapper>(static_cast<const unsigned char*>(wrapper_address));
  if (wrapper.magic != kWrapperMagic) throw std::runtime_error("fat binary: unknown wrapper");
  const auto container = read_header<ContainerHeader>(wrapper.container);
  if (container.magic != kContainerMagic) {
    throw std::runtime_error("fat binary: unknown container (built with -rdc=true?)");
  }
  FatBinaryContent content;
  const unsigned char* position = wrapper.container + container.header_bytes;
  const unsigned char* const end = position + container.payload_bytes;
  while (position < end) {
    const auto entry = read_header<EntryHeader>(position);
    const unsigned char* payload = position + entry.header_bytes;
    position = payload + entry.payload_bytes;
    const bool compressed = (entry.flags & kCompressionFlags) != 0;
    if (entry.kind == kEntryIsElf) {
      if (!compressed) read_register_counts(payload, &content);
    } else if (entry.kind == kEntryIsPtx) {
      if (compressed) {
        throw std::runtime_error("fat binary: the PTX is compressed; build with --no-compress");
      }
      const char* text = reinterpret_cast<const char*>(payload);
      content.ptx.push_back({static_cast<int>(entry.architecture),
                             std::string(text, strnlen(text, entry.payload_bytes))});
    }
  }
  return content;
}

}  // namespace ptxvm
