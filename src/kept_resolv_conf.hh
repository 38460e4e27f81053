#pragma once

#include "guest/resolv_conf_keeper.hh"
#include "host/loop.hh"

#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>

namespace slirpstack {

/// The resolv.conf of a command of `run`, kept in place from the loop; see ResolvConfKeeper.
class KeptResolvConf
{
public:
  /// `loop` must outlive this. Throws std::system_error.
  KeptResolvConf(Loop& loop, pid_t command, std::function<std::string()> text);

private:
  void watch_child();
  void on_child_ended();

  Loop& loop_;
  ResolvConfKeeper keeper_;
  Timer patience_;
  std::optional<Watch> events_;
  std::optional<Watch> child_;
};

} // namespace slirpstack
