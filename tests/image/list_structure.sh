# list_structure.sh ROOT: every entry with type, mode, link target and content: what does not depend on when or by whom
# a tree was unpacked.
cd "$1" || exit 1
export LC_ALL=C
find . -mindepth 1 ! -path ./.krun_config.json -printf '%P|%y|%m|%l\n' | sort
find . -type f ! -path ./.krun_config.json -print0 | sort -z | xargs -0 -r grep -H ''
