"""Local runs in a process of their own: reads `{"workflow", "input", "resume"?}`, prints the seconds they took."""

from __future__ import annotations

import json
import sys
import time

from benchmarks import workflows


def main() -> None:
    """Warm up, then measure one run; with `resume` the answer to its pause instead."""
    request = json.load(sys.stdin)
    flow = getattr(workflows, request["workflow"])
    workflows.sequential.run(20)
    begin = time.perf_counter()
    ctx = flow.run(request["input"])
    if "resume" in request:
        if not ctx.is_paused:
            raise RuntimeError(f"not paused: {ctx.output}")
        begin = time.perf_counter()
        ctx = flow.resume(ctx.execution_id, request["resume"])
    seconds = time.perf_counter() - begin
    if not ctx.has_succeeded:
        raise RuntimeError(f"failed: {ctx.output}")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
