#include "face/go_words.hh"

#include "base/quoted.hh"

#include <fmt/format.h>

namespace slirpstack {

std::string go_words(const GrammarError& error)
{
  const std::string text = quoted(error.text());
  switch (error.mistake()) {
    case GrammarError::Mistake::no_number:
      return fmt::format("strconv.ParseUint: parsing {}: invalid syntax", text);
    case GrammarError::Mistake::number_too_large:
      return fmt::format("strconv.ParseUint: parsing {}: value out of range", text);
    case GrammarError::Mistake::ports_reversed:
      return "min port must be smaller equal than max";
    case GrammarError::Mistake::no_destination:
      return "error parsing ipportrange";
    case GrammarError::Mistake::unknown_protocol:
      return fmt::format("unknown network type {}", text);
    case GrammarError::Mistake::unknown_query:
      return fmt::format("Unknown dns type {}", text);
    case GrammarError::Mistake::no_host:
      break;
  }
  return fmt::format("lookup {}: no such host", error.text());
}

} // namespace slirpstack
