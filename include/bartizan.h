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
 *          UTF-8 with a final zero; NULL or "" means "not given" where a default is named. A
 *          buffer is a pointer and a size; NULL with size 0 means "not given".
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
 *          Secrets are never in JSON: they come as a bartizan_secret, which is wiped when it is
 *          freed.
 *
 * THREADS  Different handles never disturb each other. Within one handle:
 *   confined     one thread at a time: bartizan_context (but see the next two), bartizan_error,
 *                bartizan_string, bartizan_secret, bartizan_exit
 *   shared       any thread, at any time until its free: bartizan_broker;
 *                bartizan_context_exit_fd, _stats, _published_ports, _memory_size, _read_memory,
 *                _count_in_memory; functions without a handle
 *   signal-safe  from a signal handler too: bartizan_context_request_stop, _send_signal
 *          While one thread is in bartizan_context_wait or _start_enter, others may use the shared
 *          and signal-safe calls of that context. Nothing may run while _free does.
 *
 * CALLS    Callbacks come from any thread of the library, with the `user` pointer given beside
 *          them. They must return, must not throw or longjmp, and must not call back into the
 *          object that they were given to.
 *
 * PROCESS  The library does not print, exit, abort, fork, or change the process's state, except
 *          for a no-op handler for SIGRTMIN+4, installed by a start if that signal's disposition
 *          is the default. C++ exceptions never leave it: lack of memory is
 *          BARTIZAN_ERROR_RESOURCE_EXHAUSTED.
 *
 * VERSION  Every libbartizan.so.0 keeps this interface: symbols and struct members are only added.
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

/* Trusted execution environments. Frozen numbers. `none` and `simulated` protect nothing. */
#define BARTIZAN_TEE_NONE 0
#define BARTIZAN_TEE_SIMULATED 1
#define BARTIZAN_TEE_SEV 2
#define BARTIZAN_TEE_SEV_ES 3
#define BARTIZAN_TEE_SNP 4
#define BARTIZAN_TEE_TDX 5

/* How a guest ended. Frozen numbers. */
#define BARTIZAN_EXIT_CODE 0   /* the workload ended; code is its status */
#define BARTIZAN_EXIT_SIGNAL 1 /* the workload was killed by signal code */
#define BARTIZAN_EXIT_GUEST_FAILURE \
  2 /* the guest's init gave up: stage and detail tell where and why */
#define BARTIZAN_EXIT_SHUTDOWN 3 /* the guest powered off without a word */
#define BARTIZAN_EXIT_RESET 4    /* the guest reset itself without a word */
#define BARTIZAN_EXIT_CRASH 5    /* triple fault, internal KVM error ...: detail */
#define BARTIZAN_EXIT_STOPPED 6  /* request_stop, and the guest did not end by itself in time */

#define BARTIZAN_LOG_ERROR 0
#define BARTIZAN_LOG_WARNING 1
#define BARTIZAN_LOG_INFO 2
#define BARTIZAN_LOG_DEBUG 3

/* Two ways to look at guest memory: the bytes as they are (none and simulated only), and as a host
 * sees a TEE's memory, private pages under a key of this VM. */
#define BARTIZAN_MEMORY_RAW 0
#define BARTIZAN_MEMORY_HOST 1

typedef struct bartizan_error bartizan_error;
typedef struct bartizan_string bartizan_string;
typedef struct bartizan_secret bartizan_secret;
typedef struct bartizan_exit bartizan_exit;
typedef struct bartizan_context bartizan_context;
typedef struct bartizan_broker bartizan_broker;

/* One line without a final newline, not terminated by a zero. */
typedef void (*bartizan_log_fn)(void* user, int32_t level, const char* line, size_t size);
/* How far long work is: `done` of `total` (0: not known yet). Return 0 to go on, anything else to
 * cancel. */
typedef int32_t (*bartizan_progress_fn)(void* user, const char* stage, uint64_t done,
                                        uint64_t total);
/* Gives signed evidence over the 64 bytes of report data, as JSON in Trustee's SNP form; NULL:
 * failed. The text stays yours and must live until the function that was given this callback
 * returns. */
