#include "gateway/mapped_sources.hh"

#include "base/log.hh"

#include <utility>

namespace slirpstack {

namespace {

ChosenSource no_source()
{
  return {.source = {}, .error = {std::make_error_code(std::errc::address_not_available), {}}};
}

} // namespace

MappedSources::MappedSources(const PrefixMap& prefixes, Admission::HostNetworksSource host_networks)
  : prefixes_(prefixes), host_networks_(std::move(host_networks))
{}

ChosenSource MappedSources::choose(const IpAddress& guest,
                                   const std::optional<IpAddress>& otherwise)
{
  const Translation outside = prefixes_.to_external(guest);
  if (outside.mapping == nullptr) {
    return {.source = otherwise, .error = {}};
  }
  if (!outside.address) {
    log(LogLevel::warning,
        "an address of the guest cannot be mapped",
        {{"address", guest.to_string()}, {"reason", unmappable_reason(outside.unmappable)}});
    return no_source();
  }
  if (host_networks_().find(*outside.address) != HostNetworks::Kind::own_address) {
    complain(*outside.mapping);
    return no_source();
  }
  return {.source = SourceAddress(*outside.address, /*foreign=*/true), .error = {}};
}

std::optional<IpAddress> MappedSources::source_of(const IpAddress& guest,
                                                  const IpAddress& remote) const
{
  const std::optional<IpAddress> outside = prefixes_.to_external(guest).address;
  const bool leaves = outside && prefixes_.to_external(remote).mapping == nullptr
                      && host_networks_().find(*outside) == HostNetworks::Kind::own_address;
  return leaves ? outside : std::nullopt;
}

void MappedSources::complain(const PrefixMapping& mapping)
{
  if (complained_.size() < PrefixMap::MAX_MAPPINGS && complained_.insert(mapping.external).second) {
    const std::string prefix = mapping.external.to_string();
    log(LogLevel::warning,
        mapping.open
          ? "the host does not take what is sent to an open mapping's prefix, so that the "
            "guest reaches what is not outside only after its administrator has it do so"
          : "the host does not take what is sent to a mapped prefix, so nothing leaves "
            "from there; its administrator can have it do so",
        {{"mapping", mapping.to_string()},
         {"command", "ip -6 route add local " + prefix + " dev lo"}});
  }
}

ChosenSource choose_source(MappedSources* mapped,
                           const IpAddress& guest,
                           const std::optional<IpAddress>& otherwise)
{
  return mapped == nullptr ? ChosenSource{.source = otherwise, .error = {}}
                           : mapped->choose(guest, otherwise);
}

} // namespace slirpstack
