// What a guest or a remote can make of a packet of a mapped flow: whatever passes is of that flow,
// to the user-mode stack as well, and all else comes to nobody or is left as it is.

#include "mapped_judge.hh"

#include <array>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <random>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

constexpr std::size_t ETHERTYPE = 12;
constexpr std::size_t ETHERNET = 14;
constexpr int MUTATIONS = 20'000;
const Endpoint ROUTER = at("[2001:db8:77::1]:0");

class Attack
{
public:
  explicit Attack(NatHook hook) : bed(hook), judge_(prepared(bed), flows()) {}

  /// Of the guest's packets one of each kind: of each protocol, by either mapping, and errors.
  static std::vector<Packet> sent()
  {
    std::vector<Packet> packets = flows();
    for (const Packet& packet : flows()) {
      const Packet answer = reply_to(packet);
      packets.push_back(unreachable(packet.source, answer.source, build_v6(answer)));
    }
    return packets;
  }
  /// The same of the world's.
  [[nodiscard]] std::vector<Packet> received() const
  {
    std::vector<Packet> packets;
    for (const Packet& packet : flows()) {
      const Packet out = outside(bed, packet);
      packets.push_back(reply_to(out));
      packets.push_back(unreachable(ROUTER, out.source, build_v6(out)));
    }
    return packets;
  }

  void sends(const Bytes& packet) { tries("nat_internal", frame(FROM_GUEST, packet)); }
  void receives(const Bytes& packet) { tries("nat_external", frame(FROM_WORLD, packet)); }
  void tries(const char* program, const Bytes& frame)
  {
    const bool is_out = program == std::string_view("nat_internal");
    const Fate fate = bed.run(program, frame);
    std::string objection;
    if (fate == (is_out ? Fate::world : Fate::guest)) {
      ++carried;
      objection
        = is_out ? judge_.objection_out(frame, bed.seen) : judge_.objection_in(frame, bed.seen);
    } else if (fate != Fate::dropped && fate != Fate::host && fate != Fate::slirpstack) {
      objection = "it went where it should not";
    }
    REQUIRE_MESSAGE(
      objection.empty(), objection, ": ", fmt::format("{:02x}", fmt::join(frame, "")));
  }

  MappedBed bed;
  int carried = 0;

private:
  static std::vector<Packet> flows()
  {
    std::vector<Packet> packets;
    for (const Endpoint& guest : MAPPED_GUESTS) {
      for (const std::uint8_t protocol : MAPPED_PROTOCOLS) {
        packets.push_back(request(guest, protocol));
      }
    }
    return packets;
  }
  static const MappedBed& prepared(MappedBed& bed)
  {
    for (const Packet& packet : flows()) {
      bed.carry(packet);
    }
    return bed;
  }

  MappedJudge judge_;
};

/// Of the frames that the kernel lets a program be tested with.
std::size_t shortest(NatHook hook)
{
  return ETHERNET + (hook == NatHook::xdp ? 1 : IPV6_HEADER_BYTES);
}

using Random = std::mt19937;

std::size_t below(Random& random, std::size_t bound)
{
  return random() % bound;
}

template<std::size_t COUNT>
std::uint8_t one_of(Random& random, const std::array<std::uint8_t, COUNT>& choices)
{
  return choices[below(random, COUNT)];
}

/// With the fields that say something often near to what makes sense.
Extension any_extension(Random& random)
{
  Extension extension{
    one_of<4>(
      random,
      {PROTOCOL_HOP_BY_HOP, PROTOCOL_ROUTING, PROTOCOL_FRAGMENT, PROTOCOL_DESTINATION_OPTIONS}),
    {}};
  const std::size_t units = below(random, 8) == 0 ? below(random, 40) : below(random, 2);
  extension.bytes.resize(extension.protocol == PROTOCOL_FRAGMENT ? 8 : (units + 1) * 8);
  extension.bytes[1] = static_cast<std::uint8_t>(units);
  if (extension.protocol == PROTOCOL_FRAGMENT) {
    extension.bytes[3] = one_of<6>(random, {0, 1, 1, 8, 9, 24});
    extension.bytes[7] = static_cast<std::uint8_t>(below(random, 4));
  } else if (below(random, 3) == 0) {
    extension.bytes[3] = static_cast<std::uint8_t>(below(random, 3)); // segments left
  }
  return extension;
}

