// `run`'s child: namespaces, identity, resolv.conf, exit status, and who ends whom.

#include "base/error.hh"
#include "guest/guest_command.hh"
#include "guest/guest_tap.hh"
#include "guest/resolv_conf.hh"
#include "sandbox.hh"

#include <array>
#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace slirpstack;
using namespace slirpstack::testing;

namespace {

constexpr const char* RESOLV_CONF = "nameserver 192.0.2.53\n";

int wait_for(GuestCommand& command)
{
  pollfd ended{command.fd(), POLLIN, 0};
  expect(::poll(&ended, 1, 10000) == 1, "the command to end within 10 s");
  const std::optional<int> status = command.exit_status();
  expect(status.has_value(), "an exit status once the pidfd is readable");
  return *status;
}

int status_of(const std::vector<std::string>& argv)
{
  GuestCommand command(argv);
  command.start(RESOLV_CONF);
  return wait_for(command);
}

/// What a shell script prints inside.
std::string printed_by(const std::string& script)
{
  std::array<int, 2> ends{};
  system_call("make a pipe", ::pipe2(ends.data(), O_CLOEXEC));
  const FileDescriptor reading(ends[0]);
  FileDescriptor writing(ends[1]);
  const FileDescriptor saved(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
  ::dup2(writing.get(), STDOUT_FILENO);
  const int status = status_of({"sh", "-c", script});
  ::dup2(saved.get(), STDOUT_FILENO);
  writing.reset();
  expect_equal(std::to_string(status), "0");
  std::array<char, 4096> text{};
  const ssize_t length_bytes = ::read(reading.get(), text.data(), text.size());
  return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(length_bytes, 0))};
}

void as_everybody(const std::function<void()>& body)
{
  as_ordinary_user(body);
  as_ourselves(body);
}

/// In a mount namespace of the caller's own, /etc holds just what `setup` puts there.
void with_etc(const std::string& setup)
{
  system_call("make a mount namespace", ::unshare(CLONE_NEWNS));
  system_call("make it private", ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
  system_call("cover /etc", ::mount("tmpfs", "/etc", "tmpfs", 0, nullptr));
  expect_equal(output_of("cd /etc && (" + setup + ") && echo done"), "done");
}

void become(uid_t id)
{
  system_call("set the group", ::setresgid(id, id, id));
  system_call("set the user", ::setresuid(id, id, id));
  system_call("stay readable", ::prctl(PR_SET_DUMPABLE, 1));
}

/// Waits (2 s at most) until the process executes `name`.
void await_program(pid_t pid, const std::string& name)
{
  for (int i = 0; i < 200; ++i) {
    if (output_of(fmt::format("cat /proc/{}/comm", pid)) == name) {
      return;
    }
    ::usleep(10000);
  }
  throw std::runtime_error("the command never started");
}

bool ended(int pidfd)
{
  pollfd process{pidfd, POLLIN, 0};
  return ::poll(&process, 1, 10000) == 1;
}

} // namespace

TEST_CASE("an exit status is passed through, as a shell tells it")
{
  as_everybody([] {
    expect_equal(std::to_string(status_of({"true"})), "0");
    expect_equal(std::to_string(status_of({"sh", "-c", "exit 42"})), "42");
    expect_equal(std::to_string(status_of({"sh", "-c", "kill -TERM $$"})), "143");
    expect_equal(std::to_string(status_of({"/nonexistent/program"})), "127");
    expect_equal(std::to_string(status_of({"/etc"})), "126");
  });
}

TEST_CASE("the command is root in a namespace of its own, and may ping")
{
  as_everybody([] {
    expect_equal(printed_by("id -u; id -g; cat /proc/sys/net/ipv4/ping_group_range"),
                 "0\n0\n0\t0\n");
    expect(printed_by("readlink /proc/self/ns/net")
             != output_of("readlink /proc/self/ns/net") + "\n",
           "a network namespace of its own");
  });
}

TEST_CASE("root's command has all of root's ids, a user's only himself")
{
  as_ourselves([] {
    expect_equal(
      printed_by("awk '{print $1, $2, $3}' /proc/self/uid_map; cat /proc/self/setgroups"),
      output_of("awk '{print $1, $1, $3}' /proc/self/uid_map") + "\nallow\n");
  });
  as_ordinary_user([] {
    expect_equal(
      printed_by("awk '{print $1, $2, $3}' /proc/self/uid_map; cat /proc/self/setgroups"),
      "0 54321 1\ndeny\n");
  });
}

