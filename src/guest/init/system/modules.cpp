#include "guest/init/system/modules.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"

namespace bartizan::guest::init::system {
namespace {

constexpr const char* kOrderFile = "/modules.order";
constexpr std::string_view kFolder = "/modules";
// The list is part of the measured initrd; more would be a bundle gone wrong.
constexpr uint64_t kMaxOrderBytes = 64 * kKiB;

// EEXIST: loaded or built in. ENODEV: hardware that this machine does not have (AES-NI, the SEV
// guest device).
bool tolerable(int os_errno) {
  return os_errno == EEXIST || os_errno == ENODEV;
}

Result<bool> load_module(const std::string& path) {
  UniqueFd file = TRY(open_file(path, O_RDONLY));
  bool loaded = ::syscall(SYS_finit_module, file.get(), "", 0) == 0;
  if (!loaded && !tolerable(errno)) {
    return errno_error(errno, "guest/init/system/modules", fmt::format("finit_module {}", path));
  }
  ::unlink(path.c_str());
  return loaded;
}

}  // namespace

Result<std::vector<std::string>> parse_module_order(std::string_view text,
                                                    std::string_view folder) {
  std::vector<std::string> paths;
  while (!text.empty()) {
    size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    // "name.ko", "modules/name.ko" and "/modules/name.ko" mean the same file.
    if (line.starts_with('/')) line.remove_prefix(1);
    if (line.starts_with("modules/")) line.remove_prefix(8);
    if (line.empty()) continue;
    if (line.find('/') != std::string_view::npos || line == ".." || line == ".") {
      return make_error(ErrorCode::corrupt, "guest/init/system/modules",
                        "{}: \"{}\" is not a file of {}", kOrderFile, line, folder);
    }
    paths.push_back(fmt::format("{}/{}", folder, line));
  }
  return paths;
}

Result<ModuleCount> load_modules(const std::function<void()>& after_each) {
  Bytes order = TRY(read_file(kOrderFile, kMaxOrderBytes));
  ModuleCount count;
  for (const std::string& path : TRY(parse_module_order(as_text(order), kFolder))) {
    bool loaded = TRY(load_module(path));
    ++(loaded ? count.loaded : count.passed);
    after_each();
  }
  return count;
}

}  // namespace bartizan::guest::init::system
