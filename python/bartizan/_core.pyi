import os
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

__version__: str
ERROR_CODES: list[tuple[str, int, str]]

_Path = str | os.PathLike[str]
_Progress = Callable[[str, int, int], bool | None]
_Log = Callable[[int, str], None]
_Event = Callable[[str], None]

# generated: enumerations and results
class Tee:
    """Trusted execution environments. none and simulated protect nothing. Equal to its number too.
    """
    none: ClassVar[Tee]
    """An ordinary virtual machine. It cannot attest."""
    simulated: ClassVar[Tee]
    """Runs the guest's SEV code on any KVM host, with a throw-away key chain."""
    sev: ClassVar[Tee]
    """AMD SEV: encrypted memory."""
    sev_es: ClassVar[Tee]
    """AMD SEV-ES: also encrypted registers."""
    snp: ClassVar[Tee]
    """AMD SEV-SNP: also integrity, and reports for remote attestation."""
    tdx: ClassVar[Tee]
    """Intel TDX."""
    __members__: ClassVar[dict[str, Tee]]
    def __init__(self, value: int) -> None: ...
    def __int__(self) -> int: ...
    def __index__(self) -> int: ...
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
    @property
    def name(self) -> str:
        """Its name."""
    @property
    def value(self) -> int:
        """Its number."""

class ExitKind:
    """How a guest ended. Equal to its number too."""
    exit_code: ClassVar[ExitKind]
    """The workload ended; the code is its exit status."""
    signal: ClassVar[ExitKind]
    """The workload was killed by a signal; the code is the signal's number."""
    guest_failure: ClassVar[ExitKind]
    """The guest's init gave up; stage and detail hold where and why."""
    shutdown: ClassVar[ExitKind]
    """The guest powered off without an exit report."""
    reset: ClassVar[ExitKind]
    """The guest reset itself without an exit report."""
    crash: ClassVar[ExitKind]
    """Triple fault, internal KVM error or similar; detail holds which."""
    stopped: ClassVar[ExitKind]
    """A stop was requested and the guest did not end by itself in time."""
    __members__: ClassVar[dict[str, ExitKind]]
    def __init__(self, value: int) -> None: ...
    def __int__(self) -> int: ...
    def __index__(self) -> int: ...
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
    @property
    def name(self) -> str:
        """Its name."""
    @property
    def value(self) -> int:
        """Its number."""

class MemoryView:
    """Two views of the memory of a stopped or running guest. Equal to its number too."""
    raw: ClassVar[MemoryView]
    """The bytes as they are. Only for the TEEs none and simulated."""
    host: ClassVar[MemoryView]
    """What the host of a TEE sees: private pages are encrypted under a key of this VM."""
    __members__: ClassVar[dict[str, MemoryView]]
    def __init__(self, value: int) -> None: ...
    def __int__(self) -> int: ...
    def __index__(self) -> int: ...
    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
    @property
    def name(self) -> str:
        """Its name."""
    @property
    def value(self) -> int:
        """Its number."""

