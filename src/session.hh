#pragma once

#include "base/block_pool.hh"
#include "control/control_plane.hh"
#include "face/config.hh"
#include "face/narrator.hh"
#include "gateway/gateway.hh"
#include "guest/guest_tap.hh"
#include "guest/link.hh"
#include "guest/mtu_news.hh"
#include "host/host_sockets.hh"
#include "host/loop.hh"
#include "host/ndp_proxies.hh"
#include "host/resolver_config.hh"
#include "host/routes.hh"
#include "session_mappings.hh"

#include <functional>
#include <optional>
#include <utility>

namespace slirpstack {

/// One guest being served: its link, the host's sockets, the gateway between them and what steers
/// it, driven by the event loop. Members stand in the order of set-up.
class Session
{
public:
  /// `max_flows`: what the limit of descriptors allows, unless the configuration says less. The
  /// guest's packets wait until `start()`. All references must outlive this.
  Session(const Config& config,
          Loop& loop,
          NameResolver& names,
          Narrator& narrator,
          Link::Device device,
          const GuestAddresses& guest,
          std::size_t max_flows);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session(Session&&) = delete;
  Session& operator=(Session&&) = delete;

  /// Puts rules and forwards into effect and opens the control socket and the metrics; runs the
  /// loop while names are looked up. Throws UsageError, StartError, Interrupted.
  void set_up(const Config& config);
  /// The guest's packets are taken from now on. `on_gone` runs when its device is gone.
  void start(std::function<void()> on_gone);
  /// The guest's new flows are offered to `offload` from now on, which must outlive this.
  void set_offload(FlowOffload& offload) { gateway_.set_offload(offload); }
  /// Forwards at `publisher`'s addresses are its own from now on; it must outlive this.
  void set_publisher(PortPublisher& publisher) { gateway_.forwards().set_publisher(publisher); }
  /// `on_edited` runs after each edit of the prefix map, and carries what is open.
  void observe_mappings(std::function<void(const PrefixMap&)> on_edited)
  {
    mappings_.observe(std::move(on_edited));
  }
  /// Requests about the accelerator go to `accelerator` from now on, which must outlive this.
  void set_accelerator(const AcceleratorView& accelerator)
  {
    control_.set_accelerator(accelerator);
  }
  /// Shows the guest the gateway's Ethernet address.
  void announce();
  /// Reads the rules file anew.
  void reload_rules();

  /// The guest's command has ended: lets what it has sent reach the host, then stops the loop.
  /// Its kernel goes on sending from the sockets that the command has closed.
  void stop_when_delivered();
  /// Ends every flow and tells both its ends.
  void close_all();
  /// Writes what was lost or refused into the log.
  void log_losses() const;
  void set_frame_log(FrameLog* log) { link_.set_frame_log(log); }
  /// Nothing: the MTU stays as it is.
  void follow_mtu(std::optional<MtuNews> news);

private:
  [[nodiscard]] std::vector<Endpoint> resolvers();
  void load_rules();
  void add_forward(const ForwardSpec& spec, Config::Manner manner);
  void after_events();
  /// As soon as the device has room.
  void send_waiting_frames();
  void trim_when_quiet();
  void stop_if_delivered();

  Loop& loop_;
  Narrator& narrator_;
  ForwardDefaults addresses_;
  BlockPool pool_;
  DropCounters link_drops_;
  Link link_;
  HostSockets host_;
  HostRoutes routes_;
  ResolverFile resolver_file_;
  Gateway gateway_;
  ControlPlane control_;
  SessionMappings mappings_;
  NdpProxies neighbors_;
  LoopTurns turns_;
  std::optional<MtuNews> mtu_news_;
  std::optional<Watch> mtu_watch_;
  std::optional<Watch> link_watch_;
  FileDescriptor link_second_fd_;
  std::optional<Poll> link_room_;
  std::function<void()> on_gone_;
  Timer deadline_;
  Timer trim_;
  Timer delivery_;
  TimePoint delivery_deadline_ = NEVER;
};

} // namespace slirpstack
