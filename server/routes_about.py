"""Routes about the server itself: its metrics, and the description of its API for programs and for people."""

from __future__ import annotations

from server import api_page, openapi
from server.metrics import MEDIA
from server.route import Call, Route


def page(engine, call: Call):
    """The description as HTML."""
    return api_page.html(openapi.describe(call.application.routes), call.application.metrics.families())


ROUTES = (
    Route("GET", "/metrics", lambda engine, call: call.application.metrics.text(), "Metrics for Prometheus", media=MEDIA,
          answer="The metrics of the table below."),
    Route("GET", "/openapi.json", lambda engine, call: openapi.describe(call.application.routes), "This description, for programs",
          answer="An OpenAPI 3.1 document."),
    Route("GET", "/docs", page, "This description, for people", media="text/html; charset=utf-8", answer="A page."),
)
