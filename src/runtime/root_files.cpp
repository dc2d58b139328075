#include "runtime/root_files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/errors.hpp"
#include "base/file.hpp"
#include "image/parts/files.hpp"
#include "image/parts/krun.hpp"

namespace bartizan::runtime {
namespace {

constexpr char kOrigin[] = "runtime";

int open_below(int root, const std::string& name) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  return static_cast<int>(::syscall(SYS_openat2, root, name.c_str(), &how, sizeof how));
}

bool is_regular(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

Result<Bytes> read_bounded(int fd, uint64_t limit, const std::string& name) {
  Bytes content(limit + 1);
  content.resize(TRY(read_up_to(fd, content, name)));
  if (content.size() > limit)
    return make_error(ErrorCode::resource_exhausted, kOrigin,
                      "{}: larger than the limit of {} bytes", name, limit);
  return content;
}

Result<ImageFacts> facts_of(ByteView manifest, std::string_view krun) {
  ImageFacts facts;
  facts.manifest = TRY(guest_abi::Manifest::parse(manifest));
  const auto settings = TRY(image::parts::parse_krun_json(krun));
  facts.ram_mib = settings.ram_mib;
  facts.tee = TRY(image::parts::tee_of(settings));
  return facts;
}

}  // namespace

Result<RootFiles> RootFiles::open(const std::filesystem::path& root) {
  return RootFiles(TRY(open_file(root, O_PATH | O_DIRECTORY)), root);
}

Result<std::optional<Bytes>> RootFiles::read(const std::string& name, uint64_t limit) const {
  const std::string shown = (name_ / name).string();
  UniqueFd fd(open_below(root_.get(), name));
  if (!fd.valid() && errno == ENOENT) return std::optional<Bytes>();
  if (!fd.valid() && errno != ELOOP && errno != EXDEV)
    return errno_error(errno, kOrigin, shown + ": open");
  if (!fd.valid() || !is_regular(fd.get()))
    return invalid(kOrigin, "{}: not a regular file of the image", shown);
  return std::optional<Bytes>(TRY(read_bounded(fd.get(), limit, shown)));
}

bool RootFiles::has(const std::string& name) const {
  struct stat status {};
  return ::fstatat(root_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

Result<std::optional<ImageFacts>> read_image_facts(const RootFiles& root) {
  const std::string krun_file(image::parts::kKrunFile), disk_file(image::parts::kDiskFile);
  if (!root.has(krun_file) && !root.has(disk_file)) return std::optional<ImageFacts>();
  auto manifest =
      TRY(root.read(std::string(image::parts::kManifestFile), guest_abi::kMaxManifestBytes));
  if (!manifest) return std::optional<ImageFacts>();
  auto krun = TRY(root.read(krun_file, image::parts::kMaxKrunJson));
  if (!krun)
    return make_error(ErrorCode::corrupt, kOrigin,
                      "the image has /{} but no /{}: build it again with `bartizan build`",
                      image::parts::kManifestFile, image::parts::kKrunFile);
  return std::optional<ImageFacts>(TRY(facts_of(*manifest, as_text(*krun))));
}

}  // namespace bartizan::runtime
