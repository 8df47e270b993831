"""Reasons are for people: what happened, and the line of their code."""

from __future__ import annotations

from flux.worker.reasons import exit_reason, readable_stack, with_stack

DUMP = """Fatal Python error: Segmentation fault

Current thread 0x00007f (most recent call first):
  File "/usr/lib/python3.11/ctypes/__init__.py", line 519 in string_at
  File "/app/flows.py", line 9 in crash
  File "/opt/flux/engine/session.py", line 120 in _body
  File "/usr/lib/python3.11/asyncio/events.py", line 80 in _run
  File "/opt/flux/worker/runner.py", line 90 in main
  File "<frozen runpy>", line 88 in _run_code
"""


def test_a_stack_is_reduced_to_the_users_part():
    assert readable_stack(DUMP).splitlines() == [
        '  File "/usr/lib/python3.11/ctypes/__init__.py", line 519 in string_at',
        '  File "/app/flows.py", line 9 in crash',
    ]


def test_a_stack_without_users_code_is_kept():
    assert readable_stack('  File "/usr/lib/asyncio/events.py", line 80 in _run\n') != ""


def test_no_stack_adds_nothing():
    assert with_stack("exited with code 1", "") == "exited with code 1"


def test_unknown_signals_have_a_number():
    assert exit_reason(-63) in ("killed by signal 63", "killed by SIGRTMAX-1")
