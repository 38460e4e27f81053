#include "load/echo.hh"
#include "load/number.hh"
#include "load/opener.hh"
#include "load/ping_pong.hh"
#include "load/subcommands.hh"

#include <array>
#include <cstdio>
#include <fcntl.h>
#include <iostream>
#include <random>
#include <sstream>
#include <string>

namespace slirpstack::bench {

namespace {

constexpr std::size_t CONCURRENCY = 64;
constexpr Duration ANSWER_LIMIT = std::chrono::seconds(10);

/// A quarter of the flows is half-closed by the guest, a quarter by the server.
char request_for(std::size_t number)
{
  constexpr std::array REQUESTS = {ECHO_PLAIN, ECHO_AND_KEEP, ECHO_PLAIN, ECHO_AND_SHUT};
  return REQUESTS[number % REQUESTS.size()];
}

void make_blocking(const FileDescriptor& socket)
{
  ::fcntl(socket.get(), F_SETFL, 0);
  limit_receive(socket, ANSWER_LIMIT);
}

/// Many flows held open at once.
class OpenFlows
{
public:
  explicit OpenFlows(const SocketAddress& target) : target_(target) {}

  /// Opens more until there are `total`.
  std::string open(std::size_t total, TimePoint deadline)
  {
    const std::size_t before = whole_.size() + halves_.size();
    Opener opener(target_, CONCURRENCY);
    const auto outcome = opener.open(
      total - std::min(total, before),
      deadline,
      [before](std::size_t number) { return request_for(before + number); },
      [this, before](std::size_t number, FileDescriptor socket) {
        keep(request_for(before + number), std::move(socket));
      });
    return fmt::format(R"({{"open": {}, "failed": {}, "seconds": {:.3f}}})",
                       whole_.size() + halves_.size(),
                       outcome.failed,
                       to_seconds(outcome.elapsed));
  }

  /// Round trips, each over a flow chosen at random among those open both ways.
  std::string ping(TimePoint deadline)
  {
    Latencies latencies;
    char byte = ECHO_PLAIN;
    while (Clock::now() < deadline && !whole_.empty()) {
      std::uniform_int_distribution<std::size_t> any(0, whole_.size() - 1);
      latencies.add(round_trip(whole_[any(random_)], {&byte, 1}));
    }
    return latencies.to_json();
  }

private:
  void keep(char request, FileDescriptor socket)
  {
    make_blocking(socket);
    if (request == ECHO_PLAIN) {
      whole_.push_back(std::move(socket));
      return;
    }
    if (request == ECHO_AND_KEEP) {
      ::shutdown(socket.get(), SHUT_WR);
    }
    halves_.push_back(std::move(socket));
  }

  SocketAddress target_;
  std::vector<FileDescriptor> whole_;
  std::vector<FileDescriptor> halves_;
  std::minstd_rand random_; // the same order in every run
};

} // namespace

void run_open_flows(const Arguments& arguments)
{
  OpenFlows flows(SocketAddress(arguments[0], arguments[1]));
  const Duration limit = parse_seconds(arguments[2]);
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string order;
    std::string value;
    words >> order >> value;
    if (order == "open") {
      fmt::print("{}\n", flows.open(parse_number<std::size_t>(value), Clock::now() + limit));
    } else if (order == "ping") {
      fmt::print("{}\n", flows.ping(Clock::now() + parse_seconds(value)));
    } else {
      throw UsageError(fmt::format("\"{}\" is not open COUNT or ping SECONDS", line));
    }
    std::fflush(stdout);
  }
}

} // namespace slirpstack::bench
