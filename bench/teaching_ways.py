"""Ways of teaching, compared: N facts taught one at a time to the embedded model, then all of them asked again.

Each row is a way: settings of [train] and options of the lesson. Answers are greedy, and right where they are the taught
ones word for word (case, blanks and the last full stop aside).
  at once      facts answered right after their own lesson
  at the end   facts answered right after the last lesson
  paraphrases  other wordings of the facts, never taught, answered right at the end
  near         near questions, never taught, answered at the end as before the first lesson
  taken over   of those, answered at the end with a taught answer's own words (the last words of the fact)
  drift        change of the loss on the probe texts, in percent. The general texts are of the probe's kind, so learning them
               lowers it: under 0 is moved as well, not better kept
  seconds      median of one lesson's
The first twelve rows are every combination of replay, general texts and the anchor; the first holds nothing and is the peer
of all. The others change one thing about the one with replay 3 and kl 10. Writes bench/out/teaching_ways.json.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from config_scripts.schema import Config, load_config
from engine.engine import Engine
from engine.options import InferOptions, TrainOptions

FACTS = Path(__file__).with_name("facts.jsonl")
OUT = Path(__file__).parent / "out" / "teaching_ways.json"
GREEDY = InferOptions(temperature=0.0, max_tokens=32)


@dataclass(frozen=True)
class Way:
    """A row: options of every lesson, and whether the model's own wrong answer is sent as the rejected one."""

    name: str
    options: dict = field(default_factory=dict)

    @property
    def rejects(self) -> bool:
        """Whether lessons know the answer that they replace."""
        return self.options.get("objective", "sft") != "sft"


HOLDS = [(replay, general, kl) for replay in (0, 3) for general in (0, 4) for kl in (0.0, 1.0, 10.0)]
HELD = {"replay": 3, "general": 0, "kl": 10.0}
WAYS = [
    *(Way(f"replay {replay}, general {general}, kl {kl:g}", {"replay": replay, "general": general, "kl": kl})
      for replay, general, kl in HOLDS),
    *(Way(f"replay 3, kl 10, {name} {value}", {**HELD, name: value}) for name, value in (
        ("lr", 3e-5), ("lr", 3e-4), ("until_loss", 0.3), ("until_loss", 0.03), ("replay", 8), ("kl", 100.0),
        ("objective", "dpo"), ("objective", "unlikelihood"))),
]


def normal(text: str) -> str:
    """A text without what does not make another answer of it."""
    return re.sub(r"\s+", " ", text).strip().rstrip(".").casefold()


class Pupil:
    """An engine with the embedded model, in a folder of its own."""

    def __init__(self, config: Config, folder: Path):
        self.engine = Engine(config, folder)
        self.engine.start()

    def answers(self, questions: list[str]) -> list[str]:
        """The greedy answers, asked at the same time."""
        ask = lambda q: self.engine.infer({"messages": [{"role": "user", "text": q}]}, GREEDY, None, GREEDY.model_fields_set)  # noqa: E731
        tickets = [ask(q) for q in questions]
        return [normal(ticket.result(300)["text"]) for ticket in tickets]

    def teach(self, fact: dict, way: Way) -> dict:
        """One lesson; what /train would answer."""
        answer = {"role": "assistant", "text": fact["answer"]}
        if way.rejects:
            (wrong,) = self.answers([fact["question"]])
            if wrong and wrong != normal(fact["answer"]):
                answer["rejected"] = wrong[0].upper() + wrong[1:] + "."
        options = {k: v for k, v in way.options.items() if k != "objective" or "rejected" in answer}
        source = {"messages": [{"role": "user", "text": fact["question"]}, answer]}
        return self.engine.train(source, TrainOptions(**options), None, set(options)).result(300)

    def probe(self) -> float:
        """The loss on the probe texts under the present weights, nats a token."""
        return self.engine.lessons.probe.loss(self.engine.versions.stamp)


def run(way: Way, facts: list[dict], config: Config) -> dict:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        pupil = Pupil(config, Path(folder))
        near = [fact["near"] for fact in facts]
        near_before, probe_before = pupil.answers(near), pupil.probe()
        at_once, seconds, steps = 0, [], 0
        for fact in facts:
            told = pupil.teach(fact, way)
            seconds.append(told["seconds"])
            steps += told["steps"]
            at_once += pupil.answers([fact["question"]]) == [normal(fact["answer"])]
        right = [normal(fact["answer"]) for fact in facts]
        at_the_end = sum(a == b for a, b in zip(pupil.answers([f["question"] for f in facts]), right, strict=True))
        reworded = [(p, normal(f["answer"])) for f in facts for p in f["paraphrases"]]
        paraphrases = sum(a == b for a, (_, b) in zip(pupil.answers([p for p, _ in reworded]), reworded, strict=True))
        near_after = pupil.answers(near)
        taught_words = [a.split()[-1] for a in right]
        drift = pupil.probe() / probe_before - 1
        pupil.engine.close(1)
    changed = [(a, word) for before, a, word in zip(near_before, near_after, taught_words, strict=True) if before != a]
    return {"way": way.name, "options": way.options, "facts": len(facts), "at_once": at_once, "at_the_end": at_the_end,
            "paraphrases": paraphrases, "of_paraphrases": len(reworded), "near_as_before": len(near) - len(changed),
            "near_taken_over": sum(any(a.endswith(word) for word in taught_words) for a, _ in changed), "drift_percent": 100 * drift,
            "seconds": statistics.median(seconds), "steps": steps}


def main() -> None:
    """Run the chosen rows, print the table as it grows, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=0, help="how many facts of facts.jsonl; 0 is all")
    parser.add_argument("--rows", default="", help="numbers of rows, e.g. 1,4,13; empty is all")
    parser.add_argument("--out", type=Path, default=OUT)
    chosen = parser.parse_args()
    facts = [json.loads(line) for line in FACTS.read_text(encoding="utf-8").splitlines()]
    facts = facts[: chosen.facts or None]
    ways = [WAYS[int(number) - 1] for number in chosen.rows.split(",")] if chosen.rows else WAYS
    config = load_config(overrides={"server.queue": 10_000})
    print(f"{'way':36} {'at once':>8} {'end':>6} {'paraphr.':>9} {'near':>6} {'taken':>6} {'drift %':>8} {'steps':>6} {'s/fact':>7}")
    rows = []
    for way in ways:
        rows.append(row := run(way, facts, config))
        n = len(facts)
        print(f"{way.name:36} {row['at_once']:>5}/{n} {row['at_the_end']:>3}/{n} {row['paraphrases']:>6}/{row['of_paraphrases']} "
              f"{row['near_as_before']:>3}/{n} {row['near_taken_over']:>6} {row['drift_percent']:>8.2f} {row['steps']:>6} "
              f"{row['seconds']:>7.2f}", flush=True)
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
