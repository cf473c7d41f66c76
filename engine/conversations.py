"""What happens to a request for an answer: its prompt from a session or a body, its place in the batch, its turn kept.

Runs on the owner thread, all of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from engine.bundle import Part
from engine.decoding import DecodeBatch
from engine.errors import BadRequest, Conflict, EngineError
from engine.generation import Generation
from engine.journal import Journal
from engine.json_guide import JsonGrammar, JsonGuide
from engine.live_model import LiveModel, messages_of
from engine.options import AnswerOptions, InferOptions
from engine.scoring import Scoring
from engine.session import Session, Sessions, Turn
from engine.state_cache import StateCache
from engine.states import Start, States
from engine.ticket import Ticket
from engine.versions import Versions
from engine.waiting import Waiting
from rwkv_models.state import State

THINK = "<think"
log = logging.getLogger("ouroboros.conversations")


class Conversations:
    """Open answers and the sessions that they belong to. A kind of work of the owner thread."""

    def __init__(self, model: LiveModel, versions: Versions, sessions: Sessions, cache: StateCache, batch: DecodeBatch, defaults,
                 states: States, journal: Journal):
        self.model = model
        self.journal = journal
        self.versions = versions
        self.sessions = sessions
        self.cache = cache
        self.batch = batch
        self.defaults = defaults  # [infer] of the config script
        self.states = states
        self.start: Start | None = None  # of new conversations
        self.latest: Session | None = None  # that was answered
        self.scoring = Scoring(batch, versions)
        self._grammar: JsonGrammar | None = None
        self._waiting = Waiting()

    def __bool__(self) -> bool:
        return bool(self._waiting) or bool(self.batch)

    @property
    def open(self) -> int:
        """How many answers are being written or read for, or wait for a place. May be asked from any thread."""
        return len(self._waiting) + self.batch.open + len(self.scoring)

    def step(self) -> None:
        """Let in who waits, then read and write a little of every open answer."""
        for leader in [g for g in self._waiting if g.ticket.cancelled.is_set()]:
            self._waiting.remove(leader)
            for generation in leader.group:
                generation.end("cancelled")
                generation.close(None)
        while self._waiting and not self.batch.full:
            self.batch.add(self._waiting.next())
        self.batch.step(self.versions.number, self.versions.stamp)

    def fail(self, error: Exception) -> None:
        """A step raised: nobody knows how far it came, so every open answer ends."""
        self.batch.fail(EngineError("the model failed while it was answering; see the server's log"))

    def options(self, given: InferOptions, names: set[str]) -> InferOptions:
        """The caller's options, the rest from the config script."""
        defaults = {n: getattr(self.defaults, n) for n in InferOptions.model_fields if hasattr(self.defaults, n)}
        kind = type(given)
        return kind(**{**defaults, **{n: getattr(given, n) for n in names & set(kind.model_fields)}})

    # -- beginning an answer

    def infer(self, ticket: Ticket, source: dict, options: InferOptions, name: str | None) -> None:
        """Begin an answer to a body of /infer."""
        if "messages" in source and name is not None:
            session = self.sessions.find(name)
            self.ask(ticket, session, len(session.turns), source["messages"], options)
        elif name is not None:
            raise BadRequest("session: a session is a conversation and needs messages, not text or tokens", "session")
        else:
            prompt, start = self._read_from(source, options)
            self._waiting.add(self._generation(ticket, prompt, options, start, chat="messages" in source))

    def answer(self, tickets: Sequence[Ticket | Part], source: dict, options: AnswerOptions, score: int | None) -> None:
        """Begin an answer for each ticket to one prompt, the n-th with the n-th seed from that of the options. With `score`, first tell
        what each token of the prompt costs, with that many likeliest ones beside it."""
        prompt, start = self._read_from(source, options)
        seed = options.seed
        leader, *siblings = (
            self._generation(ticket, prompt, options if seed is None else options.model_copy(update={"seed": (seed + i) % 2**63}), start,
                             chat="messages" in source)
            for i, ticket in enumerate(tickets))
        leader.siblings = siblings
        if score is None:
            self._waiting.add(leader)
        else:
            self.scoring.add(leader, score, unsaid=len(self.model.template.begin) if "text" in source else 0)

    def _read_from(self, source: dict, options: InferOptions) -> tuple[list[int], int]:
        """The prompt that a source without a session stands for, and what its states depend on."""
        if "messages" in source:
            return self._prompt(source["messages"], options, self._opening()), _seq(self.start)
        tokens = source.get("tokens")
        if tokens is None:
            tokens = [*self.model.template.begin, *self._encode(source["text"])]
        elif max(tokens) >= self.model.tokenizer.vocab_size:
            raise BadRequest(f"tokens: ids go from 0 to {self.model.tokenizer.vocab_size - 1}, got {max(tokens)}", "tokens")
        if not tokens:
            raise BadRequest("text: there is nothing to begin from, give at least one character", "text")
        return list(tokens), 0

    def ask(self, ticket: Ticket, session: Session, turns: int, messages: list[dict], options: InferOptions) -> None:
        """Begin the answer that becomes turn `turns` + 1 of a session; later turns go when it is there."""
        if session.busy:
            raise Conflict(f"session: {session.name} is writing an answer already", "session")
        opening = () if turns else self._opening()
        prompt = self._prompt(messages, options, [*session.tokens(turns), *opening])
        if not turns:
            session.start = _seq(self.start)

        def keep(generation: Generation, state: State | None) -> dict:
            try:
                return self._keep_turn(session, turns, messages, len(opening), generation, state)
            finally:
                self.sessions.end(session)

        self._waiting.add(self._generation(ticket, prompt, options, session.start, chat=True, on_close=keep), of_session=True)
        self.sessions.begin(session)

    def _encode(self, text: str) -> list[int]:
        try:
            return self.model.tokenizer.encode(text)
        except ValueError as error:  # a vocabulary need not have every character
            raise BadRequest(f"text: {error}", "text") from None

    def _prompt(self, messages: list[dict], options: InferOptions, after: Sequence[int]) -> list[int]:
        try:
            return self.model.template.prompt(messages_of(messages), options.think, after)
        except ValueError as error:
            raise BadRequest(f"messages: {error}", "messages") from None

    def _opening(self) -> tuple[int, ...]:
        """The tokens that a new conversation begins with."""
        return self.model.template.begin if self.start is None else self.start.tokens or ()

    def read(self, ticket: Ticket, session: Session, on_read: Callable[[State | None], None]) -> None:
        """Have the state after all turns of a session, with `on_read` called on it; None where that failed."""

        def closed(generation: Generation, state: State | None) -> dict:
            on_read(state)
            return {}

        options = InferOptions(max_tokens=1, temperature=0.0)  # the one token is written and not read: the state is that of the turns
        tokens = session.tokens(len(session.turns))
        self._waiting.add(self._generation(ticket, tokens, options, session.start, chat=False, on_close=closed), of_session=True)

    def _generation(self, ticket: Ticket | Part, prompt: list[int], options: InferOptions, start: int, chat: bool,
                    on_close=None) -> Generation:
        suffix = self.model.roles.answering.suffix if chat else None
        if isinstance(suffix, tuple):
            options = options.model_copy(update={"stop_tokens": [*options.stop_tokens, suffix[0]]})
        return Generation(
            ticket, self.model.tokenizer, prompt, options, known=lambda tokens: self._longest_known(tokens, start),
            stop_texts=[suffix] if isinstance(suffix, str) else [], opening=THINK if chat and options.think else "", strip=chat,
            guide=self._guide() if getattr(options, "json_object", False) else None, on_close=on_close)

    def _guide(self) -> JsonGuide:
        if self._grammar is None:
            self._grammar = JsonGrammar(self.model.tokenizer)
        return self._grammar.guide()

    def _longest_known(self, prompt: list[int], start: int) -> tuple[int, State | None]:
        """The longest beginning of a prompt, short of its last token, whose state is in the cache; or the state it starts from."""
        length, state = self.cache.longest(start, prompt, self.versions.stamp)
        return length, self.states.start_of(start).state if start and state is None else state

    # -- keeping a turn

    def _keep_turn(self, session: Session, turns: int, messages: list[dict], opening: int, generation: Generation,
                   state: State | None) -> dict:
        if generation.finish_reason == "error":
            return {}
        if generation.finish_reason == "cancelled" and (turns < len(session.turns) or not generation.written):
            return {"session": session.name, "turn": None}  # half an answer never takes the place of a whole one
        tokens = self._closed(generation)
        if state is not None and generation.stamps == {self.versions.stamp}:
            self.cache.put(session.start, generation.tokens[: generation.consumed], self.versions.stamp, state)
        turn = Turn(tuple(messages), generation.text, tuple(tokens[len(session.tokens(turns)) :]),
                    (generation.first_version, generation.last_version), generation.finish_reason, opening)
        self.journal.append({"kind": "turn", "time": time.time(), "id": generation.ticket.id, "session": session.name, "turn": turns + 1,
                             "messages": messages, "answer": turn.answer, "versions": turn.versions, "finish_reason": turn.finish_reason})
        self.sessions.store(session, [*session.turns[:turns], turn])
        self.latest = session
        return {"session": session.name, "turn": turns + 1}

    def _closed(self, generation: Generation) -> list[int]:
        """All tokens of the conversation with the answer properly closed, as the next turn will read them."""
        role, template = self.model.roles.answering, self.model.template
        written = generation.tokens[generation.prompt_length :]
        suffix = template.suffix_tokens(role)
        closing = role.suffix if isinstance(role.suffix, str) else ""
        if closing and generation.stream.stopped == closing and self.model.tokenizer.decode(written).endswith(closing):
            return generation.tokens
        if isinstance(role.suffix, tuple) and written and written[-1] == suffix[0]:
            return [*generation.tokens, *suffix[1:]]
        if generation.finish_reason == "length":
            return [*generation.tokens, *suffix]
        text = generation.text.removeprefix(generation.opening)  # which the prompt ends with
        return [*generation.tokens[: generation.prompt_length], *template.answer_end(text, think=bool(generation.opening))]

    def context(self, session: Session) -> dict:
        """What a lesson about a session has to read before its messages, for its source: the tokens of a kept chat, if it began there."""
        opening = session.turns[0].tokens[: session.turns[0].opening]
        return {} if session.start or opening == self.model.template.begin else {"after": opening}

    def corrected(self, session: Session, number: int, text: str) -> None:
        """Put another answer in the place of a turn's; later turns stay."""
        old, role = session.turn(number), self.model.roles.answering.name
        text = self.model.template.clean(text)
        said = messages_of([*old.messages, {"role": role, "text": text}])
        tokens = self.model.template.encode(said, after=old.tokens[: old.opening]).tokens
        turn = Turn(old.messages, text, tokens, old.versions, "corrected", old.opening)
        self.sessions.store(session, [*session.turns[: number - 1], turn, *session.turns[number:]])


def _seq(start: Start | None) -> int:
    """The record that a conversation's states depend on, 0 for none: those read from tokens depend on these alone."""
    return 0 if start is None or start.tokens is not None else start.seq
