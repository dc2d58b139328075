#include "vmm/harden/system_calls.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/falloc.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <span>

#include "base/errors.hpp"
#include "vmm/kvm/gmem_abi.hpp"
#include "vmm/kvm/kvm_abi.hpp"

namespace bartizan::vmm::harden {
namespace {

// The call, if (argument & mask) == value for all; the kernel takes the low 32 bits of all that
// are listed.
struct ArgumentTest {
  int argument = 0;
  uint32_t mask = 0, value = 0;  // of none: true
};
struct Rule {
  int number;
  ArgumentTest first = {}, second = {}, third = {};
};

constexpr Rule if_equal(int number, int argument, unsigned long value) {
  return {number, {argument, UINT32_MAX, static_cast<uint32_t>(value)}};
}
constexpr Rule if_clear(int number, int argument, uint32_t mask) {
  return {number, {argument, mask, 0}};
}
constexpr Rule if_set(int number, int argument, uint32_t mask) {
  return {number, {argument, mask, mask}};
}
// A new socket; what else its type's argument holds are flags. Protocol 0 is the type's usual one:
// others (SCTP, UDP-Lite, MPTCP) are code of the kernel that nothing here needs.
constexpr Rule if_socket(int number, uint32_t family, uint32_t type, uint32_t protocol = 0) {
  return {number, {0, UINT32_MAX, family}, {1, 0xf, type}, {2, UINT32_MAX, protocol}};
}
constexpr Rule if_option(int number, uint32_t level, uint32_t name) {
  return {number, {1, UINT32_MAX, level}, {2, UINT32_MAX, name}};
}

// What C and C++ need of any thread: memory, locks, time, descriptors that are open, threads.
constexpr Rule kCommon[] = {
    {SYS_read},
    {SYS_write},
    {SYS_readv},
    {SYS_writev},
    {SYS_close},
    {SYS_lseek},
    {SYS_fstat},
    {SYS_newfstatat},
    {SYS_poll},
    {SYS_ppoll},
    {SYS_futex},
    {SYS_brk},
    {SYS_munmap},
    {SYS_mremap},
    {SYS_madvise},
    {SYS_rt_sigprocmask},
    {SYS_rt_sigreturn},
    {SYS_rt_sigtimedwait},
    {SYS_restart_syscall},
    {SYS_sched_yield},
    {SYS_sched_getaffinity},
    {SYS_sysinfo},
    {SYS_clock_gettime},
    {SYS_clock_nanosleep},
    {SYS_nanosleep},
    {SYS_gettimeofday},
    {SYS_getrandom},
    {SYS_getpid},
    {SYS_gettid},
    {SYS_set_robust_list},
    {SYS_rseq},
    {SYS_exit},
    {SYS_exit_group},
    if_set(SYS_clone, 0, CLONE_THREAD),
    if_clear(SYS_mmap, 2, PROT_EXEC),
    if_clear(SYS_mprotect, 2, PROT_EXEC),
    if_equal(SYS_ioctl, 1, TCGETS),
};

constexpr Rule kVcpu[] = {
    {SYS_fallocate},
    if_equal(SYS_ioctl, 1, kvm::request::run.number),
    if_equal(SYS_ioctl, 1, kvm::request::kvmclock_ctrl.number),
    if_equal(SYS_ioctl, 1, kvm::request::set_memory_attributes.number),
    if_equal(SYS_ioctl, 1, kvm::request::set_gsi_routing.number),
};

constexpr Rule kQuotes[] = {
    if_socket(SYS_socket, AF_UNIX, SOCK_STREAM),
    if_socket(SYS_socket, AF_VSOCK, SOCK_STREAM),
    {SYS_connect},
    if_option(SYS_setsockopt, SOL_SOCKET, SO_RCVTIMEO),
    if_option(SYS_setsockopt, SOL_SOCKET, SO_SNDTIMEO),
    {SYS_sendto},
    {SYS_recvfrom},
};

// Files, streams, the loop. Pairs of streams only: a datagram may name whom it is sent to. An
// io_uring only by its place in the thread's own list, which nothing here can add to: a disk's
// thread has put one there that reaches the disk alone (virtio/block/ring.hpp), and a ring of the
// caller's, which may do anything, is in no thread's of ours.
constexpr Rule kDevices[] = {
    {SYS_pread64},
    {SYS_pwrite64},
    {SYS_fdatasync},
    if_equal(SYS_fallocate, 1, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE),
    if_equal(SYS_fallocate, 1, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE),
    if_set(SYS_io_uring_enter, 3, IORING_ENTER_REGISTERED_RING),
    {SYS_statx},
    {SYS_dup},
    {SYS_epoll_wait},
    {SYS_epoll_pwait},
    {SYS_epoll_ctl},
    if_clear(SYS_openat, 2, O_ACCMODE | O_CREAT | O_TRUNC | O_PATH),
    if_equal(SYS_fcntl, 1, F_GETFL),
    if_equal(SYS_fcntl, 1, F_SETFL),
    if_equal(SYS_fcntl, 1, F_GETFD),
    if_equal(SYS_fcntl, 1, F_SETFD),
    if_equal(SYS_fcntl, 1, F_DUPFD_CLOEXEC),
    if_equal(SYS_ioctl, 1, TIOCGWINSZ),
    if_socket(SYS_socketpair, AF_UNIX, SOCK_STREAM),
    {SYS_accept4},
    {SYS_sendto},
    {SYS_recvfrom},
    {SYS_shutdown},
};

// A vsock port that is joined to a socket of the host's.
constexpr Rule kJoins[] = {
    if_socket(SYS_socket, AF_UNIX, SOCK_STREAM),
    {SYS_connect},
};

// libslirp's. Its datagram sockets are for pings too. The options are those that its versions 4.7
// to 4.9 set; one that a later version wants besides is refused, and it goes on without.
constexpr Rule kNetwork[] = {
    if_socket(SYS_socket, AF_INET, SOCK_STREAM),
    if_socket(SYS_socket, AF_INET, SOCK_DGRAM),
    if_socket(SYS_socket, AF_INET6, SOCK_STREAM),
    if_socket(SYS_socket, AF_INET6, SOCK_DGRAM),
    if_socket(SYS_socket, AF_INET, SOCK_DGRAM, IPPROTO_ICMP),
    if_socket(SYS_socket, AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6),
    {SYS_connect},
    if_equal(SYS_ioctl, 1, FIONREAD),
    if_equal(SYS_ioctl, 1, FIONBIO),
    {SYS_bind},
    {SYS_listen},
    {SYS_accept},
    {SYS_sendmsg},
    {SYS_recvmsg},
    {SYS_getsockname},
    {SYS_getpeername},
    if_option(SYS_getsockopt, SOL_SOCKET, SO_ERROR),
    if_option(SYS_setsockopt, SOL_SOCKET, SO_REUSEADDR),
    if_option(SYS_setsockopt, SOL_SOCKET, SO_OOBINLINE),
    if_option(SYS_setsockopt, IPPROTO_TCP, TCP_NODELAY),
    if_option(SYS_setsockopt, IPPROTO_IP, IP_TTL),
    if_option(SYS_setsockopt, IPPROTO_IP, IP_RECVERR),
    if_option(SYS_setsockopt, IPPROTO_IPV6, IPV6_V6ONLY),
    if_option(SYS_setsockopt, IPPROTO_IPV6, IPV6_UNICAST_HOPS),
    if_option(SYS_setsockopt, IPPROTO_IPV6, IPV6_RECVERR),
};

// A sanitizer's own: it looks whether memory is there, and around when it reports.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr Rule kSanitizers[] = {
    {SYS_sigaltstack}, {SYS_readlink}, {SYS_getrlimit}, {SYS_prlimit64},
    {SYS_membarrier},  {SYS_pipe},     {SYS_pipe2},     if_clear(SYS_openat, 2, O_PATH),
};
#else
constexpr std::span<const Rule> kSanitizers;
#endif

sock_filter load(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}
sock_filter give(uint32_t action) {
  return BPF_STMT(BPF_RET | BPF_K, action);
}
// Skips `otherwise` instructions if the loaded value is another.
sock_filter expect(uint32_t value, uint8_t otherwise) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, otherwise);
}
constexpr uint32_t refuse_with(int error) {
  return SECCOMP_RET_ERRNO | static_cast<uint32_t>(error);
}

