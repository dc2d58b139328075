// Results as JSON. Made by scripts/make-api
// from api/*.toml: change those.
#include "common/json_view.hpp"

#include "base/bytes.hpp"

namespace bartizan::view {

Json to_json(const BundleInfo& from) {
  return Json{{"path", from.path.string()},
              {"kernel_release", from.kernel_release},
              {"kernel_sha256", from.kernel_sha256},
              {"initrd_sha256", from.initrd_sha256},
              {"kernel_bytes", from.kernel_bytes},
              {"initrd_bytes", from.initrd_bytes},
              {"command_line", from.command_line},
              {"digest", from.digest},
              {"tees", names_of(from.tees)},
              {"replaced_digest", from.replaced_digest}};
}

}  // namespace bartizan::view
