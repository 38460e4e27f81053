// What the control socket and the metrics show of an accelerator.

#include "control/accelerator_commands.hh"
#include "control/answer_text.hh"
#include "control/metrics.hh"
#include "wire/ip.hh"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>
#include <system_error>

namespace slirpstack {

namespace {

using Words = std::vector<std::string>;

struct FakeAccelerator : AcceleratorView
{
  [[nodiscard]] AcceleratorStatus status() const override
  {
    if (is_broken) {
      throw std::system_error(EIO, std::generic_category(), "read a BPF map");
    }
    return {.hook = "tc",
            .binds = "kernel",
            .external = "eth0",
            .guests = {"slv1", "slv2"},
            .addresses = "203.0.113.1",
            .ports = "1024-65535",
            .bindings = 2,
            .max_bindings = 100,
            .sessions = 1,
            .counts = {{"out", 7, 700}, {"in", 0, 0}}};
  }
  void for_each_binding(const std::function<void(const AcceleratorBinding&)>& visit) const override
  {
    const Endpoint guest = Endpoint::parse("10.0.2.100:4000").value();
    const Endpoint outside = Endpoint::parse("203.0.113.1:61000").value();
    visit({.protocol = PROTOCOL_UDP, .internal = guest, .external = outside, .idle_seconds = 3});
    visit({.protocol = PROTOCOL_TCP, .internal = guest, .external = outside, .zone = 1});
  }

  bool is_broken = false;
};

struct FakeForwards : PublishedForwards
{
  PublishedForward add(const ForwardSpec& spec) override
  {
    const NatNetworks networks{parse_address_ranges("203.0.113.1"),
                               {Prefix::parse("10.0.0.0/8").value()}};
    list_.push_back(
      {static_cast<std::uint32_t>(list_.size() + 1), spec, published_ports(spec, networks)});
    return list_.back();
  }
  bool remove(std::uint32_t id) override
  {
    return std::erase_if(list_, [&](const auto& each) { return each.id == id; }) == 1;
  }
  [[nodiscard]] std::vector<PublishedForward> list() const override { return list_; }

  std::vector<PublishedForward> list_;
};

/// What a user of `ctl` sees: text, then complaint.
std::string ctl(const AcceleratorView& accelerator,
                const Words& words,
                PublishedForwards* forwards = nullptr)
{
  AcceleratorOnlyCommands commands(accelerator, forwards);
  const Request request = parse_request_words(words);
  CHECK(parse_request(serialize(request)) == request);
  std::string answer;
  commands.execute(request, [&](std::string said) { answer = std::move(said); });
  const AnswerText text = answer_text(request, answer);
  return text.text + text.error;
}

} // namespace

TEST_CASE("the accelerator's status names its interfaces and what it has counted")
{
  CHECK(ctl(FakeAccelerator(), {"accel", "status"})
        == "tc between slv1 slv2 and eth0, ports bound by the kernel\n"
           "addresses 203.0.113.1, ports 1024-65535\n"
           "2 of 100 bindings, 1 sessions\n"
           "out: 7 packets, 700 B\n");
}

TEST_CASE("bindings are listed, and guests with the same address told apart")
{
  CHECK(ctl(FakeAccelerator(), {"accel", "bindings"})
        == "udp 10.0.2.100:4000 203.0.113.1:61000  idle 3 s\n"
           "tcp 10.0.2.100:4000%1 203.0.113.1:61000  idle 0 s\n");
}

TEST_CASE("a flow that the kernel carries is marked, and has no octets")
{
  const std::string answer
    = R"({"ok":true,"flows":[{"protocol":"udp","guest":"10.0.2.100:4000","remote":"192.0.2.1:53",)"
      R"("origin":"outbound","kernel":true},{"protocol":"tcp","guest":"10.0.2.100:1",)"
      R"("remote":"192.0.2.1:80","origin":"outbound","kernel":false,"to_host_bytes":1,)"
      R"("to_guest_bytes":2}]})";
  CHECK(answer_text(parse_request_words(Words{"flows"}), answer).text
        == "udp 10.0.2.100:4000 -> 192.0.2.1:53  outbound  by the kernel\n"
           "tcp 10.0.2.100:1 -> 192.0.2.1:80  outbound  1 B out, 2 B in\n");
}

TEST_CASE("without an accelerator, or with one that is broken, an error says so")
{
  AcceleratorCommands none;
  const std::string refusal
    = R"json({"ok":false,"error":"there is no accelerator at work (-accel)"})json";
  CHECK(none.run(ShowAccelerator{}) == refusal);
  CHECK(none.run(ListBindings{}) == refusal);
  FakeAccelerator broken;
  broken.is_broken = true;
  CHECK(ctl(broken, {"accel", "status"}) == "cannot read a BPF map: Input/output error");
  const Words incomplete{"accel"};
  CHECK_THROWS_WITH_AS(static_cast<void>(parse_request_words(incomplete)),
                       "usage: slirpstack ctl SOCKET accel status | accel bindings",
                       RequestError);
  CHECK(ctl(FakeAccelerator(), {"flows"})
        == "there is no user-mode stack here: only accel and forward");
}

TEST_CASE("forwards of the NAT are added, listed and removed as a guest's are")
{
  const FakeAccelerator accelerator;
  FakeForwards forwards;
  const auto said = [&](const Words& words) { return ctl(accelerator, words, &forwards); };
  const std::string line = "1  -L udp://7000-7001:10.0.0.2:80-81  203.0.113.1:7000 "
                           "203.0.113.1:7001  by the NAT\n";
  CHECK(said({"forward", "add", "-L", "udp://7000-7001:10.0.0.2:80-81"}) == line);
  CHECK(said({"forward", "list"}) == line);
  CHECK(said({"forward", "add", "-L", "80:11.0.0.2:80"})
        == "11.0.0.2 is in no internal network of the NAT");
  CHECK(said({"forward", "add", "-R", "80:127.0.0.1:80"})
        == "-R is for guests of slirpstack's own; the NAT has -L alone");
  CHECK(said({"forward", "remove", "1", "-drain"}).empty());
  CHECK(said({"forward", "remove", "1"}) == "there is no forward 1");
  CHECK(said({"forward", "list"}).empty());
}

TEST_CASE("the metrics have the accelerator's counters, if there is one")
{
  MetricsSnapshot snapshot;
  CHECK(openmetrics_text(snapshot).find("accel") == std::string::npos);
  snapshot.accelerator = FakeAccelerator().status();
  const std::string text = openmetrics_text(snapshot);
  for (const char* line : {"\nslirpstack_accel_packets_total{outcome=\"out\"} 7\n",
                           "\nslirpstack_accel_packets_total{outcome=\"in\"} 0\n",
                           "\nslirpstack_accel_bytes_total{outcome=\"out\"} 700\n",
                           "\n# TYPE slirpstack_accel_bytes counter\n",
                           "\nslirpstack_accel_bindings 2\n",
                           "\nslirpstack_accel_bindings_limit 100\n",
                           "\nslirpstack_accel_sessions 1\n"}) {
    CAPTURE(line);
    CHECK(text.find(line) != std::string::npos);
  }
  CHECK(text.ends_with("# EOF\n"));
}

} // namespace slirpstack
