/* scorefield in C++17: core. A thin layer over the C headers, header-only: owners that destroy,
 * views that carry their shape, one name for both dtypes. It computes nothing, allocates nothing
 * and hides nothing: the C headers stay the manual, and C structs, constants and calls mix with it
 * freely.
 *
 * How a C call is written here, everywhere
 * ----------------------------------------
 *   scf_kde_evaluate_f32(context, kde, x, m, ldx, &params, &outputs, workspace, bytes, stream)
 *       scorefield::kde_evaluate(context, kde, x, params, outputs, workspace, stream)
 * - The name is C's without scf_ and without the dtype, which the views give.
 * - A pointer with its sizes and leading dimension is one view; m and d are those of a view, and
 *   matrices that must have the same shape, vectors of one number a row, are checked to have it.
 *   An empty view, {} or nullptr, is C's NULL.
 * - A params struct scf_x is scorefield::x, which starts with the defaults. Where C takes NULL for
 *   the defaults, so does the pointer taken here.
 * - A workspace with its bytes is one view of bytes; `stream` defaults to nullptr.
 * - What C hands back through a pointer is returned.
 * Memory is the context's device's, as in C: host memory for a CPU context.
 *
 * Errors, as the caller chooses at each call:
 *   scorefield::kde_evaluate(..., stream);          throws scorefield::error
 *   scorefield::kde_evaluate(..., stream, status);  never throws; `status` says how it went
 * The second form also compiles, alone, with -fno-exceptions.
 *
 * Threads: as in core.h. A context belongs to one thread at a time; a kde to any number.
 */
#ifndef SCOREFIELD_CORE_HPP_
#define SCOREFIELD_CORE_HPP_

#include <scorefield/core.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define SCOREFIELD_HAS_EXCEPTIONS 1
#include <exception>
#include <stdexcept>
#include <string>
#else
#define SCOREFIELD_HAS_EXCEPTIONS 0
#endif

namespace scorefield {

/* ---- Errors. Since 0.1. --------------------------------------------------------------------- */

/* How a call went, for callers without exceptions: hand one to a call as its last argument. */
class [[nodiscard]] status {
 public:
  [[nodiscard]] scf_status code() const noexcept { return code_; }
  [[nodiscard]] bool ok() const noexcept { return code_ == SCF_SUCCESS; }
  [[nodiscard]] const char* name() const noexcept { return scf_status_name(code_); }
  /* One line, "" on success. Valid until the thread's next failure. */
  [[nodiscard]] const char* message() const noexcept {
    if (ok()) return "";
    return message_ != nullptr ? message_ : scf_last_error();
  }

  /* What a call does with its result. `message`: static text where the failure is this layer's
   * own, else nullptr. */
  void operator()(scf_status code, const char* message = nullptr) noexcept {
    code_ = code;
    message_ = message;
  }

 private:
  scf_status code_ = SCF_SUCCESS;
  const char* message_ = nullptr;
};

#if SCOREFIELD_HAS_EXCEPTIONS
class error : public std::runtime_error {
 public:
  error(scf_status code, const char* message)
      : std::runtime_error(std::string(scf_status_name(code)) + ": " + message), code_(code) {}
  [[nodiscard]] scf_status code() const noexcept { return code_; }

 private:
  scf_status code_;
};

namespace detail {
/* Out of line, so that a call's own path stays short. */
[[noreturn]] inline void throw_error(scf_status code, const char* message) {
  throw error(code, message != nullptr ? message : scf_last_error());
}

/* What a caller's own function threw inside a driver of this thread. */
inline thread_local std::exception_ptr thrown_inside;
}  // namespace detail
#endif

/* For a model or field that returns a status and fails: says why in the message of the call that it
 * ends, and gives the status back. */
inline scf_status set_last_error(scf_status code, const char* message) noexcept {
  return scf_set_last_error(code, message);
}

/* What a call does where no status is given. */
struct throwing {
  template <class Code>
  void operator()(Code code, const char* message = nullptr) const {
#if SCOREFIELD_HAS_EXCEPTIONS
    if (code != SCF_SUCCESS) detail::throw_error(code, message);
#else
    static_assert(!std::is_same_v<Code, scf_status>,
                  "without exceptions, hand every call a scorefield::status as its last argument");
    (void)code;
    (void)message;
#endif
  }
};

/* ---- Views. Since 0.1. ---------------------------------------------------------------------- */

namespace detail {
template <class T>
struct identity {
  using type = T;
};

/* What a container's data() points to, where pointers to it are pointers to T too. */
template <class Container, class T>
using enable_if_contiguous = std::enable_if_t<
    std::is_convertible_v<
        std::remove_pointer_t<decltype(std::data(std::declval<Container&>()))> (*)[], T (*)[]> &&
    std::is_convertible_v<decltype(std::size(std::declval<Container&>())), std::size_t>>;
}  // namespace detail

/* A row of T in someone's memory: pointer and size. Made implicitly from std::vector, std::array, C
 * arrays, std::span and the like; {} and nullptr are C's NULL. */
template <class T>
class view {
 public:
  constexpr view() noexcept = default;
  constexpr view(std::nullptr_t) noexcept {}
  constexpr view(T* data, std::int64_t size) noexcept : data_(data), size_(size) {}
  template <class Container, class = detail::enable_if_contiguous<Container, T>>
  constexpr view(Container&& container) noexcept
      : data_(std::data(container)), size_(static_cast<std::int64_t>(std::size(container))) {}

