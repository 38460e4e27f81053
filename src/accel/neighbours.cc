#include "accel/neighbours.hh"

#include "base/error.hh"
#include "base/log.hh"

#include <linux/neighbour.h>
#include <sys/socket.h>

namespace slirpstack {

namespace {

int number_of(Family family)
{
  return family == Family::ipv4 ? AF_INET : AF_INET6;
}

} // namespace

void read_neighbours(RouteSocket& socket,
                     Family family,
                     unsigned interface,
                     const std::function<void(const NeighbourNews&)>& visit)
{
  RouteRequest request(RTM_GETNEIGH, NLM_F_DUMP);
  request.body<ndmsg>().ndm_family = static_cast<std::uint8_t>(number_of(family));
  const std::error_code error = socket.transact(request, [&](const nlmsghdr& message) {
    if (const auto news = parse_neighbour(message, interface)) {
      visit(*news);
    }
  });
  if (error) {
    throw std::system_error(error, "read the host's neighbours");
  }
}

void ask_for_neighbour(RouteSocket& socket, unsigned interface, const IpAddress& neighbour)
{
  RouteRequest request(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE);
  auto& body = request.body<ndmsg>();
  body.ndm_family = static_cast<std::uint8_t>(number_of(neighbour.family()));
  body.ndm_ifindex = static_cast<int>(interface);
  body.ndm_state = NUD_NONE;
  body.ndm_flags = NTF_USE;
  request.put(NDA_DST, neighbour.bytes());
  if (const std::error_code error = socket.transact(request)) {
    log(LogLevel::debug,
        "cannot ask for a neighbour",
        {{"neighbour", neighbour.to_string()}, {"reason", error.message()}});
  }
}

} // namespace slirpstack
