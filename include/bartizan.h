/* clang-format off */
/* bartizan: OCI images as encrypted, integrity-protected images, launched as (confidential) VMs
 * through KVM, with a disk key that is released by attestation. This is the whole C interface; it
 * is C99 and later, and C++.
 *
 * A launch is four verbs: bartizan_context_create -> _set_tee -> _attach_luks_disk (or
 * _attach_image) -> _start, which returns, or _start_enter, which waits for the guest's end and
 * gives back the reason.
 *
 * NAMES    bartizan_noun_verb. Handles are opaque; each has a bartizan_noun_free, for which NULL
 *          is fine.
 *
 * OWNER    An out-parameter is yours: free it. A returned pointer is borrowed: it lives as long as
 *          the handle that gave it, or for ever if no handle did. Arguments are copied;
 *          descriptors are duplicated (close-on-exec): keep and close your own. `const char *` is
 *          UTF-8 with a final zero; NULL or "" means "not given" where a default is named, as does
 *          NULL with size 0 for a buffer, which is a pointer and a size.
 *
 * ERRORS   Functions that can fail return int32_t: 0, or a BARTIZAN_ERROR_* below zero. Their last
 *          parameter `err` may be NULL; if it is not, it receives a bartizan_error that you free.
 *          On failure all other outputs keep what they held; on success *err does. There is no
 *          "last error". A guest that ends is not an error: see bartizan_exit. NULL for a handle
 *          or for a required argument is BARTIZAN_ERROR_INVALID_ARGUMENT.
 *
 * STRUCTS  A struct of options starts with `size_t struct_size`: set it to sizeof of the struct.
 *          Structs only grow at their end, and zero is the default of every member, so memset and
 *          a few assignments are enough. A library that is older than its caller accepts a longer
 *          struct if the part that it does not know is all zero, and else refuses with
 *          BARTIZAN_ERROR_INVALID_ARGUMENT, as it does for unknown bits in flags. NULL in place of
 *          a struct of options means "all default" where nothing in it is required. The element
 *          structs bartizan_published_port, _vsock_port, _sev_secret and _blob are frozen.
 *
 * JSON     Rich results come as a bartizan_string with one JSON object (or array) in UTF-8.
 *          Members may be added, never removed or changed. Bytes are lower-case hexadecimal there.
 *          Secrets are never in it: they come as a bartizan_secret, wiped when it is freed.
 *
 * THREADS  Different handles never disturb each other. Within one handle:
 *   confined     one thread at a time: bartizan_context (but see the next two), bartizan_error,
 *                bartizan_string, bartizan_secret, bartizan_exit
 *   shared       any thread, at any time until its free: bartizan_broker;
 *                bartizan_context_wait, _wait_for, _next_event, _event_fd, _exit_fd, _pause,
 *                _resume, _stats, _published_ports, _memory_size, _read_memory,
 *                _count_in_memory; functions without a handle
 *   signal-safe  from a signal handler too: bartizan_context_request_stop, _send_signal
 *          Nothing may run while _free does, but _wait, _wait_for and _start_enter: they return.
 *
 * CALLS    Callbacks come from any thread of the library, with the `user` pointer given beside
 *          them. They must return, must not throw or longjmp, and must not call back into the
 *          object that they were given to, but for the `events` of a machine.
 *
 * PROCESS  The library does not print, exit, abort, fork, or change the process's state, except
 *          for a no-op handler for SIGRTMIN+4, installed by a start if that signal's disposition
 *          is the default. No C++ exception leaves it; lack of memory is
 *          BARTIZAN_ERROR_RESOURCE_EXHAUSTED. A machine is its process's: in a forked child its
 *          calls are BARTIZAN_ERROR_INVALID_STATE or do nothing, its free keeps the parent's guest.
 *
 * VERSION  Libraries of soname 0 keep this interface: symbols and struct members are only added.
 */
/* clang-format on */
#ifndef BARTIZAN_H
#define BARTIZAN_H

#include <stddef.h>
#include <stdint.h>

#ifndef BARTIZAN_API
#if defined(__GNUC__)
#define BARTIZAN_API __attribute__((visibility("default")))
#else
#define BARTIZAN_API
#endif
#endif

/* There are two libraries, so that a process that launches guests does not load what makes images.
 * BARTIZAN_API: libbartizan (launches, measurements, probes, evidence). BARTIZAN_TOOLS_API:
 * libbartizan_tools (images, making bundles, the broker and registration), which links the other,
 * of its own version or a newer one. pkg-config: bartizan, bartizan-tools. CMake:
 * bartizan::bartizan, bartizan::tools. */
#ifndef BARTIZAN_TOOLS_API
#define BARTIZAN_TOOLS_API BARTIZAN_API
#endif

/* The version of this header. bartizan_version() returns that of the library. */
/* generated: version */
#define BARTIZAN_VERSION_MAJOR 0
#define BARTIZAN_VERSION_MINOR 1
#define BARTIZAN_VERSION_PATCH 0
/* end of generated: version */

/* Marks a function that a later version will remove; `advice` names what replaces it. */
#if defined(__GNUC__)
#define BARTIZAN_DEPRECATED(advice) __attribute__((deprecated(advice)))
#else
#define BARTIZAN_DEPRECATED(advice)
#endif

/* A struct of options with all defaults:
 *   bartizan_machine_options options = BARTIZAN_OPTIONS_INIT(bartizan_machine_options); */
#ifdef __cplusplus
extern "C++" {
template <typename Options>
inline Options bartizan_options_init() {
  Options options = Options();
  options.struct_size = sizeof(Options);
  return options;
}
}
#define BARTIZAN_OPTIONS_INIT(type) (bartizan_options_init<type>())
#else
#define BARTIZAN_OPTIONS_INIT(type) ((type){.struct_size = sizeof(type)})
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What the caller can do about it (bartizan_code_advice has the words). Frozen numbers. */
#define BARTIZAN_OK 0
#define BARTIZAN_ERROR_INVALID_ARGUMENT (-1)
#define BARTIZAN_ERROR_INVALID_STATE (-2)
#define BARTIZAN_ERROR_NOT_FOUND (-3)
#define BARTIZAN_ERROR_ALREADY_EXISTS (-4)
#define BARTIZAN_ERROR_PERMISSION_DENIED (-5)
#define BARTIZAN_ERROR_UNSUPPORTED (-6)
#define BARTIZAN_ERROR_RESOURCE_EXHAUSTED (-7)
#define BARTIZAN_ERROR_IO (-8)
#define BARTIZAN_ERROR_CORRUPT (-9)
#define BARTIZAN_ERROR_VERIFICATION_FAILED (-10)
#define BARTIZAN_ERROR_PROTOCOL (-11)
#define BARTIZAN_ERROR_TIMED_OUT (-12)
#define BARTIZAN_ERROR_CANCELLED (-13)
#define BARTIZAN_ERROR_INTERNAL (-14)

typedef struct bartizan_error bartizan_error;
typedef struct bartizan_string bartizan_string;
typedef struct bartizan_secret bartizan_secret;
typedef struct bartizan_exit bartizan_exit;
typedef struct bartizan_context bartizan_context;
typedef struct bartizan_bundle bartizan_bundle;
typedef struct bartizan_broker bartizan_broker;

/* Receives one log line of `size` bytes, without a newline and without a final zero. `level` is one
 * of BARTIZAN_LOG_*. */
typedef void (*bartizan_log_fn)(void* user, int32_t level, const char* line, size_t size);

/* Receives an event of a guest, one of BARTIZAN_EVENT_*. */
typedef void (*bartizan_event_fn)(void* user, int32_t event);

/* Receives the progress of a long operation: `done` of `total` units; `total` is 0 while unknown.
 * Return 0 to go on, anything else to cancel (BARTIZAN_ERROR_CANCELLED). */
typedef int32_t (*bartizan_progress_fn)(void* user, const char* stage, uint64_t done,
                                        uint64_t total);

/* Returns signed evidence over the 64 bytes of report data, as JSON in Trustee's form; NULL: it
 * failed. The text remains yours and must live until the function that was given this callback
 * returns. */
typedef const char* (*bartizan_evidence_fn)(void* user, const uint8_t* report_data, size_t size);

/* Bytes that are borrowed for the time of a call. Size 0: not given. */
typedef struct bartizan_blob {
  const uint8_t* data;
  size_t size;
} bartizan_blob;

/* A host port whose connections, or datagrams, arrive at a guest port. */
typedef struct bartizan_published_port {
  const char* host_address; /* IPv4 or IPv6; default "127.0.0.1" */
  uint16_t host_port;       /* 0: the system chooses it, see bartizan_context_published_ports */
  uint16_t guest_port;
  int32_t protocol; /* BARTIZAN_PORT_* */
} bartizan_published_port;

/* A guest vsock port joined to the unix socket at `path`. listen == 0: the guest connects to CID 2
 * and `port`, and the library connects to the socket. Otherwise the library listens at the socket
 * and connects to the guest. */
typedef struct bartizan_vsock_port {
  const char* path;
  uint32_t port;
  uint32_t listen;
} bartizan_vsock_port;

/* What the security processor measured of a SEV or SEV-ES launch before its guest runs (SEV API,
 * LAUNCH_MEASURE). */
typedef struct bartizan_sev_measurement {
  size_t struct_size; /* set by the library */
  /* 32 bytes: HMAC-SHA256 under the key of the owner's session over 0x04, the firmware's API
   * version and build, policy, the launch digest and the nonce. */
  bartizan_blob measure;
  /* 16 bytes. */
  bartizan_blob nonce;
  /* This host's claim about the launch digest. An owner computes `measure` from its own. */
  bartizan_blob digest;
  uint32_t policy;
  /* Where the guest looks for a secret. */
  uint64_t secret_address;
} bartizan_sev_measurement;

/* A secret that the owner sealed to that launch (SEV API, LAUNCH_SECRET). */
typedef struct bartizan_sev_secret {
  bartizan_blob header;     /* 52 bytes: flags, IV, MAC */
  bartizan_blob ciphertext; /* a multiple of 16 bytes, within one page */
  /* A multiple of 16, in pages that the launch loaded. 0: secret_address. */
  uint64_t guest_address;
} bartizan_sev_secret;

/* Called once in a start, on its thread. Return 0 to accept the launch, anything else to end it
 * (BARTIZAN_ERROR_VERIFICATION_FAILED, reason "sev_owner"). `secret` is zeroed: leave it so for no
 * secret. Its bytes remain yours and must live until the start returns. */
typedef int32_t (*bartizan_sev_owner_fn)(void* user, const bartizan_sev_measurement* measurement,
                                         bartizan_sev_secret* secret);

/* generated: api/base.toml */
/* clang-format off */
/* ==== Version, errors, strings, secrets. */

/* Importance of a log line. The numbers are frozen. */
#define BARTIZAN_LOG_ERROR 0 /* Something failed. */
#define BARTIZAN_LOG_WARNING 1 /* Something is not as it should be; the work goes on. */
#define BARTIZAN_LOG_INFO 2 /* What happens. */
#define BARTIZAN_LOG_DEBUG 3 /* How it happens. */

/* Returns the version of the library, for instance "0.1.0". Compare BARTIZAN_VERSION_*. Does not
 * block; any thread. */
BARTIZAN_API const char* bartizan_version(void);

/* Returns the name of an error code, such as "not_found"; "unknown" for any other number.
 *
 *   code  One of BARTIZAN_ERROR_*.
 *
 * Does not block; any thread.
 */
BARTIZAN_API const char* bartizan_code_name(int32_t code);

/* Returns one sentence about what a caller can do after such an error.
 *
 *   code  One of BARTIZAN_ERROR_*.
 *
 * Does not block; any thread.
 */
BARTIZAN_API const char* bartizan_code_advice(int32_t code);

/* Returns one of BARTIZAN_ERROR_*; BARTIZAN_OK for NULL. Does not block; confined. */
BARTIZAN_API int32_t bartizan_error_code(const bartizan_error* error);

/* Returns the errno that caused the error, or 0. Does not block; confined. */
BARTIZAN_API int32_t bartizan_error_os_errno(const bartizan_error* error);

/* Returns the name of the component that noticed the error. Does not block; confined. */
BARTIZAN_API const char* bartizan_error_origin(const bartizan_error* error);

