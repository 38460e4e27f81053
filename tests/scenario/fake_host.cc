#include "scenario/fake_host.hh"

#include <algorithm>
#include <cassert>
#include <cerrno>

namespace slirpstack {

namespace {

ByteView bytes_of(std::string_view text)
{
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string text_of(ByteView bytes)
{
  return {bytes.begin(), bytes.end()};
}

Transfer failed_transfer(int errno_value)
{
  Transfer transfer;
  transfer.code = {errno_value, std::generic_category()};
  return transfer;
}

Transfer blocked_transfer()
{
  Transfer transfer;
  transfer.would_block = true;
  return transfer;
}

} // namespace

HostError host_error(int errno_value)
{
  return {{errno_value, std::generic_category()}, std::nullopt};
}

class FakeStreamSocket final : public HostStream
{
public:
  explicit FakeStreamSocket(std::shared_ptr<FakeStream> stream) : stream_(std::move(stream)) {}
  ~FakeStreamSocket() override { stream_->closed_ = true; }
  FakeStreamSocket(const FakeStreamSocket&) = delete;
  FakeStreamSocket& operator=(const FakeStreamSocket&) = delete;
  FakeStreamSocket(FakeStreamSocket&&) = delete;
  FakeStreamSocket& operator=(FakeStreamSocket&&) = delete;

  Transfer send(std::span<const iovec> pieces) override
  {
    if (stream_->reset_by_peer_ || stream_->shut_down_) {
      return failed_transfer(stream_->reset_by_peer_ ? ECONNRESET : EPIPE);
    }
    if (!stream_->connected_) {
      return blocked_transfer();
    }
    Transfer transfer;
    for (const iovec& piece : pieces) {
      const std::size_t taken = std::min(piece.iov_len, stream_->send_room_);
      stream_->sent_.append(static_cast<const char*>(piece.iov_base), taken);
      stream_->send_room_ -= stream_->send_room_ == SIZE_MAX ? 0 : taken;
      transfer.bytes += taken;
    }
    return transfer.bytes == 0 ? blocked_transfer() : transfer;
  }

  Transfer receive(std::span<const iovec> pieces) override
  {
    if (stream_->reset_by_peer_) {
      return failed_transfer(ECONNRESET);
    }
    Transfer transfer;
    for (const iovec& piece : pieces) {
      const std::size_t given = std::min(piece.iov_len, stream_->unread_.size());
      std::copy_n(stream_->unread_.begin(), given, static_cast<char*>(piece.iov_base));
      stream_->unread_.erase(0, given);
      transfer.bytes += given;
    }
    if (transfer.bytes > 0) {
      return transfer;
    }
    transfer.end_of_stream = stream_->end_of_stream_;
    transfer.would_block = !stream_->end_of_stream_;
    return transfer;
  }

  Transfer peek(MutableBytes bytes) override
  {
    if (stream_->reset_by_peer_) {
      return failed_transfer(ECONNRESET);
    }
    Transfer transfer;
    transfer.bytes = std::min(bytes.size(), stream_->unread_.size());
    std::copy_n(stream_->unread_.begin(), transfer.bytes, bytes.begin());
    transfer.end_of_stream = transfer.bytes == 0 && stream_->end_of_stream_;
    transfer.would_block = transfer.bytes == 0 && !stream_->end_of_stream_;
    return transfer;
  }

  void shutdown_send() override { stream_->shut_down_ = true; }
  void reset_on_close() override { stream_->reset_on_close_ = true; }
  void deliver_to(HostStreamEvents& events) override { stream_->events_ = &events; }
  [[nodiscard]] std::optional<Endpoint> local() const override { return stream_->local_; }
  [[nodiscard]] std::optional<StreamAddress> remote() const override { return stream_->to_; }

private:
  std::shared_ptr<FakeStream> stream_;
};

void FakeStream::connects()
{
  connected_ = true;
  if (!closed_) {
    events_->on_connected();
  }
}

void FakeStream::fails(const HostError& error)
{
  if (!closed_) {
    events_->on_connect_failed(error);
  }
}

void FakeStream::has(std::string_view data)
{
  unread_ += data;
  if (!closed_) {
    events_->on_readable(false);
  }
}

void FakeStream::eof()
{
  end_of_stream_ = true;
  if (!closed_) {
    events_->on_readable(true);
  }
}

void FakeStream::resets()
{
  reset_by_peer_ = true;
  if (!closed_) {
    events_->on_readable(true);
  }
}

void FakeStream::can_write()
{
  if (!closed_) {
    events_->on_writable();
  }
}

class FakeDatagramsSocket final : public HostDatagrams
{
public:
  explicit FakeDatagramsSocket(std::shared_ptr<FakeDatagrams> datagrams)
    : datagrams_(std::move(datagrams))
  {}
  ~FakeDatagramsSocket() override { datagrams_->closed_ = true; }
  FakeDatagramsSocket(const FakeDatagramsSocket&) = delete;
  FakeDatagramsSocket& operator=(const FakeDatagramsSocket&) = delete;
  FakeDatagramsSocket(FakeDatagramsSocket&&) = delete;
  FakeDatagramsSocket& operator=(FakeDatagramsSocket&&) = delete;

