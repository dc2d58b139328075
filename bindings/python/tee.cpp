// TEEs, measurements, guest bundles.
#include "bartizan/tee.hpp"

#include "bartizan/machine.hpp"
#include "python/generated/options.hpp"

namespace bartizan::python {

namespace {

BundleInfo read_bundle_at(const std::optional<Path>& path) {
  return unlocked([&] { return read_bundle(path.value_or(Path())); });
}

LoadedBundle load_bundle_at(const std::optional<Path>& path) {
  return unlocked([&] { return LoadedBundle::load(path.value_or(Path())); });
}

void bind_loaded_bundle(py::module_& module) {
  py::class_<LoadedBundle>(module, "LoadedBundle",
                           "A guest bundle in memory, read and verified once: it needs its files "
                           "no more, and any number of machines may start from it.")
      .def(py::init(&load_bundle_at), py::arg("path") = py::none(),
           "path: Folder of the guest bundle. Default: default_bundle_path().")
      .def_property_readonly(
          "info", [](const LoadedBundle& self) { return self.info(); }, "What it is.");
}

}  // namespace

void bind_tee(py::module_& module) {
  bind_loaded_bundle(module);
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
  module.def("read_bundle", &read_bundle_at, py::arg("path") = py::none(),
             "Reads a guest bundle and verifies its digests.");
  module.def("default_bundle_path", &default_bundle_path,
             "Returns the path of the bundle that is used where none is given.");
}

}  // namespace bartizan::python
