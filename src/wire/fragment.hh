#pragma once

#include "base/clock.hh"
#include "wire/ip.hh"

#include <functional>
#include <list>
#include <optional>
#include <variant>
#include <vector>

namespace slirpstack {

/// What reassembly may hold. A datagram of 65535 bytes comes in 118 fragments over the smallest
/// IPv4 MTU of 576; RFC 791 wants 15 s or more, RFC 8200 4.5 wants 60 s.
struct ReassemblyLimits
{
  std::size_t bytes = std::size_t{1} << 20U;
  std::size_t datagrams = 64;
  std::size_t fragments_per_datagram = 128;
  Duration ipv4_lifetime = std::chrono::seconds(30);
  Duration ipv6_lifetime = std::chrono::seconds(60);
};

/// Puts the fragments of IPv4 (RFC 791 3.2) and IPv6 (RFC 8200 4.5) datagrams together again.
///
/// A datagram is named by source, destination and identification (and the protocol in IPv4).
/// Fragments wait in order of offset until there is no gap. Exact duplicates are ignored; any
/// other overlap ends the datagram, and what still comes of it until its time is out is dropped
/// (RFC 5722). When the memory is full the oldest datagram makes room for the newest: a guest
/// that never finishes its fragments hurts itself only.
class Reassembler
{
public:
  struct Incomplete
  {};
  /// A whole packet, as if it had never been cut: fragment fields zero, lengths and the IPv4
  /// header checksum right, IPv6's fragment header gone.
  using Packet = std::vector<std::uint8_t>;
  using Result = std::variant<Incomplete, Packet, Drop>;

  /// Losses of datagrams held already (evicted, timed out) are counted in `drops`, which must
  /// outlive this; the Drop that add() returns is left for its caller to count.
  explicit Reassembler(DropCounters& drops, ReassemblyLimits limits = {});

  /// Takes a packet whose header, as parsed from it, is_fragment(). The bytes are copied.
  Result add(const IpHeader& header, ByteView packet, TimePoint now);

  /// Ends what is out of time. Gives the first fragment, a packet as it came, of each datagram
  /// of which it did come: time exceeded may be sent for those (RFC 1122 3.3.2, RFC 8200 4.5).
  std::vector<Packet> expire(TimePoint now);

  /// When to call expire(); NEVER with nothing held.
  [[nodiscard]] TimePoint next_deadline() const;
  [[nodiscard]] std::size_t held_bytes() const { return held_bytes_; }
  [[nodiscard]] std::size_t held_datagrams() const { return datagrams_.size(); }

private:
  struct Key
  {
    IpAddress source;
    IpAddress destination;
    std::uint32_t identification = 0;
    std::uint8_t protocol = 0; ///< 0 in IPv6, where it is no part of the name
    auto operator<=>(const Key&) const = default;
  };
  struct Piece
  {
    std::size_t offset_bytes = 0;
    std::vector<std::uint8_t> data;
    [[nodiscard]] std::size_t end_bytes() const { return offset_bytes + data.size(); }
  };
  using Pieces = std::vector<Piece>;
  struct Datagram
  {
    Key key;
    TimePoint deadline;
    std::vector<std::uint8_t> first_header; ///< of the fragment at offset 0, as it came
    std::size_t unfragmentable_bytes = 0;
    Pieces pieces; ///< by offset, without overlap
    std::size_t data_bytes = 0;
    std::size_t end_bytes = 0; ///< where the last fragment ends; 0 until it came
    std::size_t charged_bytes = 0;
    std::optional<Drop> spoiled_by; ///< set: swallows the rest
  };
  using Datagrams = std::list<Datagram>; // oldest first
  /// Where in the datagram's data a fragment lies.
  struct Range
  {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool is_last = false;
  };

  static Key key_of(const IpHeader& header);
  static bool collides(const Datagram& datagram, Pieces::const_iterator place, Range range);
  Datagrams::iterator find_or_open(const Key& key, TimePoint now);
  bool make_room(const Datagram& newest, std::size_t bytes);
  void keep(Datagram& datagram,
            Pieces::const_iterator place,
            const IpHeader& header,
            ByteView packet);
  Drop spoil(Datagram& datagram, Drop reason);
  Result finish(Datagrams::iterator datagram);
  Datagrams::iterator erase(Datagrams::iterator datagram);
  Datagrams::iterator lose(Datagrams::iterator datagram, Drop reason);

  DropCounters& drops_;
  ReassemblyLimits limits_;
  Datagrams datagrams_;
  std::size_t held_bytes_ = 0;
};

/// Takes one fragment: its IP header and its part of the data. Both views last for the call.
using FragmentSink = std::function<void(ByteView header, ByteView payload)>;

/// Cuts a whole packet of our own (no options, no extension headers, no Don't Fragment) into
/// fragments of at most `mtu_bytes`, all but the last carrying a multiple of eight bytes. A packet
/// that fits is given as it is. Returns how many were given; 0 if the packet is not of that kind or
/// the MTU leaves no room for eight bytes.
std::size_t fragment_packet(ByteView packet,
                            std::size_t mtu_bytes,
                            std::uint32_t identification,
                            const FragmentSink& sink);

} // namespace slirpstack