typedef const char* (*bartizan_evidence_fn)(void* user, const uint8_t* report_data, size_t size);

typedef struct bartizan_blob {
  const uint8_t* data;
  size_t size;
} bartizan_blob;

/* The library's version, "0.1.0". */
BARTIZAN_API const char* bartizan_version(void);

/* ---- errors, strings, secrets */

/* "not_found" for BARTIZAN_ERROR_NOT_FOUND; "unknown" for what is not in the list. */
BARTIZAN_API const char* bartizan_code_name(int32_t code);
BARTIZAN_API const char* bartizan_code_advice(int32_t code);

BARTIZAN_API int32_t bartizan_error_code(const bartizan_error* error);
BARTIZAN_API int32_t
bartizan_error_os_errno(const bartizan_error* error); /* errno behind it, or 0 */
BARTIZAN_API const char* bartizan_error_origin(const bartizan_error* error);
BARTIZAN_API const char* bartizan_error_message(const bartizan_error* error);
/* For BARTIZAN_ERROR_VERIFICATION_FAILED: a stable word for programs and the public values that
 * differ; else "". */
BARTIZAN_API const char* bartizan_error_reason(const bartizan_error* error);
BARTIZAN_API const char* bartizan_error_expected(const bartizan_error* error);
BARTIZAN_API const char* bartizan_error_got(const bartizan_error* error);
BARTIZAN_API const char* bartizan_error_describe(
    const bartizan_error* error); /* all of it in one line */
BARTIZAN_API void bartizan_error_free(bartizan_error* error);

BARTIZAN_API const char* bartizan_string_data(const bartizan_string* string); /* ends with a zero */
BARTIZAN_API size_t bartizan_string_size(const bartizan_string* string); /* without that zero */
BARTIZAN_API void bartizan_string_free(bartizan_string* string);

BARTIZAN_API const uint8_t* bartizan_secret_data(const bartizan_secret* secret);
BARTIZAN_API size_t bartizan_secret_size(const bartizan_secret* secret);
BARTIZAN_API void bartizan_secret_free(bartizan_secret* secret); /* wipes it */

/* ---- TEEs: what this host can do, what a launch will measure */

BARTIZAN_API const char* bartizan_tee_name(int32_t tee); /* "simulated"; "unknown" */
BARTIZAN_API int32_t bartizan_tee_from_name(const char* name, int32_t* tee, bartizan_error** err);

typedef struct bartizan_probe_options {
  size_t struct_size;
  const char* kvm_device;       /* default "/dev/kvm" */
  uint32_t guest_time_limit_ms; /* default 2000 */
} bartizan_probe_options;

/* JSON: {kvm_usable, runs_stock_kernels, kvm_missing, kvm_advice, tees: [{tee, available, missing,
 * advice, capacity, in_use}]}: guests of that TEE that the host can hold, and holds; 0: unknown. */
BARTIZAN_API int32_t bartizan_probe(const bartizan_probe_options* options, bartizan_string** json,
                                    bartizan_error** err);

typedef struct bartizan_launch_options {
  size_t struct_size;
  int32_t tee;
  uint32_t vcpus;                 /* default 1 */
  uint32_t ram_mib;               /* default 512 */
  const char* bundle;             /* default: bartizan_bundle_default_path */
  const char* extra_command_line; /* appended to the bundle's own, and measured */
  uint64_t guest_features;        /* SEV_FEATURES of SNP (bit 0 set) and SEV-ES; default 1 and 0 */
  uint32_t c_bit; /* in the guest's page tables; default 51 with SEV, SEV-ES, SNP; others: no choice */
} bartizan_launch_options;

/* Pure: needs no KVM. JSON: {tee, digest, page_count, launch_milliseconds, vcpus, vcpu_type,
 * vcpu_signature, host_kernel, c_bit, rtmrs: [hex] (TDX: 0 to 3), pages: [{guest_address, kind,
 * what, count}]}. */
BARTIZAN_API int32_t bartizan_measure(const bartizan_launch_options* options,
                                      bartizan_string** json, bartizan_error** err);