class TeeProbe:
    """Whether a host can run a TEE."""
    @property
    def tee(self) -> Tee:
        """The TEE."""
    @property
    def available(self) -> bool:
        """Whether this host can run it."""
    @property
    def missing(self) -> str:
        """One line that names what is missing; empty if available."""
    @property
    def advice(self) -> str:
        """One line with the next step to take; empty if available."""
    @property
    def capacity(self) -> int:
        """Guests of that TEE that this host can hold at a time (ASIDs, TDX keys); 0: unlimited or
        unknown.
        """
    @property
    def in_use(self) -> int:
        """Guests of that TEE that it holds now; 0 also if unknown."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class HostProbe:
    """What a host can run, and what is missing."""
    @property
    def kvm_usable(self) -> bool:
        """The KVM device opens and has API version 12."""
    @property
    def runs_stock_kernels(self) -> bool:
        """A small probe guest in long mode finished within its time limit."""
    @property
    def kvm_missing(self) -> str:
        """One line that names what is missing if either is false."""
    @property
    def kvm_advice(self) -> str:
        """One line with the next step to take."""
    @property
    def tees(self) -> list[TeeProbe]:
        """One for each TEE, in the order of their numbers."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class MeasuredPage:
    """A run of measured pages."""
    @property
    def guest_address(self) -> int:
        """Guest physical address, a multiple of 4096."""
    @property
    def kind(self) -> str:
        """Kind of page: "normal", "zero", "vmsa" and so on."""
    @property
    def what(self) -> str:
        """Content: "kernel", "acpi", "boot_params" and so on."""
    @property
    def count(self) -> int:
        """Number of pages of 4096 bytes."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class Measurement:
    """What a launch will measure."""
    @property
    def tee(self) -> Tee:
        """The TEE that was measured for."""
    @property
    def digest(self) -> bytes:
        """48 bytes for simulated, snp and tdx; 32 for sev and sev-es; empty for none."""
    @property
    def page_count(self) -> int:
        """Pages of 4096 bytes that a launch loads, on AMD through the security processor."""
    @property
    def launch_milliseconds(self) -> int:
        """Expected time, at 1 ms per page; 0 if no security processor takes part. Unit: ms."""
    @property
    def vcpus(self) -> int:
        """Number of virtual CPUs."""
    @property
    def vcpu_type(self) -> str:
        """Processor as it was asked for, "EPYC-Milan"; empty: by signature, or none."""
    @property
    def vcpu_signature(self) -> int:
        """RDX of the first registers; 0: none was asked for."""
    @property
    def host_kernel(self) -> str:
        """"since-6.10" or "before-6.10"."""
    @property
    def c_bit(self) -> int:
        """C-bit of the guest's page tables; tdx: their shared bit; 0: none, or a firmware decides
        it.
        """
    @property
    def rtmrs(self) -> list[bytes]:
        """tdx: RTMR 0 to 3, 48 bytes each, when Linux starts; else empty."""
    @property
    def pages(self) -> list[MeasuredPage]:
        """What is measured, in order."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class IdBlock:
    """An ID block, signed by its owner."""
    @property
    def block(self) -> bytes:
        """The ID block: 96 bytes."""
    @property
    def authentication(self) -> bytes:
        """Signatures and public keys: 4096 bytes."""
    @property
    def id_key_digest(self) -> bytes:
        """Digest of the ID key as in reports: 48 bytes."""
    @property
    def author_key_digest(self) -> bytes:
        """Digest of the author key as in reports: 48 bytes, or empty."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class BundleInfo:
    """A guest bundle: kernel, initrd and default command line."""
    @property
    def path(self) -> Path:
        """The folder."""
    @property
    def kernel_release(self) -> str:
        """Release of the kernel, as uname -r prints it."""
    @property
    def kernel_sha256(self) -> str:
        """SHA-256 of the kernel in hexadecimal."""
    @property
    def initrd_sha256(self) -> str:
        """SHA-256 of the initrd in hexadecimal."""
    @property
    def kernel_bytes(self) -> int:
        """Size of the kernel."""
    @property
    def initrd_bytes(self) -> int:
        """Size of the initrd."""
    @property
    def command_line(self) -> str:
        """The default kernel command line."""
    @property
    def digest(self) -> str:
        """SHA-256 of bundle.json in hexadecimal. Bundles with different digests have different
        measurements.
        """
    @property
    def tees(self) -> list[Tee]:
        """TEEs that the kernel can be a guest of, by its configuration and modules; a launch in
        another one is refused.
        """
    @property
    def replaced_digest(self) -> str:
        """When a bundle was created: digest of the one that was there before, that of this one if
        nothing had to be written; "damaged": it could not be read as one; empty: none was.
        """
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class BuildReport:
    """A confidential image that was built, and its key."""
    @property
    def manifest(self) -> bytes:
        """The exact text of the manifest."""
    @property
    def workload_digest(self) -> bytes:
        """SHA-256 of the manifest, 32 bytes: HOST_DATA of a launch."""
    @property
    def workload_id(self) -> str:
        """Name of the workload at the broker."""
    @property
    def resource(self) -> str:
        """Name of the key at the broker."""
    @property
    def disk_key(self) -> bytes:
        """The disk key. Never in JSON."""
    @property
    def disk_bytes(self) -> int:
        """Size of /disk.img."""
    @property
    def entries(self) -> int:
        """Files, folders and links in the file system."""
    @property
    def content_bytes(self) -> int:
        """Bytes in regular files."""
    @property
    def image_digest(self) -> str:
        """Digest of the written OCI manifest, "sha256:" and so on."""
    @property
    def output(self) -> Path:
        """Folder or archive that was created, or where skopeo copied to."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class LuksKeyslot:
    """A key slot of a LUKS header: one passphrase that opens the disk."""
    @property
    def number(self) -> int:
        """Number of the slot."""
    @property
    def unbound(self) -> bool:
        """The slot holds a key, but not that of the data."""
    @property
    def kdf(self) -> str:
        """"pbkdf2", "argon2i" or "argon2id"."""
    @property
    def hash(self) -> str:
        """Hash function of PBKDF2."""
    @property
    def iterations(self) -> int:
        """Iterations of the key derivation."""
    @property
    def memory_kib(self) -> int:
        """Memory of Argon2 in KiB."""
    @property
    def threads(self) -> int:
        """Threads of Argon2."""
    @property
    def key_bytes(self) -> int:
        """Size of the stored key."""
    @property
    def cipher(self) -> str:
        """Cipher of the slot's area."""
    @property
    def offset(self) -> int:
        """Where the slot's area starts on the disk."""
    @property
    def size(self) -> int:
        """Size of the slot's area."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class LuksSegment:
    """Where the data of a LUKS disk is."""
    @property
    def number(self) -> int:
        """Number of the segment."""
    @property
    def type(self) -> str:
        """Type of the segment: "crypt"."""
    @property
    def offset(self) -> int:
        """Where it starts on the disk."""
    @property
    def size(self) -> int:
        """Its size; 0: up to the end of the disk."""
    @property
    def cipher(self) -> str:
        """Its cipher."""
    @property
    def sector_size(self) -> int:
        """Its sector size."""
    @property
    def integrity(self) -> str:
        """Its integrity algorithm, such as "hmac(sha256)"; empty: none."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class LuksInfo:
    """Content of a LUKS header of any origin. It is not authenticated: the host can write whatever
    it wants.
    """
    @property
    def version(self) -> int:
        """1 or 2."""
    @property
    def uuid(self) -> str:
        """UUID of the header."""
    @property
    def label(self) -> str:
        """Label of the header."""
    @property
    def cipher(self) -> str:
        """Cipher of the data: "aes-xts-plain64"."""
    @property
    def key_bytes(self) -> int:
        """Size of the volume key."""
    @property
    def sector_size(self) -> int:
        """Sector size of the data."""
    @property
    def data_offset(self) -> int:
        """Where the data starts on the disk."""
    @property
    def integrity(self) -> str:
        """Integrity algorithm of the data; empty: none."""
    @property
    def keyslots(self) -> list[LuksKeyslot]:
        """The key slots."""
    @property
    def segments(self) -> list[LuksSegment]:
        """The data segments."""
    @property
    def remark(self) -> str:
        """What is wrong with one of the two header copies; empty if both are valid."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class ImageInfo:
    """What can be known of an image without its key."""
    @property
    def kind(self) -> str:
        """"bartizan": a confidential image with a manifest. "krun": made by oci2cw or buildah mkcw,
        without a manifest. "disk": a disk image with a LUKS header.
        """
    @property
    def luks(self) -> LuksInfo | None:
        """The LUKS header; null if there is none."""
    @property
    def scratch_bytes(self) -> int:
        """Size of the scratch disk; 0: the workload writes to memory."""
    @property
    def host_may(self) -> str:
        """What the host may do to the workload: some of "input", "output", "signals", or "none";
        empty for an image of another tool.
        """
    @property
    def statement(self) -> str:
        """JWS of the owner about the image's version, which nothing has verified; empty: none."""
    @property
    def version(self) -> int:
        """The version in that statement; 0: none."""
    @property
    def manifest(self) -> bytes:
        """The exact text of the manifest."""
    @property
    def workload_digest(self) -> bytes:
        """SHA-256 of the manifest, 32 bytes."""
    @property
    def disk_path(self) -> Path:
        """File that holds /disk.img."""
    @property
    def disk_offset(self) -> int:
        """Where /disk.img starts in that file."""
    @property
    def disk_bytes(self) -> int:
        """Size of /disk.img."""
    @property
    def workload_id(self) -> str:
        """Name of the workload at the broker."""
    @property
    def broker_url(self) -> str:
        """URL of the broker as the guest reaches it."""
    @property
    def resource(self) -> str:
        """Name of the key at the broker."""
    @property
    def cipher(self) -> str:
        """Cipher of the disk: "aes-xts-plain64"."""
    @property
    def verity_root_hash(self) -> str:
        """Root hash of the dm-verity tree in hexadecimal."""
    @property
    def filesystem(self) -> str:
        """Type of the file system."""
    @property
    def krun_config(self) -> str:
        """JSON of the disk's KRUN footer."""
    @property
    def vcpus(self) -> int:
        """Default number of virtual CPUs of a launch."""
    @property
    def ram_mib(self) -> int:
        """Default size of the guest's memory in MiB."""
    @property
    def header_bytes(self) -> int:
        """Size of the LUKS2 header."""
    @property
    def filesystem_bytes(self) -> int:
        """Size of the encrypted file system."""
    @property
    def tree_bytes(self) -> int:
        """Size of the dm-verity superblock and tree."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class ImageDifference:
    """One thing in which two images differ."""
    @property
    def what(self) -> str:
        """"manifest/disk/verity/root_hash", "krun/cpus", "disk/data" and so on."""
    @property
    def a(self) -> str:
        """Value in the first image, empty if absent; of "disk/...": number of blocks that differ.
        """
    @property
    def b(self) -> str:
        """Value in the second image, empty if absent; of "disk/...": number of blocks."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class VerifiedEvidence:
    """Content of evidence."""
    @property
    def tee(self) -> Tee:
        """The TEE that made it."""
    @property
    def measurement(self) -> bytes:
        """Launch digest, or MRTD: 48 bytes."""
    @property
    def host_data(self) -> bytes:
        """HOST_DATA, 32 bytes, or MRCONFIGID: 48 bytes if its end is not zero."""
    @property
    def report_data(self) -> bytes:
        """REPORT_DATA: 64 bytes."""
    @property
    def policy(self) -> int:
        """Guest policy, or TD attributes."""
    @property
    def reported_tcb(self) -> int:
        """REPORTED_TCB."""
    @property
    def version(self) -> int:
        """Version of the report's form."""
    @property
    def chip_id(self) -> str:
        """CHIP_ID in hexadecimal."""
    @property
    def product(self) -> str:
        """Product: Milan, Genoa, Turin, TDX; empty: the report does not name it."""
    @property
    def signer(self) -> str:
        """Kind of key that signed it: vcek, vlek, pck."""
    @property
    def tcb(self) -> str:
        """The reported TCB by component, as JSON, as policies have minimums."""
    @property
    def vmpl(self) -> int:
        """Privilege level that asked for the report."""
    @property
    def guest_svn(self) -> int:
        """Security version of the guest, from its ID block."""
    @property
    def platform_info(self) -> int:
        """PLATFORM_INFO."""
    @property
    def runtime_measurements(self) -> list[bytes]:
        """RTMR 0 to 3 of TDX."""
    @property
    def tcb_status(self) -> str:
        """Status of the platform by TDX's TCB info."""
    @property
    def advisories(self) -> str:
        """Intel's advisories for that status, with commas."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class EvidenceCheck:
    """One check of evidence."""
    @property
    def name(self) -> str:
        """Its name, which stays."""
    @property
    def outcome(self) -> str:
        """How it ended: passed, failed, not_applicable (nothing is demanded, or nothing left to
        check).
        """
    @property
    def expected(self) -> str:
        """What the policy demands."""
    @property
    def found(self) -> str:
        """What the evidence has."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class EvidenceVerdict:
    """Every check of evidence against a policy."""
    @property
    def accepted(self) -> bool:
        """Whether no check has failed."""
    @property
    def reason(self) -> str:
        """Reason of the first check that failed, as VerificationFailed has it."""
    @property
    def message(self) -> str:
        """What is wrong, with the next step."""
    @property
    def content(self) -> VerifiedEvidence | None:
        """Content of the evidence, believed or not."""
    @property
    def checks(self) -> list[EvidenceCheck]:
        """The checks, in order."""
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""

