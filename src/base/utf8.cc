#include "base/utf8.hh"

#include <array>
#include <cstddef>
#include <cstdint>

namespace slirpstack {

namespace {

/// A sequence of so many bytes: how its first one begins, and the least character that needs it.
struct Form
{
  std::uint8_t lead;
  std::uint8_t lead_mask;
  char32_t least;
};

constexpr std::array<Form, 4> FORMS{{
  {0x00, 0x80, 0},
  {0xc0, 0xe0, 0x80},
  {0xe0, 0xf0, 0x800},
  {0xf0, 0xf8, 0x10000},
}};

/// The character of a sequence that is as long as its form says.
std::optional<char32_t> decode(std::string_view sequence, const Form& form)
{
  char32_t value = static_cast<std::uint8_t>(sequence.front()) & ~form.lead_mask & 0xffU;
  for (const char next : sequence.substr(1)) {
    const auto byte = static_cast<std::uint8_t>(next);
    if ((byte & 0xc0U) != 0x80) {
      return std::nullopt;
    }
    value = value << 6U | (byte & 0x3fU);
  }
  const bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < form.least || value > 0x10ffff || is_surrogate) {
    return std::nullopt;
  }
  return value;
}

} // namespace

std::optional<char32_t> take_utf8(std::string_view& text)
{
  for (std::size_t i = 0; i < FORMS.size() && i < text.size(); ++i) {
    const Form& form = FORMS[i];
    if ((static_cast<std::uint8_t>(text.front()) & form.lead_mask) == form.lead) {
      const auto character = decode(text.substr(0, i + 1), form);
      text.remove_prefix(i + 1);
      return character;
    }
  }
  return std::nullopt;
}

} // namespace slirpstack
