"""The Python interface of the table: driver.py OPERATION [NAME=VALUE]... prints the result's JSON, or {"error": ...}."""

import json
import pathlib
import sys

import bartizan

FIELDS = ("code", "number", "os_errno", "origin", "message", "reason", "expected", "got", "advice")


def content(path):
    return pathlib.Path(path).read_bytes().removesuffix(b"\n") if path else None


def measure(tee, bundle, guest_features="0", **_):
    return bartizan.measure(tee=tee, bundle=bundle, guest_features=int(guest_features, 0))


def build(source, output, key_file, base_image="", created=None, anonymous="", tee="", tee_config="", source_passphrase_file=""):
    return bartizan.build_image(source, output, workload_id="tiny", disk_key=content(key_file), base_image=base_image, tee=tee,
                                tee_config=pathlib.Path(tee_config).read_text() if tee_config else "",
                                source_passphrase=content(source_passphrase_file), created=int(created) if created else None, anonymous=bool(anonymous)).to_dict()


def verify(image, key_file=None):
    bartizan.verify_image(image, content(key_file))
    return {"verified": True}


def whole(path):
    return pathlib.Path(path).read_bytes() if path else b""


def tee_options(policy="0", guest_features="0", quote_service=None, **files):
    names = {"id_block": "id_block", "id_auth": "id_authentication", "certificates": "certificates",
             "owner_certificate": "owner_certificate", "session": "session",
             "platform_certificates": "platform_certificates"}
    blobs = {names[name]: whole(path) for name, path in files.items()}
    service = {} if quote_service is None else {"quote_service": quote_service}
    return bartizan.TeeOptions(policy=int(policy, 0), guest_features=int(guest_features, 0), **service, **blobs)


def launch(image, tee, bundle, kvm_device, key_file=None, port=None, huge_pages="off", harden="off", max_vcpus=0,
           max_memory=0, max_scratch=0, network="outbound", allow=None, publish_auto="", broker="",
           **options):
    publish = [bartizan.PublishedPort(int(port), 80)] if port else []
    with bartizan.Context(bundle=bundle, kvm_device=kvm_device, publish=publish, huge_pages=huge_pages, harden=harden,
                          max_vcpus=int(max_vcpus), max_ram_mib=int(max_memory), max_scratch_bytes=int(max_scratch),
                          network=network, allow=[allow] if allow else [], publish_auto=publish_auto, broker_url=broker,
                          tee_options=tee_options(**options)) as context:
        context.set_tee(tee)
        context.attach_image(image, disk_key=content(key_file))
        context.start()
    return {"started": True}


def broker(state, port, sev_root=None, request_burst="1000", trusted_proxy=None):
    with bartizan.Broker(state, port=int(port), sev_roots=[whole(sev_root)] if sev_root else [],
                         request_burst=int(request_burst), trusted_proxies=[trusted_proxy] if trusted_proxy else []):
        return {"started": True}


def register(image, url, ca, key_file, token_file=None, admin_key=None, kind="bartizan", resource_policy="", keep_resource_policy="", replace="", measurement=None, tee="simulated", **launch_options):
    info = bartizan.inspect_image(image)
    digest = bytes.fromhex(measurement) if measurement else measure(tee=tee, **launch_options).digest
    bartizan.register_workload(
        url=url,
        ca_pem=pathlib.Path(ca).read_text(),
        admin_token=content(token_file) or b"",
        admin_key=content(admin_key) or b"",
        kind=kind,
        tee=tee,
        resource_policy=bool(resource_policy),
        keep_resource_policy=bool(keep_resource_policy),
        replace=bool(replace),
        id=info.workload_id,
        workload_digest=info.workload_digest,
        measurements=[digest],
        disk_key=content(key_file),
        resource=info.resource,
        allow_simulated=True,
    )
    return {"workload_id": info.workload_id, "measurement": digest.hex()}


def evidence_of(evidence, kind):
    return bartizan.Evidence.from_json(pathlib.Path(evidence).read_text(), kind)


def judge(evidence, kind, now, policy=None):
    json_policy = pathlib.Path(policy).read_text() if policy else ""
    return bartizan.judge_evidence(evidence_of(evidence, kind), now=int(now), json=json_policy).to_dict()


OPERATIONS = {
    "judge": judge,
    "show_evidence": lambda evidence, kind: bartizan.show_evidence(evidence_of(evidence, kind)).to_dict(),
    "inspect": lambda image: bartizan.inspect_image(image).to_dict(),
    "bundle": lambda bundle: bartizan.read_bundle(bundle).to_dict(),
    "measure": lambda **arguments: measure(**arguments).to_dict(),
    "probe": lambda kvm_device, bundle=None: bartizan.probe(kvm_device=kvm_device, bundle=bundle).to_dict(),
    "build": build,
    "verify": verify,
    "launch": launch,
    "broker": broker,
    "register": register,
}

try:
    result = OPERATIONS[sys.argv[1]](**dict(pair.split("=", 1) for pair in sys.argv[2:]))
except bartizan.Error as error:
    result = {"error": {field: getattr(error, field) for field in FIELDS}}
print(json.dumps(result))
