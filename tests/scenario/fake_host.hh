#pragma once

#include "flow/host_network.hh"
#include "flow/name_resolver.hh"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace slirpstack {

/// A HostError of an errno value, without an ICMP message.
HostError host_error(int errno_value);

/// A TCP socket of the fake host as the test sees it. It outlives the socket, so a test can ask
/// how that ended.
class FakeStream
{
public:
  // What the far end does; each is an event for the owner, unless it has closed the socket.
  void connects();
  void fails(const HostError& error);
  void has(std::string_view data);
  void eof();
  /// A RST arrives: receiving and sending fail from now on.
  void resets();

  /// The socket takes so many more bytes, then its buffer is full.
  void takes_at_most(std::size_t bytes) { send_room_ = bytes; }
  void blocks_writes() { takes_at_most(0); }
  /// Reports that there is room.
  void can_write();
  /// Room again, without limit; reported as writable.
  void unblocks_writes()
  {
    takes_at_most(SIZE_MAX);
    can_write();
  }

  /// Of a stream that the owner has opened.
  [[nodiscard]] const Endpoint& to() const { return std::get<Endpoint>(to_); }
  [[nodiscard]] const StreamAddress& address() const { return to_; }
  [[nodiscard]] const StreamOptions& options() const { return options_; }
  /// All that the owner has sent.
  [[nodiscard]] const std::string& sent() const { return sent_; }
  /// What the owner has not received yet.
  [[nodiscard]] std::size_t unread_bytes() const { return unread_.size(); }
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] bool shut_down() const { return shut_down_; }
  [[nodiscard]] bool closed() const { return closed_; }
  /// The owner closed with a RST.
  [[nodiscard]] bool was_reset() const { return closed_ && reset_on_close_; }

private:
  friend class FakeHost;
  friend class FakeListener;
  friend class FakeStreamSocket;

  StreamAddress to_;
  std::optional<Endpoint> local_;
  StreamOptions options_;
  HostStreamEvents* events_ = nullptr;
  std::string unread_;
  std::string sent_;
  std::size_t send_room_ = SIZE_MAX;
  bool connected_ = false;
  bool end_of_stream_ = false;
  bool reset_by_peer_ = false;
  bool shut_down_ = false;
  bool reset_on_close_ = false;
  bool closed_ = false;
};

/// A UDP socket of the fake host as the test sees it.
class FakeDatagrams
{
public:
  /// One datagram that was handed over, or several behind one another.
  struct Sent
  {
    Endpoint to;
    std::string payload;
    std::uint16_t segment_size_bytes = 0;
    std::uint8_t hop_limit = 0;
    bool dont_fragment = false;
    std::optional<IpAddress> source;
    std::uint32_t interface_index = 0;
  };
  struct Inbound
  {
    Endpoint from;
    std::string payload;
    std::uint16_t segment_size_bytes = 0;
    std::optional<IpAddress> to;
    std::uint32_t interface_index = 0;
  };

  void receives(const Endpoint& from, std::string_view payload)
  {
    receives({{from, std::string(payload)}});
  }
  /// All in one event.
  void receives(const std::vector<Inbound>& datagrams);
  /// The network reports that a datagram could not be delivered.
  void fails(const HostError& error, const Endpoint& to, std::string_view payload);
  /// Sending fails from now on; no code: it works again.
  void refuses_to_send(const HostError& error) { send_error_ = error; }

  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] const std::optional<SourceAddress>& source() const { return source_; }
  [[nodiscard]] std::uint16_t port_hint() const { return port_hint_; }
  [[nodiscard]] const std::vector<Sent>& sent() const { return sent_; }
  /// How many calls of send() there were.
  [[nodiscard]] std::size_t calls() const { return calls_; }
  [[nodiscard]] bool closed() const { return closed_; }
  /// Of a socket that listens.
  [[nodiscard]] const std::optional<ListenOptions>& listening() const { return listening_; }

private:
  friend class FakeHost;
  friend class FakeDatagramsSocket;

  std::optional<ListenOptions> listening_;
  Family family_ = Family::ipv4;
  std::optional<SourceAddress> source_;
  std::uint16_t port_hint_ = 0;
  HostDatagramEvents* events_ = nullptr;
  HostError send_error_;
  std::vector<Sent> sent_;
  std::size_t calls_ = 0;
  bool closed_ = false;
};

/// A ping socket of the fake host as the test sees it.
class FakePing
{
public:
  struct Sent
  {
    IpAddress to;
    std::uint16_t sequence = 0;
    std::string data;
    std::uint8_t hop_limit = 0;
    bool dont_fragment = false;
  };

  void replies(const IpAddress& from,
               std::uint16_t sequence,
               std::string_view data,
               std::uint8_t hop_limit = 60);
  void fails(const HostError& error,
             const IpAddress& to,
             std::uint16_t sequence,
             std::string_view data);
  void refuses_to_send(const HostError& error) { send_error_ = error; }

  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] const std::optional<SourceAddress>& source() const { return source_; }
  [[nodiscard]] const std::vector<Sent>& sent() const { return sent_; }
  [[nodiscard]] bool closed() const { return closed_; }

