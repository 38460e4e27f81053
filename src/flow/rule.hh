#pragma once

#include "flow/forward_spec.hh"
#include "wire/address.hh"

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace slirpstack {

/// What becomes of a new flow.
enum class RuleAction : std::uint8_t
{
  allow,
  deny,   ///< refused as "administratively prohibited"
  drop,   ///< no answer
  reject, ///< refused as by a host where nobody listens: RST, port unreachable
};

[[nodiscard]] std::string_view action_name(RuleAction action);

/// Who opens the flow.
enum class FlowDirection : std::uint8_t
{
  out, ///< the guest
  in,  ///< a client of the host, through a local forward
};

/// What a flow is, as a rule sees it: asked once, when it is opened.
struct FlowRequest
{
  FlowDirection direction = FlowDirection::out;
  std::uint8_t protocol = 0; ///< PROTOCOL_TCP, _UDP, _ICMP or _ICMPV6
  IpAddress source;
  /// Port 0 for ICMP.
  Endpoint destination;
};

/// Limits of all flows under one rule together. None: no limit.
struct RuleLimits
{
  std::optional<std::uint64_t> bytes_per_second; ///< payload, both directions
  std::optional<std::uint64_t> new_flows_per_second;
  std::optional<std::uint64_t> queries_per_second; ///< DNS questions to our DNS address
  std::optional<std::uint64_t> max_flows;
  bool operator==(const RuleLimits&) const = default;
};

/// One line of a rules file, or one entry of `-allow` or `-deny`: which flows, and what becomes
/// of them.
struct Rule
{
  enum class Protocol : std::uint8_t
  {
    any,
    tcp,
    udp,
    icmp, ///< of either version
  };
  /// Anyone, a network, or a name whose addresses are looked up.
  using Host = std::variant<std::monostate, Prefix, HostName>;

  RuleAction action = RuleAction::deny;
  std::optional<FlowDirection> direction; ///< none: both
  Protocol protocol = Protocol::any;
  Host host; ///< the destination
  /// Destination ports; empty: all. A rule with ports does not match ICMP.
  std::vector<PortRange> ports;
  std::optional<Prefix> source;
  RuleLimits limits;
  std::string note;
  unsigned line = 0; ///< in its file, from 1; 0: an option
  std::string text;  ///< as written, without blanks around it and comment

  bool operator==(const Rule&) const = default;

  /// Whether it is about such a flow; `addresses` are those of a name.
  [[nodiscard]] bool matches(const FlowRequest& flow,
                             const std::vector<IpAddress>& addresses) const;
};

/// What is wrong with a rules file, and where: lines and columns from 1.
class RuleError : public std::runtime_error
{
public:
  RuleError(unsigned line, unsigned column, const std::string& reason);

  [[nodiscard]] unsigned line() const { return line_; }
  [[nodiscard]] unsigned column() const { return column_; }

private:
  unsigned line_;
  unsigned column_;
};

/// Reads the text of a rules file. Each line is a rule, empty, or a comment from `#` on:
///
///     ACTION [in|out] DESTINATION [from PREFIX] [rate SIZE] [new N] [queries N] [flows N]
///            [note "TEXT"]
///
///     ACTION       allow | deny | drop | reject
///     DESTINATION  [PROTOCOL://]HOST[/LENGTH][:PORTS]    PROTOCOL tcp, udp, icmp or any
///     HOST         any | IP | NAME; IPv6 in brackets, with its length inside: [2001:db8::/32]
///     PORTS        PORT[-PORT][,PORT[-PORT]…]
///     SIZE         bytes a second, with K, M or G (powers of 1024), `/s` allowed behind any rate
///
/// The options stand in any order, each once; the four limits only behind `allow`. Host bits are
/// masked. A note is UTF-8 and cannot have a quote in it; all the rest, comments too, is printable
/// ASCII. At most 65536 rules, in lines of at most 4096 bytes.
///
/// Throws RuleError at the first mistake: `line 3, column 7: …`.
[[nodiscard]] std::vector<Rule> parse_rules(std::string_view text);

/// Reads the value of `-allow` or `-deny`: entries separated by commas, each
/// `[PROTOCOL://]HOST[/LENGTH][:PORT[-PORT]]`, of TCP unless it says otherwise; no ports, `0` and
/// `0-0` mean all. The rules are about what the guest opens; their text is `-deny ENTRY`. Throws
/// UsageError with the texts of slirpnetstack (spec, "-allow / -deny").
[[nodiscard]] std::vector<Rule> parse_rule_list(RuleAction action, std::string_view text);

} // namespace slirpstack
