#include "flow/name_resolver.hh"

#include <algorithm>
#include <fmt/format.h>

namespace slirpstack {

namespace {

bool is_digit(char character)
{
  return character >= '0' && character <= '9';
}

/// ASCII only, whatever the locale.
bool is_label_character(char character)
{
  return is_digit(character) || (character >= 'a' && character <= 'z')
         || (character >= 'A' && character <= 'Z') || character == '-' || character == '_';
}

bool is_label(std::string_view text)
{
  constexpr std::size_t LONGEST = 63;
  return !text.empty() && text.size() <= LONGEST && text.front() != '-' && text.back() != '-'
         && std::ranges::all_of(text, is_label_character);
}

/// What inet_aton(3), and with it a resolver, takes for a number.
bool is_number(std::string_view label)
{
  if (label.starts_with("0x") || label.starts_with("0X")) {
    return label.find_first_not_of("0123456789abcdefABCDEF", 2) == std::string_view::npos;
  }
  return std::ranges::all_of(label, is_digit);
}

} // namespace

std::string HostName::to_string() const
{
  if (!server) {
    return name;
  }
  const bool is_ipv6 = server->host.find(':') != std::string::npos;
  return fmt::format(
    "{}@srv-{}:{}", name, is_ipv6 ? fmt::format("[{}]", server->host) : server->host, server->port);
}

bool is_host_name(std::string_view text)
{
  constexpr std::size_t LONGEST = 253;
  if (text.ends_with('.')) {
    text.remove_suffix(1);
  }
  if (text.size() > LONGEST) {
    return false;
  }
  for (std::size_t dot = text.find('.'); dot != std::string_view::npos; dot = text.find('.')) {
    if (!is_label(text.substr(0, dot))) {
      return false;
    }
    text.remove_prefix(dot + 1);
  }
  return is_label(text) && !is_number(text);
}

} // namespace slirpstack
