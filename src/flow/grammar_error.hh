#pragma once

#include "base/error.hh"

#include <cstdint>
#include <string>
#include <string_view>

namespace slirpstack {

/// A mistake in the text of a forward or a rule that more than one face knows. what() is this
/// program's own word for it; a face that has to speak as another program does makes its word of
/// mistake() and text().
class GrammarError : public UsageError
{
public:
  enum class Mistake : std::uint8_t
  {
    no_number,        ///< text() is no port at all
    number_too_large, ///< text() begins as a number above 65535
    ports_reversed,   ///< the first of two ports is greater than the last
    no_destination,   ///< text() cannot be taken apart into host and ports
    unknown_protocol, ///< text() stands before "://"
    unknown_query,    ///< text() is the type of a DNS query that there is not
    no_host,          ///< text() could be a host's name, but is meant to be something else
  };

  /// `text`: the offending piece. `reason`: a line for its author.
  GrammarError(Mistake mistake, std::string_view text, const std::string& reason)
    : UsageError(reason), mistake_(mistake), text_(text)
  {}
  [[nodiscard]] Mistake mistake() const { return mistake_; }
  [[nodiscard]] const std::string& text() const { return text_; }

private:
  Mistake mistake_;
  std::string text_;
};

} // namespace slirpstack
