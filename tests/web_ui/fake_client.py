"""A client without a server: it keeps chats, lessons and versions in memory, answers at once, and fails or waits when it is told to.

Its answers have the fields of the real ones, as far as the page reads them; test_client.py holds its methods to those of the real client.
"""

from __future__ import annotations

import copy
import threading

from ouroboros_client import OuroborosError

WAIT = 10
"""Seconds that a held stream waits at most: the end of a test that has failed."""


def missing(name):
    return OuroborosError(f"there is no session {name}", status=404)


class FakeStream:
    """Events, then the answer. `gate`: an event without which nothing after the first comes."""

    def __init__(self, events, answer, gate=None, stopped=None):
        self.id, self._events, self._answer, self._gate, self._stopped = None, iter(events), answer, gate, stopped
        self._told = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.id = "ticket-1"
        if self._told and self._gate:
            assert self._gate.wait(WAIT)
        if self.was_stopped:
            raise StopIteration
        self._told += 1
        return next(self._events)

    was_stopped = False

    def stop(self):
        self.was_stopped = True
        if self._gate:
            self._gate.set()

    def finish(self):
        return self._stopped() if self.was_stopped and self._stopped else self._answer()


class FakeClient:
    """`calls` has (method, arguments, named) in order; `fails` an error by method; `gate`, when set, holds streams after their first event."""

    def __init__(self):
        self.calls, self.fails, self.gate = [], {}, None
        self.chats: dict[str, list] = {}
        self.taught, self.course = [], [self.version_entry(0, "base", None)]
        self.version = 0
        self.says = "I do not know."
        self.checks = {"kept": [0, 0], "forgotten": [], "neighbours": [], "put_back": None}
        self.refuses = None
        self.sampling, self.drift = {}, 0.003
        self.runs, self.sets, self.saved, self.kept_states = [], [], [], []
        self.training = {"trains": {"what": "all", "parts": [], "name": "all", "rank": 32}, "quantized": None, "parameters": 9_000_000, "adapters": []}

    def asked(self, method, *arguments, **named):
        self.calls.append((method, arguments, named))
        if error := self.fails.get(method):
            raise error

    def last(self, method):
        """Arguments of the last call of a method."""
        return next((arguments, named) for name, arguments, named in reversed(self.calls) if name == method)

    def stream(self, events, answer, stopped=None):
        return FakeStream(events, answer, self.gate, stopped)

    @staticmethod
    def version_entry(number, made_by, lesson, before=None, after=None, drift=None):
        return {"version": number, "present": True, "in_weights": True, "time": 1.7e9 + number, "made_by": made_by, "lesson": lesson,
                "loss_before": before, "loss_after": after, "drift": drift, "digest": f"{number:064x}"}

    # answers

    def answer(self, messages, session, turn=None, reason="stop", text=None):
        text = self.says if text is None else text
        if session is not None:
            turns = self.chats.setdefault(session, [])
            del turns[(turn or len(turns) + 1) - 1:]
            turns.append({"turn": len(turns) + 1, "messages": messages, "answer": text, "versions": [self.version] * 2, "finish_reason": reason})
        return {"id": "ticket-1", "text": text, "message": {"role": "assistant", "text": text}, "finish_reason": reason, "session": session,
                "usage": {"prompt_tokens": 5, "completion_tokens": 9}, "versions": [self.version] * 2, "seed": 1,
                "turn": len(self.chats[session]) if session else None}

    def infer_stream(self, messages=None, *, text=None, tokens=None, session=None, as_of=None, **how):
        self.asked("infer_stream", messages, session=session, **how)
        words = self.says.split(" ")
        pieces = [word + " " for word in words[:-1]] + words[-1:]
        return self.stream(pieces, lambda: self.answer(messages, session), lambda: self.answer(messages, session, reason="cancelled", text=pieces[0]))

    def infer(self, messages=None, *, text=None, tokens=None, session=None, as_of=None, **how):
        self.asked("infer", messages, session=session, as_of=as_of, **how)
        return self.answer(messages, session, text=f"{self.says} ({'now' if as_of is None else as_of})")

    def regenerate_stream(self, session, turn, **how):
        self.asked("regenerate_stream", session, turn, **how)
        messages = self.chats[session][turn - 1]["messages"]
        return self.stream([self.says], lambda: self.answer(messages, session, turn))

    # chats

    def sessions(self):
        self.asked("sessions")
        return {"sessions": [{"session": name, "turns": len(turns), "versions": [t["versions"] for t in turns]} for name, turns in self.chats.items()]}

    def session(self, name):
        self.asked("session", name)
        if name not in self.chats:
            raise missing(name)
        turns = copy.deepcopy(self.chats[name])
        messages = [m for t in turns for m in (*t["messages"], {"role": "assistant", "text": t["answer"]})]
        return {"session": name, "turns": turns, "messages": messages}

    def rename_session(self, name, as_name):
        self.asked("rename_session", name, as_name)
        if as_name in self.chats:
            raise OuroborosError(f"as: there is a session {as_name} already", status=409, param="as")
        self.chats[as_name] = self.chats.pop(name)
        return {"session": as_name, "from": name}

    def delete_session(self, name):
        self.asked("delete_session", name)
        del self.chats[name]
        return {"session": name, "deleted": True}

    def branch(self, session, turn, as_name):
        self.asked("branch", session, turn, as_name)
        self.chats[as_name] = copy.deepcopy(self.chats[session][:turn])
        return {"session": as_name, "turns": turn, "from": session}

    # lessons

    def learn(self, messages, learned=True, **more):
        if self.refuses or not learned:
            return {"lesson": None, "version": self.version, "loss_before": 3.6, "loss_after": 3.6, "epochs": 0, "steps": 0, "tokens": 9,
                    "seconds": 1.0, "drift": 0.0, "learned": False, "reason": self.refuses or "it was cancelled", "checks": None, **more,
                    "words": {"level": "not learned", "en": "Not learned.", "zh": "没学会。"}}
        self.version = max(v["version"] for v in self.course) + 1
        lesson = f"lesson-{self.version:012x}"
        words = {"level": "mastered", "en": "Mastered: the loss fell from 3.60 to 0.02.", "zh": "已掌握：损失从 3.60 降到 0.02。"}
        self.taught.insert(0, {"lesson": lesson, "seq": self.version, "time": 1.7e9, "version": self.version, "messages": messages, "session": None,
                               "turn": None, "loss_before": 3.6, "loss_after": 0.02, "loss_now": 0.02, "in_weights": True, "state": "taught", "words": words})
        self.course.insert(0, self.version_entry(self.version, "lesson", lesson, 3.6, 0.02, self.drift))
        return {"lesson": lesson, "version": self.version, "loss_before": 3.6, "loss_after": 0.02, "epochs": 3, "steps": 3, "tokens": 9, "seconds": 2.0,
                "drift": self.drift, "learned": True, "reason": None, "checks": copy.deepcopy(self.checks), "words": words, **more}

    @staticmethod
    def steps():
        return [{"step": i, "steps": 20, "epoch": i, "loss": loss, "lr": 1e-4, "tokens_per_s": 9.0, "eta_s": 70.0 - i} for i, loss in enumerate((3.6, 1.2, 0.1), 1)]

    def train_stream(self, messages=None, *, lessons=None, text=None, tokens=None, idempotency_key=None, **how):
        self.asked("train_stream", messages, lessons=lessons, **how)
        learnt = messages or lessons[0]["messages"]
        return self.stream(self.steps(), lambda: self.learn(learnt), lambda: self.learn(learnt, learned=False))

    def train(self, messages=None, *, lessons=None, text=None, tokens=None, idempotency_key=None, **how):
        self.asked("train", messages, **how)
        preview = [{"token": 1, "text": "User:", "weight": 0.0}, {"token": 2, "text": " <b>", "weight": 1.0}, {"token": 3, "text": "\n", "weight": 0.5}]
        return self.learn(messages, learned=False) | {"preview": [preview]}

    def correct_stream(self, session, turn, text, *, train=True, idempotency_key=None, **how):
        self.asked("correct_stream", session, turn, text, **how)

        def learned():
            told = self.learn([*self.chats[session][turn - 1]["messages"], {"role": "assistant", "text": text}], session=session, turn=turn, corrected=True)
            if told["learned"]:
                self.chats[session][turn - 1] |= {"answer": text, "finish_reason": "corrected"}
            return told

        return self.stream(self.steps(), learned, lambda: self.learn([], learned=False))

    def lessons(self, *, order="newest", limit=50, before=None, **which):
        self.asked("lessons", order=order, limit=limit)
        return {"lessons": self.taught[:limit]}

    def review(self, limit=20):
        self.asked("review", limit)
        return {"version": self.version, "reviewed": len(self.taught), "lessons": [{"lesson": t["lesson"], "loss_after": 0.02, "loss_now": 0.7} for t in self.taught]}

    # versions

    def versions(self):
        self.asked("versions")
        return {"versions": copy.deepcopy(self.course)}

    def undo(self, lesson):
        self.asked("undo", lesson)
        for row in [*self.taught, *self.course]:
            if row["lesson"] == lesson:
                row["in_weights"] = False
        self.version = max(v["version"] for v in self.course) + 1
        self.course.insert(0, self.version_entry(self.version, "undo", lesson))
        return {"lesson": lesson, "version": self.version, "relearned": 0, "seconds": 0.5}

    def rollback(self, version):
        self.asked("rollback", version)
        self.version = version
        for row in self.course:
            row["in_weights"] = row["version"] <= version
        return {"version": version, "left": [], "seconds": 0.5}

    def diff(self, before, after):
        self.asked("diff", before, after)
        return {"from": before, "to": after, "lessons": {"only_from": [], "only_to": []}, "probe_loss": [0.900, 0.925], "layers": [], "seconds": 0.1}

    # the model

    def defaults(self):
        self.asked("defaults")
        return {"infer": {"temperature": 1.0, "top_p": 0.85, "stop": []} | self.sampling, "train": {"until_loss": 0.1, "max_epochs": 20, "lr": 1e-4}}

    def health(self):
        self.asked("health")
        return {"status": "ok", "model": "tiny", "family": "rwkv7", "parameters": 9_067_264, "mode": "plain", "version": self.version,
                "training": False, "queue": 0}

    def metrics(self):
        self.asked("metrics")
        return "# HELP x\nouroboros_memory_bytes 8.78e+08\nouroboros_device_memory_bytes 0.0\n"

    def save(self, name="default"):
        self.asked("save", name)
        self.saved.insert(0, {"name": name, "version": self.version, "bytes": 36_292_616, "sha256": "0" * 64, "time": 1.7e9, "in_use": True})
        for older in self.saved[1:]:
            older["in_use"] = False
        return self.saved[0] | {"seconds": 0.5}

    def checkpoints(self):
        self.asked("checkpoints")
        return {"checkpoints": copy.deepcopy(self.saved)}

    def find(self, name, version):
        return next(s for s in self.saved if (s["name"], s["version"]) == (name, version))

    def rename_checkpoint(self, name, as_name, *, version=None):
        self.asked("rename_checkpoint", name, as_name, version=version)
        self.find(name, version)["name"] = as_name
        return {"name": as_name, "from": name}

    def delete_checkpoint(self, name, *, version=None):
        self.asked("delete_checkpoint", name, version=version)
        self.saved.remove(self.find(name, version))
        return {"name": name, "deleted": True}

    def export_checkpoint(self, name, *, version=None):
        self.asked("export_checkpoint", name, version=version)
        return self.find(name, version) | {"path": f"exports/{name}-{version}.safetensors", "seconds": 0.5}

    def load(self, name, *, version=None):
        self.asked("load", name, version=version)
        return {"name": name, "version": next(s["version"] for s in self.saved if s["name"] == name)}

    def trains(self):
        self.asked("trains")
        return self.training

    def train_this(self, what, **how):
        self.asked("train_this", what, **how)
        self.training["trains"] = {"what": what, "parts": [], "name": how.get("name", what), "rank": how.get("rank", 32)}
        if what in ("lora", "miss"):
            self.training["adapters"].append({"name": how["name"], "kind": what, "rank": how["rank"], "in_use": True})
        return self.training

    def adapter(self, action, name=None):
        self.asked("adapter", action, name)
        return self.training

    def state(self, kind, action, name=None, **how):
        self.asked("state", kind, action, name, **how)
        if action == "save":
            self.kept_states.append({"name": name, "kind": kind, "version": self.version, "time": 1.7e9, "tokens": 9, "bytes": 100})
        return {"kind": kind, "action": action}

    def states(self):
        self.asked("states")
        return {"states": self.kept_states, "train": None, "infer": None}

    # sets

    def load_data(self, path=None, *, content=None, name=None, resume=None, idempotency_key=None, **how):
        self.asked("load_data", path, content=content, name=name, **how)
        return {"dataset": name or path, "format": "org", "lessons": 2, "tokens": 37, "duplicates": [{"line": 3, "kind": "same"}],
                "problems": [{"line": 8, "message": "'NOBODY' is not a role"}]}

    def load_data_stream(self, path=None, *, content=None, name=None, resume=None, idempotency_key=None, **how):
        self.asked("load_data_stream", path, content=content, name=name, resume=resume, **how)
        run = resume or "run-1"
        told = {"dataset": name or path or "pets", "format": "org", "lessons": 2, "tokens": 37, "problems": [], "run": run, "version": 2, "reason": None,
                "loss_before": 2.3, "loss_after": 0.1, "learned": True, "learned_lessons": 2, "refused": [{"line": 4, "reason": "the loss is 31"}],
                "words": {"level": "good", "en": "Good: the loss fell from 2.30 to 0.10.", "zh": "不错：损失从 2.30 降到 0.10。"}}
        steps = [{"step": i, "steps": 2, "epoch": 1, "loss": 1.0 / i, "lr": None, "tokens_per_s": 1.0, "eta_s": 9.0, "run": run} for i in (1, 2)]

        def end(state):
            self.runs = [{"run": run, "dataset": told["dataset"], "state": state, "lessons": 2, "done": 1 + (state == "done"), "learned": 1, "time": 1.7e9}]
            return told if state == "done" else told | {"learned_lessons": 1, "reason": "cancelled"}

        return self.stream(steps, lambda: end("done"), lambda: end("cancelled"))

    def datasets(self):
        self.asked("datasets")
        return {"datasets": self.sets, "runs": self.runs}

    def retrain(self, lesson, *, idempotency_key=None, **how):
        self.asked("retrain", lesson, **how)
        return self.learn([{"role": "assistant", "text": "again"}])


def held(client):
    """Hold the streams of a client after their first event; the returned event lets them go on."""
    client.gate = threading.Event()
    return client.gate
