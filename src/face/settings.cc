#include "face/settings.hh"

#include "base/error.hh"
#include "face/accel_settings.hh"
#include "face/map_settings.hh"
#include "face/values.hh"
#include "face/words.hh"
#include "flow/name_resolver.hh"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>
#include <limits>

namespace slirpstack {

namespace {

/// -1 is Go's way to say none.
std::optional<int> parse_descriptor(std::string_view text)
{
  if (text == "-1") {
    return std::nullopt;
  }
  return static_cast<int>(parse_number(text, 0, std::numeric_limits<int>::max()));
}

std::optional<unsigned> parse_mtu(std::string_view text)
{
  constexpr unsigned LEAST = 68;   // RFC 791: every module forwards 68 octets
  constexpr unsigned MOST = 65521; // the kernel's bound for a tap: 65535 less an Ethernet header
  if (text == "0") {
    return std::nullopt;
  }
  return static_cast<unsigned>(parse_number(text, LEAST, MOST));
}

std::chrono::seconds parse_timeout(std::string_view text)
{
  const std::chrono::nanoseconds duration = parse_duration(text);
  const auto whole = std::chrono::floor<std::chrono::seconds>(duration);
  if (whole != duration || whole < std::chrono::seconds(1) || whole > std::chrono::hours(720)) {
    throw BadValue("must be whole seconds from 1s to 720h");
  }
  return whole;
}

std::optional<std::string> parse_text(std::string_view text)
{
  return text.empty() ? std::nullopt : std::optional(std::string(text));
}

/// An address of the family, or a name to be looked up; neither if the text is empty.
void read_source(std::string_view text,
                 Family family,
                 std::optional<IpAddress>& address,
                 std::optional<HostName>& name)
{
  address.reset();
  name.reset();
  if (text.empty()) {
    return;
  }
  if (IpAddress::parse(text) || !is_host_name(text)) {
    address = parse_source(text, family);
  } else {
    name = HostName{.name = std::string(text), .server = {}};
  }
}

/// Runs a parser of the flow layer, whose mistakes are this option's.
template<typename Parse>
auto parsed(Parse parse)
{
  try {
    return parse();
  } catch (const UsageError& error) {
    throw BadValue(error.what());
  }
}

StreamAddress parse_metrics_address(std::string_view text)
{
  constexpr std::string_view UNIX = "unix://";
  constexpr std::string_view TCP = "tcp://";
  if (text.starts_with(UNIX) && text.size() > UNIX.size()) {
    return UnixPath{std::string(text.substr(UNIX.size()))};
  }
  const auto endpoint
    = text.starts_with(TCP) ? Endpoint::parse(text.substr(TCP.size())) : std::nullopt;
  if (!endpoint) {
    throw BadValue("must be tcp://IP:PORT or unix://PATH");
  }
  return *endpoint;
}

void add_namespaces(std::string_view text, Config::Attach& attach)
{
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    more = comma != std::string_view::npos;
    if (const auto one = parse_text(text.substr(0, comma)); one && attach.netns) {
      attach.further_netns.push_back(*one);
    } else if (one) {
      attach.netns = one;
    }
    text.remove_prefix(more ? comma + 1 : text.size());
  }
}

void read_attach(const OptionValues& values, Config::Attach& attach)
{
  values.read("netns", [&](std::string_view text) { attach.netns = parse_text(text); });
  values.read_each("netns", [&](std::string_view text) { add_namespaces(text, attach); });
  values.read("userns", [&](std::string_view text) { attach.userns = parse_text(text); });
  values.read("fd", [&](std::string_view text) { attach.fd = parse_descriptor(text); });
}

void read_network(const OptionValues& values, Config::Network& network)
{
  values.read("interface",
              [&](std::string_view text) { network.interface = parse_interface(text); });
  values.read("mtu", [&](std::string_view text) { network.mtu = parse_mtu(text); });
  values.read("cidr",
              [&](std::string_view text) { network.cidr = parse_network(text, Family::ipv4); });
  values.read("cidr6",
              [&](std::string_view text) { network.cidr6 = parse_network(text, Family::ipv6); });
  network.configure = values.is_set("configure");
}

void read_egress(const OptionValues& values, Config::Egress& egress)
{
  egress.enable_host = values.is_set("enable-host");
  egress.disable_routing = values.is_set("disable-routing");
  values.read("source-ipv4", [&](std::string_view text) {
    read_source(text, Family::ipv4, egress.source_ipv4, egress.source_name_ipv4);
  });
  values.read("source-ipv6", [&](std::string_view text) {
    read_source(text, Family::ipv6, egress.source_ipv6, egress.source_name_ipv6);
  });
  const auto read_list = [&](std::string_view name, RuleAction action, std::vector<Rule>& list) {
    values.read_each(name, [&](std::string_view text) {
      std::ranges::move(parsed([&] { return parse_rule_list(action, text); }),
                        std::back_inserter(list));
    });
  };
  read_list("allow", RuleAction::allow, egress.allow);
  read_list("deny", RuleAction::deny, egress.deny);
  values.read("rules", [&](std::string_view text) { egress.rules_file = parse_text(text); });
  values.read("udp-filter",
              [&](std::string_view text) { egress.udp_filter = parse_word(text, FILTER_WORDS); });
}

void read_forwarding(const OptionValues& values, Config::Forwarding& forwarding)
{
  using Version = ProxyHeader::Version;
  static constexpr std::array<Word<Version>, 2> VERSIONS{
    {{"v1", Version::text}, {"v2", Version::binary}}};
  const auto read
    = [&](std::string_view name, ForwardDirection direction, std::vector<ForwardSpec>& specs) {
        values.read_each(name, [&](std::string_view text) {
          specs.push_back(parsed([&] { return ForwardSpec::parse(direction, text); }));
        });
      };
  read("local-forward", ForwardDirection::local, forwarding.local);
  read("remote-forward", ForwardDirection::remote, forwarding.remote);
  values.read("dns-ttl", [&](std::string_view text) { forwarding.dns_ttl = parse_duration(text); });
  values.read("proxy-out", [&](std::string_view text) {
    forwarding.proxy_out = text.empty() ? std::nullopt : std::optional(parse_word(text, VERSIONS));
  });
}

void read_control(const OptionValues& values, Config::Control& control)
{
  values.read("control", [&](std::string_view text) { control.socket = parse_text(text); });
  values.read("metrics", [&](std::string_view text) {
    control.metrics = text.empty() ? std::nullopt : std::optional(parse_metrics_address(text));
  });
}

void read_timeouts(const OptionValues& values, Config::Timeouts& timeouts)
{
  const auto read = [&](std::string_view name, std::chrono::seconds& timeout) {
    values.read(name, [&](std::string_view text) { timeout = parse_timeout(text); });
  };
  read("tcp-timeout", timeouts.tcp_established);
  read("tcp-closing-timeout", timeouts.tcp_transitory);
  read("udp-timeout", timeouts.udp);
  read("dns-timeout", timeouts.dns);
  read("ping-timeout", timeouts.ping);
}

void read_lifecycle(const OptionValues& values, Config::Lifecycle& lifecycle)
{
  values.read("ready-fd",
              [&](std::string_view text) { lifecycle.ready_fd = parse_descriptor(text); });
  values.read("exit-fd",
              [&](std::string_view text) { lifecycle.exit_fd = parse_descriptor(text); });
  lifecycle.exit_with_parent = values.is_set("exit-with-parent");
}

void read_limits(const OptionValues& values, Config::Limits& limits)
{
  constexpr std::uint64_t MEBIBYTE = std::uint64_t{1} << 20U;
  values.read("max-flows", [&](std::string_view text) {
    limits.max_flows = parse_number(text, 1, 100'000'000);
  });
  values.read("max-flows-per-destination", [&](std::string_view text) {
    limits.max_flows_per_destination = parse_number(text, 0, 100'000'000);
  });
  values.read("max-memory", [&](std::string_view text) {
    limits.max_memory_bytes = parse_size(text, MEBIBYTE, MEBIBYTE << 20U);
  });
}

void read_output(const OptionValues& values, Config::Output& output)
{
  static constexpr std::array<Word<LogLevel>, 4> LEVELS{{{"error", LogLevel::error},
                                                         {"warning", LogLevel::warning},
                                                         {"info", LogLevel::info},
                                                         {"debug", LogLevel::debug}}};
  static constexpr std::array<Word<LogFormat>, 2> FORMATS{
    {{"text", LogFormat::text}, {"json", LogFormat::json}}};
  values.read("log-level", [&](std::string_view text) { output.level = parse_word(text, LEVELS); });
  values.read("log-format",
              [&](std::string_view text) { output.format = parse_word(text, FORMATS); });
  values.read("pcap", [&](std::string_view text) { output.pcap = parse_text(text); });
  output.quiet = values.is_set("quiet");
}

void read_latency(const OptionValues& values, Config::Latency& latency)
{
  static constexpr std::array<Word<Config::Latency>, 2> MODES{
    {{"normal", Config::Latency::normal}, {"low", Config::Latency::low}}};
  values.read("latency", [&](std::string_view text) { latency = parse_word(text, MODES); });
}

} // namespace

void apply(const OptionValues& values, Config& config)
{
  read_attach(values, config.attach);
  read_network(values, config.network);
  read_egress(values, config.egress);
  read_forwarding(values, config.forwarding);
  read_control(values, config.control);
  apply_map_options(values, config);
  apply_accel_options(values, config);
  read_timeouts(values, config.timeouts);
  read_lifecycle(values, config.lifecycle);
  read_limits(values, config.limits);
  read_output(values, config.output);
  read_latency(values, config.latency);
}

} // namespace slirpstack
