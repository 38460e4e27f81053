#pragma once

#include "acceleration.hh"
#include "face/config.hh"
#include "face/narrator.hh"
#include "guest/frame_log.hh"
#include "guest/namespace_watch.hh"
#include "opened_guest.hh"
#include "session.hh"

#include <functional>
#include <memory>
#include <optional>

namespace slirpstack {

/// One guest that the configuration names, from its interface to the session that serves it.
class ServedGuest
{
public:
  /// Opens the guest's interface, or makes it in the accelerator's manner. `acceleration` may be
  /// null; all references must outlive this. Throws StartError and whatever opening it does.
  ServedGuest(const Config& config,
              Loop& loop,
              NameResolver& names,
              Narrator& narrator,
              Acceleration* acceleration,
              std::size_t max_flows);
  ~ServedGuest() = default;
  ServedGuest(const ServedGuest&) = delete;
  ServedGuest& operator=(const ServedGuest&) = delete;
  ServedGuest(ServedGuest&&) = delete;
  ServedGuest& operator=(ServedGuest&&) = delete;

  /// Session::set_up() with the guest's configuration.
  void set_up() { session_->set_up(config_); }
  /// Serves it from now on. `on_gone` runs once, when the guest is gone.
  void start(const std::function<void()>& on_gone);
  [[nodiscard]] Session& session() { return *session_; }

private:
  [[nodiscard]] OpenedGuest open(Narrator& narrator, Acceleration* acceleration);
  /// False, after a line in the log, where the guest cannot have it.
  [[nodiscard]] bool is_accelerated(Acceleration& acceleration, const NamespaceTarget& target);

  Config config_;
  Loop& loop_;
  std::optional<NamespaceWatch> watch_;
  std::unique_ptr<AcceleratedGuest> accelerated_; ///< null: a tap in the guest
  std::unique_ptr<FrameLog> capture_;
  std::unique_ptr<Session> session_;
  std::optional<Watch> gone_;
};

/// Null when none was asked for. Throws StartError.
[[nodiscard]] std::unique_ptr<FrameLog> open_capture(const Config& config, bool is_ethernet);

} // namespace slirpstack
