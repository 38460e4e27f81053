#pragma once

#include "accel/nat_object.hh"
#include "base/bytes.hh"

#include <functional>
#include <memory>

struct ring_buffer;

namespace slirpstack {

/// Reads what the programs write into one of their ring buffers.
class NatRing
{
public:
  using OnRecord = std::function<void(ByteView record)>;

  /// `map` is its name in nat_map.h. Throws std::system_error.
  NatRing(const NatObject& object, const char* map, OnRecord on_record);

  /// Readable while there are records.
  [[nodiscard]] int fd() const;
  /// Passes on what there is, up to a bound: a flood of records must not keep the caller.
  void read();

private:
  struct Free
  {
    void operator()(ring_buffer* ring) const;
  };

  static int pass_on(void* self, void* data, std::size_t size_bytes) noexcept;

  OnRecord on_record_;
  unsigned budget_ = 0;
  std::unique_ptr<ring_buffer, Free> ring_;
};

} // namespace slirpstack
