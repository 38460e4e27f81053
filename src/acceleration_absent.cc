// For builds without clang or libbpf.

#include "acceleration.hh"

namespace slirpstack {

std::unique_ptr<Acceleration> Acceleration::start(const Config& /*config*/, Loop& /*loop*/)
{
  throw AccelerationUnavailable("this program was built without it: that takes clang and libbpf");
}

} // namespace slirpstack
