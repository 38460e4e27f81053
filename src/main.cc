#include "base/error.hh"
#include "base/log.hh"
#include "face/options.hh"
#include "serve.hh"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <system_error>
#include <unistd.h>

using namespace slirpstack;

namespace {

constexpr int EXIT_USAGE = 2;

int run(int argc, char** argv)
{
  const pid_t parent = ::getppid();
  const Config config = parse_command_line(argc, argv);
  const LogLevel level = config.output.level;
  configure_log(config.output.quiet ? std::min(level, LogLevel::warning) : level,
                config.output.format);
  switch (config.action) {
    case Config::Action::help:
      fmt::print("{}", help_text());
      return EXIT_SUCCESS;
    case Config::Action::version:
      fmt::print("{}\n", version_text());
      return EXIT_SUCCESS;
    case Config::Action::run:
      check_descriptors(config);
      check_sources(config);
      return serve_command(config, parent);
    case Config::Action::attach:
      break;
  }
  check_descriptors(config);
  check_sources(config);
  return serve_namespace(config, parent);
}

} // namespace

int main(int argc, char** argv)
{
  try {
    return run(argc, argv);
  } catch (const UsageError& error) {
    fmt::print(stderr, "slirpstack: {}\n", error.what());
    return EXIT_USAGE;
  } catch (const std::system_error& error) { // its text begins with what was tried
    fmt::print(stderr, "slirpstack: cannot {}\n", error.what());
    return EXIT_FAILURE;
  } catch (const std::exception& error) {
    fmt::print(stderr, "slirpstack: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
