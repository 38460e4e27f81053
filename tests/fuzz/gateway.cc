// The guest's packets through the real gateway and lwIP, towards a host in memory. The input is a
// script of small steps; flags, numbers and lengths are the fuzzer's, checksums are vouched for, so
// that everything reaches the code behind them. lwIP's asserts are on.

#include "gateway/gateway.hh"

#include "require.hh"
#include "scenario/fake_host.hh"

#include <string>

using namespace slirpstack;

namespace {

/// Takes what the guest would get, and remembers the numbers that it would have to answer with.
class Answers final : public PacketSink
{
public:
  void send(const OutboundPacket& packet) override
  {
    std::size_t length_bytes = 0;
    for (const iovec& piece : packet.pieces) {
      length_bytes += piece.iov_len;
    }
    require(length_bytes <= 65535 + IPV6_HEADER_BYTES);
    const ByteView head(static_cast<const std::uint8_t*>(packet.pieces[0].iov_base),
                        packet.pieces[0].iov_len);
    if (packet.checksum != ChecksumState::partial
        || packet.checksum_offset_bytes != TCP_CHECKSUM_OFFSET) {
      return;
    }
    const auto tcp = TcpHeader::parse(head.subspan(packet.ip_header_length_bytes));
    require(static_cast<bool>(tcp));
    auto& numbers = numbers_[tcp->destination_port % numbers_.size()];
    numbers.acknowledgment = tcp->sequence
                             + tcp->sequence_length(length_bytes - packet.ip_header_length_bytes
                                                    - tcp->header_length_bytes);
    if (tcp->has(TCP_FLAG_ACK)) {
      numbers.sequence = tcp->acknowledgment;
    }
  }
  void give_back(const GuestPacket& /*packet*/) override
  {
    require(false);
  } // nobody is offered any
  void give_back_piece(ByteView /*header*/, ByteView /*payload*/) override { require(false); }
  [[nodiscard]] bool cuts_tcp() const override { return true; }
  [[nodiscard]] bool cuts_udp() const override { return true; }
  [[nodiscard]] std::uint32_t mtu_bytes() const override { return 1500; }

  struct Numbers
  {
    std::uint32_t sequence = 0;
    std::uint32_t acknowledgment = 0;
  };
  [[nodiscard]] const Numbers& numbers(std::uint16_t port) const
  {
    return numbers_[port % numbers_.size()];
  }

private:
  std::array<Numbers, 4> numbers_;
};

class World
{
public:
  World() : gateway_(settings(), answers_, host_, names_, pool_, sources())
  {
    gateway_.set_time(now_);
  }

  void step(Reader& input);
  void check()
  {
    require(gateway_.stack().lists_are_empty());
    require(pool_.used_bytes() < CEILING_BYTES + (16 << 20));
  }
  void end()
  {
    gateway_.close_all();
    check();
    require(gateway_.stack().ticking() == 0);
  }

private:
  static constexpr std::size_t CEILING_BYTES = 2 << 20;
  static constexpr std::uint16_t FIRST_PORT = 40000;

  static Gateway::Settings settings()
  {
    Gateway::Settings settings;
    settings.addresses = {.gateway_ipv4 = IpAddress::parse("10.0.2.2").value(),
                          .gateway_ipv6 = IpAddress::parse("fd00::2").value(),
                          .dns_ipv4 = IpAddress::parse("10.0.2.3").value(),
                          .dns_ipv6 = IpAddress::parse("fd00::3").value()};
    settings.max_flows = 8;
    return settings;
  }
  Gateway::Sources sources()
  {
    return {.secret = {1, 2},
            .random_id = [] { return std::uint16_t{7}; },
            .resolvers =
              [] {
                return std::vector{Endpoint{IpAddress::parse("198.51.100.53").value(), 53}};
              },
            .host_networks = [this]() -> const HostNetworks& { return networks_; }};
  }

  void raw_packet(Reader& input);
  void segment(Reader& input);
  void host_event(Reader& input);
  void give(const std::vector<std::uint8_t>& packet);

