/* The C interface of the table: driver OPERATION [NAME=VALUE]... prints the result's JSON, or {"error": ...}. C99, and nothing
 * but bartizan.h. */
#include <bartizan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int arguments;
static char** argument;

static const char* get(const char* name) {
  const size_t size = strlen(name);
  int i;
  for (i = 2; i < arguments; ++i)
    if (strncmp(argument[i], name, size) == 0 && argument[i][size] == '=')
      return argument[i] + size + 1;
  return NULL;
}

/* The file named by an argument, with a final zero; a final newline is dropped if `trim`. */
static bartizan_blob file_of(const char* name, int trim) {
  bartizan_blob blob = {NULL, 0};
  const char* path = get(name);
  FILE* file = path ? fopen(path, "rb") : NULL;
  uint8_t* bytes = calloc(1, 65536);
  if (!file || !bytes) return blob;
  blob.size = fread(bytes, 1, 65535, file);
  fclose(file);
  if (trim && blob.size > 0 && bytes[blob.size - 1] == '\n') bytes[--blob.size] = 0;
  blob.data = bytes;
  return blob;
}

/* The text member of a JSON object that is made of hexadecimal digits or a plain word. */
static const char* member(const bartizan_string* json, const char* name) {
  char* text = calloc(1, 4096);
  char key[64];
  const char* at;
  size_t i;
  snprintf(key, sizeof key, "\"%s\":\"", name);
  at = strstr(bartizan_string_data(json), key);
  if (!at) return text;
  at += strlen(key);
  for (i = 0; i < 4095 && at[i] != '"'; ++i) text[i] = at[i];
  return text;
}

static bartizan_blob unhex(const char* text) {
  bartizan_blob blob = {NULL, 0};
  uint8_t* bytes = calloc(1, strlen(text) / 2 + 1);
  unsigned value;
  for (; sscanf(text, "%2x", &value) == 1; text += 2) bytes[blob.size++] = (uint8_t)value;
  blob.data = bytes;
  return blob;
}

static uint64_t number(const char* name) {
  return get(name) ? strtoull(get(name), NULL, 0) : 0;
}

static bartizan_tee_options tee_options(void) {
  bartizan_tee_options options = BARTIZAN_OPTIONS_INIT(bartizan_tee_options);
  options.policy = number("policy");
  options.guest_features = number("guest_features");
  options.id_block = file_of("id_block", 0);
  options.id_authentication = file_of("id_auth", 0);
  options.certificates = file_of("certificates", 0);
  options.owner_certificate = file_of("owner_certificate", 0);
  options.session = file_of("session", 0);
  options.platform_certificates = file_of("platform_certificates", 0);
  options.quote_service = get("quote_service");
  return options;
}

static int32_t tell(const char* text, bartizan_string** json) {
  /* The drivers of the other interfaces make this text themselves; here it has no handle to come in. */
  printf("%s\n", text);
  *json = NULL;
  return 0;
}

static int32_t measured(bartizan_string** json, bartizan_error** error) {
  bartizan_launch_options options = BARTIZAN_OPTIONS_INIT(bartizan_launch_options);
  int32_t status;
  options.bundle = get("bundle");
  options.guest_features = number("guest_features");
  status = bartizan_tee_from_name(get("tee"), &options.tee, error);
  return status ? status : bartizan_measure(&options, json, error);
}

static int32_t build(bartizan_string** json, bartizan_error** error) {
  bartizan_build_options options = BARTIZAN_OPTIONS_INIT(bartizan_build_options);
  options.source = get("source");
  options.output = get("output");
  options.workload_id = "tiny";
  options.base_image = get("base_image");
  options.created = get("created") ? atol(get("created")) : 0;
  options.flags = get("anonymous") ? BARTIZAN_BUILD_ANONYMOUS : 0;
  options.disk_key = file_of("key_file", 1);
  options.tee = get("tee");
  options.tee_config = (const char*)file_of("tee_config", 0).data;
  options.source_passphrase = file_of("source_passphrase_file", 1);
  return bartizan_image_build(&options, json, NULL, error);
}

static int32_t verify(bartizan_string** json, bartizan_error** error) {
  const bartizan_blob key = file_of("key_file", 1);
  const int32_t status = bartizan_image_verify(get("image"), key.data, key.size, NULL, NULL, error);
  return status ? status : tell("{\"verified\":true}", json);
}

