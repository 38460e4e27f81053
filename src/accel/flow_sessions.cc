#include "accel/flow_sessions.hh"

#include "wire/ip.hh"

#include <cstddef>
#include <utility>
#include <vector>

namespace slirpstack {

namespace {

// Its own, and that of the remote's address (nat_session_key).
constexpr int SESSIONS_OF_A_FLOW = 2;

std::uint32_t filter_of(const nat_settings& settings, std::uint8_t protocol)
{
  switch (protocol) {
    case PROTOCOL_TCP:
      return settings.filter_tcp;
    case PROTOCOL_UDP:
      return settings.filter_udp;
    default:
      return settings.filter_icmp;
  }
}

} // namespace

FlowSessions::FlowSessions(const NatObject& object, const GuestShares::Limits& limits)
  : bindings_(object), table_(object.map("sessions")), shares_(limits)
{
  disallow_all();
}

void FlowSessions::disallow_all()
{
  std::vector<std::pair<nat_session_key, nat_session>> allowed;
  table_.for_each([&](const nat_session_key& key, const nat_session& session) {
    if ((session.flags & NAT_ALLOWED) != 0) {
      allowed.emplace_back(key, session);
    }
  });
  for (auto& [key, session] : allowed) {
    session.flags &= ~NAT_ALLOWED;
    table_.put(key, session);
  }
}

bool FlowSessions::make_room_for(const GuestFlows& guest)
{
  auto excess = shares_.excess(guest);
  while (excess && *excess > 0 && end_oldest_released(guest)) {
    --*excess;
  }
  return excess == std::size_t{0};
}

bool FlowSessions::end_oldest_released(const GuestFlows& guest)
{
  const auto oldest = shares_.oldest_ended(guest);
  if (oldest) {
    end(*oldest);
  }
  return oldest.has_value();
}

void FlowSessions::end_released(const GuestFlows& guest)
{
  while (end_oldest_released(guest)) {}
}

bool FlowSessions::add(const nat_settings& settings,
                       const nat_endpoint& external,
                       const FlowKey& flow,
                       const GuestFlows& guest,
                       TimePoint now)
{
  bool is_added = try_add(settings, external, flow, now);
  for (int i = 0; !is_added && i < SESSIONS_OF_A_FLOW && end_oldest_released(guest); ++i) {
    is_added = try_add(settings, external, flow, now);
  }
  return is_added;
}

bool FlowSessions::try_add(const nat_settings& settings,
                           const nat_endpoint& external,
                           const FlowKey& flow,
                           TimePoint now)
{
  using Added = NatTable<nat_session_key, nat_session>::Added;
  const nat_session_key key = map_session(external, flow.remote);
  nat_session session{};
  session.last = kernel_time(now);
  session.state = flow.protocol == PROTOCOL_TCP ? NAT_TCP_SYN_OUT : NAT_TCP_NONE;
  session.flags = NAT_ALLOWED;
  const Added added = table_.try_add(key, session);
  if (added == Added::full) {
    return false;
  }
  if (added == Added::exists) {
    allow(key);
  }
  if (filter_of(settings, flow.protocol) != NAT_FILTER_ADDRESS) {
    return true;
  }
  nat_session_key address = key;
  address.remote_port = 0;
  session.state = NAT_TCP_NONE;
  session.flags = 0; // it only lets in
  if (table_.try_add(address, session) != Added::full) {
    return true;
  }
  if (added == Added::added) {
    end(key);
  }
  return false;
}

/// The remote's own, or a predecessor's.
void FlowSessions::allow(const nat_session_key& key)
{
  if (auto session = table_.find(key)) {
    session->flags |= NAT_ALLOWED;
    session->flags &= ~(NAT_RELEASED | NAT_RESUMED);
    table_.put(key, *session);
    shares_.remove_ended(key);
  }
}

void FlowSessions::end(const nat_session_key& session)
{
  bindings_.end_session(session);
  shares_.remove_ended(session);
}

void FlowSessions::end(const nat_endpoint& external, const FlowKey& flow)
{
  nat_session_key key = map_session(external, flow.remote);
  end(key);
  key.remote_port = 0; // made anew by the next packet of another flow to that address
  end(key);
}

void FlowSessions::end_all_of(const std::set<nat_endpoint, NatEndpointOrder>& externals)
{
  if (externals.empty()) {
    return;
  }
  std::vector<nat_session_key> through;
  table_.for_each([&](const nat_session_key& key, const nat_session&) {
    if (externals.contains(external_of(key))) {
      through.push_back(key);
    }
  });
  for (const nat_session_key& key : through) {
    end(key);
  }
}

void FlowSessions::on_closed(const nat_session_key& session, const GuestFlows& guest)
{
  if (bindings_.release_session(session)) {
    shares_.add_ended(session, guest);
  }
}

} // namespace slirpstack
