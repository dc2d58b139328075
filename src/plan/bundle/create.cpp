// create_bundle: from an installed kernel and our init to a folder that any machine makes byte for
// byte the same.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "bartizan/machine.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "crypto/hash.hpp"
#include "plan/boot/bzimage.hpp"
#include "plan/boot/command_line.hpp"
#include "plan/bundle/bundle.hpp"
#include "plan/bundle/bundle_json.hpp"
#include "plan/bundle/cpio.hpp"
#include "plan/bundle/guest_init.hpp"
#include "plan/bundle/lz4_legacy.hpp"
#include "plan/bundle/modules.hpp"

namespace bartizan {
using namespace plan::bundle;  // NOLINT: the public functions of this component
namespace plan::bundle {
namespace {

using std::filesystem::path;

constexpr const char* kOrigin = "plan/bundle/create";
// Ours has some 6 MiB; the limit keeps a wrong file out.
constexpr uint64_t kMaxInitBytes = 32 * kMiB;

// What keeps a stock kernel from waiting for or polling hardware that is not there; with it a boot
// takes a handful of exits. The log console comes with the virtio-console module.
constexpr std::string_view kDefaultCommandLine =
    "quiet panic=-1 reboot=t 8250.nr_uarts=0 i8042.noaux i8042.nokbd tsc=reliable no_timer_check "
    "random.trust_cpu=on cryptomgr.notests pci=off console=hvc0";

Result<void> report_progress(const ProgressSink& sink, std::string_view stage, uint64_t done,
                             uint64_t total) {
  if (!sink || sink({stage, done, total})) return {};
  return make_error(ErrorCode::cancelled, kOrigin, "guest bundle: cancelled at stage \"{}\"",
                    stage);
}

// The newest kernel below `root` whose modules are there too; empty: none.
path newest_kernel(const path& root, std::string_view suffix) {
  std::error_code error;
  std::string newest;
  for (const auto& entry : std::filesystem::directory_iterator(root / "boot", error)) {
    auto name = entry.path().filename().string();
    if (!name.starts_with("vmlinuz-") || !name.ends_with(suffix)) continue;
    if (!std::filesystem::is_directory(root / "lib/modules" / name.substr(8), error)) continue;
    if (newest.empty() || ::strverscmp(newest.c_str(), name.c_str()) < 0) newest = name;
  }
  return newest.empty() ? path() : root / "boot" / newest;
}

// A cloud kernel has all that a guest needs and is the smallest; any other of Debian's will do.
// This machine's own, then what scripts/setup unpacked next to the build folder that this program
// is of.
Result<path> default_kernel() {
  std::vector<path> roots = {"/"};
  for (const auto& folder : program_folders()) roots.push_back(folder / "../../../tools");
  for (std::string_view suffix : {"-cloud-amd64", "-amd64"}) {
    for (const auto& root : roots) {
      if (path found = newest_kernel(root, suffix); !found.empty()) return found.lexically_normal();
    }
  }
  return make_error(ErrorCode::not_found, kOrigin,
                    "kernel: no /boot/vmlinuz-*-amd64 with its folder below /lib/modules; install "
                    "linux-image-cloud-amd64 or name one");
}

// "/lib/modules/RELEASE", or "ROOT/lib/modules/RELEASE" of a kernel that is in ROOT/boot.
path modules_of(const path& kernel, const std::string& release) {
  const path below = std::filesystem::path("lib/modules") / release;
  std::error_code error;
  if (kernel.parent_path().filename() == "boot") {
    path beside = kernel.parent_path().parent_path() / below;
    if (std::filesystem::is_directory(beside, error)) return beside;
  }
  return "/" / below;
}

struct Inputs {
  Bytes kernel, init;
  std::vector<Module> modules;
  std::string release, command_line;
};

Result<std::vector<Module>> read_modules(const path& folder, const std::string& release) {
  auto modules = collect_modules(folder, guest_modules());
  if (modules.ok()) return modules;
  Error error = std::move(modules).error();
  error.message = fmt::format("modules of kernel {}: {}", release, error.message);
  return error;
}

Result<Inputs> read_inputs(const BundleOptions& options) {
  Inputs inputs;
  std::string_view parts[] = {kDefaultCommandLine, options.extra_command_line};
  inputs.command_line = TRY(boot::join_command_line(parts));
  TRY(report_progress(options.progress, "kernel", 0, 0));
  auto kernel = options.kernel.empty() ? TRY(default_kernel()) : options.kernel;
  inputs.kernel = TRY(read_file(kernel, boot::kMaxKernelBytes));
  auto image = boot::parse_bzimage(inputs.kernel);
  if (!image.ok()) {
    Error error = std::move(image).error();
    error.message = fmt::format("{}: {}", kernel.string(), error.message);
    return error;
  }
  inputs.release = image->release;
  auto init = options.init.empty() ? TRY(find_guest_init()) : options.init;
  inputs.init = TRY(read_file(init, kMaxInitBytes));
  TRY(report_progress(options.progress, "modules", 0, 0));
  auto folder = options.modules.empty() ? modules_of(kernel, inputs.release) : options.modules;
  inputs.modules = TRY(read_modules(folder, inputs.release));
  return inputs;
}

Bytes initrd_of(const Inputs& inputs) {
  CpioWriter cpio;
  std::string order;
  cpio.add_file("init", 0755, inputs.init);
  cpio.add_folder("modules");
  for (const auto& module : inputs.modules) {
    cpio.add_file("modules/" + module.file_name, 0644, module.content);
    order += module.file_name + '\n';
  }
  cpio.add_file("modules.order", 0644, as_bytes(order));
  return std::move(cpio).finish();
}

Result<Bytes> make_initrd(const Inputs& inputs, const ProgressSink& progress) {
  auto plain = initrd_of(inputs);
  TRY(report_progress(progress, "initrd", 0, plain.size()));
  auto packed = TRY(lz4_legacy(plain));
  TRY(report_progress(progress, "initrd", plain.size(), plain.size()));
  auto& smaller = packed.size() < plain.size() ? packed : plain;
  if (smaller.size() > kMaxInitrdBytes) {
    return make_error(ErrorCode::resource_exhausted, kOrigin, "initrd: {} bytes, the limit is {}",
                      smaller.size(), kMaxInitrdBytes);
  }
  return std::move(smaller);
}

// Puts the finished folder in the place of `output`; only an earlier bundle or an empty folder is
// replaced.
Result<void> move_into_place(Unfinished* made, const path& output) {
  if (::rename(made->path().c_str(), output.c_str()) == 0) {
    made->commit();
    return {};
  }
  int why = errno;
  std::error_code ignored;
  if (!std::filesystem::exists(output, ignored)) {
    return errno_error(why, kOrigin, fmt::format("{}: rename", output.string()));
  }
  if (!std::filesystem::exists(output / "bundle.json", ignored)) {
    return make_error(ErrorCode::already_exists, kOrigin, "{}: exists and is not a guest bundle",
                      output.string());
  }
  // The old bundle goes to the unfinished name, and away with it.
  if (::renameat2(AT_FDCWD, made->path().c_str(), AT_FDCWD, output.c_str(), RENAME_EXCHANGE) != 0) {
    return errno_error(errno, kOrigin,
                       fmt::format("{}: exchange with the new bundle", output.string()));
  }
  return {};
}

Result<void> write_bundle(const BundleInfo& info, ByteView kernel, ByteView initrd,
                          const path& output) {
  std::error_code error;
  auto parent = std::filesystem::absolute(output, error).parent_path();
  std::filesystem::create_directories(parent, error);
  if (error) return errno_error(error.value(), kOrigin, fmt::format("{}: create", parent.string()));
  auto pattern = (parent / ".bundle-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return errno_error(errno, kOrigin, fmt::format("{}: create", pattern));
  }
  Unfinished made{pattern};
  ::chmod(pattern.c_str(), 0755);
  TRY(write_file(made.path() / "kernel", kernel));
  TRY(write_file(made.path() / "initrd", initrd));
  TRY(write_file(made.path() / "bundle.json", as_bytes(TRY(bundle_json(info)))));
  return move_into_place(&made, output);
}

}  // namespace
}  // namespace plan::bundle

Result<BundleInfo> create_bundle(const BundleOptions& options) {
  auto inputs = TRY(read_inputs(options));
  auto initrd = TRY(make_initrd(inputs, options.progress));
  BundleInfo info;
  info.path = options.output.empty() ? default_bundle_path() : options.output;
  if (!info.path.has_filename()) info.path = info.path.parent_path();
  info.kernel_release = inputs.release;
  info.kernel_sha256 = to_hex(crypto::sha256(inputs.kernel));
  info.initrd_sha256 = to_hex(crypto::sha256(initrd));
  info.kernel_bytes = inputs.kernel.size();
  info.initrd_bytes = initrd.size();
  info.command_line = inputs.command_line;
  TRY(report_progress(options.progress, "write", 0, info.kernel_bytes + info.initrd_bytes));
  TRY(write_bundle(info, inputs.kernel, initrd, info.path));
  return info;
}

}  // namespace bartizan
