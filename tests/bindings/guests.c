/* guests CASE IMAGE BUNDLE KEY_FILE: machines on libfake_kvm.so, with the C API. Prints what test_guests.py expects of
 * every interface. */
#include <bartizan.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char** argument;

static void must(int32_t status, const bartizan_error* error) {
  if (status == BARTIZAN_OK) return;
  printf("%s\n", bartizan_error_describe(error));
  exit(1);
}

static bartizan_context* machine_with(bartizan_machine_options options) {
  bartizan_context* context = NULL;
  bartizan_error* error = NULL;
  char key[256] = "";
  FILE* file = fopen(argument[4], "r");
  if (!file || !fgets(key, sizeof key, file)) exit(1);
  fclose(file);
  key[strcspn(key, "\n")] = 0;
  if (!options.loaded_bundle) options.bundle = argument[3];
  options.kvm_device = "/fake/kvm";
  must(bartizan_context_create(&options, &context, &error), error);
  must(
      bartizan_context_attach_image(context, argument[2], (const uint8_t*)key, strlen(key), &error),
      error);
  return context;
}

static bartizan_context* machine(uint32_t ram_mib) {
  bartizan_machine_options options = BARTIZAN_OPTIONS_INIT(bartizan_machine_options);
  options.ram_mib = ram_mib;
  return machine_with(options);
}

static bartizan_context* started(void) {
  bartizan_context* context = machine(0);
  bartizan_error* error = NULL;
  must(bartizan_context_start(context, &error), error);
  return context;
}

