#pragma once

#include "base/clock.hh"

#include <cstddef>
#include <list>
#include <optional>

namespace slirpstack {

class UdpClientFlow;

/// The clients of all local UDP forwards, in the order in which they were last heard of. Who can
/// send to the host can pose as any number of them, so they have a bound of their own, below that
/// of all flows; at the bound who has been silent for long makes room.
class UdpClients
{
public:
  /// A client's place in the order, which is free once this is destroyed.
  class Place
  {
  public:
    Place(UdpClients& clients, UdpClientFlow& flow, TimePoint now);
    ~Place() { leave(); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    Place(Place&&) = delete;
    Place& operator=(Place&&) = delete;

    /// Something came from the client, or went to it.
    void touch(TimePoint now);
    [[nodiscard]] TimePoint last_active() const { return last_active_; }
    /// Early, where the flow has finished but is not buried yet.
    void leave();

  private:
    UdpClients& clients_;
    TimePoint last_active_;
    std::optional<std::list<UdpClientFlow*>::iterator> position_;
  };

  explicit UdpClients(std::size_t most) : most_(most) {}

  [[nodiscard]] std::size_t most() const { return most_; }
  [[nodiscard]] bool full() const { return order_.size() >= most_; }
  /// Who has been silent for longest; null: there is nobody.
  [[nodiscard]] UdpClientFlow* most_silent() const
  {
    return order_.empty() ? nullptr : order_.front();
  }

private:
  std::size_t most_;
  std::list<UdpClientFlow*> order_; ///< the most silent first
};

} // namespace slirpstack