  [[nodiscard]] constexpr T* data() const noexcept { return data_; }
  [[nodiscard]] constexpr std::int64_t size() const noexcept { return size_; }

 private:
  T* data_ = nullptr;
  std::int64_t size_ = 0;
};

template <class Container>
view(Container&&) -> view<std::remove_pointer_t<decltype(std::data(std::declval<Container&>()))>>;

/* Rows of T, row-major, `ld` elements from one row to the next. */
template <class T>
class matrix_view {
 public:
  using value_type = T;

  constexpr matrix_view() noexcept = default;
  constexpr matrix_view(std::nullptr_t) noexcept {}
  constexpr matrix_view(T* data, std::int64_t rows, std::int64_t columns, std::int64_t ld) noexcept
      : data_(data), rows_(rows), columns_(columns), ld_(ld) {}
  constexpr matrix_view(T* data, std::int64_t rows, std::int64_t columns) noexcept
      : matrix_view(data, rows, columns, columns) {}
  /* A container as rows of `columns`, as many whole ones as it holds. */
  template <class Container, class = detail::enable_if_contiguous<Container, T>>
  constexpr matrix_view(Container&& container, std::int64_t columns) noexcept
      : matrix_view(std::data(container),
                    columns > 0 ? static_cast<std::int64_t>(std::size(container)) / columns : 0,
                    columns) {}
  /* Views of T are views of const T. */
  template <class U, class = std::enable_if_t<std::is_convertible_v<U (*)[], T (*)[]>>>
  constexpr matrix_view(const matrix_view<U>& other) noexcept
      : matrix_view(other.data(), other.rows(), other.columns(), other.ld()) {}

  [[nodiscard]] constexpr T* data() const noexcept { return data_; }
  [[nodiscard]] constexpr std::int64_t rows() const noexcept { return rows_; }
  [[nodiscard]] constexpr std::int64_t columns() const noexcept { return columns_; }
  [[nodiscard]] constexpr std::int64_t ld() const noexcept { return ld_; }

  [[nodiscard]] constexpr T* row(std::int64_t i) const noexcept { return data_ + i * ld_; }
  /* `count` rows from `first` on, and columns alike. */
  [[nodiscard]] constexpr matrix_view row_range(std::int64_t first,
                                                std::int64_t count) const noexcept {
    return {data_ + first * ld_, count, columns_, ld_};
  }
  [[nodiscard]] constexpr matrix_view column_range(std::int64_t first,
                                                   std::int64_t count) const noexcept {
    return {data_ + first, rows_, count, ld_};
  }