/* Returns one line that names the object and the value. Does not block; confined. */
BARTIZAN_API const char* bartizan_error_message(const bartizan_error* error);

/* Returns, for BARTIZAN_ERROR_VERIFICATION_FAILED, a stable word for programs; else "". Does not
 * block; confined. */
BARTIZAN_API const char* bartizan_error_reason(const bartizan_error* error);

/* Returns, for BARTIZAN_ERROR_VERIFICATION_FAILED, the public value that was expected; else "".
 * Does not block; confined. */
BARTIZAN_API const char* bartizan_error_expected(const bartizan_error* error);

/* Returns, for BARTIZAN_ERROR_VERIFICATION_FAILED, the public value that was found; else "".
 * Does not block; confined. */
BARTIZAN_API const char* bartizan_error_got(const bartizan_error* error);

/* Returns code, origin, message, reason and values in one line. Does not block; confined. */
BARTIZAN_API const char* bartizan_error_describe(const bartizan_error* error);

/* Frees an error. NULL is allowed. Does not block; confined. */
BARTIZAN_API void bartizan_error_free(bartizan_error* error);

/* Returns the text in UTF-8, followed by a zero byte; "" for NULL. Does not block; confined. */
BARTIZAN_API const char* bartizan_string_data(const bartizan_string* string);

/* Returns the number of bytes, without the final zero; 0 for NULL. Does not block; confined. */
BARTIZAN_API size_t bartizan_string_size(const bartizan_string* string);

/* Frees a string. NULL is allowed. Does not block; confined. */
BARTIZAN_API void bartizan_string_free(bartizan_string* string);

/* Returns the bytes of a secret; NULL for NULL. Does not block; confined. */
BARTIZAN_API const uint8_t* bartizan_secret_data(const bartizan_secret* secret);

/* Returns the number of bytes of a secret; 0 for NULL. Does not block; confined. */
BARTIZAN_API size_t bartizan_secret_size(const bartizan_secret* secret);

/* Wipes and frees a secret. NULL is allowed. Does not block; confined. */
BARTIZAN_API void bartizan_secret_free(bartizan_secret* secret);

/* clang-format on */
/* end of generated: api/base.toml */

/* generated: api/tee.toml */
/* clang-format off */
/* ==== TEEs: what a host can run, and what a launch will measure. Measuring needs neither KVM
 * nor privileges: a verifier computes the same digest that the security processor reports. */

/* Example:
 *
 *   bartizan_launch_options launch = BARTIZAN_OPTIONS_INIT(bartizan_launch_options);
 *   bartizan_string* json = NULL;
 *   launch.tee = BARTIZAN_TEE_SNP;
 *   launch.vcpus = 2;
 *   if (bartizan_measure(&launch, &json, NULL) == BARTIZAN_OK) puts(bartizan_string_data(json));
 *   bartizan_string_free(json);
 */

/* Trusted execution environments. none and simulated protect nothing. The numbers are frozen. */
#define BARTIZAN_TEE_NONE 0 /* An ordinary virtual machine. It cannot attest. */
/* Runs the guest's SEV code on any KVM host, with a throw-away key chain. */
#define BARTIZAN_TEE_SIMULATED 1
#define BARTIZAN_TEE_SEV 2 /* AMD SEV: encrypted memory. */
#define BARTIZAN_TEE_SEV_ES 3 /* AMD SEV-ES: also encrypted registers. */
#define BARTIZAN_TEE_SNP 4 /* AMD SEV-SNP: also integrity, and reports for remote attestation. */
#define BARTIZAN_TEE_TDX 5 /* Intel TDX. */

/* Who starts a firmware that is measured. Its first register values differ. The numbers are
 * frozen. */
#define BARTIZAN_VMM_QEMU 0 /* QEMU. */
#define BARTIZAN_VMM_EC2 1 /* Amazon EC2. */
#define BARTIZAN_VMM_GCE 2 /* Google Compute Engine. */

/* How a host is probed. */
typedef struct bartizan_probe_options {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* The KVM device. Default: "/dev/kvm". */
  const char* kvm_device;

  /* Time limit of the probe guest. KVM back ends that emulate long mode exceed it. Unit: ms.
   * Default: 2000. */
  uint32_t guest_time_limit_ms;

  /* Guest bundle: a TEE that its kernel cannot be a guest of is not available. Default: no
   * bundle is looked at. */
  const char* bundle;
} bartizan_probe_options;

/* What goes into a launch measurement. */
typedef struct bartizan_launch_options {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* The TEE to measure for. One of BARTIZAN_TEE_*. Default: BARTIZAN_TEE_NONE. */
  int32_t tee;

  /* Number of virtual CPUs, at most 254. Default: 1. */
  uint32_t vcpus;

  /* Size of the guest's memory. Unit: MiB. Default: 512. */
  uint32_t ram_mib;

  /* Folder of the guest bundle. Default: bartizan_bundle_default_path. */
  const char* bundle;

  /* Text that is appended to the bundle's kernel command line, and measured. */
  const char* extra_command_line;

  /* SEV_FEATURES of snp (bit 0 must be set) and sev-es. Measured. Default: 1 for snp, 0 for
   * sev-es. */
  uint64_t guest_features;

  /* Position of the C-bit in the guest's page tables, which are measured. The host's processor
   * decides it: 51 on EPYC Milan and later, 47 on Naples and Rome. Default: 51 for sev, sev-es
   * and snp; the other TEEs have no choice. */
  uint32_t c_bit;
} bartizan_launch_options;

/* Host kernels to measure for: they differ in what KVM writes into the measured register page of
 * sev-es and snp guests. None of these bits: since 6.10. */
/* Linux 6.10 and later: the FPU's reset values are part of it. */
#define BARTIZAN_HOST_KERNEL_SINCE_6_10 1u
/* Vendor kernels before 6.10. */
#define BARTIZAN_HOST_KERNEL_BEFORE_6_10 2u

/* Everything that a digest depends on. Lists are alternatives: every combination is measured. */
typedef struct bartizan_measure_options {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* The TEE to measure for. One of BARTIZAN_TEE_*. Default: BARTIZAN_TEE_NONE. */
  int32_t tee;

  /* Number of virtual CPUs, or the first of a range. Default: 1. */
  uint32_t vcpus;

  /* Last number of virtual CPUs of a range. Default: vcpus alone. */
  uint32_t max_vcpus;

  /* Size of the guest's memory. Has no effect with ovmf. Unit: MiB. Default: 512. */
  uint32_t ram_mib;

  /* Folder of the guest bundle. Has no effect with ovmf. Default: bartizan_bundle_default_path. */
  const char* bundle;

  /* Text that is appended to the bundle's kernel command line. Has no effect with ovmf. */
  const char* extra_command_line;

  /* Firmware whose launch by `vmm` is measured. Default: bartizan's own launch is measured. */
  const char* ovmf;

  /* With ovmf: the kernel whose hash is measured, with those of initrd and append. Default: no
   * hashes are measured. */
  const char* kernel;

  /* With kernel: its initrd. */
  const char* initrd;

  /* With kernel: its command line. */
  const char* append;

  /* snp: what the firmware alone measures to, in place of its content. 48 bytes. */
  bartizan_blob ovmf_digest;

  /* Who starts the firmware. One of BARTIZAN_VMM_*. */
  int32_t vmm;

  /* Any of BARTIZAN_HOST_KERNEL_SINCE_6_10, BARTIZAN_HOST_KERNEL_BEFORE_6_10. */
  uint32_t host_kernels;

  /* Processors by the names that QEMU gives them: "EPYC-Milan" and so on. */
  const char* const* vcpu_types;
  size_t vcpu_type_count;

  /* Processors by CPUID leaf 1 EAX, for those without a name. */
  const uint32_t* vcpu_signatures;
  size_t vcpu_signature_count;

  /* SEV_FEATURES of snp and sev-es. Measured. Default: as launch options. */
  uint64_t guest_features;

  /* Positions of the C-bit, for sev, sev-es and snp. Has no effect with ovmf. Default: what
   * vcpu_types and vcpu_signatures have, or 51. */
  const uint32_t* c_bits;
  size_t c_bit_count;
} bartizan_measure_options;

/* What an ID block demands of an snp launch (SNP firmware ABI, 8.17). */
typedef struct bartizan_id_block_options {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* The launch digest that the guest must have. 48 bytes. Required. */
  bartizan_blob digest;

  /* The owner's own numbering; appears in the report. 16 bytes. Default: zeros. */
  bartizan_blob family_id;

  /* The owner's own numbering; appears in the report. 16 bytes. Default: zeros. */
  bartizan_blob image_id;

  /* Guest policy of the launch. Default: 0x30000. */
  uint64_t policy;

  /* Version of the guest; appears in the report. Default: 0. */
  uint32_t guest_svn;

  /* File with the ID key: PEM, ECDSA P-384. Required. */
  const char* id_key;

  /* File with the author key, which vouches for the ID key: PEM, ECDSA P-384. Default: none. */
  const char* author_key;
} bartizan_id_block_options;

/* Bits of bartizan_tee_options.flags. */
/* A KVM that cannot pass `certificates` on is an error instead of a warning. */
#define BARTIZAN_TEE_REQUIRE_CERTIFICATES 1u
/* There is no quote service: the guest's requests for quotes are refused. */
#define BARTIZAN_TEE_NO_QUOTES 2u

/* What ties a launch in a hardware TEE to its owner, beside what it measures. An option that the
 * chosen TEE cannot use is refused. */
typedef struct bartizan_tee_options {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* Guest policy: of snp and simulated in the form of the SNP firmware ABI, table 9; of sev and
   * sev-es in that of the SEV API, table 2. tdx: attributes in addition to SEPT_VE_DISABLE.
   * Default: 0x30000 for snp and simulated, 0xb for sev, 0xf for sev-es, 0 for tdx. */
  uint64_t policy;

  /* SEV_FEATURES: bits 0 (snp), 5 (debug swap) and 9 (secure TSC). Measured. Default: as launch
   * options. */
  uint64_t guest_features;

  /* snp: ID block. The firmware refuses any launch but the one that it describes. 96 bytes. */
  bartizan_blob id_block;

  /* snp: signatures and public keys of the ID block. Required with id_block. 4096 bytes. */
  bartizan_blob id_authentication;

  /* snp: the certificates that the guest gets with its reports, as a GUID table with VCEK, ASK
   * and ARK of at most 16 KiB. */
  bartizan_blob certificates;

  /* sev, sev-es: the owner's Diffie-Hellman certificate. Required with session. Default: the
   * launch cannot be attested. */
  bartizan_blob owner_certificate;

  /* sev, sev-es: the owner's session with this platform, for one launch under one policy. */
  bartizan_blob session;

  /* sev, sev-es: called once in a start with what the security processor measured. */
  bartizan_sev_owner_fn owner;
  void* owner_user;

  /* tdx: where the guest's requests for quotes go: path of a unix socket, or "vsock:CID:PORT".
   * Default: "/var/run/tdx-qgs/qgs.socket". */
  const char* quote_service;

  /* Any of BARTIZAN_TEE_REQUIRE_CERTIFICATES, BARTIZAN_TEE_NO_QUOTES. */
  uint32_t flags;

  /* sev, sev-es: certificates of this platform as `sevctl export --full` writes them (PDH, PEK,
   * OCA, CEK, ASK, ARK). The broker of the image's manifest then owns the launch; excludes
   * owner_certificate, session and owner. */
  bartizan_blob platform_certificates;
} bartizan_tee_options;

/* JSON object TeeProbe: Whether a host can run a TEE.
 *
 *   tee        string. The TEE.
 *   available  bool. Whether this host can run it.
 *   missing    string. One line that names what is missing; empty if available.
 *   advice     string. One line with the next step to take; empty if available.
 *   capacity   number. Guests of that TEE that this host can hold at a time (ASIDs, TDX keys); 0:
 *              unlimited or unknown.
 *   in_use     number. Guests of that TEE that it holds now; 0 also if unknown.
 */

/* JSON object HostProbe: What a host can run, and what is missing.
 *
 *   kvm_usable          bool. The KVM device opens and has API version 12.
 *   runs_stock_kernels  bool. A small probe guest in long mode finished within its time limit.
 *   kvm_missing         string. One line that names what is missing if either is false.
 *   kvm_advice          string. One line with the next step to take.
 *   tees                array of TeeProbe. One for each TEE, in the order of their numbers.
 */

