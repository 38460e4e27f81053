#pragma once

#include <stdexcept>

namespace slirpstack {

/// What was waited for will not come, as the program has been told to end. No failure.
class Interrupted : public std::runtime_error
{
public:
  Interrupted() : std::runtime_error("ended before it was ready") {}
};

} // namespace slirpstack
