#pragma once

#include "flow/forward_spec.hh"
#include "flow/rule.hh"

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>

namespace slirpstack {

// What can be asked of a running slirpstack over its control socket, as values.

struct AddForward
{
  ForwardDirection direction = ForwardDirection::local;
  std::string spec; ///< as for `-L` and `-R`
  bool operator==(const AddForward&) const = default;
};
struct ListForwards
{
  bool operator==(const ListForwards&) const = default;
};
struct RemoveForward
{
  std::uint32_t id = 0;
  bool drain = false; ///< its flows go on to their own end
  bool operator==(const RemoveForward&) const = default;
};
struct ReloadRules
{
  bool operator==(const ReloadRules&) const = default;
};
struct ListRules
{
  bool operator==(const ListRules&) const = default;
};
/// What would happen to a flow.
struct Explain
{
  FlowDirection direction = FlowDirection::out;
  std::uint8_t protocol = 0; ///< PROTOCOL_TCP, _UDP, _ICMP
  std::string host;          ///< an address or a name
  std::uint16_t port = 0;    ///< 0 for ICMP
  bool operator==(const Explain&) const = default;
};
struct ListFlows
{
  bool operator==(const ListFlows&) const = default;
};
struct ShowStatistics
{
  bool operator==(const ShowStatistics&) const = default;
};

using Request = std::variant<AddForward,
                             ListForwards,
                             RemoveForward,
                             ReloadRules,
                             ListRules,
                             Explain,
                             ListFlows,
                             ShowStatistics>;

/// What is wrong with a request, in a line for its author.
class RequestError : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
};

/// Reads a line of the control protocol, one JSON object:
///
///     {"command": "forward add", "local": "8080:80"}     or "remote"
///     {"command": "forward list"}
///     {"command": "forward remove", "id": 1, "drain": true}
///     {"command": "rules reload"}, {"command": "rules list"}
///     {"command": "explain", "protocol": "tcp", "destination": "192.0.2.1:443", "direction":
///     "out"}
///     {"command": "flows"}, {"command": "statistics"}
///
/// Throws RequestError; a member that the command does not know is an error too.
[[nodiscard]] Request parse_request(std::string_view line);

/// The same from the words of a command line:
///
///     forward add -L SPEC | -R SPEC      forward list      forward remove ID [-drain]
///     rules reload | list                explain [in|out] tcp|udp HOST:PORT | icmp HOST
///     flows                              statistics
[[nodiscard]] Request parse_request_words(std::span<const std::string> words);

/// The line for the control protocol, without its newline.
[[nodiscard]] std::string serialize(const Request& request);

/// `explain`'s PROTOCOL and DESTINATION: `tcp 192.0.2.1:443`, `udp [2001:db8::1]:53`, `icmp host`.
[[nodiscard]] Explain parse_explain(FlowDirection direction,
                                    std::string_view protocol,
                                    std::string_view destination);

} // namespace slirpstack
