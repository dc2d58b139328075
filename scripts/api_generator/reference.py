"""docs/reference/options.md: every option in C++, C, Python and on the command line."""

from .c_header import c_members
from .command_line import CommandLine
from .description import wrap

PAGE = "docs/reference/options.md"


def entry(names, text):
    return wrap(f"{names}: {' '.join(text.split())}", 100, "* ", "  ")


def in_c(member, struct):
    if member.type == "bool":
        return ", ".join(f"`{bit['name']}`" for flags in struct.members.values() if flags.type == "flags"
                         for bit in flags.bit if member.name in (bit.get("sets"), bit.get("clears"))) or "none"
    return ", ".join(f"`{declaration.split()[-1].lstrip('*')}`" for declaration in c_members(member)) or "none"


def option_lines(struct):
    for member in struct.members.values():
        if member.type != "flags":
            python = member.python_name or member.name
            cpp = "none" if member.type == "custom" and not member.cpp else f"`{member.cpp or member.name}`"
            names = [f"C {in_c(member, struct)}"] + ([f"C++ {cpp}"] if cpp != f"`{python}`" else [])
            names = [name for name in names if name != f"C `{python}`"]
            yield from entry(f"`{python}`" + (f" ({', '.join(names)})" if names else ""), member.sentences())


def files(description):
    lines = ["# Options", "", "<!-- Made by scripts/make-api from api/*.toml: change those. -->", "",
             *wrap("Every option of the library and of the command line. Types and limits are in the headers, "
                   "`include/bartizan/*.hpp` and `include/bartizan.h`.", 100), "", "## Library", ""]
    for struct in description.options.values():
        lines += [f"### {struct.cpp}, {struct.c}", "", *wrap(struct.doc, 100), "",
                  *option_lines(struct), ""]
    line = CommandLine()
    lines += ["## Command line", "", "Every command also has `--json` and `--help`.", ""]
    for name, command in line.commands.items():
        lines += [f"### bartizan {name.replace('bundle-', 'bundle ')}", "", f"{command['summary']}.", ""]
        for option in line.options(name):
            value = f" {option['metavar']}" if option.get("metavar") else ""
            lines += entry(f"`{option['flag'].replace(',', ', ')}{value}`", option["help"] + ".")
        lines.append("")
    yield PAGE, "\n".join(lines).rstrip("\n") + "\n"
