#include "control/request.hh"

#include "base/error.hh"
#include "base/quoted.hh"
#include "control/request_members.hh"
#include "flow/forward_check.hh"
#include "wire/ip.hh"
#include "wire/protocol_name.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>

namespace slirpstack {

namespace {

FlowDirection parse_direction(std::string_view text)
{
  if (text != "in" && text != "out") {
    throw RequestError(fmt::format("direction \"{}\" must be in or out", text));
  }
  return text == "in" ? FlowDirection::in : FlowDirection::out;
}

Request read_add_forward(Members& members)
{
  const auto local = members.text("local");
  const auto remote = members.text("remote");
  if (local.has_value() == remote.has_value()) {
    throw RequestError("forward add takes one of \"local\" and \"remote\"");
  }
  return add_forward(local ? ForwardDirection::local : ForwardDirection::remote,
                     local ? *local : *remote);
}

Request read_explain(Members& members)
{
  const std::string direction = members.text("direction").value_or("out");
  const std::string protocol = members.required_text("protocol");
  return parse_explain(parse_direction(direction), protocol, members.required_text("destination"));
}

Request read_add_mapping(Members& members)
{
  return ChangeMapping{.kind = MapEdit::Kind::add,
                       .interface = members.required_text("interface"),
                       .internal = members.required_text("internal"),
                       .external = members.required_text("external"),
                       .neutral = members.flag("neutral"),
                       .open = members.flag("open")};
}

Request read_remove_mapping(Members& members)
{
  return ChangeMapping{.kind = MapEdit::Kind::remove,
                       .interface = members.required_text("interface"),
                       .internal = members.required_text("internal"),
                       .external = {}};
}

Request read_drop_mappings(Members& members)
{
  const std::string interface = members.text("interface").value_or("");
  if (members.flag("all") != interface.empty()) {
    throw RequestError("map drop takes \"interface\" or \"all\": true");
  }
  return ChangeMapping{
    .kind = MapEdit::Kind::drop, .interface = interface, .internal = {}, .external = {}};
}

struct Command
{
  std::string_view name;
  std::function<Request(Members&)> read;
};

const std::array<Command, 16>& commands()
{
  static const std::array<Command, 16> all{{
    {"forward add", read_add_forward},
    {"forward list", [](Members&) { return ListForwards{}; }},
    {"forward remove",
     [](Members& members) {
       const std::uint32_t id = members.number("id");
       return RemoveForward{id, members.flag("drain")};
     }},
    {"rules reload", [](Members&) { return ReloadRules{}; }},
    {"rules list", [](Members&) { return ListRules{}; }},
    {"explain", read_explain},
    {"flows", [](Members&) { return ListFlows{}; }},
    {"statistics", [](Members&) { return ShowStatistics{}; }},
    {"map add", read_add_mapping},
    {"map del", read_remove_mapping},
    {"map drop", read_drop_mappings},
    {"map list",
     [](Members& members) { return ListMappings{members.text("interface").value_or("")}; }},
    {"map batch", [](Members& members) { return BatchMap{members.required_text("text")}; }},
    {"map resolve",
     [](Members& members) { return ResolveAddress{members.required_text("address")}; }},
    {"accel status", [](Members&) { return ShowAccelerator{}; }},
    {"accel bindings", [](Members&) { return ListBindings{}; }},
  }};
  return all;
}

std::string command_names()
{
  std::string names;
  for (const Command& command : commands()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", command.name);
  }
  return names;
}

std::uint16_t parse_port(std::string_view text)
{
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    throw RequestError(fmt::format("port \"{}\" must be a number from 1 to 65535", text));
  }
  return port;
}

std::string without_brackets(std::string_view host)
{
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty()) {
    throw RequestError("the destination has no host");
  }
  return std::string(host);
}

