#pragma once

#include "flow/packet_sink.hh"
#include "wire/icmp.hh"
#include "wire/transport_checksum.hh"
#include "wire/udp.hh"

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace slirpstack {

/// A packet that the guest got: a copy, and what the sender said of it.
struct GuestReceived
{
  std::vector<std::uint8_t> bytes;
  ChecksumState checksum = ChecksumState::complete;
  std::uint16_t segment_size_bytes = 0;
  std::uint16_t headers_length_bytes = 0;
  std::uint16_t checksum_offset_bytes = 0;
  std::size_t pieces = 0;

  [[nodiscard]] IpHeader ip() const { return value(IpHeader::parse(bytes)); }
  [[nodiscard]] ByteView payload() const { return ip().payload(bytes); }
  [[nodiscard]] UdpHeader udp() const { return value(UdpHeader::parse(payload())); }
  [[nodiscard]] ByteView udp_data() const { return payload().subspan(UDP_HEADER_BYTES); }
  [[nodiscard]] Endpoint udp_from() const { return {ip().source, udp().source_port}; }
  [[nodiscard]] Endpoint udp_to() const { return {ip().destination, udp().destination_port}; }
  [[nodiscard]] IcmpEcho echo() const { return value(IcmpEcho::parse(ip().family(), payload())); }
  /// Of an ICMP message: type and code, the second word, and what follows it.
  [[nodiscard]] std::pair<int, int> icmp_type_code() const { return {payload()[0], payload()[1]}; }
  [[nodiscard]] std::uint32_t icmp_rest() const
  {
    Reader reader(payload());
    reader.skip(4);
    return reader.u32();
  }
  [[nodiscard]] ByteView icmp_quote() const { return payload().subspan(ICMP_HEADER_BYTES); }
  /// Whether the transport checksum is right once the device has done its part.
  [[nodiscard]] bool checksum_is_right() const;

private:
  template<typename T>
  static T value(const Parsed<T>& parsed)
  {
    if (!parsed) {
      throw std::logic_error("what the guest got is no such packet");
    }
    return *parsed;
  }
};

/// The guest's end of the link: keeps what it is sent.
class FakeGuest final : public PacketSink
{
public:
  void send(const OutboundPacket& packet) override;
  void give_back(const GuestPacket& packet) override;
  void give_back_piece(ByteView header, ByteView payload) override;
  [[nodiscard]] bool cuts_tcp() const override { return cuts_tcp_; }
  [[nodiscard]] bool cuts_udp() const override { return cuts_udp_; }
  [[nodiscard]] std::uint32_t mtu_bytes() const override { return mtu_bytes_; }

  void set_cuts_tcp(bool cuts) { cuts_tcp_ = cuts; }
  void set_cuts_udp(bool cuts) { cuts_udp_ = cuts; }
  void set_mtu(std::uint32_t mtu_bytes) { mtu_bytes_ = mtu_bytes; }

  /// What came since the last call.
  std::vector<GuestReceived> take() { return std::exchange(received_, {}); }
  /// The one packet that came since the last call; there must be just one.
  GuestReceived take_one()
  {
    auto all = take();
    if (all.size() != 1) {
      throw std::logic_error("one packet was expected, not " + std::to_string(all.size()));
    }
    return all.front();
  }
  [[nodiscard]] const std::vector<GuestReceived>& received() const { return received_; }
  /// Frames that were put back onto the device since the last call.
  std::vector<std::vector<std::uint8_t>> take_given_back()
  {
    return std::exchange(given_back_, {});
  }

private:
  bool cuts_tcp_ = true;
  bool cuts_udp_ = true;
  std::uint32_t mtu_bytes_ = 1500;
  std::vector<GuestReceived> received_;
  std::vector<std::vector<std::uint8_t>> given_back_;
};

} // namespace slirpstack
