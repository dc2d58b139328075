// What `bartizan broker check` finds in a state folder.

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "attest/broker/identity.hpp"
#include "attest/broker/state_folder.hpp"
#include "attest/broker/store.hpp"
#include "bartizan/broker.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"
#include "base/timestamp.hpp"

namespace bartizan {
using namespace attest::broker;  // NOLINT: the public functions of this component
namespace {

namespace fs = std::filesystem;

constexpr const char* kOrigin = "attest/broker";
constexpr mode_t kOthersBits = 077, kOthersMayRead = 022;
constexpr std::string_view kStoreLogs[] = {"store.sqlite-wal", "store.sqlite-shm"};

class Findings {
 public:
  void add(const char* name, bool good, const std::string& found) {
    good_ = good_ && good;
    list_.push_back({{"name", name}, {"good", good}, {"found", found}});
  }
  void add(const char* name, const Result<std::string>& found) {
    add(name, found.ok(), found.ok() ? *found : found.error().message);
  }
  std::string json() && {
    return Json{{"good", good_}, {"checks", std::move(list_)}}.dump(-1, ' ', false,
                                                                    Json::error_handler_t::replace);
  }

 private:
  bool good_ = true;
  Json list_ = Json::array();
};

Result<std::string> store_found(Store& store) {
  const int64_t number = TRY(store.check_all());
  return fmt::format("whole, {} registration{}", number, number == 1 ? "" : "s");
}

Result<std::string> audit_found(Store& store) {
  const AuditChain chain = TRY(store.verify_audit());
  return fmt::format("{} entries, head {}", chain.entries,
                     chain.entries == 0 ? "none" : to_hex(chain.head));
}

Result<std::string> certificates_found(const fs::path& state) {
  const IdentityDates dates = TRY(check_identity(state, std::time(nullptr)));
  return fmt::format("of TLS until {}{}, the authority until {}", rfc3339(dates.tls_expires),
                     dates.renewable ? " (made anew at a start)" : ", and its key is not here",
                     rfc3339(dates.ca_expires));
}

// Certificates are public, all else is the owner's alone; and one owner has all.
Result<void> check_access(const fs::path& path, uid_t owner, mode_t forbidden, bool folder) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return errno_error(errno, kOrigin, path.string());
  }
  const auto wrong = [&](const std::string& what) {
    return make_error(ErrorCode::permission_denied, kOrigin, "{}: {}", path.string(), what);
  };
  if (folder ? !S_ISDIR(status.st_mode) : !S_ISREG(status.st_mode))
    return wrong(folder ? "no folder" : "no regular file");
  if ((status.st_mode & forbidden) != 0) {
    return wrong(fmt::format("mode {:04o}: others may use it; chmod {}", status.st_mode & 07777,
                             forbidden == kOthersMayRead ? "go-w" : "go-rwx"));
  }
  if (status.st_uid == owner) return {};
  return wrong(fmt::format("owner {}, and that of the folder is {}: chown", status.st_uid, owner));
}

Result<std::string> access_found(const fs::path& state) {
  struct stat status {};
  if (::stat(state.c_str(), &status) != 0) return errno_error(errno, kOrigin, state.string());
  const fs::path folder = fs::is_symlink(state) ? fs::read_symlink(state) : state;
  TRY(check_access(folder.is_absolute() ? folder : state.parent_path() / folder, status.st_uid,
                   kOthersBits, true));
  const auto check = [&](std::string_view name) {
    const bool is_public = name == "ca.pem" || name == "tls.pem";
    return check_access(state / name, status.st_uid, is_public ? kOthersMayRead : kOthersBits,
                        false);
  };
  for (std::string_view name : broker_files()) TRY(check(name));
  for (std::string_view name : kStoreLogs) TRY(check(name));
  return fmt::format("the owner's alone, user {}", status.st_uid);
}

}  // namespace

Result<std::string> check_broker(const fs::path& state) {
  const fs::path path = state / kStoreFile;
  std::error_code failure;
  if (!fs::is_regular_file(path, failure)) {
    return make_error(ErrorCode::not_found, kOrigin, "{}: no store of a broker is there",
                      path.string());
  }
  Findings findings;
  auto store = Store::open_as_it_is(path);
  if (store.ok()) {
    findings.add("store", store_found(*store));
    findings.add("audit", audit_found(*store));
  } else {
    findings.add("store", false, store.error().message);
  }
  findings.add("files", access_found(state));
  findings.add("certificates", certificates_found(state));
  return std::move(findings).json();
}

}  // namespace bartizan
