// create_bundle: from an installed kernel and our init to a folder that any machine makes byte for
// byte the same.
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "bartizan/machine.hpp"
#include "base/blocked_signal.hpp"
#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"
#include "crypto/hash.hpp"
#include "plan/boot/bzimage.hpp"
#include "plan/boot/command_line.hpp"
#include "plan/bundle/bundle.hpp"
#include "plan/bundle/bundle_json.hpp"
#include "plan/bundle/cpio.hpp"
#include "plan/bundle/create/guest_init.hpp"
#include "plan/bundle/create/kernel.hpp"
#include "plan/bundle/create/lz4_legacy.hpp"
#include "plan/bundle/create/modules.hpp"
#include "plan/bundle/guest_tees.hpp"

namespace bartizan {
using namespace plan::bundle;          // NOLINT: the public function of this component
using namespace plan::bundle::create;  // NOLINT: the same
namespace plan::bundle::create {
namespace {

using std::filesystem::path;

constexpr const char* kOrigin = "plan/bundle/create";
constexpr std::string_view kDamaged = "damaged";
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

// The guest has no loader: whatever needs one would end as a kernel panic.
Result<void> check_is_static_program(ByteView file, const path& name) {
  Elf64_Ehdr head{};
  const auto wrong = [&](std::string_view why) {
    return invalid(kOrigin, "init: {}: not a static executable for x86-64: {}", name.string(), why);
  };
  if (file.size() < sizeof head) return wrong("too short");
  std::memcpy(&head, file.data(), sizeof head);
  if (std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0) return wrong("no ELF file");
  if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_machine != EM_X86_64 ||
      (head.e_type != ET_EXEC && head.e_type != ET_DYN))
    return wrong("of another kind or processor");
  if (head.e_phentsize != sizeof(Elf64_Phdr) || head.e_phnum == 0 || head.e_phoff > file.size() ||
      head.e_phnum > (file.size() - head.e_phoff) / sizeof(Elf64_Phdr))
    return wrong("its program headers lie outside the file");
  for (size_t i = 0; i < head.e_phnum; ++i) {
    Elf64_Phdr part{};
    std::memcpy(&part, file.data() + head.e_phoff + i * sizeof part, sizeof part);
    if (part.p_type == PT_INTERP) return wrong("it needs a dynamic loader");
  }
  return {};
}

// Of the bundle that is in the way; empty if there is none. Its kernel may have suffered, while its
// description still is that of the new one.
std::string digest_at(const path& folder) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder / "bundle.json", ignored)) return {};
  auto found = bartizan::read_bundle(folder);
  return found.ok() ? found->digest : std::string(kDamaged);
}

struct Inputs {
  Bytes kernel, init;
  std::vector<Module> modules;
  std::string release, command_line;
  std::vector<Tee> tees;
};

// For who looks at what would be taken, and stops there.
Error with_kernel(Error error, const path& kernel, const std::vector<Tee>& tees) {
  error.got = fmt::format("{}, which can be a guest of {}", kernel.string(), to_string(tees));
  return error;
}

Result<Inputs> read_inputs(const BundleOptions& options) {
  Inputs inputs;
  std::string_view parts[] = {kDefaultCommandLine, options.extra_command_line};
  inputs.command_line = TRY(boot::join_command_line(parts));
  TRY(report_progress(options.progress, "kernel", 0, 0));
  auto kernel = options.kernel.empty() ? TRY(default_kernel()) : options.kernel;
  inputs.kernel = TRY(read_regular_file(kernel, boot::kMaxKernelBytes));
  auto image = boot::parse_bzimage(inputs.kernel);
  if (!image.ok()) {
    Error error = std::move(image).error();
    error.message = fmt::format("{}: {}", kernel.string(), error.message);
    return error;
  }
  inputs.release = image->release;
  auto init = options.init.empty() ? TRY(find_guest_init()) : options.init;
  inputs.init = TRY(read_regular_file(init, kMaxInitBytes));
  TRY(check_is_static_program(inputs.init, init));
  auto folder = options.modules.empty() ? modules_of(kernel, inputs.release) : options.modules;
  inputs.tees = TRY(tees_of(kernel, inputs.release, folder));
  auto go_on = report_progress(options.progress, "modules", 0, 0);
  if (!go_on.ok()) return with_kernel(go_on.error(), kernel, inputs.tees);
  auto modules = collect_modules(folder, guest_modules());
  if (!modules.ok()) return about_modules(modules.error(), inputs.release);
  inputs.modules = *std::move(modules);
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

// An overlay file system renames no folder of its lower layer (EXDEV), but files in it. While they
// differ, and if it ends here, the bundle is refused: its description has the digests of both.
Result<void> move_files(const path& made, const path& output) {
  for (const char* name : {"kernel", "initrd", "bundle.json"}) {
    if (::rename((made / name).c_str(), (output / name).c_str()) != 0)
      return errno_error(errno, kOrigin, fmt::format("{}: rename", (output / name).string()));
  }
  return {};
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
  if (::renameat2(AT_FDCWD, made->path().c_str(), AT_FDCWD, output.c_str(), RENAME_EXCHANGE) == 0)
    return {};
  if (errno == EXDEV) return move_files(made->path(), output);
  return errno_error(errno, kOrigin,
                     fmt::format("{}: exchange with the new bundle", output.string()));
}

// A folder beside `output`, where what is renamed to it is on the same file system.
Result<path> folder_beside(const path& output) {
  std::error_code error;
  auto parent = std::filesystem::absolute(output, error).parent_path();
  std::filesystem::create_directories(parent, error);
  if (error) return errno_error(error.value(), kOrigin, fmt::format("{}: create", parent.string()));
  auto pattern = (parent / ".bundle-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return errno_error(errno, kOrigin, fmt::format("{}: create", pattern));
  }
  ::chmod(pattern.c_str(), 0755);
  return path(pattern);
}

Result<void> write_bundle(BundleInfo& info, ByteView kernel, ByteView initrd, const path& output) {
  const std::string json = TRY(bundle_json(info));
  info.digest = to_hex(crypto::sha256(as_bytes(json)));
  info.replaced_digest = digest_at(output);
  if (info.replaced_digest == info.digest) return {};  // it is there
  Unfinished made{TRY(folder_beside(output))};
  TRY(write_file(made.path() / "kernel", kernel));
  TRY(write_file(made.path() / "initrd", initrd));
  TRY(write_file(made.path() / "bundle.json", as_bytes(json)));
  return move_into_place(&made, output);
}

}  // namespace
}  // namespace plan::bundle::create

Result<BundleInfo> create_bundle(const BundleOptions& options) {
  const BlockedSignal quiet(SIGXFSZ);
  if (!options.output.empty()) TRY(require_parent("`output`", options.output));
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
  info.tees = inputs.tees;
  TRY(report_progress(options.progress, "write", 0, info.kernel_bytes + info.initrd_bytes));
  TRY(write_bundle(info, inputs.kernel, initrd, info.path));
  return info;
}

}  // namespace bartizan
