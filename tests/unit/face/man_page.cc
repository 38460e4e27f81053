#include "face/native_options.hh"

#include <algorithm>
#include <doctest/doctest.h>
#include <fstream>
#include <map>
#include <string>

using namespace slirpstack;

namespace {

/// The items of the man page that explain a flag: name to text.
std::map<std::string, std::string> explained_flags()
{
  std::ifstream page(SLIRPSTACK_MAN_PAGE);
  REQUIRE(page);
  constexpr std::string_view ITEM = ".It Fl ";
  std::map<std::string, std::string> items;
  std::string name;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with(".It ") || line.starts_with(".El")) {
      name.clear();
    }
    if (line.starts_with(ITEM)) {
      // `.It Fl h , Fl help` explains the last of them.
      const std::string rest = line.substr(line.rfind("Fl ") + 3);
      name = rest.substr(0, rest.find(' '));
    }
    if (!name.empty()) {
      items[name] += line + '\n';
    }
  }
  return items;
}

} // namespace

TEST_CASE("the man page explains every option, with its default")
{
  const auto items = explained_flags();
  for (const Option& option : native_options()) {
    const std::string name(option.name);
    CAPTURE(name);
    REQUIRE(items.contains(name));
    CHECK(items.at(name).find(option.default_value) != std::string::npos);
    CHECK((items.at(name).find(" Ar ") != std::string::npos) == !option.is_boolean());
  }
}

TEST_CASE("the man page explains no option that there is not")
{
  for (const auto& item : explained_flags()) {
    const std::string& name = item.first;
    CAPTURE(name);
    CHECK(std::ranges::any_of(native_options(),
                              [&](const Option& option) { return option.name == name; }));
  }
}

TEST_CASE("option names are unique, and a group's options stand together")
{
  const auto options = native_options();
  for (auto one = options.begin(); one != options.end(); ++one) {
    CAPTURE(one->name);
    CHECK(one->name.size() >= 2);
    CHECK(std::ranges::count(options, one->name, &Option::name) == 1);
    const auto same_group = std::ranges::count(options, one->group, &Option::group);
    const auto first = std::ranges::find(options, one->group, &Option::group);
    CHECK(one - first < same_group);
  }
}
