#include "host/name_query.hh"

#include "host/socket_address.hh"

#include <algorithm>
#include <ares.h>
#include <arpa/nameser.h>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <netdb.h>
#include <stdexcept>
#include <utility>

namespace slirpstack {

namespace {

constexpr int TRIES = 2;
constexpr int ATTEMPT_MILLISECONDS = 1500; // doubled with each try

constexpr std::string_view NO_SUCH_HOST = "no such host";

/// In Go's words, which slirpnetstack's users know.
std::string_view reason_of(int status)
{
  switch (status) {
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_ENONAME:
    case ARES_EBADNAME:
      return NO_SUCH_HOST;
    case ARES_ETIMEOUT:
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
      return "i/o timeout";
    case ARES_ECONNREFUSED: // also where every server answers that it will not, or cannot
      return "no name server has an answer";
    default:
      return "server misbehaving";
  }
}

std::optional<IpAddress> address_of(const ares_addrinfo_node& node)
{
  SocketAddress address;
  if (node.ai_addrlen > SocketAddress::CAPACITY) {
    return std::nullopt;
  }
  std::memcpy(address.data(), node.ai_addr, node.ai_addrlen);
  return address.is_internet() ? std::optional(address.endpoint().address) : std::nullopt;
}

} // namespace

struct NameQuery::Callbacks
{
  static void on_socket(void* query, ares_socket_t descriptor, int readable, int writable) noexcept
  {
    auto& self = *static_cast<NameQuery*>(query);
    if (readable == 0 && writable == 0) {
      self.polls_.erase(descriptor);
      return;
    }
    try {
      auto [place, is_new] = self.polls_.try_emplace(
        descriptor, self.loop_, descriptor, [&self, descriptor](bool can_read, bool can_write) {
          self.on_ready(descriptor, can_read, can_write);
        });
      place->second.ask(readable != 0, writable != 0);
    } catch (const std::exception&) {
      self.polls_.erase(descriptor); // the question runs into its time limit
    }
  }
  static void on_addresses(void* query, int status, int, ares_addrinfo* found) noexcept
  {
    auto& self = *static_cast<NameQuery*>(query);
    if (const Done done = std::exchange(self.done_, nullptr)) {
      done(self.answer(status, found));
    }
    ::ares_freeaddrinfo(found);
  }
  static void on_service(void* query, int status, int, unsigned char* bytes, int length) noexcept
  {
    auto& self = *static_cast<NameQuery*>(query);
    Service service;
    ares_srv_reply* records = nullptr;
    if (status == ARES_SUCCESS && ::ares_parse_srv_reply(bytes, length, &records) == ARES_SUCCESS
        && records != nullptr) {
      service = {records->host, records->port};
      ::ares_free_data(records);
    }
    if (const auto done = std::exchange(self.service_done_, nullptr)) {
      done(service);
    }
  }
};

NameQuery::NameQuery(Loop& loop, const std::string& server, std::chrono::milliseconds patience)
  : loop_(loop), timer_(loop, [this] { give_up(); }), deadline_(Loop::now() + patience)
{
  ares_options options{};
  options.sock_state_cb = Callbacks::on_socket;
  options.sock_state_cb_data = this;
  options.timeout = ATTEMPT_MILLISECONDS;
  options.tries = TRIES;
  int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES;
  std::array<char, 2> dns_only{'b', '\0'};
  if (!server.empty()) {
    options.lookups = dns_only.data();
    options.flags = ARES_FLAG_NOSEARCH;
    mask |= ARES_OPT_LOOKUPS | ARES_OPT_FLAGS;
  }
  int status = ::ares_init_options(&channel_, &options, mask);
  if (status == ARES_SUCCESS && !server.empty()) {
    status = ::ares_set_servers_ports_csv(channel_, server.c_str());
  }
  if (status != ARES_SUCCESS) {
    if (channel_ != nullptr) {
      ::ares_destroy(channel_);
    }
    throw std::runtime_error(fmt::format("the resolver: {}", ::ares_strerror(status)));
  }
}

NameQuery::~NameQuery()
{
  done_ = nullptr; // c-ares tells its callbacks of the end
  service_done_ = nullptr;
  ::ares_destroy(channel_);
}

void NameQuery::ask_addresses(const std::string& name, Done done)
{
  name_ = name;
  done_ = std::move(done);
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NOSORT;
  ::ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, Callbacks::on_addresses, this);
  restart_timer();
}

void NameQuery::ask_service(const std::string& name, std::function<void(const Service&)> done)
{
  name_ = name;
  service_done_ = std::move(done);
  ::ares_query(channel_, name.c_str(), ns_c_in, ns_t_srv, Callbacks::on_service, this);
  restart_timer();
}

void NameQuery::on_ready(int descriptor, bool readable, bool writable)
{
  ::ares_process_fd(
    channel_, readable ? descriptor : ARES_SOCKET_BAD, writable ? descriptor : ARES_SOCKET_BAD);
  restart_timer();
}

void NameQuery::restart_timer()
{
  timeval until{};
  if (!done_ && !service_done_) {
    timer_.clear();
  } else if (::ares_timeout(channel_, nullptr, &until) != nullptr) {
    const auto wait = std::chrono::seconds(until.tv_sec) + std::chrono::microseconds(until.tv_usec);
    timer_.set(std::min(Loop::now() + wait, deadline_));
  } else {
    timer_.set(deadline_);
  }
}

void NameQuery::give_up()
{
  if (Loop::now() >= deadline_) {
    ::ares_cancel(channel_);
  } else {
    ::ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }
  restart_timer();
}

LookupAnswer NameQuery::answer(int status, const ares_addrinfo* found) const
{
  LookupAnswer answer;
  int lifetime = INT32_MAX;
  for (const auto* node = found == nullptr ? nullptr : found->nodes; node != nullptr;
       node = node->ai_next) {
    const auto address = address_of(*node);
    if (address && std::ranges::find(answer.addresses, *address) == answer.addresses.end()) {
      answer.addresses.push_back(*address);
      lifetime = std::min(lifetime, node->ai_ttl);
    }
  }
  if (status != ARES_SUCCESS || answer.addresses.empty()) {
    const std::string_view reason = reason_of(status == ARES_SUCCESS ? ARES_ENODATA : status);
    return {.addresses = {},
            .error = fmt::format("lookup {}: {}", name_, reason),
            .no_such_name = reason == NO_SUCH_HOST};
  }
  // The iterators: clang 14 cannot read the range this algorithm of libstdc++ returns.
  std::stable_partition(answer.addresses.begin(),
                        answer.addresses.end(),
                        [](const IpAddress& address) { return address.is_ipv4(); });
  answer.lifetime = std::chrono::seconds(std::max(lifetime, 0));
  return answer;
}

} // namespace slirpstack
