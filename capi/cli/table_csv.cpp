// Reader of .csv and .csv.gz: numbers without a header, one row a line, separated by commas,
// semicolons, or white space (the first line decides). Line ends \n and \r\n; blank lines only at
// the end. zlib reads plain and compressed files alike.
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "errors.h"
#include "interrupt.h"
#include "table.h"

namespace scf::cli {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 18;
constexpr std::size_t kLongestLine = std::size_t{1} << 26;

struct GzipCloser {
  void operator()(gzFile_s* file) const noexcept { gzclose_r(file); }
};

// Hands out the lines of a file, plain or compressed.
class LineReader {
 public:
  explicit LineReader(const std::string& path) : path_(path), file_(gzopen(path.c_str(), "rb")) {
    if (!file_) throw InputError(format("%s: %s", path.c_str(), std::strerror(errno)));
  }

  // The next line without its end; false at the end of the file. Valid until the next call.
  bool next(std::string_view& line) {
    std::size_t scanned = at_;
    for (;;) {
      const std::size_t end = buffer_.find('\n', scanned);
      if (end != std::string::npos) {
        line = std::string_view(buffer_).substr(at_, end - at_);
        at_ = end + 1;
        break;
      }
      scanned = buffer_.size() - at_;
      if (!read_more()) {
        if (buffer_.empty()) return false;
        line = buffer_;
        at_ = buffer_.size();
        break;
      }
    }
    ++number_;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return true;
  }

  [[nodiscard]] std::int64_t number() const { return number_; }  // of the last line, from 1

 private:
  // Keeps what is not handed out yet and appends a chunk; false at the end of the file.
  bool read_more() {
    throw_if_interrupted();
    buffer_.erase(0, at_);
    at_ = 0;
    if (buffer_.size() > kLongestLine) {
      throw InputError(format("%s: line %lld is longer than %zu bytes", path_.c_str(),
                              static_cast<long long>(number_) + 1, kLongestLine));
    }
    const std::size_t held = buffer_.size();
    buffer_.resize(held + kChunkBytes);
    const int count = gzread(file_.get(), buffer_.data() + held, kChunkBytes);
    buffer_.resize(held + static_cast<std::size_t>(std::max(count, 0)));
    int error = Z_OK;
    std::string_view text = gzerror(file_.get(), &error);
    const std::string prefix = path_ + ": ";  // zlib's, and ours
    if (text.substr(0, prefix.size()) == prefix) text.remove_prefix(prefix.size());
    // zlib reports a compressed file that stops early as Z_BUF_ERROR, with what it could read.
    if (error == Z_BUF_ERROR) throw InputError(path_ + ": is cut off: its gzip data do not end");
    if (count < 0) {
      throw InputError(prefix + (error == Z_ERRNO ? std::strerror(errno) : std::string(text)));
    }
    return count > 0;
  }

  const std::string& path_;
  std::unique_ptr<gzFile_s, GzipCloser> file_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::int64_t number_ = 0;
};

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// ' ' stands for any run of blanks.
char find_separator(std::string_view line) {
  for (const char separator : {',', ';'}) {
    if (line.find(separator) != std::string_view::npos) return separator;
  }
  return ' ';
}

void split(std::string_view line, char separator, std::vector<std::string_view>& fields) {
  fields.clear();
  line = trim(line);
  while (true) {
    std::size_t end = 0;
    while (end < line.size() &&
           !(separator == ' ' ? is_blank(line[end]) : line[end] == separator)) {
      ++end;
    }
    fields.push_back(trim(line.substr(0, end)));
    if (end == line.size()) return;
    line.remove_prefix(end + 1);
    if (separator == ' ') line = trim(line);
  }
}

// from_chars reports overflow and underflow alike: strtod tells the two apart. False for no number.
bool parse_number(std::string_view field, double& value) {
  if (!field.empty() && field.front() == '+') field.remove_prefix(1);
  const char* const end = field.data() + field.size();
  const auto [next, error] = std::from_chars(field.data(), end, value);
  if (next != end || field.empty()) return false;
  if (error == std::errc::result_out_of_range) {
    value = std::strtod(std::string(field).c_str(), nullptr);
    return true;
  }
  return error == std::errc();
}

class CsvParser {
 public:
  CsvParser(const std::string& path, const ColumnList& columns, const Accepted& accepted)
      : path_(path), columns_(columns), accepted_(accepted) {}

  Table parse() {
    LineReader lines(path_);
    std::string_view line;
    while (lines.next(line)) {
      line_ = lines.number();
      if (line_ == 1 && line.substr(0, 3) == "\xEF\xBB\xBF") line.remove_prefix(3);
      if (trim(line).empty()) {
        blank_line_ = blank_line_ == 0 ? line_ : blank_line_;
        continue;
      }
      if (blank_line_ != 0) {
        line_ = blank_line_;
        fail("is blank");
      }
      parse_row(line);
    }
    if (table_.rows == 0) throw InputError(path_ + ": is empty");
    table_.values = std::move(values_);
    return std::move(table_);
  }

 private:
  void parse_row(std::string_view line) {
    if (table_.rows == 0) separator_ = find_separator(line);
    split(line, separator_, fields_);
    if (table_.rows == 0) {
      field_count_ = fields_.size();
      table_.file_columns = columns_.resolve(static_cast<std::int64_t>(field_count_));
      table_.columns = static_cast<std::int64_t>(table_.file_columns.size());
    } else if (fields_.size() != field_count_) {
      const auto count = static_cast<std::int64_t>(fields_.size());
      fail(format("has %s; expected %zu as in line 1", counted(count, "column").c_str(),
                  field_count_));
    }
    for (const std::int64_t column : table_.file_columns) parse_field(column);
    ++table_.rows;
  }

  void parse_field(std::int64_t column) {
    const std::string_view field = fields_[static_cast<std::size_t>(column)];
    double value = 0;
    const bool number = parse_number(field, value);
    if (number && (std::isfinite(value) || (accepted_.nan && std::isnan(value)))) {
      values_.push_back(value);
      return;
    }
    const std::string shown(field.substr(0, 40));
    const char* const what = number       ? "is not finite"
                             : line_ == 1 ? "is not a number (a header line is not expected)"
                                          : "is not a number";
    fail(format("column %lld (from 0): '%s' %s", static_cast<long long>(column), shown.c_str(),
                what));
  }

  [[noreturn]] void fail(const std::string& what) const {
    const char* const joint = what.compare(0, 6, "column") == 0 ? ", " : " ";
    throw InputError(format("%s: line %lld%s%s", path_.c_str(), static_cast<long long>(line_),
                            joint, what.c_str()));
  }

  const std::string& path_;
  const ColumnList& columns_;
  const Accepted& accepted_;
  Table table_;
  std::vector<double> values_;
  std::vector<std::string_view> fields_;
  std::size_t field_count_ = 0;
  char separator_ = ',';
  std::int64_t line_ = 0;
  std::int64_t blank_line_ = 0;
};

}  // namespace

Table read_csv(const std::string& path, const ColumnList& columns, const Accepted& accepted) {
  return CsvParser(path, columns, accepted).parse();
}

}  // namespace scf::cli
