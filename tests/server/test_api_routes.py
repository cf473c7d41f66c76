"""What each route asks of the engine, and what it answers."""

import pytest

from engine.options import InferOptions, TrainOptions
from tests.server.fake_engine import PIECES
from tests.server.running import check_error


def test_health_and_weights(server):
    assert server.get("/health").json()["status"] == "ok"
    assert server.get("/weights").json()["version"] == 0


def test_infer_hands_over_what_was_sent_and_no_more(server):
    answer = server.post("/infer", {"messages": [{"role": "user", "text": "hi"}], "session": "s1", "temperature": 0, "stop": ["\n"]}).json()
    source, options, session, given = server.engine.last("infer")
    assert source == {"messages": [{"role": "user", "text": "hi"}]} and session == "s1"
    assert type(options) is InferOptions and options.temperature == 0 and options.stop == ["\n"] and options.max_tokens == 256
    assert given == {"temperature", "stop"}
    assert answer["text"] == "".join(PIECES) and answer["session"] == "s1"


@pytest.mark.parametrize("source", [{"text": "User:"}, {"tokens": [0, 65535]}])
def test_infer_on_text_and_tokens(server, source):
    assert server.post("/infer", source).status_code == 200
    assert server.engine.last("infer") == (source, InferOptions(), None, set())


@pytest.mark.parametrize("source, kept", [
    ({"messages": [{"role": "user", "text": "q", "weight": 0}]},
     {"messages": [{"role": "user", "text": "q", "weight": 0.0, "no_loss": False}]}),
    ({"lessons": [{"messages": [{"role": "user", "text": "q", "no_loss": True}]}]},
     {"lessons": [{"messages": [{"role": "user", "text": "q", "weight": 1.0, "no_loss": True}]}]}),
    ({"text": "t"}, {"text": "t"}),
    ({"tokens": [[1, 2], [3]]}, {"tokens": [[1, 2], [3]]}),
])
def test_train_hands_over_its_source(server, source, kept):
    assert server.post("/train", source).json()["learned"] is True
    assert server.engine.last("train") == (kept, TrainOptions(), None, set())


def test_train_options_and_an_explicit_null(server):
    assert server.post("/train", {"text": "t", "mode": "wani-bot", "until_loss": None, "lr": 1e-5}).status_code == 200
    _, options, _, given = server.engine.last("train")
    assert options.mode == "wani-bot" and options.lr == 1e-5 and given == {"mode", "until_loss", "lr"}


def test_the_idempotency_key_from_either_place(server):
    assert server.post("/train", {"text": "t", "idempotency_key": "k1"}).status_code == 200
    assert server.engine.last("train")[2] == "k1"
    assert server.post("/train", {"text": "t"}, headers={"Idempotency-Key": "k2"}).status_code == 200
    assert server.engine.last("train")[2] == "k2"
    assert server.post("/train", {"text": "t", "idempotency_key": "k3"}, headers={"Idempotency-Key": "k3"}).status_code == 200
    both = server.post("/train", {"text": "t", "idempotency_key": "k4"}, headers={"Idempotency-Key": "k5"})
    check_error(both, 400, "idempotency_key", "Idempotency-Key")
    check_error(server.post("/train", {"text": "t"}, headers={"Idempotency-Key": "a b"}), 400, "idempotency_key")
    assert server.post("/infer", {"text": "t"}, headers={"Idempotency-Key": "k6"}).status_code == 200  # nothing is taught there


def test_load_data(server):
    assert server.post("/load_data", {"path": "sft.org", "train": True, "stream": False}).status_code == 200
    assert server.engine.last("load_data") == ({"path": "sft.org", "format": "auto", "train": True, "passes": 1, "shuffle": False, "write_back": False}, TrainOptions(), set())
    assert server.post("/load_data", {"resume": "run-0123456789ab", "lr": 1e-3}).status_code == 200
    body, options, given = server.engine.last("load_data")
    assert body["resume"] == "run-0123456789ab" and options.lr == 1e-3 and given == {"lr"}
    check_error(server.post("/load_data", {"path": "sft.org", "dry_run": True}), 400, "dry_run")
    assert server.get("/load_data").json() == {"datasets": [{"name": "sft.org"}], "runs": []}


def test_versions_listed_compared_gone_back_to_and_asked(server):
    assert server.get("/versions").json() == {"versions": [{"version": 7}]}
    assert server.get("/versions/diff?before=1&after=3").status_code == 200 and server.engine.last("diff") == (1, 3)
    assert server.post("/rollback", {"version": 4}).status_code == 200 and server.engine.last("rollback") == (4,)
    assert server.post("/rollback", {"version": -1}).status_code == 400
    assert server.post("/lessons/lesson-0123456789ab/undo", {}).status_code == 200 and server.engine.last("undo") == ("lesson-0123456789ab",)
    for moment, told in ((3, "3"), (1764000000.5, "1764000000.5"), ("tx:9", "tx:9"), (None, None)):
        assert server.post("/infer", {"text": "a", "as_of": moment}).status_code == 200 and server.engine.last("as_of") == (told,)


