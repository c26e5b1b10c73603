"""The house of docs/architecture.md, held: who imports whom, how large things grow, what must not exist."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "headswap"

STEPS = {
    "counted": 0, "errors": 0, "events": 0, "field_types": 0, "imports": 0, "network": 0, "threads": 0,
    "version": 0,
    "storage": 1, "plots": 1,
    "zoos": 2, "heads": 2, "data": 2, "cluster": 2,
    "features": 3, "evaluation": 3,
    "training": 4, "bundle": 4,
    "pipeline": 5, "exports": 5, "lessons": 5,
    "app/processes": 6, "app/jobs": 7, "app/service": 8, "app/ui": 9, "app/serve": 9,
    "cli": 10, "__main__": 11, "app": 11,
}  # fmt: skip
MOST_LINES, MOST_APP_LINES, MOST_FUNCTION_LINES = 400, 40, 50
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "shared"}
PRIVATE_WORDS = {  # that this project had for what the field has a name for
    "Album", "Ballot", "Beginning", "Body", "Care", "Course", "Deed", "Desk", "Door", "Doubt", "Drill",
    "Evidence", "Filling", "Foot", "Gate", "Journey", "Judgement", "Keeping", "Look", "Memory", "Owner",
    "Picture", "Pulse", "Scene", "Shared", "Show", "Sitting", "Standing", "Study", "Taught", "Top", "Verdict",
    "Walk", "Watched", "alarm_from", "doubts_of", "freeze_body", "go_further", "judge", "sitting", "study",
    "take_in", "taught_of", "teach_head", "teach_through", "twins_of",
}  # fmt: skip
PRIVATE_PARTS = {  # of any name that is given in the code
    "album", "alarm", "ballot", "chip", "clerk", "desk", "doubt", "doubts", "drill", "everyone", "exam",
    "foot", "further", "hush", "journey", "mirror", "practice", "pulse", "scene", "sitting", "strength",
    "strengths", "study", "taught", "twins", "unlike",
    "course", "deed", "deeds", "likeness", "look", "looked", "looking", "looks", "place", "places", "settle",
    "settled", "shared", "standing", "turn", "turned", "turns", "twin", "verdict", "way", "ways", "whom",
    "recipe", "recipes", "riddle", "riddles", "whoever", "nobody", "words",
    "carried", "picture", "pictures", "teach", "where",
}  # fmt: skip
PRIVATE_NAMES_THAT_STAY = {  # keys of what is on disk or answered to programs, and what callers may name
    "headswap/app/ui/api_answers.py: place",
    "headswap/app/ui/api.py: picture",
    "headswap/app/ui/api.py: pictures",
    "headswap/app/service/limits.py: pictures",  # --pictures
    "headswap/exports/litert.py: pictures",  # the input of the file
    "headswap/pipeline/api.py: teach",  # the verb
    "headswap/data/placing.py: in_place",  # the field's own word
    "headswap/lessons/glossary.py: words",  # words, each by itself
    "headswap/app/ui/widgets/text.py: in_words",  # a number in words: "four"
    "headswap/app/ui/widgets/text.py: counted_in_words",
}
PRIVATE_PARTS_OF_THE_CORE = {
    "body",
    "bodies",
}  # the page's word for a backbone; requests and HTML have a body
CORE_NAMES_THAT_STAY = {  # names of weights in a bundle
    "headswap/exports/templates/predict.py: body",
    "headswap/heads/wide.py: BODY",
    "headswap/heads/wide.py: body",
}
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle"}


def modules() -> list[Path]:
    return sorted([*PACKAGE.rglob("*.py"), *([ROOT / "app.py"] if (ROOT / "app.py").exists() else [])])


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Of a module that a dozen rules go through."""
    return tuple(ast.walk(tree))


@pytest.fixture(scope="module", autouse=True)
def no_trees_afterwards() -> Iterator[None]:
    """They are large."""
    yield
    parsed.cache_clear()
    nodes.cache_clear()


def room(path: Path) -> str:
    """The room of a file: a folder or a module of the package, below `app` one deeper; app.py is "app"."""
    if path == ROOT / "app.py":
        return "app"
    return room_of(path.relative_to(PACKAGE).with_suffix("").parts)


