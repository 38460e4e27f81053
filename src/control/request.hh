#pragma once

#include "flow/forward_spec.hh"
#include "flow/map_edit.hh"
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

/// A change of the prefix map. What its kind does not need is empty; a drop without interface is of
/// all of them.
struct ChangeMapping
{
  MapEdit::Kind kind = MapEdit::Kind::add;
  std::string interface;
  std::string internal;
  std::string external;
  bool neutral = false;
  bool open = false;
  bool operator==(const ChangeMapping&) const = default;
};
/// Several changes, as a whole or not at all.
struct BatchMap
{
  std::string text; ///< as parse_map_batch() reads it
  /// The client's: where the text is to be read, and whether what it adds is to be removed.
  std::string file = {};
  bool deletes = false;
  bool operator==(const BatchMap&) const = default;
};
struct ListMappings
{
  std::string interface;  ///< empty: all
  bool as_status = false; ///< the client's: how many there are is enough
  bool operator==(const ListMappings&) const = default;
};
/// What an address is on the other side of the prefix map.
struct ResolveAddress
{
  std::string address;
  bool operator==(const ResolveAddress&) const = default;
};

/// How the accelerator is, and what became of the packets.
struct ShowAccelerator
{
  bool operator==(const ShowAccelerator&) const = default;
};
/// The accelerator's bindings.
struct ListBindings
{
  bool operator==(const ListBindings&) const = default;
};

using Request = std::variant<AddForward,
                             ListForwards,
                             RemoveForward,
                             ReloadRules,
                             ListRules,
                             Explain,
                             ListFlows,
                             ShowStatistics,
                             ChangeMapping,
                             BatchMap,
                             ListMappings,
                             ResolveAddress,
                             ShowAccelerator,
                             ListBindings>;

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
///     {"command": "map add", "interface": "eth0", "internal": "2001:db8:1::/64",
///      "external": "2001:db8:2::/64", "neutral": false, "open": false}
///     {"command": "map del", "interface": "eth0", "internal": "2001:db8:1::/64"}
///     {"command": "map drop", "interface": "eth0"}     or "all": true
///     {"command": "map list"}                          perhaps with "interface"
///     {"command": "map batch", "text": "add eth0 …"}
///     {"command": "map resolve", "address": "2001:db8:1::5"}
///     {"command": "accel status"}, {"command": "accel bindings"}
///
/// Throws RequestError; a member that the command does not know is an error too.
[[nodiscard]] Request parse_request(std::string_view line);

/// The same from the words of a command line:
///
///     forward add -L SPEC | -R SPEC      forward list      forward remove NUMBER [-drain]
///     rules reload | list                explain [in|out] tcp|udp HOST:PORT | icmp HOST
///     flows                              statistics
///     map add IF INTERNAL/LENGTH EXTERNAL/LENGTH [neutral] [open]
///     map del IF INTERNAL/LENGTH         map drop IF | -all
///     map list [IF]                      map status [IF]
///     map batch [-delete] FILE           map resolve ADDRESS
///     accel status | bindings
///
/// `program` is what the words were typed after, for a complaint. Throws RequestError.
[[nodiscard]] Request parse_request_words(std::span<const std::string> words,
                                          std::string_view program = "slirpstack ctl SOCKET");

/// The line for the control protocol, without its newline.
[[nodiscard]] std::string serialize(const Request& request);

/// A request with that `-L` or `-R`. Throws RequestError for one that names nothing at all.
[[nodiscard]] AddForward add_forward(ForwardDirection direction, std::string spec);

/// `explain`'s PROTOCOL and DESTINATION: `tcp 192.0.2.1:443`, `udp [2001:db8::1]:53`, `icmp host`.
[[nodiscard]] Explain parse_explain(FlowDirection direction,
                                    std::string_view protocol,
                                    std::string_view destination);

} // namespace slirpstack
