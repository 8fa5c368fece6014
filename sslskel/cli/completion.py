"""Print what a shell needs to complete commands, flags and names of plugins; the words after `--` are completed."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from sslskel.cli.parser import Actions, actions_of, arguments_of
from sslskel.config.groups import Precision
from sslskel.config.modes import MODES
from sslskel.errors import SslskelError

# Bash takes words apart at equals signs, so that what stands before one is not printed again.
BASH = """_sslskel() {
  local IFS=$'\\n'
  COMPREPLY=($(sslskel completion bash-words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -o default -F _sslskel sslskel
"""
ZSH = """#compdef sslskel
_sslskel() {
  local -a found
  found=("${(@f)$(sslskel completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n ${found[1]} ]]; then compadd -Q -S '' -- "${found[@]}"; else _files; fi
}
compdef _sslskel sslskel
"""
FISH = """function __sslskel_words
  set -l words (commandline -opc) (commandline -ct)
  set -l found (sslskel completion words -- $words[2..-1] 2>/dev/null)
  if set -q found[1]
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c sslskel -f -a '(__sslskel_words)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
WORDS, BASH_WORDS = "words", "bash-words"
REGISTRIES_OF = {
    "method": "methods",
    "backbone": "backbones",
    "protocol": "protocols",
    "benchmark": "benchmarks",
    "pretrain_on": "benchmarks",
}
"""Flags whose values are names of plugins."""
CHOICES_OF = {
    "mode": tuple(MODES),
    "precision": [one.name for one in Precision],
    "device": ("auto", "cpu", "cuda", "mps"),
}
"""Flags whose values are checked where they are used."""
FILES_OF = {"preset": "preset", "suite": "suite", "table": "table"}
"""Arguments whose values are names of files of configs/."""
MORE_OF = {"table": ("recipes",)}
"""What stands for such a name and is none."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``sslskel completion``."""
    shells = Actions(parser, of="shell")
    for shell in SCRIPTS:
        shells.add(shell, f"print what {shell} needs")
    for name, reader in ((WORDS, "zsh and fish"), (BASH_WORDS, "bash")):
        words = shells.add(name, f"print what the last word of a command line may become, as {reader} reads it")
        words.add_argument("line", nargs="*", metavar="WORD", help="the command line behind `sslskel`")


def run(options: argparse.Namespace) -> int:
    """Print a shell's script, or the words that the last one may become."""
    if options.shell in SCRIPTS:
        print(SCRIPTS[options.shell], end="")
        return 0
    words = _joined(options.line or [""])
    try:
        choices = completions(words)
    except SslskelError:
        # A command line that is not right has nothing to complete.
        choices = []
    begin = words[-1].rpartition("=")[0] + "=" if options.shell == BASH_WORDS and "=" in words[-1] else ""
    for one in choices:
        print(one.removeprefix(begin))
    return 0


def _joined(words: Sequence[str]) -> list[str]:
    """The words as they were typed: bash hands over ``KEY``, ``=`` and ``VALUE``."""
    whole: list[str] = []
    for at, word in enumerate(words):
        if whole and at and (word == "=" or words[at - 1] == "="):
            whole[-1] += word
        else:
            whole.append(word)
    return whole


def completions(words: Sequence[str]) -> list[str]:
    """What the last of the words behind ``sslskel`` may become, sorted."""
    from sslskel.cli.command import VERBS, parser_of

    *before, last = words
    if not before:
        return _beginning(last, [*VERBS, "--help", "--version"])
    parser = parser_of(before[0])
    for word in before[1:]:
        parser = actions_of(parser).get(word, parser)
    flags = {flag: action for action in arguments_of(parser) for flag in action.option_strings}
    open_flag = flags.get(before[-1])
    if open_flag is not None and open_flag.nargs != 0:
        return _listed(last, _values(open_flag))
    if last.startswith("-"):
        name, equals, value = last.partition("=")
        if equals and name in flags:
            return [f"{name}={one}" for one in _listed(value, _values(flags[name]))]
        return _beginning(last, flags)
    choices = [*actions_of(parser), *(one for action in arguments_of(parser) for one in _positional(action, before))]
    if parser.epilog and not actions_of(parser):
        choices += _options(last)
    return _beginning(last, choices)


def _positional(action: argparse.Action, before: Sequence[str]) -> Iterable[str]:
    """Words that may stand for an argument without a flag."""
    if action.option_strings or isinstance(action.choices, dict):
        return []
    if action.choices:
        return [] if any(word in action.choices for word in before) else [str(one) for one in action.choices]
    if action.dest == "name":
        return _named(before)
    return _values(action)


def _named(before: Sequence[str]) -> Iterable[str]:
    """Names of plugins, and of what else can be shown: of the kind that was named before, or of all."""
    from sslskel.cli.show import known_names
    from sslskel.plugins.registry import REGISTRIES

    if before[0] == "show":
        known = known_names()
        chosen = [word for word in before if word in known] or known
        return [name for kind in chosen for name in known[kind]]
    asked = [f"{word}s" for word in before if f"{word}s" in REGISTRIES]
    asked += ["benchmarks"] if before[0] == "data" or "dataset" in before else []
    return [name for kind in asked or REGISTRIES for name in REGISTRIES[kind].names()]


def _values(action: argparse.Action) -> list[str]:
    """What an argument takes, where that can be listed."""
    from sslskel.plugins.encoders import encoder_folders
    from sslskel.plugins.registry import REGISTRIES, config_names

    if action.choices:
        return [str(one) for one in action.choices]
    if action.dest in CHOICES_OF:
        return [*CHOICES_OF[action.dest]]
    if action.dest in REGISTRIES_OF:
        return REGISTRIES[REGISTRIES_OF[action.dest]].names()
    if action.dest == "checkpoint":
        return [folder.name for folder in encoder_folders()]
    if action.dest in FILES_OF:
        return [*config_names(FILES_OF[action.dest]), *MORE_OF.get(action.dest, ())]
    return []


def _options(last: str) -> list[str]:
    """Options that every run has, and their choices; those of plugins would need their code."""
    from sslskel.config.groups import COMMON
    from sslskel.config.options import options_of

    group, dot, rest = last.partition(".")
    if not dot:
        return [f"{name}." for name in (*COMMON, "method", "backbone", "protocol")] if last else []
    options: dict[str, Any] = {one.name: one for one in options_of(COMMON[group])} if group in COMMON else {}
    name, equals, _ = rest.partition("=")
    if not equals:
        return [f"{group}.{one}=" for one in options]
    kind = options[name].kind if name in options else ""
    chosen = ["true", "false"] if kind == "true or false" else kind.removeprefix("one of: ").split(", ")
    return [f"{group}.{name}={one}" for one in chosen if kind.startswith(("one of", "true"))]


def _listed(last: str, values: Iterable[str]) -> list[str]:
    """The same for a comma list, of which the last entry is completed."""
    before, comma, entry = last.rpartition(",")
    taken = before.split(",")
    return [before + comma + one for one in _beginning(entry, values) if one not in taken]


def _beginning(last: str, choices: Iterable[str]) -> list[str]:
    return sorted({one for one in choices if one.startswith(last)})