class ExitReason:
    """How and why a guest ended. This is not an error."""
    @property
    def kind(self) -> ExitKind:
        """How the guest ended."""
    @property
    def code(self) -> int:
        """Exit status of the workload, or the number of the signal that killed it. Of a guest
        failure: 127 if the entry point is missing, 126 if it cannot be executed, else the number
        of the stage.
        """
    @property
    def stage(self) -> str:
        """Name of the boot stage that failed; empty if none did."""
    @property
    def detail(self) -> str:
        """One line with the cause; may be empty."""
    @property
    def process_status(self) -> int:
        """What a shell would see: the code; 128 + N for signal N; 127 if the image's entry point is
        missing, 126 if it cannot be executed; 125 for a guest that failed otherwise, crashed or
        had to be stopped.
        """
    def __eq__(self, other: object) -> bool: ...
    def to_dict(self) -> dict[str, Any]:
        """The JSON form of the other interfaces, as a dict: bytes are hexadecimal, secrets are missing."""
# end of generated: enumerations and results

class Evidence:
    """A signed report, with the certificates that came along."""
    def __init__(self, tee: Tee | str, report: bytes, certificates: Sequence[bytes] = ..., *,
                 revocation_lists: Sequence[bytes] = ..., event_log: bytes = ..., collateral: str = ...) -> None: ...
    def __eq__(self, other: object) -> bool: ...
    @property
    def tee(self) -> Tee:
        """The TEE that signed it."""
    @property
    def report(self) -> bytes:
        """The report as the TEE made it."""
    @property
    def certificates(self) -> list[bytes]:
        """In DER, in any order: VCEK or VLEK, ASK, ARK."""
    @property
    def event_log(self) -> bytes:
        """The event log of TDX (CCEL)."""
    def to_json(self) -> str:
        """CoCo's JSON form."""
    @staticmethod
    def from_json(json: str, tee: Tee | str) -> Evidence:
        """Reads CoCo's JSON form."""

