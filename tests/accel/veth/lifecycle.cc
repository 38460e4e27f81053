#include "accel/nat_table.hh"
#include "nat_view.hh"
#include "network.hh"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <doctest/doctest.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace slirpstack;
using namespace slirpstack::test;
using namespace std::chrono_literals;

namespace {

/// Makes this process see a kernel without tcx, as those before 6.6 are.
void hide_links()
{
  sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_bpf, 0, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_LINK_CREATE, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{sizeof(code) / sizeof(code[0]), code};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    ::_exit(1);
  }
}

/// Another process that runs the NAT until it is told to leave, or killed.
class Holder
{
public:
  Holder(const Network& network, bool has_links)
  {
    REQUIRE(::pipe(ready_) == 0);
    REQUIRE(::pipe(leave_) == 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::close(leave_[1]);
      ::_exit(run(network, has_links));
    }
    char byte = 0;
    is_ready_ = ::read(ready_[0], &byte, 1) == 1 && byte == '1';
  }
  ~Holder()
  {
    if (child_ > 0) {
      kill();
    }
    for (const int end : {ready_[0], ready_[1], leave_[0], leave_[1]}) {
      ::close(end);
    }
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  [[nodiscard]] bool is_ready() const { return is_ready_; }
  void kill()
  {
    ::kill(child_, SIGKILL);
    wait();
  }
  void leave()
  {
    REQUIRE(::write(leave_[1], "1", 1) == 1);
    wait();
  }

private:
  int run(const Network& network, bool has_links)
  {
    if (!has_links) {
      hide_links();
    }
    char byte = '0';
    try {
      const auto nat = network.start();
      if (::write(ready_[1], "1", 1) != 1 || ::read(leave_[0], &byte, 1) != 1) {
        return 1;
      }
    } catch (const std::exception& error) {
      MESSAGE(error.what());
      return ::write(ready_[1], "0", 1) == 1 ? 1 : 2;
    }
    return 0;
  }
  void wait()
  {
    ::waitpid(child_, nullptr, 0);
    child_ = -1;
  }

  int ready_[2] = {};
  int leave_[2] = {};
  pid_t child_ = -1;
  bool is_ready_ = false;
};

bool has_filter(const char* interface)
{
  return succeeds("tc filter show dev " + std::string(interface) + " ingress | grep -q nat_");
}

} // namespace

TEST_CASE("after SIGKILL the programs are gone, nothing passes, and a successor starts")
{
  FOR_BOTH_NETWORKS(network)
  {
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const FileDescriptor guest = socket_in("first", SOCK_DGRAM);
    Holder holder(network, true);
    REQUIRE(holder.is_ready());
    CHECK(external_of(guest.get(), server.get()).address == EXTERNAL_ADDRESS);
    holder.kill();
    send_to(guest.get(), "leak", SERVER);
    CHECK_FALSE(receive(server.get()));
    CHECK_FALSE(succeeds("ip link show guest1 | grep -q xdp"));
    CHECK_FALSE(has_filter("guest1"));
    const auto successor = network.start();
    CHECK(external_of(guest.get(), server.get()).address == EXTERNAL_ADDRESS);
  }
}

TEST_CASE("before tcx the programs are filters, which go with the one who leaves")
{
  const Network network(NatHook::tc);
  const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
  const FileDescriptor guest = socket_in("first", SOCK_DGRAM);
  Holder holder(network, false);
  REQUIRE(holder.is_ready());
  CHECK(has_filter("guest1"));
  CHECK(external_of(guest.get(), server.get()).address == EXTERNAL_ADDRESS);
  holder.leave();
  CHECK_FALSE(has_filter("guest1"));
  CHECK_FALSE(has_filter("external"));
  send_to(guest.get(), "leak", SERVER);
  CHECK_FALSE(receive(server.get()));
}

TEST_CASE("filters that SIGKILL has left behind carry nothing once the heartbeat is over")
{
  const Network network(NatHook::tc);
  const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
  const FileDescriptor guest = socket_in("first", SOCK_DGRAM);
  const auto nat = network.start([](nat_settings& settings) { settings.flags |= NAT_HEARTBEAT; });
  NatTable<std::uint32_t, std::uint64_t> heartbeat(nat->object().map("heartbeat"));
  const auto lasts_for = [&](std::chrono::seconds duration) {
    heartbeat.put(0, static_cast<std::uint64_t>((kernel_time() + duration).count()));
  };
  lasts_for(100s);
  const Endpoint external = external_of(guest.get(), server.get());
  CHECK(external.address == EXTERNAL_ADDRESS);
  lasts_for(-1s);
  send_to(guest.get(), "leak", SERVER);
  CHECK_FALSE(receive(server.get()));
  send_to(server.get(), "answer", external);
  CHECK_FALSE(receive(guest.get()));
  lasts_for(100s);
  send_to(server.get(), "answer", external);
  CHECK(receive(guest.get()));
}

TEST_CASE("a successor takes the place of filters that SIGKILL has left behind")
{
  const Network network(NatHook::tc);
  const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
  const FileDescriptor guest = socket_in("first", SOCK_DGRAM);
  {
    Holder killed(network, false);
    REQUIRE(killed.is_ready());
    killed.kill();
  }
  CHECK(external_of(guest.get(), server.get()).address == EXTERNAL_ADDRESS);
  Holder successor(network, false);
  REQUIRE(successor.is_ready());
  CHECK(external_of(guest.get(), server.get()).address == EXTERNAL_ADDRESS);
  successor.leave();
  CHECK_FALSE(has_filter("guest1"));
}