private:
  friend class FakeHost;
  friend class FakePingSocket;

  Family family_ = Family::ipv4;
  std::optional<SourceAddress> source_;
  HostPingEvents* events_ = nullptr;
  HostError send_error_;
  std::vector<Sent> sent_;
  bool closed_ = false;
};

class FakeHost;

/// A listening socket of the fake host as the test sees it.
class FakeListener
{
public:
  /// A client connects; its stream is the host's last one. Nothing happens once it is closed.
  void accepts(const std::optional<Endpoint>& client);
  /// A client on a Unix socket, from a user namespace of its own.
  void accepts_confined();
  [[nodiscard]] const ListenOptions& options() const { return options_; }
  [[nodiscard]] bool closed() const { return closed_; }

private:
  friend class FakeHost;
  friend class FakeListenerSocket;

  void accepts(AcceptedStream&& accepted);

  FakeHost* host_ = nullptr;
  ListenOptions options_;
  HostListenerEvents* events_ = nullptr;
  bool closed_ = false;
};

/// A name service in memory: a lookup waits until the test answers it.
class FakeNames final : public NameResolver
{
public:
  std::unique_ptr<PendingLookup> look_up(const HostName& name,
                                         std::function<void(const LookupAnswer&)> done) override;
  std::unique_ptr<PendingLookup> look_up_afresh(
    const HostName& name,
    std::function<void(const LookupAnswer&)> done) override;
  /// Answers every lookup of the name that waits; returns how many did.
  std::size_t answers(std::string_view name, const LookupAnswer& answer);
  /// Answers the one that has waited for longest; false: none waits.
  bool answers_next(const LookupAnswer& answer);
  /// Lookups that wait.
  [[nodiscard]] std::size_t waiting() const { return waiting_->size(); }
  /// Lookups so far that a kept answer could have served.
  [[nodiscard]] std::size_t not_afresh() const { return not_afresh_; }

private:
  class Lookup;
  struct Waiting
  {
    HostName name;
    std::function<void(const LookupAnswer&)> done;
  };
  std::shared_ptr<std::map<std::size_t, Waiting>> waiting_
    = std::make_shared<std::map<std::size_t, Waiting>>();
  std::size_t next_ = 0;
  std::size_t not_afresh_ = 0;
};

/// A host network in memory. The test plays the far ends through the sockets that were opened.
class FakeHost final : public HostNetwork
{
public:
  /// Whatever is opened from now on fails so; no code: it works again.
  void refuses_to_open(const HostError& error) { open_error_ = error; }

  /// Another program of the host has this UDP port, of the address's family.
  void occupies(const Endpoint& taken) { taken_.push_back(taken); }
  /// The ports that are given, in this order, where a UDP listener asks for any.
  void chooses_ports(std::deque<std::uint16_t> ports) { chosen_ports_ = std::move(ports); }

  /// Sockets in the order in which they were opened, closed ones included.
  [[nodiscard]] FakeStream& stream(std::size_t index) { return *streams_.at(index); }
  [[nodiscard]] FakeDatagrams& datagrams(std::size_t index) { return *datagrams_.at(index); }
  [[nodiscard]] FakePing& ping(std::size_t index) { return *pings_.at(index); }
  [[nodiscard]] FakeListener& listener(std::size_t index) { return *listeners_.at(index); }
  [[nodiscard]] FakeStream& last_stream() { return *streams_.back(); }
  [[nodiscard]] std::size_t streams() const { return streams_.size(); }
  [[nodiscard]] std::size_t listeners() const { return listeners_.size(); }
  [[nodiscard]] std::size_t datagram_sockets() const { return datagrams_.size(); }
  [[nodiscard]] std::size_t pings() const { return pings_.size(); }

  Opened<HostStream> connect(const StreamAddress& to,
                             const StreamOptions& options,
                             HostStreamEvents& events) override;
  Opened<HostListener> listen(const ListenOptions& options, HostListenerEvents& events) override;
  Opened<HostDatagrams> listen_datagrams(const ListenOptions& options,
                                         HostDatagramEvents& events) override;
  Opened<HostDatagrams> open_datagrams(Family family,
                                       const std::optional<SourceAddress>& source,
                                       std::uint16_t port_hint,
                                       HostDatagramEvents& events) override;
  Opened<HostPing> open_ping(Family family,
                             const std::optional<SourceAddress>& source,
                             HostPingEvents& events) override;

private:
  friend class FakeListener;

  [[nodiscard]] bool is_taken(const Endpoint& asked) const;

  HostError open_error_;
  std::vector<Endpoint> taken_;
  std::deque<std::uint16_t> chosen_ports_;
  std::vector<std::shared_ptr<FakeListener>> listeners_;
  std::vector<std::shared_ptr<FakeStream>> streams_;
  std::vector<std::shared_ptr<FakeDatagrams>> datagrams_;
  std::vector<std::shared_ptr<FakePing>> pings_;
};

} // namespace slirpstack
