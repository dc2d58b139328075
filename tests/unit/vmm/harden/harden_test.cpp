// Tries what a confined thread must not be able to do, and what it must.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/errors.hpp"
#include "unit/vmm/harden/forbid.hpp"
#include "vmm/harden/confinement.hpp"
#include "vmm/harden/file_access.hpp"

namespace bartizan::vmm::harden {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

int error_of(long result) {
  return result < 0 ? errno : 0;
}

template <typename... Arguments>
int attempt(long number, Arguments... arguments) {
  return error_of(::syscall(number, arguments...));
}

// A host without this family or type refuses it with another error than a filter does.
int attempt_socket(int family, int type, int protocol = 0) {
  const int fd = static_cast<int>(::syscall(SYS_socket, family, type, protocol));
  if (fd < 0) return errno == EPERM ? EPERM : 0;
  ::close(fd);
  return 0;
}

int attempt_option(long number, int level, int name) {
  return attempt(number, -1, level, name, nullptr, nullptr) == EBADF ? 0 : EPERM;
}

const char* const kNobody[] = {nullptr};
uint8_t page[4096] __attribute__((aligned(4096)));

struct Attempt {
  const char* name;
  int (*call)();
};
constexpr Attempt kNobodyMay[] = {
    {"open a file", [] { return attempt(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY); }},
    {"open a file to write", [] { return attempt(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY); }},
    {"make a file", [] { return attempt(SYS_openat, AT_FDCWD, "/tmp/x", O_CREAT | O_RDWR, 0600); }},
    {"open, the old call", [] { return attempt(SYS_open, "/etc/passwd", O_RDONLY); }},
    {"open by a handle", [] { return attempt(SYS_open_by_handle_at, AT_FDCWD, page, O_RDONLY); }},
    {"execve", [] { return attempt(SYS_execve, "/bin/true", kNobody, kNobody); }},
    {"execveat", [] { return attempt(SYS_execveat, AT_FDCWD, "/bin/true", kNobody, kNobody, 0); }},
    {"fork", [] { return attempt(SYS_fork); }},
    {"clone a process", [] { return attempt(SYS_clone, SIGCHLD, 0, 0, 0, 0); }},
    {"netlink socket", [] { return attempt(SYS_socket, AF_NETLINK, SOCK_RAW, 0); }},
    {"packet socket", [] { return attempt(SYS_socket, AF_PACKET, SOCK_RAW, 0); }},
    {"raw socket", [] { return attempt(SYS_socket, AF_INET, SOCK_RAW, IPPROTO_ICMP); }},
    {"raw IPv6 socket", [] { return attempt(SYS_socket, AF_INET6, SOCK_RAW, IPPROTO_RAW); }},
    {"SCTP", [] { return attempt(SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_SCTP); }},
    {"MPTCP", [] { return attempt(SYS_socket, AF_INET6, SOCK_STREAM, 262); }},
    {"UDP-Lite", [] { return attempt(SYS_socket, AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE); }},
    {"bind to a device",
     [] { return attempt(SYS_setsockopt, -1, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 4); }},
    {"a filter of packets",
     [] { return attempt(SYS_setsockopt, -1, SOL_SOCKET, SO_ATTACH_FILTER, page, 16); }},
    {"another level's options",
     [] { return attempt(SYS_setsockopt, -1, IPPROTO_TCP, TCP_ULP, "tls", 3); }},
    {"who is at the other end",
     [] { return attempt(SYS_getsockopt, -1, SOL_SOCKET, SO_PEERCRED, page, page); }},
    {"unix datagrams", [] { return attempt(SYS_socket, AF_UNIX, SOCK_DGRAM, 0); }},
    {"unix datagrams in pairs",
     [] { return attempt(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, page); }},
    {"a place, unopened", [] { return attempt(SYS_openat, AT_FDCWD, "/etc/shadow", O_PATH); }},
    {"ptrace", [] { return attempt(SYS_ptrace, PTRACE_SEIZE, ::getppid(), 0, 0); }},
    {"read another process",
     [] { return attempt(SYS_process_vm_readv, ::getppid(), 0, 0, 0, 0, 0); }},
    {"signal another process", [] { return attempt(SYS_kill, ::getppid(), 0); }},
    {"signal its thread", [] { return attempt(SYS_tgkill, ::getppid(), ::getppid(), 0); }},
    {"executable memory",
     [] {
       return attempt(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
     }},
    {"make memory executable",
     [] { return attempt(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC); }},
    {"mount", [] { return attempt(SYS_mount, "", "/", "tmpfs", 0, ""); }},
    {"unshare", [] { return attempt(SYS_unshare, CLONE_FS); }},
    {"setns", [] { return attempt(SYS_setns, -1, 0); }},
    {"chroot", [] { return attempt(SYS_chroot, "/"); }},
    {"chdir", [] { return attempt(SYS_chdir, "/"); }},
    {"unlink", [] { return attempt(SYS_unlink, "/nonexistent"); }},
    {"rename", [] { return attempt(SYS_rename, "/nonexistent", "/nonexistent2"); }},
    {"setuid", [] { return attempt(SYS_setuid, ::getuid()); }},
    {"prctl", [] { return attempt(SYS_prctl, PR_SET_NAME, "x", 0, 0, 0); }},
    {"bpf", [] { return attempt(SYS_bpf, 0, 0, 0); }},
    {"io_uring", [] { return attempt(SYS_io_uring_setup, 1, 0); }},
    {"a ring's rules",
     [] { return attempt(SYS_io_uring_register, -1, IORING_UNREGISTER_FILES, 0, 0); }},
    {"a ring of the process",
     [] { return attempt(SYS_io_uring_enter, -1, 0, 0, IORING_ENTER_GETEVENTS, 0, 0); }},
    {"perf", [] { return attempt(SYS_perf_event_open, 0, 0, -1, -1, 0); }},
    {"userfaultfd", [] { return attempt(SYS_userfaultfd, 0); }},
    {"keys", [] { return attempt(SYS_keyctl, 0, 0, 0, 0, 0); }},
    {"kexec", [] { return attempt(SYS_kexec_load, 0, 0, 0, 0); }},
    {"module", [] { return attempt(SYS_finit_module, -1, "", 0); }},
    {"I/O ports", [] { return attempt(SYS_iopl, 0); }},
    {"type into a terminal", [] { return attempt(SYS_ioctl, 0, TIOCSTI, "x"); }},
    {"another VM", [] { return attempt(SYS_ioctl, -1, KVM_CREATE_VM, 0); }},
};
constexpr Attempt kDevicesMay[] = {
    {"a pair of streams",
     [] {
       int pair[2] = {-1, -1};
       const int error = attempt(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
       for (int fd : pair) ::close(fd);
       return error;
     }},
    {"read a disk", [] { return attempt(SYS_pread64, -1, page, 0, 0) == EBADF ? 0 : EPERM; }},
    {"the thread's own ring, if it had one",
     [] {
       const int error = attempt(SYS_io_uring_enter, 0, 0, 0, IORING_ENTER_REGISTERED_RING, 0, 0);
       return error == EINVAL || error == EBADF ? 0 : EPERM;
     }},
    {"terminal's size",
     [] { return attempt(SYS_ioctl, -1, TIOCGWINSZ, page) == EBADF ? 0 : EPERM; }},
};
constexpr Attempt kDisksMay[] = {
    {"make a hole",
     [] {
       const int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
       return attempt(SYS_fallocate, -1, hole, 0, 4096) == EBADF ? 0 : EPERM;
     }},
};
constexpr Attempt kDevicesMayNot[] = {
    {"allocate a file's end", [] { return attempt(SYS_fallocate, -1, 0, 0, 4096); }},
    {"shorten a file",
     [] { return attempt(SYS_fallocate, -1, FALLOC_FL_COLLAPSE_RANGE, 0, 4096); }},
};
// Docker's, systemd's and others' sockets start programs for whoever connects.
constexpr Attempt kJoiningMay[] = {
    {"unix socket", [] { return attempt_socket(AF_UNIX, SOCK_STREAM); }},
    {"connect", [] { return attempt(SYS_connect, -1, page, 0) == EBADF ? 0 : EPERM; }},
};
constexpr Attempt kNetworkMay[] = {
    {"IPv4", [] { return attempt_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC); }},
    {"IPv6, datagrams", [] { return attempt_socket(AF_INET6, SOCK_DGRAM); }},
    {"no delay", [] { return attempt_option(SYS_setsockopt, IPPROTO_TCP, TCP_NODELAY); }},
    {"IPv6 alone", [] { return attempt_option(SYS_setsockopt, IPPROTO_IPV6, IPV6_V6ONLY); }},
    {"what failed", [] { return attempt_option(SYS_getsockopt, SOL_SOCKET, SO_ERROR); }},
    {"listen", [] { return attempt(SYS_listen, -1, 1) == EBADF ? 0 : EPERM; }},
};
constexpr Attempt kVcpusMay[] = {
    {"run a guest", [] { return attempt(SYS_ioctl, -1, KVM_RUN, 0) == EBADF ? 0 : EPERM; }},
};
constexpr Attempt kQuotingVcpusMay[] = {
    {"connect", [] { return attempt(SYS_connect, -1, page, 0) == EBADF ? 0 : EPERM; }},
};

void on_a_thread(const ThreadSetup& setup, const std::function<void()>& body) {
  auto thread = start_thread("test", body, 0, setup);
  ASSERT_TRUE(thread.ok()) << thread.error().describe();
  thread->join();
}

ThreadNeeds needs() {
  return {.network = true, .quotes = false, .readable = {}};
}

// What there is, without a word of what there is not.
Setups confined(const ThreadNeeds& what) {
  std::vector<std::string> missing;
  return confine(Hardening::preferred, what, &missing).value();
}

bool has_landlock() {
  return make_file_access({}).ok();
}

class ConfinedThread : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_landlock()) GTEST_SKIP() << "no Landlock in this kernel, or not in this container";
  }
  void nobody_may(const ThreadSetup& setup) {
    on_a_thread(setup, [] {
      for (const Attempt& one : kNobodyMay) {
        const int error = one.call();
        EXPECT_TRUE(error == EPERM || error == EACCES) << one.name << ": errno " << error;
      }
      EXPECT_EQ(attempt(SYS_clone3, 0, 0), ENOSYS);
    });
  }
  void expect_all(const ThreadSetup& setup, std::span<const Attempt> attempts, int error) {
    on_a_thread(setup, [=] {
      for (const Attempt& one : attempts) EXPECT_EQ(one.call(), error) << one.name;
    });
  }
};