  void send(std::span<const OutboundDatagram> datagrams,
            SendFailure on_failed,
            void* context) override
  {
    ++datagrams_->calls_;
    for (std::size_t i = 0; i < datagrams.size(); ++i) {
      if (datagrams_->send_error_.code) {
        on_failed(context, i, datagrams_->send_error_);
        continue;
      }
      const OutboundDatagram& datagram = datagrams[i];
      datagrams_->sent_.push_back({datagram.to,
                                   text_of(datagram.payload),
                                   datagram.segment_size_bytes,
                                   datagram.hop_limit,
                                   datagram.dont_fragment,
                                   datagram.source,
                                   datagram.interface_index});
    }
  }
  [[nodiscard]] std::uint16_t port() const override { return datagrams_->port_hint_; }
  [[nodiscard]] Endpoint local_towards(const Endpoint& remote) const override
  {
    return {IpAddress::any(remote.address.family()), port()};
  }

private:
  std::shared_ptr<FakeDatagrams> datagrams_;
};

void FakeDatagrams::receives(const std::vector<Inbound>& datagrams)
{
  std::vector<InboundDatagram> views;
  views.reserve(datagrams.size());
  for (const Inbound& datagram : datagrams) {
    views.push_back({datagram.from,
                     bytes_of(datagram.payload),
                     datagram.segment_size_bytes,
                     datagram.to,
                     datagram.interface_index});
  }
  if (!closed_) {
    events_->on_datagrams(views);
  }
}

void FakeDatagrams::fails(const HostError& error, const Endpoint& to, std::string_view payload)
{
  if (!closed_) {
    events_->on_error(error, to, bytes_of(payload));
  }
}

class FakePingSocket final : public HostPing
{
public:
  explicit FakePingSocket(std::shared_ptr<FakePing> ping) : ping_(std::move(ping)) {}
  ~FakePingSocket() override { ping_->closed_ = true; }
  FakePingSocket(const FakePingSocket&) = delete;
  FakePingSocket& operator=(const FakePingSocket&) = delete;
  FakePingSocket(FakePingSocket&&) = delete;
  FakePingSocket& operator=(FakePingSocket&&) = delete;

  HostError send(const IpAddress& to,
                 std::uint16_t sequence,
                 ByteView data,
                 std::uint8_t hop_limit,
                 bool dont_fragment) override
  {
    if (!ping_->send_error_.code) {
      ping_->sent_.push_back({to, sequence, text_of(data), hop_limit, dont_fragment});
    }
    return ping_->send_error_;
  }

private:
  std::shared_ptr<FakePing> ping_;
};

void FakePing::replies(const IpAddress& from,
                       std::uint16_t sequence,
                       std::string_view data,
                       std::uint8_t hop_limit)
{
  if (!closed_) {
    events_->on_reply(from, sequence, hop_limit, bytes_of(data));
  }
}

void FakePing::fails(const HostError& error,
                     const IpAddress& to,
                     std::uint16_t sequence,
                     std::string_view data)
{
  if (!closed_) {
    events_->on_error(error, to, sequence, bytes_of(data));
  }
}

class FakeListenerSocket final : public HostListener
{
public:
  explicit FakeListenerSocket(std::shared_ptr<FakeListener> listener)
    : listener_(std::move(listener))
  {}
  ~FakeListenerSocket() override { listener_->closed_ = true; }
  FakeListenerSocket(const FakeListenerSocket&) = delete;
  FakeListenerSocket& operator=(const FakeListenerSocket&) = delete;
  FakeListenerSocket(FakeListenerSocket&&) = delete;
  FakeListenerSocket& operator=(FakeListenerSocket&&) = delete;

