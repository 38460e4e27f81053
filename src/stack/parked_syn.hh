#pragma once

#include "flow/packet_sink.hh"
#include "stack/connection.hh"
#include "wire/icmp_error.hh"
#include "wire/tcp.hh"

#include <memory>
#include <vector>

namespace slirpstack {

/// The guest's SYN, held while the host connects. Dropping it leaves the guest without an answer;
/// every outcome of the host's connect() has its own honest one.
class ParkedSyn
{
public:
  /// Copies the headers; data on a SYN is left for the guest to send again.
  ParkedSyn(const IpHeader& ip, const TcpHeader& tcp, ByteView packet);

  /// The host is connected: lwIP answers with SYN-ACK. Null when it could not.
  [[nodiscard]] std::unique_ptr<Connection> admit(Stack& stack, ConnectionEvents& events) const;
  /// The RST that says "refused".
  [[nodiscard]] SmallPacket reset() const;
  /// What a router would leave of the SYN's hop limit.
  [[nodiscard]] std::uint8_t forwarded_hop_limit() const
  {
    return static_cast<std::uint8_t>(ip_.hop_limit - 1);
  }
  /// The headers, for an ICMP error to quote.
  [[nodiscard]] ByteView headers() const { return headers_; }

private:
  IpHeader ip_;
  TcpHeader tcp_;
  std::vector<std::uint8_t> headers_;
};

} // namespace slirpstack
