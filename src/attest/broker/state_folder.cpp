#include "attest/broker/state_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

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

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

std::span<const std::string_view> broker_files() {
  return kOurs;
}

// Never for a moment with another mode: who is killed then would leave it so.
Result<void> make_state_folder(const fs::path& state) {
  const fs::path folder = state.has_filename() ? state : state.parent_path();
  std::error_code error;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (error) return errno_error(error.value(), "attest/broker", state.string() + ": create folder");
  if (::mkdir(folder.c_str(), 0700) == 0 || (errno == EEXIST && fs::is_directory(folder, error)))
    return {};
  return errno_error(errno, "attest/broker", state.string() + ": create folder");
}

Result<void> check_restore_folder(const fs::path& state) {
  if (is_there(state / kRestoreMark)) return {};
  for (std::string_view name : kOurs) {
    if (!is_there(state / name)) continue;
    return make_error(ErrorCode::already_exists, "attest/broker",
                      "state folder {}: it holds a broker ({}): name another folder, or move that "
                      "one away",
                      state.string(), name);
  }
  return check_state_folder(state);
}

Result<void> remove_broker_files(const fs::path& state) {
  std::error_code error;
  for (std::string_view name : kOurs) {
    if (fs::remove(state / name, error); error) break;
  }
  for (const char* name : {"store.sqlite-wal", "store.sqlite-shm", "store.sqlite-journal"}) {
    if (!error) fs::remove(state / name, error);
  }
  if (!error) return {};
  return errno_error(error.value(), "attest/broker", state.string() + ": remove");
}

Result<void> check_state_folder(const fs::path& state) {
  if (is_there(state / kRestoreMark)) {
    return make_error(ErrorCode::invalid_state, "attest/broker",
                      "state folder {}: a backup was not restored to its end: `bartizan broker "
                      "restore` once more",
                      state.string());
  }
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
