#pragma once

#include "flow/event_time.hh"
#include "flow/forward.hh"
#include "flow/policy.hh"
#include "flow/port_publisher.hh"

#include <map>

namespace slirpstack {

/// The local forwards at addresses where no socket can listen, but a publisher can. Nobody is asked
/// about a client there, so a port is published only while policy lets in everybody without a
/// limit; a reload closes and opens it again.
class PublishedPorts
{
public:
  /// Both must outlive this, as must what set_publisher() is given.
  PublishedPorts(const Policy& policy, const EventTime& time) : policy_(policy), time_(time) {}
  ~PublishedPorts();
  PublishedPorts(const PublishedPorts&) = delete;
  PublishedPorts& operator=(const PublishedPorts&) = delete;
  PublishedPorts(PublishedPorts&&) = delete;
  PublishedPorts& operator=(PublishedPorts&&) = delete;

  void set_publisher(PortPublisher& publisher) { publisher_ = &publisher; }
  /// Null: there is none.
  [[nodiscard]] PortPublisher* publisher() const { return publisher_; }
  /// Whether that forward is one for the publisher.
  [[nodiscard]] bool is_about(const LocalForward& forward) const;
  /// Publishes it for the forward of that number. Throws UsageError for what takes a socket, and
  /// where policy does not let in everybody; ForwardError where the port cannot be had.
  void open(const LocalForward& forward, std::uint32_t forward_id);
  /// Whether something of that forward is published, or would be if policy let in everybody.
  [[nodiscard]] bool has(std::uint32_t forward_id) const { return entries_.contains(forward_id); }
  /// Ends all of that forward; none is no error.
  void close(std::uint32_t forward_id);
  /// Policy has changed.
  void review();

private:
  struct Entry
  {
    PublishedPort port;
    bool is_open = true;
  };

  [[nodiscard]] bool may_be_open(const PublishedPort& port) const;
  void publish(const PublishedPort& port);
  void withdraw(Entry& entry);
  void open_again(Entry& entry);

  const Policy& policy_;
  const EventTime& time_;
  PortPublisher* publisher_ = nullptr;
  std::multimap<std::uint32_t, Entry> entries_; ///< by forward
};

} // namespace slirpstack
