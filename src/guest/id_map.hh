#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>

namespace slirpstack {

/// The map text that gives a new user namespace every id of ours under the same number, from
/// the text of /proc/self/uid_map (or gid_map): what is not mapped here cannot be mapped there,
/// user_namespaces(7). Lines that cannot be read are left out.
[[nodiscard]] std::string identity_map(std::string_view own_map);

/// The map text that makes `id` root in a new user namespace and maps nobody else; every user
/// may do that with his own id.
[[nodiscard]] std::string root_map(id_t id);

/// Writes the maps of `child`, which has just made its user namespace: identity_map() where we
/// are root and may, otherwise root_map(). Throws std::system_error.
void write_id_maps(pid_t child);

} // namespace slirpstack
