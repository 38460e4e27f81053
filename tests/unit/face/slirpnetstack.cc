#include "base/error.hh"
#include "face/options.hh"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace slirpstack;

namespace {

Config parse(std::vector<const char*> words)
{
  words.insert(words.begin(), "/usr/bin/slirpnetstack");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

std::string error_of(const std::vector<const char*>& words)
{
  try {
    static_cast<void>(parse(words));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

} // namespace

TEST_CASE("under its name, mistakes are told in slirpnetstack's words")
{
  struct Case
  {
    const char* flag;
    const char* value;
    std::string_view reason;
  };
  for (const Case& each : {
         Case{"L", "sctp://80", R"(unknown network type "sctp")"},
         {"L", "x", R"(strconv.ParseUint: parsing "x": invalid syntax)"},
         {"L", "-5", R"(strconv.ParseUint: parsing "-5": invalid syntax)"},
         {"L", "80-", R"(strconv.ParseUint: parsing "": invalid syntax)"},
         {"L", "80-81-82", R"(strconv.ParseUint: parsing "81-82": invalid syntax)"},
         {"R", "65536", R"(strconv.ParseUint: parsing "65536": value out of range)"},
         {"R", "70000x", R"(strconv.ParseUint: parsing "70000x": value out of range)"},
         {"R", "80:host:y", R"(strconv.ParseUint: parsing "y": invalid syntax)"},
         {"L", "1.2.3.4:5:6", R"(strconv.ParseUint: parsing "1.2.3.4": invalid syntax)"},
         {"L", "80:q@a-53:81", R"(Unknown dns type "a")"},
         {"L", "80:q@srv-99999:81", R"(strconv.ParseUint: parsing "99999": value out of range)"},
         {"allow", "", "error parsing ipportrange"},
         {"allow", "192.0.2.1,", "error parsing ipportrange"},
         {"deny", "::/0", "error parsing ipportrange"},
         {"deny", "192.0.2.1:90-80", "min port must be smaller equal than max"},
         {"deny", "192.0.2.1:", R"(strconv.ParseUint: parsing "": invalid syntax)"},
         {"deny", "192.0.2.1:-80", R"(strconv.ParseUint: parsing "": invalid syntax)"},
         {"deny", "192.0.2.1:1-70000", R"(strconv.ParseUint: parsing "70000": value out of range)"},
         {"deny", "sctp://192.0.2.1", R"(unknown network type "sctp")"},
         {"deny", "tcp", "lookup tcp: no such host"},
         {"m", "unix:/run/x", "must be tcp://IP:PORT or unix://PATH"},
       }) {
    CAPTURE(each.value);
    const std::string flag = fmt::format("-{}", each.flag);
    CHECK(error_of({flag.c_str(), each.value})
          == fmt::format("invalid value \"{}\" for flag {}: {}", each.value, flag, each.reason));
  }
  CHECK(error_of({"-quiet=maybe"}) == R"(invalid boolean value "maybe" for -quiet: parse error)");
}

TEST_CASE("under its name, an empty text is as if the flag was not given")
{
  const Config config = parse({"-netns", "", "-m", "", "-pcap", "", "-source-ipv4", "", "-L", ""});
  CHECK_FALSE(config.attach.netns);
  CHECK_FALSE(config.control.metrics);
  CHECK_FALSE(config.output.pcap);
  CHECK_FALSE(config.egress.source_ipv4);
  CHECK(config.forwarding.local.size() == 1);
  CHECK(parse({"-pcap", "--"}).output.pcap == "--");
  CHECK(parse({"-pcap", "-"}).output.pcap == "-");
  CHECK(parse({"-maxprocs=-1"}).manner == Config::Manner::slirpnetstack);
}
