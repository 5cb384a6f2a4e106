"""From what pydantic found wrong to problems with a place, in the words of the YAML files."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from types import MappingProxyType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.errors import Problem
from gateway.policy.nodes import DOUBLE, KEY, Path, Trap, Tree
from gateway.policy.values import shown

M = TypeVar("M", bound=BaseModel)

_EXPECTED = MappingProxyType(
    {
        "string_type": "text",
        "int_type": "a whole number",
        "bool_type": "true or false",
        "list_type": "a list",
        "dict_type": "a mapping",
        "model_type": "a mapping",
        "model_attributes_type": "a mapping",
    }
)


def parsed(file: str, tree: Tree, model: type[M]) -> tuple[M | None, tuple[Problem, ...]]:
    """The tree as the model, or everything that is wrong with it."""
    if tree.value is None and tree.problems:
        return None, tree.problems
    try:
        found = model.model_validate(tree.value)
    except ValidationError as error:
        details = [d for d in error.errors() if DOUBLE not in "".join(map(str, d["loc"]))]
        problems = (_problem(file, tree, model, detail) for detail in details)
        return None, (*tree.problems, *problems)
    return (None, tree.problems) if tree.problems else (found, ())


def place(tree: Tree, path: Iterable[str | int], *, key: bool = False) -> tuple[int, int]:
    """Line and column of a value, or of its key, or else of what is nearest around it."""
    found = _known(tree, path)
    if key and (*found, KEY) in tree.marks:
        return tree.marks[(*found, KEY)]
    return tree.marks.get(found, (1, 1))


def _known(tree: Tree, loc: Iterable[str | int]) -> Path:
    """The part of an error's location that stands in the file: pydantic adds names of its own."""
    path: Path = ()
    for step in loc:
        if (*path, step) in tree.marks:
            path = (*path, step)
    return path


def _problem(file: str, tree: Tree, model: type[BaseModel], detail: ErrorDetails) -> Problem:
    loc, kind = detail["loc"], detail["type"]
    on_key = kind == "extra_forbidden" or (bool(loc) and loc[-1] == "[key]")
    path = [step for step in loc if step != "[key]"]
    if kind == "missing":
        path.pop()
    return Problem(file, *place(tree, path, key=on_key), _text(model, detail))


def _text(model: type[BaseModel], detail: ErrorDetails) -> str:
    kind, loc, value = detail["type"], detail["loc"], detail["input"]
    context = detail.get("ctx", {})
    field = loc[-1] if loc else ""
    if kind == "extra_forbidden":
        return f"unknown field `{field}`; {suggestion(str(field), _fields(model, loc[:-1]))}"
    if kind == "missing":
        return f"`{field}` is missing"
    if kind == "literal_error":
        choices = [
            word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")
        ]
        return f"{shown(value)} is none of the choices; {suggestion(str(value), choices)}"
    if kind == "union_tag_not_found":
        return "`type` is missing; expected file, s3, azure, gcs or sftp"
    if kind == "union_tag_invalid":
        choices = context["expected_tags"].replace("'", "").split(", ")
        return f"`{context['tag']}` is no type of store; {suggestion(str(context['tag']), choices)}"
    if kind == "too_short":
        return "nothing is listed here; expected at least one entry"
    if kind == "too_long":
        return f"more than {context['max_length']} entries"
    if kind == "string_too_short":
        return "expected some text"
    if kind == "crossdock":
        return str(detail["msg"])
    return _wrong_type(kind, value) or str(detail["msg"])


def _wrong_type(kind: str, value: Any) -> str:
    expected = _EXPECTED.get(kind, "")
    if isinstance(value, Trap):
        return str(value) if expected == "text" else f"expected {expected}, not {shown(value)}"
    if expected == "text" and isinstance(value, int):
        return f"expected text, not the bare {shown(value)}; put it in quotes"
    return f"expected {expected}, not {shown(value)}" if expected else ""


def suggestion(word: str, choices: Iterable[str]) -> str:
    """Did you mean …? Else what there is to choose from."""
    known = sorted(choices)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    return "expected " + (f"one of {', '.join(known[:12])}" if known else "none")


def _fields(model: Any, loc: Iterable[str | int]) -> list[str]:
    """The fields of the model at this place."""
    here: Any = model
    for step in loc:
        here = _inner(here, step)
    return [info.alias or name for name, info in _models(here)[0].model_fields.items()]


def _inner(annotation: Any, step: str | int) -> Any:
    """The type of one step further down; a step that names the member of a union picks it."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _inner(args[0], step)
    if origin in (Union, UnionType):
        models = _models(annotation)
        picked = [m for m in models if _tag(m) == step]
        return picked[0] if picked else _inner(models[0], step)
    if origin in (list, dict):
        return args[-1]
    for name, info in annotation.model_fields.items():
        if step in (info.alias, name):
            return info.annotation
    return annotation


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for arg in get_args(annotation) for model in _models(arg)]


def _tag(model: type[BaseModel]) -> str:
    field = model.model_fields.get("type")
    args = get_args(field.annotation) if field else ()
    return str(args[0]) if args else ""