static int32_t probe(bartizan_string** json, bartizan_error** error) {
  bartizan_probe_options options = BARTIZAN_OPTIONS_INIT(bartizan_probe_options);
  options.kvm_device = get("kvm_device");
  options.bundle = get("bundle");
  return bartizan_probe(&options, json, error);
}

static int32_t judge(int show, bartizan_string** json, bartizan_error** error) {
  bartizan_evidence_policy policy = BARTIZAN_OPTIONS_INIT(bartizan_evidence_policy);
  const char* evidence = (const char*)file_of("evidence", 1).data;
  int32_t tee = 0;
  const int32_t status = bartizan_tee_from_name(get("kind"), &tee, error);
  if (status) return status;
  if (show) return bartizan_attest_show(evidence, tee, json, error);
  policy.now = (int64_t)number("now");
  policy.json = (const char*)file_of("policy", 1).data;
  return bartizan_attest_judge(evidence, tee, &policy, json, error);
}

static int32_t launch(bartizan_string** json, bartizan_error** error) {
  const bartizan_blob key = file_of("key_file", 1);
  const bartizan_tee_options tee_of_launch = tee_options();
  bartizan_machine_options options = BARTIZAN_OPTIONS_INIT(bartizan_machine_options);
  bartizan_published_port port = {NULL, 0, 80, BARTIZAN_PORT_TCP};
  const char* allow = get("allow");
  bartizan_context* context = NULL;
  int32_t tee, status;
  options.bundle = get("bundle");
  options.kvm_device = get("kvm_device");
  options.tee_options = &tee_of_launch;
  if (get("huge_pages") && strcmp(get("huge_pages"), "transparent") == 0)
    options.huge_pages = BARTIZAN_HUGE_PAGES_TRANSPARENT;
  if (get("harden") && strcmp(get("harden"), "preferred") == 0)
    options.harden = BARTIZAN_HARDENING_PREFERRED;
  if (get("max_vcpus")) options.max_vcpus = (uint32_t)atoi(get("max_vcpus"));
  if (get("max_memory")) options.max_ram_mib = (uint32_t)atoi(get("max_memory"));
  if (get("max_scratch")) options.max_scratch_bytes = (uint64_t)atoll(get("max_scratch"));
  if (get("network") && strcmp(get("network"), "isolated") == 0)
    options.network = BARTIZAN_NETWORK_ISOLATED;
  options.allow = &allow;
  options.allow_count = allow ? 1 : 0;
  options.publish_auto = get("publish_auto");
  options.broker_url = get("broker");
  if (get("port")) {
    port.host_port = (uint16_t)atoi(get("port"));
    options.publish = &port;
    options.publish_count = 1;
  }
  status = bartizan_tee_from_name(get("tee"), &tee, error);
  if (status == 0) status = bartizan_context_create(&options, &context, error);
  if (status == 0) status = bartizan_context_set_tee(context, tee, error);
  if (status == 0)
    status = bartizan_context_attach_image(context, get("image"), key.data, key.size, error);
  if (status == 0) status = bartizan_context_start(context, error);
  bartizan_context_free(context);
  return status ? status : tell("{\"started\":true}", json);
}

static int32_t serve(bartizan_string** json, bartizan_error** error) {
  bartizan_broker_options options = BARTIZAN_OPTIONS_INIT(bartizan_broker_options);
  bartizan_broker* broker = NULL;
  const bartizan_blob root = file_of("sev_root", 0);
  const char* proxy = get("trusted_proxy");
  int32_t status;
  options.state = get("state");
  options.port = (uint16_t)atoi(get("port"));
  options.sev_roots = &root;
  options.sev_root_count = get("sev_root") ? 1 : 0;
  if (get("request_burst")) options.request_burst = (uint32_t)atoi(get("request_burst"));
  options.trusted_proxies = &proxy;
  options.trusted_proxy_count = proxy ? 1 : 0;
  status = bartizan_broker_start(&options, &broker, error);
  bartizan_broker_free(broker);
  return status ? status : tell("{\"started\":true}", json);
}

