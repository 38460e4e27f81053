#pragma once

#include "scenario/segment.hh"
#include "scenario/world.hh"

#include <string>

namespace slirpstack {

/// The guest's end of one TCP connection, as simple as can be: it numbers what the script sends,
/// checks the numbers of what comes, and acknowledges only when the script says so.
class TcpGuest
{
public:
  static constexpr std::uint32_t ISS = 0xfffff000; // the numbers wrap early in every test

  /// What came, with its data gathered.
  struct Heard
  {
    TcpHeader tcp;
    std::string data;
    GuestReceived packet;
  };

  TcpGuest(World& world,
           const Endpoint& here = endpoint("10.0.2.100", 40000),
           const Endpoint& there = endpoint("192.0.2.1", 80))
    : world_(world), here_(here), there_(there)
  {}

  /// Sends a segment as a batch of its own.
  void sends(const Segment& segment);
  /// Sends a segment; the batch goes on.
  void sends_on(const Segment& segment);
  /// The segment as a packet with right checksums; nothing is remembered.
  [[nodiscard]] std::vector<std::uint8_t> packet(const Segment& segment) const;

  /// The next packet must be a segment of this connection with just these flags (PSH aside) that
  /// follows what came before.
  Heard expects(std::uint8_t flags);
  /// The same, but it may have come before: a retransmission, a probe.
  Heard expects_again(std::uint8_t flags);
  /// The same with whatever flags.
  Heard hears();
  /// Takes what has come, some of it perhaps again, without acknowledging; returns the new data.
  std::string hears_all();
  void expects_nothing() { world_.expects_nothing(); }
  /// Its window is closed from now on, and the gateway knows.
  void closes_window();
  /// Time passes, the window stays closed; its kernel answers each probe.
  void keeps_window_closed_for(std::chrono::seconds duration);
  /// The three segments of an opening with the given SYN; the host agrees.
  void connects(const Segment& opening = syn());
  /// Takes and acknowledges data until so many bytes have come.
  std::string receives(std::size_t bytes);

  /// The host's socket of this connection: the last one opened by connects().
  [[nodiscard]] FakeStream& host() const;

  /// The number of the next byte that it sends, and of the next one that it expects.
  std::uint32_t next = ISS;
  std::uint32_t heard = 0;
  std::uint16_t window = 65535; ///< as sent, not scaled

private:
  World& world_;
  Endpoint here_;
  Endpoint there_;
  std::size_t stream_ = 0;
};

inline constexpr std::uint8_t SYN_ACK = TCP_FLAG_SYN | TCP_FLAG_ACK;
inline constexpr std::uint8_t FIN_ACK = TCP_FLAG_FIN | TCP_FLAG_ACK;
inline constexpr std::uint8_t RST_ACK = TCP_FLAG_RST | TCP_FLAG_ACK;
inline constexpr std::uint8_t ACK = TCP_FLAG_ACK;
inline constexpr std::uint8_t RST = TCP_FLAG_RST;

/// Text of that length in which no two stretches look alike, so that a mix-up shows.
[[nodiscard]] std::string pattern(std::size_t length_bytes);

} // namespace slirpstack
