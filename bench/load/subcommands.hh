#pragma once

#include <span>
#include <string_view>

namespace slirpstack::bench {

/// What follows the subcommand's name; main checks the count against the usage table. A
/// subcommand throws UsageError and std::system_error, and prints its result as one line of JSON.
using Arguments = std::span<const std::string_view>;

/// ADDRESS PORT SECONDS: serves ping-pong, connect-rate, open-flows and first-connect; prints
/// `ready` when it listens.
void run_echo_server(const Arguments& arguments);

/// ADDRESS PORT SECONDS: connects again and again, prints when it first got through
/// (`monotonic_ns`) and ends.
void run_first_connect(const Arguments& arguments);

/// ADDRESS PORT SECONDS BYTES: round trips of BYTES over one connection.
void run_ping_pong(const Arguments& arguments);

/// ADDRESS PORT SECONDS COUNT CONCURRENCY: connect, one byte there and back, close.
void run_connect_rate(const Arguments& arguments);

/// ADDRESS PORT SECONDS: holds flows open and obeys lines on standard input: `open COUNT` (in
/// all), `ping SECONDS`, until its end; each is answered with a line.
void run_open_flows(const Arguments& arguments);

/// ADDRESS PORT RATE_BPS SECONDS BYTES: sends paced datagrams there.
void run_udp_send(const Arguments& arguments);

/// ADDRESS PORT RATE_BPS SECONDS BYTES: the same, to the first who sends it a datagram; prints
/// `ready` when it listens.
void run_udp_serve(const Arguments& arguments);

/// ADDRESS PORT SECONDS BYTES: counts what udp-send sends; prints `ready` when it listens.
void run_udp_receive(const Arguments& arguments);

/// ADDRESS PORT SECONDS BYTES: asks udp-serve there and counts what it sends.
void run_udp_fetch(const Arguments& arguments);

/// DESCRIPTOR COMMAND…: writes the monotonic clock in nanoseconds to DESCRIPTOR, closes it and
/// becomes COMMAND, which is killed when our parent ends.
void run_stamp(const Arguments& arguments);

} // namespace slirpstack::bench
