#include "accel/nat_ring.hh"

#include "accel/libbpf.hh"
#include "base/error.hh"
#include "base/log.hh"

#include <cerrno>
#include <exception>
#include <utility>

namespace slirpstack {

namespace {

constexpr unsigned RECORDS_AT_ONCE = 1024;

} // namespace

void NatRing::Free::operator()(ring_buffer* ring) const
{
  libbpf().ring_buffer__free(ring);
}

NatRing::NatRing(const NatObject& object, const char* map, OnRecord on_record)
  : on_record_(std::move(on_record))
  , ring_(libbpf().ring_buffer__new(object.map(map), pass_on, this, nullptr))
{
  if (!ring_) {
    throw_system_error("listen to the BPF programs");
  }
}

int NatRing::fd() const
{
  return libbpf().ring_buffer__epoll_fd(ring_.get());
}

void NatRing::read()
{
  budget_ = RECORDS_AT_ONCE;
  libbpf().ring_buffer__consume(ring_.get());
}

int NatRing::pass_on(void* self, void* data, std::size_t size_bytes) noexcept
{
  auto& ring = *static_cast<NatRing*>(self);
  try {
    ring.on_record_({static_cast<const std::uint8_t*>(data), size_bytes});
  } catch (const std::exception& error) { // libbpf, which calls, knows none; a record may be lost
    log(LogLevel::warning, "cannot act on what the NAT says", {{"reason", error.what()}});
  }
  return --ring.budget_ == 0 ? -EAGAIN : 0; // stops here, and goes on from here
}

} // namespace slirpstack
