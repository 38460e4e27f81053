#include "network.hh"

#include "accel/expiry.hh"
#include "accel/nat_table.hh"
#include "accel/veth_end.hh"
#include "base/error.hh"
#include "slirpstack/nat_map.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdexcept>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace slirpstack::test {

namespace {

constexpr MacAddress SECOND_GUEST{{2, 0, 0, 0, 0, 3}};
constexpr std::size_t IPV4_DESTINATION_OFFSET = 16;

/// This thread in another namespace, for as long as it lives.
class Visit
{
public:
  explicit Visit(const char* space)
    : home_(
      system_call("open our namespace", ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)))
  {
    const std::string path = fmt::format("/run/netns/{}", space);
    const FileDescriptor there(
      system_call("open " + path, ::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
    system_call("enter " + path, ::setns(there.get(), CLONE_NEWNET));
  }
  ~Visit() { ::setns(home_.get(), CLONE_NEWNET); }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

private:
  FileDescriptor home_;
};

sockaddr_in socket_address(const Endpoint& endpoint)
{
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(endpoint.port);
  address.sin_addr.s_addr = htonl(endpoint.address.ipv4_value());
  return address;
}

sockaddr_in6 socket_address6(const Endpoint& endpoint)
{
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(endpoint.port);
  std::ranges::copy(endpoint.address.bytes(), std::begin(address.sin6_addr.s6_addr));
  return address;
}

void add_guest(const char* name, const char* interface, const char* address, const MacAddress& mac)
{
  shell(fmt::format("ip netns add {0} && ip -n {0} link set lo up"
                    " && ip link add {1} type veth peer name eth0 netns {0}"
                    " && ip link set {1} up && ip -n {0} link set eth0 address {3} up"
                    " && ip -n {0} address add {2}/24 dev eth0"
                    " && ip -n {0} route add default via 10.0.0.1"
                    " && ip -n {0} neighbour add 10.0.0.1 lladdr {4} dev eth0 nud permanent",
                    name,
                    interface,
                    address,
                    mac.to_string(),
                    GATEWAY.to_string()));
}

template<typename Setting>
void copy_mac(const MacAddress& mac, Setting& setting)
{
  std::ranges::copy(mac.bytes, std::begin(setting));
}

} // namespace

void enter_private_namespaces()
{
  system_call("make namespaces", ::unshare(CLONE_NEWNET | CLONE_NEWNS));
  system_call("keep our mounts to ourselves",
              ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  shell("mkdir -p /run/netns");
  system_call("mount /run/netns", ::mount("none", "/run/netns", "tmpfs", 0, nullptr));
}

bool succeeds(const std::string& command)
{
  return std::system(command.c_str()) == 0; // NOLINT(cert-env33-c): fixed text of the tests
}

void shell(const std::string& command)
{
  if (!succeeds(command)) {
    throw std::runtime_error("failed: " + command);
  }
}

Network::Network(NatHook hook) : hook_(hook)
{
  add_guest("first", "guest1", "10.0.0.2", FIRST_GUEST);
  add_guest("second", "guest2", "10.0.0.3", SECOND_GUEST);
  shell(fmt::format(
    "ip netns add world && ip -n world link set lo up"
    " && ip link add external type veth peer name eth0 netns world"
    " && ip link set external address {0} up && ip -n world link set eth0 address {1} up"
    " && ip -n world address add 198.51.100.9/24 dev eth0"
    " && ip -n world route add 203.0.113.0/24 dev eth0"
    " && ip -n world neighbour add 203.0.113.1 lladdr {0} dev eth0 nud permanent",
    EXTERNAL.to_string(),
    WORLD.to_string()));
  if (hook == NatHook::xdp) {
    for (const char* space : {"first", "second", "world"}) {
      const Visit there(space);
      prepare_veth_end("eth0");
    }
  }
}

Network::~Network()
{
  succeeds("ip link del guest1; ip link del guest2; ip link del external;"
           " ip netns del first; ip netns del second; ip netns del world");
}

std::unique_ptr<NatAccelerator> Network::start(const Adjust& adjust) const
{
  auto nat = std::make_unique<NatAccelerator>(
    hook_, NatSizes{.bindings = 1024, .sessions = 1024, .subscribers = 64});
  nat_settings settings{};
  settings.flags = NAT_ALLOCATE | NAT_REDIRECT_PEER;
  settings.external_ranges = settings.internal_ranges = settings.external_addresses = 1;
  settings.external[0] = {IpAddress::parse("203.0.113.1")->ipv4_value(), 1};
  settings.internal[0] = {IpAddress::parse("10.0.0.0")->ipv4_value(), 256};
  settings.gateway = IpAddress::parse("10.0.0.1")->ipv4_value();
  settings.port_first = 1024;
  settings.port_last = 65535;
  settings.recent_sets = nat->object().recent_sets();
  settings.recent_ticks = NatExpiry::Timeouts{}.recent_ticks();
  copy_mac(GATEWAY, settings.gateway_mac);
  if (adjust) {
    adjust(settings);
  }
  NatTable<std::uint32_t, nat_settings>(nat->object().map("settings")).put(0, settings);
  nat_route world{};
  world.ifindex = ::if_nametoindex("external");
  world.mtu = 1500;
  copy_mac(WORLD, world.destination_mac);
  copy_mac(EXTERNAL, world.source_mac);
  NatTable<nat_route_key, nat_route>(nat->object().map("routes")).put({0, 0}, world);
  nat->attach_guest(static_cast<int>(::if_nametoindex("guest1")));
  nat->attach_guest(static_cast<int>(::if_nametoindex("guest2")));
  nat->attach_external(static_cast<int>(::if_nametoindex("external")));
  return nat;
}

FileDescriptor socket_in(const char* space, int type, std::uint16_t port)
{
  return socket_at(space, type, {IpAddress::any(Family::ipv4), port});
}

FileDescriptor socket_at(const char* space, int type, const Endpoint& local)
{
  const Visit there(space);
  const bool is_ipv6 = local.address.is_ipv6();
  FileDescriptor socket(
    system_call("open a socket", ::socket(is_ipv6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0)));
  const timeval patience{2, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (is_ipv6) {
    const sockaddr_in6 address = socket_address6(local);
    system_call("bind",
                ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
    return socket;
  }
  const sockaddr_in address = socket_address(local);
  system_call("bind",
              ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
  return socket;
}

FileDescriptor packet_socket_in(const char* space, int type)
{
  const Visit there(space);
  const std::uint16_t protocol = htons(type == SOCK_RAW ? ETH_P_ALL : ETH_P_IP);
  FileDescriptor socket(
    system_call("open a packet socket", ::socket(AF_PACKET, type | SOCK_CLOEXEC, protocol)));
  if (type == SOCK_RAW) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = protocol;
    address.sll_ifindex = static_cast<int>(::if_nametoindex("eth0"));
    system_call("bind",
                ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
  }
  return socket;
}

void send_packet(const char* space, const std::vector<std::uint8_t>& packet)
{
  const Visit there(space);
  const FileDescriptor socket(
    system_call("open a raw socket", ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  std::memcpy(&address.sin_addr, &packet[IPV4_DESTINATION_OFFSET], sizeof(address.sin_addr));
  system_call("send a packet",
              ::sendto(socket.get(),
                       packet.data(),
                       packet.size(),
                       0,
                       reinterpret_cast<const sockaddr*>(&address),
                       sizeof(address)));
}

void connect_to(int socket, const Endpoint& remote)
{
  const sockaddr_in address = socket_address(remote);
  system_call("connect",
              ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)));
}

void send_to(int socket, const std::string& data, const Endpoint& remote)
{
  const sockaddr_in address = socket_address(remote);
  system_call("send",
              ::sendto(socket,
                       data.data(),
                       data.size(),
                       0,
                       reinterpret_cast<const sockaddr*>(&address),
                       sizeof(address)));
}

std::optional<Datagram> receive(int socket)
{
  std::string data(65536, '\0');
  sockaddr_in from{};
  socklen_t length = sizeof(from);
  const ssize_t got
    = ::recvfrom(socket, data.data(), data.size(), 0, reinterpret_cast<sockaddr*>(&from), &length);
  if (got < 0) {
    return std::nullopt;
  }
  data.resize(static_cast<std::size_t>(got));
  return Datagram{data, {IpAddress::ipv4(ntohl(from.sin_addr.s_addr)), ntohs(from.sin_port)}};
}

int error_after_sending(int socket)
{
  const int on = 1; // or UDP keeps to itself what may pass, such as "host unreachable"
  ::setsockopt(socket, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
  char byte = 'x';
  if (::send(socket, &byte, 1, 0) != 1) {
    return errno;
  }
  return ::recv(socket, &byte, 1, 0) < 0 ? errno : 0;
}

Endpoint external_of(int guest, int server)
{
  send_to(guest, "who am I?", SERVER);
  const auto seen = receive(server);
  if (!seen) {
    throw std::runtime_error("the world heard nothing of the guest");
  }
  return seen->from;
}

} // namespace slirpstack::test