/* Who starts the firmware that is measured. Frozen numbers. */
#define BARTIZAN_VMM_QEMU 0
#define BARTIZAN_VMM_EC2 1
#define BARTIZAN_VMM_GCE 2

/* Flags: host kernels to measure for; none: since 6.10. */
#define BARTIZAN_HOST_KERNEL_SINCE_6_10 1u
#define BARTIZAN_HOST_KERNEL_BEFORE_6_10 2u

typedef struct bartizan_measure_options {
  size_t struct_size;
  int32_t tee;
  uint32_t vcpus;                 /* default 1 */
  uint32_t max_vcpus;             /* default: vcpus alone */
  uint32_t ram_mib;               /* default 512; without ovmf */
  const char* bundle;             /* default: bartizan_bundle_default_path; without ovmf */
  const char* extra_command_line; /* without ovmf */
  const char* ovmf;               /* firmware, launched by `vmm`; default: our own launch */
  const char* kernel;             /* with ovmf: its hash, and those of the next two, count */
  const char* initrd;
  const char* append;
  bartizan_blob ovmf_digest;     /* 48 bytes: what ovmf measures to, instead of its content */
  int32_t vmm;                   /* BARTIZAN_VMM_* */
  uint32_t host_kernels;         /* BARTIZAN_HOST_KERNEL_* */
  const char* const* vcpu_types; /* "EPYC-Milan" ... */
  size_t vcpu_type_count;
  const uint32_t* vcpu_signatures; /* CPUID leaf 1 EAX */
  size_t vcpu_signature_count;
  uint64_t guest_features; /* SEV_FEATURES; default: as bartizan_launch_options */
  const uint32_t* c_bits;  /* without ovmf; default: of the vcpu_types and signatures, or 51 */
  size_t c_bit_count;
} bartizan_measure_options;

/* Every digest that a launch may have: a JSON array with one object as above for each vCPU count,
 * processor or C-bit and host kernel, without repetitions. */
BARTIZAN_API int32_t bartizan_measure_set(const bartizan_measure_options* options,
                                          bartizan_string** json, bartizan_error** err);

typedef struct bartizan_id_block_options {
  size_t struct_size;
  bartizan_blob digest;    /* required: 48 bytes, of an SNP launch */
  bartizan_blob family_id; /* 16 bytes; default: zeros */
  bartizan_blob image_id;  /* 16 bytes; default: zeros */
  uint64_t policy;         /* default 0x30000 */
  uint32_t guest_svn;
  const char* id_key;     /* required: file, PEM, ECDSA P-384 */
  const char* author_key; /* the same; default: none */
} bartizan_id_block_options;

/* JSON: {block, authentication, id_key_digest, author_key_digest}. */
BARTIZAN_API int32_t bartizan_id_block_make(const bartizan_id_block_options* options,
                                            bartizan_string** json, bartizan_error** err);

/* ---- guest bundles */

typedef struct bartizan_bundle_options {
  size_t struct_size;
  const char* kernel;  /* bzImage; default: the newest Debian cloud kernel under /boot */
  const char* modules; /* its folder of modules; default: found by the kernel's release */
  const char* init;    /* static init; default: the installed one */
  const char* output;  /* folder to make; default: bartizan_bundle_default_path */
  const char* extra_command_line;
  bartizan_progress_fn progress;
  void* progress_user;
} bartizan_bundle_options;

/* JSON of both: {path, kernel_release, kernel_sha256, initrd_sha256, kernel_bytes, initrd_bytes,
 * command_line}. */
BARTIZAN_API int32_t bartizan_bundle_create(const bartizan_bundle_options* options,
                                            bartizan_string** json, bartizan_error** err);
BARTIZAN_API int32_t bartizan_bundle_read(const char* path, bartizan_string** json,
                                          bartizan_error** err);
BARTIZAN_API int32_t bartizan_bundle_default_path(bartizan_string** path, bartizan_error** err);

/* ---- confidential images */

#define BARTIZAN_BUILD_NO_NETWORK 1u /* flag: the guest gets no network */
/* Flag: nothing is drawn at random, the disk's key, salts and UUIDs come from `disk_key` (256 random
 * bits): the same source and options make the same bytes. */
