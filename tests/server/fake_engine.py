"""An engine without a model: it keeps what it was asked and answers as the text of the request tells it to.

    "hold"      leaves the ticket to the test, which takes it from `opened`
    "busy", "bad", "boom"           raises at once
    "late busy", "late boom"        fails the ticket before its first event
    "midway boom"                   fails it after one
anything else is answered at once, in three pieces.
"""

from __future__ import annotations

import queue

from engine.bundle import Bundle
from engine.errors import BadRequest, Busy, Conflict, NotFound
from engine.events import Events
from engine.ticket import Ticket
from models.role import G1_ROLES
from models.vocabulary import Vocabulary

PIECES = ["one ", "two ", "thré\n"]


def error_for(text):
    """The error that a text asks for, or None."""
    return {
        "busy": Busy("the queue is full", retry_after=2.5),
        "bad": BadRequest("tokens holds an id above the vocabulary", "tokens"),
        "boom": RuntimeError("a secret of the inside"),
        "conflict": Conflict("the key was used for another lesson", "idempotency_key"),
    }.get(text)


class Letters(Vocabulary):
    """A vocabulary of single bytes: token 1 + b is the byte b."""

    def __init__(self):
        super().__init__("letters", "00", [b"", *(bytes([byte]) for byte in range(256))], "<|endoftext|>")

    def encode(self, text):
        return [1 + byte for byte in text.encode()]


def entry(token, logprob, *top):
    """A token as the engine describes it."""
    return {"token": token, "text": Letters().decode([token]), "logprob": logprob, "top": [entry(*t) for t in top]}


