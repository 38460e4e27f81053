#include "accel/own_addresses.hh"
#include "accel/running_nat.hh"
#include "base/log.hh"

#include <algorithm>

// How the NAT follows its interfaces, and what they have.

namespace slirpstack {

FollowedInterface::Role RunningNat::external_role()
{
  return {
    .flag = settings_.external_flag,
    .name = "external",
    .attach
    = [this](const ExternalLink& link) { nat_.attach_external(static_cast<int>(link.index)); },
    .detach = [this](const ExternalLink& link) { nat_.detach(static_cast<int>(link.index)); }};
}

FollowedInterface::Role RunningNat::internal_role()
{
  return {.flag = "-i",
          .name = "internal",
          .attach =
            [this](const ExternalLink& link) {
              add_guest({.interface = static_cast<int>(link.index), .tap = 0, .mac = {}});
              forwards_->set_interface(link.index);
            },
          .detach =
            [this](const ExternalLink& link) {
              forwards_->set_interface(0);
              take_out(static_cast<int>(link.index));
            }};
}

RouteMirror::Outlook RunningNat::follow()
{
  if (!is_following_) {
    return {.link = external_.link(), .is_settled = true};
  }
  bool is_settled = external_.follow();
  if (internal_) {
    is_settled = internal_->follow() && is_settled;
    follow_gateway();
  }
  follow_address();
  return {.link = external_.link(), .is_settled = is_settled};
}

/// The router as those behind the internal interface know it.
void RunningNat::follow_gateway()
{
  if (internal_->link().index == 0) {
    return;
  }
  NatPlan& plan = settings_.plan;
  const std::vector<IpAddress> own = own_addresses(internal_->name());
  const IpAddress gateway = own.empty() ? plan.gateway : own.front();
  if (gateway != plan.gateway || internal_->link().mac != plan.gateway_mac) {
    plan.gateway = gateway;
    plan.gateway_mac = internal_->link().mac;
    program_settings_.change(settings_.plan);
  }
}

/// Who exchanges the two interfaces, or gives a network that is elsewhere, would see nothing else
/// than that nothing is translated.
void RunningNat::warn_of_unrouted() const
{
  for (const Prefix& network : settings_.plan.internal) {
    if (!routes_.is_routed(network, internal_->link().index)) {
      log(LogLevel::warning,
          "the host has no route to an internal network by the internal interface",
          {{"network", network.to_string()}, {"interface", internal_->name()}});
    }
  }
}

/// An interface without an address may get the same one back.
void RunningNat::follow_address()
{
  if (!settings_.follows_address || external_.link().index == 0) {
    return;
  }
  const std::vector<IpAddress> own = own_addresses(external_.name());
  if (!own.empty() && std::ranges::find(own, settings_.plan.external.front().first) == own.end()) {
    move_to(own.front());
  }
}

void RunningNat::move_to(const IpAddress& address)
{
  log(LogLevel::warning,
      "the external interface has another address: guests have that now, and flows of the old end",
      {{"was", addresses_text(settings_.plan)}, {"is", address.to_string()}});
  settings_.plan.external = {{address, address}};
  settings_.plan.own = {address};
  program_settings_.change(settings_.plan);
  end_unplanned();
  binding_log_.begin_anew();
  if (BindingWriter* const binds = publisher()) {
    binds->replace_pool(make_pool(), address, Clock::now());
  }
}

} // namespace slirpstack