static int32_t enroll(bartizan_string** json, bartizan_error** error) {
  bartizan_broker_access access = BARTIZAN_OPTIONS_INIT(bartizan_broker_access);
  bartizan_workload workload = BARTIZAN_OPTIONS_INIT(bartizan_workload);
  bartizan_string *info = NULL, *measurement = NULL;
  bartizan_blob digest;
  const char* hexadecimal;
  char text[256];
  int32_t status = bartizan_image_inspect(get("image"), NULL, &info, error);
  if (status == 0 && !get("measurement")) status = measured(&measurement, error);
  if (status) return status;
  hexadecimal = get("measurement") ? get("measurement") : member(measurement, "digest");
  digest = unhex(hexadecimal);
  access.url = get("url");
  access.ca_pem = (const char*)file_of("ca", 0).data;
  if (get("token_file")) access.admin_token = file_of("token_file", 1);
  if (get("admin_key")) access.admin_key = file_of("admin_key", 1);
  if (get("resource_policy")) access.flags = BARTIZAN_REGISTER_RESOURCE_POLICY;
  if (get("keep_resource_policy")) access.flags = BARTIZAN_REGISTER_KEEP_RESOURCE_POLICY;
  if (get("replace")) access.flags |= BARTIZAN_REGISTER_REPLACE;
  if (get("kind")) status = bartizan_broker_kind_from_name(get("kind"), &access.kind, error);
  if (status) return status;
  workload.id = member(info, "workload_id");
  workload.workload_digest = unhex(member(info, "workload_digest"));
  workload.measurements = &digest;
  workload.measurement_count = 1;
  workload.flags = BARTIZAN_POLICY_ALLOW_SIMULATED;
  workload.resource = member(info, "resource");
  workload.disk_key = file_of("key_file", 1);
  status = bartizan_tee_from_name(get("tee"), &workload.tee, error);
  if (status) return status;
  status = bartizan_broker_register(&access, &workload, error);
  snprintf(text, sizeof text, "{\"workload_id\":\"%s\",\"measurement\":\"%s\"}", workload.id,
           hexadecimal);
  return status ? status : tell(text, json);
}

static int32_t run(const char* operation, bartizan_string** json, bartizan_error** error) {
  if (strcmp(operation, "inspect") == 0)
    return bartizan_image_inspect(get("image"), NULL, json, error);
  if (strcmp(operation, "bundle") == 0) return bartizan_bundle_read(get("bundle"), json, error);
  if (strcmp(operation, "verify") == 0) return verify(json, error);
  if (strcmp(operation, "build") == 0) return build(json, error);
  if (strcmp(operation, "judge") == 0) return judge(0, json, error);
  if (strcmp(operation, "show_evidence") == 0) return judge(1, json, error);
  if (strcmp(operation, "measure") == 0) return measured(json, error);
  if (strcmp(operation, "probe") == 0) return probe(json, error);
  if (strcmp(operation, "launch") == 0) return launch(json, error);
  if (strcmp(operation, "broker") == 0) return serve(json, error);
  if (strcmp(operation, "register") == 0) return enroll(json, error);
  fprintf(stderr, "%s: no such operation\n", operation);
  exit(2);
}

/* A JSON text: messages hold quotes and backslashes, and nothing below a blank. */
static void print_text(const char* name, const char* text) {
  printf("\"%s\":\"", name);
  for (; *text; ++text) printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
  printf("\",");
}

int main(int argc, char** argv) {
  bartizan_string* json = NULL;
  bartizan_error* error = NULL;
  arguments = argc;
  argument = argv;
  if (run(argv[1], &json, &error) == 0) {
    if (json) printf("%s\n", bartizan_string_data(json));
    return 0;
  }
  printf("{\"error\":{");
  print_text("code", bartizan_code_name(bartizan_error_code(error)));
  print_text("origin", bartizan_error_origin(error));
  print_text("message", bartizan_error_message(error));
  print_text("reason", bartizan_error_reason(error));
  print_text("expected", bartizan_error_expected(error));
  print_text("got", bartizan_error_got(error));
  print_text("advice", bartizan_code_advice(bartizan_error_code(error)));
  printf("\"number\":%d,\"os_errno\":%d}}\n", (int)bartizan_error_code(error),
         (int)bartizan_error_os_errno(error));
  return 0;
}
