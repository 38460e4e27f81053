#include "sandbox.hh"

#include "base/error.hh"
#include "guest/handover.hh"
#include "guest/namespace.hh"

#include <array>
#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <grp.h>
#include <iostream>
#include <memory>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

namespace slirpstack::testing {

namespace {

constexpr id_t ORDINARY_ID = 54321;

void become_ordinary_user()
{
  system_call("drop groups", ::setgroups(0, nullptr));
  system_call("set the group", ::setresgid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID));
  system_call("set the user", ::setresuid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID));
  // Changing users takes /proc/self away from the new one until the next execve().
  system_call("stay readable", ::prctl(PR_SET_DUMPABLE, 1));
}

void in_child(const std::function<void()>& body)
{
  try {
    static_cast<void>(run_in_child([&] {
      body();
      return Handover{};
    }));
  } catch (const std::exception& error) {
    FAIL(std::string(error.what()));
  }
}

struct ClosePipe
{
  void operator()(FILE* pipe) const { ::pclose(pipe); }
};

} // namespace

void prepare_machine()
{
  ::signal(SIGHUP, SIG_DFL); // nohup(1) would be inherited by what is tested
  try {
    system_call("make a mount namespace", ::unshare(CLONE_NEWNS));
    system_call("make it private", ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    const std::string tun = "/mnt/tun";
    system_call("mount a tmpfs", ::mount("tmpfs", "/mnt", "tmpfs", 0, nullptr));
    system_call("make a tun node", ::mknod(tun.c_str(), S_IFCHR, ::makedev(10, 200)));
    system_call("open it to all", ::chmod(tun.c_str(), 0666));
    system_call("bind it", ::mount(tun.c_str(), "/dev/net/tun", nullptr, MS_BIND, nullptr));
    ::mkdir("/run/netns", 0755);
    system_call("cover /run/netns", ::mount("tmpfs", "/run/netns", "tmpfs", 0, nullptr));
  } catch (const std::exception& error) {
    std::cout << "skipped: " << error.what() << " (needs root and /dev/net/tun)\n";
    std::exit(77);
  }
}

void as_ordinary_user(const std::function<void()>& body)
{
  in_child([&] {
    become_ordinary_user();
    body();
  });
}

void as_ourselves(const std::function<void()>& body)
{
  in_child(body);
}

void expect(bool condition, const std::string& what)
{
  if (!condition) {
    throw std::runtime_error("expected: " + what);
  }
}

void expect_equal(const std::string& actual, const std::string& expected)
{
  expect(actual == expected, fmt::format("\"{}\", but it is \"{}\"", expected, actual));
}

std::string output_of(const std::string& shell_command)
{
  const std::unique_ptr<FILE, ClosePipe> pipe(::popen(shell_command.c_str(), "re"));
  std::string output;
  std::array<char, 4096> piece{};
  while (pipe != nullptr && std::fgets(piece.data(), piece.size(), pipe.get()) != nullptr) {
    output += piece.data();
  }
  while (output.ends_with('\n')) {
    output.pop_back();
  }
  return output;
}

bool is_installed(const std::string& program)
{
  return !output_of("command -v " + program).empty();
}

Holder::Holder(std::vector<std::string> wrapper, const std::string& setup)
{
  std::array<int, 2> ends{};
  system_call("make a pipe", ::pipe2(ends.data(), 0));
  const FileDescriptor reading(ends[0]);
  FileDescriptor writing(ends[1]);
  outer_pid_ = system_call("fork", ::fork());
  if (outer_pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(writing.get(), STDOUT_FILENO);
    wrapper.insert(wrapper.end(), {"sh", "-c", setup + " && echo $$ && exec sleep 60 >&2"});
    std::vector<char*> arguments;
    for (std::string& argument : wrapper) {
      arguments.push_back(argument.data());
    }
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  writing.reset();
  std::array<char, 32> line{};
  const ssize_t length_bytes = ::read(reading.get(), line.data(), line.size() - 1);
  inner_pid_ = length_bytes > 0 ? std::atoi(line.data()) : -1;
  if (inner_pid_ <= 0) {
    end();
    throw std::runtime_error("cannot hold a namespace with " + wrapper.front());
  }
}

void Holder::end()
{
  if (inner_pid_ > 0 && inner_pid_ != outer_pid_) {
    ::kill(inner_pid_, SIGKILL);
  }
  if (outer_pid_ > 0) {
    ::kill(outer_pid_, SIGKILL);
    ::waitpid(outer_pid_, nullptr, 0);
  }
  outer_pid_ = -1;
  inner_pid_ = -1;
}

std::string Holder::inside(const std::string& shell_command) const
{
  const Namespace held(NamespaceTarget::of_process(inner_pid_));
  const Handover result = run_in_child([&] {
    held.enter();
    const std::string output = output_of(shell_command);
    Handover handover;
    for (const char character : output.substr(0, 4000)) {
      handover.bytes.push_back(static_cast<std::byte>(character));
    }
    return handover;
  });
  std::string output;
  for (const std::byte byte : result.bytes) {
    output += static_cast<char>(byte);
  }
  return output;
}

} // namespace slirpstack::testing