TEST_CASE("directory and environment stay, signals are at their defaults, descriptors closed")
{
  as_everybody([] {
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGINT, SIG_IGN);
    system_call("change the directory", ::chdir("/usr"));
    ::setenv("SLIRPSTACK_TEST", "kept", 1);
    const FileDescriptor inherited(::dup(STDERR_FILENO)); // not close-on-exec
    expect_equal(printed_by("pwd; echo $SLIRPSTACK_TEST; grep SigIgn /proc/self/status; "
                            "ls /proc/self/fd | wc -l"),
                 "/usr\nkept\nSigIgn:\t0000000000000000\n4\n"); // 0, 1, 2 and ls's own
  });
}

TEST_CASE("the command sees our resolv.conf, the host does not")
{
  as_everybody([] {
    const std::string before = output_of("cat /etc/resolv.conf");
    expect_equal(printed_by("cat /etc/resolv.conf"), RESOLV_CONF);
    expect_equal(output_of("cat /etc/resolv.conf"), before);
  });
}

TEST_CASE("a resolv.conf that is a link is replaced where it leads")
{
  for (const uid_t id : {0, 54321}) {
    as_ourselves([id] {
      with_etc(
        "mkdir real && echo nameserver 192.0.2.1 > real/conf && ln -s real/conf resolv.conf");
      become(id);
      expect_equal(printed_by("cat /etc/resolv.conf; readlink /etc/resolv.conf"),
                   std::string(RESOLV_CONF) + "real/conf\n");
    });
  }
}

TEST_CASE("where there is no resolv.conf, or a dangling link, the rest of /etc is as before")
{
  for (const char* kind : {":", "ln -s ../run/absent/resolv.conf resolv.conf"}) {
    for (const uid_t id : {0, 54321}) {
      CAPTURE(kind);
      CAPTURE(id);
      as_ourselves([kind, id] {
        with_etc("echo file > file && mkdir -p folder/sub ../usr && echo deep > folder/deep && "
                 "ln -s ../file folder/up && ln -s folder/up link && "
                 + std::string(kind));
        become(id);
        expect_equal(printed_by("cd /etc && cat resolv.conf file folder/deep folder/up link; ls"),
                     std::string(RESOLV_CONF)
                       + "file\ndeep\nfile\nfile\nfile\nfolder\nlink\nresolv.conf\n");
      });
    }
  }
}

TEST_CASE("the command's network can be set up before it starts")
{
  as_everybody([] {
    GuestCommand command({"ip", "-o", "route", "get", "198.51.100.1"});
    TapRequest request;
    request.configure = true;
    request.addresses.ipv4 = GuestAddress::in_network(Prefix::parse("10.0.2.0/24").value());
    const auto tap = open_guest_tap(command.target(), request);
    expect(!command.exit_status().has_value(), "the command to wait for start()");
    command.start(RESOLV_CONF);
    expect_equal(std::to_string(wait_for(command)), "0");
  });
}

TEST_CASE("a signal is passed on, and one to an ended command does no harm")
{
  as_everybody([] {
    GuestCommand command({"sleep", "60"});
    command.start(RESOLV_CONF);
    command.signal(SIGTERM);
    expect_equal(std::to_string(wait_for(command)), "143");
    command.signal(SIGTERM);
  });
}

TEST_CASE("dropping the command ends it, started or not")
{
  as_everybody([] {
    for (const bool started : {false, true}) {
      FileDescriptor pidfd;
      {
        GuestCommand command({"sleep", "60"});
        if (started) {
          command.start(RESOLV_CONF);
        }
        pidfd = FileDescriptor(::dup(command.fd()));
      }
      expect(ended(pidfd.get()), "the command to be gone");
    }
  });
}

TEST_CASE("when we are killed the command goes too, before or after its start")
{
  as_everybody([] {
    for (const bool started : {false, true}) {
      std::array<int, 2> ends{};
      system_call("make a pipe", ::pipe2(ends.data(), 0));
      const pid_t owner = system_call("fork", ::fork());
      if (owner == 0) {
        GuestCommand command({"sleep", "60"});
        if (started) {
          command.start(RESOLV_CONF);
          await_program(command.pid(), "sleep");
        }
        const pid_t pid = command.pid();
        system_call("tell", ::write(ends[1], &pid, sizeof pid));
        ::pause();
        ::_exit(0);
      }
      pid_t pid = 0;
      system_call("hear", ::read(ends[0], &pid, sizeof pid));
      const FileDescriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
      ::close(ends[0]);
      ::close(ends[1]);
      ::kill(owner, SIGKILL);
      ::waitpid(owner, nullptr, 0);
      expect(pidfd && ended(pidfd.get()), "the command to die with its owner");
    }
  });
}

TEST_CASE("without a command the user's shell runs")
{
  CHECK(default_command("/bin/zsh") == std::vector<std::string>{"/bin/zsh"});
  CHECK(default_command("") == std::vector<std::string>{"/bin/sh"});
  CHECK(default_command(nullptr) == std::vector<std::string>{"/bin/sh"});
}
