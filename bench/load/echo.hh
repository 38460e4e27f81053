#pragma once

namespace slirpstack::bench {

// What the first byte of a piece asks of the echo server beside sending it back.

/// Nothing more; the server closes when the client does.
inline constexpr char ECHO_PLAIN = 'e';
/// Keep your half open after the client's FIN: a flow half-closed by the guest.
inline constexpr char ECHO_AND_KEEP = 'k';
/// Send a FIN and go on reading: a flow half-closed by the server.
inline constexpr char ECHO_AND_SHUT = 's';

} // namespace slirpstack::bench
