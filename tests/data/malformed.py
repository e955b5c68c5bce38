"""Inputs with one value changed, and the errors that they must give."""

import contextlib
import copy
import re
from typing import Any, Iterator

import pytest
from allennlp.common.checks import ConfigurationError

DELETED = object()


def changed(content: Any, path: str, value: Any) -> Any:
    """A copy with another value at a path such as `nodes[1].text`; at the end of a list it is appended."""
    content = copy.deepcopy(content)
    *keys, last = [int(key) if key.isdigit() else key for key in re.findall(r"\w+", path)]
    container = content
    for key in keys:
        container = container[key]
    if value is DELETED:
        del container[last]
    elif isinstance(container, list) and last == len(container):
        container.append(value)
    else:
        container[last] = value
    return content


def wrong_value(path: str, value: Any) -> str:
    """What the error must name: the path and the value."""
    return f"{path} is missing" if value is DELETED else f"{path} is {value!r:.60}: "


@contextlib.contextmanager
def refused(*expected: str) -> Iterator[None]:
    """A `ConfigurationError` whose message has all of the texts."""
    with pytest.raises(ConfigurationError) as error:
        yield
    for text in expected:
        assert text in error.value.message
