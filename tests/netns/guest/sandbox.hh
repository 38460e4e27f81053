#pragma once

#include "base/file_descriptor.hh"

#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

/// What the tests of this folder stand on: a /dev/net/tun that everybody may open, other users,
/// processes that hold namespaces open.
namespace slirpstack::testing {

/// Moves the test into a mount namespace of its own where /dev/net/tun has mode 0666 and
/// /run/netns is empty. Exits with 77 and a reason where that cannot be done.
void prepare_machine();

/// Runs `body` in a child that is user 54321 without any privilege, or in a child as we are.
/// What it throws becomes a failure of the calling test, and so does the child's death.
void as_ordinary_user(const std::function<void()>& body);
void as_ourselves(const std::function<void()>& body);

/// Throws std::runtime_error, for use inside the bodies above, where doctest does not reach.
void expect(bool condition, const std::string& what);
/// Like expect(), for two values that have to be equal.
void expect_equal(const std::string& actual, const std::string& expected);

/// The output of a shell command; standard error goes to ours.
std::string output_of(const std::string& shell_command);
bool is_installed(const std::string& program);

/// A process in namespaces that `wrapper` (such as {"unshare", "-Urn"}) makes around a shell. It
/// is there, with `setup` done, when the constructor returns.
class Holder
{
public:
  explicit Holder(std::vector<std::string> wrapper, const std::string& setup = ":");
  ~Holder() { end(); }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  Holder(Holder&&) = delete;
  Holder& operator=(Holder&&) = delete;

  void end();
  [[nodiscard]] pid_t pid() const { return inner_pid_; }
  /// The output of a command inside its network namespace, owner's rights.
  [[nodiscard]] std::string inside(const std::string& shell_command) const;

private:
  pid_t outer_pid_ = -1;
  pid_t inner_pid_ = -1;
};

} // namespace slirpstack::testing
