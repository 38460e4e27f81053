#pragma once

#include "load/poller.hh"
#include "load/socket.hh"

#include <functional>
#include <vector>

namespace slirpstack::bench {

/// Opens connections to the echo server, several at a time. One counts as open when the byte it
/// sent has come back.
class Opener
{
public:
  struct Outcome
  {
    std::size_t opened = 0;
    std::size_t failed = 0;
    Duration elapsed{};
  };
  /// The byte that the connection of this number sends (see echo.hh).
  using RequestFor = std::function<char(std::size_t number)>;
  /// Takes over the non-blocking socket; dropping it closes the connection.
  using OnOpen = std::function<void(std::size_t number, FileDescriptor socket)>;

  Opener(const SocketAddress& target, std::size_t concurrency);

  /// Opens `count` connections, numbered from 0, or what `deadline` leaves time for.
  Outcome open(std::size_t count,
               TimePoint deadline,
               const RequestFor& request_for,
               const OnOpen& on_open);

private:
  struct Attempt
  {
    FileDescriptor socket;
    std::size_t number = 0;
    bool sent = false;
  };

  void begin(std::size_t slot, std::size_t number);
  /// False while the attempt goes on; true when it ended, with or without a socket to hand over.
  bool advance(Attempt& attempt, std::uint64_t slot, const RequestFor& request_for);

  SocketAddress target_;
  std::vector<Attempt> attempts_;
  Poller poller_;
};

} // namespace slirpstack::bench
