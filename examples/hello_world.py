"""The smallest workflow: one task, one call, one durable result.

Run it here and now, without a server:

    flux exec examples/hello_world.py hello_world '"Ada"'

Or open the dashboard, press 3 for the workflows, choose it and press Enter:

    flux dev examples
"""

from flux import ExecutionContext, task, workflow


@task
async def say_hello(name: str) -> str:
    """Once its result is recorded, this never runs again in the same execution."""
    return f"Hello, {name}"


@workflow
async def hello_world(ctx: ExecutionContext[str]) -> str:
    """Greet whoever is named in the input."""
    return await say_hello(ctx.input)


if __name__ == "__main__":
    print(hello_world.run("World").output)
