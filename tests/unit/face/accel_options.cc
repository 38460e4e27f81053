#include "base/error.hh"
#include "face/native_command_line.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

namespace {

using Words = std::vector<std::string>;
using Acceleration = Config::Acceleration;

Config parse(Words words)
{
  return parse_command_line(words);
}

/// With what `-accel` needs.
Config accelerated(const Words& more)
{
  Words words{"-accel", "xdp", "-external", "eth0", "-netns", "blue"};
  words.insert(words.end(), more.begin(), more.end());
  return parse(words);
}

std::string error_of(const Words& words)
{
  try {
    static_cast<void>(parse_command_line(words));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

std::string accelerated_error(const Words& more)
{
  Words words{"-accel", "xdp", "-external", "eth0", "-netns", "blue"};
  words.insert(words.end(), more.begin(), more.end());
  return error_of(words);
}

} // namespace

TEST_CASE("without -accel there is no accelerator")
{
  CHECK(parse({"-netns", "blue"}).acceleration == Acceleration{});
}

TEST_CASE("each option of the accelerator reaches its place")
{
  const Acceleration asked = accelerated({"-external-address=203.0.113.1,203.0.113.8-203.0.113.9",
                                          "-external-ports=2000-2999",
                                          "-internal=10.0.0.0/16,192.168.0.0/24",
                                          "-internal=172.16.0.0/12",
                                          "-no-nat=10.8.0.0/16,192.0.2.7",
                                          "-no-nat=172.31.0.0/16",
                                          "-xdp-alloc=kernel",
                                          "-port-block=100",
                                          "-port-quota=50",
                                          "-tcp-filter=address",
                                          "-max-bindings=1000",
                                          "-quarantine=0",
                                          "-quarantine-ports=70",
                                          "-log-bindings",
                                          "-pin=/sys/fs/bpf/x"})
                               .acceleration;
  CHECK(asked.hook == Acceleration::Hook::xdp);
  CHECK(asked.external == "eth0");
  REQUIRE(asked.addresses.size() == 2);
  CHECK(asked.addresses[1].to_string() == "203.0.113.8-203.0.113.9");
  CHECK(asked.ports == PortRange{2000, 2999});
  REQUIRE(asked.internal.size() == 3);
  CHECK(asked.internal[2].to_string() == "172.16.0.0/12");
  REQUIRE(asked.exempt.size() == 3);
  CHECK(asked.exempt[0].to_string() == "10.8.0.0/16");
  CHECK(asked.exempt[1].to_string() == "192.0.2.7/32");
  CHECK(asked.exempt[2].to_string() == "172.31.0.0/16");
  CHECK(asked.kernel_allocates);
  CHECK(asked.block_ports == 100);
  CHECK(asked.quota == 50);
  CHECK(asked.quarantine == std::chrono::seconds(0));
  CHECK(asked.quarantine_ports == 70);
  CHECK(asked.tcp_filter == Config::UdpFilter::address);
  CHECK(asked.max_bindings == 1000);
  CHECK(asked.log_bindings);
  CHECK(asked.pin_folder == "/sys/fs/bpf/x");
}

TEST_CASE("the accelerator's defaults: the guest's network, ports by the host, rules that hold")
{
  const Config config = accelerated({"-cidr=192.168.7.0/24"});
  REQUIRE(config.acceleration.internal.size() == 1);
  CHECK(config.acceleration.internal.front().to_string() == "192.168.7.0/24");
  CHECK(config.acceleration.addresses.empty());
  CHECK_FALSE(config.acceleration.ports);
  CHECK_FALSE(config.acceleration.kernel_allocates);
  CHECK(config.acceleration.max_bindings == 65536);
  CHECK(config.network.configure); // and so the user-mode stack can do it all
}

TEST_CASE("-netns takes several namespaces")
{
  for (const Words& words : {Words{"-netns=a,/run/b,c"},
                             Words{"-netns", "a", "-netns", "/run/b", "-netns", "c"},
                             Words{"-netns=,a", "-netns=/run/b,,c"}}) {
    const Config config = parse(words);
    CHECK(config.attach.netns == "a");
    CHECK(config.attach.further_netns == Words{"/run/b", "c"});
  }
}

TEST_CASE("a wrong value for the accelerator is named with its flag and what would be right")
{
  struct Row
  {
    const char* typed;
    const char* text;
  };
  for (
    const Row& row : {
      Row{"-accel=bpf", R"(invalid value "bpf" for flag -accel: must be one of xdp, tc, auto)"},
      Row{
        "-external-address=10.0.0",
        R"(invalid value "10.0.0" for flag -external-address: must be IPv4 addresses such as 192.0.2.1, 192.0.2.1-192.0.2.9 or 192.0.2.0/28, which "10.0.0" is not)"},
      Row{
        "-external-address=127.0.0.1",
        R"(invalid value "127.0.0.1" for flag -external-address: must be ordinary unicast addresses, unlike 127.0.0.1)"},
      Row{
        "-external-ports=9-1",
        R"(invalid value "9-1" for flag -external-ports: must be FIRST-LAST, ports from 1 to 65535, such as 1024-65535)"},
      Row{
        "-no-nat=10.8.0.1/16",
        R"(invalid value "10.8.0.1/16" for flag -no-nat: must be IPv4 networks or addresses such as 10.8.0.0/16)"},
      Row{
        "-no-nat=2001:db8::/32",
        R"(invalid value "2001:db8::/32" for flag -no-nat: must be IPv4 networks or addresses such as 10.8.0.0/16)"},
      Row{
        "-internal=10.0.0.1/8",
        R"(invalid value "10.0.0.1/8" for flag -internal: must be IPv4 networks such as 10.0.0.0/8)"},
      Row{"-xdp-alloc=me",
          R"(invalid value "me" for flag -xdp-alloc: must be one of user, kernel)"},
      Row{"-port-block=65536",
          R"(invalid value "65536" for flag -port-block: must be a number from 0 to 65535)"},
      Row{"-tcp-filter=x",
          R"(invalid value "x" for flag -tcp-filter: must be one of endpoint, address, port)"},
      Row{"-max-bindings=0",
          R"(invalid value "0" for flag -max-bindings: must be a number from 1 to 10000000)"},
      Row{
        "-pin=here",
        R"(invalid value "here" for flag -pin: must be the path of a folder in a BPF file system, such as /sys/fs/bpf/slirpstack)"},
    }) {
    CHECK(accelerated_error({row.typed}) == row.text);
  }
}

TEST_CASE("options that need the accelerator say so")
{
  for (const char* typed : {"-external=eth0",
                            "-external-address=192.0.2.1",
                            "-external-ports=1-2",
                            "-internal=10.0.0.0/8",
                            "-no-nat=10.0.0.0/8",
                            "-xdp-alloc=kernel",
                            "-port-block=1",
                            "-port-quota=1",
                            "-tcp-filter=port",
                            "-max-bindings=1",
                            "-quarantine=1m",
                            "-quarantine-ports=1",
                            "-log-bindings",
                            "-pin=/sys/fs/bpf/x"}) {
    const std::string name = std::string(typed).substr(0, std::string(typed).find('='));
    CHECK(error_of({"-netns=a", typed}) == name + " needs -accel (xdp, tc or auto)");
  }
}

TEST_CASE("what does not go with the accelerator is refused with the reason")
{
  CHECK(error_of({"-accel=tc", "-netns=a"})
        == "-accel needs -external: the interface that leads to the world");
  CHECK(error_of({"-accel=tc", "-external=eth0", "-interface=eth1"})
        == "-accel needs -netns or a process id: the guest to be served");
  CHECK(error_of({"-accel=tc", "-external=eth0", "run"})
        == "-accel cannot be used with run: name a namespace with -netns, or a process");
  CHECK(accelerated_error({"-internal=192.168.0.0/16"})
        == "-internal has to contain the guest's address, 10.0.2.100 of -cidr");
  CHECK(accelerated_error({"-external-address=10.0.2.7"})
        == "-external-address 10.0.2.7 lies in -internal 10.0.2.0/24: an address is either outside "
           "or inside");
  CHECK(accelerated_error({"-external-ports=1-10", "-port-block=11"})
        == "-port-block 11 is larger than -external-ports 1-10, which has 10");
  CHECK(accelerated_error({"-port-quota=11", "-port-block=10"}) == "no error"); // of two blocks
  CHECK(accelerated_error({"-xdp-alloc=kernel", "-port-quota=11", "-port-block=10"})
        == "-port-quota 11 is more than -port-block 10 has for an address");
  for (const char* value : {"1500ms", "721h"}) {
    CHECK(
      accelerated_error({std::string("-quarantine=") + value})
      == fmt::format("invalid value \"{}\" for flag -quarantine: must be whole seconds from 0s to "
                     "720h",
                     value));
  }
  CHECK(accelerated_error({"-external-address=198.16.0.0/15"})
        == "-external-address has 131072 addresses: at most 65536 without -xdp-alloc=kernel");
  CHECK(accelerated_error({"-external-address=198.16.0.0/15", "-xdp-alloc=kernel"}) == "no error");
  CHECK(accelerated_error({"-mtu=9000"})
        == "-mtu 9000 cannot be used with -accel xdp: at most 3400 go there");
  for (const Words& words : {Words{"-rules", "f"},
                             Words{"-allow", "192.0.2.1"},
                             Words{"-deny", "192.0.2.1"},
                             Words{"-disable-routing"}}) {
    Words all{"-xdp-alloc=kernel"};
    all.insert(all.end(), words.begin(), words.end());
    CHECK(accelerated_error(all)
          == words[0]
               + " cannot be used with -xdp-alloc=kernel: the kernel asks nobody about a flow");
  }
}

TEST_CASE("a forward whose packets the kernel would carry elsewhere is refused")
{
  CHECK(accelerated_error({"-xdp-alloc=kernel", "-L", "udp://5353:53"})
        == "-L udp://5353:53 cannot be used with -xdp-alloc=kernel: the kernel would send the "
           "guest's answers from another port");
  CHECK(accelerated_error({"-xdp-alloc=kernel", "-R", "web.example:80::8080"})
        == "-R web.example:80::8080 cannot be used with -xdp-alloc=kernel: the kernel has to know "
           "its address, so give that and no name");
  CHECK(accelerated_error({"-xdp-alloc=kernel", "-L", "8080:80", "-R", "192.0.2.1:80::8080"})
        == "no error");
  CHECK(accelerated_error({"-L", "udp://5353:53"}) == "no error");
}

TEST_CASE("what could be any guest's is refused with several guests")
{
  for (const Words& words : {Words{"-L", "8080:80"},
                             Words{"-map", "eth0 fd00::/64 2001:db8::/64"},
                             Words{"-map-file", "f"},
                             Words{"-control-restricted", "p:fd00::/64"},
                             Words{"-metrics", "unix:///m"},
                             Words{"-pcap", "f"}}) {
    Words all{"-netns=a,b"};
    all.insert(all.end(), words.begin(), words.end());
    CHECK(error_of(all)
          == words[0] + " cannot be used with more than one -netns: it would be any guest's");
  }
  CHECK(
    accelerated_error({"-netns=b", "-port-block=9", "-xdp-alloc=kernel"})
    == "-port-block cannot be used with more than one -netns: with -xdp-alloc=kernel the block "
       "follows from the guest's address, and all of them have the same; with -xdp-alloc=user each "
       "gets blocks as it needs them");
  CHECK(accelerated_error({"-netns=b", "-port-block=9"}) == "no error");
}
