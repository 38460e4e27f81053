// Host to guest, the opening: lwIP as the client of a service in the guest.

#include "stack/callbacks.hh"
#include "stack/connection.hh"
#include "stack/connection_world.hh"

namespace slirpstack {

std::unique_ptr<Connection> Connection::dial(Stack& stack,
                                             ConnectionEvents& events,
                                             const Endpoint& from,
                                             const Endpoint& guest)
{
  const ip_addr_t guest_address = to_lwip(guest.address);
  stack.enter(); // the new pcb notes the time
  tcp_pcb* pcb = ::tcp_new_ip_type(IP_GET_TYPE(&guest_address));
  if (pcb == nullptr) {
    return nullptr;
  }
  std::unique_ptr<Connection> connection(
    new Connection(stack, events)); // NOLINT: private constructor
  // tcp_bind() would ask whether the address is the interface's; as on any router it is not.
  pcb->local_ip = to_lwip(from.address);
  pcb->local_port = from.port;
  ::tcp_arg(pcb, connection.get());
  err_t result = ERR_OK;
  {
    const World world(*connection);
    result = ::tcp_connect(pcb, &guest_address, guest.port, StackCallbacks::connected);
  }
  if (result != ERR_OK) { // lwIP has not taken the pcb into any list
    ::tcp_abandon(pcb, 0);
    return nullptr;
  }
  connection->listen_to_pcb();
  connection->settle();
  return connection;
}

} // namespace slirpstack
