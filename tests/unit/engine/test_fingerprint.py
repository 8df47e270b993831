"""What counts as the same code."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from types import ModuleType

import pytest

from flux import task
from flux.engine.fingerprint import fingerprint

HELPER = """
def helper(x):
    return x + 1

class Tool:
    def use(self, x):
        return x * 2
"""
CALLER = """
def subject(x):
    return helper(x)
"""


def of(source, **given):
    scope = {"__name__": "mine", **given}
    exec(compile(source, "/srv/app/mine.py", "exec", dont_inherit=True), scope)
    return fingerprint(scope["subject"])


def test_comments_and_lines_do_not_count():
    assert of("def subject(x):\n    return x") == of("# more\n\n\ndef subject(x):  # and here\n    return x")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def subject(x):\n    return x + 1", "def subject(x):\n    return x + 2"),
        ("def subject(x):\n    return x.a", "def subject(x):\n    return x.b"),
        ("def subject(x):\n    return [y for y in x]", "def subject(x):\n    return [-y for y in x]"),
        ("def subject(x):\n    return 1", "def subject(x):\n    return 1.0"),
        (HELPER + CALLER, HELPER.replace("+ 1", "- 1") + CALLER),
        (
            HELPER + "def subject(x):\n    return Tool().use(x)",
            HELPER.replace("* 2", "* 3") + "def subject(x):\n    return Tool().use(x)",
        ),
        (
            "RATE = 1.1\ndef subject(x):\n    return x * RATE",
            "RATE = 1.2\ndef subject(x):\n    return x * RATE",
        ),
        (
            "def helper(x, by=1):\n    return x\ndef subject(x):\n    return helper(x)",
            "def helper(x, by=2):\n    return x\ndef subject(x):\n    return helper(x)",
        ),
        (
            "class Rates:\n    LOW = 1\ndef subject(x):\n    return Rates.LOW",
            "class Rates:\n    LOW = 2\ndef subject(x):\n    return Rates.LOW",
        ),
        (
            "def make(n):\n    return lambda x: x * n\nsubject = make(2)",
            "def make(n):\n    return lambda x: x * n\nsubject = make(3)",
        ),
    ],
)
def test_what_the_code_does_counts(one, other):
    assert of(one) != of(other)


def test_a_helper_that_is_not_used_does_not_count():
    assert of("def subject(x):\n    return x") == of("def subject(x):\n    return x\n\ndef other():\n    return 1")


def test_helpers_count_through_tasks_partials_and_local_modules():
    for change in (lambda f: f, task, lambda f: partial(f, 3)):

        def helper(x):
            return x + 1

        def another(x):
            return x + 2

        assert of(CALLER, helper=change(helper)) != of(CALLER, helper=change(another))
    found = set()
    for step in ("+ 1", "+ 2"):
        module = ModuleType("tools")
        module.__file__ = "/srv/app/tools.py"
        exec(compile(f"def helper(x):\n    return x {step}", "/srv/app/tools.py", "exec"), vars(module))
        found.add(of("def subject(x):\n    return tools.helper(x)", tools=module))
    assert len(found) == 2


def test_data_that_changes_does_not_count():
    def make(seen):
        count = 0

        def subject(x):
            nonlocal count
            count += 1
            seen.append(x)
            return count

        return subject

    one, other = make([]), make([1, 2])
    one(1)
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    "module",
    [
        "seen = {value}\ndef subject(x):\n    global seen\n    seen = x",
        "seen = {value}\ndef subject(x):\n    return seen\ndef other():\n    global seen\n    seen += 1",
        "seen = {value}\nclass A:\n    def f(self):\n        global seen\n        seen = 3\n"
        "def subject(x):\n    return seen",
        "seen = [{value}]\ndef subject(x):\n    return seen",
    ],
)
def test_globals_that_change_do_not_count(module):
    assert of(module.format(value=1)) == of(module.format(value=2))


def test_functions_that_call_each_other_have_an_end():
    source = "def subject(x):\n    return other(x)\ndef other(x):\n    return subject(x)"
    assert of(source) == of(source)


def test_it_is_the_same_in_every_process():
    code = (
        "from flux.engine.fingerprint import fingerprint\n"
        f"scope = {{'__name__': 'mine'}}\nexec(compile({HELPER + CALLER!r}, '/srv/app/mine.py', 'exec'), scope)\n"
        "scope['s'] = {'a', 'b'}\nprint(fingerprint(scope['subject']))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert found == of(HELPER + CALLER)
