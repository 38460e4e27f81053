#include "gateway/proxy_clients.hh"

#include "base/log.hh"

#include <algorithm>
#include <array>
#include <utility>

namespace slirpstack {

namespace {

// A proxy sends its header at once; whoever does not is none.
constexpr std::chrono::seconds HEADER_PATIENCE(10);
constexpr std::size_t MAX_CLIENTS = 128; // each holds a descriptor of RESERVED_DESCRIPTORS

} // namespace

class ProxyClients::Client final : public HostStreamEvents
{
public:
  Client(ProxyClients& clients, AcceptedStream&& accepted, const void* owner, OnHeader on_header)
    : clients_(clients)
    , accepted_(std::move(accepted))
    , owner_(owner)
    , on_header_(std::move(on_header))
    , deadline_(clients.time_.now + HEADER_PATIENCE)
  {
    accepted_.stream->deliver_to(*this);
  }

  [[nodiscard]] TimePoint deadline() const { return deadline_; }
  [[nodiscard]] const void* owner() const { return owner_; }
  [[nodiscard]] AcceptedStream& accepted() { return accepted_; }

  void on_connected() override {}
  void on_connect_failed(const HostError&) override {}
  void on_writable() override {}
  void on_readable(bool hangup) override;

private:
  ProxyClients& clients_;
  AcceptedStream accepted_;
  const void* owner_;
  OnHeader on_header_;
  TimePoint deadline_;
};

/// This may be gone when it returns.
void ProxyClients::Client::on_readable(bool)
{
  std::array<std::uint8_t, ProxyHeader::MAX_BYTES> bytes; // NOLINT: filled as far as it is read
  const Transfer peeked = accepted_.stream->peek(bytes);
  if (peeked.would_block) {
    return;
  }
  if (peeked.code || peeked.end_of_stream) {
    clients_.refuse(*this, peeked.code ? peeked.code.message() : "unexpected EOF");
    return;
  }
  const auto header = ProxyHeader::parse(ByteView(bytes).first(peeked.bytes));
  if (!header && header.drop() == Drop::truncated) {
    return; // the rest brings another event
  }
  if (!header) {
    clients_.refuse(*this, "no PROXY header");
    return;
  }
  const std::array<iovec, 1> taken{iovec{bytes.data(), header->length_bytes}};
  static_cast<void>(accepted_.stream->receive(taken));
  const std::unique_ptr<Client> self = clients_.take(*this);
  on_header_(std::move(accepted_), *header);
}

ProxyClients::ProxyClients(const EventTime& time) : time_(time) {}
ProxyClients::~ProxyClients() = default;

void ProxyClients::add(AcceptedStream&& accepted, const void* owner, OnHeader on_header)
{
  if (clients_.size() == MAX_CLIENTS) {
    refuse(*clients_.front(), "too many wait");
  }
  clients_.push_back(
    std::make_unique<Client>(*this, std::move(accepted), owner, std::move(on_header)));
  clients_.back()->on_readable(false); // the header may have come with the connection
}

void ProxyClients::refuse(Client& client, std::string_view reason)
{
  const std::unique_ptr<Client> refused = take(client);
  const auto& peer = refused->accepted().peer;
  log(LogLevel::info,
      "a client sends no PROXY header",
      {{"from", peer ? peer->to_string() : "a Unix socket"}, {"reason", reason}});
  refused->accepted().stream->reset_on_close();
}

std::unique_ptr<ProxyClients::Client> ProxyClients::take(Client& client)
{
  const auto found
    = std::ranges::find(clients_, &client, [](const auto& each) { return each.get(); });
  std::unique_ptr<Client> taken = std::move(*found);
  clients_.erase(found);
  return taken;
}

void ProxyClients::forget(const void* owner)
{
  for (auto& client : clients_) {
    if (client->owner() == owner) {
      client->accepted().stream->reset_on_close();
    }
  }
  std::erase_if(clients_, [&](const auto& client) { return client->owner() == owner; });
}

TimePoint ProxyClients::next_deadline() const
{
  return clients_.empty() ? NEVER : clients_.front()->deadline();
}

void ProxyClients::expire()
{
  while (!clients_.empty() && clients_.front()->deadline() <= time_.now) {
    refuse(*clients_.front(), "timed out");
  }
}

} // namespace slirpstack