class Filter {
 public:
  Filter() {
    program_ = {load(offsetof(seccomp_data, arch)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
                give(refuse_with(EPERM)), load(kNumber)};
  }

  void allow(std::span<const Rule> rules) {
    for (const Rule& rule : rules) {
      // The tests of a number that is another's are skipped.
      std::vector<sock_filter> tests;
      for (const ArgumentTest& condition : {rule.third, rule.second, rule.first}) {
        if (condition.mask == 0) continue;
        const size_t low_half =
            offsetof(seccomp_data, args) + 8 * static_cast<size_t>(condition.argument);
        const auto to_the_end = static_cast<uint8_t>(tests.size() + 1);
        tests.insert(tests.begin(),
                     {load(low_half), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, condition.mask),
                      expect(condition.value, to_the_end)});
      }
      add({expect(static_cast<uint32_t>(rule.number), static_cast<uint8_t>(tests.size() + 2))});
      program_.insert(program_.end(), tests.begin(), tests.end());
      add({give(SECCOMP_RET_ALLOW), load(kNumber)});
    }
  }
  std::vector<sock_filter> finish() {
    add({expect(SYS_clone3, 1), give(refuse_with(ENOSYS)), give(refuse_with(EPERM))});
    return std::move(program_);
  }

 private:
  static constexpr size_t kNumber = offsetof(seccomp_data, nr);

  void add(std::initializer_list<sock_filter> more) { program_.insert(program_.end(), more); }

  std::vector<sock_filter> program_;
};

}  // namespace

std::vector<sock_filter> make_filter(Duty duty) {
  Filter filter;
  filter.allow(kCommon);
  // A thread signals threads of its own process alone.
  const Rule signal[] = {if_equal(SYS_tgkill, 0, static_cast<uint32_t>(::getpid()))};
  filter.allow(signal);
  filter.allow(duty.vcpu ? std::span<const Rule>(kVcpu) : kDevices);
  if (duty.quotes) filter.allow(kQuotes);
  if (duty.network) filter.allow(kNetwork);
  if (duty.joins) filter.allow(kJoins);
  filter.allow(kSanitizers);
  return filter.finish();
}

Result<void> restrict_system_calls(const std::vector<sock_filter>& filter) {
  sock_fprog program{};
  program.len = static_cast<unsigned short>(filter.size());
  program.filter = const_cast<sock_filter*>(filter.data());  // the kernel copies it
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0) return {};
  Error error = errno_error(errno, "harden", "seccomp (CONFIG_SECCOMP_FILTER): SET_MODE_FILTER");
  if (error.code != ErrorCode::resource_exhausted) error.code = ErrorCode::unsupported;
  return error;
}

}  // namespace bartizan::vmm::harden