/* JSON object MeasuredPage: A run of measured pages.
 *
 *   guest_address  number. Guest physical address, a multiple of 4096.
 *   kind           string. Kind of page: "normal", "zero", "vmsa" and so on.
 *   what           string. Content: "kernel", "acpi", "boot_params" and so on.
 *   count          number. Number of pages of 4096 bytes.
 */

/* JSON object Measurement: What a launch will measure.
 *
 *   tee                  string. The TEE that was measured for.
 *   digest               hex. 48 bytes for simulated, snp and tdx; 32 for sev and sev-es; empty for
 *                        none.
 *   page_count           number. Pages of 4096 bytes that a launch loads, on AMD through the
 *                        security processor.
 *   launch_milliseconds  number. Expected time, at 1 ms per page; 0 if no security processor takes
 *                        part. Unit: ms.
 *   vcpus                number. Number of virtual CPUs.
 *   vcpu_type            string. Processor as it was asked for, "EPYC-Milan"; empty: by signature,
 *                        or none.
 *   vcpu_signature       number. RDX of the first registers; 0: none was asked for.
 *   host_kernel          string. "since-6.10" or "before-6.10".
 *   c_bit                number. C-bit of the guest's page tables; tdx: their shared bit; 0: none,
 *                        or a firmware decides it.
 *   rtmrs                array of hex. tdx: RTMR 0 to 3, 48 bytes each, when Linux starts; else
 *                        empty.
 *   pages                array of MeasuredPage. What is measured, in order.
 */

/* JSON object IdBlock: An ID block, signed by its owner.
 *
 *   block              hex. The ID block: 96 bytes.
 *   authentication     hex. Signatures and public keys: 4096 bytes.
 *   id_key_digest      hex. Digest of the ID key as in reports: 48 bytes.
 *   author_key_digest  hex. Digest of the author key as in reports: 48 bytes, or empty.
 */

/* Returns the name of a TEE, such as "sev-es"; "unknown" for any other number.
 *
 *   tee  One of BARTIZAN_TEE_*.
 *
 * Does not block; any thread.
 */
BARTIZAN_API const char* bartizan_tee_name(int32_t tee);

/* Finds the TEE of a name. The error message lists the names.
 *
 *   name  Name of a TEE.
 *   tee   Receives one of BARTIZAN_TEE_*.
 *
 * Does not block; any thread.
 * Errors: invalid_argument: unknown name.
 * On failure: *tee unchanged.
 */
BARTIZAN_API int32_t bartizan_tee_from_name(const char* name, int32_t* tee, bartizan_error** err);

/* Probes what this host can run. Something that is missing is part of the result, not an error.
 *
 *   options  Device, time limit, bundle; NULL: all defaults.
 *   json     Receives a JSON object: HostProbe.
 *
 * Blocks until the probe guest has ended: milliseconds, at most its time limit; any thread.
 * Errors: not_found, corrupt: the bundle.
 * On failure: *json unchanged.
 */
BARTIZAN_API int32_t bartizan_probe(
    const bartizan_probe_options* options, bartizan_string** json, bartizan_error** err);

/* Computes what a launch will measure. Needs neither KVM nor privileges.
 *
 *   options  The launch; NULL: all defaults.
 *   json     Receives a JSON object: Measurement.
 *
 * Blocks while it reads the bundle and hashes; any thread.
 * Errors: not_found, corrupt: the bundle; unsupported: the combination.
 * On failure: *json unchanged.
 */
BARTIZAN_API int32_t bartizan_measure(
    const bartizan_launch_options* options, bartizan_string** json, bartizan_error** err);

/* Computes every digest that a launch may have: one for each number of vCPUs, processor or C-bit,
 * and host kernel, without repetitions.
 *
 *   options  The launches; NULL: all defaults.
 *   json     Receives a JSON array of Measurement.
 *
 * Blocks while it reads files and hashes; any thread.
 * Errors: invalid_argument: more than 4096 combinations; not_found, corrupt: bundle or firmware;
 * unsupported: the combination.
 * On failure: *json unchanged.
 */
BARTIZAN_API int32_t bartizan_measure_set(
    const bartizan_measure_options* options, bartizan_string** json, bartizan_error** err);

/* Signs what an snp launch must be. A launch of anything else then fails, and reports name the
 * keys.
 *
 *   options  What to sign; digest and id_key are required.
 *   json     Receives a JSON object: IdBlock.
 *
 * Blocks for a few file accesses; any thread.
 * Errors: not_found, io: a key file; corrupt: not a P-384 private key.
 * On failure: *json unchanged.
 */
BARTIZAN_API int32_t bartizan_id_block_make(
    const bartizan_id_block_options* options, bartizan_string** json, bartizan_error** err);

/* clang-format on */
/* end of generated: api/tee.toml */

/* generated: api/bundle.toml */
/* clang-format off */
/* ==== Guest bundles: kernel, initrd and default command line in one folder. */

/* Example:
 *
 *   bartizan_string* json = NULL;
 *   if (bartizan_bundle_create(NULL, &json, NULL) == BARTIZAN_OK) puts(bartizan_string_data(json));
 *   bartizan_string_free(json);
 */

/* What a guest bundle is made from. */
typedef struct bartizan_bundle_options {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* The guest's kernel, a bzImage. Its configuration is config-RELEASE beside it, or "config" in
   * the folder of its modules. Default: the Debian kernel under /boot that can be a guest of
   * most TEEs; of equal ones the newest. */
  const char* kernel;

  /* Folder with the kernel's modules. Default: the folder under /lib/modules of the kernel's
   * release. */
  const char* modules;

  /* The guest's init, a static program. Default: the installed one. */
  const char* init;

  /* Folder to create. Default: bartizan_bundle_default_path. */
  const char* output;

  /* Text that is appended to the default kernel command line. */
  const char* extra_command_line;

  /* Called as the work goes on; can cancel it. */
  bartizan_progress_fn progress;
  void* progress_user;
} bartizan_bundle_options;

/* JSON object BundleInfo: A guest bundle: kernel, initrd and default command line.
 *
 *   path             string. The folder.
 *   kernel_release   string. Release of the kernel, as uname -r prints it.
 *   kernel_sha256    string. SHA-256 of the kernel in hexadecimal.
 *   initrd_sha256    string. SHA-256 of the initrd in hexadecimal.
 *   kernel_bytes     number. Size of the kernel.
 *   initrd_bytes     number. Size of the initrd.
 *   command_line     string. The default kernel command line.
 *   digest           string. SHA-256 of bundle.json in hexadecimal. Bundles with different digests
 *                    have different measurements.
 *   tees             array of strings. TEEs that the kernel can be a guest of, by its configuration
 *                    and modules; a launch in another one is refused.
 *   replaced_digest  string. When a bundle was created: digest of the one that was there before,
 *                    that of this one if nothing had to be written; "damaged": it could not be read
 *                    as one; empty: none was.
 */

/* Creates a guest bundle from a distribution's kernel and the guest's init. Replaces another bundle
 * that is there, and leaves an equal one alone: replaced_digest of the result names it.
 *
 *   options  Sources and output; NULL: all defaults.
 *   json     Receives a JSON object: BundleInfo.
 *
 * Blocks for seconds; any thread. In libbartizan_tools.
 * Errors: not_found: kernel, its configuration, modules or init; corrupt: not a bzImage;
 * invalid_argument: init is not a static executable for x86-64; already_exists: the output is
 * something else than a bundle; permission_denied, io: the output; cancelled: by progress.
 * On failure: *json unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_bundle_create(
    const bartizan_bundle_options* options, bartizan_string** json, bartizan_error** err);

/* Reads a guest bundle and verifies the digests of its files.
 *
 *   path  The folder; NULL or "": the default path.
 *   json  Receives a JSON object: BundleInfo.
 *
 * Blocks while it reads and hashes; any thread.
 * Errors: not_found; corrupt: a digest differs, or a malformed file; permission_denied, io.
 * On failure: *json unchanged.
 */
BARTIZAN_API int32_t bartizan_bundle_read(
    const char* path, bartizan_string** json, bartizan_error** err);

/* Reads a guest bundle into memory and verifies it, once. It keeps no descriptor and needs the
 * files no more; any number of machines may start from it, also in a process that was forked from
 * this one.
 *
 *   path    The folder; NULL or "": the default path.
 *   bundle  Receives the bundle; bartizan_bundle_free frees it.
 *
 * Blocks while it reads and hashes; any thread.
 * Errors: not_found; corrupt: a digest differs, or a malformed file; permission_denied, io.
 * On failure: *bundle unchanged.
 */
BARTIZAN_API int32_t bartizan_bundle_load(
    const char* path, bartizan_bundle** bundle, bartizan_error** err);

/* Describes a bundle that is in memory.
 *
 *   json  Receives a JSON object: BundleInfo.
 *
 * Does not block; any thread.
 * Errors: only those of the contract above.
 * On failure: *json unchanged.
 */
BARTIZAN_API int32_t bartizan_bundle_info(
    const bartizan_bundle* bundle, bartizan_string** json, bartizan_error** err);

/* Frees a bundle. Machines that were created with it keep what they need. NULL: does nothing.
 * Does not block; any thread. */
BARTIZAN_API void bartizan_bundle_free(bartizan_bundle* bundle);

/* Returns the path that is used where none is given: $BARTIZAN_BUNDLE, else
 * $XDG_CACHE_HOME/bartizan/bundle, else ~/.cache/bartizan/bundle, else /usr/share/bartizan/bundle.
 *
 *   path  Receives the path; nothing needs to exist there.
 *
 * Does not block; any thread.
 * Errors: only those of the contract above.
 * On failure: *path unchanged.
 */
BARTIZAN_API int32_t bartizan_bundle_default_path(bartizan_string** path, bartizan_error** err);

/* clang-format on */
/* end of generated: api/bundle.toml */

/* generated: api/image.toml */
/* clang-format off */
/* ==== Confidential images: an OCI image becomes an encrypted, integrity-protected disk. These
 * functions need neither KVM nor root, and neither mount nor use device-mapper. */

/* Example:
 *
 *   bartizan_build_options options = BARTIZAN_OPTIONS_INIT(bartizan_build_options);
 *   bartizan_string* json = NULL;
 *   bartizan_secret* disk_key = NULL;
 *   options.source = "oci/";
 *   options.output = "confidential/";
 *   if (bartizan_image_build(&options, &json, &disk_key, NULL) == BARTIZAN_OK)
 *     keep(bartizan_secret_data(disk_key), bartizan_secret_size(disk_key));
 *   bartizan_secret_free(disk_key);
 *   bartizan_string_free(json);
 */

/* Bits of bartizan_build_options.flags. */
/* The guest gets no network. */
#define BARTIZAN_BUILD_NO_NETWORK 1u
/* Nothing is drawn at random: the disk's key, salts and UUIDs come from disk_key, which must be
 * given and hold 256 random bits. The same source and options then make the same bytes. */
#define BARTIZAN_BUILD_REPRODUCIBLE 2u
/* The output omits all metadata that identifies the source: annotations, labels and its digest.
 * Requires a workload_id. */
#define BARTIZAN_BUILD_ANONYMOUS 4u
/* Accepts what a build refuses because it would never run, or not be protected: a weak disk_key,
 * a broker at the guest's own loopback address, a source that is a confidential image, has no
 * command, or lacks its program or its user. */
#define BARTIZAN_BUILD_FORCE 8u

