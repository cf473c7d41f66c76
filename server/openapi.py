"""The description of the API (OpenAPI 3.1), made from the table of routes and the models that check the bodies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pydantic.json_schema import models_json_schema

from server.route import Route
from server.sse import MEDIA as STREAM

REF = "#/components/schemas/{model}"
INTRODUCTION = (
    "JSON in and out, in UTF-8. Times are seconds, losses are nats per trained token. Every route but /health needs the header "
    "Authorization: Bearer TOKEN. An unknown field or a value that is not allowed is refused with 400 and one sentence that names the "
    "field; 503 with Retry-After says that the queue is full, 507 that the disk is. "
    "Every error is {\"error\": {\"message\", \"type\", \"param\", \"code\"}}.")
ERROR = {"type": "object", "required": ["error"], "properties": {"error": {
    "type": "object", "required": ["message", "type", "param", "code"], "properties": {
        "message": {"type": "string"}, "type": {"type": "string"}, "param": {"type": ["string", "null"]}, "code": {"type": "string"}}}}}


STATUSES = {
    400: "The path, the query, the header or the body is not as described; the sentence says what, and what is allowed.",
    401: "The token is missing or wrong.",
    403: "The Host or the Origin is not this server's.",
    404: "Something of that name does not exist.",
    408: "The request did not come in time.",
    409: "Not as things are now: something is in use, a name is taken, or a key was used for another lesson.",
    411: "The body came without a length.",
    413: "The body or the header is too large.",
    414: "The path with its query is too long.",
    415: "The body is no JSON in UTF-8.",
    500: "The server failed. The sentence says how, or under which request id its log does.",
    503: "The queue is full, or the server is starting or stopping; Retry-After says when to come again.",
    507: "The disk is full. The sentence says how many bytes are free and how many are needed; nothing was changed.",
}
"""What each refusal means."""
ANYWHERE = (400, 403, 408, 411, 413, 414, 500, 503, 507)
WITH_A_NAME = (404, 409)
WITH_A_BODY = (404, 409, 415)


def describe(routes: Iterable[Route]) -> dict:
    """The whole document."""
    routes = list(routes)
    bodies = {route.body: None for route in routes if route.body}
    _, schemas = models_json_schema([(body, "validation") for body in bodies], by_alias=True, ref_template=REF)
    paths: dict[str, dict] = {}
    for route in routes:
        paths.setdefault(re.sub("<(.*?)>", r"{\1}", route.path), {})[route.method.lower()] = operation(route, routes)
    return {
        "openapi": "3.1.0", "info": {"title": "RWKV-Ouroboros", "version": "1", "description": INTRODUCTION}, "paths": paths,
        "components": {"schemas": {**schemas["$defs"], "Error": ERROR}, "responses": errors(),
                       "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


def errors() -> dict:
    """The answers that are refusals, by status."""
    schema = {"application/json": {"schema": {"$ref": REF.format(model="Error")}}}
    return {str(status): {"description": meaning, "content": schema} for status, meaning in STATUSES.items()}


def content(media: str) -> dict:
    """What an answer of a type is; OpenAPI has no words for the events of a stream."""
    return {} if media == STREAM else {"schema": {"type": "object" if media.endswith("json") else "string"}}


def after_the_path(schema: dict) -> Iterator[dict]:
    """The fields of a query: each may be left out, so null is no value of theirs."""
    for name, part in schema["properties"].items():
        value = next((choice for choice in part.get("anyOf", ()) if choice.get("type") != "null"), part)
        yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "description": part.get("description", ""),
               "schema": {key: each for key, each in value.items() if key not in ("title", "description")}}


def refusals(route: Route) -> list[int]:
    """The statuses, beside 200, that a request may be answered with."""
    more = (() if route.everyone else (401,)) + (WITH_A_BODY if route.body else ())
    more += WITH_A_NAME if "<" in route.path or route.query else ()
    return sorted({*ANYWHERE, *more})


def name_of(route: Route) -> str:
    """Its operationId."""
    return re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_")


def leading_to(path: str, routes: list[Route]) -> Iterator[str]:
    """The operations on what a path names."""
    return (name_of(route) for route in routes if route.path == path)


def operation(route: Route, routes: list[Route]) -> dict:
    """One route."""
    streams = (route.body is not None and "stream" in route.body.model_fields) * (STREAM,)
    media = {each: content(each) for each in (route.media, *route.medias, *streams)}
    said = {
        "summary": route.summary,
        "operationId": name_of(route),
        "responses": {
            "200": {"description": route.answer or "The answer.", "content": media},
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in refusals(route)},
        },
    }
    if links := {target: {"operationId": target, "parameters": {"name": f"$response.body#{place}"}}
                 for place, path in route.leads.items() for target in leading_to(path, routes)}:
        said["responses"]["200"]["links"] = links
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
