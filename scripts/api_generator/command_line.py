"""The texts of the command line, and man pages and a completion for bash of the same."""

import re
import tomllib

from .description import SOURCE, cpp_head, version, wrap

FOLDER = "src/cli/generated"


class CommandLine:
    def __init__(self):
        table = tomllib.loads((SOURCE / "api/cli.toml").read_text())
        self.summary, self.footer = table["summary"], table["footer"].strip("\n")
        self.sets, self.commands = table["sets"], table["commands"]
        for command in self.commands.values():
            command.setdefault("option", [])  # those of its sets alone

    def options(self, name):
        """All options of a command: its own replace those of its sets."""
        own = self.commands[name]["option"]
        flags = {option["flag"] for option in own}
        shared = [option for group in self.commands[name].get("sets", []) for option in self.sets[group]
                  if option["flag"] not in flags]
        return [*(o for o in own if o["flag"][0] != "-"), *shared, *(o for o in own if o["flag"][0] == "-")]


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def literal(text):
    """A text of several lines as adjacent literals."""
    return "\n    ".join(quoted(line + "\n") for line in text.strip("\n").splitlines()) or '""'


def constant(flag):
    name = flag.split(",")[0].lstrip("-")
    return "k" + "".join(word.capitalize() for word in name.lower().split("-"))


def option_line(option):
    flags = [str(bool(option.get(key))).lower() for key in ("required", "show_default", "list", "positive")]
    help_ = "\n    ".join(quoted(line) for line in split_help(option["help"]))
    return (f"inline constexpr OptionText {constant(option['flag'])} = {{\n"
            f"    {quoted(option['flag'])}, {quoted(option.get('metavar', ''))},\n    {help_},\n"
            f"    {quoted(option.get('group', ''))}, {', '.join(flags)}}};\n")


GROUPS = ("broker", "bundle", "evidence", "token")  # commands of two words; `broker` is one by itself too


def words_of(name):
    """As they are typed: "bundle-create" is two, "rotate-key" one."""
    group, _, command = name.partition("-")
    return [group, command] if group in GROUPS and command else [name]


def split_help(text):
    lines = wrap(text, 84)
    return [line + " " for line in lines[:-1]] + lines[-1:]


def command_line(name, command):
    about = command.get("about", "")
    return (f"inline constexpr CommandText kCommand = {{\n    {quoted(words_of(name)[-1])}, {quoted(command['summary'])},\n"
            f"    {literal(command['examples'])},\n    {literal(about)}}};\n")


def library_names(line):
    """Pairs: an option as the library names it in its errors, as nothing else is called, and its flag."""
    pairs = {}
    for option in sum([*line.sets.values(), *(command["option"] for command in line.commands.values())], []):
        flag = option["flag"].split(",")[0]
        names = option.get("library", flag.lstrip("-").replace("-", "_"))
        for name in [names] if isinstance(names, str) else names:
            if flag.startswith("--") and ("_" in name or name.startswith("`")):
                pairs.setdefault(name, flag)
    return sorted(pairs.items())


def header(line):
    parts = [cpp_head("Texts of the command line."), '#pragma once\n\n#include "cli/option_text.hpp"\n\n'
             "namespace bartizan::cli::text {\n\n"
             f"inline constexpr const char* kSummary = {quoted(line.summary)};\n"
             f"inline constexpr const char* kFooter =\n    {literal(line.footer)};\n"
             "inline constexpr LibraryName kLibraryNames[] = {\n"
             + "".join(f"    {{{quoted(name)}, {quoted(flag)}}},\n" for name, flag in library_names(line)) + "};\n"]
    for name, options in line.sets.items():
        parts.append(f"namespace {name} {{\n" + "".join(map(option_line, options)) + f"}}  // namespace {name}\n")
    for name, command in line.commands.items():
        space = "register_image" if name == "register" else name.replace("-", "_")  # a keyword
        options = "".join(map(option_line, command["option"]))
        parts.append(f"namespace {space} {{\n{command_line(name, command)}{options}}}  // namespace {space}\n")
    return "\n".join(parts) + "\n}  // namespace bartizan::cli::text\n"


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("…", "...")
    return re.sub(r"^\.", "\\\\&.", text, flags=re.M)


def man_option(option):
    flags, metavar = option["flag"].split(","), option.get("metavar", "")
    names = ", ".join(f"\\fB{roff(flag)}\\fR" for flag in flags) if flags[0][0] == "-" else f"\\fI{flags[0]}\\fR"
    value = f" \\fI{roff(metavar)}\\fR" if metavar else ""
    return f".TP\n{names}{value}\n{roff(option['help'].strip())}{'.' if option['help'][-1] not in '.' else ''}\n"


