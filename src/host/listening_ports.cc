#include "host/listening_ports.hh"

#include "wire/ip.hh"

#include <charconv>
#include <fstream>
#include <iterator>
#include <netinet/in.h>
#include <optional>
#include <sstream>
#include <string>

namespace slirpstack {

namespace {

constexpr std::uint32_t STATE_LISTENING = 0x0a; // TCP_LISTEN
constexpr std::uint32_t STATE_CLOSED = 0x07;    // TCP_CLOSE: a UDP socket that is not connected

std::optional<std::uint32_t> parse_hexadecimal(std::string_view text)
{
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value)
                                                                  : std::nullopt;
}

/// The address as the kernel prints it, words as they are in memory.
std::optional<IpAddress> parse_address(std::string_view text)
{
  constexpr std::string_view ANY_IPV6 = "00000000000000000000000000000000";
  if (text == ANY_IPV6) {
    return IpAddress::ipv4(0);
  }
  const auto word = text.size() == 8 ? parse_hexadecimal(text) : std::nullopt;
  return word ? std::optional(IpAddress::ipv4(ntohl(*word))) : std::nullopt;
}

std::optional<Endpoint> parse_endpoint(std::string_view text)
{
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  const auto address = parse_address(text.substr(0, colon));
  const auto port = parse_hexadecimal(text.substr(colon + 1));
  return address && port ? std::optional(Endpoint{*address, static_cast<std::uint16_t>(*port)})
                         : std::nullopt;
}

std::string content_of(const char* path)
{
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

std::vector<ListeningPort> parse_listening_ports(std::string_view text, std::uint8_t protocol)
{
  std::vector<ListeningPort> found;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string number;
    std::string local;
    std::string remote;
    std::string state;
    words >> number >> local >> remote >> state;
    const auto endpoint = parse_endpoint(local);
    if (endpoint
        && parse_hexadecimal(state)
             == (protocol == PROTOCOL_TCP ? STATE_LISTENING : STATE_CLOSED)) {
      found.push_back({protocol, *endpoint});
    }
  }
  return found;
}

std::vector<ListeningPort> read_listening_ports()
{
  struct Source
  {
    const char* path;
    std::uint8_t protocol;
  };
  std::vector<ListeningPort> all;
  for (const Source& source : {Source{"/proc/net/tcp", PROTOCOL_TCP},
                               Source{"/proc/net/tcp6", PROTOCOL_TCP},
                               Source{"/proc/net/udp", PROTOCOL_UDP},
                               Source{"/proc/net/udp6", PROTOCOL_UDP}}) {
    const auto found = parse_listening_ports(content_of(source.path), source.protocol);
    all.insert(all.end(), found.begin(), found.end());
  }
  return all;
}

} // namespace slirpstack