/* How a confidential image is built. */
typedef struct bartizan_build_options {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* The image to protect: an OCI layout folder. Where skopeo is installed also an archive (of
   * OCI or Docker), or what skopeo can fetch, such as "docker://docker.io/library/nginx". Of an
   * index the image for linux/amd64 is taken. Required. */
  const char* source;

  /* Tag in the source's index. Default: the only image. */
  const char* reference;

  /* OCI layout folder to create, or an archive (tar) of one: "oci-archive:FILE" or a name that
   * ends in ".tar". "oci:FOLDER" is a folder whatever its name. Must not exist. Or where skopeo
   * copies to ("docker://…", "containers-storage:NAME"), replacing what is there, by way of a
   * folder in $TMPDIR, else /tmp. Required. */
  const char* output;

  /* Tag of the output. Default: "latest". */
  const char* output_reference;

  /* Name of the workload at the broker. Default: 32 hexadecimal digits of the source image's
   * manifest digest. */
  const char* workload_id;

  /* URL of the broker as the guest reaches it: "https://10.0.2.2:8443". Default: the caller of a
   * launch provides the key. */
  const char* broker_url;

  /* The only certificate authority that the guest accepts for the broker, in PEM. Required with
   * broker_url. */
  const char* broker_ca_pem;

  /* Name of the key at the broker (KBS: repository/type/tag). Default:
   * "default/disk-key/<workload_id>". */
  const char* resource;

  /* Default number of virtual CPUs of a launch, at most 254. Default: as tee_config has it, else
   * 1. */
  uint32_t vcpus;

  /* Default size of the guest's memory, 128 MiB to 256 GiB. Unit: MiB. Default: as tee_config
   * has it, else 512. */
  uint32_t ram_mib;

  /* Any of BARTIZAN_BUILD_NO_NETWORK, BARTIZAN_BUILD_REPRODUCIBLE, BARTIZAN_BUILD_ANONYMOUS,
   * BARTIZAN_BUILD_FORCE. */
  uint32_t flags;

  /* The disk key, of 32 bytes at least: a shorter one can be guessed. Default: 256 fresh random
   * bits, as 64 hexadecimal digits. */
  bartizan_blob disk_key;

  /* Called as the work goes on; can cancel it. */
  bartizan_progress_fn progress;
  void* progress_user;

  /* Image on which the output is put as one more layer, given as `source` is. The base's layers
   * and history come first, and its environment, ports, labels, stop signal and working
   * directory remain. Default: none. */
  const char* base_image;

  /* Tag in the base image's index. Default: the only image. */
  const char* base_reference;

  /* Creation time of the output. Unit: seconds since 1970. Default: now; in reproducible builds
   * the source's time, or 0. */
  int64_t created;

  /* Size of the scratch disk for what the workload writes, which the host provides and the guest
   * encrypts and authenticates under keys of each boot. A multiple of 4096, 16 MiB to 1 TiB.
   * Unit: bytes. Default: none: the workload writes to memory. */
  uint64_t scratch_bytes;

  /* A second way into the disk, for people: a key slot of its own, hardened by Argon2id. The
   * guest never uses it. Default: none. */
  bartizan_blob recovery_passphrase;

  /* What a host may do to the workload that runs: some of "input" (standard input and terminal),
   * "output", "signals" (any; without it only the request to stop) and "broker" (name another
   * address for the broker, whose authority stays the image's), comma separated, or "none". The
   * manifest records it, and the guest enforces it. Default: "output" with a broker_url, else
   * "input,output,signals". */
  const char* host_may;

  /* Files of this machine that come on top of the source's, "SOURCE:/PATH" each, with the
   * permission bits of SOURCE, of root; at most 64 MiB in all. */
  const char* const* add_files;
  size_t add_files_count;

  /* The TEE that the image names to whoever launches it without naming one: "sev", "sev-es",
   * "snp" or "tdx". No launch is bound to it. Default: as tee_config has it, else "snp". */
  const char* tee;

  /* libkrun's data of that TEE, as JSON. Default: as tee_config has it for that TEE, else that
   * of libkrun's examples. */
  const char* tee_data;

  /* Text of a TEE configuration of libkrun, oci2cw or buildah mkcw: JSON with workload_id, cpus,
   * ram_mib, tee, tee_data and attestation_url. It fills the options that are not given:
   * workload_id, vcpus, ram_mib, tee, tee_data and broker_url. Default: none. */
  const char* tee_config;

  /* The source is a confidential image that buildah mkcw or oci2cw made, and this opens its disk
   * (LUKS, ext4). Default: none: an ordinary image. */
  bartizan_blob source_passphrase;

  /* The owner's private key (PEM, not encrypted: P-256, P-384 or Ed25519). The image carries a
   * statement, signed by it, that it is `version` of workload_id; a broker that has the public
   * key (signer) releases the disk key to it without a registration of its own. Default: none:
   * the image carries no statement. */
  bartizan_blob signing_key;

  /* The version that signing_key vouches for, 1 at least. Default: 0. */
  uint64_t version;
} bartizan_build_options;

/* JSON object BuildReport: A confidential image that was built, and its key.
 *
 *   manifest         string. The exact text of the manifest.
 *   workload_digest  hex. SHA-256 of the manifest, 32 bytes: HOST_DATA of a launch.
 *   workload_id      string. Name of the workload at the broker.
 *   resource         string. Name of the key at the broker.
 *   disk_bytes       number. Size of /disk.img.
 *   entries          number. Files, folders and links in the file system.
 *   content_bytes    number. Bytes in regular files.
 *   image_digest     string. Digest of the written OCI manifest, "sha256:" and so on.
 *   output           string. Folder or archive that was created, or where skopeo copied to.
 */

/* JSON object LuksKeyslot: A key slot of a LUKS header: one passphrase that opens the disk.
 *
 *   number      number. Number of the slot.
 *   unbound     bool. The slot holds a key, but not that of the data.
 *   kdf         string. "pbkdf2", "argon2i" or "argon2id".
 *   hash        string. Hash function of PBKDF2.
 *   iterations  number. Iterations of the key derivation.
 *   memory_kib  number. Memory of Argon2 in KiB.
 *   threads     number. Threads of Argon2.
 *   key_bytes   number. Size of the stored key.
 *   cipher      string. Cipher of the slot's area.
 *   offset      number. Where the slot's area starts on the disk.
 *   size        number. Size of the slot's area.
 */

/* JSON object LuksSegment: Where the data of a LUKS disk is.
 *
 *   number       number. Number of the segment.
 *   type         string. Type of the segment: "crypt".
 *   offset       number. Where it starts on the disk.
 *   size         number. Its size; 0: up to the end of the disk.
 *   cipher       string. Its cipher.
 *   sector_size  number. Its sector size.
 *   integrity    string. Its integrity algorithm, such as "hmac(sha256)"; empty: none.
 */

/* JSON object LuksInfo: Content of a LUKS header of any origin. It is not authenticated: the host
 * can write whatever it wants.
 *
 *   version      number. 1 or 2.
 *   uuid         string. UUID of the header.
 *   label        string. Label of the header.
 *   cipher       string. Cipher of the data: "aes-xts-plain64".
 *   key_bytes    number. Size of the volume key.
 *   sector_size  number. Sector size of the data.
 *   data_offset  number. Where the data starts on the disk.
 *   integrity    string. Integrity algorithm of the data; empty: none.
 *   keyslots     array of LuksKeyslot. The key slots.
 *   segments     array of LuksSegment. The data segments.
 *   remark       string. What is wrong with one of the two header copies; empty if both are valid.
 */

/* JSON object ImageInfo: What can be known of an image without its key.
 *
 *   kind              string. "bartizan": a confidential image with a manifest. "krun": made by
 *                     oci2cw or buildah mkcw, without a manifest. "disk": a disk image with a LUKS
 *                     header.
 *   luks              LuksInfo or null. The LUKS header; null if there is none.
 *   scratch_bytes     number. Size of the scratch disk; 0: the workload writes to memory.
 *   host_may          string. What the host may do to the workload: some of "input", "output",
 *                     "signals", or "none"; empty for an image of another tool.
 *   statement         string. JWS of the owner about the image's version, which nothing has
 *                     verified; empty: none.
 *   version           number. The version in that statement; 0: none.
 *   manifest          string. The exact text of the manifest.
 *   workload_digest   hex. SHA-256 of the manifest, 32 bytes.
 *   disk_path         string. File that holds /disk.img.
 *   disk_offset       number. Where /disk.img starts in that file.
 *   disk_bytes        number. Size of /disk.img.
 *   workload_id       string. Name of the workload at the broker.
 *   broker_url        string. URL of the broker as the guest reaches it.
 *   resource          string. Name of the key at the broker.
 *   cipher            string. Cipher of the disk: "aes-xts-plain64".
 *   verity_root_hash  string. Root hash of the dm-verity tree in hexadecimal.
 *   filesystem        string. Type of the file system.
 *   krun_config       string. JSON of the disk's KRUN footer.
 *   vcpus             number. Default number of virtual CPUs of a launch.
 *   ram_mib           number. Default size of the guest's memory in MiB.
 *   header_bytes      number. Size of the LUKS2 header.
 *   filesystem_bytes  number. Size of the encrypted file system.
 *   tree_bytes        number. Size of the dm-verity superblock and tree.
 */

/* JSON object ImageDifference: One thing in which two images differ.
 *
 *   what  string. "manifest/disk/verity/root_hash", "krun/cpus", "disk/data" and so on.
 *   a     string. Value in the first image, empty if absent; of "disk/...": number of blocks that
 *         differ.
 *   b     string. Value in the second image, empty if absent; of "disk/...": number of blocks.
 */

/* Builds a confidential image from an OCI image. Nothing half-written remains on failure.
 *
 *   options   What to build; source and output are required.
 *   json      Receives a JSON object: BuildReport.
 *   disk_key  Receives the disk key; may be NULL if the options give the key.
 *
 * Blocks for seconds to minutes; works on several threads; any thread. In libbartizan_tools.
 * Errors: not_found; already_exists: the output; corrupt: the source, its digests or layers;
 * unsupported: a media type; resource_exhausted: disk full, limits; cancelled: by progress;
 * permission_denied, io.
 * On failure: *json and *disk_key unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_image_build(
    const bartizan_build_options* options, bartizan_string** json, bartizan_secret** disk_key,
    bartizan_error** err);

/* Returns what can be known of an image without its key. Nothing is unpacked.
 *
 *   image      OCI layout folder or archive, root folder of an unpacked image, or disk image.
 *   reference  Tag in its index; NULL: the only image.
 *   json       Receives a JSON object: ImageInfo.
 *
 * Blocks for a few file accesses; any thread. In libbartizan_tools.
 * Errors: not_found; corrupt; unsupported: a manifest of a newer version; permission_denied, io.
 * On failure: *json unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_image_inspect(
    const char* image, const char* reference, bartizan_string** json, bartizan_error** err);

/* Compares two images as far as is possible without a key: manifest, configuration, disk. The array
 * is empty if they are the same.
 *
 *   a     First image, as of bartizan_image_inspect.
 *   b     Second image.
 *   json  Receives a JSON array of ImageDifference.
 *
 * Blocks while it reads both disks; any thread. In libbartizan_tools.
 * Errors: the errors of bartizan_image_inspect.
 * On failure: *json unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_image_diff(
    const char* a, const char* b, bartizan_string** json, bartizan_error** err);

/* Tries a key on the image's key slot, and a block of the disk: milliseconds, and nothing of the
 * image is verified.
 *
 *   image          Image, as of bartizan_image_inspect.
 *   disk_key       The disk key or recovery passphrase.
 *   disk_key_size  Bytes at disk_key.
 *
 * Blocks while it derives the key; any thread. In libbartizan_tools.
 * Errors: verification_failed: with reason "disk_key"; corrupt: the header; not_found;
 * permission_denied, io.
 */
BARTIZAN_TOOLS_API int32_t bartizan_image_check_key(
    const char* image, const uint8_t* disk_key, size_t disk_key_size, bartizan_error** err);

/* Recomputes the dm-verity tree of the stored disk and compares it with the manifest. With a key
 * (or the recovery passphrase) it also verifies that the key opens the disk, and the structure of
 * the file system in it.
 *
 *   image          Image, as of bartizan_image_inspect.
 *   disk_key       The disk key or recovery passphrase; NULL: none.
 *   disk_key_size  Bytes at disk_key.
 *   progress       Called as the work goes on; NULL: none.
 *   progress_user  Passed to progress.
 *
 * Blocks while it reads the whole disk; any thread. In libbartizan_tools.
 * Errors: verification_failed: with reason "verity" or "disk_key"; corrupt: the file system;
 * not_found; cancelled: by progress; permission_denied, io.
 * On failure: *progress_user unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_image_verify(
    const char* image, const uint8_t* disk_key, size_t disk_key_size, bartizan_progress_fn progress,
    void* progress_user, bartizan_error** err);

/* clang-format on */
/* end of generated: api/image.toml */

/* generated: api/attest.toml */
/* clang-format off */
/* ==== Attestation: evidence, its verification, and the guest's side of a key release. */

