#!/usr/bin/env bash
# README.md, "By hand", in a folder of its own: an image is made, bundled, registered and run, and its page is fetched.
# scripts/on-kvm-host examples/by-hand.sh runs it here or, without a usable /dev/kvm, all of it in the lab.
set -e
make_image=$(dirname "$(readlink -f "$0")")/web-image.sh
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
"$make_image" web-oci

bartizan bundle create               # guest kernel and initrd, from /boot and our init
bartizan broker --state broker/ &    # TLS, SQLite; makes its CA and admin token
until curl -sk https://127.0.0.1:8443/ > /dev/null; do sleep 1; done
bartizan build web-oci/ -o web-cc/ --key-out web.key \
    --broker https://10.0.2.2:8443 --broker-ca broker/ca.pem
bartizan register web-cc/ --broker https://127.0.0.1:8443 --ca broker/ca.pem \
    --token-file broker/admin.token --key-file web.key --allow-simulated
bartizan run web-cc/ --tee simulated --publish 8080:80 --allow loopback:8443 &
until curl -s --fail http://127.0.0.1:8080/; do kill -0 $!; sleep 1; done
kill $(jobs -p)                      # guest and broker
