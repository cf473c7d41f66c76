"""Lessons that the default model practises: what is asked after them, and that they are learned and differentiated as they should be."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from bench.facts import load
from models.json_tokenizer import JsonTokenizer
from models.message import Message
from models.role import G1_ROLES
from models.template import Template
from scripts.default_model import episodes, meta
from scripts.default_model.fast_weights import EpisodeLinear, changed, twice_differentiable, with_fast_weights
from scripts.default_model.kinds_taught import TAUGHT_KINDS
from scripts.default_model.names import heldout_words
from scripts.default_model.world import pairs, question_key
from tests.rwkv_models.networks import random_network, tokens

TINY = Path(__file__).parents[2] / "rwkv_models" / "tiny" / "tokenizer.json"


@pytest.fixture(scope="module")
def facts():
    maker = episodes.Maker(5)
    return [maker.taught() for _ in range(1500)]


@pytest.fixture(scope="module")
def tokenizer():
    made = Tokenizer.from_file(str(TINY))
    made.encode_special_tokens = True
    return made


def test_no_fact_of_the_benchmark_and_no_held_out_name_is_practised(facts):
    said = {question_key(text) for fact in facts for row in fact for text in (row.messages[-1][1], row.answer)}
    assert not heldout_words() & {word for text in said for word in re.findall(r"[^\W\d_]+", text.lower())}
    bench = list(load())
    answers = {question_key(answer) for fact in bench for answer in (fact.answer, fact.last[0], *(one.answer for one in fact.before))}
    assert not answers & said
    things = {fact.question for fact in bench} | {question for fact in bench for question in (*fact.paraphrases, *fact.neighbours)}
    practised = {row.messages[-1][1] for fact in facts for row in fact} - {question for question, _ in pairs()}
    assert not things & practised, things & practised


def test_every_kind_is_practised_in_every_form(facts):
    assert {row.form for fact in facts for row in fact} == set(episodes.FORMS)
    assert {fact[0].kind for fact in facts} >= {kind.name for kind in TAUGHT_KINDS if kind.weight > 0.1 and kind.answer and kind.group != "deed"}
    assert all(fact[0].form == "lesson" and all(row.form != "lesson" for row in fact[1:]) for fact in facts)


def test_what_is_asked_beside_a_lesson_is_not_what_it_taught(facts):
    true = {answer for _, answer in pairs()}
    for lesson, *rows in facts:
        for row in rows:
            if row.form == "near":
                assert row.key != lesson.key and row.messages != lesson.messages
                assert row.answer.startswith("I do not know ") or row.answer in true or lesson.kind == "belief", row
            else:
                assert row.key == lesson.key and not row.answer.startswith("I do not know")


def test_a_row_is_what_the_program_makes_of_the_lesson(facts, tokenizer):
    template = Template(G1_ROLES, JsonTokenizer(TINY))
    for fact in facts[:20]:
        asked = fact[0]
        (ids, begin), *_ = episodes.encoded([asked], tokenizer)
        sample = template.encode([Message("user", asked.messages[0][1]), Message("assistant", asked.answer)])
        assert ids == list(sample.tokens) and [i for i, w in enumerate(sample.weights) if w] == list(range(begin, len(ids)))


def test_an_archive_gives_rows_of_its_facts_and_none_near_to_what_is_taught(facts, tokenizer, tmp_path):
    arrays = episodes.pack(facts[:400], tokenizer)
    np.savez(tmp_path / "some.npz", **arrays)
    practice = meta.Practice(tmp_path / "some.npz", 1)
    going = meta.Episodes(practice, 6)
    for _ in range(30):
        rows = going.next(0.05, 4, 4)
    assert rows["inner"][0].shape == (6, 5, episodes.SHORT) and rows["outer"][0].shape == (6, len(meta.NEW) + 4 * len(meta.OLD), episodes.SHORT)
    text = tokenizer.decode([t for t in rows["inner"][0][0, 0] if t])
    assert any(fact[0].answer in text and fact[0].messages[0][1] in text for fact in facts[:400])
    near = practice.by_form["near"]
    fact = np.flatnonzero(near[:, 0] >= 0)[:1]
    key = practice.rows["short"][1][near[fact[0], 0], 4]
    teaching = [f for f in range(practice.count) if practice.keys(np.array([f]))[0] == key]
    ask = lambda taught: practice.picked(fact[:, None], ("near",) * 4, np.ones((1, 1), bool), np.array([taught]))[1].sum(-1)  # noqa: E731
    assert (ask([-1]) > 0).all()
    if teaching:
        assert (ask(teaching) == 0).any()


def rows_of(count, rows, length=12):
    read = tokens(length, rows=count * rows).view(count, rows, length)
    weights = torch.zeros(count, rows, length, dtype=torch.float64)
    weights[..., 6:] = 1 / (length - 6)
    return read, weights


def test_a_practised_lesson_moves_what_gradient_descent_moves():
    network, rule = random_network(), meta.Rule(lr=0.3, steps=2, until_loss=0.0)
    matrices = with_fast_weights(network)
    assert all(isinstance(m, EpisodeLinear) for m in matrices) and len(matrices) == 3
    read, weights = rows_of(2, 3)
    begin = [torch.zeros(2, *m.weight.shape, dtype=torch.float64, requires_grad=True) for m in matrices]
    after = meta.taught(network, matrices, begin, read, weights, rule, again=False)
    kept = [m.weight.detach().clone() for m in matrices]
    for episode in range(2):
        for _ in range(2):
            logits, _ = network(read[episode][:, :-1])
            nll = torch.nn.functional.cross_entropy(logits.flatten(0, 1), read[episode][:, 1:].flatten(), reduction="none").view(3, -1)
            gradients = torch.autograd.grad((nll * weights[episode][:, 1:]).sum(), [m.weight for m in matrices])
            norm = torch.stack([g.norm() for g in gradients]).norm()
            with torch.no_grad():
                for m, g in zip(matrices, gradients, strict=True):
                    m.weight -= 0.3 * g * min(1.0, 1.0 / float(norm))
        for m, old, change in zip(matrices, kept, after, strict=True):
            assert torch.allclose(m.weight - old, change[episode], atol=1e-9)
            with torch.no_grad():
                m.weight.copy_(old)


def test_the_weights_learn_through_the_lesson():
    """The gradient of what comes after a lesson, by the weights before it, against differences."""
    network, rule = random_network(), meta.Rule(lr=0.5, steps=2, until_loss=0.0)
    matrices = with_fast_weights(network)
    read, weights = rows_of(1, 2)
    begin = [torch.zeros(1, *m.weight.shape, dtype=torch.float64, requires_grad=True) for m in matrices]

    def afterwards():
        after = meta.taught(network, matrices, begin, read, weights, rule)
        with changed(matrices, after):
            return meta.row_losses(network, read.flip(2), weights).sum()

    some = [network.blocks[1].att.key.weight, network.blocks[2].ffn.key.weight, network.emb.weight, network.blocks[0].att.w0]
    gradients = torch.autograd.grad(afterwards(), some)
    for p, gradient in zip(some, gradients, strict=True):
        torch.manual_seed(0)
        way = torch.randn_like(p) / p.numel() ** 0.5
        losses = []
        for step in (1e-5, -2e-5):
            with torch.no_grad():
                p += step * way
            losses.append(float(afterwards().detach()))
        with torch.no_grad():
            p += 1e-5 * way
        expected = (losses[0] - losses[1]) / 2e-5
        assert abs(expected - float((gradient * way).sum())) < 1e-5 * max(1, abs(expected))


def test_inside_a_lesson_the_operator_is_the_same():
    network, solve = random_network(), torch.linalg.solve_triangular
    read = tokens(20)
    before = network(read)[0]
    with twice_differentiable():
        assert torch.linalg.solve_triangular is not solve and torch.allclose(network(read)[0], before, atol=1e-9)
    assert torch.linalg.solve_triangular is solve