Bytes with_extensions(Random& random, const Packet& packet)
{
  std::vector<Extension> extensions(below(random, 2) == 0 ? 0 : below(random, 8));
  std::ranges::generate(extensions, [&] { return any_extension(random); });
  return build_v6(packet, extensions);
}

/// Any bytes behind the MAC addresses, lengths first of all; and an end that comes too early or
/// too late.
Bytes mutated(NatHook hook, Random& random, Bytes frame)
{
  if (below(random, 4) == 0) {
    frame[ETHERNET + 4] = 0;
    frame[ETHERNET + 5] = static_cast<std::uint8_t>(below(random, 2) * 8 * below(random, 12));
  }
  if (below(random, 8) == 0) {
    frame.resize(frame.size() + below(random, 64), 0x3a);
  } else if (below(random, 8) == 0) {
    frame.resize(shortest(hook) + below(random, frame.size() - shortest(hook)));
  }
  const std::size_t changes = below(random, 2) * below(random, 4);
  for (std::size_t i = 0; i < changes; ++i) {
    frame[ETHERTYPE + below(random, frame.size() - ETHERTYPE)]
      = one_of<4>(random, {0, 0xff, 1, static_cast<std::uint8_t>(random())});
  }
  return frame;
}

} // namespace

TEST_CASE("a mapped packet that is cut anywhere passes as what it is, or not at all")
{
  for (const NatHook hook : BOTH_HOOKS) {
    Attack attack(hook);
    const auto cut = [&](const char* program, const Bytes& whole) {
      for (std::size_t length = shortest(hook); length < whole.size(); ++length) {
        attack.tries(program, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)});
      }
      CHECK(attack.carried == 0);
      attack.tries(program, whole);
      CHECK(std::exchange(attack.carried, 0) == 1);
    };
    for (const Packet& packet : Attack::sent()) {
      cut("nat_internal", frame(FROM_GUEST, build_v6(packet)));
    }
    for (const Packet& packet : attack.received()) {
      cut("nat_external", frame(FROM_WORLD, build_v6(packet)));
    }
  }
}

namespace {

/// Packets that the program lets pass are made into others, the same ones each time.
void mutate_all(const char* program,
                const Frame& from,
                unsigned seed,
                std::vector<Packet> (*packets)(NatHook hook))
{
  for (const NatHook hook : BOTH_HOOKS) {
    Random random(static_cast<unsigned>(hook) + seed); // NOLINT(cert-msc51-cpp)
    for (const Packet& packet : packets(hook)) {
      Attack attack(hook);
      for (int i = 0; i < MUTATIONS; ++i) {
        attack.tries(program, mutated(hook, random, frame(from, with_extensions(random, packet))));
      }
      CHECK(attack.carried > MUTATIONS / 10);
    }
  }
}

} // namespace

TEST_CASE("whatever a guest makes of its packets, what leaves is of a flow that is allowed")
{
  mutate_all("nat_internal", FROM_GUEST, 1, [](NatHook) { return Attack::sent(); });
}

TEST_CASE("whatever a remote makes of its packets, what comes in is of a flow that is allowed")
{
  mutate_all("nat_external", FROM_WORLD, 3, [](NatHook hook) { return Attack(hook).received(); });
}

