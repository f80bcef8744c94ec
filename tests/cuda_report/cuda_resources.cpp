#include "cuda_resources.h"

#include <cxxabi.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <regex>
#include <stdexcept>

#include "kde/kde_tensor_layout.h"
#include "kde/kde_tensor_stream_layout.h"
#include "kde/kde_tiled_layout.h"

namespace scf::test {
namespace {

// ---- The library's PTX
// ----------------------------------------------------------------------------

constexpr std::uint32_t kContainerMagic = 0xBA55ED50;
constexpr std::uint16_t kPtxKind = 1;

template <class Number>
Number number_at(const std::string& bytes, std::size_t at) {
  if (at + sizeof(Number) > bytes.size()) {
    throw std::runtime_error("a fat binary ends early");
  }
  Number number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof(number));
  return number;
}

// Appends the PTX of the container [begin, end) of entries.
void read_entries(const std::string& bytes, std::size_t begin, std::size_t end,
                  std::vector<std::string>& images) {
  for (std::size_t at = begin; at < end;) {
    const auto kind = number_at<std::uint16_t>(bytes, at);
    const auto header = number_at<std::uint32_t>(bytes, at + 4);
    const auto size = number_at<std::uint64_t>(bytes, at + 8);
    if (kind == kPtxKind) {
      if (number_at<std::uint32_t>(bytes, at + 16) != 0) {
        throw std::runtime_error("the PTX is compressed: build with --no-compress");
      }
      const std::string padded = bytes.substr(at + header, size);
      images.emplace_back(padded.c_str());
    }
    at += header + size;
  }
}

// ---- ptxas
// ----------------------------------------------------------------------------------------

// What a command prints; it must succeed.
std::string run(const std::string& command) {
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  if (!pipe) {
    throw std::runtime_error("cannot run " + command);
  }
  std::string output;
  std::array<char, 4096> buffer{};
  while (const std::size_t read = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) {
    output.append(buffer.data(), read);
  }
  if (pclose(pipe.release()) != 0) {
    throw std::runtime_error(command + " failed and said:\n" + output);
  }
  return output;
}

// A file that lives as long as this.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    std::string name = (std::filesystem::temp_directory_path() / "scf_ptx_XXXXXX").string();
    const int descriptor = mkstemp(name.data());
    if (descriptor < 0) {
      throw std::runtime_error("cannot create a temporary file");
    }
    close(descriptor);
    path_ = name;
    std::ofstream(path_) << content;
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// ---- Names
// ----------------------------------------------------------------------------------------

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

template <class T, class C>
int tiled_bytes(const std::string& name) {
  if (name.find("second order") != std::string::npos) {
    return kde::TiledLayout<T, C, kde::Pass::kSecondOrder>::kBytes;
  }
  if (name.find("bandwidth") != std::string::npos) {
    return kde::TiledLayout<T, C, kde::Pass::kBandwidth>::kBytes;
  }
  return name.find("top") != std::string::npos
             ? kde::TiledLayout<T, C, kde::Pass::kTop>::kBytes
             : kde::TiledLayout<T, C, kde::Pass::kMoments>::kBytes;
}

// kde_tensor_kernel<kDims, kVectors, kGeneral>.
template <int kDims>
int tensor_bytes(const std::string& name) {
  const bool general = name.find(", true>") != std::string::npos;
  return general ? kde::TensorPolicy<kDims, true>::kSharedBytes
                 : kde::TensorPolicy<kDims, false>::kSharedBytes;
}

// Shared memory that a launch adds; the machine code does not say.
int dynamic_shared_bytes(const std::string& name) {
  if (name.rfind("kde_tiled_kernel<float, float", 0) == 0) {
    return tiled_bytes<float, float>(name);
  }
  if (name.rfind("kde_tiled_kernel<float, double", 0) == 0) {
    return tiled_bytes<float, double>(name);
  }
  if (name.rfind("kde_tensor_kernel<", 0) == 0) {
    switch (std::atoi(name.c_str() + std::strlen("kde_tensor_kernel<"))) {
      case 8:
        return tensor_bytes<8>(name);
      case 16:
        return tensor_bytes<16>(name);
      case 32:
        return tensor_bytes<32>(name);
      default:
        return tensor_bytes<64>(name);
    }
  }
  if (name == "kde_streamed_tensor_kernel" || name == "kde_general_streamed_tensor_kernel") {
    return kde::StreamPolicy::kSharedBytes;
  }
  return name.rfind("kde_tiled_kernel<double", 0) == 0 ? tiled_bytes<double, double>(name) : 0;
}

// Threads of a block as the kernel's launch bounds say.
int threads_of(const std::string& ptx, const std::string& mangled) {
  const std::size_t entry = ptx.find(".entry " + mangled + "(");
  const std::size_t bounds = ptx.find(".maxntid ", entry);
  const std::size_t body = ptx.find("\n{", entry);
  if (entry == std::string::npos || bounds == std::string::npos || bounds > body) {
    throw std::runtime_error(mangled + " has no launch bounds");
  }
  return std::atoi(ptx.c_str() + bounds + std::strlen(".maxntid "));
}

std::size_t count_entries(const std::string& ptx) {
  const std::string entry = ".entry ";
  std::size_t count = 0;
  for (std::size_t at = ptx.find(entry); at != std::string::npos; at = ptx.find(entry, at + 1)) {
    ++count;
  }
  return count;
}

int first_number(const std::string& line, const std::string& pattern) {
  std::smatch match;
  return std::regex_search(line, match, std::regex(pattern)) ? std::stoi(match[1]) : 0;
}

// The limits of the CUDA C++ Programming Guide, table of technical specifications.
struct Multiprocessor {
  int warps;
  int blocks;
  int shared_kib;
};
Multiprocessor multiprocessor_of(int architecture) {
  switch (architecture) {
    case 80:
      return {64, 32, 164};
    case 86:
      return {48, 16, 100};
    case 89:
    case 120:
      return {48, 24, 100};
    default:  // 90 and 100
      return {64, 32, 228};
  }
}

constexpr int round_up_to(int value, int multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

std::string readable_name(const std::string& mangled) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), std::free);
  std::string name = status == 0 ? text.get() : mangled;
  replace_all(name, "(scf::kde::Pass)0", "moments");
  replace_all(name, "(scf::kde::Pass)1", "second order");
  replace_all(name, "(scf::kde::Pass)2", "top");
  replace_all(name, "(scf::kde::Pass)3", "bandwidth");
  replace_all(name, "(scf::kde::Visibility)0", "plain");
  replace_all(name, "(scf::kde::Visibility)1", "general");
  name = std::regex_replace(name, std::regex(R"(\((\w+)\)(\d+))"), "$2");  // "(int)3"
  name = std::regex_replace(name, std::regex(R"((\d+)l\b)"), "$1");
  replace_all(name, "(anonymous namespace)::", "");
  name = std::regex_replace(name, std::regex(R"(\bscf::(\w+::)*)"), "");
  replace_all(name, " >", ">");
  name = name.substr(0, name.find('('));
  const std::string result = "void ";
  return name.rfind(result, 0) == 0 ? name.substr(result.size()) : name;
}

