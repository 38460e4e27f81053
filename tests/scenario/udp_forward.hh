#pragma once

#include "scenario/packets.hh"
#include "scenario/world.hh"
#include "wire/simple_proxy.hh"

#include <array>
#include <deque>
#include <doctest/doctest.h>
#include <string>
#include <string_view>
#include <utility>

// A service and a client on either side of a UDP forward, and what they do.
namespace slirpstack::udp_forward {

inline const Endpoint SERVICE = endpoint("10.0.2.100", 53);
inline const Endpoint CLIENT = endpoint("198.51.100.7", 51000);
inline const Endpoint LOCAL = endpoint("203.0.113.1", 5300);
inline const Endpoint GUEST = endpoint("10.0.2.100", 4000);
inline const Endpoint MATCH = endpoint("10.0.2.2", 5353);
inline const Endpoint TARGET = endpoint("127.0.0.1", 53);

/// `-L`: what arrives at `bind` goes to the guest's service.
inline ForwardPlan local(ForwardScheme scheme, const Endpoint& bind = LOCAL)
{
  ForwardPlan plan;
  plan.spec.scheme = scheme;
  plan.local.push_back(
    {.scheme = scheme, .listen = {.address = bind, .device = {}}, .targets = {SERVICE}});
  return plan;
}

/// `-R`: what the guest sends to MATCH goes to the first target that lives.
inline ForwardPlan remote(ForwardScheme scheme, std::deque<Target> targets = {TARGET})
{
  ForwardPlan plan;
  plan.spec.direction = ForwardDirection::remote;
  plan.spec.scheme = scheme;
  plan.remote.push_back({.scheme = scheme, .match = MATCH, .targets = std::move(targets)});
  return plan;
}

inline std::string text_of(ByteView bytes)
{
  return {bytes.begin(), bytes.end()};
}

inline void guest_sends(World& world,
                        const Endpoint& from,
                        const Endpoint& to,
                        std::string_view text)
{
  world.guest_sends(udp_packet(from, to, text));
  world.settle();
}

/// The oldest packet that the guest has not looked at; there has to be one.
inline GuestReceived next(World& world)
{
  REQUIRE_FALSE(world.inbox().empty());
  GuestReceived packet = std::move(world.inbox().front());
  world.inbox().pop_front();
  return packet;
}

/// A datagram's payload behind a Simple Proxy header.
inline std::string spp(const Endpoint& client, const Endpoint& proxy, const std::string& text)
{
  std::array<std::uint8_t, SimpleProxyHeader::SIZE_BYTES> bytes{};
  Writer writer(bytes);
  SimpleProxyHeader{client, proxy}.write(writer);
  return text_of(bytes) + text;
}

} // namespace slirpstack::udp_forward
