#pragma once

#include "stack/connection.hh"
#include "stack/lwip.hh"

#include <cassert>

namespace slirpstack {

/// While it lives, lwIP knows this connection and no other.
class Connection::World
{
public:
  explicit World(Connection& connection) : connection_(connection)
  {
    assert(connection.stack_.lists_are_empty());
    connection.stack_.enter();
    if (connection.pcb_ == nullptr) {
      return;
    }
    (connection.time_wait_ ? tcp_tw_pcbs : tcp_active_pcbs) = connection.pcb_;
    connection.pcb_->next = nullptr;
  }
  ~World()
  {
    connection_.time_wait_ = tcp_active_pcbs == nullptr && tcp_tw_pcbs != nullptr;
    connection_.pcb_ = connection_.time_wait_ ? tcp_tw_pcbs : tcp_active_pcbs;
    tcp_active_pcbs = nullptr;
    tcp_tw_pcbs = nullptr;
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  World(World&&) = delete;
  World& operator=(World&&) = delete;

private:
  Connection& connection_;
};

} // namespace slirpstack