 private:
  T* data_ = nullptr;
  std::int64_t rows_ = 0;
  std::int64_t columns_ = 0;
  std::int64_t ld_ = 0;
};

template <class Container>
matrix_view(Container&&, std::int64_t)
    -> matrix_view<std::remove_pointer_t<decltype(std::data(std::declval<Container&>()))>>;

/* Arguments of calls. A call takes its dtype from the first matrix or vector of numbers, which must
 * be a view itself (matrix_view(v, d), view(v)); the others are of these types, which containers
 * and views of T convert to. */
template <class T>
using input_matrix = matrix_view<const typename detail::identity<T>::type>;
template <class T>
using input_view = view<const typename detail::identity<T>::type>;
template <class T>
using output_matrix = matrix_view<std::remove_const_t<T>>;
template <class T>
using output_view = view<std::remove_const_t<T>>;

/* ---- What calls share ------------------------------------------------------------------------ */

namespace detail {

/* The one of a pair of C functions that takes T. */
template <class T, class F32, class F64>
[[nodiscard]] constexpr auto of_dtype(F32 f32, F64 f64) noexcept {
  using Value = std::remove_const_t<T>;
  static_assert(std::is_same_v<Value, float> || std::is_same_v<Value, double>,
                "scorefield computes in float and in double");
  if constexpr (std::is_same_v<Value, float>) {
    (void)f64;
    return f32;
  } else {
    (void)f32;
    return f64;
  }
}

/* A C struct that starts with its size and its defaults. Init cannot fail: the size is right. */
template <class Struct, scf_status (*Init)(Struct*, std::uint32_t)>
struct initialised : Struct {
  initialised() noexcept : Struct() { Init(this, sizeof(Struct)); }
};

/* Of sizes that the C call has yet to check: it wraps where it cannot be right. */
[[nodiscard]] constexpr std::int64_t product(std::int64_t a, std::int64_t b) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
}

/* Whether a matrix is absent or has that shape, and a vector is absent or that long. */
template <class Errors, class T>
[[nodiscard]] bool has_shape(Errors&& errors, const matrix_view<T>& matrix, std::int64_t rows,
                             std::int64_t columns, const char* message) {
  if (matrix.data() == nullptr || (matrix.rows() == rows && matrix.columns() == columns)) {
    return true;
  }
  errors(scf_status{SCF_ERROR_INVALID_ARGUMENT}, message);
  return false;
}
template <class Errors, class T>
[[nodiscard]] bool has_size(Errors&& errors, const view<T>& vector, std::int64_t size,
                            const char* message) {
  if (vector.data() == nullptr || vector.size() == size) return true;
  errors(scf_status{SCF_ERROR_INVALID_ARGUMENT}, message);
  return false;
}

/* Calls a driver that may call the caller's own functions. What one threw is thrown again here;
 * where a status is asked for it stays inside. */
template <class Errors, class Call>
void drive(Errors&& errors, Call&& call) {
#if SCOREFIELD_HAS_EXCEPTIONS
  thrown_inside = nullptr;
  const scf_status code = call();
  if (code != SCF_SUCCESS && thrown_inside != nullptr) {
    const std::exception_ptr thrown = std::exchange(thrown_inside, nullptr);
    if constexpr (std::is_same_v<std::decay_t<Errors>, throwing>) std::rethrow_exception(thrown);
    errors(code, "a caller's own function threw an exception");
    return;
  }
  errors(code);
#else
  errors(static_cast<scf_status>(call()));
#endif
}

/* Runs a caller's function behind a C callback: nothing it throws crosses the C code. */
template <class Result, class Call>
Result guarded(Result on_exception, Call&& call) noexcept {
#if SCOREFIELD_HAS_EXCEPTIONS
  try {
    return call();
  } catch (...) {
    thrown_inside = std::current_exception();
    return on_exception;
  }
#else
  (void)on_exception;
  return call();
#endif
}

/* A caller's function, held by reference, behind the C callbacks of models, fields and progress. */
template <class Function>
[[nodiscard]] void* address(Function& function) noexcept {
  return const_cast<void*>(static_cast<const void*>(std::addressof(function)));
}
template <class Function, class Request>
scf_status call_request(void* user, const Request* request) noexcept {
  return guarded<scf_status>(SCF_ERROR_INTERNAL, [&]() -> scf_status {
    auto& function = *static_cast<Function*>(user);
    if constexpr (std::is_void_v<decltype(function(*request))>) {
      function(*request);
      return SCF_SUCCESS;
    } else {
      return function(*request);
    }
  });
}
template <class Function, class... Arguments>
std::int32_t call_progress(void* user, Arguments... arguments) noexcept {
  return guarded<std::int32_t>(
      1, [&] { return static_cast<std::int32_t>((*static_cast<Function*>(user))(arguments...)); });
}

}  // namespace detail

/* ---- Devices and contexts. Since 0.1. -------------------------------------------------------- */

using device_info = detail::initialised<scf_device_info, scf_device_info_init>;
using context_params = detail::initialised<scf_context_params, scf_context_params_init>;

[[nodiscard]] inline std::int32_t version() noexcept {
  return scf_version();
}
[[nodiscard]] inline const char* version_string() noexcept {
  return scf_version_string();
}

template <class Errors = throwing>
std::int32_t device_count(std::int32_t backend, Errors&& errors = Errors{}) {
  std::int32_t count = 0;
  errors(scf_device_count(backend, &count));
  return count;
}

template <class Errors = throwing>
device_info device_describe(std::int32_t backend, std::int32_t device = 0,
                            Errors&& errors = Errors{}) {
  device_info info;
  errors(scf_device_describe(backend, device, &info));
  return info;
}

/* Owns an scf_context, and converts to it; empty where its creation failed. One thread at a time.
 */
class context {
 public:
  template <class Errors = throwing>
  explicit context(const scf_context_params& params, Errors&& errors = Errors{}) {
    errors(scf_context_create(&params, &context_));
  }
  /* The CPU with all threads, or another backend with its defaults. */
  template <class Errors = throwing>
  explicit context(std::int32_t backend = SCF_BACKEND_CPU, Errors&& errors = Errors{}) {
    context_params params;
    params.backend = backend;
    errors(scf_context_create(&params, &context_));
  }
  ~context() { scf_context_destroy(context_); }
  context(context&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}
  context& operator=(context&& other) noexcept {
    std::swap(context_, other.context_);
    return *this;
  }

