"""The description of the API (OpenAPI 3.1), made from the table of routes and the models that check the bodies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pydantic.json_schema import models_json_schema

from server.route import Route

REF = "#/components/schemas/{model}"
INTRODUCTION = (
    "JSON in and out, in UTF-8. Times are seconds, losses are nats per trained token. Every route but /health needs the header "
    "Authorization: Bearer TOKEN. An unknown field or a value that is not allowed is refused with 400 and one sentence that names the "
    "field; 503 with Retry-After says that the queue is full. Every error is {\"error\": {\"message\", \"type\", \"param\", \"code\"}}.")
ERROR = {"type": "object", "required": ["error"], "properties": {"error": {
    "type": "object", "required": ["message", "type", "param", "code"], "properties": {
        "message": {"type": "string"}, "type": {"type": "string"}, "param": {"type": ["string", "null"]}, "code": {"type": "string"}}}}}


def describe(routes: Iterable[Route]) -> dict:
    """The whole document."""
    routes = list(routes)
    bodies = {route.body: None for route in routes if route.body}
    _, schemas = models_json_schema([(body, "validation") for body in bodies], by_alias=True, ref_template=REF)
    paths: dict[str, dict] = {}
    for route in routes:
        paths.setdefault(re.sub("<(.*?)>", r"{\1}", route.path), {})[route.method.lower()] = operation(route)
    return {
        "openapi": "3.1.0", "info": {"title": "RWKV-Ouroboros", "version": "1", "description": INTRODUCTION}, "paths": paths,
        "components": {"schemas": {**schemas["$defs"], "Error": ERROR}, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


def after_the_path(schema: dict) -> Iterator[dict]:
    """The fields of a query: each may be left out, so null is no value of theirs."""
    for name, part in schema["properties"].items():
        value = next((choice for choice in part.get("anyOf", ()) if choice.get("type") != "null"), part)
        yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "description": part.get("description", ""),
               "schema": {key: each for key, each in value.items() if key not in ("title", "description")}}


def operation(route: Route) -> dict:
    """One route."""
    media = {route.media: {"schema": {"type": "object" if route.media == "application/json" else "string"}}}
    if route.body is not None and "stream" in route.body.model_fields:
        media["text/event-stream"] = {"schema": {"type": "string"}}
    said = {
        "summary": route.summary,
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "responses": {
            "200": {"description": route.answer or "The answer.", "content": media},
            "default": {"description": "An error.", "content": {"application/json": {"schema": {"$ref": REF.format(model="Error")}}}},
        },
    }
    names = re.findall("<(.*?)>", route.path)
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": route.names}} for name in names]
    if route.query:
        parameters += list(after_the_path(route.query.model_json_schema()))
    if parameters:
        said["parameters"] = parameters
    if route.body:
        schema = {"$ref": REF.format(model=route.body.__name__)}
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if route.everyone:
        said["security"] = []
    return said
