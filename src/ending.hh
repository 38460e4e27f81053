#pragma once

#include "face/config.hh"
#include "guest/guest_command.hh"
#include "host/loop.hh"

#include <functional>
#include <optional>

namespace slirpstack {

/// What tells the program to end, apart from its guest: SIGTERM, SIGINT, -exit-fd, and SIGHUP
/// unless that is for the rules. Each stops the loop, from the program's start on, also while names
/// are looked up.
class Ending
{
public:
  /// `loop` must outlive this. Throws std::system_error.
  Ending(const Config& config, Loop& loop);

  /// SIGHUP calls `reload` from now on if there is a rules file; at once if it came before.
  void reload_by(std::function<void()> reload);

private:
  void on_hang_up();

  std::function<void()> reload_;
  bool reload_asked_ = false;
  Signal terminate_;
  Signal interrupt_;
  std::optional<Signal> hang_up_;
  std::optional<Watch> exit_watch_;
};

/// The same for `run`: once the command runs it gets SIGTERM and SIGHUP, and by -exit-fd SIGTERM;
/// SIGINT and SIGQUIT are left to the terminal, which sends them to the command as well.
class CommandEnding
{
public:
  /// `loop` and `command` must outlive this. Throws std::system_error.
  CommandEnding(const Config& config, Loop& loop, GuestCommand& command);

  /// The command is about to run; until then whatever comes stops the loop. Throws Interrupted if
  /// something has.
  void on_start();
  /// The command has ended, and what it has sent is being delivered; that, too, can be stopped.
  void on_command_ended();
  /// The exit status where the command has not begun: a shell's for the signal that came.
  [[nodiscard]] int status_before_start() const;

private:
  enum class Stage
  {
    starting,
    running,
    delivering,
  };

  void on_signal(int number);
  void on_exit_descriptor();

  Loop& loop_;
  GuestCommand& command_;
  Stage stage_ = Stage::starting;
  int ended_by_ = 0;
  Signal terminate_;
  Signal interrupt_;
  std::optional<Signal> hang_up_;
  std::optional<Watch> exit_watch_;
  Timer patience_;
};

/// Tells whoever waits on `-ready-fd`.
void tell_ready(const Config& config);

} // namespace slirpstack
