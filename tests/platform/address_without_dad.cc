// An IPv6 address added with IFA_F_NODAD is usable at once, one without it is tentative first:
// guest/configure needs no wait before the guest's first connect().
#include "kernel.hh"

#include <linux/if_addr.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace {

struct Request
{
  nlmsghdr header;
  ifaddrmsg body;
  rtattr attribute;
  in6_addr address;
};

bool add_address(unsigned char last_byte, unsigned char flags)
{
  Request request{};
  request.header = {sizeof request, RTM_NEWADDR, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, 0};
  request.body = {AF_INET6, 64, flags, RT_SCOPE_UNIVERSE, ::if_nametoindex("probe0")};
  request.attribute = {sizeof(rtattr) + sizeof(in6_addr), IFA_LOCAL};
  request.address.s6_addr[0] = 0xfd;
  request.address.s6_addr[15] = last_byte;
  const int socket = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  require(::send(socket, &request, sizeof request, 0) == sizeof request, "rtnetlink listens");
  alignas(nlmsghdr) char answer[1024];
  require(::recv(socket, answer, sizeof answer, 0) > 0, "rtnetlink answers");
  ::close(socket);
  int error_number = 0;
  std::memcpy(&error_number, answer + sizeof(nlmsghdr), sizeof error_number);
  errno = -error_number;
  return error_number == 0;
}

/// A tentative address cannot be bound.
bool can_bind(unsigned char last_byte)
{
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr.s6_addr[0] = 0xfd;
  address.sin6_addr.s6_addr[15] = last_byte;
  const int socket = ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool bound = ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(socket);
  return bound;
}

void bring_up()
{
  ifreq request{};
  std::strcpy(request.ifr_name, "probe0");
  request.ifr_flags = IFF_UP;
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  require(::ioctl(socket, SIOCSIFFLAGS, &request) == 0, "the tap comes up");
  ::close(socket);
}

} // namespace

int main()
{
  become_namespace_root(CLONE_NEWNET);
  const int tap = open_tun_driver();
  require(attach(tap, IFF_TAP) == 0, "a tap can be made");
  bring_up();
  if (!add_address(1, IFA_F_NODAD)) {
    skip("no IPv6 in new network namespaces here");
  }
  require(can_bind(1), "an address without DAD can be bound at once");
  require(add_address(2, 0) && !can_bind(2), "one with DAD cannot");
}
