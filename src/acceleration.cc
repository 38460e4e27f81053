#include "acceleration.hh"

#include "accel/family_offload.hh"
#include "accel/guest_offload.hh"
#include "accel/guest_publisher.hh"
#include "accel/hook_choice.hh"
#include "accel/mapped_offload.hh"
#include "accel/nat_endpoints.hh"
#include "accel/nat_object.hh"
#include "accel/nat_statistics.hh"
#include "accel/running_nat.hh"
#include "accel/veth_end.hh"
#include "base/error.hh"
#include "base/log.hh"
#include "guest/host_tap.hh"
#include "guest/veth_pair.hh"
#include "nat_request.hh"
#include "planned_guest.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <net/if.h>
#include <optional>
#include <utility>

namespace slirpstack {

namespace {

std::string_view hook_name(NatHook hook)
{
  return hook == NatHook::xdp ? "xdp" : "tc";
}

/// Why the programs cannot be at the external interface.
std::string reason_of(const std::system_error& error, const RunningNat::Settings& settings)
{
  switch (error.code().value()) {
    case EBUSY:
      return fmt::format("another XDP program is on {}", settings.external);
    case EOPNOTSUPP:
      return fmt::format("the driver of {} has no XDP (-accel tc does without)", settings.external);
    default:
      return why_not_loaded(error);
  }
}

std::vector<std::string> names_of(const std::vector<int>& interfaces)
{
  std::vector<std::string> names;
  for (const int interface : interfaces) {
    std::array<char, IF_NAMESIZE> name{};
    if (::if_indextoname(static_cast<unsigned>(interface), name.data()) != nullptr) {
      names.emplace_back(name.data());
    }
  }
  return names;
}

class NatGuest final : public AcceleratedGuest
{
public:
  NatGuest(RunningNat& nat, const NamespaceTarget& target, const Config& config)
    : nat_(nat)
    , mtu_bytes_(config.network.mtu.value_or(std::min(1500U, nat.external().link().mtu_bytes)))
    , tap_(open_tap(target))
    , veth_(target,
            {.host_name = veth_name(target),
             .guest_name = config.network.interface,
             .mtu_bytes = mtu_bytes_,
             .addresses = planned_addresses(config),
             .prepare = nat.settings().hook == NatHook::xdp
                          ? std::function<void(const std::string&)>(prepare_veth_end)
                          : nullptr,
             .adopts = !nat.settings().pin_folder.empty()})
  {
    const int interface = veth_.host_index();
    zone_ = nat_.add_guest({.interface = interface, .tap = tap_.index, .mac = veth_.guest_mac()});
    const GuestPlace place{static_cast<std::uint32_t>(interface), zone_, veth_.guest_mac()};
    if (BindingWriter* const publisher = nat_.publisher()) {
      publisher_.emplace(*publisher, nat_.settings().plan, place);
    }
    if (BindingWriter* const writer = nat_.writer()) {
      ipv4_.emplace(*writer,
                    nat_.object(),
                    GuestOffload::Settings{
                      .ifindex = static_cast<std::uint32_t>(interface),
                      .zone = zone_,
                      .mac = veth_.guest_mac(),
                      .has_sockets_beside = nat_.settings().plan.pool_is_local,
                    },
                    HashSecret::random());
    }
    mapped_.emplace(nat_.prefixes(),
                    nat_.mapped(),
                    nat_.object(),
                    MappedOffload::Settings{
                      .guest = place,
                      .mtu_bytes = mtu_bytes_,
                      .carries_udp = nat_.settings().plan.filter_udp == NAT_FILTER_PORT,
                      .keeps_flows = !nat_.settings().pin_folder.empty(),
                    },
                    HashSecret::random());
    offloads_.emplace(ipv4_ ? &*ipv4_ : nullptr, *mapped_);
    if (nat_.settings().logs_bindings) { // which name guests by their zone
      const unsigned zone = zone_;
      log_record("a guest's zone",
                 {{"zone", zone}, {"namespace", target.path}, {"interface", veth_name(target)}});
    }
  }
  ~NatGuest() override
  {
    if (nat_.settings().pin_folder.empty()) {
      forget();
    } else {
      veth_.keep();
    }
  }
  NatGuest(const NatGuest&) = delete;
  NatGuest& operator=(const NatGuest&) = delete;

  Link::Device take_device() override
  {
    return {.fd = std::move(tap_.fd), .mtu_bytes = mtu_bytes_, .guest_mac = veth_.guest_mac()};
  }
  [[nodiscard]] const GuestAddresses& addresses() const override { return veth_.addresses(); }
  [[nodiscard]] FlowOffload& offload() override { return *offloads_; }
  [[nodiscard]] PortPublisher* publisher() override { return publisher_ ? &*publisher_ : nullptr; }
  void set_mappings(const PrefixMap& map) override { mapped_->set_mappings(map); }
  void forget() override
  {
    mapped_->forget();
    nat_.remove_guest(veth_.host_index());
  }

private:
  [[nodiscard]] HostTap open_tap(const NamespaceTarget& target) const
  {
    try {
      return open_host_tap(host_tap_name(target), mtu_bytes_);
    } catch (const std::system_error& error) {
      if (error.code() == std::errc::device_or_resource_busy) {
        throw UsageError("another slirpstack -accel serves this namespace already");
      }
      throw;
    }
  }

