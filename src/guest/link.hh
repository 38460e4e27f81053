#pragma once

#include "base/block_pool.hh"
#include "base/file_descriptor.hh"
#include "flow/guest_packet.hh"
#include "flow/packet_sink.hh"
#include "guest/frame_log.hh"
#include "guest/frame_queue.hh"
#include "wire/address.hh"
#include "wire/drop.hh"
#include "wire/ip.hh"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace slirpstack {

/// The guest's link: the device's frames, stripped and given as IP packets, and the way back.
///
/// It answers ARP and Neighbor Solicitations for every address but the guest's own, so that any
/// destination is "on" the link, and learns the guest's Ethernet address from its frames. The
/// device may be a tap, a tun (bare IP packets) or a datagram socket with one Ethernet frame a
/// datagram; with or without virtio_net_hdr, whose absence costs checksums in software.
class Link final : public PacketSink
{
public:
  struct Device
  {
    FileDescriptor fd;             ///< non-blocking
    bool is_ethernet = true;       ///< false: bare IP packets
    bool vnet_header = false;      ///< each frame has a virtio_net_hdr before it
    bool udp_segmentation = false; ///< the guest's kernel cuts UDP super-packets
    std::uint32_t mtu_bytes = 1500;
    MacAddress guest_mac; ///< all zero: not known yet
    /// The gateway's Ethernet address: a locally administered one.
    MacAddress our_mac{{0x02, 's', 'l', 'i', 'r', 'p'}};
  };
  using PacketHandler = std::function<void(GuestPacket&&)>;

  Link(Device device, BlockPool& pool, DropCounters& drops, PacketHandler on_packet);

  [[nodiscard]] const MacAddress& our_mac() const { return device_.our_mac; }
  /// Asks the link who has the guest's IPv4 address, so that the guest learns ours.
  void announce(const IpAddress& gateway, const IpAddress& guest);
  /// Addresses of the guest itself, which are not answered for.
  void set_guest_addresses(std::vector<IpAddress> addresses)
  {
    guest_addresses_ = std::move(addresses);
  }
  /// Every frame in and out is told to `log` from now on.
  void set_frame_log(FrameLog* log) { frame_log_ = log; }

  /// Reads a batch of frames. False: the device is gone.
  [[nodiscard]] bool read_batch();

  void send(const OutboundPacket& packet) override;
  void give_back(const GuestPacket& packet) override;
  void give_back_piece(ByteView header, ByteView payload) override;
  [[nodiscard]] bool cuts_tcp() const override { return device_.vnet_header; }
  [[nodiscard]] bool cuts_udp() const override
  {
    return device_.vnet_header && device_.udp_segmentation;
  }
  [[nodiscard]] std::uint32_t mtu_bytes() const override { return device_.mtu_bytes; }
  void set_mtu_bytes(std::uint32_t mtu_bytes) { device_.mtu_bytes = mtu_bytes; }

  /// Whether there are frames that the device had no room for, to be sent once it is writable.
  [[nodiscard]] bool has_waiting() const { return !waiting_.empty(); }
  void send_waiting();

  [[nodiscard]] int fd() const { return device_.fd.get(); }
  /// A descriptor of the same device, to be watched for something else. Throws std::system_error.
  [[nodiscard]] FileDescriptor second_fd() const { return device_.fd.duplicate(); }

private:
  enum class Reading
  {
    frame,
    empty,
    gone,
  };

  [[nodiscard]] Reading read_frame(std::uint32_t& length_bytes);
  [[nodiscard]] bool hung_up() const;
  void on_frame(Block block, std::uint32_t length_bytes);
  [[nodiscard]] bool strip_vnet_header(GuestPacket& packet);
  [[nodiscard]] bool strip_ethernet_header(GuestPacket& packet);
  void on_arp(ByteView frame);
  /// True: the packet is ND or MLD, which end at the link, and has been dealt with.
  [[nodiscard]] bool is_link_chatter(ByteView packet);
  void answer_solicitation(const IpHeader& ip, ByteView message);
  void learn(const MacAddress& source);
  [[nodiscard]] bool is_guest_address(const IpAddress& address) const;
  [[nodiscard]] std::size_t write_link_headers(MutableBytes headers,
                                               std::uint16_t ethertype,
                                               const OutboundPacket& packet) const;
  void write_frame(std::uint16_t ethertype, const OutboundPacket& packet);
  void write_or_keep(std::span<const iovec> frame);
  void finish_checksum(const OutboundPacket& packet);
  void log_frame(std::span<iovec> pieces, std::size_t headers_bytes);

  Device device_;
  BlockPool& pool_;
  DropCounters& drops_;
  PacketHandler on_packet_;
  std::vector<IpAddress> guest_addresses_;
  FrameQueue waiting_;
  FrameLog* frame_log_ = nullptr;
  unsigned lone_batches_ = 0; ///< in a row, that brought a single frame
  unsigned batches_since_retry_ = 0;
};

} // namespace slirpstack
