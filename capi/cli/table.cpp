#include "table.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "errors.h"

namespace scf::cli {

namespace {

// A number of columns that no file reaches, so that a range such as 0-999999999999 stays a range.
constexpr std::int64_t kMostColumns = std::int64_t{1} << 40;

[[noreturn]] void bad_columns(const std::string& text, const char* why) {
  throw InputError(
      format("--columns '%s': %s; expected a list such as 0-63,65", text.c_str(), why));
}

std::int64_t parse_column(const std::string& text, const char*& at, const char* end) {
  std::int64_t column = 0;
  const auto [next, error] = std::from_chars(at, end, column);
  if (error != std::errc() || column < 0 || column > kMostColumns) {
    bad_columns(text, "not a column number");
  }
  at = next;
  return column;
}

bool ends_with(const std::string& text, const std::string& ending) {
  return text.size() >= ending.size() &&
         text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

void require_regular_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    throw InputError(format("%s: %s", path.c_str(), std::strerror(errno)));
  }
  if (S_ISDIR(status.st_mode)) throw InputError(path + ": is a directory");
  if (!S_ISREG(status.st_mode)) throw InputError(path + ": is not a regular file");
}

template <class T>
void require_finite(const Table& table, const std::vector<T>& values, const std::string& path,
                    const Accepted& accepted) {
  const auto bad = std::find_if(values.begin(), values.end(), [&](T value) {
    return !std::isfinite(value) && !(accepted.nan && std::isnan(value));
  });
  if (bad == values.end()) return;
  const std::int64_t at = bad - values.begin();
  throw InputError(format("%s: row %lld, column %lld (from 0) is %g; every value must be finite%s",
                          path.c_str(), static_cast<long long>(at / table.columns),
                          static_cast<long long>(table.file_columns[at % table.columns]),
                          static_cast<double>(*bad), accepted.nan ? " or nan" : ""));
}

}  // namespace

const char* dtype_name(Dtype dtype) {
  return dtype == Dtype::kF32 ? "f32" : "f64";
}

ColumnList::ColumnList(const std::string& text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    Range range{};
    range.first = range.last = parse_column(text, at, end);
    if (at != end && *at == '-') range.last = parse_column(text, ++at, end);
    if (range.last < range.first) bad_columns(text, "a range runs backwards");
    ranges_.push_back(range);
    if (at == end) return;
    if (*at != ',') bad_columns(text, "unexpected character");
    if (++at == end) bad_columns(text, "ends in a comma");
  }
}

std::vector<std::int64_t> ColumnList::resolve(std::int64_t available) const {
  std::vector<std::int64_t> chosen;
  if (ranges_.empty()) {
    for (std::int64_t column = 0; column < available; ++column) chosen.push_back(column);
    return chosen;
  }
  std::vector<bool> seen(static_cast<std::size_t>(available), false);
  for (const Range& range : ranges_) {
    if (range.last >= available) {
      throw InputError(format("--columns: there is no column %lld, the file has %lld (from 0)",
                              static_cast<long long>(range.last),
                              static_cast<long long>(available)));
    }
    for (std::int64_t column = range.first; column <= range.last; ++column) {
      if (seen[column]) {
        throw InputError(
            format("--columns: column %lld is given twice", static_cast<long long>(column)));
      }
      seen[column] = true;
      chosen.push_back(column);
    }
  }
  return chosen;
}

Table read_table(const std::string& path, const ColumnList& columns, const Accepted& accepted) {
  const bool npy = ends_with(path, ".npy");
  if (!npy && !ends_with(path, ".csv") && !ends_with(path, ".csv.gz")) {
    throw InputError(path + ": unknown kind of file; expected .npy, .csv or .csv.gz");
  }
  require_regular_file(path);
  Table table = npy ? read_npy(path, columns, accepted) : read_csv(path, columns, accepted);
  std::visit([&](const auto& values) { require_finite(table, values, path, accepted); },
             table.values);
  return table;
}

template <class T>
std::vector<T> take_values(Table&& table, const std::string& name) {
  if (auto* same = std::get_if<std::vector<T>>(&table.values)) return std::move(*same);
  return std::visit(
      [&](const auto& values) {
        std::vector<T> converted(values.size());
        for (std::size_t i = 0; i < values.size(); ++i) {
          if (std::abs(values[i]) > std::numeric_limits<T>::max()) {
            throw InputError(format("%s: row %lld, column %lld (from 0): %g is too large for f32",
                                    name.c_str(), static_cast<long long>(i / table.columns),
                                    static_cast<long long>(table.file_columns[i % table.columns]),
                                    static_cast<double>(values[i])));
          }
          converted[i] = static_cast<T>(values[i]);
        }
        return converted;
      },
      table.values);
}

template std::vector<float> take_values(Table&& table, const std::string& name);
template std::vector<double> take_values(Table&& table, const std::string& name);

}  // namespace scf::cli
