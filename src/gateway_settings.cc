#include "gateway_settings.hh"

#include "served_addresses.hh"

namespace slirpstack {

namespace {

UdpFilter udp_filter(Config::UdpFilter filter)
{
  switch (filter) {
    case Config::UdpFilter::endpoint:
      return UdpFilter::endpoint_independent;
    case Config::UdpFilter::address:
      return UdpFilter::address_dependent;
    case Config::UdpFilter::port:
      break;
  }
  return UdpFilter::address_and_port_dependent;
}

std::vector<Prefix> guest_networks(const Config& config, const GuestAddresses& guest)
{
  return {guest.ipv4 ? guest.ipv4->guest : config.network.cidr,
          guest.ipv6 ? guest.ipv6->guest : config.network.cidr6};
}

} // namespace

Gateway::Settings gateway_settings(const Config& config,
                                   const GuestAddresses& guest,
                                   std::size_t max_flows)
{
  const Config::Timeouts& timeouts = config.timeouts;
  const auto& egress = config.egress;
  return {
    .addresses = our_addresses(config, guest),
    .policy = {.guest_networks = guest_networks(config, guest),
               .allow_host_networks = egress.enable_host,
               .guards_routed_networks = config.imitates_slirpnetstack(),
               .denies_embedded_ipv4 = config.imitates_slirpnetstack(),
               .allow_routing = !egress.disable_routing,
               .trusts_listed_names = config.imitates_slirpnetstack()},
    .admission = {.max_flows_per_destination = config.limits.max_flows_per_destination},
    .denial_manner
    = config.imitates_slirpnetstack() ? DenialManner::refused : DenialManner::prohibited,
    .answers_every_echo = config.imitates_slirpnetstack(),
    .tcp = {.idle = timeouts.tcp_established,
            .opening = timeouts.tcp_opening,
            .closing = timeouts.tcp_closing,
            .source_ipv4 = egress.source_ipv4,
            .source_ipv6 = egress.source_ipv6,
            .proxy_out = config.forwarding.proxy_out},
    .udp = {.filter = udp_filter(egress.udp_filter),
            .timeout = timeouts.udp,
            .dns_timeout = timeouts.dns,
            .inbound_refreshes = timeouts.inbound_refreshes,
            .source_ipv4 = egress.source_ipv4,
            .source_ipv6 = egress.source_ipv6},
    .ping = {.timeout = timeouts.ping,
             .source_ipv4 = egress.source_ipv4,
             .source_ipv6 = egress.source_ipv6},
    .dns = {},
    .max_flows = max_flows,
  };
}

} // namespace slirpstack