#define BARTIZAN_BUILD_REPRODUCIBLE 2u
/* Flag: nothing of the source is told in public, no annotation, label or digest. Wants a workload_id. */
#define BARTIZAN_BUILD_ANONYMOUS 4u

typedef struct bartizan_build_options {
  size_t struct_size;
  const char* source;           /* required: OCI layout folder; with skopeo also an archive, docker://… */
  const char* reference;        /* tag in its index; default: the only image */
  const char* output; /* required: OCI layout folder to make, or an archive of one ("oci-archive:FILE", "….tar"); must not exist */
  const char* output_reference; /* default "latest" */
  const char* workload_id;      /* default: from the source image's digest */
  const char* broker_url; /* as the guest reaches it; default: the key comes from the caller */
  const char*
      broker_ca_pem; /* required with broker_url: the only authority that the guest will believe */
  const char* resource;   /* default "default/disk-key/<workload_id>" */
  uint32_t vcpus;         /* default 1 */
  uint32_t ram_mib;       /* default 512 */
  uint32_t flags;         /* BARTIZAN_BUILD_* */
  bartizan_blob disk_key; /* disk key; default: 256 fresh random bits in hexadecimal */
  bartizan_progress_fn progress;
  void* progress_user;
  const char* base_image;     /* what the output is put on as one more layer, given as `source` is; default: nothing */
  const char* base_reference; /* tag in its index; default: the only image */
  int64_t created;            /* seconds since the epoch; default: now; if reproducible, the source's time or 0 */
  uint64_t scratch_bytes; /* size of the scratch disk for what the workload writes, a multiple of
                             4096, at least 16 MiB; default: none, writes go to memory */
  bartizan_blob recovery_passphrase; /* a second way into the disk, by Argon2id; default: none */
} bartizan_build_options;

/* JSON: {manifest (its exact text), workload_digest, workload_id, resource, disk_bytes, entries,
 * content_bytes, image_digest, output}. `disk_key` may be NULL if you gave the key. */
BARTIZAN_API int32_t bartizan_image_build(const bartizan_build_options* options,
                                          bartizan_string** json, bartizan_secret** disk_key,
                                          bartizan_error** err);

/* JSON: {manifest, workload_digest, disk_path, disk_offset, disk_bytes, workload_id, broker_url,
 * resource, cipher, verity_root_hash, filesystem, krun_config, vcpus, ram_mib, header_bytes,
 * filesystem_bytes, tree_bytes, scratch_bytes, kind ("bartizan", "krun": made by oci2cw or buildah
 * mkcw, "disk": a disk image), luks: {version, uuid, label, cipher, key_bytes, sector_size,
 * data_offset, integrity, remark, keyslots: [{number, unbound, kdf, hash, iterations, memory_kib,
 * threads, key_bytes, cipher, offset, size}], segments: [{number, type, offset, size, cipher,
 * sector_size, integrity}]}}. `reference` may be NULL. */
BARTIZAN_API int32_t bartizan_image_inspect(const char* image, const char* reference,
                                            bartizan_string** json, bartizan_error** err);

/* JSON: [{what, a, b}, …], empty for the same: in what two images differ, as far as can be seen
 * without a key. */
BARTIZAN_API int32_t bartizan_image_diff(const char* a, const char* b, bartizan_string** json,
                                         bartizan_error** err);

/* Checks the stored disk against the manifest; with a key, also that the key opens it, and that the
 * file system in it is whole. */
BARTIZAN_API int32_t bartizan_image_verify(const char* image, const uint8_t* disk_key,
                                           size_t disk_key_size, bartizan_progress_fn progress,
                                           void* progress_user, bartizan_error** err);

/* ---- attestation */

#define BARTIZAN_POLICY_ALLOW_SIMULATED 1u
#define BARTIZAN_POLICY_ALLOW_DEBUG 2u

