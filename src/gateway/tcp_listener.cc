#include "gateway/tcp_listener.hh"

#include <utility>

namespace slirpstack {

TcpListener::TcpListener(TcpRelays& relays,
                         ProxyClients& clients,
                         const PrefixMap& prefixes,
                         const LocalForward& forward,
                         std::uint32_t forward_id)
  : relays_(relays)
  , clients_(clients)
  , prefixes_(prefixes)
  , forward_(forward)
  , forward_id_(forward_id)
{}

TcpListener::~TcpListener()
{
  clients_.forget(this);
}

HostError TcpListener::open(HostNetwork& host)
{
  auto opened = host.listen(forward_.listen, *this);
  socket_ = std::move(opened.socket);
  return opened.error;
}

void TcpListener::on_accepted(AcceptedStream&& accepted)
{
  if (forward_.scheme != ForwardScheme::tcppp) {
    connect(std::move(accepted.stream), accepted.peer, accepted.local);
    return;
  }
  clients_.add(
    std::move(accepted), this, [this](AcceptedStream&& client, const ProxyHeader& header) {
      connect(std::move(client.stream),
              header.source ? header.source : client.peer,
              header.destination ? header.destination : client.local);
    });
}

void TcpListener::connect(std::unique_ptr<HostStream> stream,
                          const std::optional<Endpoint>& client,
                          const std::optional<Endpoint>& asked_for)
{
  InboundPlan plan{.client = client, .targets = forward_.targets, .forward_id = forward_id_};
  const auto inside = forward_.follows_map && asked_for
                        ? prefixes_.to_internal(asked_for->address).address
                        : std::nullopt;
  for (Endpoint& target : plan.targets) {
    target.address = inside.value_or(target.address);
    if (target.port == 0 && asked_for) {
      target.port = asked_for->port;
    }
  }
  relays_.open_from_host(std::move(stream), std::move(plan));
}

} // namespace slirpstack
