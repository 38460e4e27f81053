#include "test_namespace.hh"

#include "base/error.hh"
#include "wire/ip.hh"

#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

namespace slirpstack::test {

namespace {

void write_file(const char* path, const std::string& text)
{
  std::ofstream(path) << text;
}

/// As root a network namespace will do; else a user namespace that owns it comes with it.
bool unshare_network()
{
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0) {
    return true;
  }
  const std::string user = std::to_string(::getuid());
  const std::string group = std::to_string(::getgid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) < 0) {
    return false;
  }
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/uid_map", "0 " + user + " 1");
  write_file("/proc/self/gid_map", "0 " + group + " 1");
  return true;
}

} // namespace

bool ip(const std::string& arguments)
{
  return std::system(("ip " + arguments).c_str()) == 0; // NOLINT: fixed texts of these tests
}

bool enter_test_namespace()
{
  return unshare_network() && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0
         && ip("link set lo mtu 1500 up");
}

bool replace_file(const std::string& path, const std::string& text)
{
  ::umount2(path.c_str(), MNT_DETACH); // what an earlier call has laid over it
  std::string name = "/tmp/slirpstack-test-XXXXXX";
  const FileDescriptor file(::mkstemp(name.data()));
  write_file(name.c_str(), text);
  const bool mounted = ::mount(name.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0;
  ::unlink(name.c_str());
  return mounted;
}

Router::Router() : tun_(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK))
{
  if (!tun_) {
    return;
  }
  ifreq request{};
  std::strncpy(request.ifr_name, "router", IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  system_call("make the tun device", ::ioctl(tun_.get(), TUNSETIFF, &request));
  ip("addr add 192.0.2.1/24 dev router");
  ip("-6 addr add 2001:db8::1/64 dev router nodad");
  ip("link set router mtu 1500 up");
  ip("route add 198.51.100.0/24 via 192.0.2.2");
  ip("-6 route add 2001:db8:1::/64 via 2001:db8::2");
}

std::vector<std::uint8_t> Router::receive(const IpAddress& destination)
{
  std::vector<std::uint8_t> buffer(65536);
  pollfd readable{.fd = tun_.get(), .events = POLLIN, .revents = 0};
  for (int tries = 0; tries < 100 && ::poll(&readable, 1, 2000) > 0; ++tries) {
    const ssize_t length = ::read(tun_.get(), buffer.data(), buffer.size());
    const ByteView packet
      = ByteView(buffer).first(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    const auto header = IpHeader::parse(packet);
    if (header && header->destination == destination) {
      return {packet.begin(), packet.end()};
    }
  }
  return {};
}

void Router::send(ByteView packet)
{
  system_call("write to the tun device", ::write(tun_.get(), packet.data(), packet.size()));
}

std::array<FarHost, 2> far_hosts(std::string_view number)
{
  return {
    FarHost{*IpAddress::parse("198.51.100." + std::string(number)), *IpAddress::parse("192.0.2.2")},
    FarHost{*IpAddress::parse("2001:db8:1::" + std::string(number)),
            *IpAddress::parse("2001:db8::2")}};
}

bool run_until(Loop& loop, const std::function<bool()>& done)
{
  Timer limit(loop, [&] { loop.stop(); });
  limit.set(Loop::now() + std::chrono::seconds(2));
  const LoopTurns turns(loop, {}, [&] {
    if (done()) {
      loop.stop();
    }
  });
  loop.keep_going();
  loop.run();
  return done();
}

void run_quietly(Loop& loop)
{
  Timer limit(loop, [&] { loop.stop(); });
  limit.set(Loop::now() + std::chrono::milliseconds(20));
  loop.run();
}

Peer::Peer(int type, const IpAddress& address, std::uint16_t port)
  : descriptor_(system_call("open a socket",
                            ::socket(address_family(address.family()), type | SOCK_CLOEXEC, 0)))
{
  const SocketAddress wanted(Endpoint{address, port});
  system_call("bind", ::bind(get(), wanted.data(), wanted.size()));
  SocketAddress own;
  socklen_t size = SocketAddress::CAPACITY;
  system_call("getsockname", ::getsockname(get(), own.data(), &size));
  endpoint_ = own.endpoint();
}

void Peer::listen() const
{
  system_call("listen", ::listen(get(), 16));
}

FileDescriptor Peer::accept() const
{
  return FileDescriptor(system_call("accept", ::accept4(get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

} // namespace slirpstack::test