TEST_F(ConfinedThread, MayNotDoWhatNoThreadNeeds) {
  const Setups setups = confined(needs());
  nobody_may(setups.devices);
  nobody_may(setups.vcpus);
  nobody_may(confined({.network = false, .quotes = true, .readable = {}}).vcpus);
}

TEST_F(ConfinedThread, MayDoWhatItsDutyNeeds) {
  const Setups with = confined({.network = true, .quotes = true, .readable = {}});
  const Setups without = confined({});
  expect_all(with.devices, kDevicesMay, 0);
  expect_all(without.devices, kDevicesMay, 0);
  expect_all(without.devices, kDisksMay, 0);
  expect_all(without.devices, kDevicesMayNot, EPERM);
  expect_all(with.devices, kNetworkMay, 0);
  expect_all(without.devices, kNetworkMay, EPERM);
  expect_all(confined({.joins = true}).devices, kJoiningMay, 0);
  expect_all(without.devices, kJoiningMay, EPERM);
  expect_all(with.devices, std::span(kJoiningMay).first(1), EPERM);
  expect_all(with.vcpus, kVcpusMay, 0);
  expect_all(with.vcpus, kQuotingVcpusMay, 0);
  expect_all(without.vcpus, kVcpusMay, 0);
  expect_all(without.vcpus, kQuotingVcpusMay, EPERM);
  expect_all(without.vcpus, kDevicesMay, EPERM);
  expect_all(without.devices, kVcpusMay, EPERM);
}

