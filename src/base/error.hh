#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace slirpstack {

/// A mistake in what the user typed. The text names the option, the value and what would be
/// right; the program prints it as one line and exits with status 2.
class UsageError : public std::runtime_error
{
public:
  using std::runtime_error::runtime_error;
};

/// Something that has to be there before the guest can be served is not, and the program ends with
/// a status of its own for it.
class StartError : public std::runtime_error
{
public:
  StartError(int exit_status, const std::string& text)
    : std::runtime_error(text), exit_status_(exit_status)
  {}
  [[nodiscard]] int exit_status() const { return exit_status_; }

private:
  int exit_status_;
};

/// Throws std::system_error for the current errno; `attempt` says what was tried.
[[noreturn]] void throw_system_error(std::string_view attempt);

/// Passes a system call's result through, or throws std::system_error with the attempt:
/// `system_call("open /dev/net/tun", ::open(…))`.
template<typename Result>
Result system_call(std::string_view attempt, Result result)
{
  if (result < 0) {
    throw_system_error(attempt);
  }
  return result;
}

/// The current errno as a std::error_code (generic category); for data path calls, which do not
/// throw.
[[nodiscard]] std::error_code last_error();

} // namespace slirpstack
