import collections
from pathlib import Path

import pytest

from flux.codec.names import is_importable, module_name, resolve, type_name

ROOT = Path("/srv/app")


def test_names_come_from_the_packages_around_a_file():
    there = {ROOT / "a/__init__.py", ROOT / "a/b/__init__.py"}.__contains__
    assert module_name(ROOT / "a/b/c.py", there) == ("a.b.c", ROOT)
    assert module_name(ROOT / "a/b/__init__.py", there) == ("a.b", ROOT)
    assert module_name(ROOT / "c.py", there) == ("c", ROOT)


@pytest.mark.parametrize("kind", [ValueError, collections.OrderedDict, Path, pytest.raises])
def test_what_is_importable_is_found_by_its_name(kind):
    assert is_importable(kind)
    assert resolve(type_name(kind)) is kind


def test_what_stands_nowhere_is_not_importable():
    class Local: ...

    assert not is_importable(Local)
    assert not is_importable(type("Gone", (), {}))


@pytest.mark.parametrize("name", ["no_such_module_anywhere:X", "collections:Gone", "collections:deque.gone"])
def test_what_is_gone_is_an_error_of_imports(name):
    with pytest.raises((ImportError, AttributeError)):
        resolve(name)
