#include "guest/launch_secret_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::guest {

Result<TakenSecret> take_launch_secret(const std::filesystem::path& folder) {
  const auto path = folder / kLaunchSecretFile;
  auto file = open_file(path, O_RDWR | O_NOFOLLOW);
  if (!file.ok() && file.error().os_errno == ENOENT) return TakenSecret{};
  UniqueFd open = TRY(std::move(file));
  SecretBytes content(kLaunchSecretBytes);
  TRY(read_exactly(open.get(), content.mutable_bytes(), 0, path.native()));
  TRY(write_exactly(open.get(), Bytes(kLaunchSecretBytes), 0, path.native()));
  if (::unlink(path.c_str()) != 0) return errno_error(errno, "guest/launch_secret", path.native());
  return TakenSecret{true, TRY(parse_launch_secret(content.bytes()))};
}

}  // namespace bartizan::guest
