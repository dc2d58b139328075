"""The exception classes, one for each code of include/bartizan/errors.def (which _core tells as ERROR_CODES).

Each derives from Error and from the builtin that a caller would expect, so that `except FileNotFoundError` works.
VerificationFailed derives from Error alone: no broad `except OSError` or `except ValueError` shall swallow a failed check.
"""

from . import _core

# The natural builtin of a code; a code that is not here has none.
_BUILTINS = {
    "invalid_argument": ValueError,
    "invalid_state": RuntimeError,
    "not_found": FileNotFoundError,
    "already_exists": FileExistsError,
    "permission_denied": PermissionError,
    "unsupported": NotImplementedError,
    "resource_exhausted": OSError,
    "io": OSError,
    "corrupt": ValueError,
    "protocol": ConnectionError,
    "timed_out": TimeoutError,
    "internal": RuntimeError,
}


class Error(Exception):
    """What went wrong: code ("not_found"), number (-3), os_errno, origin, message; for a failed check also reason,
    expected and got. str() is one line with all of it."""

    code = "unknown"
    number = 0
    advice = ""

    def __init__(self, description="", *, os_errno=0, origin="", message="", reason="", expected="", got=""):
        super().__init__(description)
        self.description = description
        self.os_errno = os_errno
        self.origin = origin
        self.message = message
        self.reason = reason
        self.expected = expected
        self.got = got
        if isinstance(self, OSError):
            self.errno = os_errno or None

    def __str__(self):
        return self.description


def _class_of(name, number, advice):
    builtin = _BUILTINS.get(name)
    bases = (Error, builtin) if builtin else (Error,)
    title = "".join(word.capitalize() for word in name.split("_"))
    members = {"__doc__": advice, "__module__": "bartizan", "code": name, "number": number, "advice": advice}
    return type(title, bases, members)


_CLASSES = {number: _class_of(name, number, advice) for name, number, advice in _core.ERROR_CODES}
globals().update({error.__name__: error for error in _CLASSES.values()})
Error.__module__ = "bartizan"


def make_error(number, description, **fields):
    """Called by _core."""
    return _CLASSES.get(number, Error)(description, **fields)
