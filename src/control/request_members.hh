#pragma once

#include "control/request.hh"

#include <cstdint>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

namespace slirpstack {

/// The members of a request, each to be asked for by its name; what nobody asked for is a mistake.
class Members
{
public:
  explicit Members(nlohmann::json object) : object_(std::move(object)) {}

  [[nodiscard]] std::optional<std::string> text(const char* name)
  {
    const auto value = take(name);
    if (value && !value->is_string()) {
      throw RequestError(fmt::format("\"{}\" must be a string", name));
    }
    return value ? std::optional(value->get<std::string>()) : std::nullopt;
  }
  [[nodiscard]] std::string required_text(const char* name)
  {
    auto value = text(name);
    if (!value) {
      throw RequestError(fmt::format("\"{}\" is missing", name));
    }
    return std::move(*value);
  }
  [[nodiscard]] bool flag(const char* name)
  {
    const auto value = take(name);
    if (value && !value->is_boolean()) {
      throw RequestError(fmt::format("\"{}\" must be true or false", name));
    }
    return value && value->get<bool>();
  }
  [[nodiscard]] std::uint32_t number(const char* name)
  {
    const auto value = take(name);
    if (!value || !value->is_number_unsigned() || value->get<std::uint64_t>() > UINT32_MAX) {
      throw RequestError(fmt::format("\"{}\" must be a number from 0 to {}", name, UINT32_MAX));
    }
    return value->get<std::uint32_t>();
  }
  void end() const
  {
    if (!object_.empty()) {
      throw RequestError(fmt::format("unknown member \"{}\"", object_.begin().key()));
    }
  }

private:
  std::optional<nlohmann::json> take(const char* name)
  {
    const auto found = object_.find(name);
    if (found == object_.end()) {
      return std::nullopt;
    }
    nlohmann::json value = std::move(*found);
    object_.erase(found);
    return value;
  }

  nlohmann::json object_;
};

} // namespace slirpstack