class PublishedPort:
    """A host port that leads to a guest's."""
    def __init__(self, host_port: int = 0, guest_port: int = 0, host_address: str = "127.0.0.1", protocol: str = "tcp") -> None:
        """guest_port must be given. host_port 0: the system chooses one; see published_ports()."""
    def __eq__(self, other: object) -> bool: ...
    @property
    def host_address(self) -> str:
        """Address of the host."""
    @property
    def host_port(self) -> int:
        """Port of the host."""
    @property
    def guest_port(self) -> int:
        """Port of the guest."""
    @property
    def protocol(self) -> str:
        """"tcp" or "udp"."""

class LoadedBundle:
    """A guest bundle in memory, read and verified once: it needs its files no more, and any number of machines may start
    from it.
    """
    def __init__(self, path: _Path | None = None) -> None:
        """path: Folder of the guest bundle. Default: default_bundle_path()."""
    @property
    def info(self) -> BundleInfo:
        """What it is."""

class VsockPort:
    """A guest vsock port joined to a unix socket of the host."""
    def __init__(self, port: int, path: _Path, listen: bool = False) -> None:
        """listen False: the guest connects to (CID 2, port), and the library to the socket at path.
        True: the library listens there and connects to the guest.
        """
    def __eq__(self, other: object) -> bool: ...
    @property
    def port(self) -> int:
        """The vsock port."""
    @property
    def path(self) -> Path:
        """The unix socket."""
    @property
    def listen(self) -> bool:
        """Whether the library listens at the socket."""

