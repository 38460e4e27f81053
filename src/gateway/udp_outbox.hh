#pragma once

#include "flow/host_network.hh"

#include <memory>
#include <vector>

namespace slirpstack {

/// Who sends what an outbox holds: a socket, and an ear for what could not be sent.
class UdpSender
{
public:
  virtual ~UdpSender() = default;
  [[nodiscard]] virtual HostDatagrams& socket() = 0;
  /// `datagram.payload` lasts for the call.
  virtual void on_send_failed(const OutboundDatagram& datagram, const HostError& error) = 0;
};

/// The guest's datagrams on their way to the host's sockets. They are copied here (a copy of
/// 1400 bytes is far cheaper than a system call per datagram) and leave together: one call per
/// socket, and runs of equal size to one remote as one UDP_SEGMENT super-datagram. The order
/// within a flow is kept. Large ones are not held back, and not copied.
class UdpOutbox
{
public:
  UdpOutbox();

  /// Takes a datagram, or several in one payload. May send at once, what came before included.
  void add(UdpSender& sender, const OutboundDatagram& datagram);
  /// Sends everything.
  void flush();
  /// Drops what `sender`, which is about to go, has not sent.
  void forget(const UdpSender& sender);

private:
  struct Entry
  {
    UdpSender* sender;
    std::size_t number;        ///< in order of arrival
    OutboundDatagram datagram; ///< its payload lies in arena_
  };

  void send_now(UdpSender& sender, const OutboundDatagram& datagram);
  void append(const OutboundDatagram& datagram);
  void gather(OutboundDatagram& run, ByteView next);
  void submit(UdpSender& sender);

  std::unique_ptr<std::uint8_t[]> arena_; ///< where entries' payloads lie, in order of arrival
  std::unique_ptr<std::uint8_t[]> runs_;  ///< where a run is gathered that does not lie together
  std::size_t arena_used_bytes_ = 0;
  std::size_t runs_used_bytes_ = 0;
  std::vector<Entry> entries_;
  std::vector<OutboundDatagram> sending_; ///< of one sender, runs joined
};

} // namespace slirpstack
