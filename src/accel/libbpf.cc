#include "accel/libbpf.hh"

#include <cstdint>
#include <dlfcn.h>
#include <fmt/format.h>

namespace slirpstack {

namespace {

constexpr const char* SONAME = "libbpf.so.1";

/// Tells packagers' tools what is loaded only when asked for: an ELF note of the UAPI Group's
/// "ELF dlopen metadata" specification.
struct DlopenNote
{
  static constexpr std::uint32_t TYPE = 0x407c0c0a;
  static constexpr char TEXT[] = R"json([{"feature":"accel","description":"NAT in the kernel",)json"
                                 R"json("priority":"suggested","soname":["libbpf.so.1"]}])json";

  std::uint32_t owner_bytes = sizeof owner;
  std::uint32_t text_bytes = sizeof TEXT;
  std::uint32_t type = TYPE;
  char owner[4] = "FDO";
  char text[(sizeof TEXT + 3) / 4 * 4] = {};

  constexpr DlopenNote()
  {
    for (std::size_t i = 0; i < sizeof TEXT; ++i) {
      text[i] = TEXT[i];
    }
  }
};

[[gnu::used, gnu::section(".note.dlopen"), gnu::aligned(4)]] constexpr DlopenNote NOTE;

/// A function of the library, as whatever it is wanted for.
class Symbol
{
public:
  Symbol(void* library, const char* name) : address_(::dlsym(library, name))
  {
    if (address_ == nullptr) {
      throw LibbpfMissing(fmt::format("{} has no {}: it is too old", SONAME, name));
    }
  }

  template<typename Function>
  operator Function*() const // NOLINT(google-explicit-constructor): that is its purpose
  {
    return reinterpret_cast<Function*>(address_);
  }

private:
  void* address_;
};

void* open_library()
{
  void* const library = ::dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw LibbpfMissing(
      fmt::format("it takes libbpf (Debian's package is libbpf1): {}", ::dlerror()));
  }
  return library;
}

Libbpf load()
{
  void* const library = open_library();
  const auto symbol = [library](const char* name) { return Symbol(library, name); };
  return {
    .bpf_link_create = symbol("bpf_link_create"),
    .bpf_map__is_internal = symbol("bpf_map__is_internal"),
    .bpf_map__name = symbol("bpf_map__name"),
    .bpf_map__set_max_entries = symbol("bpf_map__set_max_entries"),
    .bpf_map__set_pin_path = symbol("bpf_map__set_pin_path"),
    .bpf_map__type = symbol("bpf_map__type"),
    .bpf_map_delete_elem = symbol("bpf_map_delete_elem"),
    .bpf_map_get_next_key = symbol("bpf_map_get_next_key"),
    .bpf_map_lookup_batch = symbol("bpf_map_lookup_batch"),
    .bpf_map_lookup_elem = symbol("bpf_map_lookup_elem"),
    .bpf_map_update_elem = symbol("bpf_map_update_elem"),
    .bpf_object__close = symbol("bpf_object__close"),
    .bpf_object__find_map_by_name = symbol("bpf_object__find_map_by_name"),
    .bpf_object__find_map_fd_by_name = symbol("bpf_object__find_map_fd_by_name"),
    .bpf_object__find_program_by_name = symbol("bpf_object__find_program_by_name"),
    .bpf_object__load = symbol("bpf_object__load"),
    .bpf_object__next_map = symbol("bpf_object__next_map"),
    .bpf_object__open_mem = symbol("bpf_object__open_mem"),
    .bpf_program__fd = symbol("bpf_program__fd"),
    .bpf_tc_attach = symbol("bpf_tc_attach"),
    .bpf_tc_detach = symbol("bpf_tc_detach"),
    .bpf_tc_hook_create = symbol("bpf_tc_hook_create"),
    .libbpf_num_possible_cpus = symbol("libbpf_num_possible_cpus"),
    .libbpf_set_print = symbol("libbpf_set_print"),
    .ring_buffer__consume = symbol("ring_buffer__consume"),
    .ring_buffer__epoll_fd = symbol("ring_buffer__epoll_fd"),
    .ring_buffer__free = symbol("ring_buffer__free"),
    .ring_buffer__new = symbol("ring_buffer__new"),
  };
}

} // namespace

const Libbpf& libbpf()
{
  static const Libbpf loaded = load();
  return loaded;
}

} // namespace slirpstack
