#pragma once

#include <system_error>

namespace slirpstack {

/// What could not be set up, behind the words for that: `listen on tcp://127.0.0.1:80: Address
/// already in use`.
class ForwardError : public std::system_error
{
public:
  using std::system_error::system_error;
};

} // namespace slirpstack
