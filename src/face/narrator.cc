#include "face/narrator.hh"

#include "base/last_word.hh"
#include "base/log.hh"
#include "face/config.hh"
#include "face/options.hh"
#include "face/slirpnetstack_lines.hh"

#include <fmt/format.h>

namespace slirpstack {

namespace {

std::string listed(const auto& addresses, auto text_of)
{
  constexpr std::size_t SHOWN = 4; // of a range of a thousand ports
  std::string text;
  for (std::size_t i = 0; i < addresses.size() && i < SHOWN; ++i) {
    text += fmt::format("{}{}", text.empty() ? "" : ",", text_of(addresses[i]));
  }
  return addresses.size() > SHOWN ? fmt::format("{},… {} in all", text, addresses.size()) : text;
}

/// The program's own manner: its log.
class LogNarrator final : public Narrator
{
public:
  explicit LogNarrator(std::string_view program) : program_(program) {}

  void metrics_running(const StreamAddress& address) override
  {
    log(LogLevel::info, "metrics", {{"on", to_string(address)}});
  }
  void joining(std::string_view netns) override
  {
    log(LogLevel::debug, "joining", {{"netns", netns}});
  }
  void opening(std::string_view interface) override
  {
    log(LogLevel::debug, "opening", {{"interface", interface}});
  }
  void serving(const ServedAddresses& addresses) override { addresses_ = addresses; }
  void forwarding(const ForwardNews& forward) override
  {
    if (forward.spec.direction == ForwardDirection::local) {
      log(LogLevel::info,
          "forwarding",
          {{"local", forward.spec.text},
           {"listening", listed(forward.listening, [](const StreamAddress& address) {
              return to_string(address);
            })}});
    } else {
      log(LogLevel::info,
          "forwarding",
          {{"remote", forward.spec.text},
           {"for",
            listed(forward.matching, [](const Endpoint& match) { return match.to_string(); })}});
    }
  }
  void started(std::size_t max_flows) override
  {
    const auto text_of = [](const IpAddress& address) { return address.to_string(); };
    log(LogLevel::info,
        "ready",
        {{"guest", listed(addresses_.guest, text_of)},
         {"gateway", listed(addresses_.gateway, text_of)},
         {"dns", listed(addresses_.dns, text_of)},
         {"max_flows", max_flows}});
  }
  void closing() override {}
  void failed(std::string_view what) override { write_last_word(program_, what); }

  void on_opened(const Relay& relay) override
  {
    if (log_enabled(LogLevel::debug)) {
      log(LogLevel::debug,
          "flow opened",
          {{"flow", relay.key().to_string()}, {"origin", origin_name(relay.record().origin)}});
    }
  }
  void on_closed(const Relay& relay) override
  {
    if (log_enabled(LogLevel::debug)) {
      log(LogLevel::debug,
          "flow closed",
          {{"flow", relay.key().to_string()},
           {"to_host_bytes", relay.record().traffic.to_host_bytes},
           {"to_guest_bytes", relay.record().traffic.to_guest_bytes}});
    }
  }
  void on_failed(const Relay& relay, std::string_view reason) override
  {
    log(LogLevel::debug, "flow failed", {{"flow", relay.key().to_string()}, {"reason", reason}});
  }

private:
  std::string_view program_;
  ServedAddresses addresses_;
};

} // namespace

std::unique_ptr<Narrator> Narrator::make(const Config& config)
{
  if (config.manner == Config::Manner::slirpnetstack) {
    return std::make_unique<SlirpnetstackLines>(config.output.quiet);
  }
  return std::make_unique<LogNarrator>(program_name(config.manner));
}

} // namespace slirpstack
