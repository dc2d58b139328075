"""A device plugin for Kubernetes: the TEEs of a host as a finite resource of its node.

``python -m bartizan.device_plugin`` runs on each node (examples/kubernetes/device-plugin.yaml) and offers ``bartizan.dev/snp``,
``bartizan.dev/sev``, ``bartizan.dev/sev-es`` and ``bartizan.dev/tdx`` to the kubelet, each with as many places as ``bartizan.probe()``
counts. It needs ``pip install 'bartizan[kubernetes]'``. docs/runtimes.md has the set-up.
"""
