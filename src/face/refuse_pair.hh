#pragma once

#include "base/error.hh"

#include <fmt/format.h>
#include <string_view>

namespace slirpstack {

/// Throws UsageError: two things were asked for that do not go together.
[[noreturn]] inline void refuse_pair(std::string_view one,
                                     std::string_view other,
                                     std::string_view reason)
{
  throw UsageError(fmt::format("{} cannot be used with {}: {}", one, other, reason));
}

} // namespace slirpstack
