#include "json_report.h"

#include <nlohmann/json.hpp>

namespace scf::cli {

using Json = nlohmann::ordered_json;

JsonReport::JsonReport() : object_(std::make_unique<Json>(Json::object())) {}
JsonReport::~JsonReport() = default;
JsonReport::JsonReport(JsonReport&& other) noexcept = default;
JsonReport& JsonReport::operator=(JsonReport&& other) noexcept = default;

JsonReport::Field JsonReport::operator[](const char* name) {
  return Field((*object_)[name]);
}

std::string JsonReport::text() const {
  return object_->dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void JsonReport::Field::operator=(bool value) {
  value_ = value;
}

void JsonReport::Field::operator=(double value) {
  value_ = value;
}

void JsonReport::Field::operator=(const char* value) {
  value_ = value;
}

void JsonReport::Field::operator=(const std::string& value) {
  value_ = value;
}

void JsonReport::Field::operator=(const std::vector<double>& values) {
  value_ = values;
}

void JsonReport::Field::operator=(const std::vector<std::string>& values) {
  value_ = values;
}

void JsonReport::Field::operator=(const JsonReport& report) {
  value_ = *report.object_;
}

void JsonReport::Field::operator=(const std::vector<JsonReport>& reports) {
  value_ = Json::array();
  for (const JsonReport& report : reports) value_.push_back(*report.object_);
}

void JsonReport::Field::set(std::int64_t value) {
  value_ = value;
}

void JsonReport::Field::set(std::uint64_t value) {
  value_ = value;
}

}  // namespace scf::cli
