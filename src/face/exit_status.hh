#pragma once

namespace slirpstack {

// Exit statuses of a program that could not start; those of slirpnetstack, whatever the name.

inline constexpr int EXIT_USAGE = 2;
inline constexpr int EXIT_FORWARD_LOOKUP = 246; ///< the address of a forward cannot be found
inline constexpr int EXIT_LISTEN = 247;         ///< an address cannot be listened on
inline constexpr int EXIT_CAPTURE = 250;        ///< the capture file cannot be written
inline constexpr int EXIT_FD_WITH_NETNS = 252;
inline constexpr int EXIT_INTERFACE
  = 253; ///< the namespace cannot be joined, or its interface opened
inline constexpr int EXIT_METRICS = 254;

} // namespace slirpstack
