#include "test_object.hh"

#include "base/error.hh"

#include <array>
#include <sched.h>
#include <unistd.h>

namespace slirpstack::bench {

namespace {

constexpr std::size_t FRAME_BYTES = 64;
constexpr std::uint32_t BATCH_FRAMES = 64; // what a device's poll takes at a time

} // namespace

TestObject::TestObject(const char* path) : object_(::bpf_object__open_file(path, nullptr))
{
  if (!object_) {
    throw_system_error("open the BPF object");
  }
}

void TestObject::set_entries(const char* map, std::uint32_t entries)
{
  ::bpf_map__set_max_entries(::bpf_object__find_map_by_name(object_.get(), map), entries);
}

void TestObject::set_flags(const char* map, std::uint32_t flags)
{
  ::bpf_map__set_map_flags(::bpf_object__find_map_by_name(object_.get(), map), flags);
}

void TestObject::load()
{
  system_call("load the BPF object", ::bpf_object__load(object_.get()));
}

int TestObject::map(const char* name) const
{
  return system_call("find a BPF map", ::bpf_object__find_map_fd_by_name(object_.get(), name));
}

int TestObject::program(const char* name) const
{
  return ::bpf_program__fd(::bpf_object__find_program_by_name(object_.get(), name));
}

void TestObject::put_bytes(const char* name, const void* key, const void* value) const
{
  system_call("write into a BPF map", ::bpf_map_update_elem(map(name), key, value, BPF_ANY));
}

unsigned TestObject::run(const char* name, std::uint32_t repeats) const
{
  std::array<std::uint8_t, FRAME_BYTES> frame{};
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = frame.data();
  options.data_size_in = frame.size();
  options.repeat = static_cast<int>(repeats);
  system_call("run a BPF program", ::bpf_prog_test_run_opts(program(name), &options));
  return options.duration;
}

void TestObject::run_live(const char* name, std::uint32_t frames, std::uint32_t ifindex) const
{
  std::array<std::uint8_t, FRAME_BYTES> frame{};
  xdp_md context{};
  context.data_end = frame.size();
  context.ingress_ifindex = ifindex;
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = frame.data();
  options.data_size_in = frame.size();
  options.ctx_in = &context;
  options.ctx_size_in = sizeof(context);
  options.repeat = static_cast<int>(frames);
  options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  options.batch_size = BATCH_FRAMES;
  system_call("send frames", ::bpf_prog_test_run_opts(program(name), &options));
}

void stay_on_one_processor()
{
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(static_cast<std::size_t>(::sysconf(_SC_NPROCESSORS_ONLN) - 1), &only);
  system_call("choose a processor", ::sched_setaffinity(0, sizeof(only), &only));
}

void go_first()
{
  sched_param parameters{};
  parameters.sched_priority = 1;
  system_call("ask for the processor", ::sched_setscheduler(0, SCHED_FIFO, &parameters));
}

} // namespace slirpstack::bench