  RunningNat& nat_;
  std::uint32_t mtu_bytes_;
  HostTap tap_;
  VethPair veth_;
  std::uint8_t zone_ = 0;
  std::optional<GuestPublisher> publisher_;
  std::optional<GuestOffload> ipv4_;
  std::optional<MappedOffload> mapped_;
  std::optional<FamilyOffload> offloads_;
};

class RunningAcceleration final : public Acceleration
{
public:
  RunningAcceleration(Loop& loop, const RunningNat::Settings& settings) : nat_(loop, settings) {}

  std::unique_ptr<AcceleratedGuest> join(const NamespaceTarget& target,
                                         const Config& config) override
  {
    return std::make_unique<NatGuest>(nat_, target, config);
  }
  [[nodiscard]] PublishedForwards* forwards() override { return nat_.forwards(); }
  void complete() override { nat_.end_adoption(); }

  AcceleratorStatus status() const override;
  void for_each_binding(const std::function<void(const AcceleratorBinding&)>& visit) const override;

private:
  RunningNat nat_;
};

AcceleratorStatus RunningAcceleration::status() const
{
  const RunningNat::Settings& settings = nat_.settings();
  AcceleratorStatus status{.hook = hook_name(settings.hook),
                           .binds = settings.plan.kernel_allocates ? "kernel" : "user",
                           .external = nat_.external().name(),
                           .guests = names_of(nat_.guests()),
                           .addresses = addresses_text(settings.plan),
                           .ports = settings.plan.ports.to_string(),
                           .bindings = nat_.ledger().bindings(),
                           .max_bindings = settings.sizes.bindings,
                           .sessions = nat_.ledger().sessions(),
                           .mappings = nat_.prefixes().size(),
                           .mapped_flows = nat_.mapped().size(),
                           .counts = {}};
  const NatStatistics statistics = read_statistics(nat_.object());
  for (std::size_t i = 0; i < statistics.size(); ++i) {
    status.counts.push_back(
      {statistic_name(static_cast<nat_statistic>(i)), statistics[i].packets, statistics[i].bytes});
  }
  return status;
}

void RunningAcceleration::for_each_binding(
  const std::function<void(const AcceleratorBinding&)>& visit) const
{
  const std::uint64_t now = kernel_time(Clock::now());
  constexpr std::uint64_t NS_PER_SECOND = 1'000'000'000;
  nat_.ledger().for_each_binding([&](const nat_endpoint& internal, const nat_binding& binding) {
    visit({.protocol = internal.protocol,
           .internal = endpoint_of(internal),
           .external = endpoint_of({binding.address, binding.port, internal.protocol, 0}),
           .zone = internal.zone,
           .idle_seconds = (now - std::min<std::uint64_t>(now, binding.last_out)) / NS_PER_SECOND});
  });
}

std::unique_ptr<Acceleration> start_at(const HookChoice& choice,
                                       RunningNat::Settings settings,
                                       Loop& loop)
{
  settings.hook = choice.hook;
  auto started = std::make_unique<RunningAcceleration>(loop, settings);
  log(LogLevel::info,
      "NAT in the kernel",
      {{"hook", hook_name(choice.hook)},
       {"because", choice.reason},
       {"external", settings.external},
       {"addresses", addresses_text(settings.plan)},
       {"ports", settings.plan.ports.to_string()}});
  return started;
}

std::unique_ptr<Acceleration> start_at_best(const RunningNat::Settings& settings,
                                            const Config& config,
                                            Loop& loop)
{
  const HookChoice choice = choose_hook(settings.external, config.network.mtu.value_or(0));
  if (choice.hook == NatHook::xdp) {
    try {
      return start_at(choice, settings, loop);
    } catch (const std::system_error& error) {
      return start_at({NatHook::tc, reason_of(error, settings)}, settings, loop);
    }
  }
  return start_at(choice, settings, loop);
}

} // namespace

std::unique_ptr<Acceleration> Acceleration::start(const Config& config, Loop& loop)
{
  using Hook = Config::Acceleration::Hook;
  if (const std::string reason = why_nat_is_unavailable(); !reason.empty()) {
    throw AccelerationUnavailable(reason);
  }
  const RunningNat::Settings settings = nat_request(config);
  try {
    if (config.acceleration.hook == Hook::automatic) {
      return start_at_best(settings, config, loop);
    }
    const NatHook hook = config.acceleration.hook == Hook::xdp ? NatHook::xdp : NatHook::tc;
    return start_at({hook, "-accel says so"}, settings, loop);
  } catch (const std::system_error& error) {
    throw AccelerationUnavailable(reason_of(error, settings));
  }
}

} // namespace slirpstack
