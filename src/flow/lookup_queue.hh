#pragma once

#include "flow/name_resolver.hh"

#include <cstddef>
#include <cstdint>
#include <list>

namespace slirpstack {

/// A name service that is asked for only so many names at a time; the others wait, the first one
/// first. Ten thousand lookups at once would cost as many sockets, and a resolver would lose most.
///
/// When as many lookups in a row have found no name service that answers as there are under way at
/// a time, those that wait fail too: one after the other they would wait for hours.
class LookupQueue final : public NameResolver
{
public:
  /// `names` must outlive this, and this its lookups.
  LookupQueue(NameResolver& names, std::size_t at_a_time) : names_(names), at_a_time_(at_a_time) {}

  std::unique_ptr<PendingLookup> look_up(const HostName& name,
                                         std::function<void(const LookupAnswer&)> done) override;
  std::unique_ptr<PendingLookup> look_up_afresh(
    const HostName& name,
    std::function<void(const LookupAnswer&)> done) override;

  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

private:
  class Lookup;

  enum class Kind : std::uint8_t
  {
    kept_too, ///< NameResolver::look_up
    afresh,   ///< NameResolver::look_up_afresh
  };

  std::unique_ptr<PendingLookup> queue_up(Kind kind,
                                          const HostName& name,
                                          std::function<void(const LookupAnswer&)> done);
  /// Fills the places that have become free.
  void start_waiting();
  void on_answer(const LookupAnswer& answer);
  void give_up_waiting();

  NameResolver& names_;
  std::size_t at_a_time_;
  std::size_t under_way_ = 0;
  std::size_t unanswered_ = 0; ///< in a row
  std::list<Lookup*> waiting_;
};

} // namespace slirpstack
