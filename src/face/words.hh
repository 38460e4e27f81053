#pragma once

#include "face/config.hh"
#include "face/values.hh"

#include <array>
#include <fmt/format.h>
#include <string>
#include <string_view>

namespace slirpstack {

/// A word of the command line and what it stands for.
template<typename Enum>
struct Word
{
  std::string_view text;
  Enum meaning;
};

template<typename Enum, std::size_t Count>
Enum parse_word(std::string_view text, const std::array<Word<Enum>, Count>& words)
{
  std::string choices;
  for (const Word<Enum>& word : words) {
    if (word.text == text) {
      return word.meaning;
    }
    choices += fmt::format("{}{}", choices.empty() ? "" : ", ", word.text);
  }
  throw BadValue("must be one of " + choices);
}

/// Which outside senders reach a guest's port.
inline constexpr std::array<Word<Config::UdpFilter>, 3> FILTER_WORDS{
  {{"endpoint", Config::UdpFilter::endpoint},
   {"address", Config::UdpFilter::address},
   {"port", Config::UdpFilter::port}}};

} // namespace slirpstack
