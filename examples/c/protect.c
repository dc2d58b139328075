/* Makes a confidential image with a scratch disk and a recovery passphrase, shows what is known of it, and verifies it,
 * with the C API:
 *
 *   protect SOURCE OUTPUT KEY_FILE RECOVERY_FILE
 *
 * SOURCE: an OCI layout folder. KEY_FILE holds the disk key, RECOVERY_FILE the passphrase for people. */
#include <bartizan.h>
#include <stdio.h>

static bartizan_blob read_secret(const char* path, uint8_t* to, size_t size) {
  bartizan_blob secret;
  FILE* file = fopen(path, "rb");
  secret.data = to;
  secret.size = file ? fread(to, 1, size, file) : 0;
  if (file) fclose(file);
  if (secret.size > 0 && to[secret.size - 1] == '\n') --secret.size;
  return secret;
}

static int32_t protect(char** words, bartizan_string** json, bartizan_error** error) {
  uint8_t key[1024], recovery[1024];
  bartizan_build_options options = BARTIZAN_OPTIONS_INIT(bartizan_build_options);
  int32_t status;
  options.source = words[1];
  options.output = words[2];
  options.disk_key = read_secret(words[3], key, sizeof key);
  options.recovery_passphrase = read_secret(words[4], recovery, sizeof recovery);
  options.scratch_bytes = 64 << 20; /* what the workload writes goes there, not to memory */
  options.host_may = "output";      /* no input, and no signal but the request to stop */
  status = bartizan_image_build(&options, json, NULL, error);
  if (status != 0) return status;
  bartizan_string_free(*json);
  *json = NULL;
  status = bartizan_image_inspect(words[2], NULL, json, error);
  if (status != 0) return status;
  puts(bartizan_string_data(*json)); /* "scratch_bytes", "luks": {"keyslots": ...} among the rest */
  return bartizan_image_verify(words[2], options.recovery_passphrase.data,
                               options.recovery_passphrase.size, NULL, NULL, error);
}

int main(int argc, char** argv) {
  bartizan_string* json = NULL;
  bartizan_error* error = NULL;
  int32_t status;
  if (argc != 5) {
    fprintf(stderr, "usage: protect SOURCE OUTPUT KEY_FILE RECOVERY_FILE\n");
    return 2;
  }
  status = protect(argv, &json, &error);
  if (status != 0) fprintf(stderr, "%s\n", bartizan_error_describe(error));
  bartizan_string_free(json);
  bartizan_error_free(error);
  return status == 0 ? 0 : 1;
}