/* Example:
 *
 *   bartizan_evidence_policy policy = BARTIZAN_OPTIONS_INIT(bartizan_evidence_policy);
 *   bartizan_string* json = NULL;
 *   policy.measurements = &measurement;
 *   policy.measurement_count = 1;
 *   status = bartizan_attest_verify(evidence, BARTIZAN_TEE_SNP, &policy, &json, &error);
 *   bartizan_string_free(json);
 */

/* Bits of bartizan_evidence_policy.flags. */
/* Evidence of the simulated TEE is accepted. It protects nothing. */
#define BARTIZAN_POLICY_ALLOW_SIMULATED 1u
/* Guests whose policy allows debugging are accepted. */
#define BARTIZAN_POLICY_ALLOW_DEBUG 2u

/* What a verifier demands of evidence. */
typedef struct bartizan_evidence_policy {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* Any of BARTIZAN_POLICY_ALLOW_SIMULATED, BARTIZAN_POLICY_ALLOW_DEBUG. */
  uint32_t flags;

  /* Accepted launch digests. Default: any. */
  const bartizan_blob* measurements;
  size_t measurement_count;

  /* Demanded HOST_DATA: the workload digest. 32 bytes. Default: any. */
  bartizan_blob host_data;

  /* Demanded REPORT_DATA. 64 bytes. Default: any. */
  bartizan_blob report_data;

  /* Minimum of each component of REPORTED_TCB, in that field's form on Milan and Genoa; Turin's
   * evidence is refused if this is not 0, because the number means another thing there. Default:
   * 0. */
  uint64_t minimum_tcb;

  /* Time at which certificates must be valid. Unit: seconds since 1970. Default: the system's
   * clock. */
  int64_t now;

  /* The rest of the policy, a JSON text as docs/reference/evidence-policy.schema.json has it.
   * What both demand must both be so; what either allows is allowed. Default: its defaults,
   * which are strict. */
  const char* json;

  /* Folder with VCEKs, revocation lists and TDX collateral for evidence that came without.
   * Default: none. */
  const char* collateral;
} bartizan_evidence_policy;

/* Which key to request, and from which broker. */
typedef struct bartizan_key_request {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* URL of the broker, "https://host:port". Required. */
  const char* url;

  /* Certificate authority of the broker in PEM. TLS without it is refused. Required. */
  const char* ca_pem;

  /* Name of the key: "repository/type/tag". Required. */
  const char* resource;

  /* Time limit of the exchange. Unit: ms. Default: 30000. */
  uint32_t timeout_ms;

  /* The TEE that makes the evidence. */
  int32_t tee;

  /* Makes the evidence. Required. */
  bartizan_evidence_fn evidence;
  void* evidence_user;

  /* The owner's statement about the workload's version, as image_info has it. Default: none. */
  const char* statement;
} bartizan_key_request;

/* JSON object VerifiedEvidence: Content of evidence.
 *
 *   tee                   string. The TEE that made it.
 *   measurement           hex. Launch digest, or MRTD: 48 bytes.
 *   host_data             hex. HOST_DATA, 32 bytes, or MRCONFIGID: 48 bytes if its end is not zero.
 *   report_data           hex. REPORT_DATA: 64 bytes.
 *   policy                number. Guest policy, or TD attributes.
 *   reported_tcb          number. REPORTED_TCB.
 *   version               number. Version of the report's form.
 *   chip_id               string. CHIP_ID in hexadecimal.
 *   product               string. Product: Milan, Genoa, Turin, TDX; empty: the report does not
 *                         name it.
 *   signer                string. Kind of key that signed it: vcek, vlek, pck.
 *   tcb                   string. The reported TCB by component, as JSON, as policies have
 *                         minimums.
 *   vmpl                  number. Privilege level that asked for the report.
 *   guest_svn             number. Security version of the guest, from its ID block.
 *   platform_info         number. PLATFORM_INFO.
 *   runtime_measurements  array of hex. RTMR 0 to 3 of TDX.
 *   tcb_status            string. Status of the platform by TDX's TCB info.
 *   advisories            string. Intel's advisories for that status, with commas.
 */

/* JSON object EvidenceCheck: One check of evidence.
 *
 *   name      string. Its name, which stays.
 *   outcome   string. How it ended: passed, failed, not_applicable (nothing is demanded, or nothing
 *             left to check).
 *   expected  string. What the policy demands.
 *   found     string. What the evidence has.
 */

/* JSON object EvidenceVerdict: Every check of evidence against a policy.
 *
 *   accepted  bool. Whether no check has failed.
 *   reason    string. Reason of the first check that failed, as VerificationFailed has it.
 *   message   string. What is wrong, with the next step.
 *   content   VerifiedEvidence or null. Content of the evidence, believed or not.
 *   checks    array of EvidenceCheck. The checks, in order.
 */

/* Makes every check of a policy; a refusal is a result here, not an error.
 *
 *   evidence  JSON in CoCo's form for that TEE.
 *   tee       One of BARTIZAN_TEE_*: the TEE that the evidence claims.
 *   policy    What is demanded; NULL: a genuine report alone.
 *   json      Receives a JSON object: EvidenceVerdict.
 *
 * Does not block; any thread.
 * Errors: corrupt: a malformed report; invalid_argument: a malformed policy; unsupported: a TEE
 * without a verifier; not_found: the folder of collateral.
 * On failure: *json unchanged.
 */
BARTIZAN_API int32_t bartizan_attest_judge(
    const char* evidence, int32_t tee, const bartizan_evidence_policy* policy, bartizan_string**
    json, bartizan_error** err);

/* Reads what evidence contains without judging it: nothing of it is proven.
 *
 *   evidence  JSON in CoCo's form for that TEE.
 *   tee       One of BARTIZAN_TEE_*: the TEE that the evidence claims.
 *   json      Receives a JSON object: VerifiedEvidence.
 *
 * Does not block; any thread.
 * Errors: corrupt: a malformed report; unsupported: a TEE without a verifier.
 * On failure: *json unchanged.
 */
BARTIZAN_API int32_t bartizan_attest_show(
    const char* evidence, int32_t tee, bartizan_string** json, bartizan_error** err);

/* Verifies evidence against a policy: signature, certificates and every demanded value.
 *
 *   evidence  JSON in CoCo's form for that TEE.
 *   tee       One of BARTIZAN_TEE_*: the TEE that the evidence claims.
 *   policy    What is demanded; NULL: a genuine report alone.
 *   json      Receives a JSON object: VerifiedEvidence.
 *
 * Does not block; any thread.
 * Errors: verification_failed: with the reason of the first check that failed, such as "simulated",
 * "certificate_chain", "signature", "revoked", "date", "debug", "measurement", "host_data",
 * "report_data", "tcb" or "policy" ; corrupt: a malformed report; invalid_argument: a malformed
 * policy; unsupported: a TEE without a verifier; not_found: the folder of collateral.
 * On failure: *json unchanged.
 */
BARTIZAN_API int32_t bartizan_attest_verify(
    const char* evidence, int32_t tee, const bartizan_evidence_policy* policy, bartizan_string**
    json, bartizan_error** err);

/* Requests a key from a broker, as a guest does: the whole exchange of KBS protocol 0.4.0 over TLS.
 *
 *   request  Which key, from which broker.
 *   key      Receives the key.
 *
 * Blocks at most for timeout_ms, and for the time of the callback; any thread.
 * Errors: io: the broker cannot be reached; verification_failed: with reason "tls", or the broker's
 * reason; protocol; timed_out.
 * On failure: *key unchanged.
 */
BARTIZAN_API int32_t bartizan_attest_request_key(
    const bartizan_key_request* request, bartizan_secret** key, bartizan_error** err);

/* clang-format on */
/* end of generated: api/attest.toml */

/* generated: api/broker.toml */
/* clang-format off */
/* ==== Brokers: keys behind the KBS protocol. */

/* Example:
 *
 *   bartizan_broker_options options = BARTIZAN_OPTIONS_INIT(bartizan_broker_options);
 *   bartizan_broker* broker = NULL;
 *   options.state = "state/";
 *   if (bartizan_broker_start(&options, &broker, NULL) == BARTIZAN_OK)
 *     printf("%s\n", bartizan_broker_url(broker));
 *   bartizan_broker_free(broker);
 */

/* Which API of a broker a registration uses. The numbers are frozen. */
#define BARTIZAN_BROKER_BARTIZAN 0 /* bartizan's own broker. */
/* Trustee's KBS: key as a resource, measurements as reference values. */
#define BARTIZAN_BROKER_TRUSTEE 1
/* POST /kbs/v0/register_workload, as buildah and oci2cw do. */
#define BARTIZAN_BROKER_REGISTER_WORKLOAD 2

/* Bits of bartizan_broker_options.flags. */
/* The system chooses the port. */
#define BARTIZAN_BROKER_ANY_PORT 1u

/* How a broker serves. */
typedef struct bartizan_broker_options {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* Folder of store, certificates and admin token; created with mode 0700 if it is missing.
   * Required. */
  const char* state;

  /* Address to listen at. Default: "127.0.0.1". */
  const char* address;

  /* Port to listen at. Default: 8443. */
  uint16_t port;

  /* BARTIZAN_BROKER_ANY_PORT or 0. */
  uint32_t flags;

  /* Names in the TLS certificate, beside the address. It is made anew at a start that asks for
   * another name, or in the last third of its life. Default: 127.0.0.1, 10.0.2.2, localhost. */
  const char* const* tls_names;
  size_t tls_name_count;

  /* Receives the broker's log lines. */
  bartizan_log_fn log;
  void* log_user;

  /* sev, sev-es: AMD root keys (ARK, SEV API, appendix B.1) to trust in addition to those of
   * Naples, Rome, Milan, Genoa and Turin. */
  const bartizan_blob* sev_roots;
  size_t sev_root_count;

  /* Requests, and new connections, that an address (IPv6: a /64) may make each second in the
   * long run, 1 to 1000000; further ones are refused, and nobody else waits for them. Default:
   * 100. */
  uint32_t requests_per_second;

  /* Requests, and new connections, that an address may make at once after a while of fewer, 1 to
   * 1000000. Default: 1000. */
  uint32_t request_burst;

  /* Addresses or prefixes, such as 10.0.0.0/8, of proxies in front of the broker: the last
   * address of their X-Forwarded-For is believed to be the client's, and the limits are the
   * client's. Default: none. */
  const char* const* trusted_proxies;
  size_t trusted_proxy_count;

  /* Folder from which evidence gets what it came without, as in the evidence policy: VCEKs and
   * revocation lists of AMD, collateral of Intel. Absent: evidence must bring all itself. */
  const char* collateral;
} bartizan_broker_options;

/* Bits of bartizan_broker_access.flags. */
/* Trustee has one list of measurements for all workloads, to which a registration adds; with
 * this flag the list remains as it is. */
#define BARTIZAN_REGISTER_KEEP_REFERENCE_VALUES 1u
/* Trustee's policy for all resources is replaced by that of bartizan_broker_trustee_policy. */
#define BARTIZAN_REGISTER_RESOURCE_POLICY 2u
/* bartizan's own broker puts the workload in the place of an earlier registration of the same
 * id, whose launches then get no key any more; other brokers always do. */
#define BARTIZAN_REGISTER_REPLACE 4u
/* Trustee's policy for resources remains as it is, and guards the key. Its default one gives any
 * resource to every genuine guest, so one of the two flags of the policy is required. */
#define BARTIZAN_REGISTER_KEEP_RESOURCE_POLICY 8u

/* Where a broker is, and how to be its administrator. */
typedef struct bartizan_broker_access {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* URL of the broker; of Trustee with the path before /kbs/v0, if it has one. Required. */
  const char* url;

  /* Certificate authority of the broker in PEM. Required. */
  const char* ca_pem;

  /* Admin token. Required by bartizan's own broker. */
  bartizan_blob admin_token;

  /* Which API of a broker is used. One of BARTIZAN_BROKER_*. */
  int32_t kind;

  /* Any of BARTIZAN_REGISTER_KEEP_REFERENCE_VALUES, BARTIZAN_REGISTER_RESOURCE_POLICY,
   * BARTIZAN_REGISTER_REPLACE, BARTIZAN_REGISTER_KEEP_RESOURCE_POLICY. */
  uint32_t flags;

  /* Trustee: its administrator's Ed25519 private key (PEM), which signs a token for five minutes
   * in place of admin_token. */
  bartizan_blob admin_key;

  /* Trustee: claim of that token. Default: omitted. */
  const char* admin_issuer;

  /* Trustee: claim of that token. Default: omitted. */
  const char* admin_audience;

  /* Trustee: claim of that token; "": omitted. Default: "admin". */
  const char* admin_role;
} bartizan_broker_access;

