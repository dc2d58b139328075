"""A device plugin for Kubernetes: the TEEs of a host as a finite resource of its node.

``python -m bartizan.device_plugin`` runs on each node (examples/kubernetes/device-plugin.yaml) and
offers ``bartizan.dev/snp``, ``/sev``, ``/sev-es`` and ``/tdx`` to the kubelet, each with as many
places as ``bartizan.probe()`` counts. It needs ``pip install 'bartizan[kubernetes]'``; the set-up
is in docs/runtimes.md.
"""
