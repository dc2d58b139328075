#include "guest/init/host/launch_secret_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "base/errors.hpp"
#include "base/file.hpp"

namespace bartizan::guest::init::host {

Result<FoundLaunchSecret> find_launch_secret(const std::filesystem::path& folder) {
  const auto path = folder / guest_abi::kLaunchSecretFile;
  auto file = open_file(path, O_RDWR | O_NOFOLLOW);
  if (!file.ok() && file.error().os_errno == ENOENT) return FoundLaunchSecret{};
  UniqueFd open = TRY(std::move(file));
  SecretBytes content(guest_abi::kLaunchSecretBytes);
  TRY(read_exactly(open.get(), content.mutable_bytes(), 0, path.native()));
  TRY(write_exactly(open.get(), Bytes(guest_abi::kLaunchSecretBytes), 0, path.native()));
  if (::unlink(path.c_str()) != 0) return errno_error(errno, "guest/launch_secret", path.native());
  return FoundLaunchSecret{true, TRY(guest_abi::parse_launch_secret(content.bytes()))};
}

}  // namespace bartizan::guest::init::host
