#include "image/oci/skopeo.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/unique_fd.hpp"

namespace bartizan::image::oci {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "image/oci";
// skopeo's last output names the cause; verbose output must not fill memory.
constexpr size_t kMaxWords = 4096;
constexpr int kAskEveryMs = 200;  // whether to go on

constexpr std::array<std::string_view, 9> kTransports = {
    "docker://", "docker-archive:",     "docker-daemon:", "oci:",   "oci-archive:",
    "dir:",      "containers-storage:", "tarball:",       "ostree:"};
// Of these, where an image can be put; OCI's own two are written without skopeo.
constexpr std::array<std::string_view, 6> kDestinations = {
    "docker://", "docker-archive:", "docker-daemon:", "dir:", "containers-storage:", "ostree:"};

bool begins_with_one_of(std::span<const std::string_view> transports, std::string_view name) {
  return std::ranges::any_of(
      transports, [&](std::string_view transport) { return name.starts_with(transport); });
}

bool is_regular(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// By the first name in it. A compressed archive can only be Docker's.
Result<std::string> transport_of_archive(const fs::path& file) {
  constexpr size_t kMagic = 257;
  std::array<char, 512> first{};
  UniqueFd fd = TRY(open_file(file, O_RDONLY | O_NONBLOCK));
  bool whole = ::pread(fd.get(), first.data(), first.size(), 0) == std::ssize(first);
  std::string_view text(first.data(), first.size());
  if (text.starts_with("\x1f\x8b")) return std::string("docker-archive:");
  if (!whole || text.substr(kMagic, 5) != "ustar") {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: not an OCI layout, and no archive",
                      file.string());
  }
  bool oci = text.starts_with("blobs") || text.starts_with("oci-layout") ||
             text.starts_with("index.json") || text.starts_with("./");
  return std::string(oci ? "oci-archive:" : "docker-archive:");
}

struct Child {
  pid_t pid = -1;
  UniqueFd output;
};

Result<Child> start(const std::vector<std::string>& command) {
  Pipe pipe = TRY(make_pipe());
  Child child;
  child.output = std::move(pipe.read);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, pipe.write.get(), 2);
  int status =
      ::posix_spawnp(&child.pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (status == ENOENT) {
    return make_error(ErrorCode::unsupported, kOrigin,
                      "skopeo, which copies images from and to other places than OCI layouts, is "
                      "not installed");
  }
  if (status != 0) return errno_error(status, kOrigin, "start skopeo");
  return child;
}

// The child's last words; asks the caller meanwhile whether to go on.
Result<std::string> listen(const Child& child, const char* step, const ProgressSink& progress) {
  std::string words;
  for (;;) {
    if (progress && !progress({step, 0, 0}))
      return make_error(ErrorCode::cancelled, kOrigin, "{}: cancelled by the caller", step);
    pollfd wait{child.output.get(), POLLIN, 0};
    if (::poll(&wait, 1, kAskEveryMs) <= 0) continue;
    char chunk[1024];
    ssize_t got = ::read(child.output.get(), chunk, sizeof chunk);
    if (got <= 0) return words;
    words.append(chunk, static_cast<size_t>(got));
    if (words.size() > kMaxWords) words.erase(0, words.size() - kMaxWords);
  }
}

int reap(const Child& child) {
  int status = -1;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  size_t newline = text.rfind('\n');
  return newline == std::string::npos ? text : text.substr(newline + 1);
}

// Runs skopeo to its end; `where` is what an error names.
Result<void> run(const std::vector<std::string>& command, const char* step, std::string_view where,
                 const ProgressSink& progress) {
  auto started = start(command);
  if (!started.ok()) {
    Error error = std::move(started).error();
    error.message = fmt::format("{}: {}", where, error.message);
    return error;
  }
  auto words = listen(*started, step, progress);
  if (!words.ok()) ::kill(started->pid, SIGTERM);
  const int status = reap(*started);
  if (!words.ok()) return words.error();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  const std::string line = last_line(*words);
  const bool absent = line.find("no such file") != std::string::npos ||
                      line.find("not found") != std::string::npos ||
                      line.find("manifest unknown") != std::string::npos;
  return make_error(absent ? ErrorCode::not_found : ErrorCode::io, kOrigin, "{}: skopeo copy: {}",
                    where, line.substr(0, 1000));
}

}  // namespace

bool needs_fetch(const fs::path& source) {
  if (is_regular(source)) return true;
  std::error_code ignored;
  return !fs::exists(source, ignored) && begins_with_one_of(kTransports, source.native());
}

bool needs_push(const fs::path& output) {
  return begins_with_one_of(kDestinations, output.native());
}

Result<void> fetch(const fs::path& source, const std::string& reference, const fs::path& layout,
                   const ProgressSink& progress) {
  std::vector<std::string> command = {"skopeo", "--override-os", "linux", "--override-arch",
                                      "amd64"};
  std::string from = source.native();
  if (is_regular(source)) {
    // A file is not signed: who gives it vouches for it. Whatever comes over a network obeys the
    // policy of the machine.
    command.push_back("--insecure-policy");
    from = TRY(transport_of_archive(source)) + from + (reference.empty() ? "" : ":" + reference);
  }
  command.insert(command.end(), {"copy", "--quiet"});
  // Layers stay as they are: compressing them only to unpack them here would be for nothing. Not so
  // from Docker's archives, whose plain layers skopeo then leaves plain but calls gzip.
  if (!from.starts_with("docker-archive:"))
    command.push_back("--dest-oci-accept-uncompressed-layers");
  command.push_back(from);
  command.push_back("oci:" + layout.native() + ":latest");
  return run(command, "fetch", source.native(), progress);
}

// Our own layout is not signed, whatever the machine's policy asks of images from elsewhere.
Result<void> push(const fs::path& layout, const std::string& reference, const fs::path& output,
                  const ProgressSink& progress) {
  std::vector<std::string> command = {"skopeo", "--insecure-policy", "copy", "--quiet"};
  // The digest by which the image was registered or signed; other places have formats of their own.
  if (output.native().starts_with("docker://")) command.push_back("--preserve-digests");
  command.push_back("oci:" + layout.native() + ":" + reference);
  command.push_back(output.native());
  return run(command, "push", output.native(), progress);
}

}  // namespace bartizan::image::oci
