#pragma once

#include "accel/route_news.hh"
#include "guest/route_events.hh"
#include "guest/rtnetlink.hh"
#include "host/loop.hh"

#include <functional>
#include <map>
#include <optional>

namespace slirpstack {

/// Where subscribers are that have not sent anything: at the Ethernet address to which the host
/// itself would send, by its routes and by its neighbours at the internal interface. The programs
/// learn from packets alone, and a packet from outside may be the first.
///
/// What is followed is asked for at once, and again from time to time: of what the programs send
/// the host's own stack sees nothing, so it would not notice that a neighbour has moved.
class SubscriberPlaces
{
public:
  /// A subscriber's Ethernet address, or that of the router before it; told when it changes. Must
  /// not throw.
  using OnFound = std::function<void(const IpAddress& subscriber, const MacAddress& mac)>;

  /// `loop` must outlive it. Throws std::system_error.
  SubscriberPlaces(Loop& loop, OnFound on_found);
  ~SubscriberPlaces();
  SubscriberPlaces(const SubscriberPlaces&) = delete;
  SubscriberPlaces& operator=(const SubscriberPlaces&) = delete;

  /// The interface behind which they are; 0: it is gone.
  void set_interface(unsigned index);
  /// To be told of from now on, if it is not already. What is known is told before this returns.
  void follow(const IpAddress& subscriber);
  void forget(const IpAddress& subscriber);
  /// There is a packet for it, and no Ethernet address.
  void ask(const IpAddress& subscriber);

private:
  struct Place
  {
    std::optional<IpAddress> next_hop; ///< the subscriber itself, or the router before it
    std::optional<MacAddress> told;
    TimePoint asked{};         ///< by the programs, last
    bool is_elsewhere = false; ///< which the log has said
  };

  void look(const IpAddress& subscriber, Place& place);
  void look_at_all();
  void note_changes();
  void read_all();
  void note(const NeighbourNews& news);
  void tell(const IpAddress& subscriber, Place& place);
  [[nodiscard]] std::optional<IpAddress> next_hop(const IpAddress& subscriber, Place& place);

  OnFound on_found_;
  unsigned interface_ = 0;
  std::map<IpAddress, Place> places_;
  std::map<IpAddress, MacAddress> neighbours_;
  RouteEvents changes_;
  RouteSocket reader_;
  Timer again_;
  Watch watch_;
};

} // namespace slirpstack