/* A workload as its owner registers it. The key is released only to evidence that matches it. */
typedef struct bartizan_workload {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* Name of the workload. Required. */
  const char* id;

  /* SHA-256 of the manifest. 32 bytes. Default: that of each build that a `signer` signs. */
  bartizan_blob workload_digest;

  /* Accepted launch digests, at least one: 48 bytes each; of sev and sev-es 32 bytes. Required. */
  const bartizan_blob* measurements;
  size_t measurement_count;

  /* Any of BARTIZAN_POLICY_ALLOW_SIMULATED, BARTIZAN_POLICY_ALLOW_DEBUG. */
  uint32_t flags;

  /* Minimum of each component of REPORTED_TCB, in that field's form. Default: 0. */
  uint64_t minimum_tcb;

  /* Name of the key at the broker (KBS: repository/type/tag). Default: "default/disk-key/<id>". */
  const char* resource;

  /* The disk key. Required. */
  bartizan_blob disk_key;

  /* The TEE that the measurements are of; those of tdx are MRTDs. Guests of sev and sev-es bring
   * no evidence, so that bartizan's own broker judges their launches as their owner. Default:
   * "snp". */
  int32_t tee;

  /* The rest of what evidence must be, a JSON text as docs/reference/evidence-policy.schema.json
   * has it; absent: its defaults, which are strict. Of bartizan's own broker alone, and of TEEs
   * whose guests bring evidence. */
  const char* policy;

  /* In place of workload_digest: a public key (PEM: P-256, P-384 or Ed25519). Every build whose
   * image carries a statement about this id that is signed by it is the workload. Of bartizan's
   * own broker alone, and of TEEs whose guests bring evidence. */
  const char* signer;

  /* Of a signer: the oldest version that gets the key. None below one that got it ever does.
   * Default: 0. */
  uint64_t minimum_version;
} bartizan_workload;

/* Starts a broker, which serves on its own threads until it is stopped or freed.
 *
 *   options  How it serves; state is required.
 *   broker   Receives the broker.
 *
 * Blocks for a few file accesses; any thread. In libbartizan_tools.
 * Errors: already_exists: the address is in use; permission_denied; corrupt: the store, sev_roots;
 * io.
 * On failure: *broker unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_start(
    const bartizan_broker_options* options, bartizan_broker** broker, bartizan_error** err);

/* Stops serving. The URL and other values remain. Blocks until its threads have ended; shared.
 * In libbartizan_tools. */
BARTIZAN_TOOLS_API void bartizan_broker_stop(bartizan_broker* broker);

/* Stops and frees a broker. NULL is allowed. Blocks until its threads have ended; confined. In
 * libbartizan_tools. */
BARTIZAN_TOOLS_API void bartizan_broker_free(bartizan_broker* broker);

/* Returns the port at which the broker listens; 0 for NULL. Does not block; shared. In
 * libbartizan_tools. */
BARTIZAN_TOOLS_API uint16_t bartizan_broker_port(const bartizan_broker* broker);

/* Returns the URL of the broker, such as "https://127.0.0.1:8443"; "" for NULL. Does not block;
 * shared. In libbartizan_tools. */
BARTIZAN_TOOLS_API const char* bartizan_broker_url(const bartizan_broker* broker);

/* Returns the certificate authority of the broker in PEM; it is public. "" for NULL. Does not
 * block; shared. In libbartizan_tools. */
BARTIZAN_TOOLS_API const char* bartizan_broker_ca_pem(const bartizan_broker* broker);

/* Returns the path of the file with the admin token, which has mode 0600; "" for NULL. Does not
 * block; shared. In libbartizan_tools. */
BARTIZAN_TOOLS_API const char* bartizan_broker_admin_token_path(const bartizan_broker* broker);

/* Finds the kind of broker of a name. The error message lists the names.
 *
 *   name  "bartizan", "trustee" or "register-workload".
 *   kind  Receives one of BARTIZAN_BROKER_*.
 *
 * Does not block; any thread. In libbartizan_tools.
 * Errors: invalid_argument: unknown name.
 * On failure: *kind unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_kind_from_name(
    const char* name, int32_t* kind, bartizan_error** err);

/* Registers a workload and its key. With BARTIZAN_REGISTER_REPLACE it may take the place of an
 * earlier registrations of the same digest or id. The key goes into the body of a request over
 * verified TLS.
 *
 *   access    Where the broker is; url and ca_pem are required.
 *   workload  The workload.
 *
 * Blocks for the time of a request; any thread. In libbartizan_tools.
 * Errors: already_exists: the digest is registered with other values; io: the broker cannot be
 * reached; permission_denied: the token; unsupported: a TEE that the broker cannot verify;
 * protocol; verification_failed: with reason "tls".
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_register(
    const bartizan_broker_access* access, const bartizan_workload* workload, bartizan_error** err);

/* Makes a policy (Rego) for Trustee's KBS that releases the workload's resource to one of its
 * measurements with its digest, not in debug mode, and releases nothing else.
 *
 *   workload  The workload.
 *   policy    Receives the policy.
 *
 * Does not block; any thread. In libbartizan_tools.
 * Errors: unsupported: a TEE that Trustee cannot verify.
 * On failure: *policy unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_trustee_policy(
    const bartizan_workload* workload, bartizan_string** policy, bartizan_error** err);

/* Removes a registration and its key from bartizan's own broker, so that no launch gets it any
 * more. The audit of it remains.
 *
 *   access    Where the broker is.
 *   workload  Id of a registration, or its workload digest in hexadecimal.
 *
 * Blocks for the time of a request; any thread. In libbartizan_tools.
 * Errors: not_found: the workload; already_exists: several registrations have this id; io: the
 * broker cannot be reached; permission_denied: the token; unsupported: another kind of broker;
 * protocol; verification_failed: with reason "tls".
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_unregister(
    const bartizan_broker_access* access, const char* workload, bartizan_error** err);

/* Returns all registrations of bartizan's own broker, by id.
 *
 *   access  Where the broker is.
 *   json    Receives a JSON array of objects {id, workload_digest, measurements, allow_simulated,
 *           allow_debug, minimum_tcb, policy, resource, tee, signer, minimum_version,
 *           released_version, generation, registered, expires}; they hold no secret.
 *
 * Blocks for the time of a request; any thread. In libbartizan_tools.
 * Errors: io: the broker cannot be reached; permission_denied: the token; unsupported: another kind
 * of broker; protocol; verification_failed: with reason "tls".
 * On failure: *json unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_list(
    const bartizan_broker_access* access, bartizan_string** json, bartizan_error** err);

/* Returns one registration of bartizan's own broker.
 *
 *   access    Where the broker is.
 *   workload  Id of a registration, or its workload digest in hexadecimal.
 *   json      Receives a JSON object as bartizan_broker_list has them.
 *
 * Blocks for the time of a request; any thread. In libbartizan_tools.
 * Errors: not_found: the workload; already_exists: several registrations have this id; io: the
 * broker cannot be reached; permission_denied: the token; unsupported: another kind of broker;
 * protocol; verification_failed: with reason "tls".
 * On failure: *json unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_show(
    const bartizan_broker_access* access, const char* workload, bartizan_string** json,
    bartizan_error** err);

/* Puts another key in the place of a registration's. Guests whose evidence was judged before get
 * none: they attest again.
 *
 *   access         Where the broker is.
 *   workload       Id of a registration, or its workload digest in hexadecimal.
 *   disk_key       The key.
 *   disk_key_size  Its bytes, 1 to 4096.
 *
 * Blocks for the time of a request; any thread. In libbartizan_tools.
 * Errors: not_found: the workload; invalid_argument: size of the key; already_exists: several
 * registrations have this id; io: the broker cannot be reached; permission_denied: the token;
 * unsupported: another kind of broker; protocol; verification_failed: with reason "tls".
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_rotate_key(
    const bartizan_broker_access* access, const char* workload, const void* disk_key, size_t
    disk_key_size, bartizan_error** err);

/* Sets the time from which on a registration releases nothing.
 *
 *   access    Where the broker is.
 *   workload  Id of a registration, or its workload digest in hexadecimal.
 *   at        Seconds since the epoch, up to the year 9999; 0: it has no end.
 *
 * Blocks for the time of a request; any thread. In libbartizan_tools.
 * Errors: not_found: the workload; invalid_argument: the time; already_exists: several
 * registrations have this id; io: the broker cannot be reached; permission_denied: the token;
 * unsupported: another kind of broker; protocol; verification_failed: with reason "tls".
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_expire(
    const bartizan_broker_access* access, const char* workload, int64_t at, bartizan_error** err);

/* Returns what a broker decided about a workload, and what its owner changed, newest first. The
 * same refusal again is counted.
 *
 *   access    Where the broker is.
 *   workload  Id of a registration, or its workload digest in hexadecimal.
 *   json      Receives a JSON array of objects {time, decision, reason, expected, got, evidence,
 *             workload, workload_digest, address, first, times, token}; they hold no secret.
 *
 * Blocks for the time of a request; any thread. In libbartizan_tools.
 * Errors: not_found: the workload; already_exists: several registrations have this id; io: the
 * broker cannot be reached; permission_denied: the token; unsupported: another kind of broker;
 * protocol; verification_failed: with reason "tls".
 * On failure: *json unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_audit(
    const bartizan_broker_access* access, const char* workload, bartizan_string** json,
    bartizan_error** err);

/* Follows the chain of hashes through the audit of a broker's state folder, whether it serves or
 * not. Refusals, which strangers can cause, are not part of it.
 *
 *   state       The broker's state folder.
 *   noted_head  A head that was noted before, which an entry must have; NULL or empty: none.
 *   json        Receives a JSON object {entries, head, outside}; `outside` counts decisions and
 *               changes that the chain does not hold, of a store from before it or put in.
 *
 * Does not block; any thread. In libbartizan_tools.
 * Errors: not_found: the store; corrupt: an entry was changed, removed or put in; io.
 * On failure: *json unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_verify_audit(
    const char* state, const char* noted_head, bartizan_string** json, bartizan_error** err);

/* Writes all of a broker's state folder, as it is at one moment, into a new file of mode 0600. The
 * broker may be serving. The file holds every key.
 *
 *   state   The broker's state folder.
 *   output  The file; it must not be there.
 *
 * Blocks for the time of copying the store; any thread. In libbartizan_tools.
 * Errors: not_found: the store; already_exists: the file; corrupt: the store; resource_exhausted;
 * io.
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_backup(
    const char* state, const char* output, bartizan_error** err);

/* Makes a broker's state folder of what bartizan_broker_backup wrote.
 *
 *   state  The state folder, which is missing or empty.
 *   file   The backup.
 *
 * Blocks for the time of copying and reading the store; any thread. In libbartizan_tools.
 * Errors: not_found: the backup; already_exists: the folder holds a broker; invalid_argument: the
 * folder holds something else; corrupt: the backup; resource_exhausted; io.
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_restore(
    const char* state, const char* file, bartizan_error** err);

/* Checks a broker's state folder, whether it serves or not, and changes nothing: store,
 * registrations, audit, modes and owners of the files, certificates.
 *
 *   state  The broker's state folder.
 *   json   Receives a JSON object {good, checks}; each check is {name, good, found}.
 *
 * Blocks for the time of reading the store; any thread. In libbartizan_tools.
 * Errors: not_found: the store; io.
 * On failure: *json unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_check(
    const char* state, bartizan_string** json, bartizan_error** err);

/* Makes another token for administrators of bartizan's own broker. It is given this once: the
 * broker keeps its hash.
 *
 *   access   Where the broker is, with a token of scope admin.
 *   name     Its name: letters, digits, '_', '-' and '.'.
 *   scope    "read" (list, show, audit), "register" (and register, rotate keys, expire) or "admin"
 *            (and unregister, tokens).
 *   expires  Seconds since the epoch; 0: it has no end.
 *   token    Receives the token.
 *
 * Blocks for the time of a request; any thread. In libbartizan_tools.
 * Errors: already_exists: the name; invalid_argument: name, scope or time; resource_exhausted:
 * there are 256 tokens; io: the broker cannot be reached; permission_denied: the token that is
 * used; unsupported: another kind of broker; protocol; verification_failed: with reason "tls".
 * On failure: *token unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_create_token(
    const bartizan_broker_access* access, const char* name, const char* scope, int64_t expires,
    bartizan_secret** token, bartizan_error** err);

/* Returns the tokens of administrators, by name, without their values.
 *
 *   access  Where the broker is, with a token of scope admin.
 *   json    Receives a JSON array of objects {name, scope, created, expires}.
 *
 * Blocks for the time of a request; any thread. In libbartizan_tools.
 * Errors: io: the broker cannot be reached; permission_denied: the token that is used; unsupported:
 * another kind of broker; protocol; verification_failed: with reason "tls".
 * On failure: *json unchanged.
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_list_tokens(
    const bartizan_broker_access* access, bartizan_string** json, bartizan_error** err);

/* Revokes a token: it opens nothing from now on.
 *
 *   access  Where the broker is, with a token of scope admin.
 *   name    Its name.
 *
 * Blocks for the time of a request; any thread. In libbartizan_tools.
 * Errors: not_found: the token; io: the broker cannot be reached; permission_denied: the token that
 * is used; unsupported: another kind of broker; protocol; verification_failed: with reason "tls".
 */
