#include "flow/rule.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

namespace {

std::string error_of(std::string_view text)
{
  try {
    static_cast<void>(parse_rules(text));
  } catch (const RuleError& error) {
    return error.what();
  }
  return "no error";
}

} // namespace

TEST_CASE("each mistake in a rules file is told with its place and what would be right")
{
  struct Case
  {
    std::string_view text;
    std::string_view error;
  };
  for (
    const Case& each : {
      Case{"alow any",
           R"(line 1, column 1: unknown action "alow": must be allow, deny, drop or reject)"},
      {"\n # x\n  Deny any",
       R"(line 3, column 3: unknown action "Deny": must be allow, deny, drop or reject)"},
      {"deny", "line 1, column 5: deny needs a destination: any, an address, a network or a name"},
      {"deny out  # all",
       "line 1, column 11: deny needs a destination: any, an address, a network or a name"},
      {"deny sctp://any",
       R"(line 1, column 6: unknown protocol "sctp": must be tcp, udp, icmp or any)"},
      {"deny 10.0.0.0/33",
       R"(line 1, column 6: "10.0.0.0/33": the prefix length must be a number from 0 to 32)"},
      {"deny tcp://[::/x]",
       R"(line 1, column 12: "::/x": the prefix length must be a number from 0 to 128)"},
      {"deny [::1]/64",
       R"(line 1, column 6: "[::1]/64": the prefix length goes inside of the brackets)"},
      {"deny web.example/24",
       R"(line 1, column 6: "web.example/24": only an address has a prefix length)"},
      {"deny 10.0.0.300",
       R"(line 1, column 6: host "10.0.0.300": is neither an address nor a name)"},
      {"deny tcp://:80", R"(line 1, column 12: host "": is neither an address nor a name)"},
      {"deny a_b!c", R"(line 1, column 6: host "a_b!c": is neither an address nor a name)"},
      {"deny 2001:db8::/32",
       R"(line 1, column 6: "2001:db8::/32": must be HOST or HOST:PORTS; IPv6 goes in brackets, as in [2001:db8::/32])"},
      {"deny [::1",
       R"(line 1, column 6: "[::1": must be HOST or HOST:PORTS; IPv6 goes in brackets, as in [2001:db8::/32])"},
      {"deny any:x", R"(line 1, column 10: ports "x": must be PORT or PORT-PORT, up to 65535)"},
      {"deny any:", R"(line 1, column 10: ports "": must be PORT or PORT-PORT, up to 65535)"},
      {"deny any:80,,81", R"(line 1, column 13: ports "": must be PORT or PORT-PORT, up to 65535)"},
      {"deny any:80,65536",
       R"(line 1, column 13: ports "65536": must be PORT or PORT-PORT, up to 65535)"},
      {"deny any:90-80", R"(line 1, column 10: ports "90-80": the first is greater than the last)"},
      {"deny any:0",
       "line 1, column 10: port 0 is no destination; without ports a rule is about all of them"},
      {"deny icmp://any:80", "line 1, column 17: ICMP has no ports"},
      {"deny any for ever",
       R"(line 1, column 10: unknown option "for": must be from, rate, new, queries, flows or note)"},
      {"deny any any",
       R"(line 1, column 10: unknown option "any": must be from, rate, new, queries, flows or note)"},
      {"deny tcp", R"(line 1, column 6: "tcp" is a protocol and no host: write tcp://any)"},
      {"deny icmp from 10.0.2.5",
       R"(line 1, column 6: "icmp" is a protocol and no host: write icmp://any)"},
      {"allow tcp 1.2.3.4:80",
       R"(line 1, column 7: "tcp" is a protocol and no host: write tcp://1.2.3.4:80)"},
      {"deny in udp:53 # x",
       R"(line 1, column 9: "udp" is a protocol and no host: write udp://any:53)"},
      {"deny outt 10.0.0.0/8", R"(line 1, column 6: "outt" is no direction: must be in or out)"},
      {"deny out web 10.0.0.0/8",
       R"(line 1, column 14: unknown option "10.0.0.0/8": must be from, rate, new, queries, flows or note)"},
      {"deny web.example 10.0.0.0/8",
       R"(line 1, column 18: unknown option "10.0.0.0/8": must be from, rate, new, queries, flows or note)"},
      {"deny any from",
       R"(line 1, column 14: from "": must be an address or a network such as 10.0.2.0/24)"},
      {"deny any from me",
       R"(line 1, column 15: from "me": must be an address or a network such as 10.0.2.0/24)"},
      {"deny any from ::1 from ::1", "line 1, column 19: a second from"},
      {"allow any rate 1 rate 1", "line 1, column 18: a second rate"},
      {"allow any new 1 flows 1 new 1", "line 1, column 25: a second new"},
      {"allow any note \"\" note \"\"", "line 1, column 19: a second note"},
      {"deny any rate 1K", "line 1, column 10: rate: only an allow rule has limits"},
      {"allow any rate",
       R"(line 1, column 15: rate "": must be bytes a second from 1 to 1048576G, with K, M or G for 1024s)"},
      {"allow any rate 0",
       R"(line 1, column 16: rate "0": must be bytes a second from 1 to 1048576G, with K, M or G for 1024s)"},
      {"allow any rate 1048577G",
       R"(line 1, column 16: rate "1048577G": must be bytes a second from 1 to 1048576G, with K, M or G for 1024s)"},
      {"allow any rate 1KB",
       R"(line 1, column 16: rate "1KB": must be bytes a second from 1 to 1048576G, with K, M or G for 1024s)"},
      {"allow any rate /s",
       R"(line 1, column 16: rate "/s": must be bytes a second from 1 to 1048576G, with K, M or G for 1024s)"},
      {"allow any rate G",
       R"(line 1, column 16: rate "G": must be bytes a second from 1 to 1048576G, with K, M or G for 1024s)"},
      {"allow any new 1K",
       R"(line 1, column 15: new "1K": must be a number a second from 1 to 1000000000)"},
      {"allow any queries -1",
       R"(line 1, column 19: queries "-1": must be a number a second from 1 to 1000000000)"},
      {"allow any flows 5/s",
       R"(line 1, column 17: flows "5/s": must be a number from 1 to 100000000)"},
      {"allow any flows 18446744073709551616",
       R"(line 1, column 17: flows "18446744073709551616": must be a number from 1 to 100000000)"},
      {"deny any note x", R"(line 1, column 15: a note stands in double quotes: note "TEXT")"},
      {"deny any note", R"(line 1, column 14: a note stands in double quotes: note "TEXT")"},
      {"deny any note \"x", "line 1, column 15: the note has no closing quote"},
      {"deny any note \"x\ny\"", "line 1, column 15: the note has no closing quote"},
      {"deny any note \"x\"y", "line 1, column 18: a blank has to follow the note"},
      {"deny any note \"\u00e9\"\u00e9", "line 1, column 18: a blank has to follow the note"},
      {"deny any note \"a\xff\"", "line 1, column 17: the note is no UTF-8"},
      {"deny any note \"a\tb\"", "line 1, column 17: the note has a control character"},
      {"deny any note \"\u00e9\u0085\"", "line 1, column 17: the note has a control character"},
      {"deny any note \"\u2028\"", "line 1, column 16: the note has a control character"},
      {"deny any note \"\u00e9\u00e9\" x",
       R"(line 1, column 20: unknown option "x": must be from, rate, new, queries, flows or note)"},
      {"deny b\u00fccher",
       "line 1, column 7: byte 0xc3: only printable ASCII may stand outside of notes"},
      {"deny any # \u202e",
       "line 1, column 12: byte 0xe2: only printable ASCII may stand outside of notes"},
      {std::string_view("deny\0any", 8),
       "line 1, column 5: byte 0x00: only printable ASCII may stand outside of notes"},
      {"deny any\r \n",
       "line 1, column 9: byte 0x0d: only printable ASCII may stand outside of notes"},
      {"\xef\xbb\xbf"
       "deny any",
       "line 1, column 1: byte 0xef: only printable ASCII may stand outside of notes"},
    }) {
    CAPTURE(std::string(each.text));
    CHECK(error_of(each.text) == each.error);
  }
}
