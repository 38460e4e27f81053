#pragma once

#include "wire/address.hh"

#include <span>
#include <string>
#include <string_view>

namespace slirpstack {

/// The text of a resolv.conf that names `servers` and carries over the host's `search`, `domain`
/// and `options` lines (resolv.conf(5)); `host_text` is the host's file, perhaps empty.
[[nodiscard]] std::string resolv_conf_text(std::span<const IpAddress> servers,
                                           std::string_view host_text);

/// The host's /etc/resolv.conf as it is now; empty if it cannot be read.
[[nodiscard]] std::string read_host_resolv_conf();

/// Puts `text` where programs of this mount namespace read /etc/resolv.conf, and nowhere else:
/// the caller is root in a user and mount namespace of its own.
///
/// A file on a tmpfs is bind-mounted over the file that /etc/resolv.conf leads to. Where it
/// leads nowhere there is nothing to mount over, so /etc itself gets a tmpfs, in which every
/// entry of the host's stands again. Throws std::system_error.
void install_resolv_conf(std::string_view text);

/// Puts it there again where the host has replaced its file since: with that, the kernel takes away
/// what covered it, in every mount namespace. False: there was nothing to do. Throws
/// std::system_error.
bool restore_resolv_conf(std::string_view text);

} // namespace slirpstack
