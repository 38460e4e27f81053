#include "host/resolver_config.hh"

#include <cstdio>
#include <doctest/doctest.h>
#include <fstream>
#include <unistd.h>

using namespace slirpstack;

namespace {

Nameserver server(const char* address, const char* zone = "")
{
  return {{*IpAddress::parse(address), 53}, zone};
}

/// A file of the test's own, gone at its end.
class TemporaryFile
{
public:
  TemporaryFile() : path_("/tmp/resolver_config_test." + std::to_string(::getpid())) {}
  ~TemporaryFile() { remove(); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  TemporaryFile(TemporaryFile&&) = delete;
  TemporaryFile& operator=(TemporaryFile&&) = delete;

  void write(std::string_view text) const { std::ofstream(path_) << text; }
  /// As resolvconf and editors do: another file under the same name.
  void replace(std::string_view text) const
  {
    std::ofstream(path_ + ".new") << text;
    std::rename((path_ + ".new").c_str(), path_.c_str());
  }
  void remove() const { ::unlink(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

private:
  std::string path_;
};

} // namespace

TEST_CASE("nameservers are read in order, IPv6 with its zone")
{
  const ResolverConfig config = parse_resolver_config("# by hand\n"
                                                      "nameserver 192.0.2.53\n"
                                                      "nameserver\t2001:db8::53  \n"
                                                      "nameserver fe80::1%eth0\r\n"
                                                      "nameserver 127.0.0.53");
  CHECK(config.nameservers
        == std::vector{server("192.0.2.53"),
                       server("2001:db8::53"),
                       server("fe80::1", "eth0"),
                       server("127.0.0.53")});
}

TEST_CASE("without a nameserver that can be used it is the local one")
{
  const std::vector local{server("127.0.0.1")};
  for (const char* text : {"",
                           "\n\n",
                           "search example.com\n",
                           "nameserver\n",
                           "nameserver example.com\n",
                           "nameservers 192.0.2.1\n",
                           ";nameserver 192.0.2.1\n",
                           " nameserver 192.0.2.1\n"}) {
    CAPTURE(text);
    CHECK(parse_resolver_config(text).nameservers == local);
  }
}

TEST_CASE("the last search or domain line counts")
{
  CHECK(parse_resolver_config("search a.example b.example\n").search
        == std::vector<std::string>{"a.example", "b.example"});
  CHECK(parse_resolver_config("search a.example\ndomain b.example c.example\n").search
        == std::vector<std::string>{"b.example"});
  CHECK(parse_resolver_config("domain b.example\nsearch a.example\n").search
        == std::vector<std::string>{"a.example"});
  CHECK(parse_resolver_config("options ndots:2\nsortlist 192.0.2.0\n").search.empty());
}

TEST_CASE("a zone is an interface's name or its number")
{
  CHECK(zone_index("lo") == 1);
  CHECK(zone_index("7") == 7);
  CHECK(zone_index("") == 0);
  CHECK(zone_index("7x") == 0);
  CHECK(zone_index("no-such-interface") == 0);
}

TEST_CASE("a changed file is read again, an unchanged one is not")
{
  const TemporaryFile file;
  ResolverFile resolver(file.path());
  CHECK(resolver.version() == 0);
  CHECK(resolver.current().nameservers == std::vector{server("127.0.0.1")});
  CHECK(resolver.version() == 1);

  file.write("nameserver 192.0.2.1\n");
  CHECK(resolver.current().nameservers == std::vector{server("192.0.2.1")});
  CHECK(resolver.version() == 2);
  CHECK(resolver.current().nameservers == std::vector{server("192.0.2.1")});
  CHECK(resolver.version() == 2);

  file.replace("nameserver 192.0.2.2\n");
  CHECK(resolver.current().nameservers == std::vector{server("192.0.2.2")});
  CHECK(resolver.version() == 3);

  file.remove();
  CHECK(resolver.current().nameservers == std::vector{server("127.0.0.1")});
  CHECK(resolver.version() == 4);
}