struct Serializer
{
  nlohmann::json operator()(const AddForward& request) const
  {
    const bool is_local = request.direction == ForwardDirection::local;
    return {{"command", "forward add"}, {is_local ? "local" : "remote", request.spec}};
  }
  nlohmann::json operator()(const ListForwards&) const { return {{"command", "forward list"}}; }
  nlohmann::json operator()(const RemoveForward& request) const
  {
    return {{"command", "forward remove"}, {"id", request.id}, {"drain", request.drain}};
  }
  nlohmann::json operator()(const ReloadRules&) const { return {{"command", "rules reload"}}; }
  nlohmann::json operator()(const ListRules&) const { return {{"command", "rules list"}}; }
  nlohmann::json operator()(const Explain& request) const
  {
    const bool is_icmp = request.protocol == PROTOCOL_ICMP;
    const std::string host = request.host.find(':') == std::string::npos || is_icmp
                               ? request.host
                               : fmt::format("[{}]", request.host);
    return {{"command", "explain"},
            {"direction", request.direction == FlowDirection::in ? "in" : "out"},
            {"protocol", protocol_name(request.protocol)},
            {"destination", is_icmp ? host : fmt::format("{}:{}", host, request.port)}};
  }
  nlohmann::json operator()(const ListFlows&) const { return {{"command", "flows"}}; }
  nlohmann::json operator()(const ShowStatistics&) const { return {{"command", "statistics"}}; }
  nlohmann::json operator()(const ChangeMapping& request) const
  {
    switch (request.kind) {
      case MapEdit::Kind::add:
        return {{"command", "map add"},
                {"interface", request.interface},
                {"internal", request.internal},
                {"external", request.external},
                {"neutral", request.neutral},
                {"open", request.open}};
      case MapEdit::Kind::remove:
        return {
          {"command", "map del"}, {"interface", request.interface}, {"internal", request.internal}};
      case MapEdit::Kind::drop:
        break;
    }
    return request.interface.empty()
             ? nlohmann::json{{"command", "map drop"}, {"all", true}}
             : nlohmann::json{{"command", "map drop"}, {"interface", request.interface}};
  }
  nlohmann::json operator()(const BatchMap& request) const
  {
    return {{"command", "map batch"}, {"text", request.text}};
  }
  nlohmann::json operator()(const ListMappings& request) const
  {
    nlohmann::json json{{"command", "map list"}};
    if (!request.interface.empty()) {
      json["interface"] = request.interface;
    }
    return json;
  }
  nlohmann::json operator()(const ResolveAddress& request) const
  {
    return {{"command", "map resolve"}, {"address", request.address}};
  }
  nlohmann::json operator()(const ShowAccelerator&) const { return {{"command", "accel status"}}; }
  nlohmann::json operator()(const ListBindings&) const { return {{"command", "accel bindings"}}; }
};

} // namespace

Request parse_request(std::string_view line)
{
  nlohmann::json object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    throw RequestError("cannot parse the request: it must be one JSON object in a line");
  }
  Members members(std::move(object));
  const std::string name = members.required_text("command");
  const auto command = std::ranges::find(commands(), name, &Command::name);
  if (command == commands().end()) {
    throw RequestError(fmt::format("unknown command \"{}\"; there are: {}", name, command_names()));
  }
  Request request = command->read(members);
  members.end();
  return request;
}

AddForward add_forward(ForwardDirection direction, std::string spec)
{
  try {
    check_not_blank(direction, spec);
  } catch (const UsageError& error) {
    throw RequestError(fmt::format("forward {}: {}", slirpstack::quoted(spec), error.what()));
  }
  return {direction, std::move(spec)};
}

Explain parse_explain(FlowDirection direction,
                      std::string_view protocol,
                      std::string_view destination)
{
  Explain request{.direction = direction};
  if (protocol == "icmp") {
    request.protocol = PROTOCOL_ICMP;
    request.host = without_brackets(destination);
    if (request.host.find(':') != std::string::npos && !IpAddress::parse(request.host)) {
      throw RequestError(
        fmt::format("destination \"{}\" of icmp must be a HOST, without a port", destination));
    }
    return request;
  }
  if (protocol != "tcp" && protocol != "udp") {
    throw RequestError(fmt::format("protocol \"{}\" must be tcp, udp or icmp", protocol));
  }
  request.protocol = protocol == "tcp" ? PROTOCOL_TCP : PROTOCOL_UDP;
  const std::size_t colon = destination.rfind(':');
  const std::size_t bracket = destination.rfind(']');
  const bool has_port
    = colon != std::string_view::npos
      && (bracket == std::string_view::npos ? destination.find(':') == colon : colon > bracket);
  if (!has_port) {
    throw RequestError(fmt::format(
      "destination \"{}\" must be HOST:PORT, an IPv6 address in brackets", destination));
  }
  request.port = parse_port(destination.substr(colon + 1));
  request.host = without_brackets(destination.substr(0, colon));
  return request;
}

std::string serialize(const Request& request)
{
  // What is no UTF-8 was typed by hand, and is shown as what it is not in the answer.
  return std::visit(Serializer(), request)
    .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

} // namespace slirpstack