typedef struct bartizan_evidence_policy {
  size_t struct_size;
  uint32_t flags; /* BARTIZAN_POLICY_* */
  const bartizan_blob* measurements;
  size_t measurement_count;  /* 0: not demanded */
  bartizan_blob host_data;   /* 32 bytes: the workload digest; default: not demanded */
  bartizan_blob report_data; /* 64 bytes; default: not demanded */
  uint64_t minimum_tcb;
  int64_t now; /* seconds since the epoch; default: the clock */
} bartizan_evidence_policy;

/* `evidence`: JSON in Trustee's form for `tee`. JSON: {tee, measurement, host_data, report_data,
 * policy, reported_tcb, version, chip_id}. */
BARTIZAN_API int32_t bartizan_attest_verify(const char* evidence, int32_t tee,
                                            const bartizan_evidence_policy* policy,
                                            bartizan_string** json, bartizan_error** err);

typedef struct bartizan_key_request {
  size_t struct_size;
  const char* url;      /* required: "https://host:port" */
  const char* ca_pem;   /* required: trusted authority */
  const char* resource; /* required: "repository/type/tag" */
  uint32_t timeout_ms;  /* default 30000 */
  int32_t tee;
  bartizan_evidence_fn evidence; /* required */
  void* evidence_user;
} bartizan_key_request;

/* The guest's side of a key release. */
BARTIZAN_API int32_t bartizan_attest_request_key(const bartizan_key_request* request,
                                                 bartizan_secret** key, bartizan_error** err);

/* ---- broker */

#define BARTIZAN_BROKER_ANY_PORT 1u /* flag: the system chooses the port */

typedef struct bartizan_broker_options {
  size_t struct_size;
  const char* state; /* required: folder of store, certificates and admin token; made if missing */
  const char* address;          /* default "127.0.0.1" */
  uint16_t port;                /* default 8443 */
  uint32_t flags;               /* BARTIZAN_BROKER_* */
  const char* const* tls_names; /* of the certificate made at first start; default
                                   127.0.0.1, 10.0.2.2, localhost */
  size_t tls_name_count;
  bartizan_log_fn log;
  void* log_user;
  const bartizan_blob* sev_roots; /* AMD root keys (ARK) to trust beside the known ones */
  size_t sev_root_count;
} bartizan_broker_options;

/* Serves on threads of its own until _stop or _free. */
BARTIZAN_API int32_t bartizan_broker_start(const bartizan_broker_options* options,
                                           bartizan_broker** broker, bartizan_error** err);
BARTIZAN_API void bartizan_broker_stop(bartizan_broker* broker);
BARTIZAN_API void bartizan_broker_free(bartizan_broker* broker);
BARTIZAN_API uint16_t bartizan_broker_port(const bartizan_broker* broker);
BARTIZAN_API const char* bartizan_broker_url(const bartizan_broker* broker);
BARTIZAN_API const char* bartizan_broker_ca_pem(const bartizan_broker* broker);
BARTIZAN_API const char* bartizan_broker_admin_token_path(const bartizan_broker* broker);

#define BARTIZAN_BROKER_BARTIZAN 0
#define BARTIZAN_BROKER_TRUSTEE 1           /* Trustee's KBS: key as a resource, measurements as reference values */
#define BARTIZAN_BROKER_REGISTER_WORKLOAD 2 /* POST /kbs/v0/register_workload, as buildah and oci2cw do */
BARTIZAN_API int32_t bartizan_broker_kind_from_name(const char* name, int32_t* kind, bartizan_error** err);

/* Trustee has one list of measurements for all workloads, which registering replaces; flag: left alone. */
#define BARTIZAN_REGISTER_KEEP_REFERENCE_VALUES 1u
/* Flag: the KBS's policy for all resources is replaced by bartizan_broker_trustee_policy(). */
#define BARTIZAN_REGISTER_RESOURCE_POLICY 2u

typedef struct bartizan_broker_access {
  size_t struct_size;
  const char* url;           /* required */
  const char* ca_pem;        /* required */
  bartizan_blob admin_token; /* required by bartizan's broker */
  int32_t kind;              /* BARTIZAN_BROKER_*; default: bartizan's broker */
  uint32_t flags;            /* BARTIZAN_REGISTER_* */
  bartizan_blob admin_key;   /* Trustee: Ed25519 private key (PEM) that signs a token in place of admin_token */
  const char* admin_issuer;   /* claims of that token; default: left out */
  const char* admin_audience;
  const char* admin_role; /* default "admin"; "": left out */
} bartizan_broker_access;

