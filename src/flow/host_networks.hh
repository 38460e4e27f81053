#pragma once

#include "wire/address.hh"

#include <cstdint>
#include <optional>
#include <vector>

namespace slirpstack {

/// Which addresses are the host's own, and which networks it is attached to without a gateway in
/// between. A plain value.
class HostNetworks
{
public:
  enum class Kind : std::uint8_t
  {
    own_address,
    attached_network, ///< includes its broadcast addresses
    routed_network,   ///< behind a gateway that is not the default one
  };

  HostNetworks() = default;

  /// The host bits of `prefix` do not matter.
  void add(Kind kind, const Prefix& prefix);

  /// What `address` is to the host; nothing when it lies behind the default gateway. An own address
  /// is one even inside an attached network, and that is one inside a routed one.
  [[nodiscard]] std::optional<Kind> find(const IpAddress& address) const;
  [[nodiscard]] bool empty() const { return own_.empty() && attached_.empty() && routed_.empty(); }

  bool operator==(const HostNetworks&) const = default;

private:
  // Sorted, each network once.
  std::vector<Prefix> own_;
  std::vector<Prefix> attached_;
  std::vector<Prefix> routed_;
};

} // namespace slirpstack
