// Texts of the command line. Made by scripts/make-api
// from api/*.toml: change those.

#pragma once

#include "cli/option_text.hpp"

namespace bartizan::cli::text {

inline constexpr const char* kSummary = "Confidential images and confidential VMs";
inline constexpr const char* kFooter =
    "From an image to a running guest:\n"
    "  bartizan bundle create                    # what boots: kernel and init, once\n"
    "  bartizan broker --state state/ &          # releases keys\n"
    "  bartizan build oci/ -o confidential/ --broker https://10.0.2.2:8443 \\\n"
    "      --broker-ca state/ca.pem --key-out disk.key\n"
    "  bartizan register confidential/ --broker https://127.0.0.1:8443 --ca state/ca.pem \\\n"
    "      --token-file state/admin.token --key-file disk.key --allow-simulated\n"
    "  bartizan run confidential/ --tee simulated --publish 8080:443 --allow loopback:8443\n"
    "\n"
    "Exit status: 0 success; 1 an error, printed on stderr (or as JSON with --json); 2 the\n"
    "command line is wrong; 130 or 143 if SIGINT or SIGTERM cancelled the work. For `run` see\n"
    "`bartizan run --help`.\n";
inline constexpr LibraryName kLibraryNames[] = {
    {"`allow`", "--allow"},
    {"`force`", "--force"},
    {"`output`", "--output"},
    {"`reference`", "--reference"},
    {"`replace`", "--replace"},
    {"add_files", "--add-file"},
    {"admin_audience", "--admin-audience"},
    {"admin_issuer", "--admin-issuer"},
    {"admin_key", "--admin-key"},
    {"admin_role", "--admin-role"},
    {"admin_token", "--token-file"},
    {"allow_debug", "--allow-debug"},
    {"allow_simulated", "--allow-simulated"},
    {"append_cmdline", "--append-cmdline"},
    {"as_container", "--as-container"},
    {"author_key", "--author-key"},
    {"base_image", "--base-image"},
    {"base_reference", "--base-reference"},
    {"broker_ca_pem", "--broker-ca"},
    {"broker_url", "--broker"},
    {"c_bits", "--c-bit"},
    {"disk_key", "--key-file"},
    {"dry_run", "--dry-run"},
    {"family_id", "--family-id"},
    {"find_in_memory", "--find-in-memory"},
    {"guest_features", "--guest-features"},
    {"guest_svn", "--guest-svn"},
    {"host_kernel", "--host-kernel"},
    {"host_may", "--host-may"},
    {"huge_pages", "--huge-pages"},
    {"id_auth", "--id-auth"},
    {"id_authentication", "--id-auth"},
    {"id_block", "--id-block"},
    {"id_key", "--id-key"},
    {"image_id", "--image-id"},
    {"keep_reference_values", "--keep-reference-values"},
    {"keep_resource_policy", "--keep-resource-policy"},
    {"key_file", "--key-file"},
    {"key_from", "--key-from"},
    {"key_out", "--key-out"},
    {"kvm_device", "--kvm-device"},
    {"log_guest", "--log-guest"},
    {"max_ram_mib", "--max-memory"},
    {"max_scratch_bytes", "--max-scratch"},
    {"max_vcpus", "--max-vcpus"},
    {"minimum_tcb", "--minimum-tcb"},
    {"minimum_version", "--minimum-version"},
    {"no_network", "--no-network"},
    {"noted_head", "--head"},
    {"output_reference", "--output-reference"},
    {"ovmf_digest", "--ovmf-digest"},
    {"owner_certificate", "--owner-certificate"},
    {"platform_certificates", "--platform-certificates"},
    {"quote_service", "--quote-service"},
    {"ram_mib", "--memory"},
    {"recovery_passphrase", "--recovery-file"},
    {"register_with", "--register-with"},
    {"request_burst", "--request-burst"},
    {"requests_per_second", "--requests-per-second"},
    {"require_certificates", "--require-certificates"},
    {"resource_policy", "--resource-policy"},
    {"scratch_bytes", "--scratch"},
    {"scratch_disk", "--scratch"},
    {"sev_roots", "--sev-root"},
    {"show_policy", "--show-policy"},
    {"signing_key", "--sign-with"},
    {"source_passphrase", "--source-passphrase-file"},
    {"stop_timeout", "--stop-timeout"},
    {"tee_config", "--tee-config"},
    {"tee_data", "--tee-data"},
    {"time_limit", "--time-limit"},
    {"tls_names", "--tls-name"},
    {"token_file", "--token-file"},
    {"trusted_proxies", "--trusted-proxy"},
    {"vcpu_sig", "--vcpu-sig"},
    {"vcpu_type", "--vcpu-type"},
    {"vsock_listen", "--vsock-listen"},
    {"workload_id", "--id"},
};

namespace launch {
inline constexpr OptionText kTee = {
    "--tee", "TEE",
    "none, simulated, sev, sev-es, snp or tdx",
    "", false, true, false, false};
inline constexpr OptionText kBundle = {
    "--bundle", "FOLDER",
    "Guest bundle; default: the path of `bundle create`",
    "", false, false, false, false};
inline constexpr OptionText kVcpus = {
    "--vcpus", "N",
    "Number of virtual CPUs; default: that of the image, or 1",
    "", false, false, false, true};
inline constexpr OptionText kMemory = {
    "--memory", "MIB",
    "Guest memory in MiB; default: that of the image, or 512",
    "", false, false, false, true};
inline constexpr OptionText kAppendCmdline = {
    "--append-cmdline", "TEXT",
    "Appended to the guest's kernel command line, and measured",
    "", false, false, false, false};
inline constexpr OptionText kGuestFeatures = {
    "--guest-features", "BITS",
    "SEV_FEATURES, measured; default: 1 for snp, 0 for sev-es",
    "", false, false, false, false};
}  // namespace launch

namespace admin {
inline constexpr OptionText kBroker = {
    "--broker", "URL",
    "The broker's URL",
    "", true, false, false, false};
inline constexpr OptionText kCa = {
    "--ca", "FILE",
    "Certificate authority of the broker, PEM",
    "", true, false, false, false};
inline constexpr OptionText kTokenFile = {
    "--token-file", "FILE",
    "Admin token of the broker",
    "", true, false, false, false};
}  // namespace admin

namespace tee {
inline constexpr OptionText kPolicy = {
    "--policy", "BITS",
    "Guest policy (default: snp, simulated 0x30000; sev 0xb; sev-es 0xf); tdx: attributes",
    "Hardware TEEs", false, false, false, false};
inline constexpr OptionText kIdBlock = {
    "--id-block", "FILE",
    "snp: ID block of `measure --id-key`; requires --id-auth",
    "Hardware TEEs", false, false, false, false};
inline constexpr OptionText kIdAuth = {
    "--id-auth", "FILE",
    "snp: signatures and keys of the ID block",
    "Hardware TEEs", false, false, false, false};
inline constexpr OptionText kCertificates = {
    "--certificates", "FILE",
    "snp: GUID table with VCEK, ASK, ARK that the guest gets with its reports",
    "Hardware TEEs", false, false, false, false};
inline constexpr OptionText kRequireCertificates = {
    "--require-certificates", "",
    "snp: fail if KVM cannot pass the certificates on",
    "Hardware TEEs", false, false, false, false};
inline constexpr OptionText kOwnerCertificate = {
    "--owner-certificate", "FILE",
    "sev, sev-es: the owner's certificate; requires --session",
    "Hardware TEEs", false, false, false, false};
inline constexpr OptionText kSession = {
    "--session", "FILE",
    "sev, sev-es: the owner's session with this platform",
    "Hardware TEEs", false, false, false, false};
inline constexpr OptionText kPlatformCertificates = {
    "--platform-certificates", "FILE",
    "sev, sev-es: output of `sevctl export --full` on this host, by which the image's "
    "broker attests the launch",
    "Hardware TEEs", false, false, false, false};
inline constexpr OptionText kQuoteService = {
    "--quote-service", "ADDRESS",
    "tdx: unix socket, or vsock:CID:PORT; \"\": no quotes",
    "Hardware TEEs", false, true, false, false};
}  // namespace tee

namespace build {
inline constexpr CommandText kCommand = {
    "build", "Build a confidential image from an OCI image",
    "  # the broker at 10.0.2.2:8443 (the host, seen from the guest) releases its key\n"
    "  bartizan build oci/ -o confidential/ --broker https://10.0.2.2:8443 \\\n"
    "      --broker-ca state/ca.pem --key-out disk.key\n"
    "  # built and registered at the broker on this host, which alone has the key\n"
    "  bartizan build oci/ -o confidential/ --register-with https://127.0.0.1:8443 \\\n"
    "      --broker-ca state/ca.pem --token-file state/admin.token --allow-simulated\n"
    "  # an image for tests, opened with a key from a file\n"
    "  bartizan build oci/ -o confidential/ --key-file my.key\n"
    "  # one file, on a base image that shows people what to do\n"
    "  bartizan build oci/ -o confidential.tar --base-image oci:base/ --key-out disk.key\n"
    "  # a workload that writes much, and a recovery passphrase\n"
    "  bartizan build oci/ -o confidential/ --key-out disk.key --scratch 1G --recovery-file -\n"
    "  # what buildah mkcw made, with the same number of CPUs and the same memory\n"
    "  bartizan build mkcw/ -o confidential/ --key-out disk.key --source-passphrase-file pass \\\n"
    "      --tee-config tee.json\n",
    ""};
inline constexpr OptionText kSource = {
    "SOURCE", "",
    "OCI layout folder; with skopeo installed also an archive, docker://…, or "
    "containers-storage:…",
    "", true, false, false, false};
inline constexpr OptionText kOutput = {
    "--output,-o", "PATH",
    "OCI layout folder to create, or an archive of one: oci-archive:FILE, or a name in "
    ".tar; must not exist. With skopeo installed also docker://NAME, "
    "containers-storage:NAME (podman's images) and the other places that it copies to",
    "", true, false, false, false};
inline constexpr OptionText kReference = {
    "--reference", "TAG",
    "Tag in SOURCE; default: its only image",
    "", false, false, false, false};
inline constexpr OptionText kOutputReference = {
    "--output-reference", "TAG",
    "Tag in the output",
    "", false, true, false, false};
inline constexpr OptionText kBaseImage = {
    "--base-image", "IMAGE",
    "Put the output on this image as one more layer; given as SOURCE is",
    "", false, false, false, false};
inline constexpr OptionText kBaseReference = {
    "--base-reference", "TAG",
    "Tag in the base image",
    "", false, false, false, false};
inline constexpr OptionText kCreated = {
    "--created", "SECONDS",
    "Time of the output, in seconds since 1970; default: SOURCE_DATE_EPOCH of the "
    "environment, else now; with --key-from that of SOURCE",
    "", false, false, false, false};
inline constexpr OptionText kAnonymous = {
    "--anonymous", "",
    "Omit all metadata that identifies SOURCE: annotations, labels, digest; requires --id",
    "", false, false, false, false};
inline constexpr OptionText kId = {
    "--id", "ID",
    "Workload id; default: from SOURCE's digest",
    "", false, false, false, false};
inline constexpr OptionText kBroker = {
    "--broker", "URL",
    "The broker's URL as the guest reaches it (the host is 10.0.2.2 there); it is part of "
    "the image, so another broker is another build",
    "", false, false, false, false};
inline constexpr OptionText kBrokerCa = {
    "--broker-ca", "FILE",
    "Certificate authority of the broker, PEM",
    "", false, false, false, false};
inline constexpr OptionText kResource = {
    "--resource", "NAME",
    "Name of the key at the broker; default: default/disk-key/ID",
    "", false, false, false, false};
inline constexpr OptionText kVcpus = {
    "--vcpus", "N",
    "Default number of virtual CPUs of a launch; default: of --tee-config, else 1",
    "", false, false, false, false};
inline constexpr OptionText kMemory = {
    "--memory", "MIB",
    "Default memory of a launch in MiB; default: of --tee-config, else 512",
    "", false, false, false, false};
inline constexpr OptionText kTee = {
    "--tee", "TEE",
    "TEE that the image names to whoever launches it without naming one: sev, sev-es, snp "
    "or tdx; default: of --tee-config, else snp",
    "", false, false, false, false};
inline constexpr OptionText kTeeData = {
    "--tee-data", "JSON",
    "libkrun's data of that TEE; default: of --tee-config, else that of libkrun's "
    "examples",
    "", false, false, false, false};
inline constexpr OptionText kTeeConfig = {
    "--tee-config", "FILE",
    "TEE configuration of libkrun, oci2cw or buildah mkcw (JSON: workload_id, cpus, "
    "ram_mib, tee, tee_data, attestation_url), for what no option here gives",
    "", false, false, false, false};
inline constexpr OptionText kScratch = {
    "--scratch", "SIZE",
    "Encrypted, authenticated disk of this size (16M to 1T) for what the workload writes, "
    "new at each boot; default: it writes to memory, of which this takes half at most "
    "(203 MiB of 512)",
    "", false, false, false, false};
inline constexpr OptionText kHostMay = {
    "--host-may", "WORDS",
    "What a host may do to the workload: some of input, output, signals and broker (give "
    "its address), comma separated, or none; default: output if there is a --broker, else "
    "input, output and signals. A stop can always be asked for",
    "", false, false, false, false};
inline constexpr OptionText kAddFile = {
    "--add-file", "SOURCE:PATH",
    "Put a file of this machine into the image, at PATH, in place of what is there; with "
    "its permissions, of root",
    "", false, false, true, false};
inline constexpr OptionText kNoNetwork = {
    "--no-network", "",
    "The guest gets no network",
    "", false, false, false, false};
inline constexpr OptionText kKeyFile = {
    "--key-file", "FILE",
    "Disk key to use, 32 bytes at least; default: 256 fresh random bits; \"-\": standard "
    "input",
    "", false, false, false, false};
inline constexpr OptionText kKeyFrom = {
    "--key-from", "FILE",
    "As --key-file, and nothing is drawn at random: the same SOURCE and options make the "
    "same bytes. The key must hold 256 random bits",
    "", false, false, false, false};
inline constexpr OptionText kRecoveryFile = {
    "--recovery-file", "FILE",
    "Passphrase that also opens the disk, hardened by Argon2id; \"-\": standard input",
    "", false, false, false, false};
inline constexpr OptionText kSourcePassphraseFile = {
    "--source-passphrase-file", "FILE",
    "Passphrase of SOURCE, a confidential image that buildah mkcw or oci2cw made; \"-\": "
    "standard input",
    "", false, false, false, false};
inline constexpr OptionText kKeyOut = {
    "--key-out", "FILE",
    "Where to write the disk key (mode 0600); must not exist; \"-\": standard output, with "
    "the result on stderr",
    "", false, false, false, false};
inline constexpr OptionText kSignWith = {
    "--sign-with", "FILE",
    "The owner's private key, PEM (P-256, P-384 or Ed25519): the image carries a "
    "statement that it is --image-version of the workload, for brokers that know the "
    "public key (`register --signer`)",
    "", false, false, false, false};
inline constexpr OptionText kImageVersion = {
    "--image-version", "N",
    "The version that --sign-with vouches for, 1 at least",
    "", false, false, false, false};
inline constexpr OptionText kRegisterWith = {
    "--register-with", "URL",
    "Register the image at this broker once it is built, as `bartizan register` does; "
    "without --broker it is the image's broker too, by 10.0.2.2 if this host is meant",
    "Registration", false, false, false, false};
inline constexpr OptionText kTokenFile = {
    "--token-file", "FILE",
    "Admin token of that broker, whose certificate authority is --broker-ca",
    "Registration", false, false, false, false};
inline constexpr OptionText kBundle = {
    "--bundle", "FOLDER",
    "Guest bundle that is measured; default: the path of `bundle create`",
    "Registration", false, false, false, false};
inline constexpr OptionText kAllowSimulated = {
    "--allow-simulated", "",
    "Measure for the simulated TEE, which protects nothing, and release the key to it",
    "Registration", false, false, false, false};
inline constexpr OptionText kReplace = {
    "--replace", "",
    "Take the place of every earlier registration of this workload id",
    "Registration", false, false, false, false};
inline constexpr OptionText kForce = {
    "--force", "",
    "Accept what would never run, or not be protected: a weak key, a broker at a loopback "
    "address, a confidential SOURCE, a command or user that is not in it",
    "", false, false, false, false};
}  // namespace build

namespace inspect {
inline constexpr CommandText kCommand = {
    "inspect", "Show what is public about an image with an encrypted disk",
    "  bartizan inspect confidential/\n"
    "  # also an image of oci2cw or buildah mkcw, or a LUKS disk image\n"
    "  bartizan inspect disk.img\n"
    "  bartizan inspect confidential/ --json | jq -r .workload_digest\n",
    ""};
inline constexpr OptionText kImage = {
    "IMAGE", "",
    "OCI layout folder or archive, an unpacked image, or a disk image",
    "", true, false, false, false};
inline constexpr OptionText kReference = {
    "--reference", "TAG",
    "Tag; default: the only image",
    "", false, false, false, false};
}  // namespace inspect

namespace verify {
inline constexpr CommandText kCommand = {
    "verify", "Verify an image's disk against its manifest, and its key",
    "  bartizan verify confidential/ --key-file disk.key\n",
    ""};
inline constexpr OptionText kImage = {
    "IMAGE", "",
    "OCI layout folder or archive, or an unpacked image",
    "", true, false, false, false};
inline constexpr OptionText kKeyFile = {
    "--key-file", "FILE",
    "Also verify that this key opens the disk",
    "", false, false, false, false};
}  // namespace verify

namespace diff {
inline constexpr CommandText kCommand = {
    "diff", "Show the differences between two confidential images",
    "  # status 1 if they differ\n"
    "  bartizan diff confidential/ rebuilt/\n",
    ""};
inline constexpr OptionText kA = {
    "A", "",
    "OCI layout folder or archive, or an unpacked image",
    "", true, false, false, false};
inline constexpr OptionText kB = {
    "B", "",
    "The other image",
    "", true, false, false, false};
}  // namespace diff

namespace measure {
inline constexpr CommandText kCommand = {
    "measure", "Compute what a launch will measure; needs no KVM",
    "  bartizan measure --vcpus 2 --memory 1024\n"
    "  bartizan measure --vcpus 1-4 --json | jq -r '.measurements[].digest'\n"
    "  bartizan measure --image confidential/ --tee simulated --json | jq -r .digest\n"
    "  bartizan measure --tee snp --ovmf OVMF.fd --kernel vmlinuz --append 'console=ttyS0' \\\n"
    "      --vcpus 4 --vcpu-type EPYC-Milan,EPYC-Genoa --host-kernel all\n",
    ""};
inline constexpr OptionText kImage = {
    "--image", "IMAGE",
    "Take --vcpus and --memory from this image",
    "", false, false, false, false};
inline constexpr OptionText kVcpus = {
    "--vcpus", "N|FROM-TO",
    "Number of virtual CPUs; a range gives every digest to register",
    "", false, false, false, false};
inline constexpr OptionText kVcpuType = {
    "--vcpu-type,--cpu-model", "NAME",
    "Processors by QEMU's names: EPYC-Milan, EPYC-Genoa-v1 ...",
    "", false, false, true, false};
inline constexpr OptionText kVcpuSig = {
    "--vcpu-sig", "NUMBER",
    "Processors by CPUID leaf 1 EAX",
    "", false, false, true, false};
inline constexpr OptionText kCBit = {
    "--c-bit", "N",
    "sev, sev-es, snp: position of the C-bit in page tables: 47,51",
    "", false, false, true, false};
inline constexpr OptionText kHostKernel = {
    "--host-kernel", "GENERATION",
    "since-6.10 (default), before-6.10 or all: register pages differ",
    "", false, false, true, false};
inline constexpr OptionText kPages = {
    "--pages", "",
    "List what is measured, in order",
    "", false, false, false, false};
inline constexpr OptionText kOvmf = {
    "--ovmf", "FILE",
    "Firmware: measure its launch instead of bartizan's",
    "Launches by QEMU and clouds", false, false, false, false};
inline constexpr OptionText kKernel = {
    "--kernel", "FILE",
    "Kernel that the firmware boots",
    "Launches by QEMU and clouds", false, false, false, false};
inline constexpr OptionText kInitrd = {
    "--initrd", "FILE",
    "Its initrd",
    "Launches by QEMU and clouds", false, false, false, false};
inline constexpr OptionText kAppend = {
    "--append", "TEXT",
    "Its command line",
    "Launches by QEMU and clouds", false, false, false, false};
inline constexpr OptionText kVmm = {
    "--vmm", "VMM",
    "qemu, ec2 or gce; default: qemu",
    "Launches by QEMU and clouds", false, false, false, false};
inline constexpr OptionText kOvmfDigest = {
    "--ovmf-digest", "HEX",
    "snp: what the firmware alone measures to",
    "Launches by QEMU and clouds", false, false, false, false};
inline constexpr OptionText kIdKey = {
    "--id-key", "FILE",
    "Signs the ID block: ECDSA P-384, PEM",
    "ID block of an snp launch", false, false, false, false};
inline constexpr OptionText kAuthorKey = {
    "--author-key", "FILE",
    "Signs the ID key",
    "ID block of an snp launch", false, false, false, false};
inline constexpr OptionText kIdBlock = {
    "--id-block", "FILE",
    "Where to write its 96 bytes",
    "ID block of an snp launch", false, false, false, false};
inline constexpr OptionText kIdAuth = {
    "--id-auth", "FILE",
    "Where to write 4096 bytes of signatures",
    "ID block of an snp launch", false, false, false, false};
inline constexpr OptionText kFamilyId = {
    "--family-id", "HEX",
    "16 bytes for the report",
    "ID block of an snp launch", false, false, false, false};
inline constexpr OptionText kImageId = {
    "--image-id", "HEX",
    "16 bytes for the report",
    "ID block of an snp launch", false, false, false, false};
inline constexpr OptionText kGuestSvn = {
    "--guest-svn", "N",
    "Version for the report",
    "ID block of an snp launch", false, false, false, false};
inline constexpr OptionText kPolicy = {
    "--policy", "BITS",
    "Guest policy; default: 0x30000",
    "ID block of an snp launch", false, false, false, false};
}  // namespace measure

namespace bundle_create {
inline constexpr CommandText kCommand = {
    "create", "Create a bundle from a distribution's kernel and the guest's init",
    "  bartizan bundle create\n"
    "  bartizan bundle create --kernel /boot/vmlinuz-6.1.0-13-cloud-amd64 --output bundle/\n",
    ""};
inline constexpr OptionText kKernel = {
    "--kernel", "FILE",
    "bzImage; default: the newest Debian cloud kernel under /boot, else the newest there",
    "", false, false, false, false};
inline constexpr OptionText kModules = {
    "--modules", "FOLDER",
    "Its folder of modules; default: /lib/modules/RELEASE, beside a kernel in DIR/boot",
    "", false, false, false, false};
inline constexpr OptionText kInit = {
    "--init", "FILE",
    "Static init; default: the installed one",
    "", false, false, false, false};
inline constexpr OptionText kOutput = {
    "--output", "FOLDER",
    "Folder to create, in one that exists; default: the default path of bundles",
    "", false, false, false, false};
inline constexpr OptionText kAppendCmdline = {
    "--append-cmdline", "TEXT",
    "Appended to the default command line",
    "", false, false, false, false};
}  // namespace bundle_create

namespace bundle_inspect {
inline constexpr CommandText kCommand = {
    "inspect", "Show a bundle and verify its digests",
    "  bartizan bundle inspect bundle/ --json\n",
    ""};
inline constexpr OptionText kBundle = {
    "BUNDLE", "",
    "Folder; default: the default path of bundles",
    "", false, false, false, false};
}  // namespace bundle_inspect

namespace broker {
inline constexpr CommandText kCommand = {
    "broker", "Release keys to launches that attest, until SIGINT or SIGTERM",
    "  bartizan broker --state state/\n"
    "  bartizan broker --state state/ --listen 0.0.0.0:8443 --tls-name broker.example.org\n"
    "  bartizan broker --config /etc/bartizan/broker.toml\n",
    ""};
inline constexpr OptionText kState = {
    "--state", "FOLDER",
    "Folder of store, certificates and token",
    "", true, false, false, false};
inline constexpr OptionText kListen = {
    "--listen", "ADDRESS:PORT",
    "Where to listen; port 0: any",
    "", false, true, false, false};
inline constexpr OptionText kTlsName = {
    "--tls-name", "NAME",
    "Another name for the TLS certificate, which is made anew for it",
    "", false, false, false, false};
inline constexpr OptionText kSevRoot = {
    "--sev-root", "FILE",
    "sev, sev-es: an AMD root key (ARK) to trust in addition to the known ones",
    "", false, false, false, false};
inline constexpr OptionText kRequestsPerSecond = {
    "--requests-per-second", "N",
    "Requests, and new connections, of an address (IPv6: a /64) in the long run",
    "", false, true, false, false};
inline constexpr OptionText kRequestBurst = {
    "--request-burst", "N",
    "Requests, and new connections, of an address at once after a while of fewer",
    "", false, true, false, false};
inline constexpr OptionText kTrustedProxy = {
    "--trusted-proxy", "CIDR",
    "A proxy in front, or a prefix of addresses of proxies: the last address of their "
    "X-Forwarded-For is the client's, for the limits and the log",
    "", false, false, false, false};
inline constexpr OptionText kCollateral = {
    "--collateral", "FOLDER",
    "VCEKs, revocation lists and Intel's collateral for evidence that comes without, as "
    "for `evidence verify`",
    "", false, false, false, false};
inline constexpr OptionText kConfig = {
    "--config", "FILE",
    "Options from a file in TOML, named as here without the dashes; the command line's "
    "take their place",
    "", false, false, false, false};
inline constexpr OptionText kVerbose = {
    "--verbose", "",
    "Log each decision",
    "", false, false, false, false};
}  // namespace broker

namespace broker_backup {
inline constexpr CommandText kCommand = {
    "backup", "Write all of a broker's state folder into one file, while it serves",
    "  bartizan broker backup --state state/ --output broker-2026-11-30.backup\n",
    "The file has mode 0600 and holds every key: keep it as the state folder itself. It must not be there\n"
    "yet.\n"};
inline constexpr OptionText kState = {
    "--state", "FOLDER",
    "The broker's state folder, whether it serves or not",
    "", true, false, false, false};
inline constexpr OptionText kOutput = {
    "--output,-o", "FILE",
    "The backup that is made",
    "", true, false, false, false};
}  // namespace broker_backup

namespace broker_restore {
inline constexpr CommandText kCommand = {
    "restore", "Make a broker's state folder of a backup",
    "  bartizan broker restore --state state/ broker-2026-11-30.backup\n",
    "The folder must be missing or empty. What was registered or decided after the backup is not in it; a\n"
    "broker that serves from the folder has the address, certificates and token of the backup's.\n"};
inline constexpr OptionText kBackup = {
    "BACKUP", "",
    "What `broker backup` made",
    "", true, false, false, false};
inline constexpr OptionText kState = {
    "--state", "FOLDER",
    "The state folder that is made",
    "", true, false, false, false};
}  // namespace broker_restore

namespace broker_check {
inline constexpr CommandText kCommand = {
    "check", "Check a broker's state folder: store, audit, modes and owners, certificates",
    "  bartizan broker check --state state/\n",
    "Nothing is changed, and the broker may serve. Exit status 1 if anything is wrong; what was found is\n"
    "printed either way.\n"};
inline constexpr OptionText kState = {
    "--state", "FOLDER",
    "The broker's state folder, whether it serves or not",
    "", true, false, false, false};
}  // namespace broker_check

namespace register_image {
inline constexpr CommandText kCommand = {
    "register", "Measure an image's launch and register it at the broker, with the disk key",
    "  bartizan register confidential/ --broker https://127.0.0.1:8443 --ca state/ca.pem \\\n"
    "      --token-file state/admin.token --key-file disk.key --allow-simulated\n"
    "  # with every digest of a range, at Trustee's KBS\n"
    "  bartizan register confidential.tar --kind trustee --broker https://kbs.example.org \\\n"
    "      --ca kbs.pem --admin-key admin.key --key-file disk.key --tee snp \\\n"
    "      --measurement $(bartizan measure --tee snp --vcpus 1-4 --json | jq -r \\\n"
    "          '[.measurements[].digest] | join(\",\")')\n",
    ""};
inline constexpr OptionText kImage = {
    "IMAGE", "",
    "Confidential image",
    "", true, false, false, false};
inline constexpr OptionText kBroker = {
    "--broker", "URL",
    "The broker's URL",
    "", false, false, false, false};
inline constexpr OptionText kKind = {
    "--kind", "KIND",
    "bartizan, trustee or register-workload",
    "", false, true, false, false};
inline constexpr OptionText kCa = {
    "--ca", "FILE",
    "Certificate authority of the broker, PEM",
    "", false, false, false, false};
inline constexpr OptionText kTokenFile = {
    "--token-file", "FILE",
    "Admin token of the broker",
    "", false, false, false, false};
inline constexpr OptionText kKeyFile = {
    "--key-file", "FILE",
    "The image's disk key (build --key-out)",
    "", false, false, false, false};
inline constexpr OptionText kMeasurement = {
    "--measurement", "HEX",
    "Register these digests instead of measuring here",
    "", false, false, true, false};
inline constexpr OptionText kAllowSimulated = {
    "--allow-simulated", "",
    "Release the key to the simulated TEE, which protects nothing",
    "", false, false, false, false};
inline constexpr OptionText kAllowDebug = {
    "--allow-debug", "",
    "Release the key to guests in debug mode",
    "", false, false, false, false};
inline constexpr OptionText kMinimumTcb = {
    "--minimum-tcb", "NUMBER",
    "Minimum of each component of the TCB",
    "", false, false, false, false};
inline constexpr OptionText kSigner = {
    "--signer", "FILE",
    "A public key, PEM: register all builds of this workload id that carry a statement "
    "signed by it (`build --sign-with`), in place of this one image",
    "", false, false, false, false};
inline constexpr OptionText kMinimumVersion = {
    "--minimum-version", "N",
    "With --signer: no version below this one gets the key",
    "", false, false, false, false};
inline constexpr OptionText kPolicy = {
    "--policy", "FILE",
    "Evidence policy, JSON: what evidence must be beside that (`evidence verify "
    "--policy`)",
    "", false, false, false, false};
inline constexpr OptionText kReplace = {
    "--replace", "",
    "Take the place of an earlier registration of this workload id, whose launches then "
    "get no key any more",
    "", false, false, false, false};
inline constexpr OptionText kForce = {
    "--force", "",
    "Register an image although its manifest names no broker",
    "", false, false, false, false};
inline constexpr OptionText kAdminKey = {
    "--admin-key", "FILE",
    "Its administrator's Ed25519 private key, PEM: signs a token",
    "Trustee", false, false, false, false};
inline constexpr OptionText kAdminRole = {
    "--admin-role", "ROLE",
    "Claim of that token",
    "Trustee", false, true, false, false};
inline constexpr OptionText kAdminIssuer = {
    "--admin-issuer", "ISSUER",
    "Claim of that token",
    "Trustee", false, false, false, false};
inline constexpr OptionText kAdminAudience = {
    "--admin-audience", "AUDIENCE",
    "Claim of that token",
    "Trustee", false, false, false, false};
inline constexpr OptionText kKeepReferenceValues = {
    "--keep-reference-values", "",
    "Do not add to its list of measurements",
    "Trustee", false, false, false, false};
inline constexpr OptionText kResourcePolicy = {
    "--resource-policy", "",
    "Replace its policy for all resources by one for this workload alone",
    "Trustee", false, false, false, false};
inline constexpr OptionText kKeepResourcePolicy = {
    "--keep-resource-policy", "",
    "Let its policy guard the key; its default one gives any key to every genuine guest",
    "Trustee", false, false, false, false};
inline constexpr OptionText kShowPolicy = {
    "--show-policy", "",
    "Print that policy and register nothing",
    "Trustee", false, false, false, false};
}  // namespace register_image

namespace unregister {
inline constexpr CommandText kCommand = {
    "unregister", "Remove a workload and its key from the broker",
    "  bartizan unregister WORKLOAD --broker https://127.0.0.1:8443 --ca state/ca.pem \\\n"
    "      --token-file state/admin.token\n",
    ""};
inline constexpr OptionText kWorkload = {
    "WORKLOAD", "",
    "Workload id or digest, or the image",
    "", true, false, false, false};
}  // namespace unregister

namespace list {
inline constexpr CommandText kCommand = {
    "list", "List the workloads that are registered at the broker",
    "  bartizan list --broker https://127.0.0.1:8443 --ca state/ca.pem \\\n"
    "      --token-file state/admin.token\n",
    ""};
}  // namespace list

namespace show {
inline constexpr CommandText kCommand = {
    "show", "Show a workload that is registered at the broker",
    "  bartizan show WORKLOAD --broker https://127.0.0.1:8443 --ca state/ca.pem \\\n"
    "      --token-file state/admin.token\n",
    ""};
inline constexpr OptionText kWorkload = {
    "WORKLOAD", "",
    "Workload id or digest, or the image",
    "", true, false, false, false};
}  // namespace show

namespace rotate_key {
inline constexpr CommandText kCommand = {
    "rotate-key", "Put another key in the place of a registered workload's",
    "  bartizan rotate-key confidential/ --key-file new.key --broker https://127.0.0.1:8443 \\\n"
    "      --ca state/ca.pem --token-file state/admin.token\n",
    ""};
inline constexpr OptionText kWorkload = {
    "WORKLOAD", "",
    "Workload id or digest, or the image",
    "", true, false, false, false};
inline constexpr OptionText kKeyFile = {
    "--key-file", "FILE",
    "The new key; of an image it must open the disk",
    "", true, false, false, false};
}  // namespace rotate_key

namespace expire {
inline constexpr CommandText kCommand = {
    "expire", "Set when a registered workload's key is released no more",
    "  bartizan expire WORKLOAD --at 2027-01-31 --broker https://127.0.0.1:8443 \\\n"
    "      --ca state/ca.pem --token-file state/admin.token\n",
    ""};
inline constexpr OptionText kWorkload = {
    "WORKLOAD", "",
    "Workload id or digest, or the image",
    "", true, false, false, false};
inline constexpr OptionText kAt = {
    "--at", "TIME",
    "never, now, YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ (UTC)",
    "", true, false, false, false};
}  // namespace expire

namespace audit {
inline constexpr CommandText kCommand = {
    "audit", "Show what the broker decided about a workload and its owner changed, newest first",
    "  bartizan audit WORKLOAD --broker https://127.0.0.1:8443 --ca state/ca.pem \\\n"
    "      --token-file state/admin.token\n",
    ""};
inline constexpr OptionText kWorkload = {
    "WORKLOAD", "",
    "Workload id or digest, or the image",
    "", true, false, false, false};
}  // namespace audit

namespace audit_verify {
inline constexpr CommandText kCommand = {
    "audit-verify", "Check that nobody changed the audit in a broker's state folder",
    "  bartizan audit-verify --state state\n",
    ""};
inline constexpr OptionText kState = {
    "--state", "DIR",
    "The broker's state folder, whether it serves or not",
    "", true, false, false, false};
inline constexpr OptionText kHead = {
    "--head", "HEX",
    "A head that was noted before, which an entry must have: what came before it is all "
    "there",
    "", false, false, false, false};
}  // namespace audit_verify

namespace token_create {
inline constexpr CommandText kCommand = {
    "create", "Make another token for administrators of the broker, that may do less",
    "  bartizan token create ci --scope register --expires 2027-01-31 --output ci.token \\\n"
    "      --broker https://127.0.0.1:8443 --ca state/ca.pem --token-file state/admin.token\n",
    "Scopes: read (list, show, audit), register (and register, rotate-key, expire), admin (and\n"
    "unregister, token). Only a token of scope admin, as that of the state folder is, makes others. It is\n"
    "shown this once: the broker keeps its hash. What it is used for stands in the broker's log and audit\n"
    "under its name.\n"};
inline constexpr OptionText kName = {
    "NAME", "",
    "Its name: letters, digits, '_', '-', '.'",
    "", true, false, false, false};
inline constexpr OptionText kScope = {
    "--scope", "SCOPE",
    "read, register or admin",
    "", true, false, false, false};
inline constexpr OptionText kExpires = {
    "--expires", "TIME",
    "never, YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ (UTC)",
    "", true, false, false, false};
inline constexpr OptionText kOutput = {
    "--output,-o", "FILE",
    "New file for the token, mode 0600; -: standard output",
    "", true, false, false, false};
}  // namespace token_create

namespace token_list {
inline constexpr CommandText kCommand = {
    "list", "List the tokens of the broker's administrators, without their values",
    "  bartizan token list --broker https://127.0.0.1:8443 --ca state/ca.pem \\\n"
    "      --token-file state/admin.token\n",
    ""};
}  // namespace token_list

namespace token_revoke {
inline constexpr CommandText kCommand = {
    "revoke", "Revoke a token: it opens nothing from now on",
    "  bartizan token revoke ci --broker https://127.0.0.1:8443 --ca state/ca.pem \\\n"
    "      --token-file state/admin.token\n",
    ""};
inline constexpr OptionText kName = {
    "NAME", "",
    "Its name",
    "", true, false, false, false};
}  // namespace token_revoke

namespace evidence_verify {
inline constexpr CommandText kCommand = {
    "verify", "Judge evidence by a policy, with every check",
    "  bartizan evidence verify evidence.json --kind snp --policy policy.json\n"
    "  bartizan evidence verify report.bin --kind snp --certificate vcek.der --at 2026-11-30 --json\n",
    "Without a policy its defaults hold: a genuine report of a guest that nobody can debug. Exit status 1 if a check failed; the checks are printed either way.\n"};
inline constexpr OptionText kEvidence = {
    "EVIDENCE", "",
    "Evidence as JSON in CoCo's form, as guests send it, or a report or quote in its "
    "bytes",
    "", true, false, false, false};
inline constexpr OptionText kKind = {
    "--kind", "KIND",
    "What it is: snp, tdx or simulated",
    "", true, false, false, false};
inline constexpr OptionText kPolicy = {
    "--policy", "FILE",
    "Evidence policy, as docs/reference/evidence-policy.schema.json has it",
    "", false, false, false, false};
inline constexpr OptionText kAt = {
    "--at", "DATE",
    "Time at which certificates must be valid, 2026-11-30 or 2026-11-30T12:00:00Z; "
    "default: now",
    "", false, false, false, false};
inline constexpr OptionText kCollateral = {
    "--collateral", "FOLDER",
    "VCEKs, revocation lists and TDX collateral for evidence that came without",
    "", false, false, false, false};
inline constexpr OptionText kCertificate = {
    "--certificate", "FILE",
    "Certificate that belongs to the evidence, DER or PEM; repeatable",
    "", false, false, false, false};
}  // namespace evidence_verify

namespace evidence_show {
inline constexpr CommandText kCommand = {
    "show", "Show what evidence contains, without judging it",
    "  bartizan evidence show evidence.json --kind snp --json\n",
    ""};
inline constexpr OptionText kEvidence = {
    "EVIDENCE", "",
    "Evidence as JSON in CoCo's form, as guests send it, or a report or quote in its "
    "bytes",
    "", true, false, false, false};
inline constexpr OptionText kKind = {
    "--kind", "KIND",
    "What it is: snp, tdx or simulated",
    "", true, false, false, false};
}  // namespace evidence_show

namespace run {
inline constexpr CommandText kCommand = {
    "run", "Launch a confidential image; exits with the workload's status",
    "  # the guest fetches its key from the broker on this host; https://127.0.0.1:8080/ reaches it\n"
    "  bartizan run confidential/ --tee simulated --publish 8080:443 --allow loopback:8443\n"
    "  # without broker and protection, with the console\n"
    "  bartizan run confidential/ --tee none --key-file my.key --log-guest\n",
    "Exit status: the workload's; 128 + N if signal N killed it; 127 if the image's entry point is\n"
    "missing, 126 if it cannot be executed; 125 if the launch or the guest failed otherwise or had\n"
    "to be stopped; 2 if the command line is wrong. SIGINT and SIGTERM ask the workload to end; another\n"
    "one, a second later or more, ends it at once. Standard input, SIGHUP, SIGUSR1, SIGUSR2 and the\n"
    "terminal's size are passed on as far as the image allows: one with a broker only allows output,\n"
    "unless `build --host-may` permits more. With --json the workload's output goes to stderr.\n"
    "\n"
    "Command, environment, user and files are inside the measured image, where no host can change\n"
    "them: they have no options here. Set them in the image, build and register again.\n"};
inline constexpr OptionText kImage = {
    "IMAGE", "",
    "Confidential image: OCI layout or unpacked",
    "", true, false, false, false};
inline constexpr OptionText kHugePages = {
    "--huge-pages", "KIND",
    "Guest memory in pages of 2 MiB: off, transparent or reserved",
    "", false, true, false, false};
inline constexpr OptionText kHarden = {
    "--harden", "KIND",
    "Threads that serve the guest give up files and system calls: off, preferred or "
    "required",
    "", false, true, false, false};
inline constexpr OptionText kPublish = {
    "--publish,-p", "[ADDRESS:]HOST:GUEST[/udp]",
    "Host port that leads to a guest's; HOST 0: any. [ADDRESS:]auto: each TCP port that "
    "the workload listens on, under its own number ([::]:auto: at all addresses, IPv4 and "
    "IPv6)",
    "", false, false, false, false};
inline constexpr OptionText kNetwork = {
    "--network", "MODE",
    "outbound; isolated: nothing but published TCP ports; none",
    "", false, true, false, false};
inline constexpr OptionText kAllow = {
    "--allow", "PLACE",
    "Place of this host that the guest may reach all the same: loopback[:PORT] (10.0.2.2 "
    "in the guest) or metadata[:PORT] (link-local addresses)",
    "", false, false, false, false};
inline constexpr OptionText kKeyFile = {
    "--key-file", "FILE",
    "Hand the disk key to the guest: for tests and --tee none",
    "", false, false, false, false};
inline constexpr OptionText kBroker = {
    "--broker", "URL",
    "Where the image's broker is in this deployment, if the image was built with "
    "--host-may broker; the authority that is believed stays the image's",
    "", false, false, false, false};
inline constexpr OptionText kVsock = {
    "--vsock", "PORT=PATH",
    "The guest connects to PORT, bartizan to the socket at PATH",
    "", false, false, false, false};
inline constexpr OptionText kVsockListen = {
    "--vsock-listen", "PORT=PATH",
    "bartizan listens at PATH and connects to the guest's PORT",
    "", false, false, false, false};
inline constexpr OptionText kScratch = {
    "--scratch", "FILE",
    "Where an image that asks for one gets its scratch disk: a raw file, created as "
    "needed; default: an unnamed temporary file",
    "", false, false, false, false};
inline constexpr OptionText kMaxVcpus = {
    "--max-vcpus", "N",
    "Refuse to give a machine more virtual CPUs, whatever its image asks for",
    "", false, false, false, true};
inline constexpr OptionText kMaxMemory = {
    "--max-memory", "MIB",
    "Refuse to give a machine more memory, whatever its image asks for",
    "", false, false, false, true};
inline constexpr OptionText kMaxScratch = {
    "--max-scratch", "SIZE",
    "Refuse to give a machine a larger scratch disk (64M, 1G), whatever its image asks "
    "for",
    "", false, false, false, true};
inline constexpr OptionText kKvmDevice = {
    "--kvm-device", "FILE",
    "The KVM device",
    "", false, true, false, false};
inline constexpr OptionText kName = {
    "--name", "NAME",
    "Name in messages; default: the workload's id",
    "", false, false, false, false};
inline constexpr OptionText kStopTimeout = {
    "--stop-timeout", "SECONDS",
    "Seconds from SIGTERM to the machine's end",
    "", false, true, false, false};
inline constexpr OptionText kEventFd = {
    "--event-fd", "N",
    "Write a line of JSON to this open descriptor for each event of the guest: "
    "{\"event\":\"ready\"}, likewise attested and exited",
    "", false, false, false, false};
inline constexpr OptionText kLogGuest = {
    "--log-guest", "",
    "Print the guest's console on stderr",
    "", false, false, false, false};
inline constexpr OptionText kVerbose = {
    "--verbose", "",
    "Print all of the library's log lines on stderr",
    "", false, false, false, false};
inline constexpr OptionText kAsContainer = {
    "--as-container", "",
    "As process 1 of a container, whose engine has deadlines of its own: each signal goes "
    "to the workload, and --stop-timeout does not count",
    "", false, false, false, false};
inline constexpr OptionText kStats = {
    "--stats", "",
    "Print times and exits on stderr at the end",
    "", false, false, false, false};
inline constexpr OptionText kFindInMemory = {
    "--find-in-memory", "FILE",
    "At the end, count this file's bytes in guest memory, raw and as a host sees it",
    "", false, false, false, false};
}  // namespace run

namespace probe {
inline constexpr CommandText kCommand = {
    "probe", "Show what this host can run, and what is missing",
    "  bartizan probe\n"
    "  bartizan probe --tee simulated && bartizan run confidential/ --tee simulated --allow loopback:8443\n"
    "  bartizan probe --json | jq '.tees[] | select(.available) | .tee'\n",
    ""};
inline constexpr OptionText kTee = {
    "--tee", "TEE",
    "This TEE alone; exit status 1 if this host cannot run it",
    "", false, false, false, false};
inline constexpr OptionText kKvmDevice = {
    "--kvm-device", "FILE",
    "The KVM device",
    "", false, true, false, false};
inline constexpr OptionText kTimeLimit = {
    "--time-limit", "MS",
    "Time limit of the probe guest in milliseconds",
    "", false, true, false, false};
inline constexpr OptionText kBundle = {
    "--bundle", "FOLDER",
    "A TEE that this bundle's kernel cannot be a guest of is not available",
    "", false, false, false, false};
}  // namespace probe

namespace doctor {
inline constexpr CommandText kCommand = {
    "doctor", "Show what this host can do, and what to do about the rest",
    "  bartizan doctor\n"
    "  bartizan doctor --json | jq -r '.checks[] | select(.good | not) | .advice'\n",
    "Exit status: 0 if a guest can be launched here, in whichever TEE; else 1.\n"};
inline constexpr OptionText kKvmDevice = {
    "--kvm-device", "FILE",
    "The KVM device",
    "", false, true, false, false};
}  // namespace doctor

namespace up {
inline constexpr CommandText kCommand = {
    "up", "From an ordinary image to a served port in one command",
    "  bartizan up oci:web/ -p 8080:80\n"
    "  # which commands it would run\n"
    "  bartizan up oci:web/ -p 8080:80 --dry-run\n",
    "Makes the bundle, starts a broker, builds, registers and runs, and prints the command of each\n"
    "step. Bundle, broker and built images are kept in the state folder; an image is built again\n"
    "when SOURCE, an option or the broker has changed. Broker and guest end together, also by\n"
    "SIGINT or SIGTERM. Exit status: that of `bartizan run`.\n"};
inline constexpr OptionText kSource = {
    "SOURCE", "",
    "OCI layout folder; with skopeo installed also an archive, docker://…, or "
    "containers-storage:…",
    "", true, false, false, false};
inline constexpr OptionText kReference = {
    "--reference", "TAG",
    "Tag in SOURCE; default: its only image",
    "", false, false, false, false};
inline constexpr OptionText kPublish = {
    "--publish,-p", "[ADDRESS:]HOST:GUEST",
    "Host TCP port that is forwarded to a guest's; HOST 0: any",
    "", false, false, false, false};
inline constexpr OptionText kBundle = {
    "--bundle", "FOLDER",
    "Guest bundle to take instead of making one",
    "", false, false, false, false};
inline constexpr OptionText kTee = {
    "--tee", "TEE",
    "snp or simulated, which protects nothing; default: snp if this host has it",
    "", false, false, false, false};
inline constexpr OptionText kVcpus = {
    "--vcpus", "N",
    "Number of virtual CPUs; default: 1",
    "", false, false, false, true};
inline constexpr OptionText kMemory = {
    "--memory", "MIB",
    "Guest memory in MiB; default: 512",
    "", false, false, false, true};
inline constexpr OptionText kState = {
    "--state", "FOLDER",
    "What is kept; default: $XDG_STATE_HOME/bartizan, else ~/.local/state/bartizan",
    "", false, false, false, false};
inline constexpr OptionText kKvmDevice = {
    "--kvm-device", "FILE",
    "The KVM device",
    "", false, true, false, false};
inline constexpr OptionText kLogGuest = {
    "--log-guest", "",
    "Print the guest's console on stderr",
    "", false, false, false, false};
inline constexpr OptionText kDryRun = {
    "--dry-run", "",
    "Only print the commands",
    "", false, false, false, false};
}  // namespace up

}  // namespace bartizan::cli::text
