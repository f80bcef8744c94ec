// Reader of NumPy's .npy format, versions 1.0 to 3.0: a magic string, a header that is the literal
// of a Python dictionary, then the values. Read here: '<f4' and '<f8', where they are accepted
// '<i4' and '<i8', C order, one or two dimensions. Source: the format's description in NumPy's
// documentation (numpy.lib.format).
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "errors.h"
#include "interrupt.h"
#include "table.h"

namespace scf::cli {

namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are read as they lie in the file");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kLongestHeader = 65536;  // NumPy's own are below 200 bytes
constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

struct FileCloser {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

enum class Element { kF4, kF8, kI4, kI8 };

struct Layout {
  Element element = Element::kF8;
  std::vector<std::int64_t> shape;
};

// Reads the dictionary of a header: exactly the keys descr, fortran_order and shape, in any order.
class HeaderParser {
 public:
  HeaderParser(const std::string& path, std::string_view text, const Accepted& accepted)
      : path_(path), rest_(text), accepted_(accepted) {}

  Layout parse() {
    expect('{');
    while (!accept('}')) {
      parse_entry(parse_string());
      if (!accept(',') && peek() != '}') malformed();
    }
    if (peek() != '\0') malformed();
    if (!descr_ || !fortran_order_ || !shape_) malformed();
    if (*fortran_order_) {
      fail("is in Fortran order; save it in C order (numpy.ascontiguousarray)");
    }
    return {element(), *shape_};
  }

 private:
  void parse_entry(const std::string& key) {
    expect(':');
    if (key == "descr" && !descr_) {
      if (peek() != '\'' && peek() != '"')
        fail("holds records; expected float32 or float64 values");
      descr_ = parse_string();
    } else if (key == "fortran_order" && !fortran_order_) {
      fortran_order_ = parse_bool();
    } else if (key == "shape" && !shape_) {
      shape_ = parse_shape();
    } else {
      malformed();
    }
  }

  [[nodiscard]] Element element() const {
    if (*descr_ == "<f4") return Element::kF4;
    if (*descr_ == "<f8") return Element::kF8;
    if (accepted_.integers && *descr_ == "<i4") return Element::kI4;
    if (accepted_.integers && *descr_ == "<i8") return Element::kI8;
    const char* const advice = (*descr_)[0] == '>' ? " (big-endian)" : "";
    fail(format("has dtype '%s'%s; expected '<f4' or '<f8' (float32 or float64)", descr_->c_str(),
                advice));
  }

  std::string parse_string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') malformed();
    rest_.remove_prefix(1);
    const std::size_t end = rest_.find(quote);
    if (end == std::string_view::npos) malformed();
    std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool parse_bool() {
    peek();
    for (const std::string_view word : {"True", "False"}) {
      if (rest_.substr(0, word.size()) == word) {
        rest_.remove_prefix(word.size());
        return word == "True";
      }
    }
    malformed();
  }

  std::vector<std::int64_t> parse_shape() {
    std::vector<std::int64_t> shape;
    expect('(');
    while (!accept(')')) {
      peek();
      std::int64_t size = 0;
      const char* const end = rest_.data() + rest_.size();
      const auto [next, error] = std::from_chars(rest_.data(), end, size);
      if (error != std::errc() || size < 0) malformed();
      rest_.remove_prefix(static_cast<std::size_t>(next - rest_.data()));
      shape.push_back(size);
      if (!accept(',') && peek() != ')') malformed();
    }
    return shape;
  }

  // The next character that is not white space; '\0' at the end.
  char peek() {
    while (!rest_.empty() && std::strchr(" \t\r\n", rest_[0]) != nullptr && rest_[0] != '\0') {
      rest_.remove_prefix(1);
    }
    return rest_.empty() ? '\0' : rest_[0];
  }
  bool accept(char wanted) {
    if (rest_.empty() || peek() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted)) malformed();
  }

  [[noreturn]] void fail(const std::string& what) const { throw InputError(path_ + ": " + what); }
  [[noreturn]] void malformed() const { fail("malformed .npy header"); }