typedef struct bartizan_workload {
  size_t struct_size;
  const char* id;                /* required */
  bartizan_blob workload_digest; /* required: 32 bytes */
  const bartizan_blob* measurements;
  size_t measurement_count; /* at least 1 */
  uint32_t flags;           /* BARTIZAN_POLICY_* */
  uint64_t minimum_tcb;
  const char* resource;   /* default "default/disk-key/<id>" */
  bartizan_blob disk_key; /* required */
  int32_t tee;            /* that the measurements are of; bartizan's own broker must know of BARTIZAN_TEE_SEV and
                             BARTIZAN_TEE_SEV_ES only; default: BARTIZAN_TEE_SNP */
} bartizan_workload;

/* Replaces an earlier registration of the same id. */
BARTIZAN_API int32_t bartizan_broker_register(const bartizan_broker_access* access,
                                              const bartizan_workload* workload,
                                              bartizan_error** err);
/* A policy (Rego) for Trustee's KBS that releases the workload's resource to one of its measurements with its digest,
 * not in debug mode, and nothing else to anybody. */
BARTIZAN_API int32_t bartizan_broker_trustee_policy(const bartizan_workload* workload, bartizan_string** policy,
                                                    bartizan_error** err);
/* The last decisions about a workload, newest first. JSON: [{time, decision, reason, expected, got,
 * evidence}]. */
BARTIZAN_API int32_t bartizan_broker_audit(const bartizan_broker_access* access,
                                           const char* workload_id, bartizan_string** json,
                                           bartizan_error** err);

/* ---- machines: the four verbs */

typedef struct bartizan_published_port {
  const char* host_address; /* default "127.0.0.1" */
  uint16_t host_port;       /* 0: chosen by the system, see bartizan_context_published_ports */
  uint16_t guest_port;
} bartizan_published_port;

/* A guest vsock port joined to a unix socket. listen == 0: the guest connects, to CID 2. */
typedef struct bartizan_vsock_port {
  const char* path;
  uint32_t port;
  uint32_t listen;
} bartizan_vsock_port;

#define BARTIZAN_MACHINE_NO_NETWORK 1u /* flag: no network device */
#define BARTIZAN_MACHINE_STDIO \
  2u /* flag: stdin_fd and stdout_fd are given; else empty, discarded */

/* What the security processor says of a SEV or SEV-ES launch before its guest runs (SEV API,
 * LAUNCH_MEASURE): 32 bytes that are an HMAC-SHA256 under the key of the owner's session over 0x04,
 * the firmware's API version and build, policy, the launch digest and the nonce of 16 bytes.
 * `digest` is this host's word for the launch digest: an owner uses one of its own. */
typedef struct bartizan_sev_measurement {
  size_t struct_size; /* set by the library */
  bartizan_blob measure;
  bartizan_blob nonce;
  bartizan_blob digest;
  uint32_t policy;
  uint64_t secret_address; /* where the guest looks for a secret */
} bartizan_sev_measurement;

/* A secret that the owner sealed to that launch (SEV API, LAUNCH_SECRET). */
typedef struct bartizan_sev_secret {
  bartizan_blob header;     /* 52 bytes: flags, IV, MAC */
  bartizan_blob ciphertext; /* a multiple of 16 bytes, within one page */
  uint64_t guest_address;   /* 16-aligned, in pages that the launch loaded; 0: secret_address */
} bartizan_sev_secret;

/* Asked once in a start, on its thread. Return 0 to accept the launch, anything else to end it
 * (BARTIZAN_ERROR_VERIFICATION_FAILED, reason "sev_owner"). `secret` comes as zeros and stays so for
 * none; its bytes stay yours and must live until the start returns. */
