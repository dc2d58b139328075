// TEEs, measurements, guest bundles.
#include "bartizan/tee.hpp"

#include "bartizan/machine.hpp"
#include "python/generated/options.hpp"

namespace bartizan::python {

namespace {

BundleInfo load_bundle(const std::optional<Path>& path) {
  const Path from = path ? *path : default_bundle_path();
  return unlocked([&] { return read_bundle(from); });
}

}  // namespace

void bind_tee(py::module_& module) {
  with_arguments_of_probe(definer(module, "probe"), [](const ProbeOptions& options) {
    return unlocked([&] { return probe(options); });
  });
  with_arguments_of_measure(definer(module, "measure"), [](const LaunchOptions& options) {
    return unlocked([&] { return measure(options); });
  });
  with_arguments_of_measure_set(definer(module, "measure_set"), [](const MeasureOptions& options) {
    return unlocked([&] { return measure_set(options); });
  });
  with_arguments_of_make_id_block(definer(module, "make_id_block"),
                                  [](const IdBlockOptions& options) {
                                    return unlocked([&] { return make_id_block(options); });
                                  });
  module.def("vcpu_type_names", &vcpu_type_names, "Processors that measure_set knows by name.");
  with_arguments_of_create_bundle(
      definer(module, "create_bundle"), [](BundleOptions options, const py::object& progress) {
        Callback callback(progress);
        options.progress = callback.progress_sink();
        return unlocked_with(callback, [&] { return create_bundle(options); });
      });
  module.def("read_bundle", &load_bundle, py::arg("path") = py::none(),
             "Reads a guest bundle and verifies its digests.");
  module.def("default_bundle_path", &default_bundle_path,
             "Returns the path of the bundle that is used where none is given.");
}

}  // namespace bartizan::python
