#include "guest/guest_tap.hh"

#include "base/error.hh"
#include "guest/configure.hh"
#include "guest/handover.hh"
#include "guest/interface.hh"
#include "guest/tap_device.hh"

#include <cassert>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <net/if.h>
#include <type_traits>

namespace slirpstack {

namespace {

/// What travels from the child beside the descriptor.
struct Facts
{
  bool is_tap = true;
  bool vnet_header = false;
  bool udp_segmentation = false;
  unsigned mtu_bytes = 0;
  int index = 0;
  MacAddress guest_mac;
  GuestAddresses addresses;
};
static_assert(std::is_trivially_copyable_v<Facts>, "it crosses a socket as bytes");

void check_name(const std::string& interface)
{
  if (interface.empty() || interface.size() >= IFNAMSIZ || interface == "." || interface == ".."
      || interface.find_first_of("/: \t\n%") != std::string::npos) {
    throw UsageError(fmt::format(
      "invalid value \"{}\" for flag -interface: an interface's name has 1 to 15 characters",
      interface));
  }
}

void check_usable(const std::optional<Interface>& existing, const TapRequest& request)
{
  if (!existing && !request.configure) {
    throw std::system_error(
      ENODEV, std::generic_category(), fmt::format("open the interface {}", request.interface));
  }
  if (existing && existing->kind == Interface::Kind::other) {
    throw UsageError(fmt::format(
      "invalid value \"{}\" for flag -interface: it is no tap or tun device", request.interface));
  }
}

/// The interface as it is now; it was there a moment ago.
Interface require_interface(RouteSocket& socket, const std::string& name)
{
  const std::optional<Interface> found = find_interface(socket, name);
  if (!found) {
    throw std::system_error(
      ENODEV, std::generic_category(), fmt::format("look the interface {} up", name));
  }
  return *found;
}

struct GuestInterface
{
  Interface interface;
  GuestAddresses addresses;
};

/// Of a new interface nothing is asked that has just been told.
GuestInterface configure(RouteSocket& socket, const TapRequest& request, bool is_new)
{
  Interface interface = require_interface(socket, request.interface);
  if (request.mac && is_new) {
    set_mac(socket, interface, *request.mac);
    interface.mac = *request.mac;
  }
  const GuestAddresses given
    = configure_interface(socket, interface, request.mtu_bytes, request.addresses);
  interface.mtu_bytes = request.mtu_bytes;
  return {interface, is_new ? given : read_addresses(socket, interface)};
}

GuestInterface as_it_is(RouteSocket& socket, const std::string& name)
{
  const Interface interface = require_interface(socket, name);
  return {interface, read_addresses(socket, interface)};
}

/// Runs in the child.
Handover open_inside(const Namespace& guest, const TapRequest& request)
{
  guest.enter();
  RouteSocket socket;
  const std::optional<Interface> existing = find_interface(socket, request.interface);
  check_usable(existing, request);
  TapDevice device = open_tap_device(request.interface, existing);
  const auto [interface, addresses] = request.configure ? configure(socket, request, !existing)
                                                        : as_it_is(socket, request.interface);
  const Facts facts{device.is_tap,
                    device.vnet_header,
                    device.udp_segmentation,
                    interface.mtu_bytes,
                    interface.index,
                    interface.mac,
                    addresses};
  Handover handover;
  handover.bytes.resize(sizeof facts);
  std::memcpy(handover.bytes.data(), &facts, sizeof facts);
  handover.descriptors.push_back(std::move(device.fd));
  handover.descriptors.push_back(MtuNews::open_socket());
  return handover;
}

} // namespace

OpenedTap open_guest_tap(const NamespaceTarget& target, const TapRequest& request)
{
  check_name(request.interface);
  const Namespace guest(target);
  if (request.configure && guest.is_ours()) { // the host itself would be configured
    throw UsageError(
      target.pid
        ? fmt::format("-configure: process {} is in slirpstack's own network namespace (has it "
                      "not made its own yet?)",
                      *target.pid)
        : fmt::format("-configure: {} is slirpstack's own network namespace", target.path));
  }
  Handover handover = run_in_child([&] { return open_inside(guest, request); });
  Facts facts;
  assert(handover.bytes.size() == sizeof facts && handover.descriptors.size() == 2);
  std::memcpy(static_cast<void*>(&facts), handover.bytes.data(), sizeof facts);
  return {std::move(handover.descriptors.front()),
          facts.is_tap,
          facts.vnet_header,
          facts.udp_segmentation,
          facts.mtu_bytes,
          MtuNews(std::move(handover.descriptors[1]), facts.index, facts.mtu_bytes),
          facts.guest_mac,
          facts.addresses};
}

} // namespace slirpstack
