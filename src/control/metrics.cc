#include "control/metrics.hh"

#include <fmt/format.h>
#include <iterator>
#include <string_view>

namespace slirpstack {

namespace {

/// Writes families of metrics: type and help once, then each sample.
class Text
{
public:
  void family(std::string_view name, std::string_view type, std::string_view help)
  {
    name_ = fmt::format("slirpstack_{}", name);
    suffix_ = type == "counter" ? "_total" : "";
    fmt::format_to(
      std::back_inserter(text_), "# TYPE {} {}\n# HELP {} {}\n", name_, type, name_, help);
  }
  void sample(std::uint64_t value, std::string_view labels = "")
  {
    const std::string_view open = labels.empty() ? "" : "{";
    const std::string_view close = labels.empty() ? "" : "}";
    fmt::format_to(
      std::back_inserter(text_), "{}{}{}{}{} {}\n", name_, suffix_, open, labels, close, value);
  }
  void gauge(std::string_view name, std::string_view help, std::uint64_t value)
  {
    family(name, "gauge", help);
    sample(value);
  }
  [[nodiscard]] std::string end() { return std::move(text_) + "# EOF\n"; }

private:
  std::string text_;
  std::string name_;
  std::string_view suffix_;
};

using Counters = FlowStatistics::Counters;

void write_each(Text& text, const FlowStatistics::All& all, std::uint64_t (*value)(const Counters&))
{
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto kind = static_cast<FlowStatistics::Kind>(i);
    text.sample(value(all[i]), fmt::format("protocol=\"{}\"", FlowStatistics::kind_name(kind)));
  }
}

void write_flows(Text& text, const FlowStatistics::All& all)
{
  text.family("flows", "gauge", "Flows open now.");
  write_each(text, all, [](const Counters& counters) { return counters.opened - counters.closed; });
  text.family("flows_opened", "counter", "Flows opened.");
  write_each(text, all, [](const Counters& counters) { return counters.opened; });
  text.family("flows_failed", "counter", "Flows that the other side did not take.");
  write_each(text, all, [](const Counters& counters) { return counters.failed; });
  text.family("to_host_bytes", "counter", "Payload carried from the guest to the host.");
  write_each(text, all, [](const Counters& counters) { return counters.traffic.to_host_bytes; });
  text.family("to_guest_bytes", "counter", "Payload carried from the host to the guest.");
  write_each(text, all, [](const Counters& counters) { return counters.traffic.to_guest_bytes; });
}

void write_drops(Text& text, const DropCounters& drops)
{
  text.family("drops", "counter", "Packets dropped and flows refused, by reason.");
  for (unsigned i = 0; i < static_cast<unsigned>(Drop::count_); ++i) {
    const auto reason = static_cast<Drop>(i);
    text.sample(drops.of(reason), fmt::format("reason=\"{}\"", drop_name(reason)));
  }
}

void write_accelerator(Text& text, const AcceleratorStatus& status)
{
  const auto label
    = [](const AcceleratorCount& count) { return fmt::format("outcome=\"{}\"", count.name); };
  text.family("accel_packets", "counter", "Packets that the accelerator has seen, by outcome.");
  for (const AcceleratorCount& count : status.counts) {
    text.sample(count.packets, label(count));
  }
  text.family("accel_bytes", "counter", "Octets of those packets.");
  for (const AcceleratorCount& count : status.counts) {
    text.sample(count.bytes, label(count));
  }
  text.gauge("accel_bindings", "The accelerator's bindings.", status.bindings);
  text.gauge("accel_bindings_limit", "Bindings at most.", status.max_bindings);
  text.gauge("accel_sessions", "The accelerator's sessions.", status.sessions);
  text.gauge("accel_mappings", "The accelerator's IPv6 prefix mappings.", status.mappings);
  text.gauge("accel_mapped_flows", "The accelerator's flows of mapped IPv6.", status.mapped_flows);
}

} // namespace

std::string openmetrics_text(const MetricsSnapshot& snapshot)
{
  Text text;
  write_flows(text, snapshot.flows);
  write_drops(text, snapshot.drops);
  text.family("refused_for_limit", "counter", "New flows and queries refused for a limit.");
  text.sample(snapshot.refused_for_limit);
  text.gauge("flows_limit", "Flows at most.", snapshot.max_flows);
  text.gauge("memory_bytes", "Payload buffered now.", snapshot.memory_bytes);
  text.gauge("memory_limit_bytes", "Payload buffered at most.", snapshot.max_memory_bytes);
  text.gauge("forwards", "Forwards in effect.", snapshot.forwards);
  text.gauge("rules", "Rules in effect.", snapshot.rules);
  if (snapshot.accelerator) {
    text.family("flows_handed_over", "counter", "Flows allowed and left to the accelerator.");
    text.sample(snapshot.flows_handed_over);
    write_accelerator(text, *snapshot.accelerator);
  }
  return text.end();
}

} // namespace slirpstack