  [[nodiscard]] scf_context* get() const noexcept { return context_; }
  operator scf_context*() const noexcept { return context_; }

  [[nodiscard]] std::int32_t backend() const noexcept { return scf_context_backend(context_); }
  [[nodiscard]] std::int32_t device() const noexcept { return scf_context_device(context_); }
  [[nodiscard]] std::int32_t threads() const noexcept { return scf_context_threads(context_); }
  [[nodiscard]] const char* cpu_target() const noexcept { return scf_context_cpu_target(context_); }

 private:
  scf_context* context_ = nullptr;
};

/* ---- Memory and streams. Since 0.1. ---------------------------------------------------------- */

/* Enqueued on CUDA, done on return on a CPU: scf_copy. The sizes must agree. */
template <class T, class Errors = throwing>
void copy(scf_context* context, view<T> destination, input_view<T> source, std::int32_t kind,
          void* stream = nullptr, Errors&& errors = Errors{}) {
  if (source.size() != destination.size()) {
    errors(scf_status{SCF_ERROR_INVALID_ARGUMENT}, "source and destination differ in size");
    return;
  }
  errors(scf_copy(context, destination.data(), source.data(),
                  sizeof(T) * static_cast<std::size_t>(source.size()), kind, stream));
}

template <class Errors = throwing>
void synchronize(scf_context* context, void* stream = nullptr, Errors&& errors = Errors{}) {
  errors(scf_stream_synchronize(context, stream));
}

/* Owns device memory of a context, which must outlive it; freed in the order of its stream. */
template <class T = std::byte>
class buffer {
 public:
  buffer() noexcept = default;
  template <class Errors = throwing>
  buffer(scf_context* context, std::int64_t size, void* stream = nullptr,
         Errors&& errors = Errors{})
      : context_(context), stream_(stream) {
    if (size < 0 || static_cast<std::uint64_t>(size) > SIZE_MAX / sizeof(T)) {
      errors(scf_status{SCF_ERROR_INVALID_ARGUMENT}, "size must be within the address space");
      return;
    }
    const scf_status code =
        scf_allocate(context, sizeof(T) * static_cast<std::size_t>(size), stream, &data_);
    if (code == SCF_SUCCESS) size_ = size;
    errors(code);
  }
  ~buffer() {
    if (data_ != nullptr) scf_free(context_, data_, stream_);
  }
  buffer(buffer&& other) noexcept { swap(other); }
  buffer& operator=(buffer&& other) noexcept {
    swap(other);
    return *this;
  }

  [[nodiscard]] T* data() const noexcept { return static_cast<T*>(data_); }
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }
  [[nodiscard]] matrix_view<T> matrix(std::int64_t columns) const noexcept {
    return {*this, columns};
  }

 private:
  void swap(buffer& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(stream_, other.stream_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  scf_context* context_ = nullptr;
  void* stream_ = nullptr;
  void* data_ = nullptr;
  std::int64_t size_ = 0;
};

/* Owns a stream of a context, which must outlive it, and converts to it; nullptr on a CPU. */
class stream {
 public:
  template <class Errors = throwing>
  explicit stream(scf_context* context, Errors&& errors = Errors{}) : context_(context) {
    errors(scf_stream_create(context, &stream_));
  }
  ~stream() {
    if (stream_ != nullptr) scf_stream_destroy(context_, stream_);
  }
  stream(stream&& other) noexcept
      : context_(other.context_), stream_(std::exchange(other.stream_, nullptr)) {}
  stream& operator=(stream&& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(stream_, other.stream_);
    return *this;
  }

  [[nodiscard]] void* get() const noexcept { return stream_; }
  operator void*() const noexcept { return stream_; }
  template <class Errors = throwing>
  void synchronize(Errors&& errors = Errors{}) const {
    errors(scf_stream_synchronize(context_, stream_));
  }

 private:
  scf_context* context_ = nullptr;
  void* stream_ = nullptr;
};

/* The scratch memory of a call: device memory, 256-byte aligned, such as a buffer<>. */
using workspace = view<std::byte>;

namespace detail {
[[nodiscard]] inline std::size_t bytes_of(const workspace& memory) noexcept {
  return static_cast<std::size_t>(memory.size());
}
}  // namespace detail

/* Puts a matrix into the two fields of a C struct that a pointer and its leading dimension are:
 * place(outputs.score, outputs.ld_score, score). */
template <class Pointer, class T>
void place(Pointer*& pointer, std::int64_t& ld, matrix_view<T> matrix) noexcept {
  pointer = matrix.data();
  ld = matrix.ld();
}

}  // namespace scorefield

#endif /* SCOREFIELD_CORE_HPP_ */
