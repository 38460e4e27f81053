#include "accel/nat_accelerator.hh"

#include "accel/libbpf.hh"
#include "accel/nat_table.hh"
#include "base/error.hh"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <linux/if_link.h>

namespace slirpstack {

namespace {

// Of linux/bpf.h since 6.6; the headers that we are built with may be older.
constexpr auto TCX_INGRESS = static_cast<bpf_attach_type>(46);

// Our filter among those of an interface.
constexpr std::uint32_t FILTER_HANDLE = 1;
constexpr std::uint32_t FILTER_PRIORITY = 0x5350;

int create_link(NatHook hook, int program, int ifindex)
{
  if (hook == NatHook::tc) {
    return libbpf().bpf_link_create(program, ifindex, TCX_INGRESS, nullptr);
  }
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = XDP_FLAGS_DRV_MODE);
  return libbpf().bpf_link_create(program, ifindex, BPF_XDP, &options);
}

} // namespace

NatAttachment::NatAttachment(NatHook hook, int program, int ifindex)
  : ifindex_(ifindex), link_(create_link(hook, program, ifindex))
{
  if (link_) {
    return;
  }
  if (hook == NatHook::tc && errno == EINVAL) { // no tcx before 6.6
    attach_filter(program);
    return;
  }
  throw_system_error("attach a BPF program to an interface");
}

NatAttachment::~NatAttachment()
{
  if (!is_filter_) {
    return;
  }
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex_, .attach_point = BPF_TC_INGRESS);
  LIBBPF_OPTS(bpf_tc_opts, options, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
  libbpf().bpf_tc_detach(&hook, &options);
}

void NatAttachment::attach_filter(int program)
{
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex_, .attach_point = BPF_TC_INGRESS);
  const int created = libbpf().bpf_tc_hook_create(&hook);
  if (created < 0 && created != -EEXIST) {
    errno = -created;
    throw_system_error("make a clsact queueing discipline");
  }
  // In place of one that a predecessor, which was killed, has left.
  LIBBPF_OPTS(bpf_tc_opts,
              options,
              .prog_fd = program,
              .flags = BPF_TC_F_REPLACE,
              .handle = FILTER_HANDLE,
              .priority = FILTER_PRIORITY);
  const int attached = libbpf().bpf_tc_attach(&hook, &options);
  if (attached < 0) {
    errno = -attached;
    throw_system_error("attach a BPF program to an interface");
  }
  is_filter_ = true;
}

NatAccelerator::NatAccelerator(NatHook hook, const NatSizes& sizes, const std::string& pin_folder)
  : object_(hook, sizes, pin_folder)
{}

void NatAccelerator::attach(const char* program, int ifindex)
{
  const auto number = static_cast<std::uint32_t>(ifindex);
  NatTable<std::uint32_t, std::uint32_t>(object_.map("devices")).put(number, number);
  attachments_.emplace_back(object_.hook(), object_.program(program), ifindex);
}

bool NatAccelerator::has_filters() const
{
  return std::ranges::any_of(attachments_, &NatAttachment::is_filter);
}

void NatAccelerator::detach(int ifindex)
{
  attachments_.remove_if(
    [&](const NatAttachment& attachment) { return attachment.ifindex() == ifindex; });
  NatTable<std::uint32_t, std::uint32_t>(object_.map("devices"))
    .erase(static_cast<std::uint32_t>(ifindex));
}

} // namespace slirpstack
