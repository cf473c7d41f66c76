"""Routes of the page under /app: its own files, and the libraries that npm put beside them (for_client/for_web)."""

from __future__ import annotations

import re
from pathlib import Path

from server.errors import Refusal
from server.route import Call, Page, Route

FOLDER = Path(__file__).parent.parent / "for_client" / "for_web"
MEDIAS = {".html": "text/html", ".css": "text/css", ".cljs": "text/plain", ".js": "text/javascript", ".svg": "image/svg+xml"}
OWN = {path.name: path for path in (FOLDER / "app").iterdir() if path.suffix in MEDIAS}
LIBRARIES = {
    "react.js": FOLDER / "node_modules/react/umd/react.production.min.js",
    "react-dom.js": FOLDER / "node_modules/react-dom/umd/react-dom.production.min.js",
    "scittle.js": FOLDER / "node_modules/scittle/dist/scittle.js",
    "scittle.reagent.js": FOLDER / "node_modules/scittle/dist/scittle.reagent.js",
    "scittle.re-frame.js": FOLDER / "node_modules/scittle/dist/scittle.re-frame.js",
}
FILES = OWN | LIBRARIES
"""Every name that may be asked for, with its file: no path is ever made from what a caller sends."""

GUARD = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
                               "form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""What the page may do: run and ask what this server gives it, and nothing else, whatever a text in it says."""


def file(name: str) -> Page:
    """One file of the page. Raises Refusal where it is a library that is not installed."""
    path = FILES[name]
    try:
        return Page(f"{MEDIAS[path.suffix]}; charset=utf-8", path.read_bytes(), GUARD)
    except FileNotFoundError:
        raise Refusal(404, "not_installed", f"{name} is not installed, run: npm ci --prefix for_client/for_web") from None


def part(engine, call: Call) -> Page:
    """A file of the page by its name."""
    return file(call.names["name"])


ROUTES = (
    Route("GET", "/app", lambda engine, call: file("index.html"), "The page for a browser", everyone=True,
          media="text/html; charset=utf-8", answer="A page. It asks for the token itself."),
    Route("GET", "/app/<name>", part, "A file of that page", everyone=True, names=f"^({'|'.join(map(re.escape, sorted(FILES)))})$",
          media="text/plain; charset=utf-8", medias=tuple(f"{MEDIAS[kind]}; charset=utf-8" for kind in (".html", ".css", ".js", ".svg")),
          answer="The file: the page's own, or one of the libraries that npm installed."),
)