TEST_CASE("whatever is made of an open mapping's packets, they keep to its prefixes")
{
  const auto is_in = [](ByteView address, std::initializer_list<const char*> prefixes) {
    return std::ranges::any_of(prefixes, [&](const char* prefix) {
      return Prefix::parse(prefix)->contains(IpAddress(address));
    });
  };
  for (const NatHook hook : BOTH_HOOKS) {
    Random random(static_cast<unsigned>(hook) + 5); // NOLINT(cert-msc51-cpp)
    MappedBed bed(hook);
    bed.map("add eth0 fd00:5::/64 2001:db8:5::/64 open\n"
            "add eth0 fd00:6::/64 2001:db8:6::/64 neutral open\n");
    int carried = 0;
    for (const Endpoint& guest : {at("[fd00:5::5]:5000"), at("[fd00:6::5]:5000")}) {
      for (const std::uint8_t protocol : MAPPED_PROTOCOLS) {
        const Packet sent = request(guest, protocol);
        const Packet received = request(MAPPED_REMOTE, protocol, bed.external_of(guest));
        for (int i = 0; i < MUTATIONS; ++i) {
          const bool is_out = i % 2 == 0;
          const Bytes packet = with_extensions(random, is_out ? sent : received);
          const Bytes tried
            = mutated(hook, random, frame(is_out ? FROM_GUEST : FROM_WORLD, packet));
          const Fate fate = bed.run(is_out ? "nat_internal" : "nat_external", tried);
          CAPTURE(fmt::format("{:02x}", fmt::join(tried, "")));
          REQUIRE(fate != Fate::garbled);
          if (fate != Fate::world && fate != Fate::guest) {
            continue;
          }
          ++carried;
          const std::size_t header = bed.seen.at(ETHERTYPE) == 0x81 || bed.seen[ETHERTYPE] == 0x88
                                       ? ETHERNET + 4
                                       : ETHERNET;
          const ByteView seen = ByteView(bed.seen).subspan(header);
          REQUIRE(seen.size() >= IPV6_HEADER_BYTES);
          REQUIRE((seen[0] >> 4U) == 6);
          if (fate == Fate::world) {
            REQUIRE(is_in(seen.subspan(8, 16), {"2001:db8:5::/64", "2001:db8:6::/64"}));
          }
          if (fate == Fate::guest) {
            REQUIRE(is_in(seen.subspan(24, 16), {"fd00:5::/64", "fd00:6::/64"}));
          }
        }
      }
    }
    CHECK(carried > MUTATIONS / 10);
  }
}

TEST_CASE("of extension headers so many are passed over, and no more")
{
  constexpr std::size_t LIMIT = 5;
  for (const NatHook hook : BOTH_HOOKS) {
    Attack attack(hook);
    for (std::size_t number = 0; number <= 10; ++number) {
      CAPTURE(number);
      const std::vector<Extension> chain(number);
      for (const Packet& packet : Attack::sent()) {
        attack.sends(build_v6(packet, chain));
        CHECK(std::exchange(attack.carried, 0) == (number <= LIMIT ? 1 : 0));
      }
      for (const Packet& packet : attack.received()) {
        attack.receives(build_v6(packet, chain));
        CHECK(std::exchange(attack.carried, 0) == (number <= LIMIT ? 1 : 0));
      }
    }
  }
}

TEST_CASE("an extension header of any length does not hide the ports from policy")
{
  for (const NatHook hook : BOTH_HOOKS) {
    Attack attack(hook);
    for (std::size_t units = 0; units < 170; ++units) {
      CAPTURE(units);
      Extension filler{PROTOCOL_DESTINATION_OPTIONS, Bytes((units + 1) * 8)};
      filler.bytes[1] = static_cast<std::uint8_t>(units);
      for (const Packet& packet : Attack::sent()) {
        attack.sends(build_v6(packet, {filler}));
        // An allowed transport header wherever a short memory might look for it.
        const Bytes allowed = build_v6(packet);
        Extension decoy = filler;
        for (std::size_t i = 8; i < decoy.bytes.size(); ++i) {
          decoy.bytes[i] = allowed[IPV6_HEADER_BYTES + i % 8];
        }
        Packet forbidden = packet;
        forbidden.source.port = 5001;
        attack.sends(build_v6(forbidden, {decoy}));
      }
    }
  }
}

TEST_CASE("a packet with routers to visit is slirpstack's or the host's, unchanged")
{
  for (const NatHook hook : BOTH_HOOKS) {
    Attack attack(hook);
    Extension route{PROTOCOL_ROUTING, Bytes(24)};
    route.bytes[1] = 2;
    route.bytes[3] = 1;
    for (const Packet& packet : Attack::sent()) {
      CHECK(attack.bed.from_guest(build_v6(packet, {route})) == Fate::slirpstack);
    }
    for (const Packet& packet : attack.received()) {
      CHECK(attack.bed.from_world(build_v6(packet, {route})) == Fate::host);
    }
  }
}
