/* Launches a confidential image with the simulated TEE and waits for its end, with the C API:
 *
 *   launch IMAGE BUNDLE [PASSPHRASE_FILE]
 *
 * Without a key file the guest fetches its disk key from the image's broker. The workload's output is ours, and
 * so is its exit status. */
#include <bartizan.h>
#include <stdio.h>

static void print_line(void* user, int32_t level, const char* line, size_t size) {
  (void)user;
  (void)level;
  fprintf(stderr, "%.*s\n", (int)size, line);
}

static size_t read_disk_key(const char* path, uint8_t* to, size_t size) {
  FILE* file = fopen(path, "rb");
  size_t count;
  if (!file) return 0;
  count = fread(to, 1, size, file);
  fclose(file);
  if (count > 0 && to[count - 1] == '\n') --count;
  return count;
}

/* The four verbs. The first failure ends the chain and leaves its error. */
static int32_t launch(bartizan_context* context, const char* image, const uint8_t* disk_key,
                      size_t size, bartizan_exit** reason, bartizan_error** error) {
  int32_t status = bartizan_context_set_tee(context, BARTIZAN_TEE_SIMULATED, error);
  if (status == 0) status = bartizan_context_attach_image(context, image, disk_key, size, error);
  if (status == 0) status = bartizan_context_start(context, error);
  /* It runs; this process could do something else until bartizan_context_exit_fd is readable. */
  if (status == 0) status = bartizan_context_wait(context, -1, reason, error);
  return status;
}

int main(int argc, char** argv) {
  bartizan_machine_options options = BARTIZAN_OPTIONS_INIT(bartizan_machine_options);
  bartizan_context* context = NULL;
  bartizan_exit* reason = NULL;
  bartizan_error* error = NULL;
  uint8_t disk_key[1024];
  size_t size = 0;
  int exit_status = 125;
  if (argc < 3) {
    fprintf(stderr, "usage: launch IMAGE BUNDLE [PASSPHRASE_FILE]\n");
    return 2;
  }
  if (argc > 3) size = read_disk_key(argv[3], disk_key, sizeof disk_key);

  /* vCPUs and RAM are the image's, which its owner measured, unless they are given here. */
  options.bundle = argv[2];
  options.flags = BARTIZAN_MACHINE_STDIO;
  options.stdin_fd = -1;
  options.stdout_fd = 1;
  options.log = print_line;
  if (bartizan_context_create(&options, &context, &error) == 0 &&
      launch(context, argv[1], disk_key, size, &reason, &error) == 0) {
    fprintf(stderr, "%s\n", bartizan_exit_describe(reason));
    exit_status = bartizan_exit_process_status(reason);
  } else {
    fprintf(stderr, "%s\n", bartizan_error_describe(error));
  }
  bartizan_exit_free(reason);
  bartizan_context_free(context);
  bartizan_error_free(error);
  return exit_status;
}
