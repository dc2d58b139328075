// TEEs, measurements, guest bundles.
#include "bartizan/tee.hpp"

#include "bartizan/machine.hpp"
#include "python/convert.hpp"

namespace bartizan::python {

namespace {

using Path = std::filesystem::path;

void bind_types(py::module_& module) {
  py::enum_<Tee>(module, "Tee",
                 "Trusted execution environments. `none` and `simulated` protect nothing.")
      .value("none", Tee::none)
      .value("simulated", Tee::simulated)
      .value("sev", Tee::sev)
      .value("sev_es", Tee::sev_es)
      .value("snp", Tee::snp)
      .value("tdx", Tee::tdx);
  py::class_<TeeProbe>(module, "TeeProbe")
      .def_readonly("tee", &TeeProbe::tee)
      .def_readonly("available", &TeeProbe::available)
      .def_readonly("missing", &TeeProbe::missing)
      .def_readonly("advice", &TeeProbe::advice);
  py::class_<HostProbe> host(module, "HostProbe", "What this host can run, and what is missing.");
  host.def_readonly("kvm_usable", &HostProbe::kvm_usable)
      .def_readonly("runs_stock_kernels", &HostProbe::runs_stock_kernels)
      .def_readonly("kvm_missing", &HostProbe::kvm_missing)
      .def_readonly("kvm_advice", &HostProbe::kvm_advice)
      .def_readonly("tees", &HostProbe::tees);
  add_to_dict(host);
  py::class_<MeasuredPage>(module, "MeasuredPage")
      .def_readonly("guest_address", &MeasuredPage::guest_address)
      .def_readonly("kind", &MeasuredPage::kind)
      .def_readonly("what", &MeasuredPage::what)
      .def_readonly("count", &MeasuredPage::count);
  py::class_<Measurement> measurement(module, "Measurement", "What a launch will measure.");
  measurement.def_readonly("tee", &Measurement::tee)
      .def_property_readonly("digest",
                             [](const Measurement& self) { return to_bytes(self.digest); })
      .def_readonly("pages", &Measurement::pages)
      .def_readonly("page_count", &Measurement::page_count);
  add_to_dict(measurement);
}

void bind_bundle_type(py::module_& module) {
  py::class_<BundleInfo> bundle(module, "BundleInfo",
                                "A guest bundle: kernel, initrd, command line.");
  bundle.def_readonly("path", &BundleInfo::path)
      .def_readonly("kernel_release", &BundleInfo::kernel_release)
      .def_readonly("kernel_sha256", &BundleInfo::kernel_sha256)
      .def_readonly("initrd_sha256", &BundleInfo::initrd_sha256)
      .def_readonly("kernel_bytes", &BundleInfo::kernel_bytes)
      .def_readonly("initrd_bytes", &BundleInfo::initrd_bytes)
      .def_readonly("command_line", &BundleInfo::command_line);
  add_to_dict(bundle);
}

HostProbe probe_host(const Path& kvm_device, uint32_t guest_time_limit_ms) {
  return unlocked([&] { return probe({kvm_device, guest_time_limit_ms}); });
}

Measurement measure_launch(const py::object& tee, const Path& bundle, uint32_t vcpus,
                           uint32_t ram_mib, const std::string& extra_command_line) {
  const LaunchOptions options{to_tee(tee), bundle, vcpus, ram_mib, extra_command_line};
  return unlocked([&] { return measure(options); });
}

BundleInfo make_bundle(const Path& kernel, const Path& modules, const Path& init,
                       const Path& output, const std::string& extra_command_line,
                       const py::object& progress) {
  Callback callback(progress);
  const BundleOptions options{
      kernel, modules, init, output, extra_command_line, callback.progress_sink()};
  return unlocked_with(callback, [&] { return create_bundle(options); });
}

BundleInfo load_bundle(const std::optional<Path>& path) {
  const Path from = path ? *path : default_bundle_path();
  return unlocked([&] { return read_bundle(from); });
}

}  // namespace

void bind_tee(py::module_& module) {
  bind_types(module);
  bind_bundle_type(module);
  module.def("probe", &probe_host, py::kw_only(), py::arg("kvm_device") = "/dev/kvm",
             py::arg("guest_time_limit_ms") = 2000, "What this host can run, and what is missing.");
  module.def("measure", &measure_launch, py::kw_only(), py::arg("tee") = Tee::simulated,
             py::arg("bundle") = "", py::arg("vcpus") = 1, py::arg("ram_mib") = 512,
             py::arg("extra_command_line") = "", "What a launch will measure. Needs no KVM.");
  module.def("create_bundle", &make_bundle, py::kw_only(), py::arg("kernel") = "",
             py::arg("modules") = "", py::arg("init") = "", py::arg("output") = "",
             py::arg("extra_command_line") = "", py::arg("progress") = py::none(),
             "Makes a guest bundle from a distribution's kernel and our init.");
  module.def("read_bundle", &load_bundle, py::arg("path") = py::none(),
             "Reads a guest bundle and checks its digests.");
  module.def("default_bundle_path", &default_bundle_path, "Where a bundle is looked for.");
}

}  // namespace bartizan::python
