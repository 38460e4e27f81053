#include "base/error.hh"
#include "base/interrupted.hh"
#include "base/log.hh"
#include "control/client.hh"
#include "explain.hh"
#include "face/exit_status.hh"
#include "face/narrator.hh"
#include "face/options.hh"
#include "face/slirpnetstack.hh"
#include "face/start_checks.hh"
#include "serve.hh"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <system_error>
#include <unistd.h>
#include <vector>

using namespace slirpstack;

namespace {

int perform(const Config& config, std::string_view program, Narrator& narrator)
{
  const pid_t parent = ::getppid();
  switch (config.action) {
    case Config::Action::help:
      print_help(config, program);
      return EXIT_SUCCESS;
    case Config::Action::version:
      fmt::print("{}\n", version_text(config));
      return EXIT_SUCCESS;
    case Config::Action::control:
      return run_control_client(config.command, program_name(config.manner));
    case Config::Action::explain:
      return explain_flow(config);
    case Config::Action::translate:
      check_descriptors(config);
      return serve_translation(config, parent);
    case Config::Action::run:
      check_descriptors(config);
      return serve_command(config, parent, narrator);
    case Config::Action::attach:
      break;
  }
  check_descriptors(config);
  return serve_namespace(config, parent, narrator);
}

int run(const Config& config, std::string_view program)
{
  const LogLevel level = config.output.level;
  configure_log(config.output.quiet ? std::min(level, LogLevel::warning) : level,
                config.output.format);
  const std::unique_ptr<Narrator> narrator = Narrator::make(config);
  try {
    return perform(config, program, *narrator);
  } catch (const Interrupted& early) {
    log(LogLevel::info, early.what());
    return EXIT_SUCCESS;
  } catch (const StartError& error) {
    narrator->failed(error.what());
    return error.exit_status();
  } catch (const UsageError& error) {
    narrator->failed(error.what());
    return EXIT_USAGE;
  } catch (const std::system_error& error) { // its text begins with what was tried
    narrator->failed(fmt::format("cannot {}{}", error.what(), remedy_of(config, error.code())));
    return EXIT_FAILURE;
  } catch (const std::exception& error) {
    narrator->failed(error.what());
    return EXIT_FAILURE;
  }
}

} // namespace

int main(int argc, char** argv)
{
  const std::string_view program = argc > 0 ? argv[0] : "slirpstack";
  Config config;
  try {
    config = parse_command_line(argc, argv);
  } catch (const StartError& error) { // slirpnetstack's
    fmt::print(stderr, "{}\n", error.what());
    return error.exit_status();
  } catch (const std::exception& error) { // a UsageError
    configure_log(LogLevel::info, typed_log_format(std::vector<std::string>(argv, argv + argc)));
    print_usage_error(program, error.what());
    return EXIT_USAGE;
  }
  return run(config, program);
}