class Broker:
    """Serves keys until close(), or to the end of a with block."""
    # generated: arguments of Broker
    def __init__(
        self,
        state: _Path,
        *,
        address: str = "127.0.0.1",
        port: int = 8443,
        tls_names: Sequence[str] | None = None,
        log: _Log | None = None,
        sev_roots: Sequence[bytes] = (),
        requests_per_second: int = 100,
        request_burst: int = 1000,
        trusted_proxies: Sequence[str] = (),
        collateral: _Path | None = None,
    ) -> None:
        """Starts a broker, which serves on its own threads until close().

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
            must bring all itself.
        """
    # end of generated: arguments of Broker
    @property
    def port(self) -> int:
        """The port that it listens on."""
    @property
    def url(self) -> str:
        """Its URL on this host."""
    @property
    def ca_pem(self) -> str:
        """Its certificate authority, in PEM."""
    @property
    def admin_token_path(self) -> Path:
        """The file with its administrator's token."""
    def close(self) -> None:
        """Stops serving."""
    def __enter__(self) -> Broker: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

class SevMeasurement:
    """What the security processor reports about a SEV launch before it runs."""
    @property
    def measure(self) -> bytes:
        """HMAC-SHA256 under the key of the owner's session."""
    @property
    def nonce(self) -> bytes:
        """The security processor's nonce, which the HMAC covers."""
    @property
    def digest(self) -> bytes:
        """The launch digest by this host's word: compare, do not trust."""
    @property
    def policy(self) -> int:
        """The guest policy of the launch."""
    @property
    def secret_address(self) -> int:
        """Where the guest looks for a secret."""

class SevSecret:
    """A secret that the owner sealed to a SEV launch."""
    def __init__(self, header: bytes, ciphertext: bytes, guest_address: int = 0) -> None: ...
    def __eq__(self, other: object) -> bool: ...
    @property
    def header(self) -> bytes:
        """Flags, IV and MAC: 52 bytes."""
    @property
    def ciphertext(self) -> bytes:
        """A multiple of 16 bytes."""
    @property
    def guest_address(self) -> int:
        """Where it goes; 0: SevMeasurement.secret_address."""

class TeeOptions:
    """What ties a launch in a hardware TEE to its owner."""
    # generated: arguments of TeeOptions
    def __init__(
        self,
        *,
        policy: int = 0,
        guest_features: int = 0,
        id_block: bytes = b"",
        id_authentication: bytes = b"",
        certificates: bytes = b"",
        owner_certificate: bytes = b"",
        session: bytes = b"",
        owner: Callable[[SevMeasurement], SevSecret | None] | None = None,
        quote_service: str = "/var/run/tdx-qgs/qgs.socket",
        require_certificates: bool = False,
        platform_certificates: bytes = b"",
    ) -> None:
        """Options of hardware TEEs.

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
            manifest then owns the launch; excludes owner_certificate, session and owner.
        """
    # end of generated: arguments of TeeOptions
    def ask_owner(
        self, measure: bytes, nonce: bytes, digest: bytes, policy: int, secret_address: int = 0
    ) -> SevSecret | None:
        """What the owner answers to such a measurement, as a launch would ask: for rehearsals."""

