/* crun_host VERSION ROOT [user=N] [net]: does around libkrun what crun does, in its order. VERSION is that of
 * crun: 1.8, 1.21, 1.27 or main. ROOT is an unpacked image; it becomes the root of a container, whose PID 1 starts the
 * machine. The libraries are found by their names, as crun finds them (LD_LIBRARY_PATH, ldconfig).
 *
 * Standard error gets "pid N", N being that PID 1, and what crun prints when a call fails. The exit status is crun's.
 * net: a network namespace of its own, with its loopback up. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char* what) {
  fprintf(stderr, "crun_host: %s: %s\n", what, strerror(errno));
  exit(3);
}
static void must(long result, const char* what) {
  if (result < 0) fail(what);
}

/* ---- what crun keeps of its handler */

struct handler {
  void *plain, *sev;
  int32_t plain_context, sev_context;
};

static void* symbol(void* library, const char* name) {
  void* found = dlsym(library, name);
  if (found) return found;
  fprintf(stderr, "crun_host: no symbol %s\n", name);
  exit(1);
}

/* dlsym gives pointers to objects */
#define CALL(library, type, name) (*(type*)&(void*){symbol(library, name)})

typedef int32_t (*no_words)(void);
typedef int32_t (*of_number)(uint32_t);
typedef int32_t (*of_path)(uint32_t, const char*);
typedef int32_t (*of_size)(uint32_t, uint8_t, uint32_t);
typedef int32_t (*of_shared)(uint32_t, const char*, const char*, uint64_t);

static void check(int32_t result, const char* what) {
  if (result >= 0) return;
  fprintf(stderr, "%s: %s\n", what, strerror(-result));
  exit(1);
}

static int32_t new_context(void* library) {
  int32_t context = CALL(library, no_words, "krun_create_ctx")();
  check(context, "could not create krun context");
  return context;
}

static int count_entries(const char* folder) {
  int count = 0;
  DIR* list = opendir(folder);
  if (!list) fail(folder);
  while (readdir(list)) ++count;
  closedir(list);
  return count;
}

/* create_ctx leaves no thread and no descriptor: neither would be there later. */
static void create_contexts(struct handler* handler) {
  const int descriptors = count_entries("/proc/self/fd");
  if (handler->plain) handler->plain_context = new_context(handler->plain);
  if (handler->sev) handler->sev_context = new_context(handler->sev);
  if (count_entries("/proc/self/task") != 3 || count_entries("/proc/self/fd") != descriptors) {
    fprintf(stderr, "crun_host: krun_create_ctx leaves threads or descriptors\n");
    exit(3);
  }
}

static struct handler load(bool create) {
  struct handler handler = {0};
  handler.plain = dlopen("libkrun.so.1", RTLD_NOW);
  handler.sev = dlopen("libkrun-sev.so.1", RTLD_NOW);
  if (!handler.plain && !handler.sev) {
    fprintf(stderr, "crun_host: %s\n", dlerror());
    exit(1);
  }
  if (create) create_contexts(&handler);
  return handler;
}

/* ---- the container */

static void make_device(const char* path, unsigned major, unsigned minor) {
  must(mknod(path, S_IFCHR, makedev(major, minor)), path);
  must(chmod(path, 0666), path);
}

