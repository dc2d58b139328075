// FairTable: values by id, each with an owner, until they expire. It is bounded, and full means
// that the owner with most of them loses its oldest: whoever makes many pushes out its own and
// nobody else's. Not locked.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace bartizan::attest::broker {

template <typename Value>
class FairTable {
 public:
  explicit FairTable(size_t limit) : limit_(limit) {}

  // Replaces an earlier value of the id.
  void put(const std::string& id, const std::string& owner, int64_t expires, Value value,
           int64_t now) {
    erase(id);
    drop_expired(now);
    while (entries_.size() >= limit_) drop_of_greatest_owner();
    entries_.emplace(id, Entry{std::move(value), owner, expires});
    by_expiry_.emplace(std::pair(expires, id), owner);
    owners_[owner] += 1;
  }
  // Null: unknown or expired. Until the next call.
  Value* find(const std::string& id, int64_t now) {
    auto found = entries_.find(id);
    return found == entries_.end() || found->second.expires <= now ? nullptr : &found->second.value;
  }
  void erase(const std::string& id) {
    auto found = entries_.find(id);
    if (found == entries_.end()) return;
    auto owner = owners_.find(found->second.owner);
    if (--owner->second == 0) owners_.erase(owner);
    by_expiry_.erase(std::pair(found->second.expires, id));
    entries_.erase(found);
  }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {  // NOLINT(bugprone-exception-escape): a value may hold JSON
    Value value;
    std::string owner;
    int64_t expires = 0;
  };

  void drop_expired(int64_t now) {
    while (!by_expiry_.empty() && by_expiry_.begin()->first.first <= now) {
      const std::string id = by_expiry_.begin()->first.second;
      erase(id);
    }
  }
  void drop_of_greatest_owner() {
    auto greatest =
        std::max_element(owners_.begin(), owners_.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    auto oldest = std::find_if(by_expiry_.begin(), by_expiry_.end(),
                               [&](const auto& entry) { return entry.second == greatest->first; });
    const std::string id = oldest->first.second;
    erase(id);
  }

  size_t limit_;
  std::map<std::string, Entry> entries_;
  std::map<std::pair<int64_t, std::string>, std::string> by_expiry_;  // (expires, id) to owner
  std::map<std::string, size_t> owners_;                              // how many each has
};

}  // namespace bartizan::attest::broker