BARTIZAN_TOOLS_API int32_t bartizan_broker_revoke_token(
    const bartizan_broker_access* access, const char* name, bartizan_error** err);

/* clang-format on */
/* end of generated: api/broker.toml */

/* generated: api/machine.toml */
/* clang-format off */
/* ==== Machines. A context is one virtual machine inside the calling process. Four calls launch
 * it: create, set_tee, attach_luks_disk (or attach_image), and start (returns) or start_enter
 * (waits for the guest to end). */

/* Example:
 *
 *   bartizan_machine_options options = BARTIZAN_OPTIONS_INIT(bartizan_machine_options);
 *   bartizan_context* context = NULL;
 *   bartizan_exit* reason = NULL;
 *   bartizan_error* error = NULL;
 *   int status = 125;
 *   options.name = "web";
 *   if (bartizan_context_create(&options, &context, &error) == 0 &&
 *       bartizan_context_set_tee(context, BARTIZAN_TEE_SNP, &error) == 0 &&
 *       bartizan_context_attach_image(context, "confidential/", NULL, 0, &error) == 0 &&
 *       bartizan_context_start_enter(context, &reason, &error) == 0)
 *     status = bartizan_exit_process_status(reason);
 *   if (error) fprintf(stderr, "%s\n", bartizan_error_describe(error));
 *   bartizan_error_free(error);
 *   bartizan_exit_free(reason);
 *   bartizan_context_free(context);
 */

/* How a guest ended. The numbers are frozen. */
#define BARTIZAN_EXIT_CODE 0 /* The workload ended; the code is its exit status. */
/* The workload was killed by a signal; the code is the signal's number. */
#define BARTIZAN_EXIT_SIGNAL 1
/* The guest's init gave up; stage and detail hold where and why. */
#define BARTIZAN_EXIT_GUEST_FAILURE 2
#define BARTIZAN_EXIT_SHUTDOWN 3 /* The guest powered off without an exit report. */
#define BARTIZAN_EXIT_RESET 4 /* The guest reset itself without an exit report. */
#define BARTIZAN_EXIT_CRASH 5 /* Triple fault, internal KVM error or similar; detail holds which. */
/* A stop was requested and the guest did not end by itself in time. */
#define BARTIZAN_EXIT_STOPPED 6

/* What happens to a guest, in this order, each at most once. All but the end is what the guest
 * reports. The numbers are frozen. */
/* Its broker has released the disk key; not where the caller gave it. */
#define BARTIZAN_EVENT_ATTESTED 0
#define BARTIZAN_EVENT_READY 1 /* The workload's program was started. */
#define BARTIZAN_EVENT_EXITED 2 /* The guest has ended, which is the last event. */

/* Two views of the memory of a stopped or running guest. The numbers are frozen. */
#define BARTIZAN_MEMORY_RAW 0 /* The bytes as they are. Only for the TEEs none and simulated. */
/* What the host of a TEE sees: private pages are encrypted under a key of this VM. */
#define BARTIZAN_MEMORY_HOST 1

/* What the library's threads of a machine give up before its guest runs: system calls that they
 * do not need (seccomp) and files by path (Landlock). Callbacks run on these threads: there they
 * open no file and start no program. The numbers are frozen. */
#define BARTIZAN_HARDENING_OFF 0 /* Nothing. */
#define BARTIZAN_HARDENING_PREFERRED 1 /* What the kernel allows; the log names the rest. */
#define BARTIZAN_HARDENING_REQUIRED 2 /* Everything, or the start is refused. */

/* What guest RAM is made of on the host's side. Private pages of snp and tdx are KVM's own;
 * there the choice concerns shared pages alone, and reserved costs their RAM a second time. The
 * numbers are frozen. */
#define BARTIZAN_HUGE_PAGES_OFF 0 /* Pages of 4 KiB. */
#define BARTIZAN_HUGE_PAGES_TRANSPARENT 1 /* Pages of 2 MiB where the kernel has them. */
/* All of RAM at once from the pool of /proc/sys/vm/nr_hugepages. */
#define BARTIZAN_HUGE_PAGES_RESERVED 2

/* Protocol of a published port. The numbers are frozen. */
#define BARTIZAN_PORT_TCP 0 /* Connections. */
#define BARTIZAN_PORT_UDP 1 /* Datagrams. */

/* What a guest's network reaches. The numbers are frozen. */
/* What the process can connect to, but for this host's loopback and link-local addresses. */
#define BARTIZAN_NETWORK_OUTBOUND 0
#define BARTIZAN_NETWORK_ISOLATED 1 /* Nothing, but it answers on published TCP ports. */
#define BARTIZAN_NETWORK_NONE 2 /* There is no network device. */

/* Bits of bartizan_machine_options.flags. */
/* stdin_fd and stdout_fd are given. Without this flag they count as -1. */
#define BARTIZAN_MACHINE_STDIO 1u

/* What a machine is made of. */
typedef struct bartizan_machine_options {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* Name of the machine in errors and log lines. Default: "machine". */
  const char* name;

  /* Number of virtual CPUs, at most 254. Default: those of the attached image; without an image
   * 1. */
  uint32_t vcpus;

  /* Size of the guest's memory. Unit: MiB. Default: that of the attached image; without an image
   * 512. */
  uint32_t ram_mib;

  /* Folder of the guest bundle. Default: bartizan_bundle_default_path. */
  const char* bundle;

  /* Text that is appended to the bundle's kernel command line, and measured. */
  const char* extra_command_line;

  /* The KVM device. Default: "/dev/kvm". */
  const char* kvm_device;

  /* BARTIZAN_MACHINE_STDIO or 0. */
  uint32_t flags;

  /* The most that the guest's network reaches: an image that was built without a network has
   * none anyway, and one that asks for more than this is refused. One of BARTIZAN_NETWORK_*. */
  int32_t network;

  /* Places of this host that the guest may reach all the same: "loopback" (as 10.0.2.2 or
   * [fd62:7a6e::2]), "loopback:PORT", "metadata" (link-local addresses, and where a cloud's host
   * fetches its credentials), "metadata:PORT". */
  const char* const* allow;
  size_t allow_count;

  /* The workload's standard input. A terminal is attached as it is; anything else is forwarded
   * up to and including its end. -1: the end comes at once. Counts with BARTIZAN_MACHINE_STDIO.
   * Default: -1. */
  int32_t stdin_fd;

  /* Receives what the workload writes to its standard output and error. -1: discarded. Counts
   * with BARTIZAN_MACHINE_STDIO. Default: -1. */
  int32_t stdout_fd;

  /* Host ports whose connections or datagrams arrive at guest ports. */
  const bartizan_published_port* publish;
  size_t publish_count;

  /* Address of this host at which each TCP port that the workload listens on is published under
   * its own number, for as long as it listens. "::" stands for all addresses, those of IPv4 too.
   * Default: only those of publish. */
  const char* publish_auto;

  /* Guest vsock ports that are joined to unix sockets of the host. */
  const bartizan_vsock_port* vsock;
  size_t vsock_count;

  /* Where an image that was built with scratch_bytes gets its scratch disk: a raw file, created
   * or extended (sparse) as needed. Its content is lost. Default: an unnamed sparse file in the
   * folder for temporary files. */
  const char* scratch_disk;

  /* Receives the library's own log lines. */
  bartizan_log_fn log;
  void* log_user;

  /* Receives the guest's console (kernel and init), one line at a time. A guest that writes more
   * than 10,000 at once and then 1,000 each second loses the rest; a line counts them. */
  bartizan_log_fn guest_log;
  void* guest_log_user;

  /* Options of hardware TEEs. */
  const bartizan_tee_options* tee_options;

  /* What guest RAM is made of on the host's side. One of BARTIZAN_HUGE_PAGES_*. */
  int32_t huge_pages;

  /* The most virtual CPUs that this host gives, whatever the image asks for. More is
   * resource_exhausted. Default: no limit of the host's. */
  uint32_t max_vcpus;

  /* The most guest memory that this host gives, whatever the image asks for. More is
   * resource_exhausted. Unit: MiB. Default: no limit of the host's. */
  uint32_t max_ram_mib;

  /* The largest scratch disk that this host gives, whatever the image asks for. More is
   * resource_exhausted. Unit: bytes. Default: no limit of the host's. */
  uint64_t max_scratch_bytes;

  /* Receives each event of the guest, on a thread of the library, which stops and signals wait
   * for: it returns soon. It may do what any thread may, but neither wait for the guest nor free
   * the machine. */
  bartizan_event_fn events;
  void* events_user;

  /* What the library's threads of the machine give up before its guest runs. One of
   * BARTIZAN_HARDENING_*. */
  int32_t harden;

  /* Where the image's broker is in this deployment, "https://host:port", for an image that was
   * built with host_may "broker". Only the address: the authority that is believed stays the
   * image's. Default: the image's own. */
  const char* broker_url;

  /* A guest bundle that is in memory, instead of a folder. It may be freed once the machine is
   * created. Default: the folder `bundle`. */
  const bartizan_bundle* loaded_bundle;
} bartizan_machine_options;

/* The disk of a confidential image, and how its key reaches the guest. */
typedef struct bartizan_luks_disk {
  size_t struct_size; /* set by BARTIZAN_OPTIONS_INIT */

  /* The file that holds the disk image. Required. */
  const char* path;

  /* Where the disk image starts in that file. Unit: bytes. Default: 0. */
  uint64_t offset;

  /* Size of the disk image. Unit: bytes. Default: up to the end of the file. */
  uint64_t size;

  /* The exact bytes of the manifest. Required. */
  bartizan_blob manifest;

  /* The disk key, handed to the guest in the clear. The guest's measured command line records
   * that. Only for tests and for BARTIZAN_TEE_NONE. The exact bytes: the key file of `bartizan
   * build` ends with a newline that is not part of the key. Default: the guest fetches the key
   * from the manifest's broker by attestation. */
  bartizan_blob disk_key;
} bartizan_luks_disk;

/* JSON object ExitReason: How and why a guest ended. This is not an error.
 *
 *   kind            string. How the guest ended.
 *   code            number. Exit status of the workload, or the number of the signal that killed
 *                   it. Of a guest failure: 127 if the entry point is missing, 126 if it cannot be
 *                   executed, else the number of the stage.
 *   stage           string. Name of the boot stage that failed; empty if none did.
 *   detail          string. One line with the cause; may be empty.
 *   process_status  number. What a shell would see: the code; 128 + N for signal N; 127 if the
 *                   image's entry point is missing, 126 if it cannot be executed; 125 for a guest
 *                   that failed otherwise, crashed or had to be stopped.
 *   description     string. All of the above in one line.
 */

/* JSON object BootStageStats: One boot stage.
 *
 *   name          string. Name of the boot stage: "launch", "pid1", "manifest" and so on, up to
 *                 "workload".
 *   milliseconds  number. Time since the start, on the host's monotonic clock. Unit: ms.
 *   exits         number. Exits to user space up to here.
 */

