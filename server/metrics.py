"""GET /metrics: what the server and the engine did, as Prometheus reads it. The engine is asked when somebody looks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "ouroboros_"
SECONDS = (0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300)

FIGURES: dict[str, tuple[type[Metric], str]] = {
    "tokens_read": (CounterMetricFamily, "Prompt tokens of answers that ended."),
    "tokens_written": (CounterMetricFamily, "Tokens of answers that ended."),
    "lessons_learned": (CounterMetricFamily, "Lessons that moved the weights since the start."),
    "lessons_refused": (CounterMetricFamily, "Lessons that were begun and changed nothing, since the start."),
    "training_seconds": (CounterMetricFamily, "Seconds spent on lessons since the start."),
    "last_loss": (GaugeMetricFamily, "Loss of the last lesson after it was learned, nats a token; NaN before the first."),
    "version": (GaugeMetricFamily, "Version of the weights: lessons that they hold."),
    "open_answers": (GaugeMetricFamily, "Answers being read for, written, or waiting for a place."),
    "queue_depth": (GaugeMetricFamily, "Requests that the engine has taken and not ended, lessons among them."),
    "memory_bytes": (GaugeMetricFamily, "Memory that the process holds (resident)."),
    "device_memory_bytes": (GaugeMetricFamily, "Memory that the process holds on its GPU; 0 without one."),
    "journal_bytes": (GaugeMetricFamily, "Size of the journal of lessons."),
    "state_bytes": (GaugeMetricFamily, "Memory that the states of sessions take."),
    "spilled_bytes": (GaugeMetricFamily, "States of sessions on the disk."),
}
"""Name → kind and meaning of each figure that the engine gives."""


class Figures(Collector):
    """The engine's figures at the moment of a scrape."""

    def __init__(self, engine):
        self._engine = engine

    def describe(self) -> list[Metric]:
        """Nothing is asked of the engine before somebody looks."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One metric a figure."""
        figures = self._engine.figures()
        for name, (kind, meaning) in FIGURES.items():
            value = figures[name]
            yield kind(PREFIX + name, meaning, value=float("nan") if value is None else value)


class Metrics:
    """The metrics of one application."""

    def __init__(self, engine):
        self._registry = CollectorRegistry()
        self._requests = Counter(PREFIX + "requests", "Requests by route and status; the route of a path that does not exist is -.",
                                 ["method", "route", "status"], registry=self._registry)
        self._seconds = Histogram(PREFIX + "request_seconds", "Seconds from a request's first line to the last byte of its answer.",
                                  ["method", "route"], buckets=SECONDS, registry=self._registry)
        self._registry.register(Figures(engine))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that is answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def families(self) -> list[Metric]:
        """All metrics with what they mean."""
        return list(self._registry.collect())

    def text(self) -> str:
        """What a scrape gets."""
        return generate_latest(self._registry).decode()
