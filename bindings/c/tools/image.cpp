// Confidential images.
#include "bartizan/image.hpp"

#include "c/options.hpp"

using namespace bartizan::c;  // NOLINT: this file is the C ABI of this noun
namespace bz = bartizan;

extern "C" {

int32_t bartizan_image_build(const bartizan_build_options* options, bartizan_string** json,
                             bartizan_secret** disk_key, bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!options) return missing("options");
    if (!json) return missing("json");
    const auto to = TRY(from_c(options));
    if (!to.disk_key && !disk_key) return missing("disk_key");
    auto report = TRY(bz::build_image(to));
    auto text = make_json(report);
    if (disk_key) *disk_key = make_secret(report.disk_key).release();
    *json = text.release();
    return {};
  });
}

int32_t bartizan_image_inspect(const char* image, const char* reference, bartizan_string** json,
                               bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    TRY(require(image, "image"));
    return give_json(bz::inspect_image(image, text(reference)), json);
  });
}

int32_t bartizan_image_diff(const char* a, const char* b, bartizan_string** json,
                            bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    if (!json) return missing("json");
    TRY(require(a, "a"));
    TRY(require(b, "b"));
    return give_json(bz::diff_images(a, b), json);
  });
}

int32_t bartizan_image_check_key(const char* image, const uint8_t* disk_key, size_t disk_key_size,
                                 bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    TRY(require(image, "image"));
    auto key = TRY(secret_of({disk_key, disk_key_size}, "disk_key"));
    if (!key) return missing("disk_key");
    return bz::check_disk_key(image, *key);
  });
}

int32_t bartizan_image_verify(const char* image, const uint8_t* disk_key, size_t disk_key_size,
                              bartizan_progress_fn progress, void* progress_user,
                              bartizan_error** err) {
  return guarded(err, [&]() -> bz::Result<void> {
    TRY(require(image, "image"));
    auto key = TRY(secret_of({disk_key, disk_key_size}, "disk_key"));
    return bz::verify_image(image, key, progress_sink(progress, progress_user));
  });
}

}  // extern "C"
