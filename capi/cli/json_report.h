// A command's answer as JSON: an object whose fields stand in the order in which they were set.
//
//   JsonReport json;
//   json["n"] = 3;
//   print(json.text());
//
// nlohmann's library writes it. Its headers take a compiler longer than all else of a command, so
// they stay behind this one.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <type_traits>
#include <vector>

namespace scf::cli {

class JsonReport {
 public:
  // What json["name"] is assigned through.
  class Field {
   public:
    explicit Field(nlohmann::ordered_json& value) : value_(value) {}
    void operator=(bool value);
    void operator=(double value);  // null where it is not finite
    void operator=(const char* value);
    void operator=(const std::string& value);
    void operator=(const std::vector<double>& values);
    void operator=(const std::vector<std::string>& values);
    void operator=(const JsonReport& report);
    void operator=(const std::vector<JsonReport>& reports);
    template <class Integer, std::enable_if_t<std::is_integral_v<Integer>, int> = 0>
    void operator=(Integer value) {
      using Widest = std::conditional_t<std::is_signed_v<Integer>, std::int64_t, std::uint64_t>;
      set(static_cast<Widest>(value));
    }

   private:
    void set(std::int64_t value);
    void set(std::uint64_t value);

    nlohmann::ordered_json& value_;
  };

  JsonReport();
  ~JsonReport();
  JsonReport(JsonReport&& other) noexcept;
  JsonReport& operator=(JsonReport&& other) noexcept;

  Field operator[](const char* name);
  // With line feeds, the last one too. Bytes that are no UTF-8 are replaced.
  [[nodiscard]] std::string text() const;

 private:
  std::unique_ptr<nlohmann::ordered_json> object_;
};

}  // namespace scf::cli