  const std::string& path_;
  std::string_view rest_;
  const Accepted& accepted_;
  std::optional<std::string> descr_;
  std::optional<bool> fortran_order_;
  std::optional<std::vector<std::int64_t>> shape_;
};

std::string read_bytes(std::FILE* file, std::size_t count, const std::string& path) {
  std::string bytes(count, '\0');
  if (std::fread(bytes.data(), 1, count, file) != count) {
    throw InputError(path + ": not a .npy file, or cut off in its header");
  }
  return bytes;
}

Layout read_layout(std::FILE* file, const std::string& path, const Accepted& accepted) {
  const std::string start = read_bytes(file, kMagic.size() + 2, path);
  if (start.compare(0, kMagic.size(), kMagic) != 0) throw InputError(path + ": not a .npy file");
  const int major = static_cast<unsigned char>(start[kMagic.size()]);
  const int minor = static_cast<unsigned char>(start[kMagic.size() + 1]);
  if (major < 1 || major > 3 || minor != 0) {
    throw InputError(
        format("%s: .npy version %d.%d; expected 1.0 to 3.0", path.c_str(), major, minor));
  }
  const std::string length_bytes = read_bytes(file, major == 1 ? 2 : 4, path);
  std::size_t length = 0;
  for (std::size_t i = length_bytes.size(); i-- > 0;) {
    length = length << 8 | static_cast<unsigned char>(length_bytes[i]);
  }
  if (length > kLongestHeader) {
    throw InputError(format("%s: .npy header of %zu bytes; expected at most %zu", path.c_str(),
                            length, kLongestHeader));
  }
  return HeaderParser(path, read_bytes(file, length, path), accepted).parse();
}

// Checks rows x columns against the bytes that are there, before anything is allocated for them.
void require_size(std::FILE* file, const Table& table, std::size_t element,
                  const std::string& path) {
  struct stat status {};
  const long at = std::ftell(file);
  if (at < 0 || ::fstat(fileno(file), &status) != 0) {
    throw InputError(format("%s: %s", path.c_str(), std::strerror(errno)));
  }
  const __int128 claimed = static_cast<__int128>(table.rows) * table.columns;
  const __int128 held = (static_cast<__int128>(status.st_size) - at);
  // The first test keeps the product of the second in range.
  if (claimed > held || claimed * static_cast<__int128>(element) > held) {
    throw InputError(
        format("%s: is cut off: its header claims %lld x %lld values, it holds %lld bytes",
               path.c_str(), static_cast<long long>(table.rows),
               static_cast<long long>(table.columns), static_cast<long long>(held)));
  }
  if (claimed * static_cast<__int128>(element) < held) {
    throw InputError(path + ": has more bytes than its header claims");
  }
}

// The values, T in the file, as V.
template <class V, class T = V>
std::vector<V> read_values(std::FILE* file, const Table& table, std::int64_t file_columns,
                           const std::string& path) {
  std::vector<V> values;
  values.reserve(static_cast<std::size_t>(table.rows * table.columns));
  const auto row_bytes = static_cast<std::size_t>(file_columns) * sizeof(T);
  const auto chunk_rows =
      static_cast<std::int64_t>(std::max<std::size_t>(1, kChunkBytes / row_bytes));
  std::vector<T> chunk(static_cast<std::size_t>(std::min(chunk_rows, table.rows) * file_columns));
  for (std::int64_t row = 0; row < table.rows; row += chunk_rows) {
    throw_if_interrupted();
    const std::int64_t rows = std::min(chunk_rows, table.rows - row);
    const auto count = static_cast<std::size_t>(rows * file_columns);
    if (std::fread(chunk.data(), sizeof(T), count, file) != count) {
      throw InputError(path + ": cannot be read to its end");
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      for (const std::int64_t column : table.file_columns) {
        values.push_back(
            static_cast<V>(chunk[static_cast<std::size_t>(i * file_columns + column)]));
      }
    }
  }
  return values;
}

}  // namespace

Table read_npy(const std::string& path, const ColumnList& columns, const Accepted& accepted) {
  const File file(std::fopen(path.c_str(), "rb"));
  if (!file) throw InputError(format("%s: %s", path.c_str(), std::strerror(errno)));
  const Layout layout = read_layout(file.get(), path, accepted);
  if (layout.shape.empty() || layout.shape.size() > 2) {
    throw InputError(
        format("%s: has %zu dimensions; expected 1 or 2", path.c_str(), layout.shape.size()));
  }
  Table table;
  table.rows = layout.shape[0];
  table.columns = layout.shape.size() == 2 ? layout.shape[1] : 1;
  if (table.rows == 0 || table.columns == 0) {
    throw InputError(format("%s: is empty (%lld x %lld)", path.c_str(),
                            static_cast<long long>(table.rows),
                            static_cast<long long>(table.columns)));
  }
  const Element element = layout.element;
  require_size(file.get(), table, element == Element::kF4 || element == Element::kI4 ? 4 : 8, path);
  const std::int64_t file_columns = table.columns;
  table.file_columns = columns.resolve(file_columns);
  table.columns = static_cast<std::int64_t>(table.file_columns.size());
  switch (element) {
    case Element::kF4:
      table.values = read_values<float>(file.get(), table, file_columns, path);
      break;
    case Element::kF8:
      table.values = read_values<double>(file.get(), table, file_columns, path);
      break;
    case Element::kI4:
      table.values = read_values<double, std::int32_t>(file.get(), table, file_columns, path);
      break;
    case Element::kI8:
      table.values = read_values<double, std::int64_t>(file.get(), table, file_columns, path);
      break;
  }
  return table;
}

std::string npy_header(Dtype dtype, const std::vector<std::int64_t>& shape) {
  return npy_header(dtype == Dtype::kF32 ? "<f4" : "<f8", shape);
}

std::string npy_header(const char* descr, const std::vector<std::int64_t>& shape) {
  std::string header = format("{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    // As Python writes a tuple: (3,) and (3, 2).
    header += format(axis == 0 ? "%lld" : ", %lld", static_cast<long long>(shape[axis]));
  }
  header += shape.size() == 1 ? ",), }" : "), }";
  // The values start at a multiple of 64 bytes; the header ends in a new line.
  constexpr std::size_t kPrefix = kMagic.size() + 4;
  header.resize((kPrefix + header.size() + 1 + 63) / 64 * 64 - kPrefix - 1, ' ');
  header += '\n';
  std::string bytes(kMagic);
  bytes += {'\x01', '\x00', static_cast<char>(header.size() & 0xff),
            static_cast<char>(header.size() >> 8)};
  return bytes + header;
}

}  // namespace scf::cli
