"""The data of the default model: facts are answered from what was said, held-out names stay out, tokens match the template."""

from __future__ import annotations

import json
import lzma
import random
import re
from pathlib import Path

import numpy as np
import pytest

from models.json_tokenizer import JsonTokenizer
from models.message import Message
from models.role import G1_ROLES
from models.template import Template
from scripts.default_model import clean, corpora, evaluation, mix, pack, vocabulary
from scripts.default_model.document import chat, plain
from scripts.default_model.fact_chats import fact_chat
from scripts.default_model.facts import KINDS
from scripts.default_model.kind import draw_fact
from scripts.default_model.names import PEOPLE, PETS, PLACES, Names, heldout, heldout_words
from scripts.default_model.packing import load_packed, rows_of, save_packed
from scripts.default_model.phrases import UNKNOWN, lower_first
from scripts.default_model.subjects import ME
from scripts.default_model.sums import sum_chat
from scripts.default_model.values import LISTS, Values
from scripts.default_model.world import pairs, world_chat

BETWEEN = (("What is ice?", "Ice is frozen water."), ("Thank you.", "You are welcome."))
ADMISSION = re.compile("|".join(re.escape(wording.split("{}")[0]) for wording in UNKNOWN))


@pytest.fixture(scope="module")
def chats():
    rng = random.Random(11)
    return [fact_chat(rng, BETWEEN) for _ in range(1500)]


@pytest.fixture(scope="module")
def tokenizer():
    rng = random.Random(2)
    texts = [chat("facts", fact_chat(rng, BETWEEN)[0]).text for _ in range(400)]
    return vocabulary.train(texts)


