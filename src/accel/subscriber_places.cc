#include "accel/subscriber_places.hh"

#include "accel/neighbours.hh"
#include "base/error.hh"
#include "base/log.hh"

#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <utility>

namespace slirpstack {

namespace {

// As long as the kernel takes a neighbour for reachable without news of it (arp(7)).
constexpr std::chrono::seconds LOOK_PERIOD(30);
constexpr std::chrono::seconds ASKING_PERIOD(1);

struct Way
{
  unsigned interface = 0;
  IpAddress next_hop;
};

/// What the kernel answers to the question for a route to `destination`.
std::optional<Way> parse_way(const nlmsghdr& message, const IpAddress& destination)
{
  if (message.nlmsg_type != RTM_NEWROUTE) {
    return std::nullopt;
  }
  const auto& body = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
  const Attributes<RTA_MAX> attributes(message, sizeof body);
  if (body.rtm_type != RTN_UNICAST) {
    return std::nullopt;
  }
  const ByteView gateway = attributes.bytes(RTA_GATEWAY);
  return Way{attributes.u32(RTA_OIF),
             gateway.size() == destination.bytes().size() ? IpAddress(gateway) : destination};
}

} // namespace

SubscriberPlaces::SubscriberPlaces(Loop& loop, OnFound on_found)
  : on_found_(std::move(on_found))
  , changes_(RouteEvents::open_socket(RTMGRP_NEIGH))
  , again_(loop, [this] { look_at_all(); })
  , watch_(loop, changes_.fd(), [this] { note_changes(); })
{}

SubscriberPlaces::~SubscriberPlaces() = default;

void SubscriberPlaces::set_interface(unsigned index)
{
  if (std::exchange(interface_, index) != index) {
    read_all();
    look_at_all();
  }
}

void SubscriberPlaces::follow(const IpAddress& subscriber)
{
  const auto [place, is_new] = places_.try_emplace(subscriber);
  if (!is_new) {
    place->second.told.reset(); // of another port, as yet without it
  }
  look(subscriber, place->second);
  if (again_.deadline() == NEVER) {
    again_.set(Loop::now() + LOOK_PERIOD);
  }
}

void SubscriberPlaces::forget(const IpAddress& subscriber)
{
  places_.erase(subscriber);
}

void SubscriberPlaces::ask(const IpAddress& subscriber)
{
  const auto place = places_.find(subscriber);
  // Each port of a forward asks; who scans them all shall not keep us busy.
  if (place != places_.end() && Loop::now() >= place->second.asked + ASKING_PERIOD) {
    place->second.asked = Loop::now();
    place->second.told.reset(); // the programs do not have it
    look(subscriber, place->second);
  }
}

void SubscriberPlaces::look(const IpAddress& subscriber, Place& place)
{
  if (interface_ == 0) {
    return;
  }
  try {
    place.next_hop = next_hop(subscriber, place);
    if (place.next_hop) {
      ask_for_neighbour(reader_, interface_, *place.next_hop);
      tell(subscriber, place);
    }
  } catch (const std::system_error& error) {
    log(LogLevel::warning, "cannot look for a subscriber", {{"reason", error.what()}});
  }
}

void SubscriberPlaces::look_at_all()
{
  for (auto& [subscriber, place] : places_) {
    look(subscriber, place);
  }
  if (!places_.empty()) {
    again_.set(Loop::now() + LOOK_PERIOD);
  }
}

std::optional<IpAddress> SubscriberPlaces::next_hop(const IpAddress& subscriber, Place& place)
{
  RouteRequest request(RTM_GETROUTE, NLM_F_ACK);
  auto& body = request.body<rtmsg>();
  body.rtm_family = AF_INET;
  body.rtm_dst_len = 32;
  request.put(RTA_DST, subscriber.bytes());
  std::optional<Way> way;
  const std::error_code error = reader_.transact(
    request, [&](const nlmsghdr& message) { way = parse_way(message, subscriber); });
  const bool is_here = !error && way && way->interface == interface_;
  if (!std::exchange(place.is_elsewhere, !is_here) && !is_here) {
    log(LogLevel::warning,
        "the host has no route to a forward's internal address by the internal interface: until it "
        "has sent something, nothing gets there",
        {{"internal", subscriber.to_string()}});
  }
  return is_here ? std::optional(way->next_hop) : std::nullopt;
}

void SubscriberPlaces::tell(const IpAddress& subscriber, Place& place)
{
  const auto known = neighbours_.find(*place.next_hop);
  if (known != neighbours_.end() && place.told != known->second) {
    place.told = known->second;
    on_found_(subscriber, known->second);
  }
}

void SubscriberPlaces::note(const NeighbourNews& news)
{
  // One that does not answer is where it was, as far as anybody knows.
  if (!news.mac) {
    neighbours_.erase(news.address);
    return;
  }
  neighbours_[news.address] = *news.mac;
  for (auto& [subscriber, place] : places_) {
    if (place.next_hop == news.address) {
      tell(subscriber, place);
    }
  }
}

void SubscriberPlaces::read_all()
{
  neighbours_.clear();
  if (interface_ != 0) {
    read_neighbours(
      reader_, Family::ipv4, interface_, [this](const NeighbourNews& news) { note(news); });
  }
}

void SubscriberPlaces::note_changes()
{
  const bool is_complete = changes_.read([this](const nlmsghdr& message) {
    if (const auto news = parse_neighbour(message, interface_)) {
      note(*news);
    }
  });
  watch_.resume();
  if (!is_complete) {
    try {
      read_all();
    } catch (const std::system_error& error) {
      log(LogLevel::warning, "cannot follow the subscribers", {{"reason", error.what()}});
    }
  }
}

} // namespace slirpstack
