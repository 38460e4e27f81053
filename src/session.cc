#include "session.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "face/exit_status.hh"
#include "face/go_flags.hh"
#include "gateway_settings.hh"
#include "served_addresses.hh"

#include <fmt/format.h>
#include <sys/random.h>
#include <utility>

namespace slirpstack {

namespace {

// Memory that a burst took goes back once the burst is over; a shorter time would give back and
// take again what the next one needs.
constexpr std::chrono::seconds TRIM_AFTER(1);

// After the guest's command has ended: a flow that neither moves nor finishes belongs to a process
// that it has left behind, and is not waited for; nor is a host that takes no more data.
constexpr std::chrono::milliseconds DELIVERY_CHECK(2);
constexpr std::chrono::milliseconds DELIVERY_QUIET(200);
constexpr std::chrono::seconds DELIVERY_LIMIT(30);

std::uint16_t random_id()
{
  std::uint16_t id = 0;
  while (::getrandom(&id, sizeof id, 0) != sizeof id) {} // EINTR before the pool is ready
  return id;
}

/// Why a forward could not be planned, in the face's words.
std::string lookup_failure(const ForwardSpec& spec,
                           Config::Manner manner,
                           const std::string& reason)
{
  if (manner == Config::Manner::slirpnetstack) {
    return fmt::format("Failed to resolve bind address. dns lookup error of {} addr: {}",
                       scheme_protocol(spec.scheme) == PROTOCOL_TCP ? "tcp" : "udp",
                       reason);
  }
  return invalid_value(spec.text, spec.direction == ForwardDirection::local ? "L" : "R", reason)
    .what();
}

} // namespace

Session::Session(const Config& config,
                 Loop& loop,
                 NameResolver& names,
                 Narrator& narrator,
                 Link::Device device,
                 const GuestAddresses& guest,
                 std::size_t max_flows)
  : loop_(loop)
  , narrator_(narrator)
  , addresses_(forward_defaults(config, guest))
  , pool_(config.limits.max_memory_bytes)
  , link_(std::move(device),
          pool_,
          link_drops_,
          [this](GuestPacket&& packet) { gateway_.on_packet(std::move(packet)); })
  , host_(loop, {.tcp_idle = config.timeouts.tcp_established})
  , routes_(loop, /*with_routed=*/config.imitates_slirpnetstack())
  , gateway_(gateway_settings(config, guest, max_flows),
             link_,
             host_,
             names,
             pool_,
             {.secret = HashSecret::random(),
              .random_id = random_id,
              .resolvers = [this] { return resolvers(); },
              .host_networks = [this]() -> const HostNetworks& { return routes_.networks(); }})
  , control_({.rules_file = config.egress.rules_file.value_or(""), .defaults = addresses_},
             gateway_,
             host_,
             names,
             pool_,
             [this]() -> const HostNetworks& { return routes_.newest(); })
  , mappings_(gateway_.prefixes(),
              gateway_.policy(),
              [this]() -> const HostNetworks& { return routes_.newest(); })
  , neighbors_(loop,
               gateway_.prefixes(),
               [this]() -> const HostNetworks& { return routes_.networks(); })
  , turns_(
      loop,
      [this] { gateway_.set_time(Loop::now()); },
      [this] { after_events(); })
  , deadline_(loop,
              [this] {
                gateway_.on_deadline();
                control_.on_deadline();
              })
  , trim_(loop, [this] { trim_when_quiet(); })
  , delivery_(loop, [this] { stop_if_delivered(); })
{
  link_.set_guest_addresses(own_addresses(config, guest));
  narrator.serving(served_addresses(config, guest));
  warn_of_addresses(config, guest);
  gateway_.set_time(Loop::now());
  gateway_.add_observer(narrator);
  // What was the internet may be the host's own now.
  routes_.on_changed([this] { gateway_.end_denied_flows(); });
  if (config.latency == Config::Latency::low) {
    loop_.spin_after_activity(Config::LATENCY_SPIN);
  }
}

Session::~Session()
{
  close_all(); // while those whom the flows tell are there
}

void Session::set_up(const Config& config)
{
  if (config.control.metrics) {
    try {
      narrator_.metrics_running(
        control_.serve_metrics({.address = *config.control.metrics, .device = {}}));
    } catch (const std::system_error& error) {
      throw StartError(EXIT_METRICS, fmt::format("cannot {}", error.what()));
    }
  }
  gateway_.policy().set_lists(RuleSet(config.egress.deny, gateway_.time().now),
                              RuleSet(config.egress.allow, gateway_.time().now));
  load_rules();
  mappings_.load(config);
  neighbors_.refresh();
  for (const auto* specs : {&config.forwarding.local, &config.forwarding.remote}) {
    for (const ForwardSpec& spec : *specs) {
      add_forward(spec, config.manner);
    }
  }
  if (config.control.socket) {
    control_.open_socket(*config.control.socket);
  }
  for (const Config::RestrictedSocket& socket : config.control.restricted) {
    control_.open_restricted_socket(socket.path,
                                    MapScope(socket.internal, socket.external, socket.may_open));
  }
}

void Session::load_rules()
{
  std::optional<RuleLoader::Outcome> loaded;
  control_.rules().load([&](const RuleLoader::Outcome& outcome) { loaded = outcome; });
  loop_.run_until([&] { return loaded.has_value(); });
  if (loaded->error) {
    throw UsageError(*loaded->error);
  }
}

void Session::reload_rules()
{
  control_.rules().load([this](const RuleLoader::Outcome& outcome) {
    if (outcome.error) {
      log(LogLevel::error,
          "the rules stay as they were: the new ones cannot be used",
          {{"reason", *outcome.error}});
    }
    mappings_.warn_beside_rules();
  });
}

void Session::add_forward(const ForwardSpec& spec, Config::Manner manner)
{
  std::optional<ForwardPlanner::Outcome> planned;
  control_.planner().plan(spec,
                          [&](ForwardPlanner::Outcome&& outcome) { planned = std::move(outcome); });
  loop_.run_until([&] { return planned.has_value(); });
  if (const auto* wrong = std::get_if<std::string>(&*planned)) {
    throw StartError(EXIT_FORWARD_LOOKUP, lookup_failure(spec, manner, *wrong));
  }
  try {
    const ForwardSet::Info info = gateway_.forwards().add(std::get<ForwardPlan>(*planned));
    narrator_.forwarding({info.id, info.spec, info.listening, info.matching});
  } catch (const ForwardError& error) {
    const bool is_native = manner != Config::Manner::slirpnetstack;
    throw StartError(EXIT_LISTEN,
                     fmt::format("{} {}", is_native ? "cannot" : "Failed to", error.what()));
  }
}

void Session::announce()
{
  link_.announce(addresses_.gateway_ipv4, addresses_.guest_ipv4);
}

void Session::follow_mtu(std::optional<MtuNews> news)
{
  mtu_news_ = std::move(news);
  if (!mtu_news_) {
    return;
  }
  mtu_watch_.emplace(loop_, mtu_news_->fd(), [this] {
    if (const auto mtu = mtu_news_->take()) {
      link_.set_mtu_bytes(*mtu);
      log(LogLevel::debug, "the guest's interface has another MTU", {{"mtu", *mtu}});
    }
    mtu_watch_->resume();
  });
}

void Session::start(std::function<void()> on_gone)
{
  on_gone_ = std::move(on_gone);
  link_watch_.emplace(loop_, link_.fd(), [this] {
    if (!link_.read_batch()) {
      log(LogLevel::info, "the guest's interface is gone");
      const std::function<void()> tell = on_gone_;
      link_watch_.reset(); // it stays readable; nothing that this function holds is left
      tell();
      return;
    }
    link_watch_->resume(); // an error that has passed must not leave us deaf
  });
}

std::vector<Endpoint> Session::resolvers()
{
  std::vector<Endpoint> endpoints;
  for (const Nameserver& server : resolver_file_.current().nameservers) {
    if (!server.zone.empty()) {
      host_.set_scope(server.endpoint.address, zone_index(server.zone));
    }
    endpoints.push_back(server.endpoint);
  }
  return endpoints;
}

void Session::send_waiting_frames()
{
  if (!link_.has_waiting()) {
    return;
  }
  if (!link_room_) {
    link_second_fd_ = link_.second_fd(); // libuv wants one handle a descriptor
    link_room_.emplace(loop_, link_second_fd_.get(), [this](bool, bool) {
      link_.send_waiting();
      link_room_->ask(false, link_.has_waiting());
    });
  }
  link_room_->ask(false, true);
}

void Session::after_events()
{
  const bool control_goes_on = control_.flush();
  neighbors_.refresh();
  if (gateway_.flush() || control_goes_on) {
    loop_.keep_going();
  }
  send_waiting_frames();
  deadline_.set(std::min(gateway_.next_deadline(), control_.next_deadline()));
  if (pool_.has_untrimmed() && trim_.deadline() == NEVER) {
    trim_.set(Loop::now() + TRIM_AFTER);
  }
}

void Session::trim_when_quiet()
{
  if (pool_.take_activity()) {
    trim_.set(Loop::now() + TRIM_AFTER);
    return;
  }
  pool_.trim();
  host_.trim();
}

void Session::stop_when_delivered()
{
  delivery_deadline_ = Loop::now() + DELIVERY_LIMIT;
  delivery_.set(Loop::now() + DELIVERY_CHECK);
}

void Session::stop_if_delivered()
{
  const TimePoint now = Loop::now();
  if (now >= delivery_deadline_ || !gateway_.delivering(now - DELIVERY_QUIET)) {
    loop_.stop();
  } else {
    delivery_.set(now + DELIVERY_CHECK);
  }
}

void Session::close_all()
{
  gateway_.close_all();
}

void Session::log_losses() const
{
  for (unsigned i = 0; i < static_cast<unsigned>(Drop::count_); ++i) {
    const auto reason = static_cast<Drop>(i);
    const std::uint64_t times = gateway_.drops().of(reason) + link_drops_.of(reason);
    if (times > 0) {
      log(LogLevel::debug, "dropped", {{"reason", drop_name(reason)}, {"times", times}});
    }
  }
}

} // namespace slirpstack