class FakeEngine:
    """Engine facade of the server; `calls` has (method, arguments) in order."""

    name, roles, tokenizer, begin, version, started = "one", G1_ROLES, Letters(), (0,), 7, 1_000_000_000

    def __init__(self):
        self.calls: list[tuple] = []
        self.opened: queue.Queue[Ticket] = queue.Queue()
        self.events = Events()
        self.goes_on = False  # whether a stream of events does, or ends at once

    def asked(self, method, *arguments):
        self.calls.append((method, arguments))

    def last(self, method):
        """The arguments of the last call of a method."""
        return next(arguments for name, arguments in reversed(self.calls) if name == method)

    def ticket(self, kind, text="", result=None):
        """A ticket that behaves as `text` asks for."""
        if error := error_for(text):
            raise error
        ticket = Ticket(kind)
        if text == "hold":
            self.opened.put(ticket)
            return ticket
        if text.startswith("late "):
            ticket.fail(error_for(text[5:]))
            return ticket
        for piece in PIECES:
            ticket.progress({"text": piece})
            if text.startswith("midway "):
                ticket.fail(error_for(text[7:]))
                return ticket
        ticket.finish({"id": ticket.id, "text": "".join(PIECES), **(result or {})})
        return ticket

    def figures(self):
        return {"tokens_read": 11, "tokens_written": 5, "lessons_learned": 3, "lessons_refused": 1, "training_seconds": 2.5, "last_loss": 0.05,
                "version": 7, "open_answers": 2, "queue_depth": 4, "journal_bytes": 1234, "state_bytes": 5, "spilled_bytes": 6,
                "memory_bytes": 1e9, "device_memory_bytes": 0}

    def health(self):
        self.asked("health")
        return {"status": "ok", "model": "fake", "version": 0, "training": False, "queue": 0}

    def listen(self):
        listening = self.events.listen(model=self.name, version=self.version)
        if not self.goes_on:
            listening.end()
        return listening

    def defaults(self):
        return {"infer": {"temperature": 1.0}, "train": {"lr": 1e-4}}

    def weights(self):
        return {"version": 0, "digest": "00", "checkpoint": None, "lessons_since_checkpoint": 0}

    def infer(self, source, options, session, given, as_of=None):
        self.asked("infer", source, options, session, given)
        self.asked("as_of", as_of)
        return self.ticket("infer", source.get("text", ""), {"session": session})

    def answer(self, kind, sources, options, given, n=1, score=None):
        """Each answer is PIECES, its tokens the letters of "ab"; the bundle's errors as the last source's text asks for them."""
        self.asked("answer", kind, sources, options, given, n, score)
        text = str(sources[-1].get("text") or sources[-1].get("messages", [{}])[-1].get("text", ""))
        if error := error_for(text):
            raise error
        bundle = Bundle(kind, None, n * len(sources))
        if text == "hold":
            self.opened.put(bundle)
            return bundle
        if text.startswith("late "):
            bundle.fail(error_for(text[5:]))
            return bundle
        for index, part in enumerate(bundle.parts):
            tokens = sources[index // n].get("tokens") or [1 + ord("p")]
            if score is not None:
                part.progress({"prompt": [entry(t, None if i == 0 else -1.5, (t, -1.5)) for i, t in enumerate(tokens)]})
            for i, piece in enumerate(PIECES):
                said = [entry(1 + ord("ab"[i]), -0.25 - i, (1 + ord("z"), -0.125))] if options.logprobs and i < 2 else []
                part.progress({"text": piece} | ({"logprobs": said} if said else {}))
                if text.startswith("midway "):
                    bundle.fail(error_for(text[7:]))
                    return bundle
            part.finish({"text": "".join(PIECES), "finish_reason": "stop", "versions": [3, 4],
                         "usage": {"prompt_tokens": len(tokens), "completion_tokens": 2}})
        return bundle

    def train(self, source, options, idempotency_key, given):
        self.asked("train", source, options, idempotency_key, given)
        return self.ticket("train", source.get("text", ""), {"learned": True, "lesson": "lesson-0123456789ab"})

    def load_data(self, body, options, given):
        self.asked("load_data", body, options, given)
        return self.ticket("load_data", body.get("content", ""))

    def datasets(self):
        return {"datasets": [{"name": "sft.org"}], "runs": []}

    def lessons_taught(self, asked):
        self.asked("lessons_taught", asked)
        return [{"lesson": "lesson-0123456789ab"}]

    def history_of(self, asked):
        self.asked("history_of", asked)
        return []

    def query(self, text, format):
        self.asked("query", text, format)
        return "application/sparql-results+json", b"{}"

    def export(self, form, asked):
        self.asked("export", form, asked)
        return {"form": form}

    def retrain(self, lesson, options, idempotency_key, given):
        self.asked("retrain", lesson, options, idempotency_key, given)
        return self.ticket("train")

    def retract(self, lesson):
        self.asked("retract", lesson)
        return self.ticket("retract")

    def rollback(self, version):
        self.asked("rollback", version)
        return self.ticket("rollback")

    def undo(self, lesson):
        self.asked("undo", lesson)
        return self.ticket("undo")

    def diff(self, before, after):
        self.asked("diff", before, after)
        return self.ticket("diff")

    def version_list(self):
        return [{"version": 7}]

    def review(self, limit):
        self.asked("review", limit)
        return self.ticket("review")

    def save(self, name):
        self.asked("save", name)
        return self.ticket("save")

    def load(self, name, version):
        self.asked("load", name, version)
        return self.ticket("load")

    def rename_checkpoint(self, name, as_name, version):
        self.asked("rename_checkpoint", name, as_name, version)
        return self.ticket("rename")

    def delete_checkpoint(self, name, version):
        self.asked("delete_checkpoint", name, version)
        return self.ticket("delete")

    def export_checkpoint(self, name, version):
        self.asked("export_checkpoint", name, version)
        return self.ticket("export")

    def trains(self):
        return {"trains": {"what": "all"}, "adapters": []}

    def train_this(self, chosen):
        self.asked("train_this", chosen)
        return self.ticket("trains")

    def adapter(self, action, name):
        self.asked("adapter", action, name)
        return self.ticket("adapter")

    def state(self, body):
        self.asked("state", body)
        return self.ticket("state")

    def states_kept(self):
        return {"states": [], "train": None, "infer": None}

    def checkpoints(self):
        return [{"name": "default"}]

    def cancel(self, id):
        self.asked("cancel", id)
        return {"id": id, "cancelled": True}

    def sessions(self):
        return [{"session": "one"}]

    def session(self, name):
        if name == "missing":
            raise NotFound("there is no session missing", "name")
        return {"name": name, "messages": []}

    def delete_session(self, name):
        self.asked("delete_session", name)
        return {"name": name, "deleted": True}

    def rename_session(self, name, as_name):
        self.asked("rename_session", name, as_name)
        return self.ticket("rename")

    def correct(self, name, turn, text, train, options, idempotency_key, given):
        self.asked("correct", name, turn, text, train, options, idempotency_key, given)
        return self.ticket("train", text)

    def branch(self, name, turn, as_name):
        self.asked("branch", name, turn, as_name)
        return self.ticket("branch")

    def regenerate(self, name, turn, options, given):
        self.asked("regenerate", name, turn, options, given)
        return self.ticket("infer")

    def edit(self, name, turn, messages, options, given):
        self.asked("edit", name, turn, messages, options, given)
        return self.ticket("infer")
