/* Makes a confidential image as one file, on a base image, and tells Trustee's KBS who may have its key, with the C API:
 *
 *   publish SOURCE BASE OUTPUT.tar KBS_URL KBS_CA ADMIN_KEY MEASUREMENT WORKLOAD_ID
 *
 * MEASUREMENT is the launch's, in hexadecimal (bartizan measure --tee snp). */
#include <bartizan.h>
#include <stdio.h>
#include <string.h>

static size_t read_file(const char* path, char* to, size_t size) {
  FILE* file = fopen(path, "rb");
  size_t count;
  if (!file) return 0;
  count = fread(to, 1, size - 1, file);
  fclose(file);
  to[count] = 0;
  return count;
}

static size_t unhex(const char* text, uint8_t* to, size_t size) {
  size_t count = 0;
  unsigned value;
  for (; count < size && sscanf(text, "%2x", &value) == 1; text += 2) to[count++] = (uint8_t)value;
  return count;
}

/* The workload digest is a member of the JSON that building gives. */
static const char* digest_in(const bartizan_string* json) {
  static const char name[] = "\"workload_digest\":\"";
  const char* at = strstr(bartizan_string_data(json), name);
  return at ? at + sizeof name - 1 : "";
}

static int32_t tell_trustee(char** argv, const bartizan_string* image, const bartizan_secret* key,
                            bartizan_error** error) {
  static char ca[65536], admin_key[4096];
  uint8_t digest[32], measurement[48];
  bartizan_blob measured;
  bartizan_broker_access access = BARTIZAN_OPTIONS_INIT(bartizan_broker_access);
  bartizan_workload workload = BARTIZAN_OPTIONS_INIT(bartizan_workload);
  access.kind = BARTIZAN_BROKER_TRUSTEE;
  access.flags = BARTIZAN_REGISTER_RESOURCE_POLICY;
  access.url = argv[4];
  if (read_file(argv[5], ca, sizeof ca)) access.ca_pem = ca;
  access.admin_key.size = read_file(argv[6], admin_key, sizeof admin_key);
  access.admin_key.data = (const uint8_t*)admin_key;
  workload.id = argv[8];
  workload.workload_digest.size = unhex(digest_in(image), digest, sizeof digest);
  workload.workload_digest.data = digest;
  measured.size = unhex(argv[7], measurement, sizeof measurement);
  measured.data = measurement;
  workload.measurements = &measured;
  workload.measurement_count = 1;
  workload.disk_key.data = bartizan_secret_data(key);
  workload.disk_key.size = bartizan_secret_size(key);
  workload.tee = BARTIZAN_TEE_SNP;
  return bartizan_broker_register(&access, &workload, error);
}

int main(int argc, char** argv) {
  bartizan_build_options options = BARTIZAN_OPTIONS_INIT(bartizan_build_options);
  bartizan_string* image = NULL;
  bartizan_secret* key = NULL;
  bartizan_error* error = NULL;
  int32_t status;
  if (argc != 9) {
    fprintf(
        stderr,
        "usage: publish SOURCE BASE OUTPUT.tar KBS_URL KBS_CA ADMIN_KEY MEASUREMENT WORKLOAD_ID\n");
    return 2;
  }
  options.source = argv[1];
  options.base_image = argv[2];
  options.output = argv[3]; /* an archive, because its name ends in ".tar" */
  options.workload_id = argv[8];
  status = bartizan_image_build(&options, &image, &key, &error);
  if (status == 0) status = tell_trustee(argv, image, key, &error);
  if (status == 0) printf("%s\n", bartizan_string_data(image));
  if (status != 0) fprintf(stderr, "%s\n", bartizan_error_message(error));
  bartizan_string_free(image);
  bartizan_secret_free(key); /* wipes it */
  bartizan_error_free(error);
  return status == 0 ? 0 : 1;
}
