#include "base/environment.hpp"

#include <cstdlib>

namespace bartizan {

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): see the header
  if (value == nullptr || *value == 0) return std::nullopt;
  return value;
}

}  // namespace bartizan
