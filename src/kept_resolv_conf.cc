#include "kept_resolv_conf.hh"

#include <chrono>
#include <utility>

namespace slirpstack {

namespace {

// A file system of the guest's may never answer.
constexpr std::chrono::seconds PATIENCE(5);

} // namespace

KeptResolvConf::KeptResolvConf(Loop& loop, pid_t command, std::function<std::string()> text)
  : loop_(loop), keeper_(command, std::move(text)), patience_(loop, [this] { on_child_ended(); })
{
  if (keeper_.fd() < 0) {
    return;
  }
  events_.emplace(loop, keeper_.fd(), [this] {
    if (keeper_.on_readable()) {
      watch_child();
    }
  });
}

void KeptResolvConf::watch_child()
{
  patience_.set(Loop::now() + PATIENCE);
  child_.emplace(loop_, keeper_.child_fd(), [this] { on_child_ended(); });
}

void KeptResolvConf::on_child_ended()
{
  patience_.clear();
  child_.reset(); // before its descriptor is closed; nothing that this function holds is left
  if (keeper_.end_child()) {
    watch_child();
  }
}

} // namespace slirpstack
