#include "load/opener.hh"

#include "load/echo.hh"
#include "load/number.hh"
#include "load/subcommands.hh"

#include <algorithm>
#include <cerrno>

namespace slirpstack::bench {

Opener::Opener(const SocketAddress& target, std::size_t concurrency)
  : target_(target), attempts_(concurrency)
{}

Opener::Outcome Opener::open(std::size_t count,
                             TimePoint deadline,
                             const RequestFor& request_for,
                             const OnOpen& on_open)
{
  const TimePoint start = Clock::now();
  Outcome outcome;
  std::size_t begun = 0;
  for (std::size_t slot = 0; slot < attempts_.size() && begun < count; ++slot) {
    begin(slot, begun++);
  }
  while (outcome.opened + outcome.failed < begun && Clock::now() < deadline) {
    for (const epoll_event& event : poller_.wait(deadline)) {
      Attempt& attempt = attempts_[event.data.u64];
      if (!advance(attempt, event.data.u64, request_for)) {
        continue;
      }
      if (attempt.socket) {
        ++outcome.opened;
        on_open(attempt.number, std::move(attempt.socket));
      } else {
        ++outcome.failed;
      }
      if (begun < count && Clock::now() < deadline) {
        begin(event.data.u64, begun++);
      }
    }
  }
  outcome.elapsed = Clock::now() - start;
  return outcome;
}

void Opener::begin(std::size_t slot, std::size_t number)
{
  attempts_[slot] = Attempt{start_connecting(target_), number};
  poller_.add(attempts_[slot].socket, EPOLLOUT, slot);
}

bool Opener::advance(Attempt& attempt, std::uint64_t slot, const RequestFor& request_for)
{
  char byte = request_for(attempt.number);
  const int socket = attempt.socket.get();
  if (!attempt.sent) {
    attempt.sent = ::send(socket, &byte, 1, MSG_NOSIGNAL) == 1;
    if (attempt.sent) {
      poller_.change(attempt.socket, EPOLLIN, slot);
      return false;
    }
  } else if (::recv(socket, &byte, 1, 0) == 1) {
    poller_.remove(attempt.socket);
    return true;
  } else if (errno == EAGAIN) {
    return false;
  }
  attempt.socket.reset();
  return true;
}

void run_connect_rate(const Arguments& arguments)
{
  Opener opener(SocketAddress(arguments[0], arguments[1]), parse_number<std::size_t>(arguments[4]));
  const auto outcome = opener.open(
    parse_number<std::size_t>(arguments[3]),
    Clock::now() + parse_seconds(arguments[2]),
    [](std::size_t) { return ECHO_PLAIN; },
    [](std::size_t, FileDescriptor socket) { socket.reset(); });
  fmt::print(R"({{"opened": {}, "failed": {}, "rate": {:.1f}}})"
             "\n",
             outcome.opened,
             outcome.failed,
             static_cast<double>(outcome.opened) / to_seconds(outcome.elapsed));
}

} // namespace slirpstack::bench
