// Arguments of Python callables as structs of options of the C++ API. Made by scripts/make-api
// from api/*.toml: change those.
//
// with_arguments_of_NAME(define, work) calls define(function, arguments..., documentation): `define` binds them to a
// name. The function fills the options and returns work(options, ...), with arguments that are not members of them.
#pragma once

#include "bartizan/attest.hpp"
#include "bartizan/broker.hpp"
#include "bartizan/image.hpp"
#include "bartizan/machine.hpp"
#include "python/assign.hpp"

namespace bartizan::python {

template <typename Define, typename Work>
void with_arguments_of_TeeOptions(Define&& define, Work work) {
  define(
      [work](uint64_t policy,
         uint64_t guest_features,
         const py::bytes& id_block,
         const py::bytes& id_authentication,
         const py::bytes& certificates,
         const py::bytes& owner_certificate,
         const py::bytes& session,
         const py::object& owner,
         const std::string& quote_service,
         bool require_certificates,
         const py::bytes& platform_certificates) {
        TeeOptions options;
        assign(policy, "policy", options.policy);
        assign(guest_features, "guest_features", options.guest_features);
        assign(id_block, "id_block", options.id_block);
        assign(id_authentication, "id_authentication", options.id_authentication);
        assign(certificates, "certificates", options.certificates);
        assign(owner_certificate, "owner_certificate", options.owner_certificate);
        assign(session, "session", options.session);
        assign(quote_service, "quote_service", options.quote_service);
        assign(require_certificates, "require_certificates", options.require_certificates);
        assign(platform_certificates, "platform_certificates", options.platform_certificates);
        return work(std::move(options), owner);
      },
      py::kw_only(),
      py::arg("policy") = 0,
      py::arg("guest_features") = 0,
      py::arg("id_block") = py::bytes(),
      py::arg("id_authentication") = py::bytes(),
      py::arg("certificates") = py::bytes(),
      py::arg("owner_certificate") = py::bytes(),
      py::arg("session") = py::bytes(),
      py::arg("owner") = py::none(),
      py::arg("quote_service") = kDefaultQuoteService,
      py::arg("require_certificates") = false,
      py::arg("platform_certificates") = py::bytes(),
      R"doc(Options of hardware TEEs.

policy: Guest policy: of snp and simulated in the form of the SNP firmware ABI, table 9;
    of sev and sev-es in that of the SEV API, table 2. tdx: attributes in addition to
    SEPT_VE_DISABLE. Default: 0x30000 for snp and simulated, 0xb for sev, 0xf for
    sev-es, 0 for tdx.
guest_features: SEV_FEATURES: bits 0 (snp), 5 (debug swap) and 9 (secure TSC). Measured.
    Default: as launch options.
id_block: snp: ID block. The firmware refuses any launch but the one that it describes.
    96 bytes.
id_authentication: snp: signatures and public keys of the ID block. Required with
    id_block. 4096 bytes.
certificates: snp: the certificates that the guest gets with its reports, as a GUID
    table with VCEK, ASK and ARK of at most 16 KiB.
owner_certificate: sev, sev-es: the owner's Diffie-Hellman certificate. Required with
    session. Default: the launch cannot be attested.
session: sev, sev-es: the owner's session with this platform, for one launch under one
    policy.
owner: sev, sev-es: called once in a start with what the security processor measured.
quote_service: tdx: where the guest's requests for quotes go: path of a unix socket, or
    "vsock:CID:PORT". "": quotes are refused.
require_certificates: Whether a KVM that cannot pass `certificates` on is an error
    instead of a warning.
platform_certificates: sev, sev-es: certificates of this platform as `sevctl export
    --full` writes them (PDH, PEK, OCA, CEK, ASK, ARK). The broker of the image's
    manifest then owns the launch; excludes owner_certificate, session and owner.)doc");
}

template <typename Define, typename Work>
void with_arguments_of_probe(Define&& define, Work work) {
  define(
      [work](const Path& kvm_device,
         uint32_t guest_time_limit_ms,
         const std::optional<Path>& bundle) {
        ProbeOptions options;
        assign(kvm_device, "kvm_device", options.kvm_device);
        assign(guest_time_limit_ms, "guest_time_limit_ms", options.guest_time_limit_ms);
        assign(bundle, "bundle", options.bundle);
        return work(std::move(options));
      },
      py::kw_only(),
      py::arg("kvm_device") = "/dev/kvm",
      py::arg("guest_time_limit_ms") = 2000,
      py::arg("bundle") = py::none(),
      R"doc(Probes what this host can run. Something that is missing is part of the result.

kvm_device: The KVM device.
guest_time_limit_ms: Time limit of the probe guest. KVM back ends that emulate long mode
    exceed it. Unit: ms.
bundle: Guest bundle: a TEE that its kernel cannot be a guest of is not available.
    Default: no bundle is looked at.)doc");
}

template <typename Define, typename Work>
void with_arguments_of_measure(Define&& define, Work work) {
  define(
      [work](const py::object& tee,
         uint32_t vcpus,
         uint32_t ram_mib,
         const std::optional<Path>& bundle,
         const std::string& extra_command_line,
         uint64_t guest_features,
         uint32_t c_bit) {
        LaunchOptions options;
        assign(tee, "tee", options.tee);
        assign(vcpus, "vcpus", options.vcpus);
        assign(ram_mib, "ram_mib", options.ram_mib);
        assign(bundle, "bundle", options.bundle);
        assign(extra_command_line, "extra_command_line", options.extra_command_line);
        assign(guest_features, "guest_features", options.guest_features);
        assign(c_bit, "c_bit", options.c_bit);
        return work(std::move(options));
      },
      py::kw_only(),
      py::arg("tee") = "simulated",
      py::arg("vcpus") = 1,
      py::arg("ram_mib") = 512,
      py::arg("bundle") = py::none(),
      py::arg("extra_command_line") = "",
      py::arg("guest_features") = 0,
      py::arg("c_bit") = 0,
      R"doc(Computes what a launch will measure. Needs neither KVM nor privileges.

tee: The TEE to measure for.
vcpus: Number of virtual CPUs, at most 254.
ram_mib: Size of the guest's memory. Unit: MiB.
bundle: Folder of the guest bundle. Default: default_bundle_path().
extra_command_line: Text that is appended to the bundle's kernel command line, and
    measured.
guest_features: SEV_FEATURES of snp (bit 0 must be set) and sev-es. Measured. Default: 1
    for snp, 0 for sev-es.
c_bit: Position of the C-bit in the guest's page tables, which are measured. The host's
    processor decides it: 51 on EPYC Milan and later, 47 on Naples and Rome. Default: 51
    for sev, sev-es and snp; the other TEEs have no choice.)doc");
}

template <typename Define, typename Work>
void with_arguments_of_measure_set(Define&& define, Work work) {
  define(
      [work](const py::object& tee,
         uint32_t vcpus,
         uint32_t max_vcpus,
         uint32_t ram_mib,
         const std::optional<Path>& bundle,
         const std::string& extra_command_line,
         const std::optional<Path>& ovmf,
         const std::optional<Path>& kernel,
         const std::optional<Path>& initrd,
         const std::string& append,
         const py::bytes& ovmf_digest,
         const std::string& vmm,
         const std::vector<std::string>& host_kernels,
         const std::vector<std::string>& vcpu_types,
         const std::vector<uint32_t>& vcpu_signatures,
         uint64_t guest_features,
         const std::vector<uint32_t>& c_bits) {
        MeasureOptions options;
        assign(tee, "tee", options.launch.tee);
        assign(vcpus, "vcpus", options.launch.vcpus);
        assign(max_vcpus, "max_vcpus", options.max_vcpus);
        assign(ram_mib, "ram_mib", options.launch.ram_mib);
        assign(bundle, "bundle", options.launch.bundle);
        assign(extra_command_line, "extra_command_line", options.launch.extra_command_line);
        assign(ovmf, "ovmf", options.firmware.ovmf);
        assign(kernel, "kernel", options.firmware.kernel);
        assign(initrd, "initrd", options.firmware.initrd);
        assign(append, "append", options.firmware.append);
        assign(ovmf_digest, "ovmf_digest", options.firmware.ovmf_digest);
        assign(vmm, "vmm", options.firmware.vmm);
        assign(host_kernels, "host_kernels", options.host_kernels);
        assign(vcpu_types, "vcpu_types", options.vcpu_types);
        assign(vcpu_signatures, "vcpu_signatures", options.vcpu_signatures);
        assign(guest_features, "guest_features", options.guest_features);
        assign(c_bits, "c_bits", options.c_bits);
        return work(std::move(options));
      },
      py::kw_only(),
      py::arg("tee") = "simulated",
      py::arg("vcpus") = 1,
      py::arg("max_vcpus") = 0,
      py::arg("ram_mib") = 512,
      py::arg("bundle") = py::none(),
      py::arg("extra_command_line") = "",
      py::arg("ovmf") = py::none(),
      py::arg("kernel") = py::none(),
      py::arg("initrd") = py::none(),
      py::arg("append") = "",
      py::arg("ovmf_digest") = py::bytes(),
      py::arg("vmm") = "qemu",
      py::arg("host_kernels") = std::vector<std::string>{"since-6.10"},
      py::arg("vcpu_types") = std::vector<std::string>(),
      py::arg("vcpu_signatures") = std::vector<uint32_t>(),
      py::arg("guest_features") = 0,
      py::arg("c_bits") = std::vector<uint32_t>(),
      R"doc(Computes every digest that a launch may have: one for each number of vCPUs, processor or
C-bit, and host kernel, without repetitions.

tee: The TEE to measure for.
vcpus: Number of virtual CPUs, or the first of a range.
max_vcpus: Last number of virtual CPUs of a range. Default: vcpus alone.
ram_mib: Size of the guest's memory. Has no effect with ovmf. Unit: MiB.
bundle: Folder of the guest bundle. Has no effect with ovmf. Default:
    default_bundle_path().
extra_command_line: Text that is appended to the bundle's kernel command line. Has no
    effect with ovmf.
ovmf: Firmware whose launch by `vmm` is measured. Default: bartizan's own launch is
    measured.
kernel: With ovmf: the kernel whose hash is measured, with those of initrd and append.
    Default: no hashes are measured.
initrd: With kernel: its initrd.
append: With kernel: its command line.
ovmf_digest: snp: what the firmware alone measures to, in place of its content. 48
    bytes.
vmm: Who starts the firmware. One of "qemu", "ec2", "gce".
host_kernels: Host kernels to measure for: "since-6.10", "before-6.10".
vcpu_types: Processors by the names that QEMU gives them: "EPYC-Milan" and so on.
vcpu_signatures: Processors by CPUID leaf 1 EAX, for those without a name.
guest_features: SEV_FEATURES of snp and sev-es. Measured. Default: as launch options.
c_bits: Positions of the C-bit, for sev, sev-es and snp. Has no effect with ovmf.
    Default: what vcpu_types and vcpu_signatures have, or 51.)doc");
}

template <typename Define, typename Work>
void with_arguments_of_make_id_block(Define&& define, Work work) {
  define(
      [work](const py::bytes& digest,
         const py::bytes& family_id,
         const py::bytes& image_id,
         uint64_t policy,
         uint32_t guest_svn,
         const Path& id_key,
         const std::optional<Path>& author_key) {
        IdBlockOptions options;
        assign(digest, "digest", options.digest);
        assign(family_id, "family_id", options.family_id);
        assign(image_id, "image_id", options.image_id);
        assign(policy, "policy", options.policy);
        assign(guest_svn, "guest_svn", options.guest_svn);
        assign(id_key, "id_key", options.id_key);
        assign(author_key, "author_key", options.author_key);
        return work(std::move(options));
      },
      py::kw_only(),
      py::arg("digest"),
      py::arg("family_id") = py::bytes(),
      py::arg("image_id") = py::bytes(),
      py::arg("policy") = 0x30000,
      py::arg("guest_svn") = 0,
      py::arg("id_key"),
      py::arg("author_key") = py::none(),
      R"doc(Signs what an snp launch must be. A launch of anything else then fails.

digest: The launch digest that the guest must have. 48 bytes. Required.
family_id: The owner's own numbering; appears in the report. 16 bytes. Default: zeros.
image_id: The owner's own numbering; appears in the report. 16 bytes. Default: zeros.
policy: Guest policy of the launch.
guest_svn: Version of the guest; appears in the report.
id_key: File with the ID key: PEM, ECDSA P-384. Required.
author_key: File with the author key, which vouches for the ID key: PEM, ECDSA P-384.
    Default: none.)doc");
}

template <typename Define, typename Work>
void with_arguments_of_create_bundle(Define&& define, Work work) {
  define(
      [work](const std::optional<Path>& kernel,
         const std::optional<Path>& modules,
         const std::optional<Path>& init,
         const std::optional<Path>& output,
         const std::string& extra_command_line,
         const py::object& progress) {
        BundleOptions options;
        assign(kernel, "kernel", options.kernel);
        assign(modules, "modules", options.modules);
        assign(init, "init", options.init);
        assign(output, "output", options.output);
        assign(extra_command_line, "extra_command_line", options.extra_command_line);
        return work(std::move(options), progress);
      },
      py::kw_only(),
      py::arg("kernel") = py::none(),
      py::arg("modules") = py::none(),
      py::arg("init") = py::none(),
      py::arg("output") = py::none(),
      py::arg("extra_command_line") = "",
      py::arg("progress") = py::none(),
      R"doc(Creates a guest bundle from a distribution's kernel and the guest's init.

kernel: The guest's kernel, a bzImage. Its configuration is config-RELEASE beside it, or
    "config" in the folder of its modules. Default: the Debian kernel under /boot that
    can be a guest of most TEEs; of equal ones the newest.
modules: Folder with the kernel's modules. Default: the folder under /lib/modules of the
    kernel's release.
init: The guest's init, a static program. Default: the installed one.
output: Folder to create. Default: default_bundle_path().
extra_command_line: Text that is appended to the default kernel command line.
progress: Called as the work goes on; can cancel it.)doc");
}

template <typename Define, typename Work>
void with_arguments_of_build_image(Define&& define, Work work) {
  define(
      [work](const Path& source,
         const Path& output,
         const std::string& reference,
         const std::string& output_reference,
         const std::string& workload_id,
         const std::string& broker_url,
         const std::string& broker_ca_pem,
         const std::string& resource,
         uint32_t vcpus,
         uint32_t ram_mib,
         bool network,
         const std::optional<py::bytes>& disk_key,
         bool reproducible,
         bool anonymous,
         bool force,
         const py::object& progress,
         const std::optional<Path>& base_image,
         const std::string& base_reference,
         const std::optional<int64_t>& created,
         uint64_t scratch_bytes,
         const std::optional<py::bytes>& recovery_passphrase,
         const std::string& host_may,
         const std::vector<std::string>& add_files,
         const std::string& tee,
         const std::string& tee_data,
         const std::string& tee_config,
         const std::optional<py::bytes>& source_passphrase,
         const std::optional<py::bytes>& signing_key,
         uint64_t version) {
        BuildOptions options;
        assign(source, "source", options.source);
        assign(output, "output", options.output);
        assign(reference, "reference", options.reference);
        assign(output_reference, "output_reference", options.output_reference);
        assign(workload_id, "workload_id", options.workload_id);
        assign(broker_url, "broker_url", options.broker_url);
        assign(broker_ca_pem, "broker_ca_pem", options.broker_ca_pem);
        assign(resource, "resource", options.resource);
        assign(vcpus, "vcpus", options.vcpus);
        assign(ram_mib, "ram_mib", options.ram_mib);
        assign(network, "network", options.network);
        assign(disk_key, "disk_key", options.disk_key);
        assign(reproducible, "reproducible", options.reproducible);
        assign(anonymous, "anonymous", options.anonymous);
        assign(force, "force", options.force);
        assign(base_image, "base_image", options.base_image);
        assign(base_reference, "base_reference", options.base_reference);
        assign(created, "created", options.created);
        assign(scratch_bytes, "scratch_bytes", options.scratch_bytes);
        assign(recovery_passphrase, "recovery_passphrase", options.recovery_passphrase);
        assign(host_may, "host_may", options.host_may);
        assign(add_files, "add_files", options.add_files);
        assign(tee, "tee", options.tee);
        assign(tee_data, "tee_data", options.tee_data);
        assign(tee_config, "tee_config", options.tee_config);
        assign(source_passphrase, "source_passphrase", options.source_passphrase);
        assign(signing_key, "signing_key", options.signing_key);
        assign(version, "version", options.version);
        return work(std::move(options), progress);
      },
      py::arg("source"),
      py::arg("output"),
      py::kw_only(),
      py::arg("reference") = "",
      py::arg("output_reference") = "latest",
      py::arg("workload_id") = "",
      py::arg("broker_url") = "",
      py::arg("broker_ca_pem") = "",
      py::arg("resource") = "",
      py::arg("vcpus") = 0,
      py::arg("ram_mib") = 0,
      py::arg("network") = true,
      py::arg("disk_key") = py::none(),
      py::arg("reproducible") = false,
      py::arg("anonymous") = false,
      py::arg("force") = false,
      py::arg("progress") = py::none(),
      py::arg("base_image") = py::none(),
      py::arg("base_reference") = "",
      py::arg("created") = py::none(),
      py::arg("scratch_bytes") = 0,
      py::arg("recovery_passphrase") = py::none(),
      py::arg("host_may") = "",
      py::arg("add_files") = std::vector<std::string>(),
      py::arg("tee") = "",
      py::arg("tee_data") = "",
      py::arg("tee_config") = "",
      py::arg("source_passphrase") = py::none(),
      py::arg("signing_key") = py::none(),
      py::arg("version") = 0,
      R"doc(Builds a confidential image from an OCI image. Needs neither root nor KVM.

source: The image to protect: an OCI layout folder. Where skopeo is installed also an
    archive (of OCI or Docker), or what skopeo can fetch, such as
    "docker://docker.io/library/nginx". Of an index the image for linux/amd64 is taken.
    Required.
output: OCI layout folder to create, or an archive (tar) of one: "oci-archive:FILE" or a
    name that ends in ".tar". "oci:FOLDER" is a folder whatever its name. Must not
    exist. Or where skopeo copies to ("docker://…", "containers-storage:NAME"),
    replacing what is there, by way of a folder in $TMPDIR, else /tmp. Required.
reference: Tag in the source's index. Default: the only image.
output_reference: Tag of the output.
workload_id: Name of the workload at the broker. Default: 32 hexadecimal digits of the
    source image's manifest digest.
broker_url: URL of the broker as the guest reaches it: "https://10.0.2.2:8443". Default:
    the caller of a launch provides the key.
broker_ca_pem: The only certificate authority that the guest accepts for the broker, in
    PEM. Required with broker_url.
resource: Name of the key at the broker (KBS: repository/type/tag). Default:
    "default/disk-key/<workload_id>".
vcpus: Default number of virtual CPUs of a launch, at most 254. Default: as tee_config
    has it, else 1.
ram_mib: Default size of the guest's memory, 128 MiB to 256 GiB. Unit: MiB. Default: as
    tee_config has it, else 512.
network: Whether the guest gets a network.
disk_key: The disk key, of 32 bytes at least: a shorter one can be guessed. Default: 256
    fresh random bits, as 64 hexadecimal digits.
reproducible: Draws nothing at random: the disk's key, salts and UUIDs come from
    disk_key, which must be given and hold 256 random bits. The same source and options
    then make the same bytes.
anonymous: Omits all metadata that identifies the source: annotations, labels and its
    digest. Requires a workload_id.
force: Accepts what a build refuses because it would never run, or not be protected: a
    weak disk_key, a broker at the guest's own loopback address, a source that is a
    confidential image, has no command, or lacks its program or its user.
progress: Called as the work goes on; can cancel it.
base_image: Image on which the output is put as one more layer, given as `source` is.
    The base's layers and history come first, and its environment, ports, labels, stop
    signal and working directory remain. Default: none.
base_reference: Tag in the base image's index. Default: the only image.
created: Creation time of the output. Unit: seconds since 1970. Default: now; in
    reproducible builds the source's time, or 0.
scratch_bytes: Size of the scratch disk for what the workload writes, which the host
    provides and the guest encrypts and authenticates under keys of each boot. A
    multiple of 4096, 16 MiB to 1 TiB. Unit: bytes. Default: none: the workload writes
    to memory.
recovery_passphrase: A second way into the disk, for people: a key slot of its own,
    hardened by Argon2id. The guest never uses it. Default: none.
host_may: What a host may do to the workload that runs: some of "input" (standard input
    and terminal), "output", "signals" (any; without it only the request to stop) and
    "broker" (name another address for the broker, whose authority stays the image's),
    comma separated, or "none". The manifest records it, and the guest enforces it.
    Default: "output" with a broker_url, else "input,output,signals".
add_files: Files of this machine that come on top of the source's, "SOURCE:/PATH" each,
    with the permission bits of SOURCE, of root; at most 64 MiB in all.
tee: The TEE that the image names to whoever launches it without naming one: "sev",
    "sev-es", "snp" or "tdx". No launch is bound to it. Default: as tee_config has it,
    else "snp".
tee_data: libkrun's data of that TEE, as JSON. Default: as tee_config has it for that
    TEE, else that of libkrun's examples.
tee_config: Text of a TEE configuration of libkrun, oci2cw or buildah mkcw: JSON with
    workload_id, cpus, ram_mib, tee, tee_data and attestation_url. It fills the options
    that are not given: workload_id, vcpus, ram_mib, tee, tee_data and broker_url.
    Default: none.
source_passphrase: The source is a confidential image that buildah mkcw or oci2cw made,
    and this opens its disk (LUKS, ext4). Default: none: an ordinary image.
signing_key: The owner's private key (PEM, not encrypted: P-256, P-384 or Ed25519). The
    image carries a statement, signed by it, that it is `version` of workload_id; a
    broker that has the public key (signer) releases the disk key to it without a
    registration of its own. Default: none: the image carries no statement.
version: The version that signing_key vouches for, 1 at least.)doc");
}

template <typename Define, typename Work>
void with_arguments_of_verify_evidence(Define&& define, Work work) {
  define(
      [work](const Evidence& evidence,
         bool allow_simulated,
         bool allow_debug,
         const std::vector<py::bytes>& measurements,
         const py::bytes& host_data,
         const py::bytes& report_data,
         uint64_t minimum_tcb,
         int64_t now,
         const std::string& json,
         const std::optional<Path>& collateral) {
        EvidencePolicy options;
        assign(allow_simulated, "allow_simulated", options.allow_simulated);
        assign(allow_debug, "allow_debug", options.allow_debug);
        assign(measurements, "measurements", options.measurements);
        assign(host_data, "host_data", options.host_data);
        assign(report_data, "report_data", options.report_data);
        assign(minimum_tcb, "minimum_tcb", options.minimum_tcb);
        assign(now, "now", options.now);
        assign(json, "json", options.json);
        assign(collateral, "collateral", options.collateral);
        return work(std::move(options), evidence);
      },
      py::arg("evidence"),
      py::kw_only(),
      py::arg("allow_simulated") = false,
      py::arg("allow_debug") = false,
      py::arg("measurements") = std::vector<py::bytes>(),
      py::arg("host_data") = py::bytes(),
      py::arg("report_data") = py::bytes(),
      py::arg("minimum_tcb") = 0,
      py::arg("now") = 0,
      py::arg("json") = "",
      py::arg("collateral") = py::none(),
      R"doc(Verifies evidence against a policy; raises VerificationFailed with the reason.

allow_simulated: Whether evidence of the simulated TEE is accepted. It protects nothing.
allow_debug: Whether guests whose policy allows debugging are accepted.
measurements: Accepted launch digests. Default: any.
host_data: Demanded HOST_DATA: the workload digest. 32 bytes. Default: any.
report_data: Demanded REPORT_DATA. 64 bytes. Default: any.
minimum_tcb: Minimum of each component of REPORTED_TCB, in that field's form on Milan
    and Genoa; Turin's evidence is refused if this is not 0, because the number means
    another thing there.
now: Time at which certificates must be valid. Unit: seconds since 1970. Default: the
    system's clock.
json: The rest of the policy, a JSON text as docs/reference/evidence-policy.schema.json
    has it. What both demand must both be so; what either allows is allowed. Default:
    its defaults, which are strict.
collateral: Folder with VCEKs, revocation lists and TDX collateral for evidence that
    came without. Default: none.)doc");
}

template <typename Define, typename Work>
void with_arguments_of_judge_evidence(Define&& define, Work work) {
  define(
      [work](const Evidence& evidence,
         bool allow_simulated,
         bool allow_debug,
         const std::vector<py::bytes>& measurements,
         const py::bytes& host_data,
         const py::bytes& report_data,
         uint64_t minimum_tcb,
         int64_t now,
         const std::string& json,
         const std::optional<Path>& collateral) {
        EvidencePolicy options;
        assign(allow_simulated, "allow_simulated", options.allow_simulated);
        assign(allow_debug, "allow_debug", options.allow_debug);
        assign(measurements, "measurements", options.measurements);
        assign(host_data, "host_data", options.host_data);
        assign(report_data, "report_data", options.report_data);
        assign(minimum_tcb, "minimum_tcb", options.minimum_tcb);
        assign(now, "now", options.now);
        assign(json, "json", options.json);
        assign(collateral, "collateral", options.collateral);
        return work(std::move(options), evidence);
      },
      py::arg("evidence"),
      py::kw_only(),
      py::arg("allow_simulated") = false,
      py::arg("allow_debug") = false,
      py::arg("measurements") = std::vector<py::bytes>(),
      py::arg("host_data") = py::bytes(),
      py::arg("report_data") = py::bytes(),
      py::arg("minimum_tcb") = 0,
      py::arg("now") = 0,
      py::arg("json") = "",
      py::arg("collateral") = py::none(),
      R"doc(Makes every check of a policy; raises for malformed evidence or policy, not for a
refusal.

allow_simulated: Whether evidence of the simulated TEE is accepted. It protects nothing.
allow_debug: Whether guests whose policy allows debugging are accepted.
measurements: Accepted launch digests. Default: any.
host_data: Demanded HOST_DATA: the workload digest. 32 bytes. Default: any.
report_data: Demanded REPORT_DATA. 64 bytes. Default: any.
minimum_tcb: Minimum of each component of REPORTED_TCB, in that field's form on Milan
    and Genoa; Turin's evidence is refused if this is not 0, because the number means
    another thing there.
now: Time at which certificates must be valid. Unit: seconds since 1970. Default: the
    system's clock.
json: The rest of the policy, a JSON text as docs/reference/evidence-policy.schema.json
    has it. What both demand must both be so; what either allows is allowed. Default:
    its defaults, which are strict.
collateral: Folder with VCEKs, revocation lists and TDX collateral for evidence that
    came without. Default: none.)doc");
}

template <typename Define, typename Work>
void with_arguments_of_Broker(Define&& define, Work work) {
  define(
      [work](const Path& state,
         const std::string& address,
         uint16_t port,
         const std::optional<std::vector<std::string>>& tls_names,
         const py::object& log,
         const std::vector<py::bytes>& sev_roots,
         uint32_t requests_per_second,
         uint32_t request_burst,
         const std::vector<std::string>& trusted_proxies,
         const std::optional<Path>& collateral) {
        BrokerOptions options;
        assign(state, "state", options.state);
        assign(address, "address", options.address);
        assign(port, "port", options.port);
        assign(tls_names, "tls_names", options.tls_names);
        assign(log, "log", options.log);
        assign(sev_roots, "sev_roots", options.sev_roots);
        assign(requests_per_second, "requests_per_second", options.requests_per_second);
        assign(request_burst, "request_burst", options.request_burst);
        assign(trusted_proxies, "trusted_proxies", options.trusted_proxies);
        assign(collateral, "collateral", options.collateral);
        return work(std::move(options));
      },
      py::arg("state"),
      py::kw_only(),
      py::arg("address") = "127.0.0.1",
      py::arg("port") = 8443,
      py::arg("tls_names") = py::none(),
      py::arg("log") = py::none(),
      py::arg("sev_roots") = std::vector<py::bytes>(),
      py::arg("requests_per_second") = 100,
      py::arg("request_burst") = 1000,
      py::arg("trusted_proxies") = std::vector<std::string>(),
      py::arg("collateral") = py::none(),
      R"doc(Starts a broker, which serves on its own threads until close().

state: Folder of store, certificates and admin token; created with mode 0700 if it is
    missing. Required.
address: Address to listen at.
port: Port to listen at. 0: the system chooses it.
tls_names: Names in the TLS certificate, beside the address. It is made anew at a start
    that asks for another name, or in the last third of its life. Default: 127.0.0.1,
    10.0.2.2, localhost.
log: Receives the broker's log lines.
sev_roots: sev, sev-es: AMD root keys (ARK, SEV API, appendix B.1) to trust in addition
    to those of Naples, Rome, Milan, Genoa and Turin.
requests_per_second: Requests, and new connections, that an address (IPv6: a /64) may
    make each second in the long run, 1 to 1000000; further ones are refused, and nobody
    else waits for them.
request_burst: Requests, and new connections, that an address may make at once after a
    while of fewer, 1 to 1000000.
trusted_proxies: Addresses or prefixes, such as 10.0.0.0/8, of proxies in front of the
    broker: the last address of their X-Forwarded-For is believed to be the client's,
    and the limits are the client's. Default: none.
collateral: Folder from which evidence gets what it came without, as in the evidence
    policy: VCEKs and revocation lists of AMD, collateral of Intel. Absent: evidence
    must bring all itself.)doc");
}

template <typename Define, typename Work>
void with_arguments_of_register_workload(Define&& define, Work work) {
  define(
      [work](const std::string& url,
         const std::string& ca_pem,
         const py::bytes& admin_token,
         const std::string& kind,
         const py::bytes& admin_key,
         const std::string& admin_issuer,
         const std::string& admin_audience,
         const std::string& admin_role,
         bool reference_values,
         bool resource_policy,
         bool keep_resource_policy,
         bool replace,
         const std::string& id,
         const py::bytes& workload_digest,
         const std::vector<py::bytes>& measurements,
         bool allow_simulated,
         bool allow_debug,
         uint64_t minimum_tcb,
         const std::string& resource,
         const py::bytes& disk_key,
         const py::object& tee,
         const std::string& policy,
         const std::string& signer,
         uint64_t minimum_version) {
        BrokerAccess broker_access;
        assign(url, "url", broker_access.url);
        assign(ca_pem, "ca_pem", broker_access.ca_pem);
        assign(admin_token, "admin_token", broker_access.admin_token);
        assign(kind, "kind", broker_access.kind);
        assign(admin_key, "admin_key", broker_access.admin_key);
        assign(admin_issuer, "admin_issuer", broker_access.admin_issuer);
        assign(admin_audience, "admin_audience", broker_access.admin_audience);
        assign(admin_role, "admin_role", broker_access.admin_role);
        assign(reference_values, "reference_values", broker_access.reference_values);
        assign(resource_policy, "resource_policy", broker_access.resource_policy);
        assign(keep_resource_policy, "keep_resource_policy", broker_access.keep_resource_policy);
        assign(replace, "replace", broker_access.replace);
        Workload workload;
        assign(id, "id", workload.id);
        assign(workload_digest, "workload_digest", workload.workload_digest);
        assign(measurements, "measurements", workload.measurements);
        assign(allow_simulated, "allow_simulated", workload.allow_simulated);
        assign(allow_debug, "allow_debug", workload.allow_debug);
        assign(minimum_tcb, "minimum_tcb", workload.minimum_tcb);
        assign(resource, "resource", workload.resource);
        assign(disk_key, "disk_key", workload.disk_key);
        assign(tee, "tee", workload.tee);
        assign(policy, "policy", workload.policy);
        assign(signer, "signer", workload.signer);
        assign(minimum_version, "minimum_version", workload.minimum_version);
        return work(std::move(broker_access), std::move(workload));
      },
      py::kw_only(),
      py::arg("url"),
      py::arg("ca_pem"),
      py::arg("admin_token") = py::bytes(),
      py::arg("kind") = "bartizan",
      py::arg("admin_key") = py::bytes(),
      py::arg("admin_issuer") = "",
      py::arg("admin_audience") = "",
      py::arg("admin_role") = "admin",
      py::arg("reference_values") = true,
      py::arg("resource_policy") = false,
      py::arg("keep_resource_policy") = false,
      py::arg("replace") = false,
      py::arg("id"),
      py::arg("workload_digest") = py::bytes(),
      py::arg("measurements"),
      py::arg("allow_simulated") = false,
      py::arg("allow_debug") = false,
      py::arg("minimum_tcb") = 0,
      py::arg("resource") = "",
      py::arg("disk_key"),
      py::arg("tee") = "snp",
      py::arg("policy") = "",
      py::arg("signer") = "",
      py::arg("minimum_version") = 0,
      R"doc(Registers a workload and its key. AlreadyExists if its id is registered with other
values and `replace` is false.

url: URL of the broker; of Trustee with the path before /kbs/v0, if it has one.
    Required.
ca_pem: Certificate authority of the broker in PEM. Required.
admin_token: Admin token. Required by bartizan's own broker.
kind: Which API of a broker is used. One of "bartizan", "trustee", "register-workload".
admin_key: Trustee: its administrator's Ed25519 private key (PEM), which signs a token
    for five minutes in place of admin_token.
admin_issuer: Trustee: claim of that token. Default: omitted.
admin_audience: Trustee: claim of that token. Default: omitted.
admin_role: Trustee: claim of that token; "": omitted.
reference_values: Trustee has one list of measurements for all workloads; whether the
    registration adds to it.
resource_policy: Whether Trustee's policy for all resources is replaced by
    trustee_resource_policy().
keep_resource_policy: Whether Trustee's policy for resources remains as it is, and
    guards the key. Its default one gives any resource to every genuine guest, so one of
    the two is required.
replace: Whether bartizan's own broker puts the workload in the place of an earlier
    registration of the same id, whose launches then get no key any more; other brokers
    always do.
id: Name of the workload. Required.
workload_digest: SHA-256 of the manifest. 32 bytes. Default: that of each build that a
    `signer` signs.
measurements: Accepted launch digests, at least one: 48 bytes each; of sev and sev-es 32
    bytes. Required.
allow_simulated: Whether the key is released to the simulated TEE. It protects nothing.
allow_debug: Whether the key is released to guests whose policy allows debugging.
minimum_tcb: Minimum of each component of REPORTED_TCB, in that field's form.
resource: Name of the key at the broker (KBS: repository/type/tag). Default:
    "default/disk-key/<id>".
disk_key: The disk key. Required.
tee: The TEE that the measurements are of; those of tdx are MRTDs. Guests of sev and
    sev-es bring no evidence, so that bartizan's own broker judges their launches as
    their owner.
policy: The rest of what evidence must be, a JSON text as
    docs/reference/evidence-policy.schema.json has it; absent: its defaults, which are
    strict. Of bartizan's own broker alone, and of TEEs whose guests bring evidence.
signer: In place of workload_digest: a public key (PEM: P-256, P-384 or Ed25519). Every
    build whose image carries a statement about this id that is signed by it is the
    workload. Of bartizan's own broker alone, and of TEEs whose guests bring evidence.
minimum_version: Of a signer: the oldest version that gets the key. None below one that
    got it ever does.)doc");
}

template <typename Define, typename Work>
void with_arguments_of_trustee_resource_policy(Define&& define, Work work) {
  define(
      [work](const std::string& id,
         const py::bytes& workload_digest,
         const std::vector<py::bytes>& measurements,
         bool allow_debug,
         const std::string& resource,
         const py::object& tee) {
        Workload options;
        assign(id, "id", options.id);
        assign(workload_digest, "workload_digest", options.workload_digest);
        assign(measurements, "measurements", options.measurements);
        assign(allow_debug, "allow_debug", options.allow_debug);
        assign(resource, "resource", options.resource);
        assign(tee, "tee", options.tee);
        return work(std::move(options));
      },
      py::kw_only(),
      py::arg("id"),
      py::arg("workload_digest") = py::bytes(),
      py::arg("measurements"),
      py::arg("allow_debug") = false,
      py::arg("resource") = "",
      py::arg("tee") = "snp",
      R"doc(Makes a policy (Rego) for Trustee's KBS that releases the workload's resource to one of
its measurements with its digest, not in debug mode, and releases nothing else.

id: Name of the workload. Required.
workload_digest: SHA-256 of the manifest. 32 bytes. Default: that of each build that a
    `signer` signs.
measurements: Accepted launch digests, at least one: 48 bytes each; of sev and sev-es 32
    bytes. Required.
allow_debug: Whether the key is released to guests whose policy allows debugging.
resource: Name of the key at the broker (KBS: repository/type/tag). Default:
    "default/disk-key/<id>".
tee: The TEE that the measurements are of; those of tdx are MRTDs. Guests of sev and
    sev-es bring no evidence, so that bartizan's own broker judges their launches as
    their owner.)doc");
}

template <typename Define, typename Work>
void with_arguments_of_Context(Define&& define, Work work) {
  define(
      [work](const std::string& name,
         uint32_t vcpus,
         uint32_t ram_mib,
         const std::optional<Path>& bundle,
         const std::string& extra_command_line,
         const Path& kvm_device,
         const std::string& network,
         const std::vector<std::string>& allow,
         int stdin_fd,
         int stdout_fd,
         const std::vector<PublishedPort>& publish,
         const std::string& publish_auto,
         const std::vector<VsockPort>& vsock,
         const std::optional<Path>& scratch_disk,
         const py::object& log,
         const py::object& guest_log,
         const std::optional<PythonTeeOptions>& tee_options,
         const std::string& huge_pages,
         uint32_t max_vcpus,
         uint32_t max_ram_mib,
         uint64_t max_scratch_bytes,
         const py::object& events,
         const std::string& harden,
         const std::string& broker_url,
         const std::optional<LoadedBundle>& loaded_bundle) {
        MachineOptions options;
        assign(name, "name", options.name);
        assign(vcpus, "vcpus", options.vcpus);
        assign(ram_mib, "ram_mib", options.ram_mib);
        assign(bundle, "bundle", options.bundle);
        assign(extra_command_line, "extra_command_line", options.extra_command_line);
        assign(kvm_device, "kvm_device", options.kvm_device);
        assign(network, "network", options.network);
        assign(allow, "allow", options.allow);
        assign(stdin_fd, "stdin_fd", options.stdin_fd);
        assign(stdout_fd, "stdout_fd", options.stdout_fd);
        assign(publish, "publish", options.publish);
        assign(publish_auto, "publish_auto", options.publish_auto);
        assign(vsock, "vsock", options.vsock);
        assign(scratch_disk, "scratch_disk", options.scratch_disk);
        assign(log, "log", options.log);
        assign(guest_log, "guest_log", options.guest_log);
        assign(huge_pages, "huge_pages", options.huge_pages);
        assign(max_vcpus, "max_vcpus", options.max_vcpus);
        assign(max_ram_mib, "max_ram_mib", options.max_ram_mib);
        assign(max_scratch_bytes, "max_scratch_bytes", options.max_scratch_bytes);
        assign(events, "events", options.events);
        assign(harden, "harden", options.harden);
        assign(broker_url, "broker_url", options.broker_url);
        assign(loaded_bundle, "loaded_bundle", options.loaded_bundle);
        return work(std::move(options), tee_options);
      },
      py::kw_only(),
      py::arg("name") = "machine",
      py::arg("vcpus") = 0,
      py::arg("ram_mib") = 0,
      py::arg("bundle") = py::none(),
      py::arg("extra_command_line") = "",
      py::arg("kvm_device") = "/dev/kvm",
      py::arg("network") = "outbound",
      py::arg("allow") = std::vector<std::string>(),
      py::arg("stdin_fd") = -1,
      py::arg("stdout_fd") = -1,
      py::arg("publish") = std::vector<PublishedPort>(),
      py::arg("publish_auto") = "",
      py::arg("vsock") = std::vector<VsockPort>(),
      py::arg("scratch_disk") = py::none(),
      py::arg("log") = py::none(),
      py::arg("guest_log") = py::none(),
      py::arg("tee_options") = py::none(),
      py::arg("huge_pages") = "off",
      py::arg("max_vcpus") = 0,
      py::arg("max_ram_mib") = 0,
      py::arg("max_scratch_bytes") = 0,
      py::arg("events") = py::none(),
      py::arg("harden") = "off",
      py::arg("broker_url") = "",
      py::arg("loaded_bundle") = py::none(),
      R"doc(Creates a machine. Nothing of the host is touched before the start.

name: Name of the machine in errors and log lines.
vcpus: Number of virtual CPUs, at most 254. Default: those of the attached image;
    without an image 1.
ram_mib: Size of the guest's memory. Unit: MiB. Default: that of the attached image;
    without an image 512.
bundle: Folder of the guest bundle. Default: default_bundle_path().
extra_command_line: Text that is appended to the bundle's kernel command line, and
    measured.
kvm_device: The KVM device.
network: The most that the guest's network reaches: an image that was built without a
    network has none anyway, and one that asks for more than this is refused. One of
    "outbound", "isolated", "none".
allow: Places of this host that the guest may reach all the same: "loopback" (as
    10.0.2.2 or [fd62:7a6e::2]), "loopback:PORT", "metadata" (link-local addresses, and
    where a cloud's host fetches its credentials), "metadata:PORT".
stdin_fd: The workload's standard input. A terminal is attached as it is; anything else
    is forwarded up to and including its end. -1: the end comes at once.
stdout_fd: Receives what the workload writes to its standard output and error. -1:
    discarded.
publish: Host ports whose connections or datagrams arrive at guest ports.
publish_auto: Address of this host at which each TCP port that the workload listens on
    is published under its own number, for as long as it listens. "::" stands for all
    addresses, those of IPv4 too. Default: only those of publish.
vsock: Guest vsock ports that are joined to unix sockets of the host.
scratch_disk: Where an image that was built with scratch_bytes gets its scratch disk: a
    raw file, created or extended (sparse) as needed. Its content is lost. Default: an
    unnamed sparse file in the folder for temporary files.
log: Receives the library's own log lines.
guest_log: Receives the guest's console (kernel and init), one line at a time. A guest
    that writes more than 10,000 at once and then 1,000 each second loses the rest; a
    line counts them.
tee_options: Options of hardware TEEs.
huge_pages: What guest RAM is made of on the host's side. One of "off", "transparent",
    "reserved".
max_vcpus: The most virtual CPUs that this host gives, whatever the image asks for. More
    is resource_exhausted. Default: no limit of the host's.
max_ram_mib: The most guest memory that this host gives, whatever the image asks for.
    More is resource_exhausted. Unit: MiB. Default: no limit of the host's.
max_scratch_bytes: The largest scratch disk that this host gives, whatever the image
    asks for. More is resource_exhausted. Unit: bytes. Default: no limit of the host's.
events: Receives each event of the guest, on a thread of the library, which stops and
    signals wait for: it returns soon. It may do what any thread may, but neither wait
    for the guest nor free the machine.
harden: What the library's threads of the machine give up before its guest runs. One of
    "off", "preferred", "required".
broker_url: Where the image's broker is in this deployment, "https://host:port", for an
    image that was built with host_may "broker". Only the address: the authority that is
    believed stays the image's. Default: the image's own.
loaded_bundle: A guest bundle that is in memory, instead of a folder. Default: the
    folder `bundle`.)doc");
}

}  // namespace bartizan::python