static void mount_root(const char* root) {
  must(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "mount /");
  must(mount(root, root, NULL, MS_BIND | MS_REC, NULL), root);
  must(chdir(root), root);
  for (const char* const* name = (const char*[]){"proc", "sys", "dev", "tmp", NULL}; *name; ++name)
    mkdir(*name, 0755);
  must(mount("proc", "proc", "proc", 0, NULL), "proc");
  must(mount("sysfs", "sys", "sysfs", MS_RDONLY, NULL), "sys");
  must(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755"), "dev");
  must(mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"), "tmp");
  make_device("dev/null", 1, 3);
  make_device("dev/urandom", 1, 9);
  make_device("dev/kvm", 10, 232);
  make_device("dev/sev", 10, 124);
  must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
  must(umount2(".", MNT_DETACH), "umount of the old root");
  must(chdir("/"), "/");
}

static void loopback_up(void) {
  struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  must(fd, "socket");
  must(ioctl(fd, SIOCSIFFLAGS, &loopback), "lo");
  close(fd);
}

/* podman's for an unprivileged container, by their numbers in linux/capability.h */
static const int kKept[] = {0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31};

static uint64_t kept_capabilities(void) {
  uint64_t kept = 0;
  for (size_t i = 0; i < sizeof kKept / sizeof *kKept; ++i) kept |= UINT64_C(1) << kKept[i];
  return kept;
}

static void bound_capabilities(void) {
  const uint64_t kept = kept_capabilities();
  for (int number = 0; prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; ++number)
    if (!(kept >> number & 1)) must(prctl(PR_CAPBSET_DROP, number, 0, 0, 0), "capability");
}

/* Another user than root has none. */
static void drop_capabilities(bool root) {
  const uint64_t kept = root ? kept_capabilities() : 0;
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  for (int i = 0; i < 2; ++i) {
    const uint32_t word = (uint32_t)(kept >> (32 * i));
    data[i] = (struct __user_cap_data_struct){word, word, 0};
  }
  must(syscall(SYS_capset, &header, data), "capset");
}

#define DENY(name)                                       \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), \
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* What engines' filters refuse to a container; clone3 is not there, so that clone's flags can be judged. */
static void install_filter(void) {
  struct sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      DENY(mount),
      DENY(umount2),
      DENY(pivot_root),
      DENY(chroot),
      DENY(setns),
      DENY(unshare),
      DENY(ptrace),
      DENY(bpf),
      DENY(perf_event_open),
      DENY(keyctl),
      DENY(add_key),
      DENY(request_key),
      DENY(init_module),
      DENY(finit_module),
      DENY(kexec_load),
      DENY(open_by_handle_at),
      DENY(userfaultfd),
      DENY(reboot),
      DENY(process_vm_readv),
      DENY(process_vm_writev),
      DENY(swapon),
      DENY(settimeofday),
      DENY(quotactl),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof steps / sizeof *steps, steps};
  must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp");
}

/* ---- the handler's part in the container */

struct wishes {
  const char* version;
  bool net;
  unsigned user;
};

static bool is(const struct wishes* wishes, const char* version) {
  return strcmp(wishes->version, version) == 0;
}

static void configure(const struct wishes* wishes, void* library, uint32_t context,
                      bool confidential) {
  if (confidential) {
    check(CALL(library, of_path, "krun_set_root_disk")(context, "/disk.img"),
          "could not set root disk");
    check(CALL(library, of_path, "krun_set_tee_config_file")(context, "/krun-sev.json"),
          "could not set krun tee config file");
  } else if (is(wishes, "main")) {
    check(CALL(library, of_shared, "krun_add_virtiofs2")(context, "/dev/root", "/", 512 << 20),
          "could not add virtiofs root");
  } else {
    check(CALL(library, of_path, "krun_set_root")(context, "/"), "could not set krun root");
  }
  if (!confidential || is(wishes, "1.27") || is(wishes, "main"))
    check(CALL(library, of_size, "krun_set_vm_config")(context, 16, 1024),
          "could not set krun vm configuration");
}

/* Up to 1.20 a context is made here, of the library that is used. */
static int in_container(const struct wishes* wishes, struct handler handler) {
  const bool confidential = access("/krun-sev.json", F_OK) == 0;
  void* library = confidential ? handler.sev : handler.plain;
  void* other = confidential ? handler.plain : handler.sev;
  if (!library) {
    fprintf(stderr, "the container requires libkrun-sev but it's not available\n");
    return 1;
  }
  int32_t context = confidential ? handler.sev_context : handler.plain_context;
  if (is(wishes, "1.8")) {
    CALL(library, of_number, "krun_set_log_level")(1);
    context = new_context(library);
  } else {
    if (other && dlclose(other) != 0) fail("dlclose");
    CALL(library, of_number, "krun_set_log_level")(1);
  }
  configure(wishes, library, (uint32_t)context, confidential);
  check(CALL(library, of_number, "krun_start_enter")((uint32_t)context),
        "[libcrun:krun]: could not start krun");
  return 0;
}

static int container(const struct wishes* wishes, const char* root, struct handler handler) {
  if (wishes->net) loopback_up();
  mount_root(root);
  must(sethostname("container", 9), "sethostname");
  must(syscall(SYS_close_range, 3u, ~0u, 0u), "close_range");
  clearenv();
  setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
  setenv("container", "podman", 1);
  install_filter();
  bound_capabilities();
  if (wishes->user) {
    must(setresgid(wishes->user, wishes->user, wishes->user), "setresgid");
    must(setresuid(wishes->user, wishes->user, wishes->user), "setresuid");
  }
  drop_capabilities(wishes->user == 0);
  return in_container(wishes, handler);
}

int main(int count, char** words) {
  if (count < 3) return 2;
  struct wishes wishes = {.version = words[1]};
  for (int i = 3; i < count; ++i) {
    if (!strncmp(words[i], "user=", 5)) wishes.user = (unsigned)atoi(words[i] + 5);
    wishes.net |= !strcmp(words[i], "net");
  }
  struct handler handler = load(!is(&wishes, "1.8"));
  must(unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
               (wishes.net ? CLONE_NEWNET : 0)),
       "unshare");
  const pid_t child = fork();
  must(child, "fork");
  if (child == 0) exit(container(&wishes, words[2], handler));
  fprintf(stderr, "pid %d\n", child);
  int status = 0;
  must(waitpid(child, &status, 0), "waitpid");
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
