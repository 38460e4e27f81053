#include "gateway/udp_clients.hh"

namespace slirpstack {

UdpClients::Place::Place(UdpClients& clients, UdpClientFlow& flow, TimePoint now)
  : clients_(clients)
  , last_active_(now)
  , position_(clients.order_.insert(clients.order_.end(), &flow))
{}

void UdpClients::Place::touch(TimePoint now)
{
  last_active_ = now;
  if (position_) {
    clients_.order_.splice(clients_.order_.end(), clients_.order_, *position_);
  }
}

void UdpClients::Place::leave()
{
  if (position_) {
    clients_.order_.erase(*position_);
    position_.reset();
  }
}

} // namespace slirpstack
