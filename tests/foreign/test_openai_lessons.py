"""The openai package asks again by itself when an answer is lost: a lesson that was sent with a key is learned once, whatever is lost."""

import json
import signal

import pytest

from tests.engine.test_hard_times import until
from tests.foreign.conftest import Served
from tests.foreign.proxy import Proxy, Reply, dropped, halved, impatient, replaced

ONE_STEP = {"epochs": 1, "replay": 0, "kl": 0}
LOSSES = [[dropped], [halved], [impatient], [replaced(500)], [replaced(502), dropped], [replaced(503), replaced(429)], [replaced(408), impatient]]


@pytest.fixture
def start(python, tmp_path):
    """Start the program in the folder of the test; the last one ends with the test."""
    started = []

    def start():
        started.append(Served(tmp_path, python))
        return started[-1]

    yield start
    started[-1].end()


def teach(target, server, spoilers, together, options):
    """Teach a lesson for each key through a proxy that spoils the first answers; what the package was told in the end, by key."""
    with Proxy(target, spoilers) as proxy:
        texts = {key: f"The number of {key} is {i}." for i, key in enumerate(spoilers)}
        told = server.client("openai_lessons", proxy.url, str(together), json.dumps(options), given=json.dumps(texts))
        proxy.shutdown()
    assert all(answer["learned"] for answer in told.values()), told
    assert proxy.asked == {key: len(lost) + 1 for key, lost in spoilers.items()}
    return told


def lessons_of(server):
    """The ids of the lessons that the server says it has learned."""
    return sorted(row["lesson"] for row in server.get("/lessons?limit=1000")["lessons"])


@pytest.mark.slow
@pytest.mark.parametrize("count", [25, pytest.param(100, marks=pytest.mark.long)])
def test_lessons_whose_first_answers_are_lost_are_learned_once(start, count):
    server = start()
    spoilers = {f"key-{i}": LOSSES[i % len(LOSSES)] for i in range(count)}
    told = teach(lambda: server.url, server, spoilers, 8, ONE_STEP)
    assert sorted(answer["lesson"] for answer in told.values()) == lessons_of(server) and len(set(lessons_of(server))) == count
    assert sorted(answer["version"] for answer in told.values()) == list(range(1, count + 1)) and server.get("/health")["version"] == count


@pytest.mark.slow
def test_the_program_ends_and_starts_again_before_the_answer_arrives(start):
    running = [start()]

    def start_again(how):
        running[-1].end(how)
        running.append(start())

    def after(how):
        def spoil(ask):
            ask()
            start_again(how)
            return Reply(502)

        return spoil

    def amid(ask):
        impatient(ask)
        until(lambda: running[-1].get("/health")["training"])
        start_again(signal.SIGKILL)

    killed, ended = after(signal.SIGKILL), after(signal.SIGTERM)
    spoilers = {"killed-after": [killed], "ended-after": [ended], "killed-amid": [amid]}
    told = teach(lambda: running[-1].url, running[0], spoilers, 1, ONE_STEP | {"epochs": 10})
    assert sorted(answer["lesson"] for answer in told.values()) == lessons_of(running[-1])
    assert [answer["version"] for answer in told.values()] == [1, 2, 3] and running[-1].get("/health")["version"] == 3
