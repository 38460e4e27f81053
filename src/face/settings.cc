#include "face/settings.hh"

#include "base/error.hh"
#include "face/accel_settings.hh"
#include "face/go_words.hh"
#include "face/map_settings.hh"
#include "face/metrics_address.hh"
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

using Manner = Config::Manner;

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

/// Whether an empty value is as if the option was not given. Where it comes from a script's empty
/// variable, rules or a log that somebody relies on would be missing without a word.
bool empty_is_none(std::string_view text, Manner manner)
{
  if (text.empty() && manner != Manner::slirpnetstack) {
    throw BadValue("must not be empty");
  }
  return text.empty();
}

std::optional<std::string> parse_text(std::string_view text, Manner manner)
{
  return empty_is_none(text, manner) ? std::nullopt : std::optional(std::string(text));
}

std::optional<std::string> parse_capture_file(std::string_view text, Manner manner)
{
  if (text == "-" && manner != Manner::slirpnetstack) {
    throw BadValue("must be a file; standard output is /dev/stdout");
  }
  return parse_text(text, manner);
}

/// An address of the family, or a name to be looked up; neither if the text is empty.
void read_source(std::string_view text,
                 Manner manner,
                 Family family,
                 std::optional<IpAddress>& address,
                 std::optional<HostName>& name)
{
  address.reset();
  name.reset();
  if (empty_is_none(text, manner)) {
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
auto parsed(Manner manner, Parse parse)
{
  try {
    return parse();
  } catch (const GrammarError& error) {
    throw BadValue(manner == Manner::slirpnetstack ? go_words(error) : error.what());
  } catch (const UsageError& error) {
    throw BadValue(error.what());
  }
}

/// An empty one is as if not given.
void add_namespaces(std::string_view text, Config::Attach& attach)
{
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    more = comma != std::string_view::npos;
    const std::string one(text.substr(0, comma));
    if (!one.empty() && attach.netns) {
      attach.further_netns.push_back(one);
    } else if (!one.empty()) {
      attach.netns = one;
    }
    text.remove_prefix(more ? comma + 1 : text.size());
  }
}

void read_attach(const OptionValues& values, Manner manner, Config::Attach& attach)
{
  values.read("netns", [&](std::string_view text) { // slirpnetstack takes just one
    attach.netns = text.empty() ? std::nullopt : std::optional(std::string(text));
  });
  values.read_each("netns", [&](std::string_view text) { add_namespaces(text, attach); });
  values.read("userns", [&](std::string_view text) { attach.userns = parse_text(text, manner); });
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
  values.read_each("dns", [&](std::string_view text) {
    const IpAddress address = parse_dns_address(text);
    (address.is_ipv4() ? network.dns_ipv4 : network.dns_ipv6) = address;
  });
  network.configure = values.is_set("configure");
}

void read_egress(const OptionValues& values, Manner manner, Config::Egress& egress)
{
  egress.enable_host = values.is_set("enable-host");
  egress.disable_routing = values.is_set("disable-routing");
  values.read("source-ipv4", [&](std::string_view text) {
    read_source(text, manner, Family::ipv4, egress.source_ipv4, egress.source_name_ipv4);
  });
  values.read("source-ipv6", [&](std::string_view text) {
    read_source(text, manner, Family::ipv6, egress.source_ipv6, egress.source_name_ipv6);
  });
  const auto read_list = [&](std::string_view name, RuleAction action, std::vector<Rule>& list) {
    values.read_each(name, [&](std::string_view text) {
      std::ranges::move(parsed(manner, [&] { return parse_rule_list(action, text); }),
                        std::back_inserter(list));
    });
  };
  read_list("allow", RuleAction::allow, egress.allow);
  read_list("deny", RuleAction::deny, egress.deny);
  values.read("rules",
              [&](std::string_view text) { egress.rules_file = parse_text(text, manner); });
  values.read("udp-filter",
              [&](std::string_view text) { egress.udp_filter = parse_word(text, FILTER_WORDS); });
}

void read_forwarding(const OptionValues& values, Manner manner, Config::Forwarding& forwarding)
{
  using Version = ProxyHeader::Version;
  static constexpr std::array<Word<Version>, 2> VERSIONS{
    {{"v1", Version::text}, {"v2", Version::binary}}};
  const auto read
    = [&](std::string_view name, ForwardDirection direction, std::vector<ForwardSpec>& specs) {
        values.read_each(name, [&](std::string_view text) {
          specs.push_back(parsed(manner, [&] { return ForwardSpec::parse(direction, text); }));
        });
      };
  read("local-forward", ForwardDirection::local, forwarding.local);
  read("remote-forward", ForwardDirection::remote, forwarding.remote);
  values.read("dns-ttl", [&](std::string_view text) { forwarding.dns_ttl = parse_duration(text); });
  values.read("proxy-out",
              [&](std::string_view text) { forwarding.proxy_out = parse_word(text, VERSIONS); });
}

void read_control(const OptionValues& values, Manner manner, Config::Control& control)
{
  values.read("control", [&](std::string_view text) {
    control.socket
      = empty_is_none(text, manner) ? std::nullopt : std::optional(parse_control_path(text));
  });
  values.read("metrics", [&](std::string_view text) {
    control.metrics = empty_is_none(text, manner)
                        ? std::nullopt
                        : std::optional(parse_metrics_address(text, manner));
  });
}

void read_timeouts(const OptionValues& values, Config::Timeouts& timeouts)
{
  const auto read = [&](std::string_view name, std::chrono::seconds& timeout) {
    values.read(name, [&](std::string_view text) { timeout = parse_timeout(text); });
  };
  read("tcp-timeout", timeouts.tcp_established);
  read("tcp-opening-timeout", timeouts.tcp_opening);
  read("tcp-closing-timeout", timeouts.tcp_closing);
  read("udp-timeout", timeouts.udp);
  read("dns-timeout", timeouts.dns);
  read("ping-timeout", timeouts.ping);
  timeouts.inbound_refreshes
    = !values.is_typed("inbound-refresh") || values.is_set("inbound-refresh");
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
  // Without effect, but a mistake all the same. Go knows negative numbers.
  values.read("maxprocs", [](std::string_view text) {
    text.remove_prefix(text.starts_with('-') ? 1 : 0);
    static_cast<void>(parse_number(text, 0, std::numeric_limits<int>::max()));
  });
  values.read("max-memory", [&](std::string_view text) {
    limits.max_memory_bytes = parse_size(text, MEBIBYTE, MEBIBYTE << 20U);
  });
}

void read_output(const OptionValues& values, Manner manner, Config::Output& output)
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
  values.read("pcap",
              [&](std::string_view text) { output.pcap = parse_capture_file(text, manner); });
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
  const Manner manner = config.manner;
  read_attach(values, manner, config.attach);
  read_network(values, config.network);
  read_egress(values, manner, config.egress);
  read_forwarding(values, manner, config.forwarding);
  read_control(values, manner, config.control);
  apply_map_options(values, config);
  apply_accel_options(values, config);
  read_timeouts(values, config.timeouts);
  read_lifecycle(values, config.lifecycle);
  read_limits(values, config.limits);
  read_output(values, manner, config.output);
  read_latency(values, config.latency);
}

} // namespace slirpstack
