#pragma once

#include "gateway/guest_sender.hh"

#include <array>

namespace slirpstack {

/// Consecutive datagrams of one flow and size on their way to the guest, gathered so that they
/// leave as one super-packet. Borrows the payloads until `flush()`.
class UdpRun
{
public:
  explicit UdpRun(GuestSender& sender) : sender_(sender) {}

  /// A datagram, or several of one size behind one another (0: just one). `to` is the guest's.
  void add(const Endpoint& from,
           const Endpoint& to,
           ByteView payload,
           std::uint16_t segment_size_bytes);
  void flush();

private:
  [[nodiscard]] bool joins(const Endpoint& from, const Endpoint& to, ByteView payload) const;

  GuestSender& sender_;
  Endpoint from_;
  Endpoint to_;
  std::array<ByteView, GuestSender::MAX_DATAGRAMS> datagrams_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

} // namespace slirpstack
