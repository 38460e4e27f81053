#include "base/error.hh"
#include "load/number.hh"
#include "load/poller.hh"
#include "load/socket.hh"
#include "load/subcommands.hh"

#include <csignal>
#include <string>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace slirpstack::bench {

namespace {

using std::chrono::milliseconds;

// Short against any start-up time. An attempt under way is given longer than that, so that a
// slow first answer is not thrown away, but not the second that TCP waits before it tries again.
constexpr Duration RETRY_AFTER = std::chrono::microseconds(500);
constexpr Duration ATTEMPT_LIMIT = milliseconds(50);

long long monotonic_ns()
{
  const auto now = Clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

bool connects(const SocketAddress& target)
{
  try {
    const FileDescriptor socket = start_connecting(target);
    Poller poller;
    poller.add(socket, EPOLLOUT, 0);
    return !poller.wait(Clock::now() + ATTEMPT_LIMIT).empty() && pending_error(socket) == 0;
  } catch (const std::system_error&) {
    return false; // no route yet
  }
}

} // namespace

void run_first_connect(const Arguments& arguments)
{
  const SocketAddress target(arguments[0], arguments[1]);
  const TimePoint deadline = Clock::now() + parse_seconds(arguments[2]);
  announce_ready();
  while (!connects(target)) {
    if (Clock::now() > deadline) {
      throw std::runtime_error(fmt::format("no connection to {} in time", arguments[0]));
    }
    std::this_thread::sleep_for(RETRY_AFTER);
  }
  fmt::print("{{\"monotonic_ns\": {}}}\n", monotonic_ns());
}

void run_stamp(const Arguments& arguments)
{
  FileDescriptor descriptor(parse_number<int>(arguments[0]));
  std::vector<std::string> words(arguments.begin() + 1, arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  const std::string text = fmt::format("{}\n", monotonic_ns());
  // Whoever measures may be killed; nothing that it started is left behind.
  system_call("ask to end with the parent", ::prctl(PR_SET_PDEATHSIG, SIGKILL));
  system_call("write the stamp", ::write(descriptor.get(), text.data(), text.size()));
  descriptor.reset();
  ::execvp(argv.front(), argv.data());
  throw_system_error(fmt::format("run {}", words.front()));
}

} // namespace slirpstack::bench
