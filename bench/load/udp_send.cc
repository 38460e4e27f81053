#include "base/error.hh"
#include "load/datagram_batch.hh"
#include "load/number.hh"
#include "load/pacer.hh"
#include "load/socket.hh"
#include "load/subcommands.hh"

#include <cerrno>
#include <sys/prctl.h>
#include <thread>

namespace slirpstack::bench {

namespace {

constexpr Duration HELLO_LIMIT = std::chrono::seconds(5);
constexpr int FAREWELLS = 5;
constexpr Duration FAREWELL_SPACING = std::chrono::milliseconds(20);

/// Sends numbered datagrams over a connected socket at a steady pace.
class DatagramSender
{
public:
  DatagramSender(const FileDescriptor& socket, std::uint64_t rate_bps, std::size_t datagram_bytes)
    : socket_(socket), rate_bps_(rate_bps), datagram_bytes_(datagram_bytes), batch_(datagram_bytes)
  {
    ::prctl(PR_SET_TIMERSLACK, 1UL); // the usual 50 us would coarsen the pace
  }

  /// Prints how many the kernel took and in how many seconds.
  void run(Duration duration)
  {
    const TimePoint start = Clock::now();
    const TimePoint deadline = start + duration;
    Pacer pacer(rate_bps_, datagram_bytes_, start);
    while (Clock::now() < deadline) {
      send(pacer.take(Clock::now(), BATCH));
      std::this_thread::sleep_until(pacer.next());
    }
    const double seconds = to_seconds(Clock::now() - start);
    say_farewell();
    fmt::print("{{\"sent\": {}, \"seconds\": {:.6f}}}\n", sent_, seconds);
  }

private:
  void send(std::size_t count)
  {
    for (std::size_t i = 0; i < count; ++i) {
      batch_.number(i, sent_ + i);
    }
    for (std::size_t done = 0; done < count;) {
      const int taken = ::sendmmsg(
        socket_.get(), batch_.messages().data() + done, static_cast<unsigned>(count - done), 0);
      if (taken < 0) {
        check_send_error();
        return;
      }
      done += static_cast<std::size_t>(taken);
      sent_ += static_cast<std::size_t>(taken);
    }
  }

  static void check_send_error()
  {
    // A full queue and an answer to an earlier datagram cost this burst its turn, no more.
    if (errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED) {
      throw_system_error("sendmmsg");
    }
  }

  void say_farewell()
  {
    batch_.number(0, LAST_DATAGRAM);
    for (int i = 0; i < FAREWELLS; ++i) {
      std::this_thread::sleep_for(FAREWELL_SPACING);
      // The receiver may have gone after the first.
      ::sendmmsg(socket_.get(), batch_.messages().data(), 1, 0);
    }
  }

  const FileDescriptor& socket_;
  std::uint64_t rate_bps_;
  std::size_t datagram_bytes_;
  DatagramBatch batch_;
  Sequence sent_ = 0;
};

void send_paced(const FileDescriptor& socket, const Arguments& arguments)
{
  DatagramSender sender(
    socket, parse_number<std::uint64_t>(arguments[2]), parse_number<std::uint16_t>(arguments[4]));
  sender.run(parse_seconds(arguments[3]));
}

void connect_peer(const FileDescriptor& socket, const SocketAddress& peer)
{
  system_call("connect", ::connect(socket.get(), peer.data(), peer.size()));
}

} // namespace

void run_udp_send(const Arguments& arguments)
{
  const SocketAddress target(arguments[0], arguments[1]);
  const FileDescriptor socket = datagram_socket(target.family());
  connect_peer(socket, target);
  send_paced(socket, arguments);
}

void run_udp_serve(const Arguments& arguments)
{
  const SocketAddress address(arguments[0], arguments[1]);
  const FileDescriptor socket = datagram_socket(address.family());
  bind_to(socket, address);
  limit_receive(socket, HELLO_LIMIT);
  announce_ready();
  SocketAddress asker;
  socklen_t size = asker.size();
  char hello = 0;
  system_call("wait for a first datagram",
              ::recvfrom(socket.get(), &hello, sizeof hello, 0, asker.data(), &size));
  asker.resize(size);
  connect_peer(socket, asker);
  send_paced(socket, arguments);
}

} // namespace slirpstack::bench
