#include "guest/init/storage/kernel_key.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include "base/errors.hpp"

namespace bartizan::guest::init::storage {
namespace {

// <linux/keyctl.h> without libkeyutils.
constexpr int kThreadKeyring = -1;
constexpr int kKeyctlInvalidate = 21;

}  // namespace

Result<KernelKey> KernelKey::add(const char* description, const SecretBytes& key) {
  long id =
      ::syscall(SYS_add_key, "logon", description, key.bytes().data(), key.size(), kThreadKeyring);
  if (id < 0) return errno_error(errno, "guest/init/storage/storage", "add_key");
  return KernelKey(id);
}

KernelKey::~KernelKey() {
  if (id_ >= 0) ::syscall(SYS_keyctl, kKeyctlInvalidate, id_);
}

}  // namespace bartizan::guest::init::storage
