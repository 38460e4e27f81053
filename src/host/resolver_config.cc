#include "host/resolver_config.hh"

#include "base/line.hh"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <net/if.h>
#include <sys/stat.h>

namespace slirpstack {

namespace {

constexpr std::uint16_t DNS_PORT = 53;
constexpr std::string_view BLANKS = " \t\r\v\f";

/// Cuts the next word off the front of `line`; empty at its end.
std::string_view next_word(std::string_view& line)
{
  line.remove_prefix(std::min(line.find_first_not_of(BLANKS), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(BLANKS));
  line.remove_prefix(word.size());
  return word;
}

std::optional<Nameserver> parse_nameserver(std::string_view text)
{
  const std::size_t percent = text.find('%');
  const auto address = IpAddress::parse(text.substr(0, percent));
  if (!address) {
    return std::nullopt;
  }
  Nameserver nameserver{{*address, DNS_PORT}, {}};
  if (percent != std::string_view::npos) {
    nameserver.zone = text.substr(percent + 1);
  }
  return nameserver;
}

std::vector<std::string> parse_search(std::string_view words)
{
  std::vector<std::string> domains;
  for (auto word = next_word(words); !word.empty(); word = next_word(words)) {
    domains.emplace_back(word);
  }
  return domains;
}

void parse_line(std::string_view line, ResolverConfig& config)
{
  // resolv.conf(5): the keyword starts the line; a comment starts with ; or # there.
  if (line.empty() || BLANKS.find(line.front()) != std::string_view::npos) {
    return;
  }
  const std::string_view keyword = next_word(line);
  if (keyword == "nameserver") {
    if (auto nameserver = parse_nameserver(next_word(line))) {
      config.nameservers.push_back(std::move(*nameserver));
    }
  } else if (keyword == "search") {
    config.search = parse_search(line);
  } else if (keyword == "domain") {
    config.search = parse_search(next_word(line));
  }
}

/// Nothing if it cannot be opened, as when there is no descriptor left.
std::optional<std::string> read_text(const std::string& path)
{
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return std::nullopt;
  }
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

bool same_file(const struct stat& a, const struct stat& b)
{
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size
         && a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

} // namespace

ResolverConfig parse_resolver_config(std::string_view text)
{
  ResolverConfig config;
  while (!text.empty()) {
    parse_line(take_line(text), config);
  }
  if (config.nameservers.empty()) {
    config.nameservers.push_back({{IpAddress::ipv4(0x7f000001), DNS_PORT}, {}});
  }
  return config;
}

std::uint32_t zone_index(const std::string& zone)
{
  if (const unsigned index = ::if_nametoindex(zone.c_str()); index != 0) {
    return index;
  }
  std::uint32_t index = 0;
  const char* end = zone.data() + zone.size();
  const auto [parsed_to, error] = std::from_chars(zone.data(), end, index);
  return error == std::errc() && parsed_to == end ? index : 0;
}

ResolverFile::ResolverFile(std::string path) : path_(std::move(path)) {}

const ResolverConfig& ResolverFile::current()
{
  struct stat now_there
  {}; // all zero for a file that is not there
  if (::stat(path_.c_str(), &now_there) < 0) {
    now_there = {};
  }
  if (version_ == 0 || !same_file(now_there, seen_)) {
    const auto text = read_text(path_);
    const bool there = now_there.st_ino != 0;
    if (!text && there && version_ != 0) {
      return config_; // tried again at the next query
    }
    seen_ = now_there;
    config_ = parse_resolver_config(text.value_or(""));
    ++version_;
  }
  return config_;
}

} // namespace slirpstack
