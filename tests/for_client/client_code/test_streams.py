"""Answers and lessons as they come, and what ends them: a stop, a hang-up, the server's end."""

import threading

import anyio
import pytest
from ouroboros_client import AsyncClient, Client

from tests.for_client.client_code.conftest import ONE_STEP
from tests.server.running import TOKEN, WAIT, Running

LONG = {"max_tokens": 100_000, "ban_tokens": [0, 261], "temperature": 2}
SCENE = [{"role": "user", "text": "What is a stream?"}, {"role": "assistant", "text": "It flows."}]


@pytest.fixture
def shapes():
    """A server without a model, whose answers the test holds."""
    with Running() as running:
        yield running


def test_pieces_make_the_answer_and_steps_the_lesson(client):
    with client.infer_stream("What is a cat?", temperature=0) as stream:
        pieces = list(stream)
        assert len(pieces) > 1 and "".join(pieces) == stream.finish()["text"] == client.infer("What is a cat?", temperature=0)["text"]
        assert stream.id == stream.finish()["id"]
    with client.train_stream(SCENE, **ONE_STEP | {"epochs": 3}) as stream:
        assert [(step["step"], step["steps"]) for step in stream] == [(1, 3), (2, 3), (3, 3)]
        assert stream.finish()["learned"]


def test_pieces_may_hold_what_other_readers_take_for_the_end_of_a_line(shapes):
    odd = "a\u2028b\x85c\x0bd\r\ne"
    with Client(shapes.url, TOKEN) as client, client.infer_stream(text="hold") as stream:
        thread = threading.Thread(target=lambda: answer(shapes.engine.opened.get(timeout=WAIT)))

        def answer(ticket):
            ticket.progress({"text": odd})
            ticket.finish({"id": ticket.id, "text": odd})

        thread.start()
        assert list(stream) == [odd] and stream.finish()["text"] == odd
        thread.join(WAIT)


def test_a_stop_keeps_what_is_written_and_teaches_nothing(client):
    with client.infer_stream("Tell me a story.", **LONG) as stream:
        next(stream)
        stream.stop()
        answer = stream.finish()
        stream.stop()  # too late, and no harm
    assert answer["finish_reason"] == "cancelled" and answer["text"]
    digest = client.weights()["digest"]
    with client.train_stream(SCENE, **ONE_STEP | {"epochs": 500}) as stream:
        next(stream)
        stream.stop()
        assert not stream.finish()["learned"] and client.weights()["digest"] == digest


def test_a_stop_before_the_first_word_is_told_with_it(shapes):
    """Until then nobody knows the answer's name."""
    with Client(shapes.url, TOKEN) as client, client.infer_stream(text="hold") as stream:
        read = threading.Thread(target=lambda: list(stream))
        read.start()
        ticket = shapes.engine.opened.get(timeout=WAIT)
        stream.stop()
        assert "cancel" not in dict(shapes.engine.calls)
        ticket.progress({"text": "a"})
        ticket.finish({"id": ticket.id, "text": "a"})
        read.join(WAIT)
    assert shapes.engine.last("cancel") == (ticket.id,)


def test_who_leaves_hangs_up(shapes):
    with Client(shapes.url, TOKEN) as client:
        with client.infer_stream(text="hold") as stream:
            thread = threading.Thread(target=lambda: tickets.append(shapes.engine.opened.get(timeout=WAIT)) or tickets[0].progress({"text": "a"}))
            tickets = []
            thread.start()
            assert next(stream) == "a"
            thread.join(WAIT)
        assert tickets[0].cancelled.wait(WAIT)


def test_an_async_task_that_is_cancelled_hangs_up(shapes):
    async def main():
        async with AsyncClient(shapes.url, TOKEN) as client:
            with anyio.move_on_after(WAIT) as scope:
                async with client.infer_stream(text="hold") as stream:
                    async with anyio.create_task_group() as group:
                        group.start_soon(anyio.to_thread.run_sync, begin)
                        assert await anext(stream) == "a"
                    scope.cancel()
                    await anext(stream)
            return await anyio.to_thread.run_sync(tickets[0].cancelled.wait, WAIT)

    tickets = []

    def begin():
        tickets.append(shapes.engine.opened.get(timeout=WAIT))
        tickets[0].progress({"text": "a"})

    assert anyio.run(main)


def test_an_async_stream_is_stopped_like_any_other(served):
    async def main():
        async with AsyncClient(served.url, served.token) as client, client.infer_stream("Tell me a story.", **LONG) as stream:
            assert await anext(stream)
            await stream.stop()
            return await stream.finish()

    assert anyio.run(main)["finish_reason"] == "cancelled"


def test_what_happens_is_told_while_it_happens(client):
    with client.events() as events:
        opened = next(events)
        lesson = client.train(SCENE, **ONE_STEP)
        told = {}
        while "lesson" not in told:
            event = next(events)
            told[event["event"]] = event
    assert opened["event"] == "open" and opened["version"] == lesson["version"] - 1
    assert told["lesson"]["lesson"] == told["step"]["lesson"] == lesson["lesson"] and told["lesson"]["version"] == lesson["version"]


def test_a_run_goes_on_without_a_reader_and_is_paused_and_resumed(client):
    content = "\n".join(f"* USER Who is number {i}?\n** ASSISTANT Nobody." for i in range(6))
    with client.load_data_stream(content=content, name="runs", train=True, **ONE_STEP) as stream:
        run = next(stream)["run"]
        client.cancel(run)
        paused = stream.finish()
    assert 0 < paused["learned_lessons"] < 6 and "cancelled" in paused["reason"]
    assert client.load_data(resume=run)["learned_lessons"] == 6
