"""Near questions, made by the model itself: one word of a question replaced by another that it finds likely there.

Shape letters: B rows, T targets, V vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch

from engine.greedy import ROWS, Greedy
from models.message import Message
from models.role import Roles
from models.template import Template
from rwkv_models.batch import Batch
from rwkv_models.chunks import token_losses

WORD = re.compile(r"[^\W\d_]{2,}")
WORDS = 16  # of a question, from its end, that may be replaced
LIKELY = 12  # words that each may be replaced by
CTX_LEN = 512


@dataclass(frozen=True)
class Question:
    """A conversation up to what the model is asked."""

    messages: tuple[Message, ...]

    @classmethod
    def of(cls, source: dict, roles: Roles) -> list[Question]:
        """What the lessons of a body of /train ask: the messages before the last, where that answers one of them. [] of texts."""
        lessons = source.get("lessons") or ([source] if "messages" in source else [])
        said = [[Message(m["role"], m["text"]) for m in lesson["messages"]] for lesson in lessons]
        return [cls(tuple(messages[:-1])) for messages in said
                if len(messages) > 1 and roles[messages[-1].role].answers and not roles[messages[-2].role].answers]

    @property
    def text(self) -> str:
        """The question itself."""
        return self.messages[-1].text

    def reworded(self, text: str) -> Question:
        """The same with another question at its end."""
        last = self.messages[-1]
        return Question((*self.messages[:-1], Message(last.role, text)))


class NearQuestions:
    """Finds them: the words that the model expects in a place, then of the whole questions those that it finds likeliest."""

    def __init__(self, greedy: Greedy, template: Template):
        self._network = greedy.network
        self._template = template

    def of(self, question: Question, count: int, enough: Callable[[], bool] = lambda: False) -> Generator[None, None, list[Question]]:
        """`count` near questions, or as many as there are, at most half of them (rounded up) with the same word replaced; chosen of
        fewer where it was `enough`. Yields after every few that were weighed. None where words are not parted by blanks."""
        places = list(WORD.finditer(text := self._template.clean(question.text)))[-WORDS:]
        if not places or not count:
            return []
        made: dict[str, int] = {}  # the question: which word was replaced
        for place, words in enumerate(self._expected(question, [text[: m.start()] for m in places])):
            old = places[place]
            for word in words:
                if word.casefold() != old[0].casefold():
                    made.setdefault(text[: old.start()] + word + text[old.end():], place)
        texts, costs = list(made), []
        for first in range(0, len(texts), ROWS):
            yield
            if enough():
                break
            costs += self._costs([question.reworded(near) for near in texts[first : first + ROWS]])
        by_cost = sorted(zip(costs, texts, strict=False))
        taken: list[str] = []
        for _, near in by_cost:
            if sum(made[other] == made[near] for other in taken) < -(-count // 2):
                taken.append(near)
        return [question.reworded(near) for near in taken[:count]]

    @torch.no_grad()
    def _expected(self, question: Question, beginnings: Sequence[str]) -> list[list[str]]:
        """The likeliest words after each beginning of the question: whole tokens of letters, as they follow a blank or nothing."""
        rows = [self._opened(question, beginning.rstrip()) for beginning in beginnings]
        batch = Batch.of([((*row, 0), (0.0,) * (len(row) + 1)) for row in rows], self._network.emb.weight.device)
        logits_BV, _ = self._network(batch.inputs_BT, None, batch.lengths_B, head="last")
        tokenizer = self._template.tokenizer
        ids_BK = logits_BV[:, : tokenizer.vocab_size].float().cpu().topk(min(8 * LIKELY, tokenizer.vocab_size), dim=1).indices
        found = []
        for beginning, ids in zip(beginnings, ids_BK.tolist(), strict=True):
            blank = " " if not beginning or beginning[-1].isspace() else ""
            pieces = [tokenizer.decode([token]) for token in ids]
            words = [piece.strip() for piece in pieces if piece.startswith(blank)]
            found.append([word for word in words if WORD.fullmatch(word)][:LIKELY])
        return found

    def _costs(self, questions: Sequence[Question]) -> list[float]:
        """How unlikely each question is, nats over its own tokens and the end of the message."""
        rows = []
        for question in questions:
            tokens = self._template.encode(question.messages).tokens
            body = len(self._template.piece(question.messages[-1]).body)
            rows.append((tokens, [0.0] * (len(tokens) - body) + [1.0] * body))
        batch = Batch.of(rows, self._network.emb.weight.device)
        return token_losses(self._network, batch, None, CTX_LEN)[0].sum(dim=1).tolist()

    def _opened(self, question: Question, beginning: str) -> list[int]:
        """The tokens of a question that has only this beginning yet."""
        *before, last = question.messages
        tokens = self._template.encode(before).tokens if before else self._template.begin
        joint = self._template.roles[last.role].joint
        return [*tokens, *self._template.piece(last).prefix, *(self._template.tokenizer.encode(joint + beginning) if beginning else [])]
