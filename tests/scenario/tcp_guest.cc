#include "scenario/tcp_guest.hh"

#include <doctest/doctest.h>

namespace slirpstack {

namespace {

constexpr std::uint8_t COMPARED = TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_FIN | TCP_FLAG_RST;

std::uint32_t sequence_length(const Segment& segment)
{
  return static_cast<std::uint32_t>(segment.data.size())
         + ((segment.flags & TCP_FLAG_SYN) != 0 ? 1U : 0U)
         + ((segment.flags & TCP_FLAG_FIN) != 0 ? 1U : 0U);
}

} // namespace

std::string pattern(std::size_t length_bytes)
{
  std::string text(length_bytes, '\0');
  std::uint32_t state = 1;
  for (char& byte : text) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24U);
  }
  return text;
}

std::vector<std::uint8_t> TcpGuest::packet(const Segment& segment) const
{
  const std::size_t tcp_bytes = TCP_HEADER_BYTES + segment.options.size();
  std::vector<std::uint8_t> bytes(IPV6_HEADER_BYTES + tcp_bytes + segment.data.size());
  Writer writer(bytes);
  IpHeader ip;
  ip.source = here_.address;
  ip.destination = there_.address;
  ip.protocol = PROTOCOL_TCP;
  const std::size_t ip_bytes = here_.address.is_ipv4() ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
  ip.header_length_bytes = static_cast<std::uint16_t>(ip_bytes);
  ip.total_length_bytes = static_cast<std::uint32_t>(ip_bytes + tcp_bytes + segment.data.size());
  write_ip_header(writer, ip);
  writer.u16(here_.port);
  writer.u16(there_.port);
  writer.u32(segment.sequence.value_or(next));
  writer.u32(segment.acknowledgment.value_or((segment.flags & TCP_FLAG_ACK) != 0 ? heard : 0));
  writer.u8(static_cast<std::uint8_t>(tcp_bytes / 4 << 4U));
  writer.u8(segment.flags);
  writer.u16(segment.window.value_or(window));
  writer.u32(0); // checksum and urgent pointer
  writer.bytes(segment.options);
  writer.bytes({reinterpret_cast<const std::uint8_t*>(segment.data.data()), segment.data.size()});
  REQUIRE_FALSE(writer.failed());
  bytes.resize(writer.written());
  fill_transport_checksum(ip, MutableBytes(bytes).subspan(ip_bytes));
  return bytes;
}

void TcpGuest::sends_on(const Segment& segment)
{
  world_.guest_sends(packet(segment));
  if (!segment.sequence) {
    next += sequence_length(segment);
  }
}

void TcpGuest::sends(const Segment& segment)
{
  sends_on(segment);
  world_.settle();
}

TcpGuest::Heard TcpGuest::hears()
{
  REQUIRE_FALSE(world_.inbox().empty());
  Heard heard_now;
  heard_now.packet = std::move(world_.inbox().front());
  world_.inbox().pop_front();
  const IpHeader ip = heard_now.packet.ip();
  REQUIRE(ip.protocol == PROTOCOL_TCP);
  CHECK(heard_now.packet.checksum_is_right());
  const Parsed<TcpHeader> tcp = TcpHeader::parse(heard_now.packet.payload());
  REQUIRE(tcp);
  heard_now.tcp = *tcp;
  CHECK(Endpoint{ip.source, tcp->source_port} == there_);
  CHECK(Endpoint{ip.destination, tcp->destination_port} == here_);
  const ByteView text = heard_now.packet.payload().subspan(tcp->header_length_bytes);
  heard_now.data.assign(text.begin(), text.end());
  return heard_now;
}

TcpGuest::Heard TcpGuest::expects(std::uint8_t flags)
{
  Heard segment = expects_again(flags);
  if ((flags & TCP_FLAG_SYN) != 0) {
    heard = segment.tcp.sequence;
  }
  if ((flags & TCP_FLAG_RST) == 0) {
    CHECK(segment.tcp.sequence == heard);
  }
  heard += segment.tcp.sequence_length(segment.data.size());
  return segment;
}

TcpGuest::Heard TcpGuest::expects_again(std::uint8_t flags)
{
  Heard segment = hears();
  REQUIRE(int{flags} == (segment.tcp.flags & COMPARED));
  return segment;
}

void TcpGuest::connects(const Segment& opening)
{
  sends(opening);
  stream_ = world_.host.streams() - 1;
  host().connects();
  expects(SYN_ACK);
  sends(ack());
  expects_nothing();
}

void TcpGuest::closes_window()
{
  // Behind new data, so that it is news: a smaller window alone may be an old segment's.
  sends(Segment{.flags = TCP_FLAG_ACK, .data = "x"});
  sends(ack().advertising(0));
  world_.loses_all();
}

void TcpGuest::keeps_window_closed_for(std::chrono::seconds duration)
{
  for (; duration > std::chrono::seconds(0); --duration) {
    world_.advance(std::chrono::seconds(1));
    if (!world_.inbox().empty()) {
      world_.loses_all();
      sends(ack().advertising(0));
    }
  }
}

std::string TcpGuest::hears_all()
{
  std::string news;
  while (!world_.inbox().empty()) {
    const Heard segment = hears();
    const std::uint32_t length = segment.tcp.sequence_length(segment.data.size());
    const std::uint32_t known = heard - segment.tcp.sequence;
    if (known >= length) {
      continue; // old, or ahead of what is expected
    }
    news += segment.data.substr(std::min<std::size_t>(known, segment.data.size()));
    heard += length - known;
  }
  return news;
}

std::string TcpGuest::receives(std::size_t bytes)
{
  std::string text;
  while (text.size() < bytes) {
    if (world_.inbox().empty()) {
      FAIL("only " << text.size() << " bytes of " << bytes << " have come");
    }
    while (!world_.inbox().empty()) {
      text += expects(ACK).data;
    }
    sends(ack());
  }
  return text;
}

FakeStream& TcpGuest::host() const
{
  return world_.host.stream(stream_);
}

} // namespace slirpstack