class Context:
    """A confidential VM inside this process: the four verbs."""
    # generated: arguments of Context
    def __init__(
        self,
        *,
        name: str = "machine",
        vcpus: int = 0,
        ram_mib: int = 0,
        bundle: _Path | None = None,
        extra_command_line: str = "",
        kvm_device: _Path = "/dev/kvm",
        network: str = "outbound",
        allow: Sequence[str] = (),
        stdin_fd: int = -1,
        stdout_fd: int = -1,
        publish: Sequence[PublishedPort] = (),
        publish_auto: str = "",
        vsock: Sequence[VsockPort] = (),
        scratch_disk: _Path | None = None,
        log: _Log | None = None,
        guest_log: _Log | None = None,
        tee_options: TeeOptions | None = None,
        huge_pages: str = "off",
        max_vcpus: int = 0,
        max_ram_mib: int = 0,
        max_scratch_bytes: int = 0,
        events: _Event | None = None,
        harden: str = "off",
        broker_url: str = "",
        loaded_bundle: LoadedBundle | None = None,
    ) -> None:
        """Creates a machine. Nothing of the host is touched before the start.

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
            folder `bundle`.
        """
    # end of generated: arguments of Context
    def set_tee(self, tee: Tee | str) -> None:
        """Chooses the TEE to launch in. Without this call it is Tee.none."""
    def attach_luks_disk(
        self, path: _Path, manifest: bytes, *, offset: int = 0, size: int = 0, disk_key: bytes | None = None
    ) -> None:
        """Attaches the disk of a confidential image, together with its manifest.

        path: The file that holds the disk image.
        manifest: The exact bytes of the manifest.
        offset, size: Where the disk image is in that file. Default: all of it.
        disk_key: As of attach_image.
        """
    def attach_image(self, image: _Path, *, disk_key: bytes | None = None) -> None:
        """Attaches disk and manifest of a confidential image, and takes its vCPUs and RAM where the
        machine's options leave them open.

        image: OCI layout folder or archive, or the root folder of an unpacked image.
        disk_key: The key, handed to the guest in the clear, for tests. Default: the guest
            fetches it from the manifest's broker by attestation.
        """
    def start(self) -> None:
        """Launches and returns while the guest runs."""
    def start_enter(self) -> ExitReason:
        """start(), then wait() without a limit."""
    def wait(self, timeout: float | None = None) -> ExitReason:
        """Blocks until the guest has ended; TimedOut after `timeout` seconds. Any thread, and
        several at once; close() ends it. In a coroutine: await the context instead.
        """
    def wait_for(self, event: str, timeout: float | None = None) -> None:
        """Blocks until "attested", "ready" or "exited" has happened to the guest: TimedOut after
        `timeout` seconds, InvalidState if the guest ended without it. In a coroutine: let the
        context's `events` call loop.call_soon_threadsafe.
        """
    def next_event(self) -> str | None:
        """Takes the oldest event that nobody has taken yet. None: none waits."""
    def event_fd(self) -> int:
        """Readable while next_event() has one: for select and friends."""
    def pause(self) -> None:
        """Stops the guest's processors until resume(), or until a stop is requested. Its devices
        stay, so that what is sent to it waits, and its clock goes on.
        """
    def resume(self) -> None:
        """Lets the guest's processors go on. One call undoes every pause before it."""
    async def wait_async(self) -> ExitReason:
        """Waits for the guest's end without blocking the event loop; `await context` does the same.
        Needs no thread. Cancelled, it leaves the guest running.
        """
    def __await__(self) -> Generator[Any, None, ExitReason]: ...
    def fileno(self) -> int:
        """Readable once the guest has ended: for select and friends."""
    def request_stop(self, grace_ms: int = 10000) -> None:
        """Sends the workload its stop signal, and ends the machine grace_ms later. Before the
        start: the start is refused (Cancelled).
        """
    def send_signal(self, signal_number: int) -> None:
        """Sends a signal to the workload. SIGWINCH, if stdin_fd or stdout_fd is a terminal: its
        size goes to the workload's terminal.
        """
    def stats(self) -> dict[str, Any]:
        """Where the time and the exits went, as a dict."""
    def published_ports(self) -> list[PublishedPort]:
        """The published ports, with the host ports that the system chose."""
    @property
    def memory_size(self) -> int:
        """Size of guest RAM in bytes."""
    def read_memory(self, view: MemoryView, offset: int, size: int) -> bytes:
        """Bytes of guest RAM, which is counted from 0 without holes."""
    def count_in_memory(self, view: MemoryView, pattern: bytes) -> int:
        """How often the bytes occur in all of guest RAM."""
    def close(self) -> None:
        """Stops a running guest at once and frees it. Waits on other threads return with the
        reason, ExitKind.stopped, and so does a later wait.
        """
    def __enter__(self) -> Context: ...
    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

# generated: functions
def probe(
    *,
    kvm_device: _Path = "/dev/kvm",
    guest_time_limit_ms: int = 2000,
    bundle: _Path | None = None,
) -> HostProbe:
    """Probes what this host can run. Something that is missing is part of the result.

    kvm_device: The KVM device.
    guest_time_limit_ms: Time limit of the probe guest. KVM back ends that emulate long mode
        exceed it. Unit: ms.
    bundle: Guest bundle: a TEE that its kernel cannot be a guest of is not available.
        Default: no bundle is looked at.
    """