def test_lessons_again_retracted_and_reviewed(server):
    lesson = "lesson-0123456789ab"
    assert server.post(f"/lessons/{lesson}/retrain", {"lr": 1e-3, "idempotency_key": "k"}).status_code == 200
    name, options, key, given = server.engine.last("retrain")
    assert (name, options.lr, key, given) == (lesson, 1e-3, "k", {"lr"})
    assert server.http.delete(f"{server.url}/lessons/{lesson}", timeout=60).status_code == 200 and server.engine.last("retract") == (lesson,)
    assert server.get("/lessons", params={"as_of": "3", "limit": "7", "text": "猫 cat"}).json()["lessons"][0]["lesson"] == lesson
    assert server.engine.last("lessons_taught") == ({"as_of": "3", "limit": 7, "text": "猫 cat", "order": "newest"},)
    check_error(server.get("/lessons?limit=none"), 400, "limit")
    check_error(server.get("/lessons?limit=1&limit=2"), 400, "limit", "twice")
    check_error(server.get("/lessons?colour=red"), 400, "colour")
    assert server.get(f"/lessons/{lesson}?as_of=tx:3").json() == {"lesson": lesson, "history": []}
    assert server.engine.last("history_of") == ({"lesson": lesson, "as_of": "tx:3"},)
    assert server.get("/sessions/kitchen/history?turn=2").status_code == 200
    assert server.engine.last("history_of") == ({"session": "kitchen", "turn": 2},)
    answer = server.get("/lessons/query", params={"query": "ASK {}", "format": "turtle"})
    assert answer.headers["Content-Type"] == "application/sparql-results+json" and answer.content == b"{}"
    assert server.engine.last("query") == ("ASK {}", "text/turtle")
    check_error(server.get("/lessons/query"), 400, "query")
    assert server.get("/lessons/export?form=org&state=taught").json() == {"form": "org"}
    assert server.engine.last("export") == ("org", {"state": "taught"})
    assert server.post("/lessons/review", {"limit": 3}).status_code == 200 and server.engine.last("review") == (3,)


def test_save_and_load(server):
    assert server.post("/save", {}).status_code == 200 and server.engine.last("save") == ("default",)
    assert server.post("/save", {"name": "v1.0"}).status_code == 200 and server.engine.last("save") == ("v1.0",)
    assert server.post("/load", {"name": "v1.0"}).status_code == 200 and server.engine.last("load") == ("v1.0", None)
    assert server.get("/save").json() == {"checkpoints": [{"name": "default"}]}


def test_a_checkpoint_is_renamed_deleted_and_exported(server):
    assert server.post("/load", {"name": "a", "version": 3}).status_code == 200 and server.engine.last("load") == ("a", 3)
    assert server.post("/checkpoints/a/rename", {"as": "b"}).status_code == 200
    assert server.engine.last("rename_checkpoint") == ("a", "b", None)
    assert server.post("/checkpoints/a/export", {"version": 2}).status_code == 200 and server.engine.last("export_checkpoint") == ("a", 2)
    assert server.http.delete(server.url + "/checkpoints/a?version=2").status_code == 200
    assert server.engine.last("delete_checkpoint") == ("a", 2)
    for path, body in (("/checkpoints/a/rename", {"as": "../b"}), ("/checkpoints/a/rename", {}), ("/checkpoints/a/export", {"path": "/etc"})):
        assert server.post(path, body).status_code == 400
    check_error(server.http.delete(server.url + "/checkpoints/a?version=x"), 400, "version")
    check_error(server.http.delete(server.url + "/checkpoints/..%2Fa"), 400, "name")


def test_a_session_is_renamed(server):
    assert server.post("/sessions/one/rename", {"as": "two"}).status_code == 200 and server.engine.last("rename_session") == ("one", "two")
    check_error(server.post("/sessions/one/rename", {"as": "Two"}), 400)


def test_the_defaults_are_told(server):
    assert server.get("/defaults").json() == {"infer": {"temperature": 1.0}, "train": {"lr": 1e-4}}


def test_cancel(server):
    assert server.post("/cancel", {"id": "infer-0123"}).json() == {"id": "infer-0123", "cancelled": True}


def test_sessions(server):
    assert server.get("/sessions").json() == {"sessions": [{"session": "one"}]}
    assert server.get("/sessions/a.b-c_1").json()["name"] == "a.b-c_1"
    assert server.http.delete(server.url + "/sessions/one").json() == {"name": "one", "deleted": True}
    check_error(server.get("/sessions/missing"), 404, "name", "no session")


def test_correct_branch_and_regenerate(server):
    assert server.post("/sessions/one/correct", {"turn": 3, "text": "Wanda", "epochs": 2, "idempotency_key": "k"}).status_code == 200
    name, turn, text, train, options, key, given = server.engine.last("correct")
    assert (name, turn, text, train, key, given) == ("one", 3, "Wanda", True, "k", {"epochs"}) and type(options) is TrainOptions
    assert server.post("/sessions/one/branch", {"turn": 0, "as": "two"}).status_code == 200
    assert server.engine.last("branch") == ("one", 0, "two")
    check_error(server.post("/sessions/one/branch", {"turn": 0, "as_name": "two"}), 400)
    assert server.post("/sessions/one/regenerate", {"turn": 1, "seed": 7}).status_code == 200
    assert server.engine.last("regenerate") == ("one", 1, InferOptions(seed=7), {"seed"})


def test_edit(server):
    said = [{"role": "user", "text": "x"}]
    assert server.post("/sessions/one/edit", {"turn": 2, "messages": said, "seed": 7}).status_code == 200
    assert server.engine.last("edit") == ("one", 2, said, InferOptions(seed=7), {"seed"})
    check_error(server.post("/sessions/one/edit", {"turn": 2}), 400, "messages")


def test_head_is_get_without_its_body(server):
    response = server.http.head(server.url + "/weights")
    assert response.status_code == 200 and response.content == b"" and int(response.headers["Content-Length"]) > 0
    refused = server.http.head(server.url + "/nowhere")
    assert refused.status_code == 404 and refused.content == b""
    for path in ("/weights", "/nowhere"):
        with server.connect() as sock:
            sock.sendall(server.head("HEAD", path, "Connection: close"))
            assert sock.makefile("rb").read().endswith(b"\r\n\r\n")  # not a byte after the header
