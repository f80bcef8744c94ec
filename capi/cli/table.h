// Tables of numbers: what the command's files hold, in f32 or f64, row-major.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace scf::cli {

enum class Dtype { kF32, kF64 };

[[nodiscard]] const char* dtype_name(Dtype dtype);  // "f32", "f64"

template <class T>
inline constexpr Dtype kDtypeOf = sizeof(T) == sizeof(float) ? Dtype::kF32 : Dtype::kF64;

struct Table {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::variant<std::vector<float>, std::vector<double>> values;  // [rows, columns]
  std::vector<std::int64_t> file_columns;  // column j of the table is file_columns[j] of the file

  [[nodiscard]] Dtype dtype() const {
    return std::holds_alternative<std::vector<float>>(values) ? Dtype::kF32 : Dtype::kF64;
  }
};

// Columns chosen by the user, "0-63,65", counted from 0; empty text chooses all.
class ColumnList {
 public:
  ColumnList() = default;
  explicit ColumnList(const std::string& text);  // throws InputError

  // The columns chosen out of `available`; throws InputError where one is not there.
  [[nodiscard]] std::vector<std::int64_t> resolve(std::int64_t available) const;

 private:
  struct Range {
    std::int64_t first;
    std::int64_t last;
  };
  std::vector<Range> ranges_;
};

// What a file may hold besides finite floating-point numbers.
struct Accepted {
  bool nan = false;
  bool integers = false;  // .npy: '<i4' and '<i8', as f64
};

// Reads a .npy, .csv or .csv.gz file. Every value is finite (or accepted) and there is at least
// one; anything else throws InputError with the place.
[[nodiscard]] Table read_table(const std::string& path, const ColumnList& columns = {},
                               const Accepted& accepted = {});

// The table's values in the dtype asked for; `name` is for the error where f32 cannot hold a value.
template <class T>
[[nodiscard]] std::vector<T> take_values(Table&& table, const std::string& name);

// The readers of each format: table_npy.cpp, table_csv.cpp. read_table() chooses by the file's
// name.
[[nodiscard]] Table read_npy(const std::string& path, const ColumnList& columns,
                             const Accepted& accepted = {});
[[nodiscard]] Table read_csv(const std::string& path, const ColumnList& columns,
                             const Accepted& accepted = {});

// Header of a .npy file (version 1.0) of a C-ordered array of this shape; `descr` is NumPy's name
// of its elements ("<i4").
[[nodiscard]] std::string npy_header(Dtype dtype, const std::vector<std::int64_t>& shape);
[[nodiscard]] std::string npy_header(const char* descr, const std::vector<std::int64_t>& shape);

}  // namespace scf::cli