typedef int32_t (*bartizan_sev_owner_fn)(void* user, const bartizan_sev_measurement* measurement,
                                         bartizan_sev_secret* secret);

#define BARTIZAN_TEE_REQUIRE_CERTIFICATES 1u /* flag: a KVM that cannot pass them on is an error */
#define BARTIZAN_TEE_NO_QUOTES 2u            /* flag: no quote service; the guest gets no quotes */

/* What ties a launch in a hardware TEE to its owner, beside what it measures. An option that the TEE
 * has no use for is refused. */
typedef struct bartizan_tee_options {
  size_t struct_size;
  uint64_t policy;         /* SNP (and simulated): guest policy, default 0x30000; SEV, SEV-ES: default
                              0xb and 0xf; TDX: attributes beside SEPT_VE_DISABLE */
  uint64_t guest_features; /* as bartizan_launch_options; bits 0, 5 and 9 */
  bartizan_blob id_block;  /* SNP: 96 bytes, with id_authentication */
  bartizan_blob id_authentication; /* SNP: 4096 bytes; holds the author key, too, if there is one */
  bartizan_blob certificates; /* SNP: GUID table with VCEK, ASK and ARK, for the guest's reports */
  bartizan_blob owner_certificate; /* SEV, SEV-ES: with session; default: nobody can attest */
  bartizan_blob session;
  bartizan_sev_owner_fn owner; /* SEV, SEV-ES */
  void* owner_user;
  const char* quote_service; /* TDX: path of a unix socket, or "vsock:CID:PORT"; default
                                "/var/run/tdx-qgs/qgs.socket" */
  uint32_t flags;            /* BARTIZAN_TEE_* */
  bartizan_blob platform_certificates; /* SEV, SEV-ES: PDH, PEK, OCA, CEK, ASK, ARK, as `sevctl export
                                          --full` writes them: the manifest's broker owns the launch */
} bartizan_tee_options;

/* What guest RAM is made of on the host's side. Frozen numbers. */
#define BARTIZAN_HUGE_PAGES_OFF 0
#define BARTIZAN_HUGE_PAGES_TRANSPARENT 1 /* 2 MiB where the kernel has them */
#define BARTIZAN_HUGE_PAGES_RESERVED 2    /* from the pool of /proc/sys/vm/nr_hugepages, at once */

typedef struct bartizan_machine_options {
  size_t struct_size;
  const char* name;               /* appears in errors and logs; default "machine" */
  uint32_t vcpus;                 /* default 1 */
  uint32_t ram_mib;               /* default 512 */
  const char* bundle;             /* default: bartizan_bundle_default_path */
  const char* extra_command_line; /* appended to the bundle's own, and measured */
  const char* kvm_device;         /* default "/dev/kvm" */
  uint32_t flags;                 /* BARTIZAN_MACHINE_* */
  int32_t stdin_fd;               /* with BARTIZAN_MACHINE_STDIO; -1: empty */
  int32_t stdout_fd;              /* with BARTIZAN_MACHINE_STDIO; -1: discarded */
  const bartizan_published_port* publish;
  size_t publish_count;
  const bartizan_vsock_port* vsock;
  size_t vsock_count;
  const char* scratch_disk; /* where an image that asks for one gets its scratch disk: a raw file,
                               made as needed; default: an unnamed temporary file */
  bartizan_log_fn log;      /* the library's own lines */
  void* log_user;
  bartizan_log_fn guest_log; /* the guest's console, a line at a time */
  void* guest_log_user;
  const bartizan_tee_options* tee_options; /* default: all of it */
  int32_t huge_pages;                      /* BARTIZAN_HUGE_PAGES_* */
} bartizan_machine_options;

typedef struct bartizan_luks_disk {
  size_t struct_size;
  const char* path;         /* required: file that holds the disk image */
  uint64_t offset;          /* bytes: where it starts in that file */
  uint64_t size;            /* bytes; 0: to the end of the file */
  bartizan_blob manifest;   /* required: its exact bytes */
  bartizan_blob disk_key; /* default: the guest fetches the key by attestation. Given: for tests
                               and BARTIZAN_TEE_NONE */
} bartizan_luks_disk;