def measure(
    *,
    tee: Tee | str = "simulated",
    vcpus: int = 1,
    ram_mib: int = 512,
    bundle: _Path | None = None,
    extra_command_line: str = "",
    guest_features: int = 0,
    c_bit: int = 0,
) -> Measurement:
    """Computes what a launch will measure. Needs neither KVM nor privileges.

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
        for sev, sev-es and snp; the other TEEs have no choice.
    """

def measure_set(
    *,
    tee: Tee | str = "simulated",
    vcpus: int = 1,
    max_vcpus: int = 0,
    ram_mib: int = 512,
    bundle: _Path | None = None,
    extra_command_line: str = "",
    ovmf: _Path | None = None,
    kernel: _Path | None = None,
    initrd: _Path | None = None,
    append: str = "",
    ovmf_digest: bytes = b"",
    vmm: str = "qemu",
    host_kernels: Sequence[str] = ("since-6.10",),
    vcpu_types: Sequence[str] = (),
    vcpu_signatures: Sequence[int] = (),
    guest_features: int = 0,
    c_bits: Sequence[int] = (),
) -> list[Measurement]:
    """Computes every digest that a launch may have: one for each number of vCPUs, processor or
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
        Default: what vcpu_types and vcpu_signatures have, or 51.
    """

def make_id_block(
    *,
    digest: bytes,
    family_id: bytes = b"",
    image_id: bytes = b"",
    policy: int = 0x30000,
    guest_svn: int = 0,
    id_key: _Path,
    author_key: _Path | None = None,
) -> IdBlock:
    """Signs what an snp launch must be. A launch of anything else then fails.

    digest: The launch digest that the guest must have. 48 bytes. Required.
    family_id: The owner's own numbering; appears in the report. 16 bytes. Default: zeros.
    image_id: The owner's own numbering; appears in the report. 16 bytes. Default: zeros.
    policy: Guest policy of the launch.
    guest_svn: Version of the guest; appears in the report.
    id_key: File with the ID key: PEM, ECDSA P-384. Required.
    author_key: File with the author key, which vouches for the ID key: PEM, ECDSA P-384.
        Default: none.
    """

def create_bundle(
    *,
    kernel: _Path | None = None,
    modules: _Path | None = None,
    init: _Path | None = None,
    output: _Path | None = None,
    extra_command_line: str = "",
    progress: _Progress | None = None,
) -> BundleInfo:
    """Creates a guest bundle from a distribution's kernel and the guest's init.

    kernel: The guest's kernel, a bzImage. Its configuration is config-RELEASE beside it, or
        "config" in the folder of its modules. Default: the Debian kernel under /boot that
        can be a guest of most TEEs; of equal ones the newest.
    modules: Folder with the kernel's modules. Default: the folder under /lib/modules of the
        kernel's release.
    init: The guest's init, a static program. Default: the installed one.
    output: Folder to create. Default: default_bundle_path().
    extra_command_line: Text that is appended to the default kernel command line.
    progress: Called as the work goes on; can cancel it.
    """

def build_image(
    source: _Path,
    output: _Path,
    *,
    reference: str = "",
    output_reference: str = "latest",
    workload_id: str = "",
    broker_url: str = "",
    broker_ca_pem: str = "",
    resource: str = "",
    vcpus: int = 0,
    ram_mib: int = 0,
    network: bool = True,
    disk_key: bytes | None = None,
    reproducible: bool = False,
    anonymous: bool = False,
    force: bool = False,
    progress: _Progress | None = None,
    base_image: _Path | None = None,
    base_reference: str = "",
    created: int | None = None,
    scratch_bytes: int = 0,
    recovery_passphrase: bytes | None = None,
    host_may: str = "",
    add_files: Sequence[str] = (),
    tee: str = "",
    tee_data: str = "",
    tee_config: str = "",
    source_passphrase: bytes | None = None,
    signing_key: bytes | None = None,
    version: int = 0,
) -> BuildReport:
    """Builds a confidential image from an OCI image. Needs neither root nor KVM.

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
    version: The version that signing_key vouches for, 1 at least.
    """

def verify_evidence(
    evidence: Evidence,
    *,
    allow_simulated: bool = False,
    allow_debug: bool = False,
    measurements: Sequence[bytes] = (),
    host_data: bytes = b"",
    report_data: bytes = b"",
    minimum_tcb: int = 0,
    now: int = 0,
    json: str = "",
    collateral: _Path | None = None,
) -> VerifiedEvidence:
    """Verifies evidence against a policy; raises VerificationFailed with the reason.

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
        came without. Default: none.
    """

def judge_evidence(
    evidence: Evidence,
    *,
    allow_simulated: bool = False,
    allow_debug: bool = False,
    measurements: Sequence[bytes] = (),
    host_data: bytes = b"",
    report_data: bytes = b"",
    minimum_tcb: int = 0,
    now: int = 0,
    json: str = "",
    collateral: _Path | None = None,
) -> EvidenceVerdict:
    """Makes every check of a policy; raises for malformed evidence or policy, not for a
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
        came without. Default: none.
    """

