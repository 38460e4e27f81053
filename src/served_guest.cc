#include "served_guest.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "face/exit_status.hh"
#include "guest/capture.hh"
#include "guest/raw_capture.hh"
#include "planned_guest.hh"

#include <fmt/format.h>
#include <utility>

namespace slirpstack {

std::unique_ptr<FrameLog> open_capture(const Config& config, bool is_ethernet)
{
  if (!config.output.pcap) {
    return nullptr;
  }
  try {
    if (config.imitates_slirpnetstack()) {
      return std::make_unique<RawCapture>(*config.output.pcap, is_ethernet);
    }
    return std::make_unique<Capture>(*config.output.pcap, is_ethernet);
  } catch (const std::system_error& error) {
    throw StartError(EXIT_CAPTURE, fmt::format("cannot {}", error.what()));
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
  OpenedGuest opened = open(narrator, acceleration);
  capture_ = open_capture(config, opened.device.is_ethernet);
  session_ = std::make_unique<Session>(
    config_, loop, names, narrator, std::move(opened.device), opened.addresses, max_flows);
  session_->set_frame_log(capture_.get());
  session_->follow_mtu(std::move(opened.mtu_news));
  if (acceleration != nullptr) {
    session_->set_accelerator(*acceleration);
  }
  if (accelerated_) {
    session_->set_offload(accelerated_->offload());
    session_->observe_mappings([this](const PrefixMap& map) { accelerated_->set_mappings(map); });
    if (PortPublisher* const publisher = accelerated_->publisher()) {
      session_->set_publisher(*publisher);
    }
  }
}

OpenedGuest ServedGuest::open(Narrator& narrator, Acceleration* acceleration)
{
  if (acceleration != nullptr) {
    const NamespaceTarget target = attach_target(config_);
    watch_.emplace(target);
    if (is_accelerated(*acceleration, target)) {
      return {accelerated_->take_device(), accelerated_->addresses()};
    }
  }
  return open_guest(config_, narrator, watch_);
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