/* JSON object MachineStats: Where the time and the exits of a machine went.
 *
 *   stages                  array of BootStageStats. The boot stages that the guest has reached, in
 *                           order.
 *   exits                   number. Exits to user space so far.
 *   exits_by_kind           object of numbers. Those exits by kind: "io", "mmio", "hypercall" and
 *                           so on.
 *   pid1_exits_by_kind      object of numbers. The exits before PID 1 started, by kind.
 *   workload_exits_by_kind  object of numbers. The exits before the workload started, by kind.
 *   exits_to_pid1           number. Exits before PID 1 started.
 *   exits_to_workload       number. Exits before the workload started.
 *   private_page_refusals   number. How often the device model asked for a private page and was
 *                           refused.
 *   shared_pages            number. Pages that the guest shares with the host at this moment.
 *   page_state_changes      number. Hypercalls by which the guest changed pages from private to
 *                           shared or back.
 */

/* JSON object PublishedPort: One published port.
 *
 *   host_address  string. Address of the host.
 *   host_port     number. Port of the host, also if the system chose it.
 *   guest_port    number. Port of the guest.
 *   protocol      string. tcp or udp.
 */

/* Creates a machine. Nothing of the host is touched before the start.
 *
 *   options  What the machine is made of; NULL: all defaults.
 *   context  Receives the machine.
 *
 * Does not block; any thread.
 * Errors: invalid_argument: an option is out of range; resource_exhausted: descriptors, memory.
 * On failure: *context unchanged.
 */
BARTIZAN_API int32_t bartizan_context_create(
    const bartizan_machine_options* options, bartizan_context** context, bartizan_error** err);

/* Stops a running guest at once and frees the machine. NULL is allowed. Threads in
 * bartizan_context_wait or _start_enter meanwhile return, with BARTIZAN_EXIT_STOPPED. In a
 * forked child the machine is the parent's: only the handle is freed. Blocks until the threads
 * of the machine have ended; confined. */
BARTIZAN_API void bartizan_context_free(bartizan_context* context);

/* Chooses the TEE to launch in. Without this call it is BARTIZAN_TEE_NONE.
 *
 *   context  The machine, not yet started.
 *   tee      One of BARTIZAN_TEE_*.
 *
 * Does not block; confined.
 * Errors: invalid_state: already started.
 */
BARTIZAN_API int32_t bartizan_context_set_tee(
    bartizan_context* context, int32_t tee, bartizan_error** err);

/* Attaches the disk of a confidential image, together with its manifest.
 *
 *   context  The machine, not yet started.
 *   disk     The disk; its members are copied.
 *
 * Blocks for a few file accesses; confined.
 * Errors: invalid_state: already started, or a disk is attached; not_found, permission_denied, io:
 * the file; corrupt: the manifest.
 */
BARTIZAN_API int32_t bartizan_context_attach_luks_disk(
    bartizan_context* context, const bartizan_luks_disk* disk, bartizan_error** err);

/* Attaches disk and manifest of a confidential image, and takes its vCPUs and RAM where the
 * machine's options leave them open.
 *
 *   context        The machine, not yet started.
 *   image          OCI layout folder or archive, or the root folder of an unpacked image.
 *   disk_key       As disk_key of bartizan_luks_disk; NULL: by attestation.
 *   disk_key_size  Bytes at disk_key.
 *
 * Blocks for a few file accesses; confined.
 * Errors: invalid_state: already started, or a disk is attached; not_found, permission_denied, io;
 * corrupt: the image; unsupported: a manifest of a newer version.
 */
BARTIZAN_API int32_t bartizan_context_attach_image(
    bartizan_context* context, const char* image, const uint8_t* disk_key, size_t disk_key_size,
    bartizan_error** err);

/* Launches the guest and returns while it runs.
 *
 *   context  The machine, with a disk.
 *
 * Blocks until the guest runs: milliseconds to seconds; longer while an owner is asked; confined.
 * Errors: invalid_state: no disk, or already started; permission_denied, not_found, unsupported:
 * KVM, TEE; already_exists: a published port is in use; corrupt: bundle or manifest;
 * verification_failed: the owner does not accept the launch; resource_exhausted; io; cancelled:
 * bartizan_context_request_stop came before.
 * On failure: Nothing is left running, and the machine cannot be started again.
 */
BARTIZAN_API int32_t bartizan_context_start(bartizan_context* context, bartizan_error** err);

/* Calls bartizan_context_start, then waits without a limit until the guest has ended.
 *
 *   context  The machine, with a disk.
 *   reason   Receives how the guest ended; may be NULL.
 *
 * Blocks until the guest has ended; confined.
 * Errors: the errors of bartizan_context_start.
 * On failure: *reason unchanged.
 */
BARTIZAN_API int32_t bartizan_context_start_enter(
    bartizan_context* context, bartizan_exit** reason, bartizan_error** err);

/* Waits until the guest has ended.
 *
 *   context   The machine, started.
 *   limit_ms  Milliseconds to wait at most; below 0: no limit.
 *   reason    Receives how the guest ended; may be NULL.
 *
 * Blocks until the guest has ended or the limit has passed; shared.
 * Errors: timed_out: the guest is still running and goes on; invalid_state: not started.
 * On failure: *reason unchanged.
 */
BARTIZAN_API int32_t bartizan_context_wait(
    bartizan_context* context, int64_t limit_ms, bartizan_exit** reason, bartizan_error** err);

/* Returns a descriptor that is readable once the guest has ended, for poll and epoll. It is
 * borrowed: do not read or close it. -1 for NULL. Does not block; shared. */
BARTIZAN_API int bartizan_context_exit_fd(const bartizan_context* context);

/* Waits until an event has happened to the guest; returns at once if it has.
 *
 *   context   The machine, started.
 *   event     One of BARTIZAN_EVENT_*.
 *   limit_ms  Milliseconds to wait at most; below 0: no limit.
 *
 * Blocks until the event has happened, the guest has ended or the limit has passed; shared.
 * Errors: timed_out: it has not happened, and the guest goes on; invalid_state: not started, or the
 * guest has ended without it.
 */
BARTIZAN_API int32_t bartizan_context_wait_for(
    bartizan_context* context, int32_t event, int64_t limit_ms, bartizan_error** err);

/* Takes the oldest event that nobody has taken yet: one of BARTIZAN_EVENT_*; -1: none waits.
 *
 *   context  The machine; NULL is allowed.
 *
 * Does not block; shared.
 */
BARTIZAN_API int32_t bartizan_context_next_event(bartizan_context* context);

/* Returns a descriptor that is readable while bartizan_context_next_event has an event, for poll
 * and epoll. It is borrowed: do not read or close it. -1 for NULL. Does not block; shared. */
BARTIZAN_API int bartizan_context_event_fd(const bartizan_context* context);

/* Stops the guest's processors until bartizan_context_resume, or until a stop is requested. Its
 * devices stay, so that what is sent to it waits, and its clock goes on. A paused guest may be
 * paused again.
 *
 *   context  The machine, started.
 *
 * Blocks until no processor is in the guest: milliseconds; shared.
 * Errors: invalid_state: not started, or ended.
 */
BARTIZAN_API int32_t bartizan_context_pause(bartizan_context* context, bartizan_error** err);

/* Lets the guest's processors go on. One call undoes every pause before it.
 *
 *   context  The machine, started.
 *
 * Does not block; shared.
 * Errors: invalid_state: not started, or ended.
 */
BARTIZAN_API int32_t bartizan_context_resume(bartizan_context* context, bartizan_error** err);

/* Sends the workload its stop signal, and ends the machine when the grace period has passed. During
 * a start that counts as soon as the guest runs; before, the start is refused
 * (BARTIZAN_ERROR_CANCELLED), so that a signal handler that is installed first misses nothing.
 *
 *   context   The machine; NULL is allowed.
 *   grace_ms  Grace period in milliseconds.
 *
 * Does not block; signal-safe.
 */
BARTIZAN_API void bartizan_context_request_stop(bartizan_context* context, uint32_t grace_ms);

/* Sends a signal to the workload. SIGWINCH, if stdin_fd or stdout_fd is a terminal: its size goes
 * to the workload's terminal.
 *
 *   context        The machine; NULL is allowed.
 *   signal_number  The signal's number on Linux/x86-64.
 *
 * Does not block; signal-safe.
 */
BARTIZAN_API void bartizan_context_send_signal(bartizan_context* context, int32_t signal_number);

/* Returns where the time and the exits of the machine went so far.
 *
 *   json  Receives a JSON object: MachineStats.
 *
 * Does not block; shared.
 * Errors: only those of the contract above.
 * On failure: *json unchanged.
 */
BARTIZAN_API int32_t bartizan_context_stats(
    const bartizan_context* context, bartizan_string** json, bartizan_error** err);

/* Returns the published ports, with the host ports that the system chose.
 *
 *   json  Receives a JSON array of PublishedPort.
 *
 * Does not block; shared.
 * Errors: only those of the contract above.
 * On failure: *json unchanged.
 */
BARTIZAN_API int32_t bartizan_context_published_ports(
    const bartizan_context* context, bartizan_string** json, bartizan_error** err);

/* Returns the size of guest RAM in bytes; 0 for NULL. Does not block; shared. */
BARTIZAN_API uint64_t bartizan_context_memory_size(const bartizan_context* context);

/* Copies bytes of guest RAM.
 *
 *   context  The machine, started; the guest may be running.
 *   view     One of BARTIZAN_MEMORY_*.
 *   offset   First byte; RAM is counted from 0, without holes.
 *   to       Receives the bytes.
 *   size     Number of bytes.
 *
 * Does not block; shared.
 * Errors: unsupported: the raw view of a hardware TEE; invalid_state: not started.
 * On failure: *to unchanged.
 */
BARTIZAN_API int32_t bartizan_context_read_memory(
    const bartizan_context* context, int32_t view, uint64_t offset, uint8_t* to, size_t size,
    bartizan_error** err);

/* Counts how often a pattern occurs in all of guest RAM.
 *
 *   context  The machine, started; the guest may be running.
 *   view     One of BARTIZAN_MEMORY_*.
 *   pattern  The bytes to look for.
 *   size     Bytes at pattern.
 *   count    Receives the number of places.
 *
 * Blocks for one pass over guest RAM; shared.
 * Errors: unsupported: the raw view of a hardware TEE; invalid_state: not started.
 * On failure: *count unchanged.
 */
BARTIZAN_API int32_t bartizan_context_count_in_memory(
    const bartizan_context* context, int32_t view, const uint8_t* pattern, size_t size, uint64_t*
    count, bartizan_error** err);

/* Returns one of BARTIZAN_EXIT_*. Does not block; confined. */
BARTIZAN_API int32_t bartizan_exit_kind(const bartizan_exit* reason);

/* Returns the workload's exit status, or the number of the signal that killed it; of a guest
 * failure 127 if the entry point is missing, 126 if it cannot be executed, else the number of
 * the stage. Does not block; confined. */
BARTIZAN_API int32_t bartizan_exit_code(const bartizan_exit* reason);

/* Returns what a shell would see: the code; 128 + N for signal N; 127 if the image's entry point
 * is missing, 126 if it cannot be executed; 125 for a guest that failed otherwise, crashed or
 * had to be stopped, and for NULL. Does not block; confined. */
BARTIZAN_API int32_t bartizan_exit_process_status(const bartizan_exit* reason);

/* Returns the name of the boot stage that failed; "" if none did. Does not block; confined. */
BARTIZAN_API const char* bartizan_exit_stage(const bartizan_exit* reason);

/* Returns one line with the cause; may be "". Does not block; confined. */
BARTIZAN_API const char* bartizan_exit_detail(const bartizan_exit* reason);

/* Returns kind, code, stage and detail in one line. Does not block; confined. */
BARTIZAN_API const char* bartizan_exit_describe(const bartizan_exit* reason);

/* Frees the reason. NULL is allowed. Does not block; confined. */
BARTIZAN_API void bartizan_exit_free(bartizan_exit* reason);

/* clang-format on */
/* end of generated: api/machine.toml */

#ifdef __cplusplus
}
#endif

#endif /* BARTIZAN_H */