TEST_F(ConfinedThread, ReadsWhatIsNamedAndNothingBeside) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("bartizan-harden-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder / "bundle");
  std::ofstream(folder / "bundle" / "kernel") << "k";
  std::ofstream(folder / "secret") << "s";
  ThreadNeeds wish = needs();
  wish.readable = {folder / "bundle", folder / "not there", "/etc/resolv.conf"};
  on_a_thread(confined(wish).devices, [&] {
    std::string text;
    std::ifstream(folder / "bundle" / "kernel") >> text;
    EXPECT_EQ(text, "k");
    EXPECT_EQ(error_of(::open((folder / "secret").c_str(), O_RDONLY)), EACCES);
    EXPECT_EQ(error_of(::open("/etc/shadow", O_RDONLY)), EACCES);
  });
  std::filesystem::remove_all(folder);
}

TEST_F(ConfinedThread, HandsItOnToThreadsThatItStarts) {
  int of_child = 0;
  on_a_thread(confined(needs()).devices, [&] {
    auto child = start_thread(
        "child", [&] { of_child = kNobodyMay[0].call(); }, 0,
        [] { return Result<void>(errno_error(EINVAL, "test", "twice")); });
    ASSERT_TRUE(child.ok()) << child.error().describe();
    child->join();
  });
  EXPECT_TRUE(of_child == EACCES || of_child == EPERM) << of_child;
}

