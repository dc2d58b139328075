#include "guest/init/host/tsm_report.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::guest::init::host {
namespace {

constexpr const char* kOrigin = "guest/evidence";
constexpr size_t kMaxProvider = 64;

// Nobody else makes entries here: init is alone until the workload starts.
class TsmEntry {
 public:
  static Result<TsmEntry> make() {
    constexpr unsigned long kFlags = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    if (::mount("configfs", kConfigFolder, "configfs", kFlags, "") != 0 && errno != EBUSY)
      return errno_error(errno, kOrigin, fmt::format("mount configfs on {}", kConfigFolder));
    TsmEntry entry;
    if (::mkdir(entry.path().c_str(), 0700) == 0 || errno == EEXIST) return entry;
    if (errno != ENOENT && errno != ENXIO)
      return errno_error(errno, kOrigin, fmt::format("mkdir {}", entry.path().string()));
    return make_error(ErrorCode::unsupported, kOrigin,
                      "{}: this kernel makes no TSM reports (CONFIG_TSM_REPORTS, Linux 6.7) or its "
                      "tdx_guest has no quotes to offer",
                      kTsmFolder);
  }
  TsmEntry(TsmEntry&& other) noexcept : owned_(std::exchange(other.owned_, false)) {}
  ~TsmEntry() {
    if (owned_) ::rmdir(path().c_str());
  }
  std::filesystem::path path() const { return std::filesystem::path(kTsmFolder) / "bartizan"; }

 private:
  TsmEntry() = default;
  bool owned_ = true;
};

// One write: the kernel takes the blob when the file is closed.
Result<void> write_blob(const std::filesystem::path& path, std::span<const uint8_t> blob) {
  UniqueFd file = TRY(open_file(path, O_WRONLY));
  TRY(write_all(file.get(), blob, path.string()));
  if (::close(file.release()) == 0) return {};
  return errno_error(errno, kOrigin, path.string());
}

Result<void> check_provider(const std::filesystem::path& entry) {
  const Bytes text = TRY(read_file(entry / "provider", kMaxProvider));
  std::string name(as_text(text));
  while (!name.empty() && name.back() == '\n') name.pop_back();
  if (name == kTdxProvider) return {};
  return refused(kOrigin, "tee", kTdxProvider, name,
                 "the kernel's TSM reports are of \"{}\", and this guest was measured as tdx",
                 name);
}

}  // namespace

Result<Bytes> report_of_entry(const std::filesystem::path& entry,
                              std::span<const uint8_t> report_data) {
  TRY(check_provider(entry));
  TRY(write_blob(entry / "inblob", report_data));
  auto quote = read_file(entry / "outblob", kMaxTsmReport);
  if (quote.ok() && !quote->empty()) return quote;
  if (!quote.ok() && quote.error().os_errno == 0) return quote;
  return make_error(ErrorCode::io, kOrigin,
                    "the host gave no quote ({}): its quoting service is not there, or not "
                    "reachable for the VMM (`run --quote-service`)",
                    quote.ok() ? "0 bytes" : quote.error().message);
}

Result<Bytes> tdx_quote(std::span<const uint8_t> report_data) {
  const TsmEntry entry = TRY(TsmEntry::make());
  return report_of_entry(entry.path(), report_data);
}

}  // namespace bartizan::guest::init::host
