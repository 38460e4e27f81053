#include "accel/nat_ends.hh"

#include "base/error.hh"

#include <cstddef>
#include <sys/mman.h>

namespace slirpstack {

namespace {

constexpr std::size_t SIZE_BYTES = NAT_ENDED_SLOTS * sizeof(std::uint64_t);

std::uint64_t* map_counts(int map)
{
  void* const counts = ::mmap(nullptr, SIZE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
  if (counts == MAP_FAILED) {
    throw_system_error("map the BPF map ended into memory");
  }
  return static_cast<std::uint64_t*>(counts);
}

} // namespace

NatEnds::NatEnds(const NatObject& object) : counts_(map_counts(object.map("ended"))) {}

void NatEnds::Unmap::operator()(std::uint64_t* counts) const
{
  ::munmap(counts, SIZE_BYTES);
}

} // namespace slirpstack