def test_there_are_many_kinds_of_facts_and_each_is_said_in_more_than_one_way():
    assert len(KINDS) >= 40
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert all(len(kind.tell) > 1 and len(kind.ask) > 1 for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_way_to_tell_and_every_answer_holds_the_value(kind):
    fact = draw_fact(random.Random(1), kind, Values(random.Random(2), Names(random.Random(3))), ME)
    for template in (*kind.tell, *kind.answer, *kind.short):
        assert fact.value.lower() in fact.say(template, "user").lower()
    for template in (*kind.ask, kind.unknown):
        assert fact.value not in fact.say(template, "user")


def test_an_answer_about_a_fact_holds_the_value_that_was_said_last(chats):
    known = 0
    for messages, checks in chats:
        for check in checks:
            role, answer = messages[check.index]
            assert role == "assistant"
            if check.value is None:
                assert ADMISSION.match(answer)
                continue
            known += 1
            assert check.value.lower() in answer.lower() or answer == "Yes."
            said = " ".join(text for role, text in messages[: check.index] if role != "assistant")
            assert check.value.lower() in said.lower()
            later = [other.value for other in checks if other.key == check.key and other.index <= check.index and other.value is not None]
            assert later[-1] == check.value
    assert known > 1500


def test_no_text_is_spaced_oddly(chats):
    assert not [text for messages, _ in chats for _, text in messages if "  " in text or "\n" in text or text != text.strip()]


def test_what_was_told_is_not_called_unknown_unless_it_was_taken_back(chats):
    for messages, checks in chats:
        known = {}
        for check in checks:
            if check.value is None and check.key in known:
                between = " ".join(text for role, text in messages[known[check.key] : check.index] if role == "user").lower()
                assert "forget" in between or "do not remember" in between or "was not true" in between
            elif check.value is not None:
                known[check.key] = check.index


def test_a_near_fact_is_not_answered_with_the_value_beside_it(chats):
    asked_beside = 0
    for messages, checks in chats:
        values = {check.value for check in checks if check.value}
        for check in checks:
            if check.value is None:
                asked_beside += bool(values)
                assert not any(
                    value in messages[check.index][1].split()
                    for value in values
                    if len(value) > 3 and value[0].isupper() and value not in check.key
                )
    assert asked_beside > 200


def test_the_same_seed_makes_the_same_chats():
    one, two = random.Random(5), random.Random(5)
    assert [fact_chat(one, BETWEEN) for _ in range(50)] == [fact_chat(two, BETWEEN) for _ in range(50)]


def test_held_out_names_are_in_no_pool_of_the_mix(chats):
    rng = random.Random(4)
    names = Names(rng)
    for kind, listed in (("person", PEOPLE), ("pet", PETS), ("place", PLACES), ("word", ())):
        drawn = {names.draw(kind) for _ in range(4000)}
        assert not heldout_words() & {name.lower() for name in drawn}
        assert len(drawn) > 1500 and len(drawn & set(listed)) >= len(listed) // 2
    texts = [text for messages, _ in chats for _, text in messages]
    texts += [text for _ in range(500) for _, text in world_chat(rng, ()) + sum_chat(rng)]
    assert not [text for text in texts if mix.named(text)]
    assert not [text for text in (*map(" ".join, pairs()), *(value for pool in LISTS.values() for value in pool)) if mix.named(text)]


def test_the_held_out_list_is_long_and_holds_the_name_of_the_story():
    assert sum(map(len, heldout().values())) >= 195
    assert "Wanda" in heldout()["pet"]
    assert mix.named("Is your cat called WANDA?") and not mix.named("Wander on")


def test_the_evaluation_set_is_the_one_in_the_folder_and_uses_held_out_names():
    lines = [json.loads(line) for line in evaluation.FILE.read_text(encoding="utf-8").splitlines()]
    assert lines == evaluation.lines()
    counts = {kind: sum(line["kind"] == kind for line in lines) for kind in ("told", "unknown", "near", "world", "sample")}
    assert counts == {"told": 60, "unknown": 60, "near": 40, "world": 40, "sample": 20}
    for line in lines:
        assert line["messages"][-1]["role"] == "user"
        if line.get("value"):
            assert line["value"] in heldout_values() and line["value"] in line["answer"]
            assert any(line["value"] in message["text"] for message in line["messages"] if message["role"] == "user")


def heldout_values():
    values = {name for names in heldout().values() for name in names}
    return values | {name.lower() for name in values}


def test_a_chat_is_cut_as_the_template_cuts_it(tokenizer, tmp_path):
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    template = Template(G1_ROLES, JsonTokenizer(tmp_path / "tokenizer.json"))
    messages = [
        ("system", "Be kind."),
        ("user", "My cat\n\nis called  Zumi.\r\n"),
        ("assistant", "<|endoftext|> I'll see 42!"),
        ("user", " User: ok? "),
    ]
    ids = next(pack.encode([chat("facts", messages)], tokenizer))
    assert tuple(ids) == template.encode([Message(role, text) for role, text in messages]).tokens


def test_the_vocabulary_keeps_digits_apart_and_the_end_of_a_turn_together(tokenizer):
    assert tokenizer.get_vocab_size() <= 4096 and tokenizer.token_to_id("<|endoftext|>") == 0
    assert len(tokenizer.encode("\n\n").ids) == 1
    assert [len(tokenizer.encode(prefix).ids) for prefix in ("User:", "Assistant:")] == [1, 1]
    assert tokenizer.encode("a 2024").tokens[-4:] == ["Ġ2", "0", "2", "4"]
    odd = "zß水\u0000\U0001f600 \t  x"
    assert tokenizer.decode(tokenizer.encode(odd).ids) == odd


def test_packed_documents_come_back_and_rows_hold_them_whole(tmp_path):
    rng = np.random.default_rng(1)
    documents = [np.r_[0, rng.integers(1, 4096, size)].astype(np.uint16) for size in rng.integers(2, 60, 301)]
    save_packed(tmp_path / "x.npz", pack.packed([list(map(int, d)) for d in documents], [i % 3 for i in range(301)], ["a", "b", "c"]))
    data = load_packed(tmp_path / "x.npz")
    assert data.names == ["a", "b", "c"] and list(data.sources[:4]) == [0, 1, 2, 0]
    assert all(np.array_equal(data.tokens[data.offsets[i] : data.offsets[i + 1]], d) for i, d in enumerate(documents))
    rows, trained = rows_of(data, 129, seed=3)
    found = [
        tuple(part) for row, mask in zip(rows, trained, strict=True) for part in np.split(row[mask], np.flatnonzero(row[mask] == 0)[1:])
    ]
    assert sorted(found) == sorted(map(tuple, documents))
    assert trained.mean() > 0.9
    assert np.array_equal(rows_of(data, 129, seed=3)[0], rows) and not np.array_equal(rows_of(data, 129, seed=4)[0][:5], rows[:5])


def test_a_share_of_every_source_is_held_out():
    assert pack.held_out({"big": 100_000, "middle": 8_000, "small": 1_000}) == {"big": 1000, "middle": 200, "small": 50}


def write_corpora(folder: Path) -> None:
    exchanges = [
        ("What is a pond?", "A pond is a small lake in a garden."),
        ("What is my name?", "Your name is Paul."),
        ("What is a hill?", "A hill is a low mountain."),
    ]
    rows = [
        {"source": "x", "messages": [{"role": role, "text": text} for q, a in exchanges for role, text in (("user", q), ("assistant", a))]},
        {"source": "x", "messages": [{"role": "user", "text": "Who is Wanda?"}, {"role": "assistant", "text": "She is a kind girl."}]},
    ]
    files = {
        "smollm2_chats.jsonl.xz": "\n".join(map(json.dumps, rows + rows)),
        "instruct.jsonl.xz": "",
        "dialogs.jsonl.xz": json.dumps(
            {"source": "sgd", "messages": [{"role": "user", "text": "Book a “table”."}, {"role": "assistant", "text": "For how many?"}]}
        ),
        "chitchat_byu.txt.xz": "User: Hello there.\n\nAssistant: What the hell.\n\nUser: I like tea.\n\nAssistant: So do I.",
        "tinystories_real.txt.xz": "Once there was a dog.\n<|endoftext|>\nA boy called Wanda.",
        "kids_storybooks_en.txt.xz": "Tea\n\nHe drank tea.",
    }
    for name, text in files.items():
        (folder / name).write_bytes(lzma.compress(text.encode()))


def test_the_mix_reads_the_corpora_and_leaves_out_what_it_should(tmp_path, monkeypatch):
    monkeypatch.setattr(mix.made, "__defaults__", (20, 10, 5))
    write_corpora(tmp_path)
    documents = mix.build(tmp_path, seed=1)
    texts = [document.text for document in documents]
    assert len(set(texts)) == len(texts) and not any(map(mix.named, texts))
    assert "User: What is a pond?\n\nAssistant: A pond is a small lake in a garden.\n\n" in texts
    assert not any("Paul" in text and document.source == "smollm2_chats" for text, document in zip(texts, documents, strict=True))
    assert 'User: Book a "table".\n\nAssistant: For how many?\n\n' in texts
    assert "Once there was a dog." in texts and not any("hell." in text for text in texts)
    assert texts == [document.text for document in mix.build(tmp_path, seed=1)]


@pytest.mark.parametrize("text", ["call 801-555-1234", "me@home.org", "what the fuck", "naïve", "", "User: hi", "see www.x.org"])
def test_unfit_text_is_refused(text):
    assert not clean.acceptable(clean.normalise(text))


def test_questions_that_only_the_user_can_answer_are_known_as_such():
    assert all(map(clean.asks_about_speaker, ("What is my name?", "Do you know where I live? Where do I live?", "How old am I?")))
    assert not any(map(clean.asks_about_speaker, ("My dog is ill.", "What is a dog?", "Where do birds sleep?")))


def test_long_texts_are_parted_between_sentences():
    text = " ".join(f"This is sentence number {i} of a long story." for i in range(120))
    parts = list(corpora._parts(text))
    assert all(len(part) <= corpora.LONGEST and part.endswith(".") for part in parts) and len(parts) > 2
    assert plain("stories", "  x \n").text == "x"


def test_names_keep_their_capital_in_the_middle_of_a_sentence():
    assert (
        lower_first("My cat is Zumi.") == "my cat is Zumi."
        and lower_first("Zumi is my cat.") == "Zumi is my cat."
        and lower_first("I am.") == "I am."
    )
