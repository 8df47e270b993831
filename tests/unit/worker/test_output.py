"""What user code prints arrives as lines that know their execution and task, and never too many."""

from __future__ import annotations

import json

from flux.codec import from_plain


async def test_prints_logs_and_stderr_know_their_execution_and_task(port, start, bundle):
    start()
    code = bundle("""
        import logging, sys

        @task
        def talk():
            print("from the task")
            sys.stderr.write("oh no\\n")
            logging.getLogger("shop").warning("careful\\nsecond line")
            sys.stdout.buffer.write("bytes ü\\n".encode())

        @workflow
        async def talks(ctx):
            print("from the ", end="")
            print("body")
            await talk()
            print("unfinished", end="")
    """)
    execution_id = port.submit(code, "talks")
    await port.finished(execution_id)
    await port.until(lambda: "unfinished" in port.texts())
    found = [(line.text, line.level, line.source, line.task) for line in port.lines]
    assert found == [
        ("from the body", "INFO", "stdout", ""),
        ("from the task", "INFO", "stdout", "talk"),
        ("oh no", "WARNING", "stderr", "talk"),
        ("careful", "WARNING", "shop", "talk"),
        ("second line", "WARNING", "shop", "talk"),
        ("bytes ü", "INFO", "stdout", "talk"),
        ("unfinished", "INFO", "stdout", ""),
    ]
    assert {line.execution_id for line in port.lines} == {execution_id}


async def test_lines_of_concurrent_executions_are_not_mixed(port, start, bundle):
    start()
    code = bundle("""
        import asyncio

        @workflow
        async def counts(ctx):
            for number in range(5):
                print(ctx.input, end="")
                await asyncio.sleep(0)
                print(number)
    """)
    ids = {name: port.submit(code, "counts", name) for name in ("a", "b", "c")}
    for execution_id in ids.values():
        await port.finished(execution_id)
    await port.until(lambda: len(port.lines) == 15)
    for name, execution_id in ids.items():
        assert port.texts(execution_id) == [f"{name}{number}" for number in range(5)]


async def test_raw_output_of_subprocesses_and_c_code_is_captured(port, start, bundle):
    start()
    code = bundle("""
        import os, subprocess

        @task
        def shout():
            os.write(1, b"raw out\\n")
            subprocess.run(["sh", "-c", "echo from a child >&2"], check=True)

        @workflow
        async def shouts(ctx):
            await shout()
    """)
    execution_id = port.submit(code, "shouts")
    await port.finished(execution_id)
    await port.until(lambda: {"raw out", "from a child"} <= set(port.texts()))
    assert {line.source for line in port.lines} == {"stdout", "stderr"}
    assert {line.execution_id for line in port.lines} <= {execution_id, ""}


async def test_a_forked_child_does_not_disturb_the_runner(port, start, bundle):
    start()
    code = bundle("""
        import multiprocessing

        def work(queue):
            print("in the child")
            queue.put(42)

        @task
        def forks():
            context = multiprocessing.get_context("fork")
            queue = context.Queue()
            child = context.Process(target=work, args=(queue,))
            child.start()
            value = queue.get()
            child.join()
            return value, child.exitcode

        @workflow
        async def forking(ctx):
            return list(await forks())
    """)
    assert await port.finished(port.submit(code, "forking")) == [42, 0]
    await port.until(lambda: "in the child" in port.texts())


async def test_ten_megabytes_of_prints_neither_block_nor_lose_the_execution(port, start, bundle):
    start()
    code = bundle("""
        @task
        def floods():
            for _ in range(200_000):
                print("x" * 50)
            return "dry"

        @workflow
        async def flood(ctx):
            return await floods()
    """)
    execution_id = port.submit(code, "flood")
    assert await port.finished(execution_id) == "dry"

    def kept() -> int:
        return sum(1 for text in port.texts() if text == "x" * 50)

    def dropped() -> int:
        marks = [text for text in port.texts() if text.endswith("dropped")]
        return sum(int(mark.split()[1].replace(",", "")) for mark in marks)

    await port.until(lambda: kept() + dropped() == 200_000)
    assert kept() < 50_000


async def test_a_flood_of_raw_output_is_bounded(port, start, bundle):
    start()
    code = bundle("""
        import os

        @task
        def floods():
            for _ in range(1_000):
                os.write(1, b"y\\n" * 5_000)
            return "dry"

        @workflow
        async def flood(ctx):
            return await floods()
    """)
    execution_id = port.submit(code, "flood")
    assert await port.finished(execution_id) == "dry"
    await port.until(lambda: any(text.endswith("lines dropped") for text in port.texts()) or len(port.lines) > 5_000)
    assert len(port.lines) < 100_000


async def test_one_endless_line_is_cut(port, start, bundle):
    start()
    code = bundle("""
        @workflow
        async def long(ctx):
            for _ in range(1_000):
                print("z" * 10_000, end="")
            print()
    """)
    await port.finished(port.submit(code, "long"))
    await port.until(lambda: port.lines)
    (text,) = port.texts()
    assert text == "z" * 4_096 + "…"


async def test_progress_is_streamed(port, start, bundle):
    start()
    code = bundle("""
        from flux.tasks import progress

        @task
        async def works():
            for number in range(3):
                await progress({"step": number})

        @workflow
        async def working(ctx):
            await works()
    """)
    execution_id = port.submit(code, "working")
    await port.finished(execution_id)
    await port.until(lambda: len(port.progressed) == 3)
    assert [one.value.replace(" ", "") for one in port.progressed] == [f'{{"step":{number}}}' for number in range(3)]
    assert {one.execution_id for one in port.progressed} == {execution_id}


async def test_secrets_are_hidden_before_output_and_progress_leave_the_runner(port, start, bundle):
    start()
    port.kept |= {"KEY": from_plain("alpha one\nbeta two"), "ODD": from_plain('x"y\\z1')}
    code = bundle("""
        import logging
        from flux.tasks import progress

        @task.with_options(secret_requests=["KEY", "ODD"])
        async def talk(secrets):
            print("whole", secrets["KEY"])
            for letter in secrets["ODD"]:
                print(letter, end="")
            print()
            logging.getLogger("shop").warning("logged %r", secrets)
            await progress([secrets["ODD"]])
            try:
                raise ValueError(secrets["KEY"])
            except ValueError:
                logging.getLogger("shop").exception("raised")

        @workflow
        async def talks(ctx):
            await talk()
            print("the end")
    """)
    execution_id = port.submit(code, "talks")
    await port.finished(execution_id)
    await port.until(lambda: "the end" in port.texts())
    assert port.texts()[:3] == ["whole •••", "•••", "logged {'KEY': '•••', 'ODD': '•••'}"]
    assert "ValueError: •••" in port.texts()
    assert not any("alpha" in text or "beta" in text for text in port.texts())
    assert [json.loads(one.value) for one in port.progressed] == ["•••"]
