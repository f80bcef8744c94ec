#include "scratch.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>

namespace scf::test {

ScratchFolder::ScratchFolder() : ScratchFolder(::testing::TempDir()) {}

ScratchFolder::ScratchFolder(const std::string& parent) : folder_(parent + "/scorefield-XXXXXX") {
  if (::mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("no scratch folder");
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::vector<std::string> ScratchFolder::names() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ScratchFolder::write(const std::string& name, const std::string& bytes) const {
  std::ofstream file(path(name), std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path(name));
  return path(name);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string gzip(const std::string& bytes) {
  z_stream stream{};
  constexpr int kGzipWindow = 15 + 16;
  if (deflateInit2(&stream, 6, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("deflateInit2");
  }
  std::string compressed(deflateBound(&stream, bytes.size()) + 64, '\0');
  std::string input = bytes;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(compressed.data());
  stream.avail_out = static_cast<uInt>(compressed.size());
  const int done = deflate(&stream, Z_FINISH);
  compressed.resize(stream.total_out);
  deflateEnd(&stream);
  if (done != Z_STREAM_END) throw std::runtime_error("deflate");
  return compressed;
}

std::string npy_dictionary(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
}

std::string npy_bytes(int version, const std::string& dictionary, const std::string& payload) {
  std::string header = dictionary;
  const std::size_t prefix = version == 1 ? 10 : 12;
  while ((prefix + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(version);
  bytes += '\0';
  for (std::size_t i = 0; i < prefix - 8; ++i) {
    bytes += static_cast<char>(header.size() >> (8 * i) & 0xff);
  }
  return bytes + header + payload;
}

namespace {

std::string shape_text(int rows, int columns) {
  return columns == 0 ? "(" + std::to_string(rows) + ",)"
                      : "(" + std::to_string(rows) + ", " + std::to_string(columns) + ")";
}

template <class T>
constexpr const char* kDescr = std::is_integral_v<T> ? "<i4"
                               : sizeof(T) == 4      ? "<f4"
                                                     : "<f8";

}  // namespace

std::string npy_of(const std::vector<double>& values, int rows, int columns) {
  return npy_bytes(1, npy_dictionary("<f8", shape_text(rows, columns)), bytes_of(values));
}

std::string npy_of(const std::vector<float>& values, int rows, int columns) {
  return npy_bytes(1, npy_dictionary("<f4", shape_text(rows, columns)), bytes_of(values));
}

template <class T>
std::vector<T> npy_values(const std::string& path, const std::string& shape) {
  const std::string bytes = read_file(path);
  if (bytes.size() < 10 || bytes.substr(0, 8) != std::string("\x93NUMPY\x01\x00", 8)) {
    ADD_FAILURE() << path << " is no .npy file of version 1.0";
    return {};
  }
  const std::size_t length = static_cast<unsigned char>(bytes[8]) +
                             256 * static_cast<std::size_t>(static_cast<unsigned char>(bytes[9]));
  const std::string header = bytes.substr(10, length);
  EXPECT_EQ((10 + length) % 64, 0U) << path;
  EXPECT_EQ(header.back(), '\n') << path;
  EXPECT_EQ(header.substr(0, header.find('}') + 1), npy_dictionary(kDescr<T>, shape)) << path;
  std::vector<T> values((bytes.size() - 10 - length) / sizeof(T));
  std::memcpy(values.data(), bytes.data() + 10 + length, values.size() * sizeof(T));
  return values;
}

template std::vector<float> npy_values(const std::string& path, const std::string& shape);
template std::vector<double> npy_values(const std::string& path, const std::string& shape);
template std::vector<std::int32_t> npy_values(const std::string& path, const std::string& shape);

std::vector<double> uniform_numbers(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 engine(seed);
  std::vector<double> numbers(count);
  for (double& number : numbers) number = static_cast<double>(engine() >> 11) * 0x1p-53;
  return numbers;
}

std::vector<double> normal_numbers(std::uint64_t seed, std::size_t count) {
  const std::vector<double> uniform = uniform_numbers(seed, 2 * count);
  std::vector<double> numbers;
  for (std::size_t i = 0; i < uniform.size(); i += 2) {
    numbers.push_back(std::sqrt(-2 * std::log1p(-uniform[i])) *
                      std::cos(2 * M_PI * uniform[i + 1]));
  }
  return numbers;
}

}  // namespace scf::test
