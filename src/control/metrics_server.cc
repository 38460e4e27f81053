#include "control/metrics_server.hh"

#include "base/log.hh"
#include "control/http_request.hh"

#include <array>
#include <fmt/format.h>
#include <system_error>
#include <utility>

namespace slirpstack {

namespace {

// A scraper asks and goes; whoever stays makes room for the next.
constexpr std::size_t MAX_CLIENTS = 32;

std::string response(std::string_view status,
                     std::string_view type,
                     std::string_view body,
                     bool is_head)
{
  return fmt::format("HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n"
                     "Connection: close\r\n\r\n{}",
                     status,
                     type,
                     body.size(),
                     is_head ? std::string_view() : body);
}

constexpr std::string_view PLAIN = "text/plain; charset=utf-8";

} // namespace

/// One connection: reads a request, writes the answer, and ends.
class MetricsServer::Client final : public HostStreamEvents
{
public:
  Client(MetricsServer& server, std::unique_ptr<HostStream> stream)
    : server_(server), stream_(std::move(stream))
  {
    stream_->deliver_to(*this);
  }

  void on_connected() override {}
  void on_connect_failed(const HostError&) override {}
  // After each of these the client may be gone.
  void on_readable(bool) override
  {
    std::array<std::uint8_t, 4096> bytes; // NOLINT: filled as far as it is read
    const std::array<iovec, 1> pieces{iovec{bytes.data(), bytes.size()}};
    do {
      const Transfer received = stream_->receive(pieces);
      if (received.would_block) {
        return;
      }
      if (received.code || received.end_of_stream) {
        server_.forget(*this);
        return;
      }
      if (output_.empty() && !take(ByteView(bytes).first(received.bytes))) {
        return; // answered, and gone
      }
    } while (output_.empty()); // who has asked and goes on sending is not read to the end
  }
  void on_writable() override
  {
    if (!output_.empty()) {
      static_cast<void>(write());
    }
  }

private:
  /// False: this is gone.
  bool take(ByteView bytes)
  {
    switch (request_.feed(bytes)) {
      case HttpRequest::State::incomplete:
        return true;
      case HttpRequest::State::malformed:
        output_ = response("400 Bad Request", PLAIN, "this is no HTTP/1 request\n", false);
        return write();
      case HttpRequest::State::complete:
        break;
    }
    const bool allowed = request_.is_get() || request_.is_head();
    output_ = allowed ? server_.answer_to(request_.path(), request_.is_head())
                      : response("405 Method Not Allowed", PLAIN, "only GET and HEAD\n", false);
    return write();
  }

  /// False: all is written, or the connection broken, and this is gone.
  bool write()
  {
    const std::array<iovec, 1> pieces{iovec{output_.data(), output_.size()}};
    const Transfer sent = stream_->send(pieces);
    output_.erase(0, sent.bytes);
    if (!output_.empty() && !sent.code) {
      return true;
    }
    server_.forget(*this);
    return false;
  }

  MetricsServer& server_;
  std::unique_ptr<HostStream> stream_;
  HttpRequest request_;
  std::string output_;
};

MetricsServer::MetricsServer(HostNetwork& host, const ListenOptions& options, Snapshot snapshot)
  : snapshot_(std::move(snapshot))
{
  auto opened = host.listen(options, *this);
  if (!opened.socket) {
    throw std::system_error(opened.error.code,
                            fmt::format("listen for metrics on {}", to_string(options.address)));
  }
  listener_ = std::move(opened.socket);
}

MetricsServer::~MetricsServer() = default;

void MetricsServer::on_accepted(AcceptedStream&& accepted)
{
  if (accepted.is_confined) {
    log(LogLevel::warning, "a metrics client from another user namespace is sent away");
    return;
  }
  if (clients_.size() == MAX_CLIENTS) {
    clients_.pop_front();
  }
  clients_.push_back(std::make_unique<Client>(*this, std::move(accepted.stream)));
}

std::string MetricsServer::answer_to(std::string_view path, bool is_head) const
{
  if (path == "/metrics") {
    return response("200 OK", OPENMETRICS_TYPE, openmetrics_text(snapshot_()), is_head);
  }
  if (path == "/health") {
    return response("200 OK", PLAIN, "ok\n", is_head);
  }
  return response("404 Not Found", PLAIN, "there are /health and /metrics\n", is_head);
}

void MetricsServer::forget(Client& client)
{
  std::erase_if(clients_, [&](const auto& each) { return each.get() == &client; });
}

} // namespace slirpstack
