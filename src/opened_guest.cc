#include "opened_guest.hh"

#include "base/error.hh"
#include "face/exit_status.hh"
#include "guest/guest_tap.hh"
#include "planned_guest.hh"

#include <fcntl.h>

namespace slirpstack {

namespace {

// slirpnetstack's own, which scripts may know.
constexpr MacAddress SLIRPNETSTACK_MAC{{0x70, 0x71, 0xaa, 0x4b, 0x29, 0xaa}};

TapRequest tap_request(const Config& config, bool configure)
{
  TapRequest request{.interface = config.network.interface,
                     .configure = configure,
                     .addresses = planned_addresses(config),
                     .mac = {}};
  if (config.network.mtu) {
    request.mtu_bytes = *config.network.mtu;
  }
  return request;
}

/// As the face has it.
Link::Device with_our_mac(Link::Device device, const Config& config)
{
  if (config.imitates_slirpnetstack()) {
    device.our_mac = SLIRPNETSTACK_MAC;
  }
  return device;
}

Link::Device link_device(OpenedTap& tap, const Config& config)
{
  return with_our_mac({.fd = std::move(tap.fd),
                       .is_ethernet = tap.is_tap,
                       .vnet_header = tap.vnet_header,
                       .udp_segmentation = tap.udp_segmentation,
                       .mtu_bytes = tap.mtu_bytes,
                       .guest_mac = tap.guest_mac},
                      config);
}

OpenedGuest opened(OpenedTap& tap, const Config& config)
{
  return {link_device(tap, config), tap.addresses, std::move(tap.mtu_news)};
}

Link::Device inherited_device(const Config& config)
{
  FileDescriptor socket(*config.attach.fd);
  const int flags = system_call("read the flags of -fd", ::fcntl(socket.get(), F_GETFL));
  system_call("make -fd non-blocking", ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK));
  ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
  constexpr std::uint32_t DEFAULT_MTU_BYTES = 1500;
  return with_our_mac({.fd = std::move(socket),
                       .mtu_bytes = config.network.mtu.value_or(DEFAULT_MTU_BYTES),
                       .guest_mac = {}},
                      config);
}

} // namespace

OpenedGuest open_guest(const Config& config,
                       Narrator& narrator,
                       std::optional<NamespaceWatch>& watch)
{
  if (config.attach.fd) {
    return {inherited_device(config), {}};
  }
  try {
    const NamespaceTarget target = attach_target(config);
    if (config.attach.netns) {
      narrator.joining(*config.attach.netns);
    }
    watch.emplace(target);
    narrator.opening(config.network.interface);
    OpenedTap tap = open_guest_tap(target, tap_request(config, config.network.configure));
    return opened(tap, config);
  } catch (const std::exception& error) {
    if (config.imitates_slirpnetstack()) {
      throw StartError(EXIT_INTERFACE, error.what());
    }
    throw;
  }
}

OpenedGuest open_guest(const Config& config, const GuestCommand& command)
{
  OpenedTap tap = open_guest_tap(command.target(), tap_request(config, true));
  return opened(tap, config);
}

} // namespace slirpstack
