#include "face/cgnat.hh"

#include "base/error.hh"
#include "face/options.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

namespace {

using Words = std::vector<std::string>;

const Words NEEDED{"-e", "eth0", "-i", "eth1", "-E", "203.0.113.1", "-I", "10.0.0.0/8"};

Config parse(const Words& more)
{
  Words words = NEEDED;
  words.insert(words.end(), more.begin(), more.end());
  return parse_cgnat(words);
}

std::string error_of(const Words& words)
{
  try {
    static_cast<void>(parse_cgnat(words));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

} // namespace

TEST_CASE("the line that users of cgnat-ebpf know starts the NAT")
{
  Words words = NEEDED;
  words.insert(words.begin(), "run"); // its subcommand
  for (const Words& typed : {NEEDED, words}) {
    const Config config = parse_cgnat(typed);
    CHECK(config.action == Config::Action::translate);
    CHECK(config.manner == Config::Manner::cgnat);
    const auto& nat = config.acceleration;
    CHECK(nat.hook == Config::Acceleration::Hook::automatic);
    CHECK(nat.kernel_allocates);
    CHECK(nat.external == "eth0");
    CHECK(nat.internal_interface == "eth1");
    CHECK_FALSE(nat.ports); // by whose address it is
    REQUIRE(nat.addresses.size() == 1);
    REQUIRE(nat.internal.size() == 1);
    CHECK(nat.internal.front().to_string() == "10.0.0.0/8");
    CHECK(config.egress.udp_filter == Config::UdpFilter::endpoint);
  }
}

TEST_CASE("cgnat-ebpf's other options are understood, by their long names too")
{
  const Config config = parse_cgnat(Words{"--external-iface=eth0",
                                          "--internal-iface=eth1",
                                          "--external-addr=203.0.113.1",
                                          "--internal-subnet=10.0.0.0/8",
                                          "--port-min=2000",
                                          "--port-max=3000",
                                          "--stats-interval=5",
                                          "--gc-interval=30",
                                          "--skb-mode"});
  CHECK(config.acceleration.ports == PortRange{2000, 3000});
  CHECK(config.acceleration.hook == Config::Acceleration::Hook::tc);
  CHECK(parse({"-port-min=40000"}).acceleration.ports == PortRange{40000, 65535});
  CHECK(parse({"-port-max=40000"}).acceleration.ports == PortRange{1024, 40000});
}

TEST_CASE("options beyond cgnat-ebpf's are slirpstack's own")
{
  const Config config = parse({"-no-nat=192.0.2.0/24",
                               "-port-block=256",
                               "-port-quota=200",
                               "-control=/run/cgnat.sock",
                               "-udp-filter=port"});
  CHECK(config.acceleration.block_ports == 256);
  CHECK(config.acceleration.quota == 200);
  REQUIRE(config.acceleration.exempt.size() == 1);
  CHECK(config.acceleration.exempt.front().to_string() == "192.0.2.0/24");
  CHECK(config.control.socket == "/run/cgnat.sock");
  CHECK(config.egress.udp_filter == Config::UdpFilter::port);
}

TEST_CASE("what cgnat lacks, or cannot be, is said in one line")
{
  CHECK(error_of({}) == "-e is needed: the interface that leads to the world (-help tells more)");
  CHECK(error_of({"-e", "eth0", "-i", "eth1", "-I", "10.0.0.0/8"})
        == "-E is needed: the addresses that they are seen under (-help tells more)");
  CHECK(error_of({"-e", "a", "-i", "a", "-E", "203.0.113.1", "-I", "10.0.0.0/8"})
        == R"(-e and -i both name "a": the NAT lies between two interfaces)");
  CHECK(error_of({"-I", "10.0.0.0"})
        == R"(invalid value "10.0.0.0" for flag -I: must be IPv4 networks such as 10.0.0.0/8)");
  CHECK(error_of({"-port-min=9", "-port-max=8"}) == "-port-min 9 is greater than -port-max 8");
  CHECK(error_of({"-e", "a", "-i", "b", "-E", "10.0.0.1", "-I", "10.0.0.0/8"})
        == "-E 10.0.0.1 lies in -I 10.0.0.0/8: an address is either outside or inside");
  CHECK(error_of({"-e",
                  "a",
                  "-i",
                  "b",
                  "-E",
                  "203.0.113.1",
                  "-I",
                  "10.0.0.0/8",
                  "-port-min=2000",
                  "-port-max=2999",
                  "-port-block=1001"})
        == "-port-block 1001 is larger than -port-min to -port-max 2000-2999, which has 1000");
  CHECK(
    error_of(
      {"-e", "a", "-i", "b", "-E", "203.0.113.1", "-I", "10.0.0.0/8", "-accel", "xdp", "-skb-mode"})
    == "-skb-mode cannot be used with -accel xdp: it means TC");
  CHECK(error_of({"stats"}) == R"(unexpected argument "stats")");
}

TEST_CASE("forwards of cgnat are read, and refused where they do not fit -E, -I or each other")
{
  const Config config = parse({"-L", "8080:10.0.0.2:80", "--local-forward=udp://53:10.0.0.2:53"});
  REQUIRE(config.forwarding.local.size() == 2);
  CHECK(config.forwarding.local.front().text == "8080:10.0.0.2:80");
  const auto error = [](const Words& more) {
    Words words = NEEDED;
    words.insert(words.end(), more.begin(), more.end());
    return error_of(words);
  };
  CHECK(error({"-L", "192.0.2.9:80:10.0.0.2:80"})
        == R"(invalid value "192.0.2.9:80:10.0.0.2:80" for flag -L: 192.0.2.9 is no external )"
           "address of the NAT");
  CHECK(
    error({"-L", "80-81:10.0.0.2:80-81", "-L", "81:10.0.0.2:82"})
    == R"(invalid value "81:10.0.0.2:82" for flag -L: tcp://203.0.113.1:81 is forwarded already)");
  CHECK(error({"-L", "80:10.0.0.2:80", "-local-forward", "81:10.0.0.2:80"})
        == R"(invalid value "81:10.0.0.2:80" for flag -L: 10.0.0.2:80 is another forward's )"
           "already: it can have one external port of a protocol");
  // A port of each protocol.
  CHECK(error({"-L", "80:10.0.0.2:80", "-L", "udp://80:10.0.0.2:80"}) == "no error");
}

TEST_CASE("cgnat is known by its name")
{
  CHECK(manner_of("/usr/bin/cgnat") == Config::Manner::cgnat);
  CHECK(program_name(Config::Manner::cgnat) == "cgnat");
}
