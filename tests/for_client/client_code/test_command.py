"""The command: what it prints, what it teaches, and the code it ends with."""

import json
import re
import signal

import pytest
from ouroboros_client.command.common import Code, app
from ouroboros_client.results import Checks

from tests.for_client.client_code.conftest import PACKAGE
from tests.server.running import WAIT

GREEDY = ("-o", "temperature=0")
QUICK = ("-o", "epochs=1", "-o", "replay=0", "-o", "kl=0", "-o", "checks=false")
LEARN = ("-o", "until_loss=0.05", "-o", "checks=false")
README = (PACKAGE / "README.md").read_text(encoding="utf-8")


def test_ask_prints_the_answer_and_as_json_all_of_it(ouroboros, client):
    answer = client.infer("What is a cat?", temperature=0)["text"]
    assert ouroboros("ask", "What is a cat?", *GREEDY).out == answer + "\n"
    assert ouroboros("ask", *GREEDY, given="What is a cat?\n").out == answer + "\n"
    assert ouroboros("ask", "--json", "What is a cat?", *GREEDY).json["text"] == answer


def test_a_prompt_stands_before_what_is_piped_in(ouroboros, client):
    ouroboros("ask", "Say it again:", "-s", "piped", given="a cat\n")
    assert client.session("piped")["messages"][0]["text"] == "Say it again:\n\na cat"


def test_an_org_region_is_asked_and_answered_as_its_next_heading(ouroboros, client):
    region = "* Cats\n** USER [#A] What is a cat? :x:\n:PROPERTIES:\n:lr: 1\n:END:\n# no\n** ASSISTANT\nAn animal.\n,* so\n** USER\nAnd a dog?\n"
    done = ouroboros("ask", "-s", "region", "--system", "Be brief.", *GREEDY, given=region)
    messages = client.session("region")["messages"]
    assert messages[:-1] == [
        {"role": "system", "text": "Be brief."}, {"role": "user", "text": "What is a cat?"},
        {"role": "assistant", "text": "An animal.\n* so"}, {"role": "user", "text": "And a dog?"}]
    assert done.out == f"** ASSISTANT\n{messages[-1]['text']}\n"


def test_what_is_taught_is_answered_and_listed_and_taken_out_again(ouroboros):
    taught = ouroboros("teach", "What is a blorp?", "A blorp is a fish.", *LEARN)
    assert taught.code == 0 and re.search(r"the loss fell from .* Version \d+, lesson-[0-9a-f]+\.", taught.out)
    assert ouroboros("ask", "What is a blorp?", *GREEDY).out == "A blorp is a fish.\n"
    listed = ouroboros("lessons", "blorp")
    lesson = re.search("lesson-[0-9a-f]+", listed.out)[0]
    assert "What is a blorp? → A blorp is a fish." in listed.out
    assert [row["lesson"] for row in ouroboros("lessons", "blorp", "--json").json["lessons"]] == [lesson]
    assert lesson in ouroboros("undo", lesson).out and ouroboros("ask", "What is a blorp?", *GREEDY).out != "A blorp is a fish.\n"


def test_lessons_are_taught_from_a_pipe_and_from_a_file(ouroboros, tmp_path):
    region = "* USER What is one?\n** ASSISTANT A number.\n* USER What is two?\n** NOBODY x\n"
    done = ouroboros("teach", *QUICK, given=region)
    assert "1 of 1 lessons learned." in done.out and "line 4" in done.err and done.code == 0
    file = tmp_path / "Some Lessons.jsonl"
    file.write_text(json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}), encoding="utf-8")
    assert ouroboros("teach", "--json", "--file", str(file), *QUICK).json["dataset"] == "some-lessons.jsonl"


def test_a_correction_replaces_the_last_answer(ouroboros, client):
    ouroboros("ask", "What is a wug?", "-s", "wugs")
    assert ouroboros("correct", "wugs", *QUICK, given="A wug is a bird.\n").code == 0
    assert client.session("wugs")["messages"][-1]["text"] == "A wug is a bird."


def test_a_chat_is_corrected_and_answers_anew(ouroboros, client):
    said = "What is a dax?\n/correct\n/correct A dax is a tool.\n/again\n/quit\nnever\n"
    done = ouroboros("chat", "-s", "daxes", *GREEDY, given=said)
    turns = client.session("daxes")["turns"]
    assert len(turns) == 1 and turns[0]["answer"] == done.out.splitlines()[-1] and "the loss fell" in done.out
    assert "/correct needs" in done.err
    assert "is kept: start with --session" in ouroboros("chat", given="/again\n").err


CHECKS = Checks(kept=[4, 3], forgotten=["lesson-1"], neighbours=[{"question": "What is my dog?", "before": "A dog.", "after": "A cat."}],
                put_back={"lessons": [{"messages": [{"role": "user", "text": "What is my dog?", "no_loss": True},
                                                    {"role": "assistant", "text": "A dog."}]}]})


