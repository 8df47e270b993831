"""One call for each item: `task.map` runs them concurrently and keeps the order of the items.

    flux exec examples/map_items.py prime_factors '[12, 97, 1001, 600851475143]'

The task is a plain `def`: its body runs in a thread, so a long computation does not hold up the others.
"""

from flux import ExecutionContext, task, workflow


@task
def factorise(number: int) -> list[int]:
    """The prime factors of a number above 1, smallest first."""
    if number < 2:
        raise ValueError(f"{number} has no prime factors")
    factors, divisor = [], 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return [*factors, number] if number > 1 else factors


@workflow
async def prime_factors(ctx: ExecutionContext[list[int]]) -> dict[str, list[int]]:
    """The factors of every number in the input."""
    factors = await factorise.map(ctx.input)
    return {str(number): found for number, found in zip(ctx.input, factors, strict=True)}


if __name__ == "__main__":
    print(prime_factors.run([12, 97, 1001]).output)
