#include "output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "errors.h"
#include "interrupt.h"

namespace scf::cli {

namespace {

constexpr mode_t kMode = 0666;  // less the user's umask

void require_target(const std::string& path, const std::vector<std::string>& inputs) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return;
  for (const std::string& input : inputs) {
    struct stat other {};
    if (::stat(input.c_str(), &other) == 0 && other.st_dev == status.st_dev &&
        other.st_ino == status.st_ino) {
      throw InputError(path + ": is an input too, left alone");
    }
  }
  if (S_ISDIR(status.st_mode)) throw InputError(path + ": is a directory, cannot be written to");
  if (!S_ISREG(status.st_mode)) throw InputError(path + ": is not a regular file, left alone");
}

// Creates a file of a name that nobody has, an earlier process of the same number included. Null
// with errno set where it cannot.
std::FILE* create_beside(const std::string& path, std::string& temporary) {
  int descriptor = -1;
  for (int attempt = 0; descriptor < 0; ++attempt) {
    temporary = path + format(".%ld.%d.tmp", static_cast<long>(::getpid()), attempt);
    descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode);
    if (descriptor < 0 && errno != EEXIST) return nullptr;
  }
  std::FILE* const file = ::fdopen(descriptor, "wb");
  if (file == nullptr) {
    const int error = errno;
    ::close(descriptor);
    ::unlink(temporary.c_str());
    errno = error;
  }
  return file;
}

}  // namespace

OutputFile::OutputFile(std::string path, const std::vector<std::string>& inputs)
    : path_(std::move(path)) {
  require_target(path_, inputs);
  file_ = create_beside(path_, temporary_);
  if (file_ == nullptr) {
    throw InputError(format("%s: cannot be written to: %s", path_.c_str(), std::strerror(errno)));
  }
}

OutputFile::~OutputFile() {
  if (file_ != nullptr) std::fclose(file_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::reserve(std::int64_t bytes) {
  if (bytes <= 0 || ::fallocate(fileno(file_), 0, 0, bytes) == 0) return;
  if (errno == ENOSPC || errno == EFBIG || errno == EDQUOT) {
    fail(format("needs %.3g GB", static_cast<double>(bytes) / 1e9).c_str());
  }
}

void OutputFile::write_at(std::int64_t offset, const void* bytes, std::size_t count) {
  if (::fseeko(file_, offset, SEEK_SET) != 0) fail("cannot be written");
  write(bytes, count);
}

void OutputFile::write(const void* bytes, std::size_t count) {
  if (std::fwrite(bytes, 1, count, file_) != count) fail("cannot be written");
}

void OutputFile::close() {
  if (file_ == nullptr) return;
  std::FILE* const file = file_;
  file_ = nullptr;
  if (std::fclose(file) != 0) fail("cannot be written");
}

void OutputFile::commit() {
  close();
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be put in place");
  temporary_.clear();
}

void OutputFile::fail(const char* what) const {
  throw CommandError(ExitCode::kFailure,
                     format("%s: %s: %s", path_.c_str(), what, std::strerror(errno)));
}

void commit_all(const std::vector<std::unique_ptr<OutputFile>>& files) {
  for (const auto& file : files) file->close();
  throw_if_interrupted();
  for (const auto& file : files) file->commit();
}

}  // namespace scf::cli