def man_head(title, summary):
    return (f'.\\" Made by scripts/make-api from api/cli.toml: change that.\n.TH {title.upper()} 1 "" '
            f'"bartizan {".".join(version())}" "bartizan"\n'
            f".SH NAME\n{roff(title)} \\- {roff(summary[:1].lower() + summary[1:])}\n")


def man_page(line, name):
    command, options = line.commands[name], line.options(name)
    words = " ".join(["bartizan", *words_of(name)])
    operands = " ".join(f"\\fI{o['flag']}\\fR" if o.get("required") else f"[\\fI{o['flag']}\\fR]"
                        for o in options if o["flag"][0] != "-")
    text = man_head(f"bartizan-{name}", command["summary"])
    operands += "".join(f" \\fB{roff(o['flag'].split(',')[0])}\\fR \\fI{roff(o['metavar'])}\\fR" for o in options
                        if o["flag"][0] == "-" and o.get("required"))
    text += f".SH SYNOPSIS\n\\fB{roff(words)}\\fR {operands} [\\fIOPTION\\fR]...\n"
    if command.get("about"):
        text += f".SH DESCRIPTION\n{roff(command['about'].strip())}\n"
    groups = dict.fromkeys(option.get("group", "") for option in options)
    for group in groups:
        text += f".SH {roff(group.upper() or 'OPTIONS')}\n"
        text += "".join(man_option(option) for option in options if option.get("group", "") == group)
    json = {"flag": "--json", "help": "Print the result, or the error, as one JSON object on stdout."}
    text += (".SH OUTPUT\n" + man_option(json)
             + f".SH EXAMPLES\n.EX\n{roff(command['examples'].strip(chr(10)))}\n.EE\n.SH SEE ALSO\n.BR bartizan (1)\n")
    return text


def main_page(line):
    rows = "".join(f".TP\n.BR bartizan\\-{roff(name)} (1)\n{roff(command['summary'])}.\n"
                   for name, command in line.commands.items())
    return (man_head("bartizan", line.summary) + ".SH SYNOPSIS\n\\fBbartizan\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...\n"
            f".SH COMMANDS\n{rows}.SH EXAMPLES\n.EX\n{roff(line.footer.split(chr(10) * 2)[0])}\n.EE\n"
            f".SH EXIT STATUS\n{roff(line.footer.split(chr(10) * 2)[1].removeprefix('Exit status: '))}\n")


COMPLETION = """# Made by scripts/make-api from api/cli.toml: change that. Completion of `bartizan` for bash: commands, options, files.
_bartizan() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} command=${{COMP_WORDS[1]:-}} options=
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "{commands} --help --version" -- "$word")
    return
  fi
  case $command in
{groups}
  esac
  if [ "${{COMP_WORDS[COMP_CWORD-1]}}" = --tee ]; then
    mapfile -t COMPREPLY < <(compgen -W "{tees}" -- "$word")
    return
  fi
  case $command in
{cases}
  esac
  if [ "${{word:0:1}}" = - ]; then
    mapfile -t COMPREPLY < <(compgen -W "$options --json --help" -- "$word")
  else
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}}
complete -F _bartizan bartizan
"""


def completion(line):
    flags = {name: " ".join(flag for option in line.options(name) for flag in option["flag"].split(",") if flag.startswith("--"))
             for name in line.commands}
    group = """    {name})
      if [ "$COMP_CWORD" -eq 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W "{verbs}" -- "$word")
        return
      fi
      command={name}-${COMP_WORDS[2]} ;;"""
    command_and_group = """    {name})
      if [ "$COMP_CWORD" -eq 2 ] && [ "${word:0:1}" != - ]; then
        mapfile -t COMPREPLY < <(compgen -W "{verbs}" -- "$word")
        return
      fi
      case ${COMP_WORDS[2]} in {cases}) command={name}-${COMP_WORDS[2]} ;; esac ;;"""
    verbs = {}
    for words in map(words_of, line.commands):
        if len(words) > 1:
            verbs.setdefault(words[0], []).append(words[1])
    groups = "\n".join((command_and_group if name in flags else group).replace("{name}", name).replace("{verbs}", " ".join(below))
                       .replace("{cases}", "|".join(below)) for name, below in verbs.items())
    return COMPLETION.format(groups=groups, commands=" ".join(dict.fromkeys(words_of(name)[0] for name in line.commands)),
                             tees="none simulated sev sev-es snp tdx",
                             cases="\n".join(f'    {name}) options="{options}" ;;' for name, options in flags.items()))


def files(_):
    line = CommandLine()
    yield f"{FOLDER}/.clang-format", "DisableFormat: true\n"
    yield f"{FOLDER}/texts.hpp", header(line)
    yield f"{FOLDER}/bartizan.bash", completion(line)
    yield "man/bartizan.1", main_page(line)
    for name in line.commands:
        yield f"man/bartizan-{name}.1", man_page(line, name)
