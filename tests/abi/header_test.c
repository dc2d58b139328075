/* bartizan.h alone, from C99, C11 and C++20, with every warning an error: the header must not need anything else. */
#include "bartizan.h"

#include <stdio.h>
#include <string.h>

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      return 1;                                                       \
    }                                                                 \
  } while (0)

/* NULL is fine wherever the contract says so. */
static int frees_take_null(void) {
  bartizan_error_free(NULL);
  bartizan_string_free(NULL);
  bartizan_secret_free(NULL);
  bartizan_exit_free(NULL);
  bartizan_context_free(NULL);
  bartizan_broker_free(NULL);
  bartizan_broker_stop(NULL);
  bartizan_context_request_stop(NULL, 0);
  bartizan_context_send_signal(NULL, 15);
  CHECK(bartizan_context_exit_fd(NULL) == -1);
  CHECK(bartizan_context_memory_size(NULL) == 0);
  CHECK(strcmp(bartizan_broker_url(NULL), "") == 0);
  CHECK(bartizan_exit_process_status(NULL) == 125);
  return 0;
}

/* An error comes as a number and as an object, and the output keeps what it held. */
static int errors_are_told(void) {
  bartizan_error* error = NULL;
  int32_t tee = 77;
  CHECK(bartizan_tee_from_name("no such tee", &tee, &error) == BARTIZAN_ERROR_INVALID_ARGUMENT);
  CHECK(tee == 77);
  CHECK(error != NULL);
  CHECK(bartizan_error_code(error) == BARTIZAN_ERROR_INVALID_ARGUMENT);
  CHECK(strstr(bartizan_error_describe(error), "no such tee") != NULL);
  CHECK(strcmp(bartizan_code_name(bartizan_error_code(error)), "invalid_argument") == 0);
  bartizan_error_free(error);
  CHECK(bartizan_tee_from_name("simulated", &tee, NULL) == BARTIZAN_OK);
  CHECK(tee == BARTIZAN_TEE_SIMULATED);
  CHECK(strcmp(bartizan_tee_name(tee), "simulated") == 0);
  return 0;
}

/* The rule for structs of options: shorter is older, longer must be zero beyond what is known. */
static int structs_grow_at_their_end(void) {
  struct {
    bartizan_machine_options known;
    char later[16];
  } longer;
  bartizan_context* context = NULL;
  memset(&longer, 0, sizeof longer);
  longer.known.struct_size = sizeof longer;
  CHECK(bartizan_context_create(&longer.known, &context, NULL) == BARTIZAN_OK);
  bartizan_context_free(context);
  context = NULL;
  longer.later[3] = 1;
  CHECK(bartizan_context_create(&longer.known, &context, NULL) == BARTIZAN_ERROR_INVALID_ARGUMENT);
  CHECK(context == NULL);
  longer.later[3] = 0;
  longer.known.struct_size = offsetof(bartizan_machine_options, bundle);
  CHECK(bartizan_context_create(&longer.known, &context, NULL) == BARTIZAN_OK);
  bartizan_context_free(context);
  context = NULL;
  longer.known.struct_size = 0;
  CHECK(bartizan_context_create(&longer.known, &context, NULL) == BARTIZAN_ERROR_INVALID_ARGUMENT);
  longer.known.struct_size = (size_t)1 << 40;
  CHECK(bartizan_context_create(&longer.known, &context, NULL) == BARTIZAN_ERROR_INVALID_ARGUMENT);
  longer.known.struct_size = sizeof longer.known;
  longer.known.flags = 1u << 31;
  CHECK(bartizan_context_create(&longer.known, &context, NULL) == BARTIZAN_ERROR_INVALID_ARGUMENT);
  CHECK(context == NULL);
  return 0;
}

/* The machine's verbs want their order. */
static int verbs_have_an_order(void) {
  bartizan_context* context = NULL;
  bartizan_string* json = NULL;
  CHECK(bartizan_context_create(NULL, &context, NULL) == BARTIZAN_OK);
  CHECK(bartizan_context_set_tee(context, 99, NULL) == BARTIZAN_ERROR_INVALID_ARGUMENT);
  CHECK(bartizan_context_set_tee(context, BARTIZAN_TEE_NONE, NULL) == BARTIZAN_OK);
  CHECK(bartizan_context_start(context, NULL) == BARTIZAN_ERROR_INVALID_STATE); /* no disk */
  CHECK(bartizan_context_published_ports(context, &json, NULL) == BARTIZAN_OK);
  CHECK(strcmp(bartizan_string_data(json), "[]") == 0);
  CHECK(bartizan_string_size(json) == 2);
  bartizan_string_free(json);
  bartizan_context_free(context);
  return 0;
}

int main(void) {
  CHECK(strcmp(bartizan_version(), "") != 0);
  return frees_take_null() || errors_are_told() || structs_grow_at_their_end() ||
         verbs_have_an_order();
}
