# list_tree.sh ROOT [no-links]: every entry with type, mode, link target and, if no folder, size, link count and time; then the
# SHA-256 of every file. What bartizan itself adds is left out, and link counts if so asked.
cd "$1" || exit 1
export LC_ALL=C
links="|%n"
[ "$2" = no-links ] && links=
find . -mindepth 1 ! -path ./.krun_config.json -printf '%P|%y|%m|%l' \( -type d -printf '|%T@\n' -o -printf "|%s$links|%T@\n" \) | sort
find . -type f ! -path ./.krun_config.json -print0 | sort -z | xargs -0 sha256sum
