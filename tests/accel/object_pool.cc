#include "object_pool.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "frame.hh"

#include <array>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstdint>
#include <vector>

namespace slirpstack::test {

namespace {

constexpr std::uint32_t MOST_MAPS = 64;

using Pool = std::vector<std::unique_ptr<NatObject>>;

Pool& unused(NatHook hook)
{
  static std::array<Pool, 2> pools;
  return pools[hook == NatHook::xdp ? 0 : 1];
}

void clear_array(int map, const bpf_map_info& info)
{
  constexpr std::uint32_t WORD = 8; // a value of each processor is padded to whole ones
  const bool is_per_processor = info.type == BPF_MAP_TYPE_PERCPU_ARRAY;
  const std::uint32_t padded = (info.value_size + WORD - 1) / WORD * WORD;
  const Bytes none(is_per_processor
                     ? static_cast<std::size_t>(padded) * ::libbpf_num_possible_cpus()
                     : info.value_size);
  for (std::uint32_t key = 0; key < info.max_entries; ++key) {
    system_call("clear a BPF array", ::bpf_map_update_elem(map, &key, none.data(), BPF_ANY));
  }
}

void clear_keys(int map, const bpf_map_info& info)
{
  Bytes key(info.key_size);
  while (::bpf_map_get_next_key(map, nullptr, key.data()) == 0) {
    system_call("clear a BPF map", ::bpf_map_delete_elem(map, key.data()));
  }
}

int discard(void* /*context*/, void* /*data*/, std::size_t /*bytes*/)
{
  return 0;
}

void clear_ring(int map)
{
  ring_buffer* const ring = ::ring_buffer__new(map, discard, nullptr, nullptr);
  if (ring == nullptr) {
    throw_system_error("read a BPF ring buffer");
  }
  ::ring_buffer__consume(ring);
  ::ring_buffer__free(ring);
}

void clear(std::uint32_t map_id)
{
  const FileDescriptor map(system_call("open a BPF map", ::bpf_map_get_fd_by_id(map_id)));
  bpf_map_info info{};
  std::uint32_t bytes = sizeof(info);
  system_call("ask about a BPF map", ::bpf_obj_get_info_by_fd(map.get(), &info, &bytes));
  switch (info.type) {
    case BPF_MAP_TYPE_ARRAY:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
      if ((info.map_flags & BPF_F_RDONLY_PROG) == 0) { // constants
        clear_array(map.get(), info);
      }
      break;
    case BPF_MAP_TYPE_RINGBUF:
      clear_ring(map.get());
      break;
    default:
      clear_keys(map.get(), info);
  }
}

/// The maps are found by the programs that use them, so that none can be forgotten here.
void clear_maps_of(int program)
{
  std::array<std::uint32_t, MOST_MAPS> maps{};
  bpf_prog_info info{};
  info.nr_map_ids = MOST_MAPS;
  info.map_ids = reinterpret_cast<std::uintptr_t>(maps.data());
  std::uint32_t bytes = sizeof(info);
  system_call("ask about a BPF program", ::bpf_obj_get_info_by_fd(program, &info, &bytes));
  if (info.nr_map_ids > MOST_MAPS) {
    errno = E2BIG;
    throw_system_error("list the maps of a BPF program");
  }
  for (std::uint32_t i = 0; i < info.nr_map_ids; ++i) {
    clear(maps[i]);
  }
}

} // namespace

void GiveBack::operator()(NatObject* object) const
{
  unused(object->hook()).emplace_back(object);
}

PooledObject take_object(NatHook hook)
{
  Pool& pool = unused(hook);
  if (pool.empty()) {
    return PooledObject(
      new NatObject(hook, NatSizes{.bindings = 256, .sessions = 256, .subscribers = 64}));
  }
  std::unique_ptr<NatObject> object = std::move(pool.back());
  pool.pop_back();
  for (const char* program : {"nat_internal", "nat_external", "nat_tap"}) {
    clear_maps_of(object->program(program));
  }
  return PooledObject(object.release());
}

} // namespace slirpstack::test