def register_workload(
    *,
    url: str,
    ca_pem: str,
    admin_token: bytes = b"",
    kind: str = "bartizan",
    admin_key: bytes = b"",
    admin_issuer: str = "",
    admin_audience: str = "",
    admin_role: str = "admin",
    reference_values: bool = True,
    resource_policy: bool = False,
    keep_resource_policy: bool = False,
    replace: bool = False,
    id: str,
    workload_digest: bytes = b"",
    measurements: Sequence[bytes],
    allow_simulated: bool = False,
    allow_debug: bool = False,
    minimum_tcb: int = 0,
    resource: str = "",
    disk_key: bytes,
    tee: Tee | str = "snp",
    policy: str = "",
    signer: str = "",
    minimum_version: int = 0,
) -> None:
    """Registers a workload and its key. AlreadyExists if its id is registered with other
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
        got it ever does.
    """

def trustee_resource_policy(
    *,
    id: str,
    workload_digest: bytes = b"",
    measurements: Sequence[bytes],
    allow_debug: bool = False,
    resource: str = "",
    tee: Tee | str = "snp",
) -> str:
    """Makes a policy (Rego) for Trustee's KBS that releases the workload's resource to one of
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
        their owner.
    """
# end of generated: functions

def vcpu_type_names() -> list[str]:
    """Processors that measure_set knows by name."""

def read_bundle(path: _Path | None = None) -> BundleInfo:
    """Reads a guest bundle and verifies its digests."""

def default_bundle_path() -> Path:
    """Returns the path of the bundle that is used where none is given."""

def diff_images(a: _Path, b: _Path) -> list[ImageDifference]:
    """In what two images differ, as far as can be seen without a key; empty: in nothing."""

def inspect_image(image: _Path, reference: str = "") -> ImageInfo:
    """What is public about a confidential image."""

def verify_image(image: _Path, disk_key: bytes | None = None, *, progress: _Progress | None = None) -> None:
    """Checks an image's disk against its manifest, and a key against the disk."""

def show_evidence(evidence: Evidence) -> VerifiedEvidence:
    """What evidence contains, without judging it: nothing of it is proven."""

def request_key(
    url: str,
    ca_pem: str,
    resource: str,
    source: Callable[[bytes], Evidence],
    *,
    tee: Tee | str = ...,
    timeout_ms: int = 30000,
) -> bytes:
    """The guest's side of a key release; source(report_data) gives the Evidence."""

def check_disk_key(image: _Path, disk_key: bytes) -> None:
    """Tries a key on the image's key slot: VerificationFailed if it does not open the disk."""

def list_workloads(*, url: str, ca_pem: str, admin_token: bytes) -> list[dict[str, Any]]:
    """All registrations of bartizan's own broker: a list of dicts."""

def show_workload(*, url: str, ca_pem: str, admin_token: bytes, workload_id: str) -> dict[str, Any]:
    """One registration of bartizan's own broker, by id or digest: a dict."""

def unregister_workload(*, url: str, ca_pem: str, admin_token: bytes, workload_id: str) -> None:
    """Removes a registration and its key from bartizan's own broker. The audit remains."""

def rotate_key(*, url: str, ca_pem: str, admin_token: bytes, workload_id: str, disk_key: bytes) -> None:
    """Puts another key in the place of a registration's; guests attest again."""

def expire_workload(*, url: str, ca_pem: str, admin_token: bytes, workload_id: str, at: int) -> None:
    """From `at` on, seconds since the epoch, it releases nothing; 0: it has no end."""

def broker_audit(*, url: str, ca_pem: str, admin_token: bytes, workload_id: str) -> list[dict[str, Any]]:
    """What was decided about a workload and changed by its owner, newest first: a list of dicts."""

def create_token(
    *, url: str, ca_pem: str, admin_token: bytes, name: str, scope: str, expires: int
) -> bytes:
    """Makes another token of scope read, register or admin; expires 0: it has no end."""

def list_tokens(*, url: str, ca_pem: str, admin_token: bytes) -> list[dict[str, Any]]:
    """The tokens of administrators, without their values: a list of dicts."""

def revoke_token(*, url: str, ca_pem: str, admin_token: bytes, name: str) -> None:
    """Revokes a token."""

def backup_broker(state: _Path, output: _Path) -> None:
    """Writes all of a broker's state folder into a new file, while it serves."""

def restore_broker(state: _Path, file: _Path) -> None:
    """Makes a state folder, missing or empty before, of such a file."""

def check_broker(state: _Path) -> dict[str, Any]:
    """Checks store, audit, files and certificates of a state folder: a dict of good and checks."""

def verify_audit(state: _Path, noted_head: str = "") -> dict[str, Any]:
    """Follows the chain of a state folder's audit: a dict of entries, head and outside. \
noted_head: one that was noted before, which an entry must have."""
