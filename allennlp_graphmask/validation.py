"""Checks of what people and programs write as JSON: strict types for pydantic, and errors that name the value and its place."""

import json
import re
from functools import cache
from typing import Annotated, Any, Callable, List, Sequence, Type, TypeVar, Union

from pydantic import Field, TypeAdapter, ValidationError

T = TypeVar("T")

_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)

# Strict: 1 is not true, "1" is not a number, and nothing is converted in silence. A minimum, also one of 0, makes pydantic look at
# the characters: half of a surrogate pair is refused.
String = Annotated[str, Field(strict=True, min_length=0)]
Name = Annotated[str, Field(strict=True, min_length=1)]
Integer = Annotated[int, Field(strict=True)]
Boolean = Annotated[bool, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0)]
Sha256 = Annotated[str, Field(strict=True, pattern=r"^[0-9a-f]{64}$")]

_HALF_OF_PAIR = re.compile("[\ud800-\udfff]")
_UNKNOWN_FIELD = ("extra_forbidden", "unexpected_keyword_argument")
# Within free JSON and unions, pydantic puts the type of a value before its keys: metadata, nodes, list, 0, dict, text, str.
_TYPE_NAMES = {"dict", "list", "str", "int", "float", "bool", "constrained-str", "[key]"}


def validate(form: Type[T], value: Any, error_type: Type[Exception], name: str = "") -> T:
    """
    Check a value from JSON against a type that pydantic knows: one of its dataclasses or models, a list of these, ... Raise an
    `error_type` naming the first wrong value, its path and what was expected. Paths begin with `name`.
    """
    try:
        return _adapter(form).validate_python(value)
    except ValidationError as error:
        message = first_error(error, name)
        fields = getattr(form, "__pydantic_fields__", {})
        found = error.errors(include_url=False)[0]
        if found["type"] in _UNKNOWN_FIELD and len(found["loc"]) == 1:
            message += f" Known are {', '.join(map(repr, fields))}."
        raise error_type(message) from error


def check_characters(value: Any, error_type: Type[Exception]) -> None:
    """Raise an `error_type` if a text anywhere in JSON, a key or one that no type describes, has half of a surrogate pair."""
    try:
        json.dumps(value, ensure_ascii=False, default=repr).encode("utf-8")
    except UnicodeEncodeError as error:
        around = error.object[max(0, error.start - 30) : error.end + 30]
        half = error.object[error.start]
        raise error_type(f"{half!r} in {around!r} is half of a surrogate pair, not a character") from error


def first_error(error: ValidationError, name: str = "") -> str:
    """Describe the first mistake that pydantic found: the path of the value, the value and what was expected."""
    found = error.errors(include_url=False)[0]
    if found["type"] == "value_error":  # raised by a check of ours
        return str(found["ctx"]["error"])
    path = _path([name, *found["loc"]] if name else found["loc"]) or error.title
    if found["type"] in ("missing", "missing_argument"):
        return f"{path} is missing."
    if found["type"] in _UNKNOWN_FIELD:
        return f"{path} is not a known field."
    message = found["msg"][:1].lower() + found["msg"][1:]
    if found["type"] in ("dataclass_type", "model_type"):
        message = "input should be an object"
    half = _HALF_OF_PAIR.search(found["input"]) if found["type"] == "string_unicode" else None
    if half is not None:
        message = (
            f"{half.group()!r} at character {half.start() + 1} is half of a surrogate pair, not a character. Remove it"
        )
    return f"{path} is {found['input']!r:.60}: {message}."


def _path(location: Sequence[Union[int, str]]) -> str:
    parts: List[str] = []
    for part in location:
        if isinstance(part, int):
            parts.append(f"[{part}]")
        elif part not in _TYPE_NAMES:
            parts.append(f".{part}" if parts else part)
    return "".join(parts)
