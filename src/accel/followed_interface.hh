#pragma once

#include "accel/way_table.hh"
#include "guest/rtnetlink.hh"

#include <functional>
#include <string>
#include <string_view>

namespace slirpstack {

/// An interface of the host that has programs of ours, followed: by its number, whatever it is
/// called now, and when that is gone by the name that it had last. A driver that is loaded again, a
/// VLAN or a bond that is made anew has another number, and none of our programs.
class FollowedInterface
{
public:
  struct Role
  {
    std::string_view flag; ///< the option that names it, for errors
    std::string_view name; ///< for the log
    /// Puts the programs on an interface. Throws std::system_error.
    std::function<void(const ExternalLink&)> attach;
    /// Takes back what was done to one that is gone.
    std::function<void(const ExternalLink&)> detach;
  };

  /// Throws UsageError if there is no Ethernet interface of that name; std::system_error.
  FollowedInterface(const std::string& name, Role role);

  /// To be called once. Throws std::system_error.
  void attach();
  /// Looks again, after a change of any interface, and has the programs follow. False: they cannot
  /// be on the new one, perhaps not yet. Throws std::system_error if the kernel cannot be asked.
  bool follow();

  /// The interface that the programs are on, its number 0 while there is none.
  [[nodiscard]] const ExternalLink& link() const { return link_; }
  /// As it is called now, or was when it went.
  [[nodiscard]] const std::string& name() const { return name_; }

private:
  [[nodiscard]] ExternalLink look();
  [[nodiscard]] ExternalLink ask(RouteRequest& request);
  void note_name(const ExternalLink& seen);
  void leave(bool is_replaced);
  bool move_to(const ExternalLink& seen);

  std::string name_;
  Role role_;
  RouteSocket reader_;
  ExternalLink link_;
  bool is_attached_ = false;
  unsigned refused_by_ = 0; ///< the interface that the log has said so about
};

} // namespace slirpstack
