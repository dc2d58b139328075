#include "runtime/engines.hpp"

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

std::string containerd_text(const fs::path& program) {
  const std::string table = "plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.bartizan";
  return head() + "version = 2\n\n[" + table + "]\nruntime_type = \"io.containerd.runc.v2\"\n\n[" +
         table + ".options]\nBinaryName = " + toml_string(program) + "\n";
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
          {"containerd", "/etc/containerd/conf.d/50-bartizan.toml", containerd_text(program)},
          {"cri-o", "/etc/crio/crio.conf.d/50-bartizan.conf", crio_text(program)}};
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
