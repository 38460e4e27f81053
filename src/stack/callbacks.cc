#include "stack/callbacks.hh"

#include "stack/connection.hh"

#include <cstddef>

namespace slirpstack {

std::uint16_t StackCallbacks::segment_bytes(const netif& interface) noexcept
{
  // lwIP points the interface at the sending pcb's hints around each output: a legitimate way from
  // a packet back to its connection, also while a tick retransmits for several.
  if (interface.hints == nullptr) {
    return 0xffff;
  } // a reset without a pcb
  const auto* pcb = reinterpret_cast<const tcp_pcb*>(
    reinterpret_cast<const std::uint8_t*>(interface.hints) - offsetof(tcp_pcb, netif_hints));
  const auto* connection = static_cast<const Connection*>(pcb->callback_arg);
  return connection->guest_segment_bytes_ != 0 ? connection->guest_segment_bytes_
                                               : std::uint16_t{0xffff};
}

err_t StackCallbacks::accepted(void* connection, tcp_pcb*, err_t) noexcept
{
  auto& self = *static_cast<Connection*>(connection);
  self.established_ = true;
  self.facts_ |= Connection::FACT_ESTABLISHED;
  return ERR_OK;
}

err_t StackCallbacks::connected(void* connection, tcp_pcb* pcb, err_t error) noexcept
{
  return accepted(connection, pcb, error);
}

err_t StackCallbacks::received(void* connection, tcp_pcb* pcb, pbuf* data, err_t) noexcept
{
  auto& self = *static_cast<Connection*>(connection);
  self.facts_ |= Connection::FACT_DATA;
  if (data == nullptr) {
    self.guest_finished_ = true;
    return ERR_OK;
  }
  self.unread_bytes_ += data->tot_len;
  self.unacknowledged_bytes_ += data->tot_len;
  (self.unread_first_ == nullptr ? self.unread_first_ : self.unread_last_->next) = data;
  while (data->next != nullptr) {
    data = data->next;
  }
  self.unread_last_ = data;
  // Not now: acknowledge() decides at the end of the batch. In TIME_WAIT a FIN has come with the
  // data, and there is no later.
  if (pcb->state != TIME_WAIT) {
    tcp_clear_flags(pcb, TF_ACK_NOW);
    tcp_set_flags(pcb, TF_ACK_DELAY);
  }
  return ERR_OK;
}

err_t StackCallbacks::acknowledged(void* connection, tcp_pcb*, u16_t length_bytes) noexcept
{
  auto& self = *static_cast<Connection*>(connection);
  self.release_sent(length_bytes);
  self.facts_ |= Connection::FACT_ROOM;
  return ERR_OK;
}

void StackCallbacks::gone(void* connection, err_t) noexcept
{
  // The pcb is freed by lwIP. In a tick the connection's world is shared, so it is told here.
  static_cast<Connection*>(connection)->pcb_ = nullptr;
}

} // namespace slirpstack
