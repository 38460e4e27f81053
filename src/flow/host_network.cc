#include "flow/host_network.hh"

namespace slirpstack {

std::string to_string(const StreamAddress& address)
{
  if (const auto* unix = std::get_if<UnixPath>(&address)) {
    return "unix:" + unix->path;
  }
  return std::get<Endpoint>(address).to_string();
}

} // namespace slirpstack
