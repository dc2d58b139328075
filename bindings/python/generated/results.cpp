// Enumerations and results as Python classes. Made by scripts/make-api
// from api/*.toml: change those.
#include "bartizan/attest.hpp"
#include "bartizan/image.hpp"
#include "bartizan/machine.hpp"
#include "python/convert.hpp"

namespace bartizan::python {

namespace {

void add_tee(py::module_& module) {
  py::enum_<Tee> type(module, "Tee", R"doc(Trusted execution environments. none and simulated protect nothing. Equal to its number too.)doc");
  type
      .value("none", Tee::none, R"doc(An ordinary virtual machine. It cannot attest.)doc")
      .value("simulated", Tee::simulated, R"doc(Runs the guest's SEV code on any KVM host, with a throw-away key chain.)doc")
      .value("sev", Tee::sev, R"doc(AMD SEV: encrypted memory.)doc")
      .value("sev_es", Tee::sev_es, R"doc(AMD SEV-ES: also encrypted registers.)doc")
      .value("snp", Tee::snp, R"doc(AMD SEV-SNP: also integrity, and reports for remote attestation.)doc")
      .value("tdx", Tee::tdx, R"doc(Intel TDX.)doc");
  equal_to_number(type);
}

void add_exit_kind(py::module_& module) {
  py::enum_<ExitKind> type(module, "ExitKind", R"doc(How a guest ended. Equal to its number too.)doc");
  type
      .value("exit_code", ExitKind::exit_code, R"doc(The workload ended; the code is its exit status.)doc")
      .value("signal", ExitKind::signal, R"doc(The workload was killed by a signal; the code is the signal's number.)doc")
      .value("guest_failure", ExitKind::guest_failure, R"doc(The guest's init gave up; stage and detail hold where and why.)doc")
      .value("shutdown", ExitKind::shutdown, R"doc(The guest powered off without an exit report.)doc")
      .value("reset", ExitKind::reset, R"doc(The guest reset itself without an exit report.)doc")
      .value("crash", ExitKind::crash, R"doc(Triple fault, internal KVM error or similar; detail holds which.)doc")
      .value("stopped", ExitKind::stopped, R"doc(A stop was requested and the guest did not end by itself in time.)doc");
  equal_to_number(type);
}

void add_memory_view(py::module_& module) {
  py::enum_<MemoryView> type(module, "MemoryView", R"doc(Two views of the memory of a stopped or running guest. Equal to its number too.)doc");
  type
      .value("raw", MemoryView::raw, R"doc(The bytes as they are. Only for the TEEs none and simulated.)doc")
      .value("host", MemoryView::host, R"doc(What the host of a TEE sees: private pages are encrypted under a key of this VM.)doc");
  equal_to_number(type);
}

void add_tee_probe(py::module_& module) {
  py::class_<TeeProbe> type(module, "TeeProbe", R"doc(Whether a host can run a TEE.)doc");
  type.def_readonly("tee", &TeeProbe::tee, R"doc(The TEE.)doc");
  type.def_readonly("available", &TeeProbe::available, R"doc(Whether this host can run it.)doc");
  type.def_readonly("missing", &TeeProbe::missing, R"doc(One line that names what is missing; empty if available.)doc");
  type.def_readonly("advice", &TeeProbe::advice, R"doc(One line with the next step to take; empty if available.)doc");
  type.def_readonly("capacity", &TeeProbe::capacity, R"doc(Guests of that TEE that this host can hold at a time (ASIDs, TDX keys); 0: unlimited or unknown.)doc");
  type.def_readonly("in_use", &TeeProbe::in_use, R"doc(Guests of that TEE that it holds now; 0 also if unknown.)doc");
  add_to_dict(type);
  add_state(type,
            &TeeProbe::tee,
            &TeeProbe::available,
            &TeeProbe::missing,
            &TeeProbe::advice,
            &TeeProbe::capacity,
            &TeeProbe::in_use);
}

void add_host_probe(py::module_& module) {
  py::class_<HostProbe> type(module, "HostProbe", R"doc(What a host can run, and what is missing.)doc");
  type.def_readonly("kvm_usable", &HostProbe::kvm_usable, R"doc(The KVM device opens and has API version 12.)doc");
  type.def_readonly("runs_stock_kernels", &HostProbe::runs_stock_kernels, R"doc(A small probe guest in long mode finished within its time limit.)doc");
  type.def_readonly("kvm_missing", &HostProbe::kvm_missing, R"doc(One line that names what is missing if either is false.)doc");
  type.def_readonly("kvm_advice", &HostProbe::kvm_advice, R"doc(One line with the next step to take.)doc");
  type.def_readonly("tees", &HostProbe::tees, R"doc(One for each TEE, in the order of their numbers.)doc");
  add_to_dict(type);
  add_state(type,
            &HostProbe::kvm_usable,
            &HostProbe::runs_stock_kernels,
            &HostProbe::kvm_missing,
            &HostProbe::kvm_advice,
            &HostProbe::tees);
}

void add_measured_page(py::module_& module) {
  py::class_<MeasuredPage> type(module, "MeasuredPage", R"doc(A run of measured pages.)doc");
  type.def_readonly("guest_address", &MeasuredPage::guest_address, R"doc(Guest physical address, a multiple of 4096.)doc");
  type.def_readonly("kind", &MeasuredPage::kind, R"doc(Kind of page: "normal", "zero", "vmsa" and so on.)doc");
  type.def_readonly("what", &MeasuredPage::what, R"doc(Content: "kernel", "acpi", "boot_params" and so on.)doc");
  type.def_readonly("count", &MeasuredPage::count, R"doc(Number of pages of 4096 bytes.)doc");
  add_to_dict(type);
  add_state(type,
            &MeasuredPage::guest_address,
            &MeasuredPage::kind,
            &MeasuredPage::what,
            &MeasuredPage::count);
}

void add_measurement(py::module_& module) {
  py::class_<Measurement> type(module, "Measurement", R"doc(What a launch will measure.)doc");
  type.def_readonly("tee", &Measurement::tee, R"doc(The TEE that was measured for.)doc");
  type.def_property_readonly("digest", [](const Measurement& self) { return to_bytes(self.digest); }, R"doc(48 bytes for simulated, snp and tdx; 32 for sev and sev-es; empty for none.)doc");
  type.def_readonly("page_count", &Measurement::page_count, R"doc(Pages of 4096 bytes that a launch loads, on AMD through the security processor.)doc");
  type.def_readonly("launch_milliseconds", &Measurement::launch_milliseconds, R"doc(Expected time, at 1 ms per page; 0 if no security processor takes part. Unit: ms.)doc");
  type.def_readonly("vcpus", &Measurement::vcpus, R"doc(Number of virtual CPUs.)doc");
  type.def_readonly("vcpu_type", &Measurement::vcpu_type, R"doc(Processor as it was asked for, "EPYC-Milan"; empty: by signature, or none.)doc");
  type.def_readonly("vcpu_signature", &Measurement::vcpu_signature, R"doc(RDX of the first registers; 0: none was asked for.)doc");
  type.def_property_readonly("host_kernel", [](const Measurement& self) { return std::string(to_string(self.host_kernel)); }, R"doc("since-6.10" or "before-6.10".)doc");
  type.def_readonly("c_bit", &Measurement::c_bit, R"doc(C-bit of the guest's page tables; tdx: their shared bit; 0: none, or a firmware decides it.)doc");
  type.def_property_readonly("rtmrs", [](const Measurement& self) { return to_list(self.rtmrs); }, R"doc(tdx: RTMR 0 to 3, 48 bytes each, when Linux starts; else empty.)doc");
  type.def_readonly("pages", &Measurement::pages, R"doc(What is measured, in order.)doc");
  add_to_dict(type);
  add_state(type,
            &Measurement::tee,
            &Measurement::digest,
            &Measurement::page_count,
            &Measurement::launch_milliseconds,
            &Measurement::vcpus,
            &Measurement::vcpu_type,
            &Measurement::vcpu_signature,
            &Measurement::host_kernel,
            &Measurement::c_bit,
            &Measurement::rtmrs,
            &Measurement::pages);
}

void add_id_block(py::module_& module) {
  py::class_<IdBlock> type(module, "IdBlock", R"doc(An ID block, signed by its owner.)doc");
  type.def_property_readonly("block", [](const IdBlock& self) { return to_bytes(self.block); }, R"doc(The ID block: 96 bytes.)doc");
  type.def_property_readonly("authentication", [](const IdBlock& self) { return to_bytes(self.authentication); }, R"doc(Signatures and public keys: 4096 bytes.)doc");
  type.def_property_readonly("id_key_digest", [](const IdBlock& self) { return to_bytes(self.id_key_digest); }, R"doc(Digest of the ID key as in reports: 48 bytes.)doc");
  type.def_property_readonly("author_key_digest", [](const IdBlock& self) { return to_bytes(self.author_key_digest); }, R"doc(Digest of the author key as in reports: 48 bytes, or empty.)doc");
  add_to_dict(type);
  add_state(type,
            &IdBlock::block,
            &IdBlock::authentication,
            &IdBlock::id_key_digest,
            &IdBlock::author_key_digest);
}

void add_bundle_info(py::module_& module) {
  py::class_<BundleInfo> type(module, "BundleInfo", R"doc(A guest bundle: kernel, initrd and default command line.)doc");
  type.def_readonly("path", &BundleInfo::path, R"doc(The folder.)doc");
  type.def_readonly("kernel_release", &BundleInfo::kernel_release, R"doc(Release of the kernel, as uname -r prints it.)doc");
  type.def_readonly("kernel_sha256", &BundleInfo::kernel_sha256, R"doc(SHA-256 of the kernel in hexadecimal.)doc");
  type.def_readonly("initrd_sha256", &BundleInfo::initrd_sha256, R"doc(SHA-256 of the initrd in hexadecimal.)doc");
  type.def_readonly("kernel_bytes", &BundleInfo::kernel_bytes, R"doc(Size of the kernel.)doc");
  type.def_readonly("initrd_bytes", &BundleInfo::initrd_bytes, R"doc(Size of the initrd.)doc");
  type.def_readonly("command_line", &BundleInfo::command_line, R"doc(The default kernel command line.)doc");
  type.def_readonly("digest", &BundleInfo::digest, R"doc(SHA-256 of bundle.json in hexadecimal. Bundles with different digests have different measurements.)doc");
  type.def_readonly("tees", &BundleInfo::tees, R"doc(TEEs that the kernel can be a guest of, by its configuration and modules; a launch in another one is refused.)doc");
  type.def_readonly("replaced_digest", &BundleInfo::replaced_digest, R"doc(When a bundle was created: digest of the one that was there before, that of this one if nothing had to be written; "damaged": it could not be read as one; empty: none was.)doc");
  add_to_dict(type);
  add_state(type,
            &BundleInfo::path,
            &BundleInfo::kernel_release,
            &BundleInfo::kernel_sha256,
            &BundleInfo::initrd_sha256,
            &BundleInfo::kernel_bytes,
            &BundleInfo::initrd_bytes,
            &BundleInfo::command_line,
            &BundleInfo::digest,
            &BundleInfo::tees,
            &BundleInfo::replaced_digest);
}

void add_build_report(py::module_& module) {
  py::class_<BuildReport> type(module, "BuildReport", R"doc(A confidential image that was built, and its key.)doc");
  type.def_property_readonly("manifest", [](const BuildReport& self) { return to_bytes(self.manifest); }, R"doc(The exact text of the manifest.)doc");
  type.def_property_readonly("workload_digest", [](const BuildReport& self) { return to_bytes(self.workload_digest); }, R"doc(SHA-256 of the manifest, 32 bytes: HOST_DATA of a launch.)doc");
  type.def_readonly("workload_id", &BuildReport::workload_id, R"doc(Name of the workload at the broker.)doc");
  type.def_readonly("resource", &BuildReport::resource, R"doc(Name of the key at the broker.)doc");
  type.def_property_readonly("disk_key", [](const BuildReport& self) { return to_bytes(self.disk_key.bytes()); }, R"doc(The disk key. Never in JSON.)doc");
  type.def_readonly("disk_bytes", &BuildReport::disk_bytes, R"doc(Size of /disk.img.)doc");
  type.def_readonly("entries", &BuildReport::entries, R"doc(Files, folders and links in the file system.)doc");
  type.def_readonly("content_bytes", &BuildReport::content_bytes, R"doc(Bytes in regular files.)doc");
  type.def_readonly("image_digest", &BuildReport::image_digest, R"doc(Digest of the written OCI manifest, "sha256:" and so on.)doc");
  type.def_readonly("output", &BuildReport::output, R"doc(Folder or archive that was created, or where skopeo copied to.)doc");
  add_to_dict(type);
  add_state(type,
            &BuildReport::manifest,
            &BuildReport::workload_digest,
            &BuildReport::workload_id,
            &BuildReport::resource,
            &BuildReport::disk_key,
            &BuildReport::disk_bytes,
            &BuildReport::entries,
            &BuildReport::content_bytes,
            &BuildReport::image_digest,
            &BuildReport::output);
}

void add_luks_keyslot(py::module_& module) {
  py::class_<LuksKeyslot> type(module, "LuksKeyslot", R"doc(A key slot of a LUKS header: one passphrase that opens the disk.)doc");
  type.def_readonly("number", &LuksKeyslot::number, R"doc(Number of the slot.)doc");
  type.def_readonly("unbound", &LuksKeyslot::unbound, R"doc(The slot holds a key, but not that of the data.)doc");
  type.def_readonly("kdf", &LuksKeyslot::kdf, R"doc("pbkdf2", "argon2i" or "argon2id".)doc");
  type.def_readonly("hash", &LuksKeyslot::hash, R"doc(Hash function of PBKDF2.)doc");
  type.def_readonly("iterations", &LuksKeyslot::iterations, R"doc(Iterations of the key derivation.)doc");
  type.def_readonly("memory_kib", &LuksKeyslot::memory_kib, R"doc(Memory of Argon2 in KiB.)doc");
  type.def_readonly("threads", &LuksKeyslot::threads, R"doc(Threads of Argon2.)doc");
  type.def_readonly("key_bytes", &LuksKeyslot::key_bytes, R"doc(Size of the stored key.)doc");
  type.def_readonly("cipher", &LuksKeyslot::cipher, R"doc(Cipher of the slot's area.)doc");
  type.def_readonly("offset", &LuksKeyslot::offset, R"doc(Where the slot's area starts on the disk.)doc");
  type.def_readonly("size", &LuksKeyslot::size, R"doc(Size of the slot's area.)doc");
  add_to_dict(type);
  add_state(type,
            &LuksKeyslot::number,
            &LuksKeyslot::unbound,
            &LuksKeyslot::kdf,
            &LuksKeyslot::hash,
            &LuksKeyslot::iterations,
            &LuksKeyslot::memory_kib,
            &LuksKeyslot::threads,
            &LuksKeyslot::key_bytes,
            &LuksKeyslot::cipher,
            &LuksKeyslot::offset,
            &LuksKeyslot::size);
}

void add_luks_segment(py::module_& module) {
  py::class_<LuksSegment> type(module, "LuksSegment", R"doc(Where the data of a LUKS disk is.)doc");
  type.def_readonly("number", &LuksSegment::number, R"doc(Number of the segment.)doc");
  type.def_readonly("type", &LuksSegment::type, R"doc(Type of the segment: "crypt".)doc");
  type.def_readonly("offset", &LuksSegment::offset, R"doc(Where it starts on the disk.)doc");
  type.def_readonly("size", &LuksSegment::size, R"doc(Its size; 0: up to the end of the disk.)doc");
  type.def_readonly("cipher", &LuksSegment::cipher, R"doc(Its cipher.)doc");
  type.def_readonly("sector_size", &LuksSegment::sector_size, R"doc(Its sector size.)doc");
  type.def_readonly("integrity", &LuksSegment::integrity, R"doc(Its integrity algorithm, such as "hmac(sha256)"; empty: none.)doc");
  add_to_dict(type);
  add_state(type,
            &LuksSegment::number,
            &LuksSegment::type,
            &LuksSegment::offset,
            &LuksSegment::size,
            &LuksSegment::cipher,
            &LuksSegment::sector_size,
            &LuksSegment::integrity);
}

void add_luks_info(py::module_& module) {
  py::class_<LuksInfo> type(module, "LuksInfo", R"doc(Content of a LUKS header of any origin. It is not authenticated: the host can write whatever it wants.)doc");
  type.def_readonly("version", &LuksInfo::version, R"doc(1 or 2.)doc");
  type.def_readonly("uuid", &LuksInfo::uuid, R"doc(UUID of the header.)doc");
  type.def_readonly("label", &LuksInfo::label, R"doc(Label of the header.)doc");
  type.def_readonly("cipher", &LuksInfo::cipher, R"doc(Cipher of the data: "aes-xts-plain64".)doc");
  type.def_readonly("key_bytes", &LuksInfo::key_bytes, R"doc(Size of the volume key.)doc");
  type.def_readonly("sector_size", &LuksInfo::sector_size, R"doc(Sector size of the data.)doc");
  type.def_readonly("data_offset", &LuksInfo::data_offset, R"doc(Where the data starts on the disk.)doc");
  type.def_readonly("integrity", &LuksInfo::integrity, R"doc(Integrity algorithm of the data; empty: none.)doc");
  type.def_readonly("keyslots", &LuksInfo::keyslots, R"doc(The key slots.)doc");
  type.def_readonly("segments", &LuksInfo::segments, R"doc(The data segments.)doc");
  type.def_readonly("remark", &LuksInfo::remark, R"doc(What is wrong with one of the two header copies; empty if both are valid.)doc");
  add_to_dict(type);
  add_state(type,
            &LuksInfo::version,
            &LuksInfo::uuid,
            &LuksInfo::label,
            &LuksInfo::cipher,
            &LuksInfo::key_bytes,
            &LuksInfo::sector_size,
            &LuksInfo::data_offset,
            &LuksInfo::integrity,
            &LuksInfo::keyslots,
            &LuksInfo::segments,
            &LuksInfo::remark);
}

void add_image_info(py::module_& module) {
  py::class_<ImageInfo> type(module, "ImageInfo", R"doc(What can be known of an image without its key.)doc");
  type.def_readonly("kind", &ImageInfo::kind, R"doc("bartizan": a confidential image with a manifest. "krun": made by oci2cw or buildah mkcw, without a manifest. "disk": a disk image with a LUKS header.)doc");
  type.def_readonly("luks", &ImageInfo::luks, R"doc(The LUKS header; null if there is none.)doc");
  type.def_readonly("scratch_bytes", &ImageInfo::scratch_bytes, R"doc(Size of the scratch disk; 0: the workload writes to memory.)doc");
  type.def_readonly("host_may", &ImageInfo::host_may, R"doc(What the host may do to the workload: some of "input", "output", "signals", or "none"; empty for an image of another tool.)doc");
  type.def_readonly("statement", &ImageInfo::statement, R"doc(JWS of the owner about the image's version, which nothing has verified; empty: none.)doc");
  type.def_readonly("version", &ImageInfo::version, R"doc(The version in that statement; 0: none.)doc");
  type.def_property_readonly("manifest", [](const ImageInfo& self) { return to_bytes(self.manifest); }, R"doc(The exact text of the manifest.)doc");
  type.def_property_readonly("workload_digest", [](const ImageInfo& self) { return to_bytes(self.workload_digest); }, R"doc(SHA-256 of the manifest, 32 bytes.)doc");
  type.def_readonly("disk_path", &ImageInfo::disk_path, R"doc(File that holds /disk.img.)doc");
  type.def_readonly("disk_offset", &ImageInfo::disk_offset, R"doc(Where /disk.img starts in that file.)doc");
  type.def_readonly("disk_bytes", &ImageInfo::disk_bytes, R"doc(Size of /disk.img.)doc");
  type.def_readonly("workload_id", &ImageInfo::workload_id, R"doc(Name of the workload at the broker.)doc");
  type.def_readonly("broker_url", &ImageInfo::broker_url, R"doc(URL of the broker as the guest reaches it.)doc");
  type.def_readonly("resource", &ImageInfo::resource, R"doc(Name of the key at the broker.)doc");
  type.def_readonly("cipher", &ImageInfo::cipher, R"doc(Cipher of the disk: "aes-xts-plain64".)doc");
  type.def_readonly("verity_root_hash", &ImageInfo::verity_root_hash, R"doc(Root hash of the dm-verity tree in hexadecimal.)doc");
  type.def_readonly("filesystem", &ImageInfo::filesystem, R"doc(Type of the file system.)doc");
  type.def_readonly("krun_config", &ImageInfo::krun_config, R"doc(JSON of the disk's KRUN footer.)doc");
  type.def_readonly("vcpus", &ImageInfo::vcpus, R"doc(Default number of virtual CPUs of a launch.)doc");
  type.def_readonly("ram_mib", &ImageInfo::ram_mib, R"doc(Default size of the guest's memory in MiB.)doc");
  type.def_readonly("header_bytes", &ImageInfo::header_bytes, R"doc(Size of the LUKS2 header.)doc");
  type.def_readonly("filesystem_bytes", &ImageInfo::filesystem_bytes, R"doc(Size of the encrypted file system.)doc");
  type.def_readonly("tree_bytes", &ImageInfo::tree_bytes, R"doc(Size of the dm-verity superblock and tree.)doc");
  add_to_dict(type);
  add_state(type,
            &ImageInfo::kind,
            &ImageInfo::luks,
            &ImageInfo::scratch_bytes,
            &ImageInfo::host_may,
            &ImageInfo::statement,
            &ImageInfo::version,
            &ImageInfo::manifest,
            &ImageInfo::workload_digest,
            &ImageInfo::disk_path,
            &ImageInfo::disk_offset,
            &ImageInfo::disk_bytes,
            &ImageInfo::workload_id,
            &ImageInfo::broker_url,
            &ImageInfo::resource,
            &ImageInfo::cipher,
            &ImageInfo::verity_root_hash,
            &ImageInfo::filesystem,
            &ImageInfo::krun_config,
            &ImageInfo::vcpus,
            &ImageInfo::ram_mib,
            &ImageInfo::header_bytes,
            &ImageInfo::filesystem_bytes,
            &ImageInfo::tree_bytes);
}

void add_image_difference(py::module_& module) {
  py::class_<ImageDifference> type(module, "ImageDifference", R"doc(One thing in which two images differ.)doc");
  type.def_readonly("what", &ImageDifference::what, R"doc("manifest/disk/verity/root_hash", "krun/cpus", "disk/data" and so on.)doc");
  type.def_readonly("a", &ImageDifference::a, R"doc(Value in the first image, empty if absent; of "disk/...": number of blocks that differ.)doc");
  type.def_readonly("b", &ImageDifference::b, R"doc(Value in the second image, empty if absent; of "disk/...": number of blocks.)doc");
  add_to_dict(type);
  add_state(type,
            &ImageDifference::what,
            &ImageDifference::a,
            &ImageDifference::b);
}

void add_verified_evidence(py::module_& module) {
  py::class_<VerifiedEvidence> type(module, "VerifiedEvidence", R"doc(Content of evidence.)doc");
  type.def_readonly("tee", &VerifiedEvidence::tee, R"doc(The TEE that made it.)doc");
  type.def_property_readonly("measurement", [](const VerifiedEvidence& self) { return to_bytes(self.measurement); }, R"doc(Launch digest, or MRTD: 48 bytes.)doc");
  type.def_property_readonly("host_data", [](const VerifiedEvidence& self) { return to_bytes(self.host_data); }, R"doc(HOST_DATA, 32 bytes, or MRCONFIGID: 48 bytes if its end is not zero.)doc");
  type.def_property_readonly("report_data", [](const VerifiedEvidence& self) { return to_bytes(self.report_data); }, R"doc(REPORT_DATA: 64 bytes.)doc");
  type.def_readonly("policy", &VerifiedEvidence::policy, R"doc(Guest policy, or TD attributes.)doc");
  type.def_readonly("reported_tcb", &VerifiedEvidence::reported_tcb, R"doc(REPORTED_TCB.)doc");
  type.def_readonly("version", &VerifiedEvidence::version, R"doc(Version of the report's form.)doc");
  type.def_readonly("chip_id", &VerifiedEvidence::chip_id, R"doc(CHIP_ID in hexadecimal.)doc");
  type.def_readonly("product", &VerifiedEvidence::product, R"doc(Product: Milan, Genoa, Turin, TDX; empty: the report does not name it.)doc");
  type.def_readonly("signer", &VerifiedEvidence::signer, R"doc(Kind of key that signed it: vcek, vlek, pck.)doc");
  type.def_readonly("tcb", &VerifiedEvidence::tcb, R"doc(The reported TCB by component, as JSON, as policies have minimums.)doc");
  type.def_readonly("vmpl", &VerifiedEvidence::vmpl, R"doc(Privilege level that asked for the report.)doc");
  type.def_readonly("guest_svn", &VerifiedEvidence::guest_svn, R"doc(Security version of the guest, from its ID block.)doc");
  type.def_readonly("platform_info", &VerifiedEvidence::platform_info, R"doc(PLATFORM_INFO.)doc");
  type.def_property_readonly("runtime_measurements", [](const VerifiedEvidence& self) { return to_list(self.runtime_measurements); }, R"doc(RTMR 0 to 3 of TDX.)doc");
  type.def_readonly("tcb_status", &VerifiedEvidence::tcb_status, R"doc(Status of the platform by TDX's TCB info.)doc");
  type.def_readonly("advisories", &VerifiedEvidence::advisories, R"doc(Intel's advisories for that status, with commas.)doc");
  add_to_dict(type);
  add_state(type,
            &VerifiedEvidence::tee,
            &VerifiedEvidence::measurement,
            &VerifiedEvidence::host_data,
            &VerifiedEvidence::report_data,
            &VerifiedEvidence::policy,
            &VerifiedEvidence::reported_tcb,
            &VerifiedEvidence::version,
            &VerifiedEvidence::chip_id,
            &VerifiedEvidence::product,
            &VerifiedEvidence::signer,
            &VerifiedEvidence::tcb,
            &VerifiedEvidence::vmpl,
            &VerifiedEvidence::guest_svn,
            &VerifiedEvidence::platform_info,
            &VerifiedEvidence::runtime_measurements,
            &VerifiedEvidence::tcb_status,
            &VerifiedEvidence::advisories);
}

void add_evidence_check(py::module_& module) {
  py::class_<EvidenceCheck> type(module, "EvidenceCheck", R"doc(One check of evidence.)doc");
  type.def_readonly("name", &EvidenceCheck::name, R"doc(Its name, which stays.)doc");
  type.def_property_readonly("outcome", [](const EvidenceCheck& self) { return std::string(to_string(self.outcome)); }, R"doc(How it ended: passed, failed, not_applicable (nothing is demanded, or nothing left to check).)doc");
  type.def_readonly("expected", &EvidenceCheck::expected, R"doc(What the policy demands.)doc");
  type.def_readonly("found", &EvidenceCheck::found, R"doc(What the evidence has.)doc");
  add_to_dict(type);
  add_state(type,
            &EvidenceCheck::name,
            &EvidenceCheck::outcome,
            &EvidenceCheck::expected,
            &EvidenceCheck::found);
}

void add_evidence_verdict(py::module_& module) {
  py::class_<EvidenceVerdict> type(module, "EvidenceVerdict", R"doc(Every check of evidence against a policy.)doc");
  type.def_readonly("accepted", &EvidenceVerdict::accepted, R"doc(Whether no check has failed.)doc");
  type.def_readonly("reason", &EvidenceVerdict::reason, R"doc(Reason of the first check that failed, as VerificationFailed has it.)doc");
  type.def_readonly("message", &EvidenceVerdict::message, R"doc(What is wrong, with the next step.)doc");
  type.def_readonly("content", &EvidenceVerdict::content, R"doc(Content of the evidence, believed or not.)doc");
  type.def_readonly("checks", &EvidenceVerdict::checks, R"doc(The checks, in order.)doc");
  add_to_dict(type);
  add_state(type,
            &EvidenceVerdict::accepted,
            &EvidenceVerdict::reason,
            &EvidenceVerdict::message,
            &EvidenceVerdict::content,
            &EvidenceVerdict::checks);
}

void add_exit_reason(py::module_& module) {
  py::class_<ExitReason> type(module, "ExitReason", R"doc(How and why a guest ended. This is not an error.)doc");
  type.def_readonly("kind", &ExitReason::kind, R"doc(How the guest ended.)doc");
  type.def_readonly("code", &ExitReason::code, R"doc(Exit status of the workload, or the number of the signal that killed it. Of a guest failure: 127 if the entry point is missing, 126 if it cannot be executed, else the number of the stage.)doc");
  type.def_readonly("stage", &ExitReason::stage, R"doc(Name of the boot stage that failed; empty if none did.)doc");
  type.def_readonly("detail", &ExitReason::detail, R"doc(One line with the cause; may be empty.)doc");
  type.def_property_readonly("process_status", &ExitReason::process_status, R"doc(What a shell would see: the code; 128 + N for signal N; 127 if the image's entry point is missing, 126 if it cannot be executed; 125 for a guest that failed otherwise, crashed or had to be stopped.)doc");
  type.def("__str__", &ExitReason::describe, "Kind, code, stage and detail in one line.");
  add_to_dict(type);
  add_state(type,
            &ExitReason::kind,
            &ExitReason::code,
            &ExitReason::stage,
            &ExitReason::detail);
}

}  // namespace

void bind_results(py::module_& module) {
  add_tee(module);
  add_exit_kind(module);
  add_memory_view(module);
  add_tee_probe(module);
  add_host_probe(module);
  add_measured_page(module);
  add_measurement(module);
  add_id_block(module);
  add_bundle_info(module);
  add_build_report(module);
  add_luks_keyslot(module);
  add_luks_segment(module);
  add_luks_info(module);
  add_image_info(module);
  add_image_difference(module);
  add_verified_evidence(module);
  add_evidence_check(module);
  add_evidence_verdict(module);
  add_exit_reason(module);
}

}  // namespace bartizan::python