def room_of(parts: tuple[str, ...]) -> str:
    if parts[0] == "app" and len(parts) > 1 and parts[1] != "__init__":
        return "/".join(parts[:2])
    return parts[0]


def imports(tree: ast.AST) -> Iterator[str]:
    for node in nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "headswap":
            yield from (f"headswap.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def top_level_imports(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imports(node)


def found(rule: Callable[[Path, str, ast.Module], Iterator[str]]) -> list[str]:
    """What a rule says of every module, each complaint behind the name of its file."""
    complaints = []
    for path in modules():
        text = path.read_text(encoding="utf-8")
        complaints += [f"{path.relative_to(ROOT)}: {words}" for words in rule(path, text, parsed(path))]
    return complaints


def upward_imports(path: Path, text: str, tree: ast.Module) -> Iterator[str]:
    if path == PACKAGE / "__init__.py":
        return  # the front door opens every room
    here = room(path)
    for name in imports(tree):
        if name.startswith("."):
            yield "a relative import"
        if name.split(".")[0] != "headswap":
            continue
        there = room_of(tuple(name.split(".")[1:] or ["headswap"]))
        if there == here:
            continue
        if there not in STEPS:
            yield f"imports {there} through the front door"
            continue
        if STEPS[there] > STEPS[here]:
            yield f"{here} (step {STEPS[here]}) imports {there} (step {STEPS[there]})"
        if (PACKAGE / here).is_dir() and (PACKAGE / there).is_dir() and STEPS[there] == STEPS[here]:
            yield f"{here} imports {there} of its own step"


def heavy_imports(path: Path, text: str, tree: ast.Module) -> Iterator[str]:
    if room(path) not in ("app/ui", "app"):
        yield from (f"imports {name}" for name in imports(tree) if name.split(".")[0] == "gradio")
    late = {"timm", "transformers", "torchvision"}
    yield from (f"imports {name} early" for name in top_level_imports(tree) if name.split(".")[0] in late)


def oversize(path: Path, text: str, tree: ast.Module) -> Iterator[str]:
    lines = len(text.splitlines())
    if lines > (MOST_APP_LINES if room(path) == "app" else MOST_LINES):
        yield f"{lines} lines"
    yield from long_functions(tree)


def long_functions(tree: ast.Module) -> Iterator[str]:
    for node in nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = len((ast.get_docstring(node, clean=False) or "").splitlines())
            body = (node.end_lineno or 0) - node.lineno + 1 - docstring
            if body > MOST_FUNCTION_LINES:
                yield f"{node.name} has {body} lines"


def forbidden(path: Path, text: str, tree: ast.Module) -> Iterator[str]:
    if path.stem in NAMES_THAT_SAY_NOTHING:
        yield "a name that says nothing"
    for node in nodes(tree):
        if isinstance(node, ast.Assert):
            yield "assert on user input"
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield "a bare except"
    yield from (f"imports {name}" for name in imports(tree) if name in PICKLES)
    if re.search(r"weights_only\s*=\s*False|extractall\(", text):
        yield "unpickles or unpacks what strangers sent"
    if room(path) not in ("cli", "app", "cluster") and re.search(
        r"os\.environ\[|os\.environ\.get|os\.getenv", text
    ):
        yield "the environment is read elsewhere"


CONTAINERS = {
    "list", "dict", "set", "bytearray", "defaultdict", "deque", "Counter", "OrderedDict",
    "WeakKeyDictionary", "WeakValueDictionary", "WeakSet",
}  # fmt: skip
CHANGING = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft",
    "remove", "reverse", "setdefault", "sort", "update",
}  # fmt: skip


