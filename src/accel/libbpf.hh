#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdexcept>

namespace slirpstack {

/// libbpf is not here, or not of the version that it takes; says so in one line.
class LibbpfMissing : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
};

/// What is used of libbpf. A process that needs no accelerator does not load the library, nor
/// libelf and zlib, which it brings along: they would take a tenth of the time of each start, and
/// 1 MiB. Each member is the function of the same name.
struct Libbpf
{
  decltype(&::bpf_link_create) bpf_link_create;
  decltype(&::bpf_map__is_internal) bpf_map__is_internal;
  decltype(&::bpf_map__name) bpf_map__name;
  decltype(&::bpf_map__set_max_entries) bpf_map__set_max_entries;
  decltype(&::bpf_map__set_pin_path) bpf_map__set_pin_path;
  decltype(&::bpf_map__type) bpf_map__type;
  decltype(&::bpf_map_delete_elem) bpf_map_delete_elem;
  decltype(&::bpf_map_get_next_key) bpf_map_get_next_key;
  decltype(&::bpf_map_lookup_batch) bpf_map_lookup_batch;
  decltype(&::bpf_map_lookup_elem) bpf_map_lookup_elem;
  decltype(&::bpf_map_update_elem) bpf_map_update_elem;
  decltype(&::bpf_object__close) bpf_object__close;
  decltype(&::bpf_object__find_map_by_name) bpf_object__find_map_by_name;
  decltype(&::bpf_object__find_map_fd_by_name) bpf_object__find_map_fd_by_name;
  decltype(&::bpf_object__find_program_by_name) bpf_object__find_program_by_name;
  decltype(&::bpf_object__load) bpf_object__load;
  decltype(&::bpf_object__next_map) bpf_object__next_map;
  decltype(&::bpf_object__open_mem) bpf_object__open_mem;
  decltype(&::bpf_program__fd) bpf_program__fd;
  decltype(&::bpf_tc_attach) bpf_tc_attach;
  decltype(&::bpf_tc_detach) bpf_tc_detach;
  decltype(&::bpf_tc_hook_create) bpf_tc_hook_create;
  decltype(&::libbpf_num_possible_cpus) libbpf_num_possible_cpus;
  decltype(&::libbpf_set_print) libbpf_set_print;
  decltype(&::ring_buffer__consume) ring_buffer__consume;
  decltype(&::ring_buffer__epoll_fd) ring_buffer__epoll_fd;
  decltype(&::ring_buffer__free) ring_buffer__free;
  decltype(&::ring_buffer__new) ring_buffer__new;
};

/// The library, loaded by the first call and never unloaded. Throws LibbpfMissing.
[[nodiscard]] const Libbpf& libbpf();

} // namespace slirpstack
