"""Digests to register, of firmware launches, through every interface: one set, the same everywhere. The firmware is made up."""

import ctypes
import hashlib
import json
import os
import struct
import subprocess
import uuid

import bartizan
import pytest
from bartizan_fixtures import BUILD

CLI = BUILD / "src/cli/bartizan"
LIBRARY = BUILD / "bindings/c/libbartizan.so.0"
TYPES = ["EPYC-Milan", "EPYC-Genoa"]


def entry(name, data, length=None):
    return data + struct.pack("<H", length or len(data) + 18) + uuid.UUID(name).bytes_le


@pytest.fixture(scope="module")
def firmware(tmp_path_factory):
    folder = tmp_path_factory.mktemp("firmware")
    table = entry("7255371f-3a3b-4b04-927b-1da6efa8d454", struct.pack("<I", 0x810C00))
    table += entry("dc886566-984a-4798-a75e-5585a7bf67cc", struct.pack("<I", 1024))
    table += entry("00f771de-1a7e-4fcb-890e-68c77e2fb44e", struct.pack("<I", 0x80B004))
    table += entry("96b582de-1fb2-45f7-baea-a366c55a082d", b"", len(table) + 18)
    sections = [(0x800000, 0x9000, 1), (0x80D000, 0x1000, 2), (0x80E000, 0x1000, 3), (0x810000, 0x1000, 0x10)]
    metadata = struct.pack("<4sIII", b"ASEV", 16 + 12 * len(sections), 1, len(sections))
    metadata += b"".join(struct.pack("<III", *section) for section in sections)
    image = bytearray(8192)
    image[-1024:-1024 + len(metadata)] = metadata
    image[-32 - len(table):-32] = table
    (folder / "ovmf.fd").write_bytes(image)
    (folder / "kernel").write_bytes(b"kernel" * 1000)
    return folder


def command(*arguments):
    return subprocess.run([str(CLI), "measure", *map(str, arguments)], capture_output=True, text=True, timeout=120)


def by_command(firmware, *arguments):
    done = command("--tee", "snp", "--ovmf", firmware / "ovmf.fd", "--kernel", firmware / "kernel", "--append", "quiet",
                   "--json", *arguments)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def python_set(firmware):
    return bartizan.measure_set(tee="snp", ovmf=firmware / "ovmf.fd", kernel=firmware / "kernel", append="quiet", vcpus=1,
                                max_vcpus=2, vcpu_types=TYPES, host_kernels=["since-6.10", "before-6.10"])