static void* wait_for_end(void* context) {
  bartizan_exit* reason = NULL;
  bartizan_error* error = NULL;
  must(bartizan_context_wait(context, -1, &reason, &error), error);
  return reason;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void close_while_another_waits(void) {
  bartizan_context* context = started();
  pthread_t waiter;
  void* reason = NULL;
  double before;
  pthread_create(&waiter, NULL, wait_for_end, context);
  usleep(300000);
  before = now();
  bartizan_context_free(context);
  pthread_join(waiter, &reason);
  printf("%s, %s\n", bartizan_exit_describe(reason),
         now() - before < 1 ? "within a second" : "late");
  bartizan_exit_free(reason);
}

static int in_the_child(bartizan_context* context) {
  bartizan_error* error = NULL;
  int told;
  bartizan_context_request_stop(context, 0);
  bartizan_context_send_signal(context, 15);
  told = bartizan_context_wait(context, 0, NULL, &error) == BARTIZAN_ERROR_INVALID_STATE &&
         strstr(bartizan_error_message(error), "forked") != NULL &&
         bartizan_context_start(context, NULL) == BARTIZAN_ERROR_INVALID_STATE &&
         bartizan_context_exit_fd(context) == -1;
  bartizan_error_free(error);
  bartizan_context_free(context);
  return told ? 0 : 1;
}

static void free_in_a_forked_child(void) {
  bartizan_context* context = started();
  bartizan_exit* reason = NULL;
  bartizan_error* error = NULL;
  int status = -1;
  pid_t child = fork();
  if (child == 0) _exit(in_the_child(context));
  waitpid(child, &status, 0);
  must(bartizan_context_wait(context, 20000, &reason, &error), error);
  printf("child %d, guest %s\n", status, bartizan_exit_describe(reason));
  bartizan_exit_free(reason);
  bartizan_context_free(context);
}

static void stop_before_the_start(void) {
  bartizan_context* context = machine(0);
  bartizan_context_request_stop(context, 0);
  printf("%s\n", bartizan_code_name(bartizan_context_start(context, NULL)));
  printf("%s\n", bartizan_code_name(bartizan_context_wait(context, 0, NULL, NULL)));
  bartizan_context_free(context);
}

static const char* const kEvents[] = {"attested", "ready", "exited"};

static void note_event(void* user, int32_t event) {
  strcat(strcat(user, " "), kEvents[event]);
}

static void print_events(bartizan_context* context) {
  struct pollfd readable;
  readable.fd = bartizan_context_event_fd(context);
  readable.events = POLLIN;
  printf("events:");
  while (poll(&readable, 1, 0) == 1) printf(" %s", kEvents[bartizan_context_next_event(context)]);
  printf(" %d\n", bartizan_context_next_event(context));
}

static void events_and_pause(void) {
  bartizan_machine_options options = BARTIZAN_OPTIONS_INIT(bartizan_machine_options);
  char called[64] = "";
  bartizan_exit* reason = NULL;
  bartizan_context* context;
  options.events = note_event;
  options.events_user = called;
  context = machine_with(options);
  must(bartizan_context_start(context, NULL), NULL);
  must(bartizan_context_wait_for(context, BARTIZAN_EVENT_READY, 20000, NULL), NULL);
  must(bartizan_context_pause(context, NULL), NULL);
  printf("paused: %s\n", bartizan_code_name(bartizan_context_wait(context, 1200, NULL, NULL)));
  must(bartizan_context_resume(context, NULL), NULL);
  must(bartizan_context_wait_for(context, BARTIZAN_EVENT_EXITED, 20000, NULL), NULL);
  must(bartizan_context_wait(context, 0, &reason, NULL), NULL);
  printf("%s\n", bartizan_exit_describe(reason));
  print_events(context);
  printf("attested: %s\n",
         bartizan_code_name(bartizan_context_wait_for(context, BARTIZAN_EVENT_ATTESTED, -1, NULL)));
  printf("pause: %s\n", bartizan_code_name(bartizan_context_pause(context, NULL)));
  bartizan_exit_free(reason);
  bartizan_context_free(context);
  printf("called:%s\n", called);
}

static void size_of_the_image(void) {
  const uint32_t wanted[] = {0, 512};
  int i;
  for (i = 0; i < 2; ++i) {
    bartizan_context* context = machine(wanted[i]);
    printf("%llu\n", (unsigned long long)bartizan_context_memory_size(context));
    bartizan_context_free(context);
  }
}

/* The bundle's files are gone before a machine is made, and its handle before one is started. */
static int status_without_files(bartizan_bundle* bundle) {
  bartizan_machine_options options = BARTIZAN_OPTIONS_INIT(bartizan_machine_options);
  bartizan_context* context;
  bartizan_exit* reason = NULL;
  int status;
  options.loaded_bundle = bundle;
  context = machine_with(options);
  bartizan_bundle_free(bundle);
  must(bartizan_context_start(context, NULL), NULL);
  must(bartizan_context_wait(context, 20000, &reason, NULL), NULL);
  status = bartizan_exit_process_status(reason);
  bartizan_exit_free(reason);
  bartizan_context_free(context);
  return status;
}

static void bundle_in_memory(void) {
  bartizan_bundle *bundle = NULL, *none = NULL;
  bartizan_error* error = NULL;
  char gone[4096];
  int status, of_child = -1;
  pid_t child;
  must(bartizan_bundle_load(argument[3], &bundle, &error), error);
  snprintf(gone, sizeof gone, "%s.gone", argument[3]);
  if (rename(argument[3], gone) != 0) exit(1);
  printf("%s\n", bartizan_code_name(bartizan_bundle_load(argument[3], &none, NULL)));
  fflush(stdout);
  child = fork();
  status = status_without_files(bundle);
  if (child == 0) _exit(status);
  waitpid(child, &of_child, 0);
  printf("%d %d\n", status, WEXITSTATUS(of_child));
}

int main(int count, char** arguments) {
  argument = arguments;
  if (count < 5) return 2;
  if (!strcmp(arguments[1], "close")) close_while_another_waits();
  if (!strcmp(arguments[1], "fork")) free_in_a_forked_child();
  if (!strcmp(arguments[1], "stop-before")) stop_before_the_start();
  if (!strcmp(arguments[1], "events")) events_and_pause();
  if (!strcmp(arguments[1], "size")) size_of_the_image();
  if (!strcmp(arguments[1], "loaded")) bundle_in_memory();
  return 0;
}
