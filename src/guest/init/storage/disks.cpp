#include "guest/init/storage/disks.hpp"

#include <fcntl.h>
#include <time.h>

#include <filesystem>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "guest_abi/boot_stages.hpp"
#include "guest_abi/manifest.hpp"

namespace bartizan::guest::init::storage {
namespace {

constexpr const char* kBlockFolder = "/sys/block";
constexpr uint64_t kMaxAttributeBytes = 256;  // of one sysfs file; the kernel gives at most a page
constexpr int kWaits = 200;  // of 10 ms: two seconds, generous for an emulated machine
constexpr long kWaitNanoseconds = 10'000'000;

Result<std::string> attribute(const std::filesystem::path& path) {
  Bytes content = TRY(read_file(path, kMaxAttributeBytes));
  std::string text(as_text(content));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\0')) text.pop_back();
  return text;
}

// An empty path means: not there (yet).
Result<Disk> look_for(std::string_view serial) {
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(kBlockFolder, problem)) {
    auto found = attribute(entry.path() / "serial");
    if (!found.ok() || *found != serial) continue;
    return Disk{"/dev/" + entry.path().filename().string(), TRY(attribute(entry.path() / "dev"))};
  }
  if (problem) return errno_error(problem.value(), "guest/init/storage/disks", kBlockFolder);
  return Disk{};
}

}  // namespace

Result<Disk> find_disk(std::string_view serial) {
  for (int i = 0; i < kWaits; ++i) {
    Disk disk = TRY(look_for(serial));
    if (!disk.path.empty()) return disk;
    const timespec moment{0, kWaitNanoseconds};
    ::nanosleep(&moment, nullptr);
  }
  return make_error(ErrorCode::not_found, "guest/init/storage/disks",
                    "no disk has the serial \"{}\"", serial);
}

Result<Bytes> strip_padding(Bytes content) {
  while (!content.empty() && content.back() == 0) content.pop_back();
  if (content.empty())
    return make_error(ErrorCode::corrupt, "guest/init/storage/disks", "manifest disk: empty");
  return content;
}

Result<Bytes> read_manifest_disk() {
  Disk disk = TRY(find_disk(guest_abi::kManifestSerial));
  // One sector more than the limit: the padding of a manifest of full size.
  return strip_padding(TRY(read_file(disk.path, guest_abi::kMaxManifestBytes + kSectorSize)));
}

}  // namespace bartizan::guest::init::storage
