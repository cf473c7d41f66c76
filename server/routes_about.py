"""Routes about the server itself: its metrics, and the description of its API for programs and for people."""

from __future__ import annotations

from server import api_page, openapi
from server.metrics import MEDIA
from server.route import Call, Route, Told
from server.sse import MEDIA as STREAM


def page(engine, call: Call):
    """The description as HTML."""
    return api_page.html(openapi.describe(call.application.routes), call.application.metrics.families())


ROUTES = (
    Route("GET", "/events", lambda engine, call: Told(engine.listen()), "What happens, as it happens", waits=True, media=STREAM,
          answer="A stream of {event, time, ...} until you hang up or the server stops. event is open (at once: model, version); step "
                 "(lesson, step, steps, epoch, loss, lr, tokens_per_s, eta_s); lesson (learned: lesson, version, loss_before, loss_after, "
                 "epochs, steps, digest, run); refused (begun and taken back: lesson, reason); save, load, state, trains, merge, import, "
                 "remove, run, run_end, turn, correction, branch, rename, forget, retract, review: the short fields of what was recorded; "
                 "lost (you were slow: so many events before the next are not told); end."),
    Route("GET", "/metrics", lambda engine, call: call.application.metrics.text(), "Metrics for Prometheus", media=MEDIA,
          answer="The metrics of the table below."),
    Route("GET", "/openapi.json", lambda engine, call: openapi.describe(call.application.routes), "This description, for programs",
          answer="An OpenAPI 3.1 document."),
    Route("GET", "/docs", page, "This description, for people", media="text/html; charset=utf-8", answer="A page."),
)
