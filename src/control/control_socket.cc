#include "control/control_socket.hh"

#include "base/log.hh"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utility>

namespace slirpstack {

namespace {

constexpr std::size_t READ_BYTES = 16 << 10;

// What one client may take of a turn before the flows come first.
constexpr std::size_t BYTES_PER_TURN = 256 << 10;
constexpr std::size_t REQUESTS_PER_TURN = 64;

} // namespace

/// One client: reads requests, one at a time, and writes answers.
class ControlSocket::Client final : public HostStreamEvents
{
public:
  Client(ControlSocket& owner, std::unique_ptr<HostStream> stream)
    : owner_(owner), stream_(std::move(stream))
  {
    stream_->deliver_to(*this);
  }

  void on_connected() override {}
  void on_connect_failed(const HostError&) override {}
  // After each of these the client may be gone.
  void on_readable(bool) override { advance(); }
  void on_writable() override { advance(); }

  /// Does whatever can be done in this turn: write, execute, read. This may be gone when it
  /// returns.
  void advance()
  {
    if (std::exchange(advancing_, true)) {
      return; // an answer came at once: the loop below goes on with it
    }
    bytes_in_turn_ = 0;
    requests_in_turn_ = 0;
    while (!closing_ && flush() && !busy_) {
      if (bytes_in_turn_ >= BYTES_PER_TURN || requests_in_turn_ >= REQUESTS_PER_TURN) {
        owner_.go_on_later(*this);
        break;
      }
      if (!execute_next() && !read_more()) {
        break;
      }
    }
    advancing_ = false;
    if (closing_) {
      owner_.forget(*this);
    }
  }

private:
  /// False: the rest has to wait.
  bool flush()
  {
    if (output_.empty()) {
      return true;
    }
    const std::array<iovec, 1> pieces{iovec{output_.data(), output_.size()}};
    const Transfer sent = stream_->send(pieces);
    output_.erase(0, sent.bytes);
    closing_ = static_cast<bool>(sent.code);
    return output_.empty() || closing_;
  }

  /// False: there is no whole request.
  bool execute_next()
  {
    requests_at_once_ += skip_blank_lines();
    const std::size_t end = input_.find('\n');
    const bool is_whole = end != std::string::npos;
    requests_at_once_ += is_whole ? 1 : 0;
    if (requests_at_once_ > owner_.settings_.max_requests_at_once) {
      closing_ = true;
      return true; // nothing more is read
    }
    if (!is_whole) {
      return false;
    }
    ++requests_in_turn_;
    const std::string line = input_.substr(0, end);
    input_.erase(0, end + 1);
    busy_ = true;
    const std::weak_ptr<Client*> self = alive_;
    try {
      owner_.handler_.execute(parse_request(line), [self](const std::string& answer) {
        if (const auto client = self.lock()) {
          (*client)->on_answer(answer);
        }
      });
    } catch (const RequestError& error) {
      on_answer(error_reply(error.what()));
    }
    return true;
  }

  /// They ask for nothing. Returns how many there were.
  std::size_t skip_blank_lines()
  {
    const std::size_t blank = std::min(input_.find_first_not_of(" \t\r\n"), input_.size());
    const auto count = std::count(input_.begin(), input_.begin() + std::ptrdiff_t(blank), '\n');
    input_.erase(0, blank);
    return static_cast<std::size_t>(count);
  }

  void on_answer(std::string_view answer)
  {
    output_ += answer;
    output_ += '\n';
    busy_ = false;
    advance();
  }

  /// False: there is no more for now.
  bool read_more()
  {
    std::array<char, READ_BYTES> bytes; // NOLINT: filled as far as it is read
    const std::array<iovec, 1> pieces{iovec{bytes.data(), bytes.size()}};
    const Transfer received = stream_->receive(pieces);
    if (received.would_block) {
      requests_at_once_ = 0; // a pause
      return false;
    }
    bytes_in_turn_ += received.bytes;
    closing_ = received.end_of_stream || received.code;
    input_.append(bytes.data(), received.bytes);
    const std::size_t most = owner_.settings_.max_request_bytes;
    if (input_.size() > most && input_.find('\n') == std::string::npos) {
      output_ += error_reply(fmt::format("a request has at most {} bytes", most)) + '\n';
      static_cast<void>(flush());
      closing_ = true;
    }
    return true;
  }

  ControlSocket& owner_;
  std::unique_ptr<HostStream> stream_;
  std::string input_;
  std::string output_;
  std::size_t bytes_in_turn_ = 0;
  std::size_t requests_in_turn_ = 0;
  std::size_t requests_at_once_ = 0; ///< since it last paused
  bool busy_ = false;                ///< a request is being executed
  bool closing_ = false;
  bool advancing_ = false;
  /// Tells an answer that comes late whether its client is still there.
  std::shared_ptr<Client*> alive_ = std::make_shared<Client*>(this);
};

ControlSocket::ControlSocket(const Settings& settings, HostNetwork& host, RequestHandler& handler)
  : settings_(settings), handler_(handler)
{
  auto opened = host.listen(
    {.address = UnixPath{settings.path}, .device = {}, .unix_mode = settings.mode}, *this);
  if (!opened.socket) {
    throw std::system_error(opened.error.code,
                            fmt::format("listen on the control socket {}", settings.path));
  }
  listener_ = std::move(opened.socket);
}

ControlSocket::~ControlSocket() = default;

void ControlSocket::on_accepted(AcceptedStream&& accepted)
{
  if (accepted.is_confined && !settings_.admits_confined) {
    // A guest that `run` has started is the same user and may see the socket's file.
    log(LogLevel::warning, "a control client from another user namespace is sent away");
    return;
  }
  if (clients_.size() == settings_.max_clients) {
    log(LogLevel::warning,
        "too many control clients; one is sent away",
        {{"limit", settings_.max_clients}});
    return;
  }
  clients_.push_back(std::make_unique<Client>(*this, std::move(accepted.stream)));
}

void ControlSocket::go_on_later(Client& client)
{
  if (std::ranges::find(unfinished_, &client) == unfinished_.end()) {
    unfinished_.push_back(&client);
  }
}

bool ControlSocket::flush()
{
  for (Client* const client : std::exchange(unfinished_, {})) {
    client->advance();
  }
  return !unfinished_.empty();
}

void ControlSocket::forget(Client& client)
{
  std::erase(unfinished_, &client);
  std::erase_if(clients_, [&](const auto& each) { return each.get() == &client; });
}

} // namespace slirpstack
