// What src/stack takes for granted about lwIP as third_party/lwip configures it.

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>
#include <string_view>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static_assert(LWIP_VERSION_MAJOR == 2 && LWIP_VERSION_MINOR == 2 && LWIP_VERSION_REVISION == 1);

namespace {

constexpr u32_t ISN = 0xfeedc0de;
constexpr u16_t LOCAL_PORT = 49152;

struct Sent
{
  int segments = 0;
  const netif_hint* hint = nullptr;
  std::array<std::uint8_t, 128> bytes{};
};

// lwIP's callbacks carry no argument that is ours before a connection exists.
Sent sent;
u16_t isn_asked_for_port = 0;

err_t record(netif* interface, pbuf* packet)
{
  ++sent.segments;
  sent.hint = interface->hints;
  pbuf_copy_partial(packet, sent.bytes.data(), sent.bytes.size(), 0);
  return ERR_OK;
}

err_t record_ipv4(netif* interface, pbuf* packet, const ip4_addr_t* /*next_hop*/)
{
  return record(interface, packet);
}

err_t record_ipv6(netif* interface, pbuf* packet, const ip6_addr_t* /*next_hop*/)
{
  return record(interface, packet);
}

err_t attach(netif* interface)
{
  interface->mtu = 65535;
  interface->output = record_ipv4;
  interface->output_ip6 = record_ipv6;
  return ERR_OK;
}

void start_lwip()
{
  static netif interface {};
  if (netif_default != nullptr)
    return;
  lwip_init();
  // Any address will do, but without one lwIP finds no IPv4 route.
  ip4_addr_t address{};
  IP4_ADDR(&address, 192, 0, 2, 254);
  REQUIRE(netif_add(&interface, &address, nullptr, nullptr, nullptr, attach, nullptr)
          == &interface);
  netif_set_default(&interface);
  netif_set_up(&interface);
  netif_set_link_up(&interface);
}

/// The sequence number of the TCP header that starts `header_bytes` into the packet last sent.
u32_t sent_sequence_number(std::size_t header_bytes)
{
  u32_t sequence_number = 0;
  for (std::size_t i = 0; i < 4; ++i)
    sequence_number = sequence_number << 8U | sent.bytes.at(header_bytes + 4 + i);
  return sequence_number;
}

/// Opens a connection between addresses that belong to nobody, as a forward does.
void check_active_open(const char* from, const char* to, std::size_t header_bytes)
{
  start_lwip();
  ip_addr_t local{};
  ip_addr_t remote{};
  REQUIRE(ipaddr_aton(from, &local) == 1);
  REQUIRE(ipaddr_aton(to, &remote) == 1);
  tcp_pcb* pcb = tcp_new();
  REQUIRE(pcb != nullptr);
  ip_addr_copy(pcb->local_ip, local);
  pcb->local_port = LOCAL_PORT;
  sent = {};
  REQUIRE(tcp_connect(pcb, &remote, 80, nullptr) == ERR_OK);
  CHECK(sent.segments == 1);
  CHECK(sent.hint == &pcb->netif_hints);
  CHECK(isn_asked_for_port == LOCAL_PORT);
  // lwIP lets the SYN take the number before the initial one.
  CHECK(sent_sequence_number(header_bytes) == ISN - 1);
  tcp_abort(pcb);
  CHECK(tcp_active_pcbs == nullptr);
}

/// Runs `action` in a child; its wait status, with the child's standard error in `message`.
template<typename Action>
int status_of_child(Action action, std::array<char, 256>& message)
{
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const rlimit no_core{};
    setrlimit(RLIMIT_CORE, &no_core);
    // doctest would report the abort as its own failure.
    static_cast<void>(signal(SIGABRT, SIG_DFL));
    dup2(ends[1], STDERR_FILENO);
    action();
    _exit(0);
  }
  close(ends[1]);
  const ssize_t length = read(ends[0], message.data(), message.size() - 1);
  message.at(length > 0 ? static_cast<std::size_t>(length) : 0) = '\0';
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

} // namespace

extern "C" {

u32_t slirpstack_tcp_isn(const ip_addr_t* /*local_ip*/,
                         u16_t local_port,
                         const ip_addr_t* /*remote_ip*/,
                         u16_t /*remote_port*/)
{
  isn_asked_for_port = local_port;
  return ISN;
}

std::uint32_t slirpstack_random()
{
  return 4;
}

void slirpstack_lwip_assert(const char* text, const char* file, int line)
{
  static_cast<void>(std::fprintf(stderr, "%s (%s:%d)\n", text, file, line));
  std::abort();
}

void tcp_timer_needed() {}
}

TEST_CASE("an active open over IPv4 names its pcb to the output and takes our sequence number")
{
  check_active_open("192.0.2.1", "198.51.100.1", 20);
}

TEST_CASE("an active open over IPv6 names its pcb to the output and takes our sequence number")
{
  check_active_open("2001:db8::1", "2001:db8::2", 40);
}

TEST_CASE("lwIP's asserts abort with their text, and are gone from a release")
{
  std::array<char, 256> message{};
  const int status = status_of_child(
    [] {
      pbuf overflowing{};
      overflowing.ref = static_cast<decltype(overflowing.ref)>(-1);
      pbuf_ref(&overflowing);
    },
    message);
#ifdef NDEBUG
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
#else
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
  CHECK(std::string_view(message.data()).find("pbuf ref overflow") != std::string_view::npos);
#endif
}
