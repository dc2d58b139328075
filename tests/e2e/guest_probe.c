/* The workload of the end-to-end tests: each argument is a thing to do, in order; what it sees goes
 * to standard output.
 *
 *   id          user, group, supplementary groups, working directory
 *   env         the environment, a line each
 *   read=PATH   first line of a file, or the errno's name     write=PATH  creates a file, or the errno's name
 *   vsock=PORT  connects to the host (CID 2), sends "ping", prints the answer
 *   connect=ADDRESS/PORT  connects by TCP, prints "done" or the errno's name
 *   serve=PORT  answers connections and datagrams in both families, until a datagram is "end"
 *   cpus        how many processors /proc/cpuinfo has
 *   fill=PATH:N writes N MiB of text and syncs them     check=PATH:N  reads them back from the disk
 *   echo        prints the first line of standard input
 *   input       what kind of file standard input is     all=PATH    reads it to its end, prints its size and sum
 *   lines=N     prints N numbered lines
 *   size        prints the terminal's rows and columns, and again when they have changed
 *   term        waits for SIGTERM, then ends with status 5
 *   abort       dies by SIGABRT                               exit=N      ends with status N
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

extern char** environ;
static volatile sig_atomic_t terminated, resized;

static void on_term(int number) {
  terminated = number;
}

static void on_resize(int number) {
  resized = number;
}

static void tell_id(void) {
  gid_t groups[64];
  char folder[4096] = "?";
  int count = getgroups(64, groups);
  printf("id %d %d groups", (int)getuid(), (int)getgid());
  for (int i = 0; i < count; ++i) printf(" %d", (int)groups[i]);
  printf(" cwd %s\n", getcwd(folder, sizeof folder) ? folder : "?");
}

static void tell_file(const char* path) {
  char line[256] = "";
  FILE* file = fopen(path, "r");
  if (file == NULL) {
    printf("read %s: %s\n", path, strerrorname_np(errno));
    return;
  }
  if (fgets(line, sizeof line, file) == NULL) line[0] = '\0';
  line[strcspn(line, "\n")] = '\0';
  printf("read %s: \"%s\"\n", path, line);
  fclose(file);
}

static void tell_input(void) {
  struct stat status;
  const char* kind = fstat(0, &status) != 0     ? "closed"
                     : S_ISFIFO(status.st_mode) ? "a pipe"
                     : isatty(0)                ? "a terminal"
                                                : "something else";
  printf("input is %s\n", kind);
}

/* The sum of coreutils' `sum`. */
static void read_all(const char* path) {
  unsigned sum = 0;
  long size = 0;
  FILE* file = fopen(path, "r");
  for (int byte; file != NULL && (byte = getc(file)) != EOF; ++size)
    sum = (((sum >> 1) + ((sum & 1) << 15)) + (unsigned)byte) & 0xffff;
  printf("all of %s: %ld bytes, sum %05u\n", path, size, sum);
  if (file != NULL) fclose(file);
}

static socklen_t address_of(const char* host, unsigned port, struct sockaddr_storage* to) {
  struct sockaddr_in* v4 = (struct sockaddr_in*)to;
  struct sockaddr_in6* v6 = (struct sockaddr_in6*)to;
  memset(to, 0, sizeof *to);
  if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    return sizeof *v4;
  }
  inet_pton(AF_INET6, host, &v6->sin6_addr);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons((uint16_t)port);
  return sizeof *v6;
}

/* ADDRESS/PORT */
static void connect_to(const char* value) {
  char host[64] = "";
  struct sockaddr_storage address;
  struct timeval limit = {30, 0};
  unsigned port = 0;
  sscanf(value, "%63[^/]/%u", host, &port);
  socklen_t size = address_of(host, port, &address);
  int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  int failed = connect(fd, (struct sockaddr*)&address, size);
  printf("connect %s/%u: %s\n", host, port, failed ? strerrorname_np(errno) : "done");
  close(fd);
}

/* Answers "hello" to each connection and datagram at PORT, in both families, until one is "end". */
static void serve(unsigned port) {
  struct sockaddr_storage address, peer;
  socklen_t size = address_of("::", port, &address);
  int stream = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int datagrams = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int failed = bind(stream, (struct sockaddr*)&address, size) || listen(stream, 8) ||
               bind(datagrams, (struct sockaddr*)&address, size);
  printf("serve %u: %s\n", port, failed ? strerrorname_np(errno) : "waiting");
  fflush(stdout);
  for (char text[8] = ""; !failed && strcmp(text, "end") != 0;) {
    struct pollfd ready[] = {{stream, POLLIN, 0}, {datagrams, POLLIN, 0}};
    poll(ready, 2, -1);
    if (ready[0].revents != 0) {
      int fd = accept4(stream, NULL, NULL, SOCK_CLOEXEC);
      if (write(fd, "hello\n", 6) != 6) printf("serve: %s\n", strerrorname_np(errno));
      close(fd);
      continue;
    }
    socklen_t peer_size = sizeof peer;
    memset(text, 0, sizeof text);
    if (recvfrom(datagrams, text, sizeof text - 1, 0, (struct sockaddr*)&peer, &peer_size) >= 0)
      sendto(datagrams, "hello\n", 6, 0, (struct sockaddr*)&peer, peer_size);
  }
  close(stream);
  close(datagrams);
}

