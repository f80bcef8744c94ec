// Independent reference of the random numbers: Philox4x32-10 word by word, and the exact numbers in
// long double.
#pragma once

#include <array>
#include <cstdint>

namespace scf::test {

using PhiloxBlock = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

[[nodiscard]] PhiloxBlock philox4x32_10(PhiloxBlock counter, PhiloxKey key);
// The counter that gives these words.
[[nodiscard]] PhiloxBlock philox4x32_10_inverse(PhiloxBlock words, PhiloxKey key);

// Which words: those of scf_random_params.
struct WordSource {
  std::uint64_t seed = 0;
  std::uint64_t offset = 0;
  std::int64_t first_row = 0;
};

[[nodiscard]] std::uint32_t random_word(const WordSource& source, std::int64_t row,
                                        std::int64_t column);

// A source whose row 0 starts with these two words.
[[nodiscard]] WordSource source_of_words(std::uint64_t seed, std::uint32_t w0, std::uint32_t w1);

enum class RandomKind { kUniform, kNormal, kRademacher };

// Exact numbers of words.
[[nodiscard]] long double exact_uniform(std::uint32_t word);
[[nodiscard]] long double exact_normal(std::uint32_t w0, std::uint32_t w1, bool sine);
[[nodiscard]] long double exact_number(RandomKind kind, const WordSource& source, std::int64_t row,
                                       std::int64_t column);

}  // namespace scf::test