def changed_state(path: Path, text: str, tree: ast.Module) -> Iterator[str]:
    """What a module has for all that use it, and a function of it changes."""
    held = {name for one in tree.body if _keeps_several(one) for name in _names_given(one)}
    for node in nodes(tree):
        if isinstance(node, ast.Global):
            yield f"global {', '.join(node.names)}"
    seen = set()
    for function in nodes(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inside = list(ast.walk(function))
            own = {node.arg for node in inside if isinstance(node, ast.arg)}
            own |= {name for node in inside for name in _names_given(node)}
            seen |= {name for node in inside for name in _changed(node)} & held - own
    yield from (f"{name} is changed by a function" for name in sorted(seen))


def _keeps_several(statement: ast.stmt) -> bool:
    """Whether it gives a name to a list, a dict, a set or another container."""
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    kinds = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
    return isinstance(value, kinds) or (
        isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in CONTAINERS
    )


def _names_given(node: ast.AST) -> Iterator[str]:
    """What a statement or an expression binds."""
    targets: list[ast.expr] = []
    match node:
        case ast.Assign():
            targets = node.targets
        case ast.AnnAssign() | ast.AugAssign() | ast.NamedExpr() | ast.For() | ast.comprehension():
            targets = [node.target]
        case ast.With():
            targets = [item.optional_vars for item in node.items if item.optional_vars]
    for target in targets:
        yield from (one.id for one in ast.walk(target) if _is_stored(one))


def _is_stored(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _changed(node: ast.AST) -> Iterator[str]:
    """A name whose content an expression changes."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in CHANGING:
            yield name
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            yield name


def html_in_text(path: Path, text: str, tree: ast.Module) -> Iterator[str]:
    """HTML is built of elements, which escape; what is written out by hand is marked as such."""
    marked = [node for node in nodes(tree) if isinstance(node, ast.Call) and _name(node.func) == "Markup"]
    spared = {id(one) for call in marked for one in ast.walk(call)} | _docstrings(tree)
    looked_at = nodes(tree)
    if room(path) != "app/ui":  # the core has elements of xml.etree; a tag by itself is looked for in a page
        mixed = [node for node in nodes(tree) if isinstance(node, ast.JoinedStr)]
        looked_at = tuple(one for node in mixed for one in ast.walk(node))
    for node in looked_at:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in spared:
            yield from (
                f"HTML in text: {found}" for found in re.findall(r"</?[a-z][a-z0-9]*[ >]", node.value)
            )


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _docstrings(tree: ast.Module) -> set[int]:
    """Strings that are statements of their own."""
    return {id(node.value) for node in nodes(tree) if isinstance(node, ast.Expr)}


def without_a_header(path: Path, text: str, tree: ast.Module) -> Iterator[str]:
    if text.strip() and not ast.get_docstring(tree):
        yield "says nowhere what it is for"


def test_imports_point_down_and_packages_of_one_step_stay_apart() -> None:
    assert found(upward_imports) == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("from headswap import app", "data (step 2) imports app (step 11)"),
        ("from headswap import heads", "data imports heads of its own step"),
        ("import headswap", "imports headswap through the front door"),
        ("from headswap import train", "imports train through the front door"),
        ("from headswap import __version__", "imports __version__ through the front door"),
        ("from headswap import errors, version", None),
    ],
)
def test_an_import_from_the_package_itself_is_seen(line: str, complaint: str | None) -> None:
    said = list(upward_imports(PACKAGE / "data" / "x.py", line, ast.parse(line)))

    assert said == ([complaint] if complaint else [])


def imported_modules(path: Path) -> set[str]:
    """The modules of headswap that one names, as dotted names: late imports, and those for types, too."""
    named = set()
    for node in nodes(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            named |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
    return named


def test_no_modules_import_each_other_in_a_circle() -> None:
    named = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in modules()}
    graph = {name: imported_modules(path) & named.keys() for name, path in named.items()}

    order = list(TopologicalSorter(graph).static_order())  # a circle is an error that names it

    assert order.index("headswap.errors") < order.index("headswap.heads.wide")
    assert order.index("headswap.exports.graph") < order.index("headswap.exports.onnx")  # imported late


def test_gradio_stays_in_the_page_and_heavy_libraries_are_imported_late() -> None:
    assert found(heavy_imports) == []


def test_modules_and_functions_keep_their_size() -> None:
    assert found(oversize) == []


def test_scripts_and_benchmarks_keep_their_size() -> None:
    long = [
        str(path.relative_to(ROOT))
        for path in [*PACKAGE.rglob("*.js"), *PACKAGE.rglob("*.css"), *(ROOT / "benchmarks").rglob("*.py")]
        if len(path.read_text(encoding="utf-8").splitlines()) > MOST_LINES
    ]
    assert long == []
    benchmarks = {path: ast.parse(path.read_text("utf-8")) for path in (ROOT / "benchmarks").rglob("*.py")}
    assert {
        path.name: said for path, tree in benchmarks.items() if (said := list(long_functions(tree)))
    } == {}


def test_what_must_not_exist_does_not() -> None:
    assert found(forbidden) == []


def test_the_page_is_built_of_elements() -> None:
    assert found(html_in_text) == []


def test_no_module_has_a_state_that_changes() -> None:
    assert found(changed_state) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("_seen = {}\ndef keep(x):\n    _seen[x] = 1", ["_seen is changed by a function"]),
        (
            "_seen: set[int] = set()\nclass A:\n    def keep(self):\n        _seen.add(1)",
            ["_seen is changed by a function"],
        ),
        ("_seen = [1]\ndef last():\n    del _seen[0]", ["_seen is changed by a function"]),
        ("_seen = 0\ndef keep():\n    global _seen\n    _seen = 1", ["global _seen"]),
        ("TABLE = {}\nTABLE['a'] = 1\ndef of(x):\n    return TABLE[x]", []),
        ("seen = [1]\ndef keep(seen):\n    seen.append(1)", []),
        ("seen = [1]\ndef keep():\n    seen = []\n    seen.append(1)", []),
    ],
)
def test_a_state_that_changes_is_seen_and_a_table_or_a_local_name_is_none(code: str, said: list[str]) -> None:
    assert list(changed_state(PACKAGE / "x.py", code, ast.parse(code))) == said


def test_html_in_text_is_seen_unless_it_is_marked_or_a_docstring() -> None:
    text = '"""Draws <b>."""\ndrawn = Markup("<i>") + f"<p>{name}</p>"\nsmaller = "a < b"\n'
    tree, constant = ast.parse(text), ast.parse('begin = "<p>"')

    for place in (PACKAGE / "app" / "ui" / "x.py", PACKAGE / "exports" / "x.py"):
        assert list(html_in_text(place, text, tree)) == ["HTML in text: <p>", "HTML in text: </p>"]
    assert list(html_in_text(PACKAGE / "app" / "ui" / "x.py", "", constant)) == ["HTML in text: <p>"]
    assert list(html_in_text(PACKAGE / "exports" / "x.py", "", constant)) == []


def test_every_module_says_what_it_is_for() -> None:
    assert found(without_a_header) == []


def test_every_rule_catches_what_it_forbids() -> None:
    text = (
        "import pickle\nimport timm\nfrom . import near\nimport gradio\n\ndef long():\n" + "    pass\n" * 400
    )
    place, tree = PACKAGE / "errors" / "utils.py", ast.parse(text)

    said = {rule.__name__: list(rule(place, text, tree)) for rule in RULES}

    assert all(said.values()), said


def test_no_public_type_name_is_defined_twice() -> None:
    homes: dict[str, list[str]] = {}
    for path in modules():
        for node in nodes(parsed(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(path.relative_to(ROOT).as_posix())

    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def test_private_words_do_not_come_back_as_names() -> None:
    named = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in modules()
        for node in nodes(parsed(path))
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in PRIVATE_WORDS
    ]

    assert named == []


def given_names(node: ast.AST) -> Iterator[str]:
    """The names that a piece of code gives: to what it defines, takes or keeps."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
            yield name
        case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            yield name


def holds_one_of(words: set[str], name: str) -> bool:
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return not words.isdisjoint(re.split(r"[_-]", parts))


def names_made_of(words: set[str], paths: list[Path]) -> set[str]:
    """Every name that the code of some files gives and that holds one of the words, behind its file."""
    return {
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path in paths
        for node in nodes(parsed(path))
        for name in given_names(node)
        if holds_one_of(words, name)
    }


def test_no_name_is_made_of_a_private_word() -> None:
    named = names_made_of(PRIVATE_PARTS, modules())

    # a key of the answers to programs
    assert {name for name in named if not name.endswith(": is_unlike")} == PRIVATE_NAMES_THAT_STAY


def test_the_core_has_a_backbone_where_the_page_has_a_body() -> None:
    core = [path for path in modules() if path != ROOT / "app.py" and not room(path).startswith("app")]

    assert names_made_of(PRIVATE_PARTS_OF_THE_CORE, core) == CORE_NAMES_THAT_STAY


NOT_CODE = re.compile(
    r"//[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|`(?:\\.|[^`\\])*`", re.DOTALL
)
PAGE_NAMES_THAT_STAY = {
    "exam", "practice",  # the two lines of the chart, which the page names so
    "hs-chip", "verdict", "doubt",  # of what stands in an element whose id has the same name, and ids stay
    "look",  # the word of the button with which a picture is looked at
    "pulse",  # a dot that grows and shrinks
}  # fmt: skip
EXPORTED_NAMES_THAT_STAY = {
    "unlike", "isUnlike", "places",  # of an answer, as headswap.d.mts states it
    "pictures",  # the input of the graph
}  # fmt: skip


def web_names(text: str, kind: str) -> set[str]:
    """Every name in a script, or every class, variable, animation and `data-` attribute of a style sheet."""
    if kind == ".css":
        bare = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        return set(re.findall(r"(?:\.|--|data-|@keyframes )([A-Za-z][\w-]*)", bare))
    code = NOT_CODE.sub(
        lambda found: " ".join(re.findall(r"\$\{([^}]*)\}", found[0]) if found[0][0] == "`" else ""), text
    )
    return set(re.findall(r"[A-Za-z_$][\w$]*", code))


def private_web_names(text: str, kind: str) -> set[str]:
    return {name for name in web_names(text, kind) if holds_one_of(PRIVATE_PARTS, name)}


@pytest.mark.parametrize(
    ("folder", "stay"), [("app/ui/web", PAGE_NAMES_THAT_STAY), ("exports/web", EXPORTED_NAMES_THAT_STAY)]
)
def test_no_name_of_a_script_or_a_style_sheet_is_made_of_a_private_word(folder: str, stay: set[str]) -> None:
    files = [*(PACKAGE / folder).glob("*.js"), *(PACKAGE / folder).glob("*.css")]

    named = {
        f"{path.name}: {name}"
        for path in files
        for name in private_web_names(path.read_text(encoding="utf-8"), path.suffix)
    }

    assert len(files) > 10
    assert {one for one in named if one.partition(": ")[2] not in stay} == set()
    assert {one.partition(": ")[2] for one in named} == stay


def test_a_private_word_is_seen_in_a_script_and_in_a_style_sheet_but_not_in_their_text() -> None:
    script = "// the deed's\nconst lastDeed = `deed ${where} 'deed'`, said = 'a deed'; /* a twin */\n"
    style = "/* .twin */ #hs-doubts .many-deeds { color: var(--hs-alarm); transition: 0.5s; }\n"

    assert private_web_names(script, ".js") == {"lastDeed", "where"}
    assert private_web_names(style, ".css") == {"many-deeds", "hs-alarm"}


OLD_WORDS = re.compile(
    r"\b(whoever|whomever|somebody|nobody|anybody|everybody|anew|lest|shall|deeds?|wherein|hence|thus)\b",
    re.IGNORECASE,
)
OLD_WORDS_OF_COMMENTS = re.compile(  # in other text they are also names: of a verb, of a file on disk
    r"\b(besides?|mend|mends|mended|mending|likeness(?!\.safetensors)|gone on with)\b", re.IGNORECASE
)
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(one for one in (ROOT / ".ci").iterdir() if one.is_file()),
    *(ROOT / ".github").rglob("*.*"),
]


def old_words(path: Path, text: str, tree: ast.Module) -> Iterator[str]:
    """Words that no one says today, in comments, docstrings and any other text."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    strings = {
        id(node): node.value
        for node in nodes(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    docstrings = [strings[one] for one in _docstrings(tree) & strings.keys()]
    said = (*comments, *docstrings)
    if path.is_relative_to(PACKAGE):
        yield from (text for text in strings.values() if OLD_WORDS.search(text) and text not in docstrings)
    yield from (text for text in said if OLD_WORDS.search(text) or OLD_WORDS_OF_COMMENTS.search(text))


def test_text_is_plain_modern_english() -> None:
    assert found(old_words) == []


@pytest.mark.parametrize("folder", ["tests", "benchmarks"])
def test_comments_and_docstrings_of_tests_and_benchmarks_are_plain_modern_english(folder: str) -> None:
    files = {path: path.read_text(encoding="utf-8") for path in (ROOT / folder).rglob("*.py")}
    files.pop(Path(__file__), None)  # it names them

    seen = [
        f"{path.relative_to(ROOT)}: {text}"
        for path, whole in files.items()
        for text in old_words(path, whole, ast.parse(whole))
    ]

    assert seen == []


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda p: p.name)
def test_the_documents_are_in_plain_modern_english(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()

    assert [one for one in lines if OLD_WORDS.search(one) or OLD_WORDS_OF_COMMENTS.search(one)] == []


def test_an_old_word_is_seen_in_a_comment_a_docstring_and_a_sentence() -> None:
    text = '"""Next to it, and beside it."""\nsaid = f"{name}, whoever"  # mended\nbeside = "beside"\n'

    seen = list(old_words(PACKAGE / "x.py", text, ast.parse(text)))

    assert sorted(seen) == ["# mended", ", whoever", "Next to it, and beside it."]


RULES = (upward_imports, heavy_imports, oversize, forbidden, without_a_header)


@pytest.mark.parametrize(
    "module",
    [
        "headswap",
        "headswap.app.service.service",
        "headswap.cli.main",
        "headswap.zoos.catalogue",
        "headswap.app.jobs.queue",
    ],
)
def test_importing_the_front_doors_loads_neither_torch_nor_gradio(module: str) -> None:
    heavy = ("torch", "gradio", "timm", "transformers")
    probe = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"

    said = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"


def test_the_table_of_layers_in_the_architecture_is_the_one_that_is_held() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE)

    named = {
        name.strip("`").removesuffix(".py"): int(layer) for layer, cell in rows for name in cell.split(", ")
    }

    assert named == STEPS


def tree_paths(text: str) -> list[str]:
    """The paths that the first column of an annotated tree names."""
    paths: list[str] = []
    folders: list[str] = []
    for line in text.splitlines():
        match = re.match(r"^( *)([\w.\-]+/?)(\s{2,}.*)?$", line)
        if not match:
            continue
        depth = len(match[1]) // 4
        folders[depth:] = [match[2].rstrip("/")]
        paths.append("/".join(folders))
    return paths


@pytest.mark.parametrize("document", ["README.md", "docs/architecture.md"])
def test_the_annotated_tree_matches_the_code(document: str) -> None:
    text = (ROOT / document).read_text()
    tree = re.search(r"```text\n(app\.py.*?)```", text, re.DOTALL)
    assert tree, f"{document} has no annotated tree"

    named = tree_paths(tree[1])

    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing
    unnamed = [
        path.relative_to(ROOT).as_posix()
        for path in sorted(PACKAGE.iterdir())
        if path.suffix in ("", ".py")
        and not path.name.startswith("__")
        and path.relative_to(ROOT).as_posix() not in named
    ]
    assert not unnamed


@pytest.mark.parametrize(
    "document", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]), ids=lambda p: p.name
)
def test_documents_name_only_paths_that_exist(document: Path) -> None:
    text = document.read_text()
    paths = re.findall(r"`((?:headswap|tests|docs|benchmarks|assets)/[\w./\-]+)`", text)
    paths += [link for link in re.findall(r"\]\(([^)#:\s]+)\)", text) if not link.startswith("http")]

    missing = [path for path in paths if not (ROOT / path).exists() and not (document.parent / path).exists()]

    assert not missing
