#include "host/ndp_proxies.hh"

#include "base/error.hh"
#include "base/log.hh"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <set>
#include <sys/socket.h>
#include <utility>

namespace slirpstack {

namespace {

// A solicitation has 24 bytes behind the IPv6 header, and options; nobody needs more of them.
constexpr std::size_t PACKET_BYTES = 512;
constexpr int MAX_PACKETS_A_TURN = 64;

constexpr MacAddress ALL_NODES_MAC{{0x33, 0x33, 0, 0, 0, 1}};

IpAddress all_nodes()
{
  return IpAddress::parse("ff02::1").value();
}

/// Neighbour solicitations alone wake us up: a packet socket would get all of the interface's IPv6.
void filter_solicitations(int socket)
{
  constexpr std::uint32_t NEXT_HEADER_OFFSET = 6;
  constexpr std::uint32_t TYPE_OFFSET = IPV6_HEADER_BYTES;
  std::array<sock_filter, 6> code{{
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NEXT_HEADER_OFFSET),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROTOCOL_ICMPV6, 0, 3),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TYPE_OFFSET),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NDP_NEIGHBOR_SOLICITATION, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, PACKET_BYTES),
    BPF_STMT(BPF_RET | BPF_K, 0),
  }};
  const sock_fprog program{code.size(), code.data()};
  system_call("filter neighbour solicitations",
              ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}

sockaddr_ll address_on(unsigned interface)
{
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_IPV6);
  address.sll_ifindex = static_cast<int>(interface);
  return address;
}

/// Hears what goes to the multicast groups of all addresses. Throws std::system_error.
FileDescriptor open_socket(unsigned interface)
{
  // Without a protocol until the filter is there: nothing else gets in.
  FileDescriptor opened(system_call(
    "open a packet socket", ::socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)));
  filter_solicitations(opened.get());
  packet_mreq groups{};
  groups.mr_ifindex = static_cast<int>(interface);
  groups.mr_type = PACKET_MR_ALLMULTI;
  system_call(
    "join multicast groups",
    ::setsockopt(opened.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &groups, sizeof groups));
  const sockaddr_ll address = address_on(interface);
  system_call("bind a packet socket",
              ::bind(opened.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  return opened;
}

/// Of the interface that a packet socket is bound to, as it is now.
std::optional<MacAddress> own_mac(int socket)
{
  sockaddr_ll address{};
  socklen_t length = sizeof address;
  MacAddress mac;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) < 0
      || address.sll_halen != mac.bytes.size()) {
    return std::nullopt;
  }
  std::copy_n(std::begin(address.sll_addr), mac.bytes.size(), mac.bytes.begin());
  return mac;
}

} // namespace

NdpProxies::NdpProxies(Loop& loop, const PrefixMap& map, HostNetworksSource host_networks)
  : loop_(loop), map_(map), host_networks_(std::move(host_networks))
{}

NdpProxies::~NdpProxies() = default;

void NdpProxies::refresh()
{
  if (map_.changes() == seen_changes_) {
    return;
  }
  seen_changes_ = map_.changes();
  std::set<std::string> wanted;
  map_.for_each([&](const PrefixMapping& mapping) { wanted.insert(mapping.interface); });
  proxies_.remove_if([&](const Proxy& proxy) { return wanted.erase(proxy.interface) == 0; });
  for (const std::string& interface : wanted) {
    open(interface);
  }
}

void NdpProxies::open(const std::string& interface)
{
  const unsigned index = ::if_nametoindex(interface.c_str());
  if (index == 0 || is_denied_) {
    return; // the name is nothing more, then
  }
  try {
    Proxy& proxy = proxies_.emplace_back(Proxy{interface, open_socket(index), {}});
    proxy.watch.emplace(loop_, proxy.socket.get(), [this, &proxy] { read(proxy); });
  } catch (const std::system_error& error) {
    is_denied_ = error.code() == std::errc::operation_not_permitted;
    log(is_denied_ ? LogLevel::info : LogLevel::warning,
        "neighbours that look for a mapped address get no answer from here",
        {{"interface", interface}, {"reason", error.what()}});
  }
}

void NdpProxies::read(Proxy& proxy)
{
  std::array<std::uint8_t, PACKET_BYTES> packet; // NOLINT: filled below
  for (int i = 0; i < MAX_PACKETS_A_TURN; ++i) {
    sockaddr_ll from{};
    socklen_t length = sizeof from;
    const ssize_t received = ::recvfrom(proxy.socket.get(),
                                        packet.data(),
                                        packet.size(),
                                        0,
                                        reinterpret_cast<sockaddr*>(&from),
                                        &length);
    if (received < 0) {
      if (errno != EAGAIN && errno != EINTR) {
        proxy.watch->resume(); // the interface may come up again
      }
      return;
    }
    MacAddress asking;
    if (from.sll_pkttype != PACKET_OUTGOING && from.sll_halen == asking.bytes.size()) {
      std::copy_n(std::begin(from.sll_addr), asking.bytes.size(), asking.bytes.begin());
      answer(proxy, ByteView(packet).first(static_cast<std::size_t>(received)), asking);
    }
  }
}

void NdpProxies::answer(const Proxy& proxy, ByteView packet, const MacAddress& asking) const
{
  const Parsed<IpHeader> ip = IpHeader::parse(packet);
  if (!ip || ip->is_fragment() || ip->total_length_bytes > packet.size()) {
    return;
  }
  const Parsed<NeighborSolicitation> asked = NeighborSolicitation::parse(*ip, ip->payload(packet));
  const std::optional<MacAddress> mac = own_mac(proxy.socket.get());
  if (!asked || !mac || !answers_for(asked->target)) {
    return;
  }
  // From nobody yet: somebody makes sure that the address is free. All are told that it is not.
  const bool is_probe = ip->source.is_unspecified();
  const NeighborAdvertisement advertisement{
    .target = asked->target, .target_link_layer = mac, .solicited = !is_probe, .override = true};
  const SmallPacket reply
    = advertisement.packet(asked->target, is_probe ? all_nodes() : ip->source);
  sockaddr_ll to{};
  socklen_t length = sizeof to;
  ::getsockname(proxy.socket.get(), reinterpret_cast<sockaddr*>(&to), &length);
  const MacAddress& receiver = is_probe ? ALL_NODES_MAC : asking;
  std::ranges::copy(receiver.bytes, std::begin(to.sll_addr));
  // One that is lost is asked for again.
  static_cast<void>(::sendto(proxy.socket.get(),
                             reply.bytes().data(),
                             reply.bytes().size(),
                             0,
                             reinterpret_cast<const sockaddr*>(&to),
                             sizeof to));
}

bool NdpProxies::answers_for(const IpAddress& target) const
{
  const PrefixMapping* const mapping = map_.to_internal(target).mapping;
  return mapping != nullptr
         && (mapping->open || host_networks_().find(target) == HostNetworks::Kind::own_address);
}

} // namespace slirpstack
