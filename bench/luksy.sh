#!/usr/bin/env bash
# Prints the path of luksy: the one in PATH, or the Debian package (in Debian 13 and later) unpacked under build/, from
# the mirror that this system uses, without a change to the system. Says why and fails if there is none.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
command -v luksy && exit
work=$PWD/build/bench/luksy
if [ ! -x "$work/usr/bin/luksy" ]; then
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/parts"
  # The first archive of the system, key and all, in a newer suite.
  python3 - > "$work/sources.list" << 'END'
import glob, re
for name in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
    for stanza in open(name).read().split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+):\s*(.+)$", stanza, re.M))
        if fields.get("URIs", "").rstrip("/").endswith("/debian"):
            key = f"[signed-by={fields['Signed-By']}] " if "Signed-By" in fields else ""
            raise SystemExit(print(f"deb {key}{fields['URIs'].split()[0]} trixie main"))
for line in open("/etc/apt/sources.list"):
    if found := re.match(r"deb\s+(\[[^]]*\]\s+)?(\S+/debian)/?\s", line):
        raise SystemExit(print(f"deb {found[1] or ''}{found[2]} trixie main"))
raise SystemExit("bench/luksy.sh: no Debian archive among the apt sources of this system")
END
  apt=(-qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/parts"
    -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root)
  apt-get "${apt[@]}" update >&2
  (cd "$work" && apt-get "${apt[@]}" download luksy >&2 && dpkg -x luksy_*.deb .)
  rm -rf "$work"/{lists,cache,parts,luksy_*.deb}
fi
"$work/usr/bin/luksy" --help > /dev/null || { echo "bench/luksy.sh: luksy does not run here" >&2; exit 1; }
echo "$work/usr/bin/luksy"
