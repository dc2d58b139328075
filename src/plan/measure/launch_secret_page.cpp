#include "plan/measure/launch_secret_page.hpp"

#include "base/units.hpp"
#include "guest_abi/launch_secret.hpp"
#include "plan/bundle/cpio.hpp"

namespace bartizan::plan::measure {
namespace {

constexpr uint32_t kOnlyRoot = 0400;

// cpio newc: a header of 110 bytes, then the name with its zero, both padded to four.
constexpr uint64_t kNameEnd = 110 + guest_abi::kLaunchSecretFile.size() + 1;
static_assert((kNameEnd + 3) / 4 * 4 == kSecretOffset && kSecretOffset % 16 == 0);
static_assert(guest_abi::kLaunchSecretBytes == guest_abi::kStubSecretBytes);

}  // namespace

Bytes launch_secret_page() {
  bundle::CpioWriter segment;
  segment.add_file(guest_abi::kLaunchSecretFile, kOnlyRoot, Bytes(guest_abi::kLaunchSecretBytes));
  Bytes page = std::move(segment).finish();
  page.resize(kPageSize);  // the boot stub hashes it whole; the kernel passes over zeros
  return page;
}

}  // namespace bartizan::plan::measure
