"""Makes a confidential image as one file, on a base image, and tells Trustee's KBS who may have its key, with the Python
package:

    python3 publish.py SOURCE BASE OUTPUT.tar KBS_URL KBS_CA ADMIN_KEY MEASUREMENT

MEASUREMENT is the launch's, in hexadecimal (bartizan measure --tee snp).
"""

import sys
from pathlib import Path

import bartizan


def progress(stage, done, total):
    print(f"{stage} {done} of {total}", file=sys.stderr)  # returning False would cancel, and leave nothing


def publish(source, base, output, url, ca, admin_key, measurement):
    image = bartizan.build_image(source, output, base_image=base, progress=progress)
    bartizan.register_workload(
        kind="trustee",
        url=url,
        ca_pem=Path(ca).read_text(),
        admin_key=Path(admin_key).read_bytes(),
        resource_policy=True,
        id=image.workload_id,
        workload_digest=image.workload_digest,
        measurements=[bytes.fromhex(measurement)],
        resource=image.resource,
        disk_key=image.disk_key,
        tee="snp",
    )
    return image.image_digest


if __name__ == "__main__":
    if len(sys.argv) != 8:
        sys.exit("usage: publish.py SOURCE BASE OUTPUT.tar KBS_URL KBS_CA ADMIN_KEY MEASUREMENT")
    try:
        print(publish(*sys.argv[1:]))
    except bartizan.Error as error:
        sys.exit(str(error))
