#include "host/resolver_config.hh"

#include "require.hh"

#include <cstdint>

using namespace slirpstack;

/// Any text gives at least one nameserver, and no blank search domains.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const ResolverConfig config = parse_resolver_config({reinterpret_cast<const char*>(data), size});
  require(!config.nameservers.empty());
  for (const Nameserver& nameserver : config.nameservers) {
    require(nameserver.endpoint.port == 53);
  }
  for (const std::string& domain : config.search) {
    require(!domain.empty() && domain.find_first_of(" \t\n") == std::string::npos);
  }
  return 0;
}
