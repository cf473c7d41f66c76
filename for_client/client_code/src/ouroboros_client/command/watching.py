"""status and watch."""

from __future__ import annotations

from datetime import datetime

import typer

from ouroboros_client.command.common import AsJson, app, connect, print_json
from ouroboros_client.results import Event


@app.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Tell how the server is, which weights answer, and what it works on."""
    client = connect(context)
    health, weights, runs = client.health(), client.weights(), client.datasets()["runs"]
    if as_json:
        print_json({"url": client.url, "health": health, "weights": weights, "runs": runs})
        return
    print(f"{health['model']} at {client.url}: {health['family']}, {health['parameters'] / 1e6:.1f}M parameters, mode {health['mode']}")
    print(f"version {weights['version']}, lessons since {weights['checkpoint'] or 'the base model'}: {weights['lessons_since_checkpoint']}")
    print(f"digest {weights['digest']}")
    print(f"{'training' if health['training'] else 'not training'}, {health['queue']} in the queue")
    for run in runs:
        if run["state"] != "done":
            print(f"{run['run']} over {run['dataset']}: {run['state']} at {run['done']} of {run['lessons']} lessons")


@app.command()
def watch(context: typer.Context, as_json: AsJson = False) -> None:
    """Print what happens as it happens, a line each, until Control-C or the server's end."""
    with connect(context).events() as events:
        for event in events:
            print_json(event) if as_json else show(event)


def show(event: Event) -> None:
    """An event on one line."""
    more = " ".join(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
                    for name, value in event.items() if name not in ("event", "time") and value is not None)
    print(f"{datetime.fromtimestamp(event['time']):%H:%M:%S} {event['event']} {more}".rstrip(), flush=True)
