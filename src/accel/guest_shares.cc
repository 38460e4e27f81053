#include "accel/guest_shares.hh"

#include "flow/fair_share.hh"

#include <tuple>

namespace slirpstack {

bool GuestShares::Order::operator()(const nat_session_key& one, const nat_session_key& other) const
{
  const auto tied = [](const nat_session_key& key) {
    return std::tuple(key.address, key.port, key.remote_address, key.remote_port, key.protocol);
  };
  return tied(one) < tied(other);
}

void GuestShares::remove(const GuestFlows& guest)
{
  for (const nat_session_key& session : ended(guest)) {
    places_.erase(session);
  }
  guests_.erase(&guest);
}

bool GuestShares::may_have_one_more_of(std::size_t own, std::size_t all) const
{
  return limits_.is_shared ? may_have_one_more(own, all, limits_.max_flows)
                           : all < limits_.max_flows;
}

std::optional<std::size_t> GuestShares::excess(const GuestFlows& guest) const
{
  std::size_t all = places_.size();
  for (const auto& [each, ended] : guests_) {
    all += each->flows();
  }
  const auto known = guests_.find(&guest);
  const std::size_t spare = known == guests_.end() ? 0 : known->second.size();
  if (!may_have_one_more_of(guest.flows(), all - spare)) {
    return std::nullopt;
  }
  std::size_t own = guest.flows() + spare;
  std::size_t given_up = 0;
  for (; !may_have_one_more_of(own, all); --own, --all) {
    ++given_up;
  }
  return given_up;
}

void GuestShares::add_ended(const nat_session_key& session, const GuestFlows& guest)
{
  const auto [place, is_new] = places_.try_emplace(session, Place{&guest, next_number_});
  if (is_new) {
    guests_[&guest].emplace(next_number_++, session);
  }
}

void GuestShares::remove_ended(const nat_session_key& session)
{
  const auto place = places_.find(session);
  if (place == places_.end()) {
    return;
  }
  guests_[place->second.guest].erase(place->second.number);
  places_.erase(place);
}

std::vector<nat_session_key> GuestShares::ended(const GuestFlows& guest) const
{
  std::vector<nat_session_key> sessions;
  if (const auto known = guests_.find(&guest); known != guests_.end()) {
    for (const auto& [number, session] : known->second) {
      sessions.push_back(session);
    }
  }
  return sessions;
}

std::optional<nat_session_key> GuestShares::oldest_ended(const GuestFlows& guest) const
{
  const auto known = guests_.find(&guest);
  return known == guests_.end() || known->second.empty()
           ? std::nullopt
           : std::optional(known->second.begin()->second);
}

} // namespace slirpstack