static void count_processors(void) {
  char line[4096];
  int count = 0;
  FILE* file = fopen("/proc/cpuinfo", "r");
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    count += strncmp(line, "processor\t", 10) == 0;
  if (file != NULL) fclose(file);
  printf("cpus %d\n", count);
}

static void make_file(const char* path) {
  int fd = open(path, O_CREAT | O_WRONLY, 0644);
  printf("write %s: %s\n", path, fd < 0 ? strerrorname_np(errno) : "done");
  if (fd >= 0) close(fd);
}

enum { kBlock = 4096, kBlocksOfMib = 256 };

static void make_block(char block[kBlock], unsigned number) {
  char word[33];
  snprintf(word, sizeof word, "plaintext of the workload %06u", number);
  for (int at = 0; at < kBlock; at += 32) memcpy(block + at, word, 32);
}

/* PATH:N; cuts the text at the colon. */
static unsigned blocks_of(char* value) {
  char* colon = strrchr(value, ':');
  if (colon == NULL) return 0;
  *colon = '\0';
  return (unsigned)atoi(colon + 1) * kBlocksOfMib;
}

static void fill_file(const char* value) {
  char path[256] = "", block[kBlock];
  strncpy(path, value, sizeof path - 1);
  unsigned count = blocks_of(path);
  int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
  for (unsigned i = 0; fd >= 0 && i < count; ++i) {
    make_block(block, i);
    if (write(fd, block, kBlock) != kBlock) break;
  }
  int failed = fd < 0 || fsync(fd) != 0;
  printf("fill %s: %s\n", path, failed ? strerrorname_np(errno) : "done");
  if (fd >= 0) close(fd);
}

static void check_file(const char* value) {
  char path[256] = "", block[kBlock], wanted[kBlock];
  strncpy(path, value, sizeof path - 1);
  unsigned count = blocks_of(path), bad = 0, errors = 0;
  int fd = open(path, O_RDONLY);
  if (fd >= 0) posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* or the page cache would answer */
  if (fd >= 0) posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
  for (unsigned i = 0; i < count; ++i) {
    make_block(wanted, i);
    if (pread(fd, block, kBlock, (off_t)i * kBlock) != kBlock) {
      ++errors;
    } else if (memcmp(block, wanted, kBlock) != 0) {
      ++bad;
    }
  }
  printf("check %s: %u blocks, %u I/O errors, %u wrong\n", path, count, errors, bad);
  if (fd >= 0) close(fd);
}

static void talk(unsigned port) {
  struct sockaddr_vm address = {
      .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port};
  char answer[64] = "";
  int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr*)&address, sizeof address) != 0 ||
      write(fd, "ping", 4) != 4 || read(fd, answer, sizeof answer - 1) < 0) {
    printf("vsock %u: %s\n", port, strerrorname_np(errno));
  } else {
    printf("vsock %u: \"%s\"\n", port, answer);
  }
  if (fd >= 0) close(fd);
}

static void wait_for_term(void) {
  struct sigaction action = {.sa_handler = on_term};
  sigaction(SIGTERM, &action, NULL);
  printf("waiting\n");
  fflush(stdout);
  while (!terminated) usleep(100000);
  printf("terminated by %d\n", (int)terminated);
  fflush(stdout);
  exit(5);
}

static void print_size(void) {
  struct winsize size = {0};
  ioctl(0, TIOCGWINSZ, &size);
  printf("size %d %d\n", (int)size.ws_row, (int)size.ws_col);
  fflush(stdout);
}

static void watch_size(void) {
  struct sigaction action = {.sa_handler = on_resize};
  sigaction(SIGWINCH, &action, NULL);
  print_size();
  for (int i = 0; !resized && i < 600; ++i) usleep(100000);
  print_size();
}

static void act(const char* what) {
  const char* value = strchr(what, '=');
  value = value ? value + 1 : "";
  if (strcmp(what, "id") == 0) tell_id();
  if (strcmp(what, "env") == 0) {
    for (char** entry = environ; *entry; ++entry) printf("env %s\n", *entry);
  }
  if (strncmp(what, "read=", 5) == 0) tell_file(value);
  if (strncmp(what, "write=", 6) == 0) make_file(value);
  if (strncmp(what, "fill=", 5) == 0) fill_file(value);
  if (strncmp(what, "check=", 6) == 0) check_file(value);
  if (strncmp(what, "vsock=", 6) == 0) talk((unsigned)atoi(value));
  if (strncmp(what, "connect=", 8) == 0) connect_to(value);
  if (strncmp(what, "serve=", 6) == 0) serve((unsigned)atoi(value));
  if (strcmp(what, "cpus") == 0) count_processors();
  if (strcmp(what, "input") == 0) tell_input();
  if (strncmp(what, "all=", 4) == 0) read_all(value);
  if (strcmp(what, "echo") == 0) {
    char line[256] = "";
    if (fgets(line, sizeof line, stdin) != NULL) printf("echo %s", line);
  }
  if (strncmp(what, "lines=", 6) == 0) {
    for (int i = 0; i < atoi(value); ++i) printf("line %d of the workload's own output\n", i);
  }
  if (strcmp(what, "size") == 0) watch_size();
  if (strcmp(what, "term") == 0) wait_for_term();
  fflush(stdout);
  if (strcmp(what, "abort") == 0) abort();
  if (strncmp(what, "exit=", 5) == 0) exit(atoi(value));
}

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) act(argv[i]);
  return 0;
}
