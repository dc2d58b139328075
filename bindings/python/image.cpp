// Confidential images.
#include "bartizan/image.hpp"

#include "python/generated/options.hpp"

namespace bartizan::python {

namespace {

BuildReport build(BuildOptions options, const py::object& progress) {
  Callback callback(progress);
  options.progress = callback.progress_sink();
  return unlocked_with(callback, [&] { return build_image(options); });
}

void verify(const Path& image, const std::optional<py::bytes>& disk_key,
            const py::object& progress) {
  Callback callback(progress);
  const std::optional<SecretBytes> key = to_secret(disk_key);
  const ProgressSink sink = callback.progress_sink();
  unlocked_with(callback, [&] { return verify_image(image, key, sink); });
}

}  // namespace

void bind_image(py::module_& module) {
  with_arguments_of_build_image(definer(module, "build_image"), &build);
  module.def(
      "inspect_image",
      [](const Path& image, const std::string& reference) {
        return unlocked([&] { return inspect_image(image, reference); });
      },
      py::arg("image"), py::arg("reference") = "", "What is public about a confidential image.");
  module.def(
      "diff_images",
      [](const Path& a, const Path& b) { return unlocked([&] { return diff_images(a, b); }); },
      py::arg("a"), py::arg("b"),
      "In what two images differ, as far as can be seen without a key; empty: in nothing.");
  module.def(
      "check_disk_key",
      [](const Path& image, const py::bytes& disk_key) {
        const SecretBytes key = to_secret(disk_key);
        unlocked([&] { return check_disk_key(image, key); });
      },
      py::arg("image"), py::arg("disk_key"),
      "Tries a key on the image's key slot: VerificationFailed if it does not open the disk.");
  module.def("verify_image", &verify, py::arg("image"), py::arg("disk_key") = py::none(),
             py::kw_only(), py::arg("progress") = py::none(),
             "Checks an image's disk against its manifest, and a key against the disk.");
}

}  // namespace bartizan::python
