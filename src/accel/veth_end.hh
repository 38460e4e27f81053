#pragma once

#include <string>

namespace slirpstack {

/// Makes a guest's end of a veth pair, in the calling thread's network namespace, fit for XDP at
/// the other end. It needs GRO, or frames redirected to it are dropped without a word; and it must
/// fill in checksums itself, since XDP sees no note that says they are missing. Throws
/// std::system_error.
void prepare_veth_end(const std::string& interface);

} // namespace slirpstack
