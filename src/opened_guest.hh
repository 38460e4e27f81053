#pragma once

#include "face/config.hh"
#include "face/narrator.hh"
#include "guest/guest_addresses.hh"
#include "guest/guest_command.hh"
#include "guest/link.hh"
#include "guest/mtu_news.hh"
#include "guest/namespace_watch.hh"

#include <optional>

namespace slirpstack {

/// The way to a guest, and what it is called there.
struct OpenedGuest
{
  Link::Device device;
  GuestAddresses addresses;                       ///< none behind a socket
  std::optional<MtuNews> mtu_news = std::nullopt; ///< where an owner may change the MTU
};

/// Opens what the configuration names as the guest. `watch` then tells of its end, if it is a
/// namespace. Throws UsageError, StartError, std::system_error.
[[nodiscard]] OpenedGuest open_guest(const Config& config,
                                     Narrator& narrator,
                                     std::optional<NamespaceWatch>& watch);

/// Makes a tap in the namespaces of a command that is to run. Throws std::system_error.
[[nodiscard]] OpenedGuest open_guest(const Config& config, const GuestCommand& command);

} // namespace slirpstack
