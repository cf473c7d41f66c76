"""Facts taught one at a time to a running server, by its public routes: what sticks, what carries over, what stays in its place.

    python -m bench teaching [--facts N] [--seeds 0,1] [--way "near 4" …] [--url URL --token TOKEN]

Answers are greedy and written freely. In percent:
  at once      facts answered word for word right after their own lesson (case, blanks and the last full stop aside)
  kept         facts answered word for word at the end, with the answer that holds then
  paraphrases  other wordings, never taught, whose answer has the fact's key words at the end
  uses         other forms, never taught (yes, no, the other way round, in a longer chat, two steps), answered with the wanted word
  neighbours   near questions, never taught, answered at the end word for word as before the first lesson: what fifty lessons did
               to them together, not only the last one
  drift        rise of the bits per byte of fixed texts, the mean over their sources
  s, p95       seconds of a /train request: median and 95th percentile;  moved: size of the change of the weights, per mille of their own
Without --url each row starts a server of its own with the default model. A run that was broken off goes on where it was: its
folder under bench/out/teaching has the stream of lessons, what each came to, and the server's data.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tomllib
from collections.abc import Iterator
from pathlib import Path

from bench.facts import FILE, TEXTS, Fact, load
from bench.facts.run import Run, stream
from bench.facts.server import Server, Started
from config_scripts.schema import DEFAULT_CONFIG

OUT = Path(__file__).parent / "out" / "teaching"
ADAM = {"rule": "adam", "lr": 1e-4, "until_loss": 0.1}
EVERYTHING = {"trains.what": "all", "trains.parts": []}
WAYS: dict[str, dict] = {
    "default": {},
    "replay 0": {"replay": 0},
    "replay 16": {"replay": 16},
    "kl 10": {"kl": 10.0},
    "general 4": {"general": 4},
    "near 0": {"near": 0},
    "near 4": {"near": 4},
    "near 8": {"near": 8},
    "near 16": {"near": 16},
    "reword 2": {"reword": 2},
    "near 8, reword 2": {"near": 8, "reword": 2},
    "lr 0.2": {"lr": 0.2},
    "lr 0.3": {"lr": 0.3},
    "lr 0.8": {"lr": 0.8},
    "until_loss 0.1": {"until_loss": 0.1},
    "until_loss 0.02": {"until_loss": 0.02},
    "three epochs": {"until_loss": None, "epochs": 3},
    "null space": {"null_space": 0.3, "near": 6, "lr": 0.8},
    "all": EVERYTHING,
    "ffn": {"trains.parts": ["ffn"]},
    "att": {"trains.parts": ["att"]},
    "lora": {"trains.what": "lora", "trains.parts": [], **ADAM, "lr": 1e-3},
    "state": {"trains.what": "state", "trains.parts": [], **ADAM, "lr": 0.1},
    "adam": {**ADAM, "lr": 2e-4},
    "adam, all": {**EVERYTHING, **ADAM},
    "adam, all, kl 10": {**EVERYTHING, **ADAM, "kl": 10.0},
    "adam, all, kl 10, near 8": {**EVERYTHING, **ADAM, "kl": 10.0, "near": 8},
    "idle 12": {"idle.steps": 12, "idle.after_s": 0.1},
    "idle 48": {"idle.steps": 48, "idle.after_s": 0.1},
}
"""A row each: options that every lesson is sent with and, with a dot, keys of the config script; the rest is as it stands there."""
COLUMNS = ("at_once", "kept", "paraphrases", "uses", "neighbours", "drift", "seconds", "p95", "moved")
HEADS = ("at once", "kept", "paraphr.", "uses", "neighb.", "drift", "s", "p95", "moved")


def chosen(facts: list[Fact], count: int, seed: int) -> list[Fact]:
    """`count` facts, of all kinds alike, in an order of the seed's."""
    chance = random.Random(seed)
    kinds: dict[str, list[Fact]] = {}
    for fact in chance.sample(facts, len(facts)):
        kinds.setdefault(fact.kind, []).append(fact)
    turns = [kind.pop() for _ in range(max(map(len, kinds.values()))) for kind in kinds.values() if kind]
    return turns[:count]


def measured(way: str, seed: int, facts: list[Fact], folder: Path, url: str | None, token: str, config: str | None) -> dict:
    """One run, from where it was broken off."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "result.json"
    if kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    texts = [json.loads(line) for line in TEXTS.read_text(encoding="utf-8").splitlines()]
    keys = {name: value for name, value in WAYS[way].items() if "." in name}
    options = {name: value for name, value in WAYS[way].items() if "." not in name}
    if url and keys:
        raise SystemExit(f"--url: the way {way!r} is one of the config script ({', '.join(keys)}), which a running server has read already")
    server = Server(url, token) if url else Started(folder / "data", config_file(folder, config, keys))
    with server:
        run = Run(server, folder, stream(facts), facts, texts, options, "idle.steps" in keys)
        result = {"way": way, "options": WAYS[way], "seed": seed, "facts": len(facts), **run.measured()}
    kept.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def config_file(folder: Path, config: str | None, keys: dict) -> str | None:
    """A config script in the run's folder: the given one, or the default, with these keys."""
    if not keys:
        return config
    sections = tomllib.loads(Path(config or DEFAULT_CONFIG).read_text(encoding="utf-8"))
    for name, value in keys.items():
        section, _, key = name.partition(".")
        sections.setdefault(section, {})[key] = value
    file = folder / "config.toml"
    file.write_text("".join(f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
                            for section, values in sections.items()), encoding="utf-8")
    return str(file)


def line(way: str, results: list[dict]) -> str:
    """A row of the table: the mean over the seeds, and half the distance between the extremes where there are several."""
    cells = []
    for name in COLUMNS:
        values = [result[name] for result in results if result[name] is not None]
        spread = f"±{(max(values) - min(values)) / 2:.1f}" if len(values) > 1 else ""
        cells.append(f"{statistics.mean(values):.{2 if name in ('seconds', 'p95', 'drift') else 1}f}{spread}" if values else "-")
    return f"{way:26}" + "".join(f"{cell:>11}" for cell in cells)


def rows(given) -> Iterator[tuple[str, list[dict]]]:
    """Each way with its results, a seed each."""
    facts = list(load(given.file))
    for way in given.way or ["default"]:
        results = []
        for seed in given.seeds:
            folder = given.out / f"{way.replace(' ', '-').replace(',', '')}-{seed}-{given.facts}"
            some = chosen(facts, given.facts or len(facts), seed)
            results.append(measured(way, seed, some, folder, given.url, given.token, given.config))
        yield way, results


def main() -> None:
    """Run the chosen ways, print the table as it grows, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=50, help="how many facts; 0 is all")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[0],
                        help="e.g. 0,1,2: other facts in another order")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="a row of the table; may be repeated")
    parser.add_argument("--url", help="a server that runs already, with nothing taught that matters")
    parser.add_argument("--token", default="")
    parser.add_argument("--config", help="config script of the server that is started")
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    print(f"{'way':26}" + "".join(f"{head:>11}" for head in HEADS), flush=True)
    for way, results in rows(given):
        print(line(way, results), flush=True)


if __name__ == "__main__":
    main()
