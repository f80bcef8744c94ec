// A folder of a test's own, and files of every kind that the readers know, written independently of
// the code under test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace scf::test {

inline constexpr double kLogTwoPi = 1.83787706640934548356;  // of Gaussian densities

// Made on construction, removed with all it holds on destruction.
class ScratchFolder {
 public:
  ScratchFolder();
  explicit ScratchFolder(const std::string& parent);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::vector<std::string> names() const;  // of what it holds, sorted

  // Writes bytes and returns the path.
  std::string write(const std::string& name, const std::string& bytes) const;

 private:
  std::string folder_;
};

[[nodiscard]] std::string read_file(const std::string& path);
[[nodiscard]] std::string gzip(const std::string& bytes);

// A .npy file of a version (1 to 3), with a header's dictionary as given and then the payload.
[[nodiscard]] std::string npy_bytes(int version, const std::string& dictionary,
                                    const std::string& payload);
// The dictionary of a C-ordered array: shape "(3, 2)", descr "<f8".
[[nodiscard]] std::string npy_dictionary(const std::string& descr, const std::string& shape);

template <class T>
[[nodiscard]] std::string bytes_of(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// rows x columns values as version 1.0; columns 0: one-dimensional.
[[nodiscard]] std::string npy_of(const std::vector<double>& values, int rows, int columns);
[[nodiscard]] std::string npy_of(const std::vector<float>& values, int rows, int columns);

// The values of a .npy file that must have this descr and shape; fails the test otherwise.
template <class T>
[[nodiscard]] std::vector<T> npy_values(const std::string& path, const std::string& shape);

// Deterministic numbers, uniform in [0, 1).
[[nodiscard]] std::vector<double> uniform_numbers(std::uint64_t seed, std::size_t count);
// And standard normal.
[[nodiscard]] std::vector<double> normal_numbers(std::uint64_t seed, std::size_t count);

}  // namespace scf::test
