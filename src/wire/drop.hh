#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace slirpstack {

/// Why a packet was not carried on. Each loss in the program has one of these names, which the
/// log and the metrics show.
enum class Drop : std::uint8_t
{
  truncated,         ///< the bytes end before the header or message does
  bad_version,       ///< neither IPv4 nor IPv6, or not the version expected here
  bad_length,        ///< a length field contradicts the bytes or another field
  bad_header,        ///< a field has a value that its RFC forbids
  bad_checksum,      ///<
  bad_option,        ///< an option that is malformed or reaches over the header's end
  bad_vnet_header,   ///< a virtio_net_hdr that does not fit its frame
  unexpected_type,   ///< well formed, but not the message that was asked for
  fragment_overlap,  ///< RFC 5722: the whole datagram goes
  fragment_limit,    ///< reassembly is out of its bounds in bytes, datagrams or fragments
  fragment_timeout,  ///< a fragment never came
  unknown_ethertype, ///<
  unknown_protocol,  ///<
  spoofed_source,    ///< a source address that no guest can have: ours, loopback, multicast, none
  multicast,         ///< multicast or broadcast, which is not carried
  no_memory,         ///<
  too_many_flows,    ///<
  denied,            ///< by policy
  tap_full,          ///< the kernel's queue towards the guest
  host_full,         ///< the host socket's send buffer
  udp_filtered,      ///< from a remote that the UDP filter keeps out (RFC 4787 5)
  unsolicited,       ///< an echo reply to nothing that the guest asked
  rate_limited,      ///< over the rate of the rule that allows the flow
  too_many_clients,  ///< of UDP forwards
  fragment_carried,  ///< of a flow that the kernel's NAT carries, and in no pieces that fit its way
  source_routed,     ///< by an IPv4 option (LSRR, SSRR), past what policy sees
  count_,
};

/// The name in snake case, as the metrics spell it: "bad_checksum".
[[nodiscard]] std::string_view drop_name(Drop reason);

/// How often each reason occurred.
class DropCounters
{
public:
  void count(Drop reason, std::uint64_t times = 1) { counts_[index(reason)] += times; }
  [[nodiscard]] std::uint64_t of(Drop reason) const { return counts_[index(reason)]; }

private:
  static std::size_t index(Drop reason)
  {
    assert(reason < Drop::count_);
    return static_cast<std::size_t>(reason);
  }

  std::array<std::uint64_t, static_cast<std::size_t>(Drop::count_)> counts_{};
};

/// What a parser gives: a value, or the reason why there is none. `T` is default-constructible.
template<typename T>
class Parsed
{
public:
  // Implicit both ways, so that a parser says `return header;` or `return Drop::truncated;`.
  Parsed(const T& value) : value_(value) {}
  Parsed(Drop reason) : drop_(reason) { assert(reason < Drop::count_); }

  explicit operator bool() const { return drop_ == Drop::count_; }
  /// Only when there is a value.
  const T& operator*() const
  {
    assert(*this);
    return value_;
  }
  const T* operator->() const { return &**this; }
  /// Only when there is no value.
  [[nodiscard]] Drop drop() const
  {
    assert(!*this);
    return drop_;
  }

private:
  T value_{};
  Drop drop_ = Drop::count_;
};

} // namespace slirpstack
