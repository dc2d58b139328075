// Confidential images.
#include "bartizan/image.hpp"

#include "python/convert.hpp"

namespace bartizan::python {

namespace {

using Path = std::filesystem::path;

void bind_luks(py::module_& module) {
  py::class_<LuksKeyslot>(module, "LuksKeyslot", "One passphrase that opens a LUKS disk.")
      .def_readonly("number", &LuksKeyslot::number)
      .def_readonly("unbound", &LuksKeyslot::unbound)
      .def_readonly("kdf", &LuksKeyslot::kdf)
      .def_readonly("hash", &LuksKeyslot::hash)
      .def_readonly("iterations", &LuksKeyslot::iterations)
      .def_readonly("memory_kib", &LuksKeyslot::memory_kib)
      .def_readonly("threads", &LuksKeyslot::threads)
      .def_readonly("key_bytes", &LuksKeyslot::key_bytes)
      .def_readonly("cipher", &LuksKeyslot::cipher)
      .def_readonly("offset", &LuksKeyslot::offset)
      .def_readonly("size", &LuksKeyslot::size);
  py::class_<LuksSegment>(module, "LuksSegment", "Where the data of a LUKS disk is.")
      .def_readonly("number", &LuksSegment::number)
      .def_readonly("type", &LuksSegment::type)
      .def_readonly("offset", &LuksSegment::offset)
      .def_readonly("size", &LuksSegment::size)
      .def_readonly("cipher", &LuksSegment::cipher)
      .def_readonly("sector_size", &LuksSegment::sector_size)
      .def_readonly("integrity", &LuksSegment::integrity);
  py::class_<LuksInfo>(module, "LuksInfo", "What a LUKS header says.")
      .def_readonly("version", &LuksInfo::version)
      .def_readonly("uuid", &LuksInfo::uuid)
      .def_readonly("label", &LuksInfo::label)
      .def_readonly("cipher", &LuksInfo::cipher)
      .def_readonly("key_bytes", &LuksInfo::key_bytes)
      .def_readonly("sector_size", &LuksInfo::sector_size)
      .def_readonly("data_offset", &LuksInfo::data_offset)
      .def_readonly("integrity", &LuksInfo::integrity)
      .def_readonly("keyslots", &LuksInfo::keyslots)
      .def_readonly("segments", &LuksInfo::segments)
      .def_readonly("remark", &LuksInfo::remark);
}

void bind_types(py::module_& module) {
  py::class_<BuildReport> report(module, "BuildReport",
                                 "A confidential image that was made, and its key.");
  report
      .def_property_readonly("manifest",
                             [](const BuildReport& self) { return to_bytes(self.manifest); })
      .def_property_readonly("workload_digest",
                             [](const BuildReport& self) { return to_bytes(self.workload_digest); })
      .def_readonly("workload_id", &BuildReport::workload_id)
      .def_readonly("resource", &BuildReport::resource)
      .def_property_readonly(
          "disk_key", [](const BuildReport& self) { return to_bytes(self.disk_key.bytes()); })
      .def_readonly("disk_bytes", &BuildReport::disk_bytes)
      .def_readonly("entries", &BuildReport::entries)
      .def_readonly("content_bytes", &BuildReport::content_bytes)
      .def_readonly("image_digest", &BuildReport::image_digest)
      .def_readonly("output", &BuildReport::output);
  add_to_dict(report);
  bind_luks(module);
  py::class_<ImageInfo> info(module, "ImageInfo", "What is public about a confidential image.");
  info.def_property_readonly("manifest",
                             [](const ImageInfo& self) { return to_bytes(self.manifest); })
      .def_property_readonly("workload_digest",
                             [](const ImageInfo& self) { return to_bytes(self.workload_digest); })
      .def_readonly("disk_path", &ImageInfo::disk_path)
      .def_readonly("disk_offset", &ImageInfo::disk_offset)
      .def_readonly("disk_bytes", &ImageInfo::disk_bytes)
      .def_readonly("workload_id", &ImageInfo::workload_id)
      .def_readonly("broker_url", &ImageInfo::broker_url)
      .def_readonly("resource", &ImageInfo::resource)
      .def_readonly("cipher", &ImageInfo::cipher)
      .def_readonly("verity_root_hash", &ImageInfo::verity_root_hash)
      .def_readonly("filesystem", &ImageInfo::filesystem)
      .def_readonly("krun_config", &ImageInfo::krun_config)
      .def_readonly("vcpus", &ImageInfo::vcpus)
      .def_readonly("ram_mib", &ImageInfo::ram_mib)
      .def_readonly("header_bytes", &ImageInfo::header_bytes)
      .def_readonly("filesystem_bytes", &ImageInfo::filesystem_bytes)
      .def_readonly("tree_bytes", &ImageInfo::tree_bytes)
      .def_readonly("scratch_bytes", &ImageInfo::scratch_bytes)
      .def_readonly("kind", &ImageInfo::kind)
      .def_readonly("luks", &ImageInfo::luks);
  add_to_dict(info);
  py::class_<ImageDifference> difference(module, "ImageDifference",
                                         "One thing in which two images differ.");
  difference.def_readonly("what", &ImageDifference::what)
      .def_readonly("a", &ImageDifference::a)
      .def_readonly("b", &ImageDifference::b);
  add_to_dict(difference);
}

BuildReport build(const Path& source, const Path& output, const std::string& reference,
                  const std::string& output_reference, const std::string& workload_id,
                  const std::string& broker_url, const std::string& broker_ca_pem,
                  const std::string& resource, uint32_t vcpus, uint32_t ram_mib, bool network,
                  const std::optional<py::bytes>& disk_key, bool reproducible,
                  const Path& base_image, const std::string& base_reference,
                  const std::optional<int64_t>& created, bool anonymous, const py::object& progress,
                  uint64_t scratch_bytes, const std::optional<py::bytes>& recovery_passphrase) {
  Callback callback(progress);
  BuildOptions options;
  options.source = source;
  options.reference = reference;
  options.output = output;
  options.output_reference = output_reference;
  options.workload_id = workload_id;
  options.broker_url = broker_url;
  options.broker_ca_pem = broker_ca_pem;
  options.resource = resource;
  options.vcpus = vcpus;
  options.ram_mib = ram_mib;
  options.network = network;
  options.disk_key = to_secret(disk_key);
  options.reproducible = reproducible;
  options.base_image = base_image;
  options.base_reference = base_reference;
  options.created = created;
  options.anonymous = anonymous;
  options.scratch_bytes = scratch_bytes;
  options.recovery_passphrase = to_secret(recovery_passphrase);
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
  bind_types(module);
  module.def("build_image", &build, py::arg("source"), py::arg("output"), py::kw_only(),
             py::arg("reference") = "", py::arg("output_reference") = "latest",
             py::arg("workload_id") = "", py::arg("broker_url") = "", py::arg("broker_ca_pem") = "",
             py::arg("resource") = "", py::arg("vcpus") = 1, py::arg("ram_mib") = 512,
             py::arg("network") = true, py::arg("disk_key") = py::none(),
             py::arg("reproducible") = false, py::arg("base_image") = "",
             py::arg("base_reference") = "", py::arg("created") = py::none(),
             py::arg("anonymous") = false, py::arg("progress") = py::none(),
             py::arg("scratch_bytes") = 0, py::arg("recovery_passphrase") = py::none(),
             "Turns an OCI image into a confidential image. Needs no root and no KVM.");
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
  module.def("verify_image", &verify, py::arg("image"), py::arg("disk_key") = py::none(),
             py::kw_only(), py::arg("progress") = py::none(),
             "Checks an image's disk against its manifest, and a key against the disk.");
}

}  // namespace bartizan::python