  [[nodiscard]] StreamAddress address() const override { return listener_->options_.address; }

private:
  std::shared_ptr<FakeListener> listener_;
};

void FakeListener::accepts(const std::optional<Endpoint>& client)
{
  AcceptedStream accepted;
  if (client) {
    accepted.peer = client;
    accepted.local = std::get<Endpoint>(options_.address);
  }
  accepts(std::move(accepted));
}

void FakeListener::accepts_confined()
{
  AcceptedStream accepted;
  accepted.is_confined = true;
  accepts(std::move(accepted));
}

void FakeListener::accepts(AcceptedStream&& accepted)
{
  if (closed_) {
    return;
  }
  auto& stream = host_->streams_.emplace_back(std::make_shared<FakeStream>());
  stream->connected_ = true;
  if (accepted.peer) {
    stream->to_ = *accepted.peer;
    stream->local_ = accepted.local;
  }
  accepted.stream = std::make_unique<FakeStreamSocket>(stream);
  events_->on_accepted(std::move(accepted));
}

class FakeNames::Lookup final : public PendingLookup
{
public:
  Lookup(std::shared_ptr<std::map<std::size_t, Waiting>> waiting, std::size_t number)
    : waiting_(std::move(waiting)), number_(number)
  {}
  ~Lookup() override { waiting_->erase(number_); }
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
  Lookup(Lookup&&) = delete;
  Lookup& operator=(Lookup&&) = delete;

private:
  std::shared_ptr<std::map<std::size_t, Waiting>> waiting_;
  std::size_t number_;
};

std::unique_ptr<PendingLookup> FakeNames::look_up(const HostName& name,
                                                  std::function<void(const LookupAnswer&)> done)
{
  ++not_afresh_;
  return look_up_afresh(name, std::move(done));
}

std::unique_ptr<PendingLookup> FakeNames::look_up_afresh(
  const HostName& name,
  std::function<void(const LookupAnswer&)> done)
{
  const std::size_t number = next_++;
  waiting_->emplace(number, Waiting{name, std::move(done)});
  return std::make_unique<Lookup>(waiting_, number);
}

std::size_t FakeNames::answers(std::string_view name, const LookupAnswer& answer)
{
  std::vector<std::function<void(const LookupAnswer&)>> told;
  for (auto& [number, waiting] : *waiting_) {
    if (waiting.name.name == name) {
      told.push_back(std::move(waiting.done));
      waiting.name.name.clear();
    }
  }
  for (auto& done : told) {
    done(answer);
  }
  return told.size();
}

Opened<HostListener> FakeHost::listen(const ListenOptions& options, HostListenerEvents& events)
{
  if (open_error_.code) {
    return {nullptr, open_error_};
  }
  auto& listener = listeners_.emplace_back(std::make_shared<FakeListener>());
  listener->host_ = this;
  listener->options_ = options;
  listener->events_ = &events;
  return {std::make_unique<FakeListenerSocket>(listener), {}};
}

bool FakeNames::answers_next(const LookupAnswer& answer)
{
  // An answered one keeps its place, without a name, until whoever asked drops it.
  const auto next = std::ranges::find_if(
    *waiting_, [](const auto& each) { return !each.second.name.name.empty(); });
  if (next == waiting_->end()) {
    return false;
  }
  const auto done = std::move(next->second.done);
  next->second.name.name.clear();
  done(answer);
  return true;
}

/// By another program, or by a listener of our own at the same address.
bool FakeHost::is_taken(const Endpoint& asked) const
{
  const auto is_ours = [&](const auto& socket) {
    return !socket->closed_ && socket->listening_ && socket->port_hint_ == asked.port
           && std::get<Endpoint>(socket->listening_->address).address == asked.address;
  };
  return std::ranges::find(taken_, asked) != taken_.end()
         || (asked.port != 0 && std::ranges::any_of(datagrams_, is_ours));
}

Opened<HostDatagrams> FakeHost::listen_datagrams(const ListenOptions& options,
                                                 HostDatagramEvents& events)
{
  Endpoint endpoint = std::get<Endpoint>(options.address);
  if (endpoint.port == 0 && !chosen_ports_.empty()) {
    endpoint.port = chosen_ports_.front();
    chosen_ports_.pop_front();
  }
  if (is_taken(endpoint)) {
    return {nullptr, host_error(EADDRINUSE)};
  }
  auto opened = open_datagrams(endpoint.address.family(), endpoint.address, endpoint.port, events);
  if (opened.socket) {
    datagrams_.back()->listening_ = options;
  }
  return opened;
}

Opened<HostStream> FakeHost::connect(const StreamAddress& to,
                                     const StreamOptions& options,
                                     HostStreamEvents& events)
{
  if (open_error_.code) {
    return {nullptr, open_error_};
  }
  auto& stream = streams_.emplace_back(std::make_shared<FakeStream>());
  stream->to_ = to;
  stream->options_ = options;
  stream->events_ = &events;
  return {std::make_unique<FakeStreamSocket>(stream), {}};
}

Opened<HostDatagrams> FakeHost::open_datagrams(Family family,
                                               const std::optional<SourceAddress>& source,
                                               std::uint16_t port_hint,
                                               HostDatagramEvents& events)
{
  if (open_error_.code) {
    return {nullptr, open_error_};
  }
  auto& datagrams = datagrams_.emplace_back(std::make_shared<FakeDatagrams>());
  datagrams->family_ = family;
  datagrams->source_ = source;
  datagrams->port_hint_ = port_hint;
  datagrams->events_ = &events;
  return {std::make_unique<FakeDatagramsSocket>(datagrams), {}};
}

Opened<HostPing> FakeHost::open_ping(Family family,
                                     const std::optional<SourceAddress>& source,
                                     HostPingEvents& events)
{
  if (open_error_.code) {
    return {nullptr, open_error_};
  }
  auto& ping = pings_.emplace_back(std::make_shared<FakePing>());
  ping->family_ = family;
  ping->source_ = source;
  ping->events_ = &events;
  return {std::make_unique<FakePingSocket>(ping), {}};
}

} // namespace slirpstack
