#pragma once

#include "flow/forward.hh"
#include "flow/prefix_map.hh"
#include "gateway/forward_error.hh"
#include "gateway/published_ports.hh"
#include "gateway/tcp_listener.hh"
#include "gateway/udp_listener.hh"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

namespace slirpstack {

/// The forwards in effect: the listeners of the local ones, and where the remote ones lead.
class ForwardSet
{
public:
  using Id = std::uint32_t;
  /// What a removal does with the flows that the forward has opened.
  enum class Removal : std::uint8_t
  {
    drain, ///< they go on to their own end, and the forward is listed until the last has gone
    end,   ///< they are ended at once, and the forward has gone
  };
  struct Info
  {
    Id id = 0;
    ForwardSpec spec;
    /// Of a local forward: where it listens, with the ports that the host has chosen.
    std::vector<StreamAddress> listening;
    /// Of a remote forward: what stands for something else in the guest's world.
    std::vector<Endpoint> matching;
    std::size_t flows = 0;
    /// The NAT carries it, and its flows are not among those.
    bool is_published = false;
    /// It has been removed, and lasts until its flows have ended. UDP clients are answered from
    /// where it listens, so that is taken till then.
    bool draining = false;
  };

  /// All references must outlive this.
  ForwardSet(TcpRelays& tcp,
             UdpRelays& udp,
             FlowTable& flows,
             const EventTime& time,
             HostNetwork& host,
             const PrefixMap& prefixes,
             const Policy& policy);
  ~ForwardSet();
  ForwardSet(const ForwardSet&) = delete;
  ForwardSet& operator=(const ForwardSet&) = delete;
  ForwardSet(ForwardSet&&) = delete;
  ForwardSet& operator=(ForwardSet&&) = delete;

  /// Who publishes forwards at addresses where no socket of the host can listen, in place of
  /// nobody. Their flows are not among `flows()`; draining one ends them. Must outlive this.
  void set_publisher(PortPublisher& publisher) { published_.set_publisher(publisher); }
  /// Policy has changed: see PublishedPorts.
  void review_published() { published_.review(); }

  /// Puts a forward into effect, all of it or nothing. Throws ForwardError when an address cannot
  /// be listened on, UsageError when another forward stands for the same destination.
  Info add(const ForwardPlan& plan);
  /// False: there is none such. One that drains can be removed again.
  [[nodiscard]] bool remove(Id id, Removal removal);
  /// In the order of their numbers, those that drain included.
  [[nodiscard]] std::vector<Info> list() const;
  /// How many are in effect; none of them drains.
  [[nodiscard]] std::size_t size() const { return entries_.size() - draining_.size(); }

  /// A remote forward for this destination, and its number.
  struct Match
  {
    const RemoteForward* forward = nullptr;
    Id id = 0;
  };
  [[nodiscard]] Match find(std::uint8_t protocol, const Endpoint& destination) const;

  /// The end of a batch, after the flows that had ended were buried.
  void flush();
  [[nodiscard]] TimePoint next_deadline() const { return proxy_clients_.next_deadline(); }
  void expire() { proxy_clients_.expire(); }

private:
  struct Entry;
  struct RemoteKey
  {
    std::uint8_t protocol = 0;
    Endpoint match;
    auto operator<=>(const RemoteKey&) const = default;
  };

  /// The same forward, which may be bound to an address that is mapped.
  [[nodiscard]] LocalForward bindable(LocalForward forward) const;
  void hold_ports(Entry& entry);
  void publish(const std::vector<LocalForward>& forwards, Entry& entry);
  void listen(const LocalForward& forward, Entry& entry);
  void listen_for_datagrams(const LocalForward& forward, Entry& entry);
  using UdpListeners = std::vector<std::unique_ptr<UdpListener>>;
  /// A socket in each family that the forward is about, all on one port.
  HostError open_sockets(const LocalForward& forward, Id id, UdpListeners& listeners);
  [[nodiscard]] Info info(const Entry& entry) const;
  void stop_accepting(Entry& entry);
  void end(Entry& entry);

  TcpRelays& tcp_;
  UdpRelays& udp_;
  FlowTable& flows_;
  const EventTime& time_;
  HostNetwork& host_;
  const PrefixMap& prefixes_;
  PublishedPorts published_;
  ProxyClients proxy_clients_;
  std::map<Id, std::unique_ptr<Entry>> entries_;
  std::set<Id> draining_; ///< those of the entries that are
  UdpListeners ended_;    ///< closed; until the flows that have ended are buried
  std::map<RemoteKey, Match> remote_;
  Id last_id_ = 0;
};

} // namespace slirpstack
