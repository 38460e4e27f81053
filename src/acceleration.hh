#pragma once

#include "control/accelerator_view.hh"
#include "face/config.hh"
#include "flow/flow_offload.hh"
#include "flow/port_publisher.hh"
#include "flow/prefix_map.hh"
#include "flow/published_forward.hh"
#include "guest/guest_addresses.hh"
#include "guest/link.hh"
#include "guest/namespace.hh"
#include "host/loop.hh"

#include <memory>
#include <stdexcept>
#include <string>

namespace slirpstack {

/// A guest's place in the accelerator: a veth pair into its namespace, and a tap of ours for what
/// the user-mode stack serves. It goes with this object.
class AcceleratedGuest
{
public:
  virtual ~AcceleratedGuest() = default;

  /// The tap, for the link; to be taken once.
  [[nodiscard]] virtual Link::Device take_device() = 0;
  [[nodiscard]] virtual const GuestAddresses& addresses() const = 0;
  /// Who carries flows of the guest that policy has allowed. Must be given back all records before
  /// this object goes.
  [[nodiscard]] virtual FlowOffload& offload() = 0;
  /// The guest's prefix mappings are these from now on.
  virtual void set_mappings(const PrefixMap& map) = 0;
  /// Who publishes the guest's ports at addresses that are not the host's; null: nobody. It goes
  /// with this object.
  [[nodiscard]] virtual PortPublisher* publisher() = 0;
  /// The guest's namespace is gone for good, and its bindings with it.
  virtual void forget() = 0;
};

/// Why there is no accelerator, in one line.
class AccelerationUnavailable : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
};

/// The accelerator, at work as the options ask for it.
class Acceleration : public AcceleratorView
{
public:
  /// `loop` must outlive it. Throws AccelerationUnavailable where privileges, the kernel, the
  /// driver or this build lack what it takes; UsageError for options that do not fit this host.
  [[nodiscard]] static std::unique_ptr<Acceleration> start(const Config& config, Loop& loop);

  /// Makes the guest's interface; `config.network` says what it is to be like. The result must not
  /// outlive this. Throws std::system_error, UsageError.
  [[nodiscard]] virtual std::unique_ptr<AcceleratedGuest> join(const NamespaceTarget& target,
                                                               const Config& config)
    = 0;
  /// Forwards to subscribers who are no guests of ours; null where there are guests.
  [[nodiscard]] virtual PublishedForwards* forwards() = 0;
  /// All guests of the start have joined.
  virtual void complete() = 0;
};

} // namespace slirpstack
