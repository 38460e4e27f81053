#include "nat_bed.hh"

#include "accel/nat_endpoints.hh"
#include "wire/checksum.hh"

#include <algorithm>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <cstdint>
#include <cstring>

namespace slirpstack::test {

namespace {

constexpr std::uint32_t LOOPBACK = 1;

nat_range range_of(const char* prefix)
{
  const Prefix parsed = Prefix::parse(prefix).value();
  return {parsed.network().ipv4_value(), std::uint32_t{1} << (32 - parsed.length_bits())};
}

Verdict verdict_of(NatHook hook, std::uint32_t value)
{
  const bool is_xdp = hook == NatHook::xdp;
  if (value == (is_xdp ? 4U : 7U)) { // XDP_REDIRECT, TC_ACT_REDIRECT
    return Verdict::redirect;
  }
  if (value == (is_xdp ? 2U : UINT32_MAX)) { // XDP_PASS, TC_ACT_UNSPEC
    return Verdict::host;
  }
  REQUIRE(value == (is_xdp ? 1U : 2U)); // XDP_DROP, TC_ACT_SHOT
  return Verdict::drop;
}

template<typename Key, typename Value>
void put(int map, const Key& key, const Value& value)
{
  REQUIRE(::bpf_map_update_elem(map, &key, &value, BPF_ANY) == 0);
}

std::uint16_t prefix_sum(const Prefix& prefix)
{
  Checksum sum;
  sum.add(prefix.network().bytes());
  return sum.folded();
}

} // namespace

nat_endpoint to_map(const Endpoint& endpoint, std::uint8_t protocol)
{
  return {map_address(endpoint.address), htons(endpoint.port), protocol, 0};
}

NatBed::NatBed(NatHook hook) : object_(take_object(hook))
{
  settings.external_ranges = 1;
  settings.external[0] = {IpAddress::parse("203.0.113.1")->ipv4_value(), 2};
  settings.external_addresses = 2;
  settings.internal_ranges = 1;
  settings.internal[0] = range_of("10.0.0.0/24");
  settings.gateway = IpAddress::parse("10.0.0.1")->ipv4_value();
  settings.port_first = 1024;
  settings.port_last = 65535;
  settings.recent_sets = object_->recent_sets();
  settings.recent_ticks = NatExpiry::Timeouts{}.recent_ticks();
  std::ranges::copy(GATEWAY_MAC.bytes, std::begin(settings.gateway_mac));
  apply();
  put(object_->map("devices"), LOOPBACK, LOOPBACK);
  route(Prefix::parse("0.0.0.0/0").value(), 1500);
}

void NatBed::apply()
{
  put(object_->map("settings"), std::uint32_t{0}, settings);
}

void NatBed::bind(const Endpoint& internal,
                  const Endpoint& external,
                  std::uint8_t protocol,
                  std::uint16_t flags,
                  const MacAddress& mac,
                  std::uint8_t zone)
{
  nat_owner owner{};
  owner.address = map_address(internal.address);
  owner.port = htons(internal.port);
  owner.flags = flags;
  owner.zone = zone;
  owner.ifindex = LOOPBACK;
  std::ranges::copy(mac.bytes, std::begin(owner.guest_mac));
  put(object_->map("owners"), to_map(external, protocol), owner);
  nat_binding binding{};
  binding.address = map_address(external.address);
  binding.port = htons(external.port);
  binding.flags = flags;
  binding.generation = settings.generation;
  nat_endpoint inside = to_map(internal, protocol);
  inside.zone = zone;
  put(object_->map("bindings"), inside, binding);
}

void NatBed::route(const Prefix& prefix, std::uint32_t mtu, std::uint32_t flags)
{
  nat_route way{};
  way.ifindex = LOOPBACK;
  way.flags = flags;
  way.mtu = mtu;
  std::ranges::copy(ROUTER_MAC.bytes, std::begin(way.destination_mac));
  std::ranges::copy(EXTERNAL_MAC.bytes, std::begin(way.source_mac));
  if (prefix.network().is_ipv6()) {
    nat_route6_key key{};
    key.prefix_length = prefix.length_bits();
    std::ranges::copy(prefix.network().bytes(), std::begin(key.address));
    put(object_->map("routes6"), key, way);
    return;
  }
  put(object_->map("routes"),
      nat_route_key{prefix.length_bits(), map_address(prefix.network())},
      way);
}

void NatBed::map_prefix(const Prefix& internal, const Prefix& external, bool is_neutral)
{
  route(Prefix::parse("::/0").value(), 1500);
  const auto add = [&](std::uint32_t side, const Prefix& from, const Prefix& to) {
    nat_prefix_key key{};
    key.prefix_length = 32 + from.length_bits();
    key.side = side;
    std::ranges::copy(from.network().bytes(), std::begin(key.address));
    nat_prefix value{};
    std::ranges::copy(to.network().bytes(), std::begin(value.prefix));
    value.length = to.length_bits();
    value.flags = is_neutral ? NAT_PREFIX_NEUTRAL : 0;
    std::uint32_t adjustment = prefix_sum(from) + static_cast<std::uint16_t>(~prefix_sum(to));
    adjustment = (adjustment & 0xffffU) + (adjustment >> 16U);
    value.adjustment = htons(static_cast<std::uint16_t>(adjustment));
    std::ranges::copy(GUEST_MAC.bytes, std::begin(value.guest_mac));
    if (side == NAT_PREFIX_EXTERNAL) {
      value.ifindex = LOOPBACK;
      value.mtu = 1500;
    }
    put(object_->map("prefixes"), key, value);
  };
  add(0, internal, external);
  add(NAT_PREFIX_EXTERNAL, external, internal);
}

void NatBed::set_tap(std::uint32_t zone)
{
  put(object_->map("interfaces"), LOOPBACK, nat_interface{LOOPBACK, zone});
}

void NatBed::fill_bindings()
{
  nat_endpoint key{0, 0, PROTOCOL_UDP, 9};
  nat_binding value{};
  value.flags = NAT_STATIC;
  do {
    ++key.port;
  } while (::bpf_map_update_elem(object_->map("bindings"), &key, &value, BPF_NOEXIST) == 0);
}

Outcome NatBed::run(const char* program, const Bytes& frame)
{
  return run(program, frame, nullptr);
}

Outcome NatBed::run_super(const char* program, const Bytes& frame, std::uint32_t segment_bytes)
{
  __sk_buff super{};
  super.gso_size = segment_bytes;
  super.gso_segs = static_cast<std::uint32_t>(frame.size()) / segment_bytes + 1;
  return run(program, frame, &super);
}

Outcome NatBed::run(const char* program, const Bytes& frame, __sk_buff* super)
{
  Bytes out(4096);
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.data_in = frame.data();
  options.data_size_in = static_cast<std::uint32_t>(frame.size());
  options.data_out = out.data();
  options.data_size_out = static_cast<std::uint32_t>(out.size());
  options.ctx_in = super;
  options.ctx_size_in = super == nullptr ? 0 : sizeof(*super);
  REQUIRE(::bpf_prog_test_run_opts(object_->program(program), &options) == 0);
  out.resize(options.data_size_out);
  return {verdict_of(object_->hook(), options.retval), out};
}

std::uint64_t NatBed::counted(nat_statistic statistic) const
{
  const auto key = static_cast<std::uint32_t>(statistic);
  std::vector<nat_count> each(256);
  REQUIRE(::bpf_map_lookup_elem(object_->map("statistics"), &key, each.data()) == 0);
  std::uint64_t sum = 0;
  for (const nat_count& one : each) {
    sum += one.packets;
  }
  return sum;
}

std::size_t NatBed::entries(const char* map, std::size_t key_bytes) const
{
  Bytes key(key_bytes);
  std::size_t number = 0;
  for (void* from = nullptr; ::bpf_map_get_next_key(object_->map(map), from, key.data()) == 0;
       ++number) {
    from = key.data();
  }
  return number;
}

Endpoint NatBed::external_of(const Endpoint& internal, std::uint8_t protocol) const
{
  const nat_endpoint key = to_map(internal, protocol);
  nat_binding value{};
  REQUIRE(::bpf_map_lookup_elem(object_->map("bindings"), &key, &value) == 0);
  return {IpAddress::ipv4(ntohl(value.address)), ntohs(value.port)};
}

} // namespace slirpstack::test
