#include "ending.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "base/interrupted.hh"
#include "base/log.hh"

#include <chrono>
#include <csignal>
#include <unistd.h>
#include <utility>

namespace slirpstack {

namespace {

// What a command gets to end by itself when -exit-fd says so.
constexpr std::chrono::seconds EXIT_PATIENCE(5);

/// As nohup(1) leaves SIGHUP.
bool is_ignored(int number)
{
  struct sigaction action = {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

} // namespace

Ending::Ending(const Config& config, Loop& loop)
  : terminate_(loop, SIGTERM, [&loop] { loop.stop(); })
  , interrupt_(loop, SIGINT, [&loop] { loop.stop(); })
{
  if (config.egress.rules_file) { // what daemons do on it
    hang_up_.emplace(loop, SIGHUP, [this] { on_hang_up(); });
  } else if (!is_ignored(SIGHUP)) {
    hang_up_.emplace(loop, SIGHUP, [&loop] { loop.stop(); });
  }
  if (config.lifecycle.exit_fd) {
    exit_watch_.emplace(loop, *config.lifecycle.exit_fd, [&loop] { loop.stop(); });
  }
}

void Ending::on_hang_up()
{
  if (reload_) {
    reload_();
  } else {
    reload_asked_ = true;
  }
}

void Ending::reload_by(std::function<void()> reload)
{
  reload_ = std::move(reload);
  if (std::exchange(reload_asked_, false)) {
    reload_();
  }
}

CommandEnding::CommandEnding(const Config& config, Loop& loop, GuestCommand& command)
  : loop_(loop)
  , command_(command)
  , terminate_(loop, SIGTERM, [this] { on_signal(SIGTERM); })
  , interrupt_(loop, SIGINT, [this] { on_signal(SIGINT); })
  , patience_(loop, [&loop] { loop.stop(); }) // the command is killed then
{
  if (!is_ignored(SIGHUP)) {
    hang_up_.emplace(loop, SIGHUP, [this] { on_signal(SIGHUP); });
  }
  if (config.lifecycle.exit_fd) {
    exit_watch_.emplace(loop, *config.lifecycle.exit_fd, [this] { on_exit_descriptor(); });
  }
}

void CommandEnding::on_start()
{
  if (ended_by_ != 0) {
    throw Interrupted();
  }
  stage_ = Stage::running;
  ::signal(SIGQUIT, SIG_IGN);
}

void CommandEnding::on_command_ended()
{
  stage_ = Stage::delivering;
}

int CommandEnding::status_before_start() const
{
  return 128 + ended_by_;
}

void CommandEnding::on_signal(int number)
{
  if (stage_ == Stage::starting) {
    ended_by_ = number;
    loop_.stop();
  } else if (stage_ == Stage::running && number == SIGINT) {
    return;
  } else if (command_.exit_status()) { // what it has sent is being delivered: no longer
    loop_.stop();
  } else {
    command_.signal(number);
  }
}

void CommandEnding::on_exit_descriptor()
{
  if (stage_ == Stage::starting) {
    on_signal(SIGTERM);
  } else {
    command_.signal(SIGTERM);
    patience_.set(Loop::now() + EXIT_PATIENCE);
  }
  exit_watch_.reset(); // it stays readable
}

void tell_ready(const Config& config)
{
  if (const auto number = config.lifecycle.ready_fd) {
    const FileDescriptor ready(*number);
    if (::write(ready.get(), "1\n", 2) < 0) { // whoever waited no longer does; the guest still runs
      log(LogLevel::warning, "-ready-fd could not be told", {{"reason", last_error().message()}});
    }
  }
}

} // namespace slirpstack