class Blob(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class MeasureOptions(ctypes.Structure):
    """bartizan_measure_options, as a program without the header would write it."""

    _fields_ = [("struct_size", ctypes.c_size_t), ("tee", ctypes.c_int32), ("vcpus", ctypes.c_uint32),
                ("max_vcpus", ctypes.c_uint32), ("ram_mib", ctypes.c_uint32), ("bundle", ctypes.c_char_p),
                ("extra_command_line", ctypes.c_char_p), ("ovmf", ctypes.c_char_p), ("kernel", ctypes.c_char_p),
                ("initrd", ctypes.c_char_p), ("append", ctypes.c_char_p), ("ovmf_digest", Blob), ("vmm", ctypes.c_int32),
                ("host_kernels", ctypes.c_uint32), ("vcpu_types", ctypes.POINTER(ctypes.c_char_p)),
                ("vcpu_type_count", ctypes.c_size_t), ("vcpu_signatures", ctypes.c_void_p),
                ("vcpu_signature_count", ctypes.c_size_t), ("guest_features", ctypes.c_uint64),
                ("c_bits", ctypes.POINTER(ctypes.c_uint32)), ("c_bit_count", ctypes.c_size_t)]


def c_set(options):
    library = ctypes.CDLL(str(LIBRARY))
    library.bartizan_string_data.restype = ctypes.c_char_p
    library.bartizan_string_data.argtypes = [ctypes.c_void_p]
    text = ctypes.c_void_p()
    options.struct_size = ctypes.sizeof(MeasureOptions)
    status = library.bartizan_measure_set(ctypes.byref(options), ctypes.byref(text), None)
    return status, json.loads(library.bartizan_string_data(text)) if status == 0 else None


def c_options(firmware):
    names = (ctypes.c_char_p * len(TYPES))(*(name.encode() for name in TYPES))
    return MeasureOptions(tee=4, vcpus=1, max_vcpus=2, ovmf=os.fsencode(firmware / "ovmf.fd"),
                          kernel=os.fsencode(firmware / "kernel"), append=b"quiet", host_kernels=3, vcpu_types=names,
                          vcpu_type_count=len(TYPES))


def test_one_set_through_every_face(firmware):
    expected = [one.to_dict() for one in python_set(firmware)]
    assert len(expected) == 2 * len(TYPES) * 2
    answer = by_command(firmware, "--vcpus", "1-2", "--vcpu-type", ",".join(TYPES), "--host-kernel", "all", "--pages")
    assert answer == {"tee": "snp", "measurements": expected}
    assert c_set(c_options(firmware)) == (0, expected)


def test_c_refuses_what_makes_no_sense(firmware):
    for member, value in (("vmm", 3), ("host_kernels", 4), ("tee", 9), ("vcpu_type_count", 0), ("max_vcpus", 5000)):
        options = c_options(firmware)
        setattr(options, member, value)
        assert c_set(options) == (-1, None), member


def test_one_launch_is_one_object(firmware):
    one = by_command(firmware, "--vcpus", 2, "--vcpu-sig", "0xa00f11")
    assert bytes.fromhex(one["digest"]) in [other.digest for other in python_set(firmware)]
    assert one["page_count"] == one["launch_milliseconds"] == 2 + 9 + 1 + 1 + 1 + 2
    assert [page["what"] for page in one["pages"]][-2:] == ["kernel_hashes", "vcpus"]


def test_sev_is_the_hash_of_the_file(firmware):
    (one,) = bartizan.measure_set(tee="sev", ovmf=firmware / "ovmf.fd", max_vcpus=4)
    assert one.digest == hashlib.sha256((firmware / "ovmf.fd").read_bytes()).digest()


def test_own_launches_have_one_digest_for_each_vcpu_count(bundle):
    # Processors and host kernels have no part in the simulated TEE's registers.
    both = ["since-6.10", "before-6.10"]
    one, two, three = bartizan.measure_set(bundle=bundle, max_vcpus=3, vcpu_types=TYPES, host_kernels=both)
    assert [measured.vcpus for measured in (one, two, three)] == [1, 2, 3]
    assert one.digest == bartizan.measure(bundle=bundle).digest
    assert three.digest == bartizan.measure(bundle=bundle, vcpus=3).digest


def test_c_bits_through_every_face(bundle):
    expected = [one.to_dict() for one in bartizan.measure_set(tee="snp", bundle=bundle, c_bits=[51, 47])]
    assert [one["c_bit"] for one in expected] == [51, 47]
    assert expected[0]["digest"] == bartizan.measure(tee="snp", bundle=bundle).digest.hex()
    assert expected[1]["digest"] == bartizan.measure(tee="snp", bundle=bundle, c_bit=47).digest.hex()
    assert expected[0]["digest"] != expected[1]["digest"]
    done = command("--tee", "snp", "--bundle", bundle, "--c-bit", "51,47", "--pages", "--json")
    assert json.loads(done.stdout) == {"tee": "snp", "measurements": expected}, done
    options = MeasureOptions(tee=4, bundle=os.fsencode(bundle), c_bits=(ctypes.c_uint32 * 2)(51, 47), c_bit_count=2)
    assert c_set(options) == (0, expected)
    # By processor: Milan and Genoa have theirs at the same place, Rome elsewhere.
    by_type = bartizan.measure_set(tee="snp", bundle=bundle, vcpu_types=["EPYC-Milan", "EPYC-Genoa", "EPYC-Rome"])
    assert [one.digest.hex() for one in by_type] == [one["digest"] for one in expected]


def test_hardware_launches_are_planned_everywhere(bundle):
    for tee, size in (("sev", 32), ("sev-es", 32), ("snp", 48), ("tdx", 48)):
        one = bartizan.measure(tee=tee, bundle=bundle)
        assert len(one.digest) == size and one.page_count <= 64, tee
        assert len(one.rtmrs) == (4 if tee == "tdx" else 0)
        done = command("--tee", tee, "--bundle", bundle, "--json")
        assert json.loads(done.stdout) == one.to_dict(), done
    assert "RTMR 2" in command("--tee", "tdx", "--bundle", bundle).stdout


def test_rtmrs_by_hand(bundle):
    # Kernel and its command line as anybody may hash them; RTMR 1 is the kernel's alone, RTMR 3 the guest's own.
    rtmrs = bartizan.measure(tee="tdx", bundle=bundle).rtmrs
    file = (bundle / "kernel").read_bytes()
    payload = file[((file[0x1F1] or 4) + 1) * 512:][:struct.unpack_from("<I", file, 0x1F4)[0] * 16]

    def extend(register, data):
        return hashlib.sha384(register + hashlib.sha256(data).digest() + bytes(16)).digest()

    assert rtmrs[1] == extend(bytes(48), payload)
    line = bartizan.read_bundle(bundle).command_line.encode() + b" bartizan.tee=tdx\0"
    assert rtmrs[2] == extend(extend(bytes(48), (bundle / "initrd").read_bytes()), line)
    assert rtmrs[3] == bytes(48)


def test_page_list_and_cost_for_a_person(firmware):
    done = command("--tee", "snp", "--ovmf", firmware / "ovmf.fd", "--vcpu-type", "EPYC-Milan", "--pages")
    assert "15 through the security processor: about 15 ms" in done.stdout, done
    assert "0x80d000" in done.stdout and "secrets, 1: secrets" in done.stdout


def test_id_block(firmware, tmp_path):
    key = tmp_path / "id.pem"
    subprocess.run(["openssl", "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", key], check=True)
    one = by_command(firmware, "--vcpu-type", "EPYC-Milan", "--id-key", key, "--id-block", tmp_path / "block", "--id-auth",
                     tmp_path / "auth", "--family-id", "07" * 16, "--guest-svn", 5)
    block = (tmp_path / "block").read_bytes()
    assert block[:48].hex() == one["digest"]
    assert block[48:64] == b"\x07" * 16 and struct.unpack_from("<II", block, 80) == (1, 5)
    made = bartizan.make_id_block(digest=block[:48], id_key=key, family_id=b"\x07" * 16, guest_svn=5)
    assert made.block == block
    auth = (tmp_path / "auth").read_bytes()
    assert made.id_key_digest == hashlib.sha384(auth[0x240:0x240 + 1028]).digest()
    # openssl is the judge of the signature: DER from the two little-endian numbers.
    numbers = [int.from_bytes(auth[at:at + 72], "little") for at in (0x40, 0x88)]
    (tmp_path / "asn1").write_text("asn1=SEQUENCE:s\n[s]\nr=INTEGER:{:#x}\ns=INTEGER:{:#x}\n".format(*numbers))
    subprocess.run(["openssl", "asn1parse", "-genconf", tmp_path / "asn1", "-out", tmp_path / "sig", "-noout"], check=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", tmp_path / "pub"], check=True)
    subprocess.run(["openssl", "dgst", "-sha384", "-verify", tmp_path / "pub", "-signature", tmp_path / "sig",
                    tmp_path / "block"], check=True)


@pytest.mark.parametrize("arguments, word, status", [
    (["--vcpus", "3-2"], "3-2", 2),
    (["--vcpus", "0"], "0", 2),
    (["--tee", "snp", "--vcpu-type", "epyc"], "EPYC-Milan-v1", 1),
    (["--host-kernel", "5.15"], "5.15", 2),
    (["--vmm", "xen"], "xen", 2),
    (["--ovmf-digest", "00"], "48 bytes", 2),
    (["--initrd", "x"], "without a firmware", 1),
    (["--c-bit", "47"], "C-bit 47", 1),
    (["--tee", "snp", "--c-bit", "64"], "C-bit 64", 1),
    (["--tee", "snp", "--c-bit", "47", "--vcpu-type", "EPYC-Rome"], "given twice", 1),
    (["--tee", "sev", "--ovmf", "/nonexistent/ovmf", "--c-bit", "47"], "C-bit", 1),
    (["--tee", "snp", "--ovmf", "/nonexistent/ovmf"], "vCPU type", 1),
    (["--tee", "snp", "--ovmf", "/nonexistent/ovmf", "--vcpu-sig", "1"], "/nonexistent/ovmf", 1),
    (["--tee", "snp", "--ovmf", "/dev/null", "--vcpu-sig", "1"], "0 bytes", 1),
])
def test_bad_input_is_named(arguments, word, status):
    done = command(*arguments)
    assert done.returncode == status, done
    assert word in done.stderr.splitlines()[0], done


def test_bad_input_in_python(firmware):
    with pytest.raises(bartizan.InvalidArgument):
        bartizan.measure_set(tee="snp", ovmf=firmware / "ovmf.fd", vcpu_types=["epyc"])
    with pytest.raises(bartizan.Corrupt):
        bartizan.measure_set(tee="sev", ovmf=firmware / "kernel")
    with pytest.raises(bartizan.InvalidArgument):
        bartizan.make_id_block(digest=b"short", id_key="/nonexistent")
