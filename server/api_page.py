"""The description of the API as a page: docs/api.md (`python -m server.api_page`), and HTML for GET /docs."""

from __future__ import annotations

import html as escaping
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import Metric

from server.sentences import in_words

PAGE = Path(__file__).parent.parent / "docs" / "api.md"
MADE = "Made by `python -m server.api_page` from the table of routes and the models that check the bodies."


@dataclass(frozen=True)
class Part:
    """A section of the page: a title, sentences, and perhaps a table."""

    title: str
    text: list[str]
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def parts(described: dict, metrics: Iterable[Metric]) -> Iterator[Part]:
    """The sections of the page: each route with the fields of its body, the objects inside bodies, the metrics."""
    schemas, bodies = described["components"]["schemas"], set()
    for path, operations in described["paths"].items():
        for method, said in operations.items():
            rows = ()
            if "requestBody" in said:
                body = said["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
                bodies.add(body)
                rows = tuple(fields(schemas[body], schemas))
            text = [said["summary"] + ".", said["responses"]["200"]["description"]]
            yield Part(f"{method.upper()} {path}", text, ("field", "allowed", "default", "meaning") if rows else (), rows)
    for name, schema in schemas.items():
        if name not in bodies and name != "Error":
            text = [schema.get("description", "")]
            yield Part(f"Object {name}", text, ("field", "allowed", "default", "meaning"), tuple(fields(schema, schemas)))
    rows = tuple((f"`{m.name}`", m.type, m.documentation) for m in metrics)
    yield Part("Metrics", ["What GET /metrics tells; a counter's name ends in _total there."], ("metric", "kind", "meaning"), rows)


def fields(schema: dict, schemas: dict) -> Iterator[tuple[str, ...]]:
    """A row for each field of a body."""
    for name, part in schema.get("properties", {}).items():
        default = "required" if name in schema.get("required", []) else "absent"
        if part.get("default") is not None:
            default = f"`{json.dumps(part['default'])}`"
        yield f"`{name}`", in_words(part, {"$defs": schemas}), default, part.get("description", "")


def markdown(described: dict, metrics: Iterable[Metric]) -> str:
    """docs/api.md."""
    lines = ["# The HTTP API", "", MADE, "", described["info"]["description"], ""]
    for part in parts(described, metrics):
        lines += [f"## {part.title}", "", " ".join(part.text), ""]
        if part.rows:
            rows = [part.head, ("---",) * len(part.head), *part.rows]
            lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows] + [""]
    return "\n".join(lines)


def html(described: dict, metrics: Iterable[Metric]) -> str:
    """GET /docs: the same as a page that needs nothing else."""
    said = lambda text: escaping.escape(text.strip("`"))  # noqa: E731
    out = [f"<!doctype html><meta charset=utf-8><title>{said(described['info']['title'])}</title>",
           "<style>body{font:16px/1.5 sans-serif;max-width:70em;margin:2em auto}td,th{text-align:left;padding:.2em .8em;vertical-align:top}"
           "</style>", f"<h1>{said(described['info']['title'])}</h1><p>{said(described['info']['description'])}"]
    for part in parts(described, metrics):
        out.append(f"<h2>{said(part.title)}</h2><p>{said(' '.join(part.text))}")
        if part.rows:
            rows = ["".join(f"<td>{said(cell)}" for cell in row) for row in part.rows]
            out.append("<table><tr>" + "".join(f"<th>{said(cell)}" for cell in part.head) + "<tr>" + "<tr>".join(rows) + "</table>")
    return "\n".join(out)


def render() -> str:
    """docs/api.md as it should be."""
    from server.metrics import FIGURES, Metrics
    from server.openapi import describe
    from server.routes import ROUTES

    class Nothing:
        """An engine of which only the names of the figures are asked."""

        figures = staticmethod(lambda: dict.fromkeys(FIGURES, 0))

    return markdown(describe(ROUTES), Metrics(Nothing()).families())


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
