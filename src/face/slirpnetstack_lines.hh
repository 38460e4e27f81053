#pragma once

#include "face/narrator.hh"

#include <map>
#include <string>
#include <unordered_map>

namespace slirpstack {

/// The exact lines of slirpnetstack, each flushed by itself.
class SlirpnetstackLines final : public Narrator
{
public:
  /// `quiet` hides listening and flows.
  explicit SlirpnetstackLines(bool quiet) : quiet_(quiet) {}

  void metrics_running(const StreamAddress& address) override;
  void joining(std::string_view netns) override;
  void opening(std::string_view interface) override;
  void serving(const ServedAddresses&) override {}
  void forwarding(const ForwardNews& forward) override;
  void started(std::size_t max_flows) override;
  void closing() override;
  void failed(std::string_view what) override;

  void on_opened(const Relay& relay) override;
  void on_closed(const Relay& relay) override;
  void on_failed(const Relay& relay, std::string_view reason) override;

private:
  void say(const std::string& line) const;
  [[nodiscard]] bool is_proxied(const Relay& relay) const;
  [[nodiscard]] std::string names_of(const Relay& relay) const;
  [[nodiscard]] std::string failed_names_of(const Relay& relay, bool lookup_failed) const;
  [[nodiscard]] std::string_view kind_of(const Relay& relay) const;

  bool quiet_;
  std::map<std::uint32_t, ForwardSpec> forwards_;
  /// What was said of a flow as it opened: it is said again as it closes, when its socket is gone.
  std::unordered_map<const Relay*, std::string> open_;
};

} // namespace slirpstack
