#include "flow/map_edit.hh"

#include "flow/rule.hh"

#include <algorithm>
#include <fmt/format.h>

namespace slirpstack {

namespace {

/// The same error with its place in the text.
MappingError placed(const MappingError& error, const MapEdit& edit)
{
  if (edit.line == 0) {
    return error;
  }
  const unsigned column = edit.columns[static_cast<std::size_t>(error.part())];
  const RuleError in_text(edit.line, std::max(column, 1U), error.what());
  return {error.code(), error.part(), in_text.what()};
}

[[noreturn]] void throw_not_yours(MappingPart part, const Prefix& prefix)
{
  throw MappingError(std::errc::operation_not_permitted,
                     part,
                     fmt::format("{} is not yours to map", prefix.to_string()));
}

/// Changes a map and, unless it is told to keep the changes, takes them back.
class Transaction
{
public:
  Transaction(PrefixMap& map, const MapScope& scope) : map_(map), scope_(scope) {}
  ~Transaction()
  {
    for (auto change = made_.rbegin(); change != made_.rend(); ++change) {
      if (change->kind == MapEdit::Kind::add) {
        map_.remove(change->mapping.interface, change->mapping.internal);
      } else {
        map_.add(std::move(change->mapping));
      }
    }
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Transaction(Transaction&&) = delete;
  Transaction& operator=(Transaction&&) = delete;

  void make(const MapEdit& edit)
  {
    switch (edit.kind) {
      case MapEdit::Kind::add:
        add(edit.mapping);
        return;
      case MapEdit::Kind::remove:
        remove(edit.mapping);
        return;
      case MapEdit::Kind::drop:
        drop(edit.mapping.interface);
        return;
    }
  }
  void keep()
  {
    std::size_t seen = 0;
    map_.for_each([&](const PrefixMapping& mapping) { seen += scope_.sees(mapping) ? 1U : 0U; });
    if (scope_.is_bounded() && seen > MapScope::MAX_MAPPINGS) {
      throw MappingError(std::errc::no_space_on_device,
                         MappingPart::interface,
                         fmt::format("no space: you may have {} mappings", MapScope::MAX_MAPPINGS));
    }
    made_.clear();
  }

private:
  void add(const PrefixMapping& mapping)
  {
    if (!scope_.holds_internal(mapping.internal)) {
      throw_not_yours(MappingPart::internal, mapping.internal);
    }
    if (!scope_.holds_external(mapping.external)) {
      throw_not_yours(MappingPart::external, mapping.external);
    }
    if (mapping.open && !scope_.may_open()) {
      throw MappingError(std::errc::operation_not_permitted,
                         MappingPart::openness,
                         "open mappings are not yours to make");
    }
    map_.add(mapping);
    made_.push_back({MapEdit::Kind::add, mapping});
  }
  void remove(const PrefixMapping& named)
  {
    const PrefixMapping* const known = map_.find(named.interface, named.internal);
    if (!scope_.holds_internal(named.internal) || (known != nullptr && !scope_.changes(*known))) {
      throw_not_yours(MappingPart::internal, named.internal);
    }
    made_.push_back({MapEdit::Kind::remove, map_.remove(named.interface, named.internal)});
  }
  void drop(std::string_view interface)
  {
    std::vector<PrefixMapping> dropped;
    map_.for_each([&](const PrefixMapping& mapping) {
      if (scope_.changes(mapping) && (interface.empty() || mapping.interface == interface)) {
        dropped.push_back(mapping);
      }
    });
    for (const PrefixMapping& mapping : dropped) {
      made_.push_back({MapEdit::Kind::remove, map_.remove(mapping.interface, mapping.internal)});
    }
  }

  struct Change
  {
    MapEdit::Kind kind;
    PrefixMapping mapping;
  };

  PrefixMap& map_;
  const MapScope& scope_;
  std::vector<Change> made_;
};

} // namespace

void apply_edits(PrefixMap& map, std::span<const MapEdit> edits, const MapScope& scope)
{
  Transaction transaction(map, scope);
  for (const MapEdit& edit : edits) {
    try {
      transaction.make(edit);
    } catch (const MappingError& error) {
      throw placed(error, edit);
    }
  }
  transaction.keep();
  map.edited();
}

} // namespace slirpstack
