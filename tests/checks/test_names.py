"""One type name means one thing: no two types of src have the same name, wherever they stand."""

import collections
import re

from source_tree import SOURCE, tracked

TYPE = re.compile(r"^(?:struct|class|enum class) (?:BARTIZAN_\w+(?:\(\S*\))? |\[\[\w+\]\] )?(\w+)(?: final)?(?: :[^{;]*)?[^;:<]*\{", re.M)
# Names that mean the same thing in each of their places.
SAME = {
    "Arguments",  # of a command, in its file
    "LaunchDigest",  # of SEV and of SNP: the same thing of two TEEs
}


def test_no_two_types_share_a_name():
    homes = collections.defaultdict(set)
    for folder in ("include", "src"):
        for path in tracked(".hpp", ".cpp", ".h", under=folder):
            for name in TYPE.findall(path.read_text()):
                homes[name].add(str(path.relative_to(SOURCE)))
    shared = [f"{name}: {', '.join(sorted(files))}" for name, files in homes.items() if len(files) > 1 and name not in SAME]
    assert not shared, "\n".join(sorted(shared))
