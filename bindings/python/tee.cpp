// TEEs, measurements, guest bundles.
#include "bartizan/tee.hpp"

#include "bartizan/machine.hpp"
#include "python/convert.hpp"

namespace bartizan::python {

namespace {

using Path = std::filesystem::path;

void bind_id_block_type(py::module_& module) {
  py::class_<IdBlock> block(module, "IdBlock", "What an SNP launch must be, signed by its owner.");
  const auto bytes = [&block](const char* name, std::vector<uint8_t> IdBlock::*member) {
    block.def_property_readonly(name,
                                [member](const IdBlock& self) { return to_bytes(self.*member); });
  };
  bytes("block", &IdBlock::block);
  bytes("authentication", &IdBlock::authentication);
  bytes("id_key_digest", &IdBlock::id_key_digest);
  bytes("author_key_digest", &IdBlock::author_key_digest);
  add_to_dict(block);
}

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
      .def_readonly("advice", &TeeProbe::advice)
      .def_readonly("capacity", &TeeProbe::capacity)
      .def_readonly("in_use", &TeeProbe::in_use);
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
      .def_readonly("page_count", &Measurement::page_count)
      .def_readonly("launch_milliseconds", &Measurement::launch_milliseconds)
      .def_readonly("vcpus", &Measurement::vcpus)
      .def_readonly("vcpu_type", &Measurement::vcpu_type)
      .def_readonly("vcpu_signature", &Measurement::vcpu_signature)
      .def_property_readonly(
          "host_kernel",
          [](const Measurement& self) { return std::string(to_string(self.host_kernel)); })
      .def_readonly("c_bit", &Measurement::c_bit)
      .def_property_readonly("rtmrs", [](const Measurement& self) {
        py::list values;
        for (const auto& value : self.rtmrs) values.append(to_bytes(value));
        return values;
      });
  add_to_dict(measurement);
  bind_id_block_type(module);
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
                           uint32_t ram_mib, const std::string& extra_command_line, uint32_t c_bit,
                           uint64_t guest_features) {
  const LaunchOptions options{to_tee(tee),        bundle, vcpus,         ram_mib,
                              extra_command_line, c_bit,  guest_features};
  return unlocked([&] { return measure(options); });
}

// pathlib turns an empty path into ".": what is not given is None.
using OptionalPath = std::optional<Path>;

Path path_of(const OptionalPath& path) {
  return path.value_or(Path());
}

std::vector<Measurement> measure_launches(
    const py::object& tee, const OptionalPath& bundle, uint32_t vcpus, uint32_t max_vcpus,
    uint32_t ram_mib, const std::string& extra_command_line, std::vector<std::string> vcpu_types,
    std::vector<uint32_t> vcpu_signatures, const std::vector<std::string>& host_kernels,
    uint64_t guest_features, const OptionalPath& ovmf, const OptionalPath& kernel,
    const OptionalPath& initrd, const std::string& append, const std::string& vmm,
    const py::bytes& ovmf_digest, std::vector<uint32_t> c_bits) {
  MeasureOptions options;
  options.launch = {to_tee(tee), path_of(bundle), vcpus, ram_mib, extra_command_line, 0};
  options.c_bits = std::move(c_bits);
  options.max_vcpus = max_vcpus;
  options.vcpu_types = std::move(vcpu_types);
  options.vcpu_signatures = std::move(vcpu_signatures);
  options.host_kernels.clear();
  for (const auto& name : host_kernels)
    options.host_kernels.push_back(unwrap(host_kernel_from_string(name)));
  options.guest_features = guest_features;
  options.firmware = {
      path_of(ovmf),         path_of(kernel), path_of(initrd), append, unwrap(vmm_from_string(vmm)),
      to_vector(ovmf_digest)};
  return unlocked([&] { return measure_set(options); });
}

IdBlock sign_id_block(const py::bytes& digest, const Path& id_key, const OptionalPath& author_key,
                      const py::bytes& family_id, const py::bytes& image_id, uint32_t guest_svn,
                      uint64_t policy) {
  IdBlockOptions options;
  options.digest = to_vector(digest);
  const auto set_id = [](const char* name, const py::bytes& from, std::array<uint8_t, 16>* to) {
    const auto bytes = to_vector(from);
    if (bytes.empty()) return;
    if (bytes.size() != to->size()) throw py::value_error(std::string(name) + ": not 16 bytes");
    std::copy(bytes.begin(), bytes.end(), to->begin());
  };
  set_id("family_id", family_id, &options.family_id);
  set_id("image_id", image_id, &options.image_id);
  options.guest_svn = guest_svn;
  options.policy = policy;
  options.id_key = id_key;
  options.author_key = path_of(author_key);
  return unlocked([&] { return make_id_block(options); });
}

void bind_measure(py::module_& module) {
  using Strings = std::vector<std::string>;
  module.def(
      "measure_set", &measure_launches, py::kw_only(), py::arg("tee") = Tee::simulated,
      py::arg("bundle") = py::none(), py::arg("vcpus") = 1, py::arg("max_vcpus") = 0,
      py::arg("ram_mib") = 512, py::arg("extra_command_line") = "",
      py::arg("vcpu_types") = Strings(), py::arg("vcpu_signatures") = std::vector<uint32_t>(),
      py::arg("host_kernels") = Strings{"since-6.10"}, py::arg("guest_features") = 0,
      py::arg("ovmf") = py::none(), py::arg("kernel") = py::none(), py::arg("initrd") = py::none(),
      py::arg("append") = "", py::arg("vmm") = "qemu", py::arg("ovmf_digest") = py::bytes(),
      py::arg("c_bits") = std::vector<uint32_t>(),
      "Every digest that a launch may have: for each vCPU count, processor or C-bit, host kernel.");
  module.def("make_id_block", &sign_id_block, py::kw_only(), py::arg("digest"), py::arg("id_key"),
             py::arg("author_key") = py::none(), py::arg("family_id") = py::bytes(),
             py::arg("image_id") = py::bytes(), py::arg("guest_svn") = 0,
             py::arg("policy") = kDefaultSnpPolicy, "Signs what an SNP launch must be.");
  module.def("vcpu_type_names", &vcpu_type_names, "Processors that measure_set knows by name.");
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
             py::arg("extra_command_line") = "", py::arg("c_bit") = 0,
             py::arg("guest_features") = 0, "What a launch will measure. Needs no KVM.");
  bind_measure(module);
  module.def("create_bundle", &make_bundle, py::kw_only(), py::arg("kernel") = "",
             py::arg("modules") = "", py::arg("init") = "", py::arg("output") = "",
             py::arg("extra_command_line") = "", py::arg("progress") = py::none(),
             "Makes a guest bundle from a distribution's kernel and our init.");
  module.def("read_bundle", &load_bundle, py::arg("path") = py::none(),
             "Reads a guest bundle and checks its digests.");
  module.def("default_bundle_path", &default_bundle_path, "Where a bundle is looked for.");
}

}  // namespace bartizan::python
