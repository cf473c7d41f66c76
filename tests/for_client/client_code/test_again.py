"""A lesson whose answer is lost is asked for again and learned once; what would be done twice is not sent again."""

import threading
import uuid
from types import SimpleNamespace

import anyio
import pytest
from ouroboros_client import AsyncClient, Client, OuroborosError, calls
from ouroboros_client import client as sync_client
from ouroboros_client.errors import retry_after

from tests.for_client.client_code.conftest import ONE_STEP
from tests.foreign.proxy import Proxy, Reply, dropped, halved, impatient, replaced
from tests.server.running import TOKEN, Running

LOSSES = [[dropped], [halved], [impatient], [replaced(500)], [replaced(502), dropped], [replaced(503), replaced(429)], [replaced(408), halved]]


@pytest.fixture
def pauses(monkeypatch):
    """The pauses that the client makes, which take no time here."""
    made = []
    monkeypatch.setattr(sync_client, "time", SimpleNamespace(sleep=made.append))
    return made


def scene(key):
    """A lesson of its own for each key."""
    return [{"role": "user", "text": f"Who is {key}?"}, {"role": "assistant", "text": "A friend."}]


def lessons_of(client):
    return {row["lesson"] for row in client.lessons(limit=10_000)["lessons"]}


@pytest.mark.parametrize("losses", [LOSSES[:3], pytest.param(LOSSES, marks=pytest.mark.long)])
def test_lessons_whose_answers_are_lost_are_learned_once_by_both_clients(served, client, pauses, losses):
    """Each loss with the client that waits, and two at once with the other, which has the same core."""
    before, version = lessons_of(client), client.health()["version"]
    spoilers = {f"now-{uuid.uuid4().hex}": lost for lost in losses} | {f"later-{uuid.uuid4().hex}": lost for lost in LOSSES[:2]}
    told = []

    async def later(url, keys):
        async with AsyncClient(url, served.token) as many, anyio.create_task_group() as group:
            async def teach(key):
                told.append(await many.train(scene(key), idempotency_key=key, **ONE_STEP))

            for key in keys:
                group.start_soon(teach, key)

    with Proxy(lambda: served.url, spoilers) as proxy:
        with Client(proxy.url, served.token) as one:
            told += [one.train(scene(key), idempotency_key=key, **ONE_STEP) for key in spoilers if key.startswith("now")]
        anyio.run(later, proxy.url, [key for key in spoilers if key.startswith("later")])
        proxy.shutdown()
    assert proxy.asked == {key: len(lost) + 1 for key, lost in spoilers.items()}
    assert all(lesson["learned"] for lesson in told) and {lesson["lesson"] for lesson in told} == lessons_of(client) - before
    assert client.health()["version"] - version == len(told) == len(spoilers)


def test_a_stream_of_steps_goes_on_where_the_server_is(served, client, pauses):
    key = uuid.uuid4().hex
    with Proxy(lambda: served.url, {key: [halved]}) as proxy, Client(proxy.url, served.token) as lossy:
        with lossy.train_stream(scene(key), idempotency_key=key, **ONE_STEP | {"epochs": 4}) as stream:
            steps = [event["step"] for event in stream]
            lesson = stream.finish()
        proxy.shutdown()
    assert steps and set(steps) <= {1, 2, 3, 4} and lesson["learned"] and proxy.asked[key] == 2


def test_a_lesson_without_a_key_is_given_one(served, client):
    """So that it could be sent again: the same call is one lesson, another call is another."""
    call = calls.train(scene("nobody"), **ONE_STEP)
    assert client.ask(call)["lesson"] == client.ask(call)["lesson"] != client.train(scene("nobody"), **ONE_STEP)["lesson"]


@pytest.mark.parametrize("spoiler, status", [(dropped, None), (replaced(500), 500), (replaced(502), 502), (replaced(503), 503)])
def test_a_turn_is_not_asked_twice(served, client, pauses, spoiler, status):
    """An answer in a session is another turn of it; one outside of it is just an answer."""
    name = f"again-{uuid.uuid4().hex[:8]}"
    with Proxy(lambda: served.url, {None: [spoiler, spoiler]}) as proxy, Client(proxy.url, served.token) as lossy:
        with pytest.raises(OuroborosError) as failed:
            lossy.infer("Hello", session=name, max_tokens=2)
        assert failed.value.status == status and proxy.asked[None] == 1 and pauses == []
        assert lossy.infer("Hello", max_tokens=2)["text"] and proxy.asked[None] == 3 and len(pauses) == 1
        proxy.shutdown()
    assert len(client.session(name)["turns"]) == 1


def test_a_busy_server_is_asked_again_when_it_wants_to_be(pauses):
    """Also for a turn of a session: it says itself that it has done nothing."""
    with Running() as running, Client(running.url, TOKEN, retries=3) as client:
        with pytest.raises(OuroborosError) as failed:
            client.infer(text="busy", session="one")
        tries = [call for call in running.engine.calls if call[0] == "infer"]
    error = failed.value
    assert pauses == [3.0, 3.0, 3.0] and len(tries) == 4
    assert (error.status, error.type, error.retry_after, str(error)) == (503, "overloaded_error", 3.0, "the queue is full")


def test_pauses_grow_and_nobody_is_asked_for_ever(pauses):
    with Client("http://127.0.0.1:1", "none", retries=5) as client, pytest.raises(OuroborosError, match="no server answers at http://127.0.0.1:1") as failed:
        client.rollback(1)
    assert failed.value.code == "unreachable" and len(pauses) == 5
    assert all(0.125 * 2**i <= pause <= 0.25 * 2**i for i, pause in enumerate(pauses))


def test_an_answer_that_breaks_off_amid_its_pieces_is_not_begun_anew(served, pauses):
    """Its first words were told already."""
    with Proxy(lambda: served.url, {None: [halved]}) as proxy, Client(proxy.url, served.token) as lossy:
        with lossy.infer_stream("What is a cat?", temperature=0) as stream:
            assert next(stream)
            with pytest.raises(OuroborosError, match="broke off") as failed:
                stream.finish()
        proxy.shutdown()
    assert failed.value.code == "lost" and proxy.asked[None] == 1 and pauses == []


@pytest.mark.parametrize("path", ["/infer", "/train"])
def test_an_error_that_the_server_tells_in_its_stream_is_no_lost_answer(path, pauses):
    with Running() as running, Client(running.url, TOKEN) as client:
        with pytest.raises(OuroborosError, match="internal error"):
            (client.infer if path == "/infer" else client.train)(text="midway boom")
        assert sum(call[0] == path[1:] for call in running.engine.calls) == 1 and pauses == []


def test_a_page_of_something_else_is_told_as_such(pauses):
    page = Reply(200, b"<html>hello</html>", media="text/html")
    with Proxy(lambda: "", {None: [lambda ask: page]}) as proxy, Client(proxy.url, "none") as client:
        with pytest.raises(OuroborosError, match="is no RWKV-Ouroboros") as failed:
            client.infer("Hello")
        proxy.shutdown()
    assert failed.value.code == "not_ours" and pauses == []


def test_retry_after_may_be_a_date():
    assert retry_after("2.5") == 2.5 and retry_after(None) is retry_after("soon") is None
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0 and retry_after("Wed, 21 Oct 2115 07:28:00 GMT") > 1e9


def test_a_client_is_shared_by_threads(served, client):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(client.infer("Hi", max_tokens=2)["text"])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == 4