std::vector<std::string> read_ptx(const std::string& library) {
  std::ifstream file(library, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (bytes.empty()) {
    throw std::runtime_error("cannot read " + library);
  }
  std::vector<std::string> images;
  for (std::size_t at = 0; at + 16 <= bytes.size(); at += 8) {
    const bool container = number_at<std::uint32_t>(bytes, at) == kContainerMagic &&
                           number_at<std::uint16_t>(bytes, at + 4) == 1;
    if (container) {
      const auto header = number_at<std::uint16_t>(bytes, at + 6);
      const auto size = number_at<std::uint64_t>(bytes, at + 8);
      read_entries(bytes, at + header, at + header + size, images);
    }
  }
  return images;
}

// Kernels that CUB launches by itself: theirs are not for us to bound.
bool is_of_cub(const KernelResources& kernel) {
  return kernel.symbol.rfind("_ZN3cub", 0) == 0;
}

std::vector<KernelResources> parse_ptxas(const std::string& output, const std::string& ptx) {
  static const std::regex kEntry(R"(Compiling entry function '(\S+)' for 'sm_(\d+)')");
  std::vector<KernelResources> kernels;
  for (std::size_t at = 0; at < output.size();) {
    const std::size_t end = std::min(output.find('\n', at), output.size());
    const std::string line = output.substr(at, end - at);
    at = end + 1;
    std::smatch match;
    if (std::regex_search(line, match, kEntry)) {
      KernelResources kernel;
      kernel.kernel = readable_name(match[1]);
      kernel.symbol = match[1];
      kernel.architecture = std::stoi(match[2]);
      kernel.threads = is_of_cub(kernel) ? 0 : threads_of(ptx, match[1]);
      kernel.dynamic_shared_bytes = dynamic_shared_bytes(kernel.kernel);
      kernels.push_back(kernel);
    } else if (!kernels.empty() && line.find("bytes stack frame") != std::string::npos) {
      kernels.back().stack_bytes = first_number(line, R"((\d+) bytes stack frame)");
      kernels.back().spill_store_bytes = first_number(line, R"((\d+) bytes spill stores)");
      kernels.back().spill_load_bytes = first_number(line, R"((\d+) bytes spill loads)");
    } else if (!kernels.empty() && line.find(" registers") != std::string::npos) {
      kernels.back().registers = first_number(line, R"(Used (\d+) registers)");
      kernels.back().static_shared_bytes = first_number(line, R"((\d+) bytes smem)");
    }
  }
  return kernels;
}

// The rules of NVIDIA's occupancy calculator: registers are given to a warp in steps of 256, and a
// warp lives on one of four partitions; shared memory to a block in steps of 128 bytes after 1 KiB
// that the system keeps.
void add_occupancy(KernelResources& kernel) {
  constexpr int kPartitions = 4;
  constexpr int kRegistersAPartition = 16384;
  constexpr int kReservedShared = 1024;
  const Multiprocessor limits = multiprocessor_of(kernel.architecture);
  const int warps = (kernel.threads + 31) / 32;
  const int warp_registers = round_up_to(std::max(kernel.registers, 1) * 32, 256);
  const int by_registers = kRegistersAPartition / warp_registers * kPartitions / warps;
  const int shared =
      round_up_to(kernel.static_shared_bytes + kernel.dynamic_shared_bytes + kReservedShared, 128);
  kernel.blocks = std::min(
      {limits.blocks, limits.warps / warps, by_registers, limits.shared_kib * 1024 / shared});
  kernel.occupancy = static_cast<double>(kernel.blocks * warps) / limits.warps;
}

std::vector<KernelResources> read_ptx_resources(const std::string& ptx, const std::string& ptxas,
                                                int architecture, const std::string& cubin) {
  const TemporaryFile file(ptx);
  const std::string command = "'" + ptxas + "' -v -arch=sm_" + std::to_string(architecture) +
                              " -o '" + cubin + "' '" + file.path() + "' 2>&1";
  const std::string output = run(command);
  std::vector<KernelResources> kernels = parse_ptxas(output, ptx);
  if (kernels.empty() || kernels.size() != count_entries(ptx)) {
    throw std::runtime_error(command + " did not tell of every kernel:\n" + output);
  }
  kernels.erase(std::remove_if(kernels.begin(), kernels.end(), is_of_cub), kernels.end());
  std::for_each(kernels.begin(), kernels.end(), add_occupancy);
  return kernels;
}

std::vector<KernelResources> read_kernel_resources(const std::string& library,
                                                   const std::string& ptxas,
                                                   const std::vector<int>& architectures,
                                                   const std::string& cubins) {
  std::vector<KernelResources> kernels;
  int images = 0;
  for (const std::string& image : read_ptx(library)) {
    if (image.find(".entry ") == std::string::npos) {
      continue;
    }
    ++images;
    for (const int architecture : architectures) {
      const std::string cubin = cubins.empty() ? "/dev/null"
                                               : cubins + "/" + std::to_string(images) + ".sm_" +
                                                     std::to_string(architecture) + ".cubin";
      const auto found = read_ptx_resources(image, ptxas, architecture, cubin);
      kernels.insert(kernels.end(), found.begin(), found.end());
    }
  }
  std::stable_sort(
      kernels.begin(), kernels.end(),
      [](const KernelResources& a, const KernelResources& b) { return a.kernel < b.kernel; });
  return kernels;
}

}  // namespace scf::test
