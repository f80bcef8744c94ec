// The words themselves: published answers, and an independent Philox at every kind of seed, offset,
// row and shape.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "support/compare.h"
#include "support/random_call.h"
#include "support/random_reference.h"
#include "support/shapes.h"

namespace scf::test {
namespace {

// Philox4x32-10 in kat_vectors of Random123: counter, key, words.
struct KnownAnswer {
  PhiloxBlock counter;
  PhiloxKey key;
  PhiloxBlock words;
};
constexpr KnownAnswer kKnownAnswers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}},
    {{0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF},
     {0xFFFFFFFF, 0xFFFFFFFF},
     {0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}},
    {{0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344},
     {0xA4093822, 0x299F31D0},
     {0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}}};

TEST(RandomReference, HasThePublishedAnswers) {
  for (const KnownAnswer& known : kKnownAnswers) {
    EXPECT_EQ(philox4x32_10(known.counter, known.key), known.words);
    EXPECT_EQ(philox4x32_10_inverse(known.words, known.key), known.counter);
  }
}

TEST(RandomReference, FindsASourceOfAnyWords) {
  for (const std::uint32_t w0 : {0u, 1u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu}) {
    const WordSource source = source_of_words(0x123456789ABCDEF, w0, ~w0 + 7);
    EXPECT_EQ(random_word(source, 0, 0), w0);
    EXPECT_EQ(random_word(source, 0, 1), ~w0 + 7);
  }
}

struct WordCase {
  std::string name;
  WordSource source;
  std::int64_t m;
  std::int64_t d;
  std::int64_t gap;
};

// Every way through a tile: rows of one to many quads, a few and many rows, offsets on and off a
// quad; the bounds of 32 and of 64 bits.
std::vector<WordCase> word_cases(Backend backend) {
  constexpr std::uint64_t kSeed = 0xFEDCBA9876543210;
  constexpr std::int64_t kFarRow = (std::int64_t{1} << 33) + 5;
  std::vector<WordCase> cases;
  const auto add = [&](const char* name, const WordSource& source, std::int64_t m, std::int64_t d,
                       std::int64_t gap) {
    cases.push_back({std::string(name) + " offset " + std::to_string(source.offset) + " m " +
                         std::to_string(m) + " d " + std::to_string(d),
                     source, m, d, gap});
  };
  for (const std::uint64_t offset : {0u, 1u, 2u, 3u, 4u, 7u}) {
    for (const std::int64_t d : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 67, 129}) {
      for (const std::int64_t m : {1, 2, 7, 8, 9, 16, 17}) {
        // All of them on the CPU, some on the emulator.
        if (backend == Backend::kCuda && (d + m + static_cast<std::int64_t>(offset)) % 5 != 0) {
          continue;
        }
        add("shape", {kSeed, offset, 3}, m, d, (m + d) % 3);
      }
    }
  }
  for (const std::uint64_t offset : {0u, 3u}) {
    add("long row", {kSeed, offset, 1}, 1, backend == Backend::kCuda ? 2055 : 70001, 0);
    add("long rows", {kSeed, offset, 1}, 3, backend == Backend::kCuda ? 1100 : 20003, 5);
    add("many rows", {kSeed, offset, 1}, backend == Backend::kCuda ? 700 : 20011, 2, 0);
    add("many rows", {kSeed, offset, 1}, backend == Backend::kCuda ? 300 : 5003, 6, 1);
    add("far row", {kSeed, offset, kFarRow}, 5, 9, 1);
    add("row 2^32", {kSeed, offset, 0xFFFFFFFE}, 5, 9, 1);
    add("last row", {kSeed, offset, INT64_MAX - 5}, 5, 9, 1);
    add("far offset", {kSeed, (std::uint64_t{1} << 34) - 16 + offset, kFarRow}, 3, 70, 1);
    add("farther offset", {kSeed, (std::uint64_t{1} << 62) + offset, 0}, 3, 70, 1);
    add("last words", {kSeed, UINT64_MAX - 70 - offset, 0}, 3, 70, 1);
    add("seed 0", {0, offset, 0}, 3, 70, 1);
    add("low seed", {0xFFFFFFFF, offset, 0}, 3, 70, 1);
    add("high seed", {0xFFFFFFFF00000000, offset, 0}, 3, 70, 1);
  }
  return cases;
}

class RandomWords : public OnBackend<BackendCase> {};

TEST_P(RandomWords, ArePhilox) {
  const Context context(GetParam().backend);
  for (const WordCase& c : word_cases(GetParam().backend)) {
    const auto got =
        random_bits(context, random_params(c.source), c.m, c.d, {c.gap, c.gap == 2 ? 4u : 0u});
    Comparison comparison("bits", c.name);
    for (std::int64_t i = 0; i < c.m * c.d; ++i) {
      comparison.expect_equal(i, got[i], random_word(c.source, i / c.d, i % c.d));
    }
    EXPECT_TRUE(comparison.result());
  }
}

TEST_P(RandomWords, HaveThePublishedAnswer) {
  const Context context(GetParam().backend);
  const auto got = random_bits(context, random_params({}), 1, 4);
  EXPECT_EQ(got, std::vector<std::uint32_t>(kKnownAnswers[0].words.begin(),
                                            kKnownAnswers[0].words.end()));
  EXPECT_EQ(scf_random_bits(context.get(), nullptr, 0, 4, nullptr, 4, nullptr), SCF_SUCCESS);
}

TEST_P(RandomWords, StartAtTheDeviceOffsetToo) {
  const Context context(GetParam().backend);
  DeviceWord word(context, 0);
  for (const std::uint64_t more : {std::uint64_t{0}, std::uint64_t{8}, std::uint64_t{5},
                                   std::uint64_t{1} << 40, UINT64_MAX - 2}) {  // the last wraps
    word.set(more);
    WordSource source{7, 12, 1};
    scf_random_params params = random_params(source);
    params.device_offset = word.data();
    const auto got = random_bits(context, params, 3, 21);
    source.offset += more;
    Comparison comparison("bits", "device offset " + std::to_string(more));
    for (std::int64_t i = 0; i < 3 * 21; ++i) {
      comparison.expect_equal(i, got[i], random_word(source, i / 21, i % 21));
    }
    EXPECT_TRUE(comparison.result());
  }
}

INSTANTIATE_TEST_SUITE_P(Random, RandomWords,
                         ::testing::Values(BackendCase{Backend::kCpu, Dtype::kF32},
                                           BackendCase{Backend::kCuda, Dtype::kF32}),
                         parameter_name<BackendCase>);

}  // namespace
}  // namespace scf::test