def test_what_else_a_lesson_changed_is_told_and_put_back(ouroboros, monkeypatch, client):
    """The checks of a real lesson are what the model makes of them; here they are given."""
    from ouroboros_client.client import Stream

    finish = Stream.finish
    monkeypatch.setattr(Stream, "finish", lambda stream: came if "steps" not in (came := finish(stream)) else came | {"checks": CHECKS})
    told = ouroboros("teach", "What is my cat?", "A cat.", *QUICK).out
    assert "Of 4 earlier lessons 3 are still known." in told and "Forgotten: lesson-1." in told
    assert "What is my dog? was answered 'A dog.', now 'A cat.'." in told and "`ouroboros put-back`" in told
    monkeypatch.undo()
    monkeypatch.setattr(Stream, "finish", finish)
    assert ouroboros("put-back", *QUICK).code == 0
    lesson = client.lessons(limit=1)["lessons"][0]
    assert [message["text"] for message in lesson["lessons"][0]["messages"]] == ["What is my dog?", "A dog."]


def test_a_lesson_is_told_also_where_nothing_can_be_kept(ouroboros, monkeypatch, tmp_path, client):
    monkeypatch.setattr("ouroboros_client.command.teaching.memory", lambda: {client.url: CHECKS["put_back"]})
    (tmp_path / "ouroboros").write_text("in the way")
    done = ouroboros("teach", "What is my cat?", "A cat.", *QUICK)
    assert done.code == 0 and "the loss" in done.out and "cannot be kept" in done.err


def test_checkpoints_and_versions(ouroboros, client):
    digest = client.weights()["digest"]
    assert ouroboros("save", "here").code == 0
    ouroboros("teach", "What is a tove?", "A badger.", *QUICK)
    version = client.health()["version"]
    assert ouroboros("load", "here").code == 0 and client.weights()["digest"] == digest
    assert ouroboros("rollback", str(version), "--json").json["version"] == version and client.weights()["digest"] != digest
    assert re.search(rf"^\*  {version} ", ouroboros("versions").out, re.MULTILINE)


def test_status(ouroboros, client):
    told = ouroboros("status").out
    assert client.weights()["digest"] in told and f"version {client.health()['version']}," in told
    assert ouroboros("status", "--json").json["health"]["status"] == "ok"


def test_watch_and_control_c(ouroboros, client):
    """The first Control-C ends an answer, which still comes as far as it got."""
    watching = ouroboros.start("watch", "--json")
    assert json.loads(watching.stdout.readline())["event"] == "open"
    asking = ouroboros.start("ask", "Tell me a story.", "-o", "max_tokens=100000", "-o", "ban_tokens=[0,261]", "-o", "temperature=2")
    assert asking.stdout.read(1)
    asking.send_signal(signal.SIGINT)
    out, _ = asking.communicate(timeout=WAIT)
    assert asking.returncode == Code.INTERRUPTED and out.endswith("\n") and client.health()["queue"] == 0
    client.save("watched")
    assert any(json.loads(line)["event"] == "save" for line in watching.stdout if line)
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=WAIT)
    assert watching.returncode == Code.INTERRUPTED and "Traceback" not in err


@pytest.mark.parametrize("command, more, code, said", [
    (["load", "nothing"], {}, Code.REFUSED, "there is no checkpoint nothing"),
    (["ask", "a", "-o", "temperature=99"], {}, Code.REFUSED, "temperature is 99"),
    (["ask", "a", "-o", "heat=1"], {}, Code.USAGE, "'heat=1' is no option"),
    (["ask"], {}, Code.USAGE, "nothing is asked"),
    (["teach", "a", "--path", "b"], {}, Code.USAGE, "one of them is taught"),
    (["put-back"], {}, Code.USAGE, "changed no near question"),
    (["--url", "nowhere", "status"], {}, Code.USAGE, "is no address"),
    (["--url", "http://127.0.0.1:1", "status"], {}, Code.NO_SERVER, "no server answers"),
    (["status"], {"OUROBOROS_TOKEN": "a-wrong-token-for-all"}, Code.NO_TOKEN, "the token is wrong"),
    (["status"], {"OUROBOROS_TOKEN": "a-wrong-token-for-all", "OUROBOROS_TOKEN_FILE": "/nowhere"}, Code.NO_TOKEN, "the token is wrong"),
    (["--token-file", "/nowhere", "status"], {}, Code.NO_TOKEN, "the token cannot be read"),
    (["teach", "a", "b", "-o", "dry_run=true"], {}, Code.NOT_LEARNED, ""),
])
def test_exit_codes(ouroboros, monkeypatch, command, more, code, said):
    monkeypatch.setattr("ouroboros_client.exchange.FIRST_WAIT", 0)
    done = ouroboros(*command, **more)
    assert done.code == code and said in done.err and "Traceback" not in done.err, done.err


def test_completion_knows_names_and_options(ouroboros, client):
    client.save("completed")
    done = ouroboros(_OUROBOROS_COMPLETE="complete_bash", COMP_WORDS="ouroboros load compl", COMP_CWORD="2")
    assert done.out.split() == ["completed"]
    done = ouroboros(_OUROBOROS_COMPLETE="complete_bash", COMP_WORDS="ouroboros ask -o temp", COMP_CWORD="3")
    assert done.out.split() == ["temperature="]


def test_every_command_and_every_code_is_documented(ouroboros):
    commands = {(command.name or command.callback.__name__) for command in app.registered_commands}
    assert set(re.findall(r"^\| `([a-z-]+)[^|]*` \|", README, re.MULTILINE)) == commands
    codes = dict(re.findall(r"^\| (\d+) \| (.+) \|$", README, re.MULTILINE))
    assert {int(code) for code in codes} == set(Code)
    helped = ouroboros("--help").out
    assert all(f"\n  {name}" in helped for name in commands)
