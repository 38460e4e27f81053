#pragma once

#include <string>
#include <vector>

namespace slirpstack {

/// The child's first message to GuestCommand: 0, or why it could not make its namespaces.
struct NamespacesMade
{
  int error_number = 0;
};

/// GuestCommand's first answer. The second message is the text of the resolv.conf.
constexpr char IDS_MAPPED = 'm';

/// The child's side of GuestCommand, which describes it: makes the namespaces, waits at `socket`
/// (SOCK_SEQPACKET) for its ids and its resolv.conf, executes `command`. A `socket` that closes
/// too early ends it with status 1.
[[noreturn]] void become_guest_command(int socket,
                                       const std::vector<std::string>& command) noexcept;

} // namespace slirpstack
