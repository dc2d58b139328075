#include "machine/launch_secret_page.hpp"

#include "bundle/cpio.hpp"
#include "manifest/launch_secret.hpp"

namespace bartizan::machine {
namespace {

constexpr uint32_t kOnlyRoot = 0400;

// cpio newc: a header of 110 bytes, then the name with its zero, both padded to four.
constexpr uint64_t kNameEnd = 110 + kLaunchSecretFile.size() + 1;
static_assert((kNameEnd + 3) / 4 * 4 == kSecretOffset && kSecretOffset % 16 == 0);
static_assert(kLaunchSecretBytes % 16 == 0);

}  // namespace

Bytes launch_secret_page() {
  bundle::CpioWriter segment;
  segment.add_file(kLaunchSecretFile, kOnlyRoot, Bytes(kLaunchSecretBytes));
  return std::move(segment).finish();
}

}  // namespace bartizan::machine
