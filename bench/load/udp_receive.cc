#include "base/error.hh"
#include "load/datagram_batch.hh"
#include "load/number.hh"
#include "load/socket.hh"
#include "load/subcommands.hh"

#include <cerrno>

namespace slirpstack::bench {

namespace {

// Longer than a full queue takes to drain.
constexpr Duration SILENCE_IS_THE_END = std::chrono::milliseconds(500);
constexpr Duration HELLO_AGAIN = std::chrono::milliseconds(50);

/// Counts numbered datagrams until the sender's farewell, a silence or the deadline.
class DatagramCounter
{
public:
  DatagramCounter(const FileDescriptor& socket, std::size_t datagram_bytes)
    : socket_(socket), batch_(datagram_bytes)
  {
    batch_.expect_any_size();
  }

  /// True when a first datagram came within the socket's receive limit.
  bool receive()
  {
    const int count
      = ::recvmmsg(socket_.get(), batch_.messages().data(), BATCH, MSG_WAITFORONE, nullptr);
    if (count < 0 && errno != EAGAIN && errno != ECONNREFUSED) {
      throw_system_error("recvmmsg");
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(count, 0)); ++i) {
      note(i);
    }
    return count > 0;
  }

  void receive_rest(TimePoint deadline)
  {
    limit_receive(socket_, SILENCE_IS_THE_END);
    while (!ended_ && Clock::now() < deadline && receive()) {}
  }

  void print() const
  {
    fmt::print(R"({{"received": {}, "malformed": {}, "reordered": {}, "seconds": {:.6f}}})"
               "\n",
               received_,
               malformed_,
               reordered_,
               to_seconds(last_ - first_));
  }

private:
  void note(std::size_t index)
  {
    const Sequence sequence = batch_.sequence_of(index);
    if (!batch_.is_whole(index)) {
      ++malformed_;
    } else if (sequence == LAST_DATAGRAM) {
      ended_ = true;
    } else {
      last_ = Clock::now();
      first_ = received_ == 0 ? last_ : first_;
      ++received_;
      reordered_ += sequence < expected_ ? 1 : 0;
      expected_ = std::max(expected_, sequence + 1);
    }
  }

  const FileDescriptor& socket_;
  DatagramBatch batch_;
  Sequence expected_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t malformed_ = 0;
  std::uint64_t reordered_ = 0;
  bool ended_ = false;
  TimePoint first_{};
  TimePoint last_{};
};

} // namespace

void run_udp_receive(const Arguments& arguments)
{
  const SocketAddress address(arguments[0], arguments[1]);
  const Duration limit = parse_seconds(arguments[2]);
  const FileDescriptor socket = datagram_socket(address.family());
  bind_to(socket, address);
  limit_receive(socket, limit);
  DatagramCounter counter(socket, parse_number<std::uint16_t>(arguments[3]));
  announce_ready();
  if (counter.receive()) {
    counter.receive_rest(Clock::now() + limit);
  }
  counter.print();
}

void run_udp_fetch(const Arguments& arguments)
{
  const SocketAddress target(arguments[0], arguments[1]);
  const TimePoint deadline = Clock::now() + parse_seconds(arguments[2]);
  const FileDescriptor socket = datagram_socket(target.family());
  system_call("connect", ::connect(socket.get(), target.data(), target.size()));
  limit_receive(socket, HELLO_AGAIN);
  DatagramCounter counter(socket, parse_number<std::uint16_t>(arguments[3]));
  bool answered = false;
  while (!answered && Clock::now() < deadline) {
    const char hello = 'h';
    ::send(socket.get(), &hello, sizeof hello, 0);
    answered = counter.receive();
  }
  counter.receive_rest(deadline);
  counter.print();
}

} // namespace slirpstack::bench
