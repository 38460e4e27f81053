#pragma once

#include "face/config.hh"

#include <string_view>

namespace slirpstack {

/// What the options are called by which the user has given the NAT's settings.
struct AccelFlags
{
  std::string_view external;
  std::string_view addresses;
  std::string_view internal;
  std::string_view ports;
};

/// `cgnat`, which alone names an internal interface, has names of its own.
[[nodiscard]] inline AccelFlags accel_flags(const Config::Acceleration& asked)
{
  return asked.internal_interface.empty()
           ? AccelFlags{"-external", "-external-address", "-internal", "-external-ports"}
           : AccelFlags{"-e", "-E", "-I", "-port-min to -port-max"};
}

} // namespace slirpstack
