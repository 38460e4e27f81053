#include "served_guest.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "face/exit_status.hh"
#include "guest/capture.hh"
#include "guest/raw_capture.hh"
#include "planned_guest.hh"

#include <fcntl.h>
#include <utility>

namespace slirpstack {

namespace {

// slirpnetstack's own, which scripts may know.
constexpr MacAddress SLIRPNETSTACK_MAC{{0x70, 0x71, 0xaa, 0x4b, 0x29, 0xaa}};

Link::Device inherited_device(const Config& config)
{
  FileDescriptor socket(*config.attach.fd);
  const int flags = system_call("read the flags of -fd", ::fcntl(socket.get(), F_GETFL));
  system_call("make -fd non-blocking", ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK));
  ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC);
  constexpr std::uint32_t DEFAULT_MTU_BYTES = 1500;
  return {.fd = std::move(socket),
          .mtu_bytes = config.network.mtu.value_or(DEFAULT_MTU_BYTES),
          .guest_mac = {}};
}

} // namespace

bool imitates_slirpnetstack(const Config& config)
{
  return config.manner == Config::Manner::slirpnetstack;
}

TapRequest tap_request(const Config& config, bool configure)
{
  TapRequest request{.interface = config.network.interface,
                     .configure = configure,
                     .addresses = planned_addresses(config),
                     .mac = {}};
  if (config.network.mtu) {
    request.mtu_bytes = *config.network.mtu;
  }
  return request;
}

Link::Device link_device(OpenedTap& tap)
{
  return {.fd = std::move(tap.fd),
          .is_ethernet = tap.is_tap,
          .vnet_header = tap.vnet_header,
          .udp_segmentation = tap.udp_segmentation,
          .mtu_bytes = tap.mtu_bytes,
          .guest_mac = tap.guest_mac};
}

std::unique_ptr<FrameLog> open_capture(const Config& config, bool is_ethernet)
{
  if (!config.output.pcap) {
    return nullptr;
  }
  try {
    if (imitates_slirpnetstack(config)) {
      return std::make_unique<RawCapture>(*config.output.pcap, is_ethernet);
    }
    return std::make_unique<Capture>(*config.output.pcap, is_ethernet);
  } catch (const std::system_error& error) {
    throw StartError(EXIT_CAPTURE, error.what());
  }
}

ServedGuest::ServedGuest(const Config& config,
                         Loop& loop,
                         NameResolver& names,
                         Narrator& narrator,
                         Acceleration* acceleration,
                         std::size_t max_flows)
  : config_(config), loop_(loop)
{
  Opened opened = open(narrator, acceleration);
  if (imitates_slirpnetstack(config)) {
    opened.device.our_mac = SLIRPNETSTACK_MAC;
  }
  capture_ = open_capture(config, opened.device.is_ethernet);
  session_ = std::make_unique<Session>(
    config_, loop, names, narrator, std::move(opened.device), opened.addresses, max_flows);
  session_->set_frame_log(capture_.get());
  if (acceleration != nullptr) {
    session_->set_accelerator(*acceleration);
  }
}

ServedGuest::Opened ServedGuest::open(Narrator& narrator, Acceleration* acceleration)
{
  if (config_.attach.fd) {
    return {inherited_device(config_), {}};
  }
  try {
    const NamespaceTarget target = attach_target(config_);
    if (config_.attach.netns) {
      narrator.joining(*config_.attach.netns);
    }
    watch_.emplace(target);
    narrator.opening(config_.network.interface);
    if (acceleration != nullptr && is_accelerated(*acceleration, target)) {
      return {accelerated_->take_device(), accelerated_->addresses()};
    }
    OpenedTap tap = open_guest_tap(target, tap_request(config_, config_.network.configure));
    return {link_device(tap), tap.addresses};
  } catch (const std::exception& error) {
    if (imitates_slirpnetstack(config_)) {
      throw StartError(EXIT_INTERFACE, error.what());
    }
    throw;
  }
}

bool ServedGuest::is_accelerated(Acceleration& acceleration, const NamespaceTarget& target)
{
  try {
    accelerated_ = acceleration.join(target, config_);
    return true;
  } catch (const std::system_error& error) {
    log(LogLevel::warning,
        "a guest has no accelerator: the user-mode stack does it all",
        {{"namespace", target.path}, {"reason", error.what()}});
    return false;
  }
}

void ServedGuest::start(const std::function<void()>& on_gone)
{
  if (watch_ && watch_->fd() >= 0) {
    gone_.emplace(loop_, watch_->fd(), [this, on_gone] {
      if (!watch_->gone()) {
        return;
      }
      log(LogLevel::info, "the guest's namespace is gone");
      if (accelerated_) {
        accelerated_->forget();
      }
      on_gone();
      gone_.reset(); // it may stay readable
    });
  }
  session_->start(on_gone);
}

} // namespace slirpstack
