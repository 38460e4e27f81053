#include "base/quoted.hh"

#include <fmt/format.h>

namespace slirpstack {

std::string escaped(std::string_view text)
{
  static constexpr std::string_view NAMED = "\a\b\f\n\r\t\v\\\"";
  static constexpr std::string_view LETTERS = "abfnrtv\\\"";
  std::string result;
  for (const char character : text) {
    const auto code = static_cast<unsigned char>(character);
    if (const auto at = NAMED.find(character); at != std::string_view::npos) {
      result += {'\\', LETTERS[at]};
    } else if (code < 0x20 || code == 0x7f) {
      result += fmt::format("\\x{:02x}", code);
    } else {
      result += character;
    }
  }
  return result;
}

std::string quoted(std::string_view text)
{
  return '"' + escaped(text) + '"';
}

} // namespace slirpstack
