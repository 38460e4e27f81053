#include "flow/lookup_queue.hh"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>

using namespace slirpstack;

namespace {

/// A name service that remembers what it is asked.
class Names final : public NameResolver
{
public:
  std::unique_ptr<PendingLookup> look_up(const HostName& name,
                                         std::function<void(const LookupAnswer&)> done) override
  {
    asked.push_back(name.name);
    waiting[name.name] = std::move(done);
    return std::make_unique<Pending>(*this, name.name);
  }
  std::unique_ptr<PendingLookup> look_up_afresh(
    const HostName& name,
    std::function<void(const LookupAnswer&)> done) override
  {
    afresh.push_back(name.name);
    return look_up(name, std::move(done));
  }
  void answers(const std::string& name, const LookupAnswer& answer)
  {
    const auto done = std::move(waiting.at(name));
    done(answer);
  }

  std::vector<std::string> asked;
  std::vector<std::string> afresh;
  std::map<std::string, std::function<void(const LookupAnswer&)>> waiting;

private:
  struct Pending final : PendingLookup
  {
    Pending(Names& owner, std::string asked_for) : names(owner), name(std::move(asked_for)) {}
    ~Pending() override { names.waiting.erase(name); }
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;
    Pending(Pending&&) = delete;
    Pending& operator=(Pending&&) = delete;

    Names& names;
    std::string name;
  };
};

const LookupAnswer FOUND{.addresses = {IpAddress::ipv4(0xc0000201)}, .error = {}};
const LookupAnswer NO_SUCH{.addresses = {}, .error = "no such host", .no_such_name = true};
const LookupAnswer SILENCE{.addresses = {}, .error = "i/o timeout"};

struct Asker
{
  explicit Asker(int count)
  {
    for (int i = 0; i < count; ++i) {
      ask(fmt::format("{}.example", i));
    }
  }
  void ask(const std::string& name)
  {
    lookups.push_back(
      queue.look_up({.name = name, .server = {}}, [this, name](const LookupAnswer& answer) {
        answered.push_back(name);
        last = answer;
      }));
  }

  Names names;
  LookupQueue queue{names, 3};
  std::vector<std::unique_ptr<PendingLookup>> lookups;
  std::vector<std::string> answered;
  LookupAnswer last;
};

} // namespace

TEST_CASE("so many names are asked for at a time, and the next when one is answered")
{
  Asker asker(5);
  CHECK(asker.names.asked.size() == 3);
  CHECK(asker.queue.waiting() == 2);
  asker.names.answers("1.example", FOUND);
  CHECK(asker.answered == std::vector<std::string>{"1.example"});
  CHECK(asker.names.asked.back() == "3.example");
  asker.names.answers("0.example", NO_SUCH);
  for (const char* name : {"2.example", "3.example", "4.example"}) {
    asker.names.answers(name, FOUND);
  }
  CHECK(asker.answered.size() == 5);
  CHECK(asker.names.asked.size() == 5);
  asker.ask("5.example");
  CHECK(asker.names.asked.size() == 6);
}

TEST_CASE("a lookup that is dropped makes room, and one that waits is not asked for")
{
  Asker asker(5);
  asker.lookups[3].reset();
  asker.lookups[1].reset();
  CHECK(asker.names.asked.back() == "4.example");
  CHECK_FALSE(asker.names.waiting.contains("1.example"));
  for (const char* name : {"0.example", "2.example", "4.example"}) {
    asker.names.answers(name, FOUND);
  }
  CHECK(asker.answered.size() == 3);
}

TEST_CASE("a name service that does not answer is not waited for by all")
{
  Asker asker(100);
  asker.names.answers("0.example", SILENCE);
  asker.names.answers("1.example", FOUND); // it does, sometimes
  for (const char* name : {"2.example", "3.example"}) {
    asker.names.answers(name, SILENCE);
  }
  CHECK(asker.answered.size() == 4);
  asker.names.answers("4.example", SILENCE);
  CHECK(asker.answered.size() == 100 - 2); // two are under way
  CHECK(asker.last.addresses.empty());
  CHECK(asker.last.error == "lookup 99.example: the name service does not answer");
  asker.ask("again.example");
  CHECK(asker.names.asked.back() == "again.example");
  for (const char* name : {"5.example", "6.example", "again.example"}) {
    asker.names.answers(name, FOUND);
  }
  CHECK(asker.answered.size() == 101);
}

TEST_CASE("who is answered may drop every lookup, and ask for more")
{
  Names names;
  LookupQueue queue(names, 2);
  std::vector<std::unique_ptr<PendingLookup>> lookups;
  for (const char* name : {"a", "b", "c", "d"}) {
    lookups.push_back(queue.look_up({.name = name, .server = {}}, [&](const LookupAnswer&) {
      lookups.clear();
      lookups.push_back(queue.look_up({.name = "more", .server = {}}, [](const LookupAnswer&) {}));
    }));
  }
  names.answers("b", SILENCE);
  CHECK(names.waiting.size() == 1);
  CHECK(names.waiting.contains("more"));
  CHECK(queue.waiting() == 0);
}

TEST_CASE("who asks afresh is asked for afresh, also after having waited")
{
  Asker asker(3);
  const auto lookup
    = asker.queue.look_up_afresh({.name = "fresh.example", .server = {}}, [](const auto&) {});
  CHECK(asker.names.afresh.empty());
  asker.names.answers("0.example", FOUND);
  CHECK(asker.names.afresh == std::vector<std::string>{"fresh.example"});
}
