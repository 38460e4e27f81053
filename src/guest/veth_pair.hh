#pragma once

#include "guest/guest_addresses.hh"
#include "guest/namespace.hh"

#include <functional>
#include <string>

namespace slirpstack {

/// What the two ends of a guest's veth pair are to be.
struct VethRequest
{
  std::string host_name; ///< 1 to 15 characters, as the other
  std::string guest_name;
  unsigned mtu_bytes = 1500;
  GuestAddresses addresses;
  /// Runs in the guest's network namespace with the guest's end there, not yet used.
  std::function<void(const std::string& interface)> prepare;
  /// Takes over a pair that is there already, left behind by `keep()`.
  bool adopts = false;
};

/// A veth pair: one end in the guest's namespace, configured as `-configure` does; the other in
/// ours, where the kernel neither forwards nor speaks. It goes with this object; with SIGKILL it
/// stays, and is replaced by the next one of its name.
class VethPair
{
public:
  /// The namespace is entered by a child. Throws std::system_error, UsageError if the guest has
  /// another interface of that name.
  VethPair(const NamespaceTarget& target, const VethRequest& request);
  ~VethPair();
  VethPair(const VethPair&) = delete;
  VethPair& operator=(const VethPair&) = delete;

  /// From now on the pair outlives this object, for a successor that adopts it.
  void keep() { is_kept_ = true; }

  [[nodiscard]] const std::string& host_name() const { return host_name_; }
  [[nodiscard]] int host_index() const { return host_index_; }
  [[nodiscard]] const MacAddress& guest_mac() const { return guest_mac_; }
  /// As they are on the guest's end.
  [[nodiscard]] const GuestAddresses& addresses() const { return addresses_; }

private:
  std::string host_name_;
  int host_index_ = 0;
  MacAddress guest_mac_;
  GuestAddresses addresses_;
  bool is_kept_ = false;
};

/// Names of our ends of what a guest's namespace gets, the same at each start: `slv` or `slt` and
/// the namespace's inode number. Throws std::system_error.
[[nodiscard]] std::string veth_name(const NamespaceTarget& target);
[[nodiscard]] std::string host_tap_name(const NamespaceTarget& target);

} // namespace slirpstack
