#include "plan/bundle/create/modules.hpp"

#include <archive.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "base/units.hpp"

namespace bartizan::plan::bundle::create {
namespace {

constexpr const char* kOrigin = "plan/bundle/modules";
// Debian's lists are under 1 MiB, its largest modules some 10 MiB; more is a file made to fill
// memory.
constexpr uint64_t kMaxIndexBytes = 16 * kMiB;
constexpr uint64_t kMaxModuleBytes = 64 * kMiB;
// Real chains are some five long. A deeper one is made to exhaust the stack.
constexpr int kMaxDepth = 64;

constexpr WantedModule kGuestModules[] = {
    {"virtio_mmio"},
    {"virtio_console"},
    {"virtio_blk"},
    {"virtio_rng", false},
    {"virtio_net"},
    {"af_packet", false},
    {"vsock"},
    {"vmw_vsock_virtio_transport"},
    {"dm_mod"},
    {"sha256_ssse3", false},
    {"sha256_generic", false},
    {"dm_verity"},
    {"ecb", false},  // soft dependency of xts
    {"aesni_intel", false},
    {"aes_generic", false},
    {"xts"},
    {"dm_crypt"},
    {"crc32c_generic", false},  // libcrc32c, which erofs needs, fails to load without it
    {"erofs"},
    {"overlay"},
    {"hmac", false},  // this and the next two: scratch disks; a guest without them reports an error
    {"dm_integrity", false},
    {"ext4", false},
    // Kernels before 6.13 ask for gcm(aes) by name when sev_guest starts. aesni_intel has one too,
    // but only while the host shows the AES bit of CPUID; without a gcm there is no evidence.
    {"ctr", false},
    {"ghash_generic", false},
    {"gcm", false},
    {"sev_guest", false},
    {"tdx_guest", false},
};

// "kernel/fs/erofs/erofs.ko.xz" -> "erofs", with '-' made '_' as the kernel does.
std::string module_name(std::string_view path) {
  auto name = path.substr(path.rfind('/') + 1);
  name = name.substr(0, name.find(".ko"));
  std::string plain(name);
  std::replace(plain.begin(), plain.end(), '-', '_');
  return plain;
}

// The paths come from a file: none may lead out of the folder.
bool is_inside(std::string_view path) {
  return !path.empty() && path.front() != '/' && path.find("..") == path.npos &&
         path.find(".ko") != path.npos;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    auto end = std::min(text.find(separator), text.size());
    if (end != 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

struct ArchiveFree {
  void operator()(archive* reader) const { archive_read_free(reader); }
};

Error damaged(std::string_view name, archive* reader) {
  const char* why = archive_error_string(reader);
  return make_error(ErrorCode::corrupt, kOrigin, "{}: {}", name,
                    why ? why : "cannot be decompressed");
}

Result<Bytes> read_to_end(archive* reader, std::string_view name) {
  Bytes content;
  uint8_t chunk[65536];
  for (;;) {
    la_ssize_t count = archive_read_data(reader, chunk, sizeof chunk);
    if (count < 0) return damaged(name, reader);
    if (count == 0) return content;
    if (content.size() + static_cast<size_t>(count) > kMaxModuleBytes) {
      return make_error(ErrorCode::resource_exhausted, kOrigin, "{}: unpacks to more than {} bytes",
                        name, kMaxModuleBytes);
    }
    content.insert(content.end(), chunk, chunk + count);
  }
}

// Debian packs modules with xz, others with zstd or gzip.
Result<Bytes> decompress(ByteView packed, std::string_view name) {
  std::unique_ptr<archive, ArchiveFree> reader(archive_read_new());
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry = nullptr;
  if (archive_read_open_memory(reader.get(), packed.data(), packed.size()) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
    return damaged(name, reader.get());
  }
  return read_to_end(reader.get(), name);
}

Result<Module> load_module(const std::filesystem::path& folder, const std::string& path) {
  auto content = TRY(read_regular_file(folder / path, kMaxModuleBytes));
  auto name = path.substr(path.rfind('/') + 1);
  if (!name.ends_with(".ko")) content = TRY(decompress(content, path));
  constexpr std::string_view kElf =
      "\x7f"
      "ELF";
  if (!as_text(content).starts_with(kElf)) {
    return make_error(ErrorCode::corrupt, kOrigin, "{}: no ELF file", path);
  }
  return Module{name.substr(0, name.find(".ko") + 3), std::move(content)};
}

}  // namespace

struct ModuleIndex::State {
  struct Entry {
    std::string path;
    std::vector<std::string> needs;  // names
  };
  std::map<std::string, Entry, std::less<>> modules;
  std::set<std::string, std::less<>> builtin;

  struct Order {
    std::vector<std::string> paths;
    std::set<std::string, std::less<>> done;
  };
  Result<void> visit(const std::string& name, int depth, Order* order) const;
};

ModuleIndex::ModuleIndex(std::unique_ptr<State> state) : state_(std::move(state)) {}
ModuleIndex::ModuleIndex(ModuleIndex&&) noexcept = default;
ModuleIndex::~ModuleIndex() = default;

Result<ModuleIndex> ModuleIndex::parse(std::string_view dependencies, std::string_view builtin) {
  auto state = std::make_unique<State>();
  for (auto line : split(dependencies, '\n')) {
    auto colon = line.find(':');
    if (colon == line.npos || !is_inside(line.substr(0, colon))) {
      return make_error(ErrorCode::corrupt, kOrigin, "modules.dep: unusable line \"{:.80}\"", line);
    }
    State::Entry entry{std::string(line.substr(0, colon)), {}};
    for (auto need : split(line.substr(colon + 1), ' ')) entry.needs.push_back(module_name(need));
    state->modules.emplace(module_name(entry.path), std::move(entry));
  }
  for (auto line : split(builtin, '\n')) state->builtin.insert(module_name(line));
  return ModuleIndex(std::move(state));
}

Result<void> ModuleIndex::State::visit(const std::string& name, int depth, Order* order) const {
  if (order->done.contains(name)) return {};
  auto found = modules.find(name);
  if (found == modules.end() || depth > kMaxDepth) {
    return make_error(ErrorCode::corrupt, kOrigin, "modules.dep: module {} is {}", name,
                      depth > kMaxDepth ? "part of a circle" : "needed but not listed");
  }
  // modules.dep names the nearest dependency first; what is farthest away must be loaded first.
  const auto& needs = found->second.needs;
  for (auto need = needs.rbegin(); need != needs.rend(); ++need) {
    TRY(visit(*need, depth + 1, order));
  }
  if (order->done.insert(name).second) order->paths.push_back(found->second.path);
  return {};
}

Result<std::vector<std::string>> ModuleIndex::load_order(
    std::span<const WantedModule> wanted) const {
  State::Order order;
  for (const auto& want : wanted) {
    auto name = module_name(want.name);
    if (state_->builtin.contains(name)) continue;
    if (state_->modules.contains(name)) {
      TRY(state_->visit(name, 0, &order));
    } else if (want.required) {
      return make_error(ErrorCode::unsupported, kOrigin,
                        "this kernel has no module {}, and it is not built in", name);
    }
  }
  return std::move(order.paths);
}

std::span<const WantedModule> guest_modules() {
  return kGuestModules;
}

Result<ModuleIndex> ModuleIndex::read(const std::filesystem::path& folder) {
  auto dependencies = TRY(read_regular_file(folder / "modules.dep", kMaxIndexBytes));
  auto builtin = TRY(read_regular_file(folder / "modules.builtin", kMaxIndexBytes));
  return parse(as_text(dependencies), as_text(builtin));
}

bool ModuleIndex::has(std::string_view name) const {
  return state_->modules.contains(module_name(name));
}

Result<std::vector<Module>> collect_modules(const std::filesystem::path& folder,
                                            std::span<const WantedModule> wanted) {
  auto index = TRY(ModuleIndex::read(folder));
  std::vector<Module> modules;
  for (const auto& path : TRY(index.load_order(wanted))) {
    modules.push_back(TRY(load_module(folder, path)));
  }
  return modules;
}

}  // namespace bartizan::plan::bundle::create