BARTIZAN_API int32_t bartizan_context_create(const bartizan_machine_options* options,
                                             bartizan_context** context, bartizan_error** err);
BARTIZAN_API void bartizan_context_free(bartizan_context* context); /* stops a running guest */
BARTIZAN_API int32_t bartizan_context_set_tee(bartizan_context* context, int32_t tee,
                                              bartizan_error** err);
BARTIZAN_API int32_t bartizan_context_attach_luks_disk(bartizan_context* context,
                                                       const bartizan_luks_disk* disk,
                                                       bartizan_error** err);
/* Shortcut: disk and manifest of a confidential image (OCI layout folder, or an unpacked image's
 * root folder). */
BARTIZAN_API int32_t bartizan_context_attach_image(bartizan_context* context, const char* image,
                                                   const uint8_t* disk_key,
                                                   size_t disk_key_size, bartizan_error** err);
/* Launches and returns while the guest runs. */
BARTIZAN_API int32_t bartizan_context_start(bartizan_context* context, bartizan_error** err);
/* Start, then wait without a limit. `reason` may be NULL, here and below. */
BARTIZAN_API int32_t bartizan_context_start_enter(bartizan_context* context, bartizan_exit** reason,
                                                  bartizan_error** err);
/* Below 0: no limit. BARTIZAN_ERROR_TIMED_OUT: the guest goes on. */
BARTIZAN_API int32_t bartizan_context_wait(bartizan_context* context, int64_t limit_ms,
                                           bartizan_exit** reason, bartizan_error** err);
/* Readable once the guest has ended; for poll and friends. Borrowed. -1 for NULL. */
BARTIZAN_API int bartizan_context_exit_fd(const bartizan_context* context);
/* Asks the workload to end, and ends the machine `grace_ms` later. */
BARTIZAN_API void bartizan_context_request_stop(bartizan_context* context, uint32_t grace_ms);
BARTIZAN_API void bartizan_context_send_signal(bartizan_context* context, int32_t signal_number);
/* JSON: {stages: [{name, milliseconds, exits}], exits, exits_by_kind, pid1_exits_by_kind,
 * exits_to_pid1, exits_to_workload, private_page_refusals, shared_pages, page_state_changes}. */
BARTIZAN_API int32_t bartizan_context_stats(const bartizan_context* context, bartizan_string** json,
                                            bartizan_error** err);
/* JSON: [{host_address, host_port, guest_port}], with the ports that were chosen. */
BARTIZAN_API int32_t bartizan_context_published_ports(const bartizan_context* context,
                                                      bartizan_string** json, bartizan_error** err);
BARTIZAN_API uint64_t
bartizan_context_memory_size(const bartizan_context* context); /* bytes; 0 for NULL */
BARTIZAN_API int32_t bartizan_context_read_memory(const bartizan_context* context, int32_t view,
                                                  uint64_t offset, uint8_t* to, size_t size,
                                                  bartizan_error** err);
/* How often the pattern occurs in all of guest memory. */
BARTIZAN_API int32_t bartizan_context_count_in_memory(const bartizan_context* context, int32_t view,
                                                      const uint8_t* pattern, size_t size,
                                                      uint64_t* count, bartizan_error** err);

BARTIZAN_API int32_t bartizan_exit_kind(const bartizan_exit* reason); /* BARTIZAN_EXIT_* */
BARTIZAN_API int32_t bartizan_exit_code(const bartizan_exit* reason);
/* What a shell would see: the code; 128 + signal; 125 for a guest that failed, crashed or had to be
 * stopped. */
BARTIZAN_API int32_t bartizan_exit_process_status(const bartizan_exit* reason);
BARTIZAN_API const char* bartizan_exit_stage(const bartizan_exit* reason);
BARTIZAN_API const char* bartizan_exit_detail(const bartizan_exit* reason);
BARTIZAN_API const char* bartizan_exit_describe(const bartizan_exit* reason); /* one line */
BARTIZAN_API void bartizan_exit_free(bartizan_exit* reason);

#ifdef __cplusplus
}
#endif

#endif /* BARTIZAN_H */
