"""The documents as a program reads them: code in blocks and in sentences, and the commands of headswap in it.

Flow:  a page --code_of--> Code --commands_of--> Command --refusal--> what its real parser says against it

Nothing is run and nothing heavy is imported: a benchmark's parser is built from its source.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headswap.cli.shell import WrongCommand, call_of

ROOT = Path(__file__).parents[1]
SHELLS = {"console", "powershell", "sh"}
LAUNCHERS = {"python", "python3", "torchrun", "uvx"}
ELLIPSES = {"...", "…"}
IS_CUT_SHORT = re.compile(r"arguments are required|expected (one|at least one) argument")


@dataclass(frozen=True)
class Code:
    """A block of a page, or code within a sentence."""

    page: Path
    line: int  # of its first line in the page
    language: str  # "": code within a sentence, or a block without a language
    text: str
    is_block: bool

    def at(self, line: int = 0) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line + line}"


@dataclass(frozen=True)
class Command:
    """One start of headswap, or of a benchmark."""

    where: str  # file:line
    program: str  # "headswap", or "benchmarks.page"
    arguments: tuple[str, ...]
    is_whole: bool  # False: a sentence only mentions it, or an ellipsis stands for the rest


def code_of(page: Path) -> Iterator[Code]:
    """All code of a page: its blocks, then what stands between backticks in its sentences."""
    text = page.read_text(encoding="utf-8")
    blocks = list(re.finditer(r"^( *)```(\w*)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL))
    for block in blocks:
        line = text.count("\n", 0, block.start(3)) + 1
        body = re.sub(rf"^{block[1]}", "", block[3], flags=re.MULTILINE)
        yield Code(page, line, block[2], body, is_block=True)
    sentences = text
    for block in blocks:
        sentences = sentences.replace(block[0], "\n" * block[0].count("\n"), 1)  # lines keep their numbers
    for span in re.finditer(r"(?<!`)`([^`]+)`(?!`)", sentences):
        yield Code(page, sentences.count("\n", 0, span.start()) + 1, "", span[1], is_block=False)


def commands_of(code: Code) -> Iterator[Command]:
    """The commands of headswap and of its benchmarks, without prompt, variables, comment and pipe."""
    if code.is_block and code.language not in SHELLS:
        return
    for number, line in _lines(code) if code.is_block else [(0, code.text.replace("\n", " "))]:
        for words in _programs(line) if code.is_block or _names_a_program(line) else []:
            started = _started(words)
            if started is None:
                continue
            program, arguments = started
            is_whole = code.is_block and ELLIPSES.isdisjoint(arguments)
            filled = [re.sub(r"\$\{?\w+\}?", "1", word) for word in arguments if word not in ELLIPSES]
            yield Command(code.at(number), program, tuple(filled), is_whole)


def refusal(command: Command) -> str | None:
    """What the parser of a command's program says against it; None: it takes the command."""
    if command.program == "headswap":
        return _refused_by_headswap(command)
    parser = _parser_of_benchmark(command.program)
    if parser is None:
        return f"there is no {command.program}"
    said = io.StringIO()
    try:
        with redirect_stderr(said), redirect_stdout(io.StringIO()):
            parser.parse_args(command.arguments)
    except SystemExit as ended:
        if ended.code == 0:  # --help
            return None
        if command.is_whole or not IS_CUT_SHORT.search(said.getvalue()):
            return said.getvalue().strip()
    unknown = {word.partition("=")[0] for word in command.arguments if word.startswith("--")}
    unknown -= _options(parser, command.arguments)  # argparse itself takes the beginning of an option, too
    return f"{command.program} has no {', '.join(sorted(unknown))}" if unknown else None


def _refused_by_headswap(command: Command) -> str | None:
    if not command.arguments:  # the name of the program alone
        return None
    try:
        with redirect_stdout(io.StringIO()):  # --help
            call_of(command.arguments)
    except WrongCommand as wrong:
        is_cut_short = not command.is_whole and "requires an argument" in wrong.problem
        return None if is_cut_short else str(wrong)
    return None


def _lines(code: Code) -> Iterator[tuple[int, str]]:
    """The lines that a person types, each with its number; what is continued is one line."""
    start, typed = 0, ""
    for number, line in enumerate(code.text.splitlines()):
        start = start if typed else number
        typed += re.sub(r"^> ", "", line) if typed else line
        if typed.endswith("\\"):
            typed = f"{typed[:-1]} "
            continue
        if code.language != "console":
            yield start, typed
        elif typed.startswith("$ "):  # all else is what the program answers
            yield start, typed[2:]
        typed = ""


def _names_a_program(words: str) -> bool:
    """Whether code in a sentence is a command: it may be anything, and need not be readable as a shell's."""
    return words.partition(" ")[0] in {"headswap", *LAUNCHERS} or bool(re.match(r"HEADSWAP_\w+=\S+ ", words))


def _programs(line: str) -> Iterator[list[str]]:
    """The words of each program of a line: what stands between `|`, `&&`, `;` and brackets."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if word in {"{", "}"} or set(word) <= set("();<>|&"):
            yield words
            words = []
        else:
            words.append(word)
    yield words


def _started(words: list[str]) -> tuple[str, list[str]] | None:
    """Which program of this project is started, and with what; None: another program."""
    while words and re.match(r"\w+=", words[0]):
        words = words[1:]
    if not words or words[0] not in {"headswap", *LAUNCHERS}:
        return None
    for number, word in enumerate(words):
        rest = words[number + 1 :]
        if word == "headswap":
            return word, rest
        if word == "app.py":
            return "headswap", ["serve", *rest]
        if word.startswith("benchmarks."):
            return word, rest
    return None


def _parser_of_benchmark(module: str) -> argparse.ArgumentParser | None:
    """A parser that takes what the module's own takes, from its source: importing it would load torch."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    if not path.is_file():
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(prog=module)
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".add_argument"):
            for names in _names(call, tree):
                parser.add_argument(*names, **_taken(call))
    return parser


def _names(call: ast.Call, tree: ast.Module) -> list[list[str]]:
    """The names of an argument; of each, if they are made in a loop over KINDS."""
    if not isinstance(call.args[0], ast.JoinedStr):
        return [[ast.literal_eval(name) for name in call.args]]
    kinds = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "KINDS"
    ]
    return [[f"--{kind}"] for kind in kinds[0]]


def _taken(call: ast.Call) -> dict[str, Any]:
    """How many words an argument takes, and which, where its source says it as it is."""
    taken: dict[str, Any] = {}
    for keyword in call.keywords:
        said = ast.unparse(keyword.value)
        if keyword.arg == "type" and said in {"int", "float"}:
            taken["type"] = {"int": int, "float": float}[said]
        elif keyword.arg in {"action", "nargs", "required"} or (
            keyword.arg == "choices" and isinstance(keyword.value, ast.Tuple)
        ):
            taken[keyword.arg] = ast.literal_eval(keyword.value)
    return taken


def _options(parser: argparse.ArgumentParser, arguments: tuple[str, ...]) -> set[str]:
    """All options of a parser, and of the verbs of it that are named."""
    options = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name in arguments:
                options |= _options(action.choices[name], arguments) if name in action.choices else set()
    return options
