"""The scripts with which shells complete: one function for each shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Command", "Option", "bash", "fish", "zsh"]


class Option(NamedTuple):
    """
    A flag.

    Attributes:
        name: Without dashes.
        help: What it does.
        takes_value: Whether the word behind it is its value; if not, one may follow a ``=``.
        words: What its value can be, if that is known.
        is_file: Whether its value is a path.

    """

    name: str
    help: str
    takes_value: bool = False
    words: Sequence[str] = ()
    is_file: bool = False


class Command(NamedTuple):
    """
    What the first words choose.

    Attributes:
        path: Those words, such as ``snapshot save``; empty for the server.
        options: Its flags.
        words: What can come next, and what that is.
        takes_file: Whether a path can come next.

    """

    path: str
    options: Sequence[Option]
    words: Mapping[str, str]
    takes_file: bool = False


# ---------------------------------------------------------------------------------- bash

#: Runs in bash 3.2, and without the package bash-completion. ``=`` is a word of its own there.
_BASH = r"""# bash completion for etcdpy: etcdpy completion bash
_etcdpy() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"
    local equals="" command="" options="" words="" files="" word
    if [[ $cur == "=" ]]; then
        equals=1 cur=""
    elif [[ $prev == "=" ]]; then
        equals=1 prev="${COMP_WORDS[COMP_CWORD-2]}"
    fi
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$command $word" in
%(paths)s        *) break ;;
        esac
    done
    command="${command# }"
    COMPREPLY=()
    case "$command|$prev" in
%(values)s    esac
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        local IFS=$'\n'
        COMPREPLY=($(compgen -f -- "$cur"))
        return
    elif [[ -n $words ]]; then
        COMPREPLY=($(compgen -W "${words# }" -- "$cur"))
        return
    elif [[ -n $equals ]]; then
        return
    fi
    case "$command" in
%(commands)s    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$cur"))
    elif [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        local IFS=$'\n'
        COMPREPLY=($(compgen -f -- "$cur"))
    elif [[ $prev == "${COMP_WORDS[0]}" || -n $command ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    fi
}
complete -F _etcdpy etcdpy
"""


def bash(commands: Sequence[Command]) -> str:
    """Return the script for bash."""
    paths = "".join(f'        " {one.path}") command=" {one.path}" ;;\n' for one in commands[1:])
    values = "".join(line for one in commands for line in _bash_values(one))
    listed = "".join(map(_bash_command, commands))
    return _BASH % {"paths": paths, "values": values, "commands": listed}


def _bash_values(command: Command) -> Iterator[str]:
    for option in command.options:
        flag = f"'{command.path}|--{option.name}'"
        if option.is_file:
            yield f"    {flag}) files=1 ;;\n"
        elif option.words and option.takes_value:
            yield f"    {flag}) words='{' '.join(option.words)}' ;;\n"
        elif option.words:
            yield f'    {flag}) words="${{equals:+{" ".join(option.words)}}}" ;;\n'
        elif option.takes_value:
            yield f"    {flag}) return ;;\n"


def _bash_command(command: Command) -> str:
    options = " ".join(f"--{option.name}" for option in command.options)
    words = " ".join(command.words)
    files = " files=1" if command.takes_file else ""
    return (
        f"    '{command.path}')\n        options='{options}'\n        words='{words}'{files} ;;\n"
    )


# ----------------------------------------------------------------------------------- zsh

_ZSH = r"""#compdef etcdpy
# zsh completion for etcdpy: etcdpy completion zsh

_etcdpy() {
    local command="" word
    local -a options values
    integer taken=1
    for word in "${(@)words[2,CURRENT-1]}"; do
        case "$command $word" in
%(paths)s        *) break ;;
        esac
        (( taken++ ))
    done
    command="${command# }"
    # What is left is the command's own line.
    words=("${(@)words[taken,-1]}")
    (( CURRENT -= taken - 1 ))
    case "$command" in
%(commands)s    esac
}

if [[ $funcstack[1] == _etcdpy ]]; then
    _etcdpy "$@"
else
    compdef _etcdpy etcdpy
fi
"""


def zsh(commands: Sequence[Command]) -> str:
    """Return the script for zsh."""
    paths = "".join(f'        " {one.path}") command=" {one.path}" ;;\n' for one in commands[1:])
    listed = "".join(map(_zsh_command, commands))
    return _ZSH % {"paths": paths, "commands": listed}


def _zsh_command(command: Command) -> str:
    specs = [_zsh_option(option) for option in command.options]
    if command.words:
        # Words of shell in a spec that is one.
        found = " ".join(
            rf"{word}\:{re.sub(r'([^A-Za-z0-9])', _BACKSLASHED, text)}"
            for word, text in command.words.items()
        )
        specs.append(f"1:command:(({found}))")
    elif command.takes_file:
        specs.append("1:file:_files")
    lines = "".join(f" \\\n            {shlex.quote(spec)}" for spec in specs)
    return f"    '{command.path}')\n        _arguments{lines} ;;\n"


#: What stands for nothing but itself to zsh.
_BACKSLASHED = r"\\\1"


def _zsh_option(option: Option) -> str:
    told = re.sub(r"([\[\]:\\])", _BACKSLASHED, _short(option.help))
    if not option.takes_value:
        value = f"=-[{told}]::value:({' '.join(option.words)})" if option.words else f"[{told}]"
    elif option.is_file:
        value = f"=[{told}]:file:_files"
    else:
        value = f"=[{told}]:value:({' '.join(option.words)})"
    return f"--{option.name}{value}"


# ---------------------------------------------------------------------------------- fish

_FISH = r"""# fish completion for etcdpy: etcdpy completion fish
function __etcdpy_command
    set -l command ""
    for word in (commandline -opc)[2..-1]
        switch "$command $word"
%(paths)s            case '*'
                break
        end
    end
    string trim -- $command
end

function __etcdpy_first
    set -l command (__etcdpy_command)
    test (count (commandline -opc)) -eq (count etcdpy (string split -n ' ' -- $command))
end

complete -c etcdpy -f
%(commands)s"""


def fish(commands: Sequence[Command]) -> str:
    """Return the script for fish."""
    paths = "".join(
        f"            case ' {one.path}'\n                set command ' {one.path}'\n"
        for one in commands[1:]
    )
    lines = "".join(f"{line}\n" for one in commands for line in _fish_command(one))
    return _FISH % {"paths": paths, "commands": lines}


def _fish_command(command: Command) -> Iterator[str]:
    here = f'test "$(__etcdpy_command)" = "{command.path}"'
    for word, text in command.words.items():
        condition = shlex.quote(f"{here}; and __etcdpy_first")
        yield f"complete -c etcdpy -n {condition} -a {word} -d {_fish_text(text)}"
    if command.takes_file:
        yield f"complete -c etcdpy -n {shlex.quote(f'{here}; and __etcdpy_first')} -F"
    for option in command.options:
        takes = " -r -F" if option.is_file else " -x" if option.takes_value else ""
        if option.takes_value and option.words:
            takes += f" -a '{' '.join(option.words)}'"
        told = _fish_text(_short(option.help))
        yield f"complete -c etcdpy -n {shlex.quote(here)} -l {option.name} -d {told}{takes}"


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _short(text: str) -> str:
    """Return the first sentence of a help, without its end."""
    return text.partition(". ")[0].rstrip(".")
