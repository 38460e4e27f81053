#include "guest/handover.hh"

#include "base/error.hh"
#include "guest/vfork.hh"

#include <algorithm>
#include <array>
#include <cassert>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

namespace slirpstack {

namespace {

constexpr std::size_t MAX_BYTES = 4096;
constexpr std::size_t MAX_DESCRIPTORS = 4;

enum class Outcome : int
{
  success,
  system_error,
  usage_error,
  other_error,
};

/// First in each message. After a failure the rest of the message is the error's text.
struct Header
{
  Outcome outcome = Outcome::success;
  int error_number = 0;
};

using ControlBuffer = std::array<char, CMSG_SPACE(sizeof(int) * MAX_DESCRIPTORS)>;

void attach(msghdr& message, ControlBuffer& control, const std::vector<FileDescriptor>& descriptors)
{
  if (descriptors.empty()) {
    return;
  }
  std::array<int, MAX_DESCRIPTORS> numbers{};
  std::ranges::transform(descriptors, numbers.begin(), &FileDescriptor::get);
  const std::size_t length_bytes = sizeof(int) * descriptors.size();
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(length_bytes);
  cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(length_bytes);
  std::memcpy(CMSG_DATA(rights), numbers.data(), length_bytes);
}

std::vector<FileDescriptor> detach(msghdr& message)
{
  std::vector<FileDescriptor> descriptors;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    std::array<int, MAX_DESCRIPTORS> numbers{};
    const std::size_t length_bytes = part->cmsg_len - CMSG_LEN(0);
    std::memcpy(numbers.data(), CMSG_DATA(part), std::min(length_bytes, sizeof numbers));
    for (std::size_t i = 0; i < length_bytes / sizeof(int); ++i) {
      descriptors.emplace_back(numbers[i]);
    }
  }
  return descriptors;
}

void send(int socket, Header header, const Handover& handover)
{
  assert(handover.bytes.size() <= MAX_BYTES && handover.descriptors.size() <= MAX_DESCRIPTORS);
  std::vector<std::byte> bytes = handover.bytes;
  std::array<iovec, 2> parts{{{&header, sizeof header}, {bytes.data(), bytes.size()}}};
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  attach(message, control, handover.descriptors);
  system_call("hand a descriptor to the parent", ::sendmsg(socket, &message, MSG_NOSIGNAL));
}

void send_failure(int socket, Header header, std::string_view text)
{
  text = text.substr(0, MAX_BYTES);
  Handover handover{std::vector<std::byte>(text.size()), {}};
  std::memcpy(handover.bytes.data(), text.data(), text.size());
  send(socket, header, handover);
}

/// std::system_error appends the errno's text to what(); take it off, it is added again on
/// rethrowing.
std::string attempt_of(const std::system_error& error)
{
  std::string text = error.what();
  const std::string suffix = ": " + error.code().message();
  if (text.ends_with(suffix)) {
    text.resize(text.size() - suffix.size());
  }
  return text;
}

void report(int socket, const std::function<Handover()>& work)
{
  try {
    const Handover handover = work();
    send(socket, {}, handover);
  } catch (const std::system_error& error) {
    send_failure(socket, {Outcome::system_error, error.code().value()}, attempt_of(error));
  } catch (const UsageError& error) {
    send_failure(socket, {Outcome::usage_error, 0}, error.what());
  } catch (const std::exception& error) {
    send_failure(socket, {Outcome::other_error, 0}, error.what());
  }
}

/// What the child is given, in memory that it shares with us.
struct Task
{
  int ours;
  int theirs;
  const std::function<Handover()>& work;
};

int be_child(void* argument) noexcept
{
  const Task& task = *static_cast<const Task*>(argument);
  ::close(task.ours);
  // A parent that died before this line is noticed as well: nobody holds the other end then.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  report(task.theirs, task.work);
  ::_exit(0);
}

/// Waits for the child on every way out, so that none is left as a zombie.
struct Reaper
{
  pid_t pid;
  int status = 0;

  explicit Reaper(pid_t child) : pid(child) {}
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;
  Reaper(Reaper&&) = delete;
  Reaper& operator=(Reaper&&) = delete;
  ~Reaper() { reap(); }

  int reap()
  {
    while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    pid = -1;
    return status;
  }
};

[[noreturn]] void rethrow(const Header& header, const std::string& text)
{
  switch (header.outcome) {
    case Outcome::system_error:
      throw std::system_error(header.error_number, std::generic_category(), text);
    case Outcome::usage_error:
      throw UsageError(text);
    default:
      throw std::runtime_error(text);
  }
}

Handover receive(int socket, Reaper& child)
{
  Header header;
  std::vector<std::byte> bytes(MAX_BYTES);
  std::array<iovec, 2> parts{{{&header, sizeof header}, {bytes.data(), bytes.size()}}};
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t length_bytes = -1;
  do {
    length_bytes = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (length_bytes < 0 && errno == EINTR);
  system_call("hear from the child that joins the namespace", length_bytes);
  Handover handover{{}, detach(message)};
  if (static_cast<std::size_t>(length_bytes) < sizeof header) {
    throw std::runtime_error(fmt::format(
      "the child that joins the namespace ended without a word (wait status {:#x})", child.reap()));
  }
  bytes.resize(static_cast<std::size_t>(length_bytes) - sizeof header);
  if (header.outcome != Outcome::success) {
    std::string text(bytes.size(), '\0');
    std::memcpy(text.data(), bytes.data(), bytes.size());
    rethrow(header, text);
  }
  handover.bytes = std::move(bytes);
  return handover;
}

} // namespace

Handover run_in_child(const std::function<Handover()>& work)
{
  std::array<int, 2> ends{};
  system_call("make a socket pair",
              ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()));
  const FileDescriptor ours(ends[0]);
  FileDescriptor theirs(ends[1]);
  Task task{ours.get(), theirs.get(), work};
  Reaper child(system_call("fork", run_as_vfork(be_child, &task)));
  theirs.reset();
  return receive(ours.get(), child);
}

} // namespace slirpstack
