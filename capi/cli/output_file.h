// Files that are there whole or not at all: written under a temporary name in the same folder, and
// renamed once everything has been computed and written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace scf::cli {

class OutputFile {
 public:
  // Creates the temporary file, so that a folder that cannot be written to is found before the work
  // starts. Throws InputError, also where the path is that of one of the inputs, by whatever name.
  explicit OutputFile(std::string path, const std::vector<std::string>& inputs = {});
  ~OutputFile();  // removes the temporary file unless commit() was called
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

  // Throw CommandError (kFailure), for example where the disk is full.
  void reserve(
      std::int64_t bytes);  // room for the whole file, where the file system can promise it
  void write(const void* bytes, std::size_t count);
  void write_at(std::int64_t offset, const void* bytes, std::size_t count);
  void close();
  void commit();  // closes, and renames to path()

 private:
  [[noreturn]] void fail(const char* what) const;

  std::string path_;
  std::string temporary_;  // empty once renamed
  std::FILE* file_ = nullptr;
};

// Closes every file before it renames the first, so that a full disk or an interrupt up to then
// leaves none behind.
void commit_all(const std::vector<std::unique_ptr<OutputFile>>& files);

}  // namespace scf::cli
