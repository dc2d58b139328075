#include "attest/broker/state_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::attest::broker {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 6> kOurs = {"store.sqlite", "ca.pem",  "ca.key",
                                                   "tls.pem",      "tls.key", "admin.token"};
constexpr std::array<std::string_view, 2> kNobodys = {"lock", "lost+found"};  // of a new volume

template <typename Names>
bool holds(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Result<void> check_state_folder(const fs::path& state) {
  std::error_code error;
  fs::directory_iterator entries(state, error);
  if (error == std::errc::no_such_file_or_directory) return {};
  if (error) return errno_error(error.value(), "attest/broker", state.string() + ": state folder");
  std::string stranger;
  for (const fs::directory_iterator end; entries != end; entries.increment(error)) {
    std::string name = entries->path().filename().string();
    if (holds(kOurs, name)) return {};
    if (!holds(kNobodys, name)) stranger = name;
    if (error) break;
  }
  if (stranger.empty()) return {};
  return invalid("attest/broker",
                 "state folder {}: it holds \"{}\" and nothing of a broker; name a folder of its "
                 "own, which is made if it is missing",
                 state.string(), stranger);
}

Result<UniqueFd> lock_state_folder(const fs::path& state) {
  UniqueFd lock = TRY(open_file(state / "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK)
    return errno_error(errno, "attest/broker", (state / "lock").string() + ": lock");
  return make_error(ErrorCode::already_exists, "attest/broker",
                    "state folder {}: another broker serves from it; stop that one, or name "
                    "another folder",
                    state.string());
}

}  // namespace bartizan::attest::broker
