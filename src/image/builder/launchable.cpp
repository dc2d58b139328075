#include "image/builder/launchable.hpp"

#include <algorithm>
#include <optional>

#include "bartizan/tee.hpp"
#include "base/endpoint.hpp"
#include "base/errors.hpp"
#include "base/json.hpp"
#include "crypto/x509.hpp"
#include "image/builder/disk_secrets.hpp"
#include "image/parts/files.hpp"
#include "image/tar/path.hpp"

namespace bartizan::image::builder {
namespace {

constexpr char kOrigin[] = "image/builder";
constexpr size_t kLeastPassphraseBytes = 8;
constexpr int kMaxLinkHops = 40;  // as Linux follows
constexpr uint16_t kExecutable = 0111;
constexpr std::string_view kForce = "`force` accepts it";

Result<void> check_limits(const parts::KrunConfig& settings) {
  if (settings.vcpus == 0 || settings.vcpus > kMaxVcpus)
    return invalid(kOrigin, "vcpus {}: must be 1 to {}", settings.vcpus, kMaxVcpus);
  if (settings.ram_mib >= kMinRamMib && settings.ram_mib <= kMaxRamMib) return {};
  return invalid(kOrigin, "ram_mib {}: must be {} to {}", settings.ram_mib, kMinRamMib, kMaxRamMib);
}

// Of text that repeats itself from its first bytes to its last: how many are repeated. Else all.
size_t period_of(ByteView text) {
  for (size_t period = 1; period <= text.size() / 2; ++period)
    if (std::equal(text.begin() + static_cast<ptrdiff_t>(period), text.end(), text.begin()))
      return period;
  return text.size();
}

// The key slot costs a guesser 1000 rounds of PBKDF2, because a random key needs no more.
Result<void> check_key(const BuildOptions& options) {
  const size_t random = options.disk_key ? period_of(options.disk_key->bytes()) : 0;
  if (options.disk_key ? random >= kLeastKeyBytes : !options.reproducible) return {};
  if (options.disk_key && options.disk_key->empty()) return invalid(kOrigin, "disk_key: empty");
  if (options.force && !options.reproducible) return {};
  if (options.disk_key && options.disk_key->size() >= kLeastKeyBytes) {
    return invalid(kOrigin,
                   "disk_key: repeats its first {} bytes, but must have {} random ones, as others "
                   "can be guessed; without disk_key one is drawn; {}",
                   random, kLeastKeyBytes, kForce);
  }
  if (options.reproducible) {
    return invalid(kOrigin, "disk_key: a reproducible build needs one of {} bytes at least",
                   kLeastKeyBytes);
  }
  return invalid(
      kOrigin,
      "disk_key: of {} bytes, but must have {} random ones, as a shorter one can be guessed; "
      "without disk_key one is drawn, and what people type is recovery_passphrase; {}",
      options.disk_key->size(), kLeastKeyBytes, kForce);
}

// Argon2id makes a guess cost a second, which protects what takes years of them.
Result<void> check_recovery(const BuildOptions& options) {
  if (!options.recovery_passphrase) return {};
  const size_t size = options.recovery_passphrase->size();
  if (size == 0) return invalid(kOrigin, "recovery_passphrase: empty");
  if (size >= kLeastPassphraseBytes || options.force) return {};
  return invalid(
      kOrigin,
      "recovery_passphrase: of {} bytes, but must have {} at least, as a shorter one can "
      "be guessed; {}",
      size, kLeastPassphraseBytes, kForce);
}

Result<void> check_authority(const BuildOptions& options) {
  if (options.broker_ca_pem.find("PRIVATE KEY") != std::string::npos)
    return invalid(kOrigin, "broker_ca_pem: has a private key in it, and an image is public");
  if (options.broker_ca_pem.empty()) {
    return invalid(kOrigin,
                   "broker_ca_pem: needed with a broker_url, the guest believes nobody else");
  }
  auto authorities = crypto::Certificate::all_from_pem(options.broker_ca_pem);
  if (authorities.ok()) return {};
  return invalid(kOrigin,
                 "broker_ca_pem: not a certificate in PEM ({}): no guest could get its key",
                 authorities.error().message);
}

// The host of a SEV launch asks before it, so that there may be reasons for no network.
Result<void> check_broker(const BuildOptions& options, const std::string& url) {
  if (!options.broker_ca_pem.empty() && url.empty())
    return invalid(kOrigin, "broker_ca_pem: without a broker_url; the key would be the caller's");
  if (url.empty()) return {};
  auto endpoint = Endpoint::parse(url);
  if (!endpoint.ok()) return invalid(kOrigin, "broker_url {}", endpoint.error().message);
  TRY(check_authority(options));
  if (options.force) return {};
  if (!options.network)
    return invalid(kOrigin,
                   "network: off, and by it a guest asks its broker; without broker_url the caller "
                   "of a launch gives the key; {}",
                   kForce);
  if (!endpoint->is_loopback()) return {};
  return invalid(kOrigin,
                 "broker_url \"{}\": in the guest that is the guest itself; the host is 10.0.2.2 "
                 "there; {}",
                 url, kForce);
}

std::string text_of(const Json& config, const char* key) {
  auto found = config.find(key);
  return found != config.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string first_of(const Json& config, const char* key) {
  auto found = config.find(key);
  const bool list = found != config.end() && found->is_array() && !found->empty();
  return list && found->front().is_string() ? found->front().get<std::string>() : std::string();
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// Walks as a process in the guest would, links at the end followed.
class PathWalk {
 public:
  explicit PathWalk(filesystem::Tree& tree) : tree_(tree) {}

  // 0: there is none, or links in a loop.
  Result<filesystem::NodeId> find(std::string_view path) {
    way_ = {filesystem::Tree::kRoot};
    rest_ = tar::split_target(path).parts;
    std::ranges::reverse(rest_);
    while (!rest_.empty()) {
      std::string name = std::move(rest_.back());
      rest_.pop_back();
      if (name == "..") {
        if (way_.size() > 1) way_.pop_back();
      } else if (!TRY(enter(name))) {
        return filesystem::NodeId{0};
      }
    }
    return way_.back();
  }

 private:
  Result<bool> enter(const std::string& name) {
    filesystem::NodeId child = tree_.find(way_.back(), name);
    if (child == 0) return false;
    if (tree_.inode_of(child).type != filesystem::FileType::symlink) {
      way_.push_back(child);
      return true;
    }
    if (++hops_ > kMaxLinkHops) return false;
    auto attributes = TRY(tree_.attributes(tree_.node(child).inode));
    tar::LinkTarget target = tar::split_target(attributes.tail);
    if (target.absolute) way_ = {filesystem::Tree::kRoot};
    rest_.insert(rest_.end(), target.parts.rbegin(), target.parts.rend());
    return true;
  }

  filesystem::Tree& tree_;
  std::vector<filesystem::NodeId> way_;  // from the root
  tar::Path rest_;                       // the next name last
  int hops_ = 0;
};

// The content of a small file, which the tree still holds. Nothing: there is none, or a larger one.
Result<std::optional<std::string>> small_file(filesystem::Tree& tree, std::string_view path) {
  filesystem::NodeId node = TRY(PathWalk(tree).find(path));
  if (node == 0) return std::optional<std::string>("");
  const filesystem::Inode& inode = tree.inode_of(node);
  if (inode.type != filesystem::FileType::regular || inode.size != inode.tail_bytes)
    return std::optional<std::string>();
  return std::optional<std::string>(TRY(tree.attributes(tree.node(node).inode)).tail);
}

// passwd(5), group(5)
bool has_entry(std::string_view file, std::string_view name) {
  const std::string begin = std::string(name) + ":";
  return file.starts_with(begin) || file.find("\n" + begin) != file.npos;
}

Result<void> check_account(filesystem::Tree& tree, const std::string& name, const char* what,
                           const char* path) {
  if (name.empty() || is_number(name)) return {};
  auto file = TRY(small_file(tree, path));
  if (!file || has_entry(*file, name)) return {};
  return invalid(kOrigin, "source: {} \"{}\" of its configuration is not in its {}; {}", what, name,
                 path, kForce);
}

Result<void> check_program(filesystem::Tree& tree, const std::string& program) {
  if (!program.starts_with('/')) return {};  // looked for in the guest, in PATH
  filesystem::NodeId node = TRY(PathWalk(tree).find(program));
  if (node == 0)
    return invalid(kOrigin, "source: its command \"{}\" is not in it; {}", program, kForce);
  const filesystem::Inode& inode = tree.inode_of(node);
  if (inode.type == filesystem::FileType::regular && (inode.mode & kExecutable) != 0) return {};
  return invalid(kOrigin, "source: its command \"{}\" is not an executable file; {}", program,
                 kForce);
}

Result<void> check_is_ordinary(const filesystem::Tree& tree) {
  const auto has = [&](std::string_view name) {
    return tree.find(filesystem::Tree::kRoot, name) != 0;
  };
  if (!has(parts::kDiskFile) || (!has(parts::kManifestFile) && !has(parts::kKrunFile))) return {};
  if (!has(parts::kManifestFile)) {
    return invalid(kOrigin,
                   "source: a confidential image of buildah mkcw or oci2cw: give its passphrase as "
                   "source_passphrase, or build from the one that it was made of; {}",
                   kForce);
  }
  return invalid(
      kOrigin,
      "source: already a confidential image, and a guest cannot open an image in its image: "
      "build from the one that it was made of; {}",
      kForce);
}

}  // namespace

Result<void> check_launchable(const BuildOptions& options, const parts::KrunConfig& settings) {
  TRY(check_limits(settings));
  TRY(check_key(options));
  TRY(check_recovery(options));
  return check_broker(options, settings.attestation_url);
}

namespace {

// An image for another processor has nothing that a guest could execute.
Result<void> check_platform(const Json& config) {
  const std::string os = text_of(config, "os"), architecture = text_of(config, "architecture");
  if ((os.empty() || os == "linux") && (architecture.empty() || architecture == "amd64")) return {};
  return invalid(kOrigin, "source: an image for {}/{}, and guests are linux/amd64: {}; {}", os,
                 architecture, oci::kOtherPlatformAdvice, kForce);
}

}  // namespace

Result<Process> Process::of(const oci::SourceImage& source, bool force) {
  Process process;
  process.force_ = force;
  Json document = TRY(parse_json(as_text(source.config), "config"));
  if (!force) TRY(check_platform(document));
  auto found = document.is_object() ? document.find("config") : document.end();
  const Json config = found != document.end() && found->is_object() ? *found : Json::object();
  process.program_ = first_of(config, "Entrypoint");
  if (process.program_.empty()) process.program_ = first_of(config, "Cmd");
  if (process.program_.empty() && !force) {
    return invalid(kOrigin,
                   "source: its configuration has neither Entrypoint nor Cmd, so a guest has "
                   "nothing to run; {}",
                   kForce);
  }
  const std::string user = text_of(config, "User");
  const size_t colon = std::min(user.find(':'), user.size());
  process.user_ = user.substr(0, colon);
  process.group_ = user.substr(std::min(colon + 1, user.size()));
  return process;
}

Result<void> Process::check(filesystem::Tree& tree) const {
  if (force_) return {};
  TRY(check_is_ordinary(tree));
  TRY(check_program(tree, program_));
  TRY(check_account(tree, user_, "user", "/etc/passwd"));
  return check_account(tree, group_, "group", "/etc/group");
}

}  // namespace bartizan::image::builder
