#include "image/system_calls.hpp"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

namespace bartizan::test {
namespace {

// Argument registers of a call that hold a path, by its number; 0 of those: no path.
struct Change {
  const char* name;
  std::vector<int> paths;
};
const std::map<long, Change> kChanges = {
    {SYS_write, {"write", {}}},
    {SYS_pwrite64, {"pwrite64", {}}},
    {SYS_writev, {"writev", {}}},
    {SYS_pwritev, {"pwritev", {}}},
    {SYS_pwritev2, {"pwritev2", {}}},
    {SYS_fsync, {"fsync", {}}},
    {SYS_fdatasync, {"fdatasync", {}}},
    {SYS_sync_file_range, {"sync_file_range", {}}},
    {SYS_fallocate, {"fallocate", {}}},
    {SYS_ftruncate, {"ftruncate", {}}},
    {SYS_copy_file_range, {"copy_file_range", {}}},
    {SYS_sendfile, {"sendfile", {}}},
    {SYS_memfd_create, {"memfd_create", {}}},
    {SYS_rename, {"rename", {0, 1}}},
    {SYS_renameat, {"renameat", {1, 3}}},
    {SYS_renameat2, {"renameat2", {1, 3}}},
    {SYS_mkdir, {"mkdir", {0}}},
    {SYS_mkdirat, {"mkdirat", {1}}},
    {SYS_link, {"link", {1}}},
    {SYS_linkat, {"linkat", {3}}},
    {SYS_symlink, {"symlink", {1}}},
    {SYS_unlink, {"unlink", {0}}},
    {SYS_truncate, {"truncate", {0}}},
    {SYS_chmod, {"chmod", {0}}},
    {SYS_openat, {"openat", {1}}},
    {SYS_open, {"open", {0}}},
    {SYS_flock, {"flock", {}}},
};

unsigned long long argument(const user_regs_struct& registers, int number) {
  const unsigned long long all[] = {registers.rdi, registers.rsi, registers.rdx,
                                    registers.r10, registers.r8,  registers.r9};
  return all[number];
}

bool writes(const user_regs_struct& registers) {
  long call = static_cast<long>(registers.orig_rax);
  if (call != SYS_openat && call != SYS_open) return true;
  auto flags = argument(registers, call == SYS_openat ? 2 : 1);
  return (flags & (O_CREAT | O_WRONLY | O_RDWR)) != 0;
}

std::string text_of(pid_t child, unsigned long long address) {
  std::string text(4096, '\0');
  // By halves, as the text may end right before a page that is not there.
  for (size_t size = text.size(); size >= 64; size /= 2) {
    iovec local{text.data(), size}, remote{reinterpret_cast<void*>(address), size};
    if (::process_vm_readv(child, &local, 1, &remote, 1, 0) > 0) break;
  }
  return text.c_str();
}

class Watcher {
 public:
  Watcher(pid_t child, const Fault& fault) : child_(child), fault_(fault) {}

  SystemCalls run() {
    int status = 0;
    for (pid_t who; (who = ::waitpid(-1, &status, __WALL)) > 0;) {
      if (WIFEXITED(status) || WIFSIGNALED(status)) {
        if (who != child_) continue;  // a thread
        if (WIFEXITED(status)) seen_.status = WEXITSTATUS(status);
        if (WIFSIGNALED(status)) seen_.signal = WTERMSIG(status);
        break;
      }
      go_on(who, status);
    }
    return seen_;
  }

 private:
  void go_on(pid_t who, int status) {
    int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
      bool enters = inside_[who] = !inside_[who];
      enters ? enter(who) : leave(who);
      signal = 0;
    } else if (status >> 16 != 0 || signal == SIGSTOP) {
      signal = 0;  // a new thread
    }
    ::ptrace(PTRACE_SYSCALL, who, nullptr, signal);
  }

  void enter(pid_t who) {
    user_regs_struct registers;
    if (::ptrace(PTRACE_GETREGS, who, nullptr, &registers) != 0) return;
    if (++seen_.calls == fault_.kill_at_call) ::kill(child_, SIGKILL);
    auto change = kChanges.find(static_cast<long>(registers.orig_rax));
    if (change == kChanges.end() || !writes(registers)) return;
    for (int number : change->second.paths)
      seen_.paths.push_back(text_of(who, argument(registers, number)));
    if (++seen_.changes != fault_.fail_change) return;
    seen_.failed = change->second.name;
    if (!change->second.paths.empty()) seen_.failed += " " + seen_.paths.back();
    registers.orig_rax = static_cast<unsigned long long>(-1);  // no call at all
    ::ptrace(PTRACE_SETREGS, who, nullptr, &registers);
    failing_ = who;
  }

  void leave(pid_t who) {
    if (failing_ != who) return;
    failing_ = -1;
    user_regs_struct registers;
    if (::ptrace(PTRACE_GETREGS, who, nullptr, &registers) != 0) return;
    registers.rax = static_cast<unsigned long long>(-fault_.with_errno);
    ::ptrace(PTRACE_SETREGS, who, nullptr, &registers);
  }

  pid_t child_;
  Fault fault_;
  SystemCalls seen_;
  std::map<pid_t, bool> inside_;
  pid_t failing_ = -1;
};

[[noreturn]] void be_watched(const std::function<std::string()>& work, int words) {
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(125);
  ::raise(SIGSTOP);
  std::string said = work();
  // By a call that is in no list, as the work is over.
  (void)::syscall(SYS_sendto, words, said.data(), said.size(), 0, nullptr, 0);
  ::_exit(0);
}

std::string read_words(int from) {
  std::string words(65536, '\0');
  ssize_t got = ::recv(from, words.data(), words.size(), MSG_DONTWAIT);
  words.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return words;
}

}  // namespace

std::optional<SystemCalls> watch(const std::function<std::string()>& work, const Fault& fault) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0) return std::nullopt;
  pid_t child = ::fork();
  if (child == 0) be_watched(work, ends[1]);
  int status = 0;
  bool stopped = child > 0 && ::waitpid(child, &status, 0) == child && WIFSTOPPED(status);
  std::optional<SystemCalls> seen;
  if (stopped) {
    ::ptrace(PTRACE_SETOPTIONS, child, nullptr,
             PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
    ::ptrace(PTRACE_SYSCALL, child, nullptr, 0);
    seen = Watcher(child, fault).run();
    seen->words = read_words(ends[0]);
  }
  ::close(ends[0]);
  ::close(ends[1]);
  return seen;
}

}  // namespace bartizan::test
