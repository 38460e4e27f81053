#pragma once

#include "mapped_bed.hh"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace slirpstack::test {

/// Says whether a frame that was carried may be, and is what it should be. It reads packets as the
/// user-mode stack does: whatever the kernel carries has to be the same flow to both.
class MappedJudge
{
public:
  /// `carried`: packets of the guest's that begin the flows which are in `mapped`.
  MappedJudge(const MappedBed& bed, const std::vector<Packet>& carried);

  /// What is wrong with a frame of the guest's that was sent to the world as `seen`; empty:
  /// nothing.
  std::string objection_out(const Bytes& sent, const Bytes& seen);
  /// The same of one from the world that was sent to the guest.
  std::string objection_in(const Bytes& sent, const Bytes& seen);

private:
  enum class Way
  {
    out,
    in,
  };
  struct Reading
  {
    IpHeader header;
    std::optional<FlowKey> flow; ///< as it is called where the packet was sent
    bool is_error = false;
  };
  using Datagram = std::tuple<Way, IpAddress, IpAddress, std::uint32_t>;

  [[nodiscard]] static std::optional<FlowKey> flow_of(std::uint8_t protocol,
                                                      const IpAddress& source,
                                                      const IpAddress& destination,
                                                      ByteView transport,
                                                      Way way);
  [[nodiscard]] static std::optional<Reading> read(ByteView packet, Way way);
  static void read_quotation(ByteView quote, Way way, Reading& reading);
  [[nodiscard]] bool is_of_flow(const Reading& reading, Way way);
  [[nodiscard]] IpAddress translated(const IpAddress& address, Way way) const;
  std::string objection(const Bytes& sent, const Bytes& seen, Way way);

  const MappedBed& bed_;
  std::vector<FlowKey> inside_;
  std::vector<FlowKey> outside_;
  std::set<Datagram> begun_;
};

} // namespace slirpstack::test
