#pragma once

#include "flow/prefix_map.hh"
#include "gateway/udp_relays.hh"

#include <deque>
#include <map>
#include <memory>

namespace slirpstack {

class UdpClientFlow;
class UdpRun;

/// Who sends to a listener, and to which of the host's addresses: an answer is one only if it comes
/// from there, so the same socket of a client that asks two of our addresses is two clients. So are
/// two that have the same link-local address on different links.
struct UdpClient
{
  Endpoint from;
  std::optional<IpAddress> to;
  std::uint32_t interface_index = 0; ///< as of InboundDatagram
  auto operator<=>(const UdpClient&) const = default;
};

/// A UDP socket that listens on the host for a local forward (`-L`), and a flow with the guest for
/// each client. It has to outlive those flows: end them, or wait until there are none.
class UdpListener final
  : public UdpSender
  , private HostDatagramEvents
{
public:
  /// Opens nothing yet. `forward_id`: for the flows' records.
  UdpListener(UdpRelays& relays,
              const PrefixMap& prefixes,
              const LocalForward& forward,
              std::uint32_t forward_id);
  ~UdpListener() override;
  UdpListener(const UdpListener&) = delete;
  UdpListener& operator=(const UdpListener&) = delete;
  UdpListener(UdpListener&&) = delete;
  UdpListener& operator=(UdpListener&&) = delete;

  /// Only then may anything else be called.
  HostError open(HostNetwork& host, const ListenOptions& options);
  [[nodiscard]] std::uint16_t port() const { return socket_->port(); }
  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] HostDatagrams& socket() override { return *socket_; }

  /// Clients that have no flow get none from now on.
  void stop_accepting() { accepting_ = false; }
  /// Closes the socket; the flows must have finished. What was to be sent is lost. Nothing but
  /// `clients()` may be called any more.
  void close();
  /// Flows that have not been buried.
  [[nodiscard]] std::size_t clients() const { return flows_.size(); }

private:
  friend class UdpClientFlow;

  void on_send_failed(const OutboundDatagram& datagram, const HostError& error) override;
  void on_datagrams(std::span<const InboundDatagram> datagrams) override;
  void on_error(const HostError& error, const Endpoint& to, ByteView payload) override;

  /// Of the guest, where it is mapped.
  [[nodiscard]] std::optional<IpAddress> inside(const std::optional<IpAddress>& asked) const;
  [[nodiscard]] UdpClientFlow* flow_of(const InboundDatagram& datagram);
  [[nodiscard]] UdpClientFlow* open_flow(const InboundDatagram& datagram);
  /// Whether there may be one more client; one that has been silent for long may go for it.
  [[nodiscard]] bool has_room();
  [[nodiscard]] UdpClientFlow* insert_flow(const InboundDatagram& datagram,
                                           const Endpoint& client,
                                           const Endpoint& target);
  /// With the port that 0 stands for.
  [[nodiscard]] Endpoint target_in_use() const;
  /// The guest does not listen at the flow's target: the next one is asked from now on.
  void on_target_refused(const Endpoint& target);

  UdpRelays& relays_;
  const PrefixMap& prefixes_;
  ForwardScheme scheme_;
  bool follows_map_;
  std::deque<Endpoint> targets_; ///< the one in use first
  std::uint32_t forward_id_;
  bool accepting_ = true;
  Family family_ = Family::ipv4;
  std::unique_ptr<HostDatagrams> socket_;
  std::map<UdpClient, UdpClientFlow*> flows_;
};

/// What one client of a local UDP forward has with the guest.
class UdpClientFlow final : public UdpRelay
{
public:
  UdpClientFlow(UdpListener& listener, const FlowKey& key, const UdpClient& client);
  ~UdpClientFlow() override;
  UdpClientFlow(const UdpClientFlow&) = delete;
  UdpClientFlow& operator=(const UdpClientFlow&) = delete;
  UdpClientFlow(UdpClientFlow&&) = delete;
  UdpClientFlow& operator=(UdpClientFlow&&) = delete;

  void on_client_datagrams(const InboundDatagram& datagram, UdpRun& run);
  void on_guest_datagram(const GuestDatagram& datagram) override;
  void on_guest_unreachable() override;
  [[nodiscard]] TimePoint deadline() const override;
  void on_deadline(TimePoint now) override;
  [[nodiscard]] std::optional<Endpoint> host_local() const override;
  [[nodiscard]] std::optional<StreamAddress> host_remote() const override { return client_.from; }
  /// The header that the Simple Proxy Protocol puts before the answers.
  void set_proxy_header(const SimpleProxyHeader& header) { proxy_header_ = header; }
  /// Ends the flow if the client has been silent since then. False: it has not.
  [[nodiscard]] bool gives_way(TimePoint silent_since);

private:
  void answer(ByteView data, std::uint16_t segment_size_bytes);

  UdpListener& listener_;
  UdpClient client_;
  std::optional<SimpleProxyHeader> proxy_header_;
  UdpClients::Place place_;
};

} // namespace slirpstack
