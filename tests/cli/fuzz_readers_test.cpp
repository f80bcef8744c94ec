// Seeded fuzzing of the file readers: valid files, damaged in every way that bytes can be, either
// give a table that keeps its promises or one InputError. Another seed: SCF_FUZZ_SEED=7; more
// files: SCF_FUZZ_FILES=1000000.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "errors.h"
#include "scratch.h"
#include "table.h"

namespace scf::test {
namespace {

constexpr double kMostSeconds = 2;  // of each format

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Changes bytes at random: flips, overwrites, cuts, repeats, splices, and swaps of words that the
// formats know.
class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : engine_(seed) {}

  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : engine_() % bound; }

  std::string mutate(std::string bytes, const std::vector<std::string>& words) {
    const std::size_t changes = 1 + below(4);
    for (std::size_t i = 0; i < changes; ++i) change(bytes, words);
    return bytes;
  }

 private:
  void change(std::string& bytes, const std::vector<std::string>& words) {
    const std::size_t at = below(bytes.size() + 1);
    switch (below(7)) {
      case 0:
        if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = static_cast<char>(engine_());
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.erase(at, below(16));
        break;
      case 4:
        bytes.insert(at, bytes.substr(below(bytes.size() + 1), below(64)));
        break;
      case 5:
        bytes.insert(at, words[below(words.size())]);
        break;
      default: {
        const std::string& word = words[below(words.size())];
        bytes.replace(at, std::min(word.size(), bytes.size() - at), word);
      }
    }
  }

  std::mt19937_64 engine_;
};

// What every table promises.
void check_table(const cli::Table& table, std::size_t most_values, const cli::Accepted& accepted) {
  ASSERT_GE(table.rows, 1);
  ASSERT_GE(table.columns, 1);
  std::visit(
      [&](const auto& values) {
        ASSERT_EQ(values.size(), static_cast<std::size_t>(table.rows * table.columns));
        ASSERT_LE(values.size(), most_values);
        for (const auto value : values) {
          ASSERT_TRUE(std::isfinite(value) || (accepted.nan && std::isnan(value)));
        }
      },
      table.values);
  ASSERT_EQ(table.file_columns.size(), static_cast<std::size_t>(table.columns));
}

struct Tally {
  std::uint64_t read = 0;
  std::uint64_t refused = 0;
};

// Where files are in memory, if there is such a place: a disk makes this tenfold slower.
std::string fast_folder() {
  const std::string memory = "/dev/shm";
  return ::access(memory.c_str(), W_OK) == 0 ? memory : ::testing::TempDir();
}

// Reads damaged files until time or their number is up. `wrap` makes the file of the damaged bytes.
Tally fuzz(const std::string& name, const std::vector<std::string>& corpus,
           const std::vector<std::string>& words,
           const std::function<std::string(const std::string&)>& wrap) {
  const std::uint64_t seed = from_environment("SCF_FUZZ_SEED", 1);
  const std::uint64_t files = from_environment("SCF_FUZZ_FILES", 20000);
  const ScratchFolder scratch(fast_folder());
  Mutator mutator(seed);
  Tally tally;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < files; ++i) {
    if (std::chrono::steady_clock::now() - start > std::chrono::duration<double>(kMostSeconds) &&
        std::getenv("SCF_FUZZ_FILES") == nullptr) {
      break;
    }
    SCOPED_TRACE("seed " + std::to_string(seed) + ", file " + std::to_string(i));
    const std::string damaged = mutator.mutate(corpus[mutator.below(corpus.size())], words);
    const std::string file = wrap(damaged);
    const std::string path = scratch.write(name, file);
    const cli::ColumnList columns(i % 4 == 0 ? "0" : "");
    try {
      const cli::Accepted accepted = {i % 3 == 1, i % 5 == 1};
      check_table(cli::read_table(path, columns, accepted), 2 * (damaged.size() + 1), accepted);
      ++tally.read;
    } catch (const cli::InputError& error) {
      EXPECT_FALSE(std::string(error.what()).empty());
      ++tally.refused;
    }
    if (::testing::Test::HasFailure()) break;
  }
  return tally;
}

std::string same(const std::string& bytes) {
  return bytes;
}

// Both outcomes must occur, or the damage is too light or too heavy to test anything.
void expect_both(const Tally& tally) {
  EXPECT_GT(tally.read, 20U);
  EXPECT_GT(tally.refused, 20U);
  std::printf("%llu files read, %llu refused\n", static_cast<unsigned long long>(tally.read),
              static_cast<unsigned long long>(tally.refused));
}

TEST(FuzzReaders, Npy) {
  const std::vector<double> wide = uniform_numbers(3, 12);
  const std::vector<float> single(wide.begin(), wide.end());
  const std::vector<std::string> corpus = {
      npy_of(wide, 12, 0), npy_of(wide, 3, 4), npy_of(single, 6, 2),
      npy_bytes(2, npy_dictionary("<f4", "(12,)"), bytes_of(single)),
      npy_bytes(3, npy_dictionary("<f8", "(2, 6)"), bytes_of(wide))};
  expect_both(fuzz("f.npy", corpus,
                   {"(3,)",
                    "(1, 12)",
                    "()",
                    "9223372036854775807",
                    "-1",
                    "0",
                    "True",
                    "False",
                    "'<f4'",
                    "'>f8'",
                    "'<i4'",
                    "'<i8'",
                    "'shape'",
                    "'",
                    "\"",
                    "{",
                    "}",
                    ",",
                    ":",
                    "(",
                    ")",
                    " ",
                    std::string(1, '\0'),
                    "\xff\xff\xff\xff",
                    "\n"},
                   same));
}

const std::vector<std::string> kTexts = {"1,2,3\n4,5,6\n", "1.5e-3;2\r\n-3;+4\r\n", "1 2\n3\t4\n",
                                         "0.1\n0.2\n0.3\n\n", "1e308,-1e308\n4.9e-324,0\n"};
const std::vector<std::string> kWords = {
    ",", ";",     " ",      "\t",  "\n",           "\r\n", "nan", "inf",    "e",
    "-", "1e999", "1e-999", "0x1", "\xEF\xBB\xBF", ".",    "+",   "999999", std::string(1, '\0')};

TEST(FuzzReaders, Csv) {
  expect_both(fuzz("f.csv", kTexts, kWords, same));
}

TEST(FuzzReaders, CompressedCsv) {
  expect_both(fuzz("f.csv.gz", kTexts, kWords, gzip));
}

TEST(FuzzReaders, DamagedGzip) {
  std::vector<std::string> corpus;
  corpus.reserve(kTexts.size());
  for (const std::string& text : kTexts) corpus.push_back(gzip(text));
  const Tally tally = fuzz("f.csv.gz", corpus, {"\x1f\x8b", "\x08", std::string(4, '\0')}, same);
  EXPECT_GT(tally.refused, 20U);
}

}  // namespace
}  // namespace scf::test
