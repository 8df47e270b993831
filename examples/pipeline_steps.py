"""One step after another: `pipeline` hands the result of each task to the next one.

    flux exec examples/pipeline_steps.py word_counts '"To be, or not to be"'

The result of each step is recorded before the next one starts.
"""

import re
from collections import Counter

from flux import ExecutionContext, task, workflow
from flux.tasks import pipeline


@task
async def normalise(text: str) -> str:
    """Lower case, letters and spaces only."""
    return re.sub(r"[^a-z ]", "", text.lower())


@task
async def split(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


@task
async def count(words: list[str]) -> dict[str, int]:
    """How often each word occurs, the most frequent first."""
    return dict(Counter(words).most_common())


@workflow
async def word_counts(ctx: ExecutionContext[str]) -> dict[str, int]:
    """Text in, counts out, three recorded steps between them."""
    counts: dict[str, int] = await pipeline(normalise, split, count, input=ctx.input)
    return counts


if __name__ == "__main__":
    print(word_counts.run("To be, or not to be").output)
