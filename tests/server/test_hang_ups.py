"""The real engine behind the real listener: callers who leave at any moment, callers who ask again, and what is left of them."""

import contextlib
import json
import random
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from engine.options import TrainOptions
from tests.engine.test_hard_times import LONG, LONG_NAMES, until
from tests.engine.test_live_loop import LESSON, QUESTION, bits, started
from tests.server.running import Running

THREADS = 16
TEXTS = ["Your cat is called Wanda.", "The hat is red.", "It rains."]
REQUESTS = [
    ("/infer", lambda luck: {"messages": QUESTION, "max_tokens": luck.randint(1, 200), "ban_tokens": [0], "stream": luck.random() < 0.7}),
    ("/v1/completions", lambda luck: {"model": "tiny", "prompt": TEXTS, "n": 2, "max_tokens": luck.randint(1, 60), "stream": luck.random() < 0.7}),
    ("/train", lambda luck: {"messages": LESSON, "epochs": luck.randint(2, 100), "stream": luck.random() < 0.7}),
    ("/load_data", lambda luck: {"name": "set", "format": "jsonl", "content": "\n".join(json.dumps({"text": text}) for text in TEXTS)}),
]


@pytest.fixture
def serve():
    """Servers over real engines in folders of theirs; all end with the test."""
    open_ones = []

    def serve(folder):
        engine = started(folder)
        running = Running(threads=THREADS, engine=engine)
        open_ones.append(running)
        return running

    yield serve
    for running in open_ones:
        running.__exit__()
        running.engine.close(1)


def leave_at_random(server, luck, times):
    """Ask, take nothing or a little of the answer, and hang up."""
    for _ in range(times):
        path, body = luck.choice(REQUESTS)
        with server.connect() as sock:
            server.post_on(sock, path, body(luck))
            if luck.random() < 0.6:
                sock.settimeout(luck.choice([0.01, 0.1, 0.5]))
                with contextlib.suppress(TimeoutError):
                    sock.recv(luck.choice([1, 100, 1000]))


def at_rest(server):
    """Nothing is open: no ticket, no answer, no lesson, no place, no connection."""
    engine = server.engine
    until(lambda: len(engine.tickets) == 0 and not engine.lessons and engine.conversations.batch.generations() == [], 60)
    until(lambda: server.app.places._value == THREADS)
    return True


def test_a_hundred_hang_ups_leave_nothing_behind(serve, tmp_path):
    server, luck, me = serve(tmp_path), random.Random(7), psutil.Process()
    assert server.post("/train", {"messages": LESSON, "epochs": 1}).json()["learned"]
    leave_at_random(server, luck, 20)
    assert at_rest(server)
    until(lambda: len([c for c in me.net_connections() if c.laddr and c.laddr.port == server.port and c.status == psutil.CONN_ESTABLISHED]) <= 1)
    descriptors, memory = me.num_fds(), me.memory_info().rss
    leave_at_random(server, luck, 100)
    assert at_rest(server)
    until(lambda: me.num_fds() <= descriptors)
    assert me.memory_info().rss < memory + 50 * 2**20
    told = server.get("/weights").json()
    taught = [record for record in server.engine.journal.records if record["kind"] == "lesson"]
    assert bits(server.engine) == told["digest"] == taught[-1]["digest"] and told["version"] == len(taught)
    assert server.post("/infer", {"messages": QUESTION, "max_tokens": 3}).status_code == 200


def test_a_cancelled_answer_ends_within_one_token_and_a_lesson_before_its_next_step(serve, tmp_path):
    server = serve(tmp_path)
    engine = server.engine
    before = engine.weights()
    answer = engine.infer({"messages": QUESTION}, LONG, None, LONG_NAMES)
    assert next(answer.events(60))[0] == "progress"

    def written_when_cancelled():
        [generation] = engine.conversations.batch.generations()
        server.post("/cancel", {"id": answer.id})
        return generation.written

    written = engine.owner.run(written_when_cancelled)
    assert answer.result(60)["usage"]["completion_tokens"] <= written + 1
    lesson = engine.train({"messages": LESSON}, TrainOptions(epochs=500), None, {"epochs"})
    assert next(lesson.events(60))[1]["step"] == 1


    def steps_when_cancelled():
        server.post("/cancel", {"id": lesson.id})
        return lesson.backlog

    steps = engine.owner.run(steps_when_cancelled)
    *later, (_, told) = lesson.events(60)
    assert len(later) == steps and not told["learned"] and "cancelled" in told["reason"] and engine.weights() == before and bits(engine) == before["digest"]


def test_a_hundred_requests_with_twenty_keys_teach_twenty_lessons_also_after_a_restart(serve, tmp_path):
    server = serve(tmp_path)
    keys = [f"key-{i}" for i in range(20)] * 5
    random.Random(5).shuffle(keys)

    def teach(key):
        body = {"text": f"The number of {key} is {len(key)}.", "epochs": 1}
        return key, server.http.post(server.url + "/train", json=body, headers={"Idempotency-Key": key}, timeout=120).json()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(teach, keys))
    lessons = {(key, answer["lesson"]) for key, answer in answers}
    assert all(answer["learned"] for _, answer in answers) and len(lessons) == 20 and server.engine.version == 20
    digest = server.get("/weights").json()["digest"]
    server.__exit__()
    server.engine.close(1)
    again = Running(threads=THREADS, engine=started(tmp_path))
    server.engine, server.url, server.listener = again.engine, again.url, again.listener
    assert {(key, teach(key)[1]["lesson"]) for key in keys[:40]} <= lessons
    assert again.get("/weights").json()["digest"] == digest and again.engine.version == 20


def test_a_correction_sent_five_times_at_once_and_once_more_is_one_lesson(serve, tmp_path):
    server = serve(tmp_path)
    server.post("/infer", {"messages": QUESTION, "session": "one", "max_tokens": 5})
    body = {"turn": 1, "text": "Your cat is called Wanda.", "epochs": 1, "idempotency_key": "once"}

    def correct(_):
        return server.http.post(server.url + "/sessions/one/correct", json=body, timeout=120).json()

    with ThreadPoolExecutor(5) as pool:
        answers = [*pool.map(correct, range(5)), correct(None)]
    server.__exit__()
    server.engine.close(1)
    again = Running(threads=THREADS, engine=started(tmp_path))
    server.engine, server.url, server.listener = again.engine, again.url, again.listener
    answers.append(correct(None))
    assert len({answer["lesson"] for answer in answers}) == 1 and server.engine.version == 1, answers
    assert all(answer["learned"] and answer["corrected"] for answer in answers), answers
