#pragma once

#include "accel/binding_writer.hh"
#include "accel/nat_plan.hh"
#include "accel/subscriber_places.hh"
#include "flow/published_forward.hh"
#include "host/loop.hh"

#include <cstdint>
#include <map>
#include <vector>

namespace slirpstack {

/// Forwards of the NAT between two interfaces, to subscribers behind the internal one: bindings
/// that last until they are removed (NAT_STATIC). They take precedence over services of the
/// router's own, where the external address is that, and count for no quota. With port blocks,
/// which say whose a port is without a log (RFC 7422), no forward has a port of another
/// subscriber's block.
class NatForwards final : public PublishedForwards
{
public:
  /// `loop`, `writer` and `plan` must outlive this. Null: the pool is too large for forwards.
  NatForwards(Loop& loop, BindingWriter* writer, const NatPlan& plan);

  PublishedForward add(const ForwardSpec& spec) override;
  bool remove(std::uint32_t id) override;
  [[nodiscard]] std::vector<PublishedForward> list() const override;

  /// The interface behind which subscribers are; 0: it is gone.
  void set_interface(unsigned index);
  /// What is for that subscriber cannot be delivered, as it has not sent anything yet.
  void find(const IpAddress& subscriber) { places_.ask(subscriber); }

private:
  void check_blocks(const std::vector<PublishedPort>& ports) const;
  void open(const std::vector<PublishedPort>& ports);
  void close(const std::vector<PublishedPort>& ports);
  void on_found(const IpAddress& subscriber, const MacAddress& mac);

  BindingWriter* writer_;
  const NatPlan& plan_;
  SubscriberPlaces places_;
  unsigned interface_ = 0;
  std::map<std::uint32_t, PublishedForward> forwards_;
  std::uint32_t last_id_ = 0;
};

} // namespace slirpstack
