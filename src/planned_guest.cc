#include "planned_guest.hh"

#include "base/error.hh"

#include <cerrno>
#include <fmt/format.h>
#include <unistd.h>

namespace slirpstack {

namespace {

void check_file(const char* flag, const std::string& value, const std::string& path)
{
  if (::access(path.c_str(), F_OK) != 0) {
    throw UsageError(
      errno == ENOENT || errno == ENOTDIR
        ? fmt::format("invalid value \"{}\" for flag -{}: there is no {}", value, flag, path)
        : fmt::format("cannot open {}, which -{} names: {}", path, flag, last_error().message()));
  }
}

} // namespace

GuestAddresses planned_addresses(const Config& config)
{
  const Config::Network& network = config.network;
  GuestAddresses addresses;
  addresses.ipv4 = GuestAddress{Prefix(network.guest(Family::ipv4), network.cidr.length_bits()),
                                network.gateway(Family::ipv4)};
  if (network.carries_ipv6()) {
    addresses.ipv6 = GuestAddress{Prefix(network.guest(Family::ipv6), network.cidr6.length_bits()),
                                  network.gateway(Family::ipv6)};
  }
  return addresses;
}

NamespaceTarget attach_target(const Config& config)
{
  NamespaceTarget target;
  if (config.attach.pid) {
    target = NamespaceTarget::of_process(*config.attach.pid);
  } else if (config.attach.netns) {
    target = NamespaceTarget::named(*config.attach.netns);
    check_file("netns", *config.attach.netns, target.path);
  }
  if (config.attach.userns) {
    check_file("userns", *config.attach.userns, *config.attach.userns);
    target.user_path = *config.attach.userns;
  }
  return target;
}

} // namespace slirpstack
