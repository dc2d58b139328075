import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "python"))

from bartizan_fixtures import bundle, folder, image, key_file, layout, report, unpacked  # noqa: E402, F401
