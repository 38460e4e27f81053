#include "load/ping_pong.hh"

#include "base/error.hh"
#include "load/echo.hh"
#include "load/number.hh"
#include "load/subcommands.hh"

#include <thread>
#include <vector>

namespace slirpstack::bench {

namespace {

constexpr Duration WARM_UP = std::chrono::milliseconds(100);
constexpr Duration ANSWER_LIMIT = std::chrono::seconds(5);

} // namespace

Duration round_trip(const FileDescriptor& socket, std::span<char> bytes)
{
  const TimePoint start = Clock::now();
  system_call("send", ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
  const ssize_t count
    = system_call("receive", ::recv(socket.get(), bytes.data(), bytes.size(), MSG_WAITALL));
  if (static_cast<std::size_t>(count) != bytes.size()) {
    throw std::runtime_error("the connection ended early");
  }
  return Clock::now() - start;
}

void run_ping_pong(const Arguments& arguments)
{
  const FileDescriptor socket = connect_to(SocketAddress(arguments[0], arguments[1]));
  limit_receive(socket, ANSWER_LIMIT);
  std::vector<char> bytes(parse_number<std::uint16_t>(arguments[3]), ECHO_PLAIN);
  const TimePoint warm = Clock::now() + WARM_UP;
  const TimePoint deadline = warm + parse_seconds(arguments[2]);
  Latencies latencies;
  while (Clock::now() < deadline) {
    const Duration taken = round_trip(socket, bytes);
    if (Clock::now() > warm) {
      latencies.add(taken);
    }
  }
  fmt::print("{}\n", latencies.to_json());
}

} // namespace slirpstack::bench
