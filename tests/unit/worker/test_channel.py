"""Frames arrive whole and in order, whatever their size and whoever sends them."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from flux.domain import Bundle, Module
from flux.worker.channel import Channel
from flux.worker.frames import Ack, Frame, Load, Shutdown, to_runner_decoder


class End:
    """One end of a pipe and what has arrived there."""

    def __init__(self, sock: socket.socket) -> None:
        self.frames: list[Frame] = []
        self.closed = asyncio.Event()
        self.arrived = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.channel = Channel(loop, sock, to_runner_decoder, self._take, self.closed.set)

    def _take(self, frame: Frame) -> None:
        self.frames.append(frame)
        if isinstance(frame, Shutdown):
            self.arrived.set()


@pytest.fixture
async def ends():
    left, right = (End(sock) for sock in socket.socketpair())
    yield left, right
    left.channel.close()
    right.channel.close()


async def test_frames_arrive_in_order(ends):
    left, right = ends
    for number in range(1_000):
        left.channel.send(Ack("e", 1, number))
    left.channel.send(Shutdown())
    await asyncio.wait_for(right.arrived.wait(), 10)
    assert [frame.ordinal for frame in right.frames[:-1]] == list(range(1_000))


async def test_large_frames_pass(ends):
    left, right = ends
    source = "x" * 20_000_000
    left.channel.send(Load(Bundle("d", "m", {"m": Module("m.py", source)}), ""))
    left.channel.send(Shutdown())
    await asyncio.wait_for(right.arrived.wait(), 20)
    assert right.frames[0].bundle.modules["m"].source == source


async def test_threads_may_send(ends):
    left, right = ends

    def send_many(name: str) -> None:
        for number in range(500):
            left.channel.send_now(Ack(name, 1, number))

    threads = [threading.Thread(target=send_many, args=(str(index),)) for index in range(4)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(lambda: [thread.join() for thread in threads])
    left.channel.send(Shutdown())
    await asyncio.wait_for(right.arrived.wait(), 10)
    for index in range(4):
        own = [frame.ordinal for frame in right.frames[:-1] if frame.execution_id == str(index)]
        assert own == list(range(500))


async def test_the_end_is_told_once(ends):
    left, right = ends
    left.channel.close()
    await asyncio.wait_for(right.closed.wait(), 10)
    right.channel.send(Shutdown())
    assert right.channel.closed


async def test_what_is_no_frame_ends_the_channel():
    ours, theirs = socket.socketpair()
    end = End(ours)
    theirs.sendall(b"\x00\x00\x00\x01\xff")
    await asyncio.wait_for(end.closed.wait(), 10)
    theirs.close()
