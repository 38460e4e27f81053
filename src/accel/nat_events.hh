#pragma once

#include "accel/nat_object.hh"
#include "slirpstack/nat_map.h"

#include <functional>
#include <memory>

struct ring_buffer;

namespace slirpstack {

/// What the programs report: bindings made, room lost, neighbours wanted.
class NatEvents
{
public:
  using OnEvent = std::function<void(const nat_event&)>;

  /// Throws std::system_error.
  NatEvents(const NatObject& object, OnEvent on_event);

  /// Readable while there are events.
  [[nodiscard]] int fd() const;
  /// Passes on what there is, up to a bound: a flood of them must not keep the caller.
  void read();

private:
  struct Free
  {
    void operator()(ring_buffer* ring) const;
  };

  static int pass_on(void* self, void* data, std::size_t size_bytes) noexcept;

  OnEvent on_event_;
  unsigned budget_ = 0;
  std::unique_ptr<ring_buffer, Free> ring_;
};

} // namespace slirpstack