TEST_F(ConfinedThread, LeavesTheCallersThreadAsItWas) {
  std::vector<std::string> missing;
  auto setups = confine(Hardening::required, needs(), &missing);
  ASSERT_TRUE(setups.ok()) << setups.error().describe();
  EXPECT_THAT(missing, IsEmpty());
  on_a_thread(setups->devices, [] {});
  EXPECT_EQ(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
  EXPECT_EQ(::access("/etc/passwd", R_OK), 0);
  UniqueFd file(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(file.valid());
}

// It says nothing about the kernel, and a shortage that passes must not leave threads unconfined.
TEST_F(ConfinedThread, LackOfDescriptorsIsNoLackOfTheKernels) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  for (Hardening wish : {Hardening::required, Hardening::preferred}) {
    std::vector<std::string> missing;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto setups = confine(wish, needs(), &missing);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_FALSE(setups.ok());
    EXPECT_EQ(setups.error().code, ErrorCode::resource_exhausted) << setups.error().describe();
  }
}

TEST(Confine, OffIsNothing) {
  std::vector<std::string> missing;
  const auto setups = confine(Hardening::off, needs(), &missing);
  ASSERT_TRUE(setups.ok());
  EXPECT_FALSE(setups->devices);
  EXPECT_FALSE(setups->vcpus);
}

struct Forbidden {
  int number;
  const char* named;
};
class AroundUs : public ::testing::TestWithParam<Forbidden> {};
INSTANTIATE_TEST_SUITE_P(Filters, AroundUs,
                         ::testing::Values(Forbidden{SYS_landlock_create_ruleset, "Landlock"},
                                           Forbidden{SYS_landlock_restrict_self, "landlock"},
                                           Forbidden{SYS_seccomp, "seccomp"}));

TEST_P(AroundUs, RequiredNamesWhatIsMissingAndPreferredGoesOn) {
  std::thread([] {
    forbid(GetParam().number);
    std::vector<std::string> missing;
    const auto required = confine(Hardening::required, needs(), &missing);
    ASSERT_FALSE(required.ok());
    EXPECT_EQ(required.error().code, ErrorCode::unsupported);
    EXPECT_THAT(required.error().message, HasSubstr(GetParam().named));
    const auto preferred = confine(Hardening::preferred, needs(), &missing);
    ASSERT_TRUE(preferred.ok());
    ASSERT_THAT(missing, ::testing::Contains(HasSubstr(GetParam().named)));
    on_a_thread(preferred->devices, [] {});
    on_a_thread(preferred->vcpus, [] {});
  }).join();
}

}  // namespace
}  // namespace bartizan::vmm::harden
