#include "runtime/engines.hpp"

#include <sys/stat.h>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/units.hpp"

namespace bartizan::runtime {
namespace {

namespace fs = std::filesystem;
constexpr char kOrigin[] = "runtime";
constexpr uint64_t kMaxDropIn = 64 * kKiB;

// TOML's basic strings are JSON's.
std::string toml_string(const fs::path& path) {
  return json_quoted(path.native());
}

std::string head() {
  return std::string(kWrittenHere) + "; docs/runtimes.md\n";
}

// A list here replaces podman's own, whose entries are therefore repeated. What its manual calls
// runtime_supports_nocgroups is read under another name (podman 4.3.1: the singular).
std::string podman_text(const fs::path& program) {
  constexpr const char* kWithoutCgroups =
      " = [\"crun\", \"krun\", \"bartizan\", \"bartizan-runtime\"]\n";
  return head() + "[engine]\n" +
         "runtime_supports_json = [\"crun\", \"runc\", \"kata\", \"runsc\", \"youki\", \"krun\", "
         "\"bartizan\", \"bartizan-runtime\"]\n" +
         "runtime_supports_nocgroups" + kWithoutCgroups + "runtime_supports_nocgroup" +
         kWithoutCgroups +
         "runtime_supports_kvm = [\"kata\", \"kata-runtime\", \"kata-qemu\", \"kata-fc\", "
         "\"krun\", "
         "\"bartizan\", \"bartizan-runtime\"]\n" +
         "\n[engine.runtimes]\nbartizan = [" + toml_string(program) + "]\n";
}

// ---- containerd

constexpr std::string_view kEndOfBlock = "# End of what `bartizan-runtime install` wrote";

std::string_view trimmed(std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t");
  return begin == line.npos ? std::string_view() : line.substr(begin);
}

// `text` without the block of an earlier installation.
Result<std::string> without_block(std::string_view text) {
  const size_t begin = text.find(kWrittenHere);
  if (begin == text.npos) return std::string(text);
  const size_t end = text.find(kEndOfBlock, begin);
  if (end == text.npos)
    return invalid(kOrigin,
                   "{}: the block that starts with \"{}\" has no end: remove it, and install again",
                   kContainerdConfig, kWrittenHere);
  const size_t after = std::min(text.find('\n', end), text.size() - 1) + 1;
  return std::string(text.substr(0, begin)) + std::string(text.substr(after));
}

// What decides about the block.
struct ContainerdFacts {
  std::string version;  // of the file's format
  bool has_runtimes = false, has_ours = false, has_systemd_cgroups = false;
};

void take_line(std::string_view line, ContainerdFacts& to) {
  constexpr std::string_view kVersion = "version = ";
  if (line.starts_with(kVersion)) to.version = line.substr(kVersion.size(), 1);
  to.has_systemd_cgroups |= line.starts_with("SystemdCgroup = true");
  if (!line.starts_with('[') || line.find(".containerd.runtimes.") == line.npos) return;
  to.has_runtimes = true;
  to.has_ours |= line.find(".runtimes.bartizan]") != line.npos;
}

ContainerdFacts facts_of(std::string_view text) {
  ContainerdFacts facts;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    take_line(trimmed(text.substr(0, end)), facts);
    text.remove_prefix(end);
  }
  return facts;
}

// A list of runtimes in the file replaces containerd's own, which has runc: it is repeated.
std::string containerd_block(const ContainerdFacts& facts, const fs::path& program) {
  const std::string runtimes = fmt::format("plugins.\"io.containerd.{}\".containerd.runtimes",
                                           facts.version == "3" ? "cri.v1.runtime" : "grpc.v1.cri");
  const std::string type = "runtime_type = \"io.containerd.runc.v2\"\n";
  const std::string cgroups = facts.has_systemd_cgroups ? "SystemdCgroup = true\n" : "";
  std::string block = head();
  if (!facts.has_runtimes) block += "[" + runtimes + ".runc]\n" + type + "\n";
  block += "[" + runtimes + ".bartizan]\n" + type + "pod_annotations = [\"org.bartizan.*\"]\n" +
           "container_annotations = [\"org.bartizan.*\"]\n\n";
  block += "[" + runtimes + ".bartizan.options]\nBinaryName = " + toml_string(program) + "\n";
  return block + cgroups + std::string(kEndOfBlock) + "\n";
}

std::string crio_text(const fs::path& program) {
  return head() + "[crio.runtime.runtimes.bartizan]\nruntime_path = " + toml_string(program) +
         "\nruntime_type = \"oci\"\n";
}

Result<std::string> read_drop_in(const fs::path& path) {
  const Bytes text = TRY(read_regular_file(path, kMaxDropIn));
  return std::string(as_text(text));
}

}  // namespace

std::vector<DropIn> drop_ins_of_root(const fs::path& program) {
  return {{"podman", "/etc/containers/containers.conf.d/50-bartizan.conf", podman_text(program)},
          {"cri-o", "/etc/crio/crio.conf.d/50-bartizan.conf", crio_text(program)}};
}

Result<std::string> containerd_config(std::string_view own, const fs::path& program) {
  std::string text = TRY(without_block(own));
  const ContainerdFacts facts = facts_of(text);
  if (facts.version != "2" && facts.version != "3")
    return invalid(kOrigin,
                   "{}: neither \"version = 2\" nor \"version = 3\": bring it to one of them with "
                   "`containerd config migrate`",
                   kContainerdConfig);
  if (facts.has_ours)
    return invalid(kOrigin, "{}: has a runtime \"bartizan\" that was not written here: remove it",
                   kContainerdConfig);
  if (!text.ends_with('\n')) text += '\n';
  return text + containerd_block(facts, program);
}

Result<void> write_containerd_config(const fs::path& program, const fs::path& root) {
  const fs::path path = root / fs::path(kContainerdConfig).relative_path();
  const Bytes own = TRY(read_regular_file(path, kMaxContainerdConfig));
  const std::string text = TRY(containerd_config(as_text(own), program));
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return errno_error(errno, kOrigin, path.string());
  // It may hold passwords of registries.
  return write_file(path, as_bytes(text), status.st_mode & 0777);
}

std::vector<DropIn> drop_ins_of_user(const fs::path& program, const fs::path& home_config) {
  return {{"podman", home_config / "containers/containers.conf.d/50-bartizan.conf",
           podman_text(program)}};
}

Result<void> write_drop_in(const DropIn& file, const fs::path& root) {
  const fs::path path = root / file.path.relative_path();
  auto old = read_drop_in(path);
  if (!old.ok() && old.error().code != ErrorCode::not_found) return std::move(old).error();
  if (old.ok() && !old->starts_with(kWrittenHere))
    return make_error(ErrorCode::already_exists, kOrigin,
                      "{}: there already, and not written by this program: move it away first",
                      path.string());
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error)
    return errno_error(error.value(), kOrigin, "make folder " + path.parent_path().string());
  return write_file(path, as_bytes(file.content));
}

DropInState state_of(const DropIn& file) {
  auto text = read_drop_in(file.path);
  if (!text.ok()) return DropInState::missing;
  return *text == file.content ? DropInState::current : DropInState::other;
}

}  // namespace bartizan::runtime
