#pragma once

#include "control/control_plane.hh"
#include "scenario/world.hh"

#include <algorithm>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <string>

namespace slirpstack {

/// A gateway with a control plane, and a client of its control socket.
struct Controlled
{
  using Json = nlohmann::json;

  explicit Controlled(const std::string& rules_file = "")
    : plane({.rules_file = rules_file,
             .defaults = {.guest_ipv4 = endpoint("10.0.2.100", 0).address,
                          .guest_ipv6 = endpoint("fd00::100", 0).address,
                          .gateway_ipv4 = endpoint("10.0.2.2", 0).address,
                          .gateway_ipv6 = endpoint("fd00::2", 0).address}},
            world.gateway,
            world.host,
            world.names,
            world.pool,
            [this]() -> const HostNetworks& { return networks; })
  {
    plane.open_socket("/run/control");
    world.host.listener(0).accepts(std::nullopt);
    client = &world.host.last_stream();
  }
  ~Controlled() { world.gateway.close_all(); }
  Controlled(const Controlled&) = delete;
  Controlled& operator=(const Controlled&) = delete;
  Controlled(Controlled&&) = delete;
  Controlled& operator=(Controlled&&) = delete;

  /// What has been answered since the last call.
  std::string answers()
  {
    while (plane.flush()) {}
    const std::string all = client->sent();
    std::string fresh = all.substr(read);
    read = all.size();
    return fresh;
  }
  /// The answer to one request.
  Json ask(const std::string& request)
  {
    client->has(request + '\n');
    const std::string answer = answers();
    REQUIRE(answer.ends_with('\n'));
    REQUIRE(std::ranges::count(answer, '\n') == 1);
    return Json::parse(answer);
  }

  World world;
  HostNetworks networks;
  ControlPlane plane;
  FakeStream* client = nullptr;
  std::size_t read = 0;
};

} // namespace slirpstack