  TimePoint now_{std::chrono::hours(1)};
  HostNetworks networks_;
  Answers answers_;
  FakeHost host_;
  FakeNames names_;
  BlockPool pool_{CEILING_BYTES};
  Gateway gateway_;
};

void World::give(const std::vector<std::uint8_t>& packet)
{
  Block block = pool_.take_large();
  std::ranges::copy(packet, block->data());
  gateway_.on_packet({.block = std::move(block),
                      .length_bytes = static_cast<std::uint32_t>(packet.size()),
                      .checksum_trusted = true});
}

void World::raw_packet(Reader& input)
{
  const std::size_t length_bytes = input.u8();
  const ByteView bytes = input.take(std::min(length_bytes, input.rest().size()));
  give({bytes.begin(), bytes.end()});
}

/// A segment of one of four flows, whose numbers are off by what the input says.
void World::segment(Reader& input)
{
  const std::uint8_t shape = input.u8();
  const bool is_ipv4 = (shape & 1U) == 0;
  const auto port = static_cast<std::uint16_t>(FIRST_PORT + (shape >> 1U & 3U));
  const std::size_t options_bytes = std::min<std::size_t>((shape >> 3U & 3U) * 4, 12);
  const std::size_t data_bytes = (shape >> 5U) * std::size_t{(shape & 0x80U) != 0 ? 5000U : 11U};
  std::vector<std::uint8_t> packet(IPV6_HEADER_BYTES + TCP_HEADER_BYTES + options_bytes
                                   + data_bytes);
  IpHeader ip;
  ip.source = IpAddress::parse(is_ipv4 ? "10.0.2.100" : "fd00::100").value();
  ip.destination = IpAddress::parse(is_ipv4 ? "192.0.2.1" : "2001:db8::1").value();
  ip.protocol = PROTOCOL_TCP;
  const std::size_t ip_bytes = is_ipv4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
  ip.total_length_bytes
    = static_cast<std::uint32_t>(ip_bytes + TCP_HEADER_BYTES + options_bytes + data_bytes);
  Writer writer(packet);
  write_ip_header(writer, ip);
  const std::uint8_t flags = input.u8();
  writer.u16(port);
  writer.u16(80);
  const auto offset
    = [&] { return static_cast<std::uint32_t>(static_cast<std::int8_t>(input.u8())); };
  writer.u32(answers_.numbers(port).sequence + offset() * 97);
  writer.u32(answers_.numbers(port).acknowledgment + offset() * 97);
  writer.u8(static_cast<std::uint8_t>((TCP_HEADER_BYTES + options_bytes) / 4 << 4U));
  writer.u8(flags);
  writer.u16(static_cast<std::uint16_t>(input.u8() * 257U));
  writer.u32(0);
  writer.bytes(input.take(std::min(options_bytes, input.rest().size())));
  packet.resize(ip.total_length_bytes);
  give(packet);
}

void World::host_event(Reader& input)
{
  if (host_.streams() == 0) {
    return;
  }
  const std::uint8_t what = input.u8();
  FakeStream& stream = host_.stream(host_.streams() - 1 - (what >> 4U) % host_.streams());
  if (stream.closed()) {
    return;
  }
  if (!stream.connected()) {
    (what & 1U) == 0 ? stream.connects() : stream.fails(host_error(ECONNREFUSED));
    return;
  }
  switch (what & 7U) {
    case 0:
      stream.has(std::string(1, 'x'));
      break;
    case 1:
      stream.has(std::string(200000, 'y'));
      break;
    case 2:
      stream.eof();
      break;
    case 3:
      stream.resets();
      break;
    case 4:
      stream.blocks_writes();
      break;
    case 5:
      stream.takes_at_most(100);
      stream.can_write();
      break;
    default:
      stream.unblocks_writes();
  }
}

void World::step(Reader& input)
{
  switch (input.u8() % 8) {
    case 0:
      raw_packet(input);
      break;
    case 1:
    case 2:
    case 3:
      segment(input);
      break;
    case 4:
    case 5:
      host_event(input);
      break;
    case 6:
      now_ += std::chrono::milliseconds(50) * (1U << (input.u8() % 18U));
      gateway_.set_time(now_);
      gateway_.on_deadline();
      break;
    default:
      for (int turns = 0; gateway_.flush(); ++turns) {
        require(turns < 1000);
      }
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  World world;
  Reader input(ByteView(data, size));
  for (int steps = 0; steps < 500 && !input.rest().empty(); ++steps) {
    world.step(input);
    world.check();
  }
  world.end();
  return 0;
}
