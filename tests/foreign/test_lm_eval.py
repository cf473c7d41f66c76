"""lm_eval, unchanged, over HTTP: what it measures equals what the network itself says, to 1e-4."""

import json
from pathlib import Path

import pytest

from tests.foreign.direct import Direct

TASKS = Path(__file__).parent / "tasks"
LONGEST = 126
"""Tokens that lm_eval scores in one window, where the script says max_length = 128: one goes to the answer, one to the context."""


@pytest.fixture(scope="module")
def direct():
    return Direct()


def lines(name):
    return [json.loads(line) for line in (TASKS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def encoded_pair(direct, context, continuation):
    """Context and continuation as lm_eval splits them: blanks at the end of the context belong to what follows, one blank between."""
    whole = direct.tokenizer.encode(context + continuation)
    return whole, len(direct.tokenizer.encode(context))


@pytest.mark.parametrize("batch, concurrent", [(1, 1), (4, 1), (1, 3)])
def test_multiple_choice(served, direct, batch, concurrent):
    found = served.client("lm_eval_tasks", "local-completions", str(batch), str(concurrent), "ouroboros_choice")
    right = []
    for doc, told in zip(lines("choice"), found["answers"]["ouroboros_choice"], strict=True):
        values = []
        for choice, [[cost, greedy]] in zip(doc["choices"], told, strict=True):
            if doc["question"]:
                tokens, first = encoded_pair(direct, doc["question"], " " + choice)
            else:
                tokens, first = [0, *direct.tokenizer.encode(" " + choice)], 1  # lm_eval begins with the token that ends a text
            costs, likeliest = direct.costs(tokens, first)
            assert cost == pytest.approx(sum(costs), abs=1e-4) and greedy == likeliest
            values.append(sum(costs))
        right.append(values.index(max(values)) == doc["answer"])
    assert found["results"]["ouroboros_choice"]["acc,none"] == sum(right) / len(right)


def test_rolling_log_likelihood_and_greedy_text(served, direct):
    found = served.client("lm_eval_tasks", "local-completions", "2", "1", "ouroboros_roll", "ouroboros_write")
    for doc, [[told]] in zip(lines("roll"), found["answers"]["ouroboros_roll"], strict=True):
        tokens = direct.tokenizer.encode(doc["text"])
        total = sum(direct.costs([0, *tokens[:LONGEST]], 1)[0])
        for start in range(LONGEST, len(tokens), LONGEST):  # the last window is full again, of tokens that were counted
            end = min(start + LONGEST, len(tokens))
            total += sum(direct.costs(tokens[end - LONGEST - 1 : end], LONGEST + 1 - (end - start))[0])
        assert len(tokens) > LONGEST or "Wanda" in doc["text"]
        assert told == pytest.approx(total, abs=1e-4)
    for doc, [[told]] in zip(lines("write"), found["answers"]["ouroboros_write"], strict=True):
        assert told == direct.write(direct.tokenizer.encode(doc["begin"]), 12, "\n")


def test_chat_completions(served, direct):
    found = served.client("lm_eval_tasks", "local-chat-completions", "1", "1", "ouroboros_write")
    for doc, [[told]] in zip(lines("write"), found["answers"]["ouroboros_write"], strict=True):
        prompt = direct.template.prompt(direct.messages(("user", doc["begin"])))
        assert told == direct.write(prompt, 12, "\n").strip()
