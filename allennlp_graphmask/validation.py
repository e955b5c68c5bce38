"""Checks of what people and programs write as JSON: strict types for pydantic, and errors that name the value and its place."""

import codecs
import json
import re
from collections import Counter
from functools import cache
from typing import Annotated, Any, Callable, Dict, List, Sequence, Tuple, Type, TypeVar, Union

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

#: How many levels deep JSON that is kept as metadata may be nested. Code that walks through it calls itself for each level.
MAX_NESTING = 100

_HALF_OF_PAIR = re.compile("[\ud800-\udfff]")
_TOO_DEEP = "it is nested too deeply"
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


def decode_utf8(content: bytes) -> str:
    """Raise a `ValueError` naming the byte, if it is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(describe_wrong_byte(error)) from error


def describe_wrong_byte(error: UnicodeDecodeError) -> str:
    """Describe what is there instead of UTF-8."""
    if error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16, not UTF-8. Convert the file to UTF-8"
    return f"not UTF-8 (byte {error.object[error.start]:#x} at column {error.start + 1}). Convert the file to UTF-8"


class StrictJsonDecoder(json.JSONDecoder):
    """
    Also refuses, by a `ValueError`, an object that has a key twice, of which `json` takes the last, and JSON that is nested more
    deeply than Python can take.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(object_pairs_hook=_unique_keys, **kwargs)

    def raw_decode(self, s: str, idx: int = 0) -> Tuple[Any, int]:
        try:
            return super().raw_decode(s, idx)
        except RecursionError as error:
            raise ValueError(_TOO_DEEP) from error


def _unique_keys(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        repeated, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {repeated!r:.60} occurs twice in one object")
    return data


def check_nesting(value: Any, error_type: Type[Exception], name: str) -> None:
    """Raise an `error_type` if JSON that no type describes is nested more than `MAX_NESTING` levels deep."""
    level: List[Any] = [[value]]
    for _ in range(MAX_NESTING + 1):
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, (dict, list))
        ]
        if not level:
            return
    raise error_type(f"{name}: {_TOO_DEEP}, expected at most {MAX_NESTING} levels.")


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
    if found["type"] == "recursion_loop":
        return f"{path:.60}... cannot be read: {_TOO_DEEP}."
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
