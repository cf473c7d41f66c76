"""OpenAI's routes: clients that were written for theirs work with this server unchanged."""

from __future__ import annotations

from engine.errors import BadRequest, NotFound
from models.role_alias import find_role
from server.openai_bodies import Asked, ChatBody, CompletionBody
from server.openai_shapes import Chat, Completion
from server.route import Call, Route, Told

ALIAS = "rwkv-ouroboros"
"""A name that the model has whatever file it comes from."""


def models(engine, call: Call):
    """The one model, under both its names."""
    return {"object": "list", "data": [model(engine, name) for name in (engine.name, ALIAS)]}


def one_model(engine, call: Call):
    """The model by name."""
    return model(engine, known(engine, call.names["name"]))


def model(engine, name: str) -> dict:
    """A model as OpenAI describes one."""
    return {"id": name, "object": "model", "created": engine.started, "owned_by": ALIAS}


def known(engine, name: str) -> str:
    """The name, if it is one of ours."""
    if name.lower() not in (engine.name.lower(), ALIAS):
        raise NotFound(f"there is no model of that name, the models are {engine.name} and {ALIAS}", "model", "model_not_found")
    return name


def chat(engine, call: Call):
    """Answers to messages."""
    body: ChatBody = call.body
    top = (body.top_logprobs or 0) if body.logprobs else None
    options, sent = body.options(
        max_tokens=body.max_completion_tokens or body.max_tokens, logprobs=None if top is None else max(1, top),
        json_object=True if body.response_format and body.response_format.type == "json_object" else None)
    name, n = known(engine, body.model), body.n or 1
    messages = [{"role": role(engine, message.role), "text": message.content} for message in body.messages]
    ticket = engine.answer("chatcmpl", [{"messages": messages}], options, sent, n)
    return Told(ticket, Chat(engine, ticket.id, name, n, wants_usage(body), top=top))


def role(engine, name: str) -> str:
    """The role that OpenAI's name for it means; the engine refuses what is none."""
    meant = find_role(engine.roles, name)
    return name if meant is None else meant.name


def completion(engine, call: Call):
    """Texts or tokens continued."""
    body: CompletionBody = call.body
    options, sent = body.options(max_tokens=body.max_tokens, logprobs=None if body.logprobs is None else max(1, body.logprobs))
    name, n = known(engine, body.model), body.n or 1
    sources = [{"text" if isinstance(prompt, str) else "tokens": prompt} for prompt in body.prompt]
    worst = max((max(source["tokens"]) for source in sources if "tokens" in source), default=0)
    if worst >= engine.tokenizer.vocab_size:
        raise BadRequest(f"prompt: ids go from 0 to {engine.tokenizer.vocab_size - 1}, got {worst}", "prompt")
    score = body.logprobs if body.echo else None
    ticket = engine.answer("cmpl", sources, options, sent, n, score)
    echoed = [prompt if isinstance(prompt, str) else engine.tokenizer.decode(prompt) for prompt in body.prompt] if body.echo else None
    return Told(ticket, Completion(engine, ticket.id, name, n, wants_usage(body), top=body.logprobs, echoed=echoed))


def wants_usage(body: ChatBody | CompletionBody) -> bool:
    """Whether a stream ends with its usage."""
    return bool(body.stream_options and body.stream_options.include_usage)


def said_of(body: type[Asked], answer: str) -> str:
    """What a route answers, and which fields of OpenAI's are not as there."""
    return (f"{answer} system_fingerprint is version-N, the version of the weights. With stream the chunks are OpenAI's. "
            f"Taken and ignored: {', '.join(body.dropped)}. Refused, unless they say what is so anyway: {', '.join(body.refused)}.")


MODEL = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
ROUTES = (
    Route("GET", "/v1/models", models, "OpenAI: list models",
          answer="The model under its own name and as rwkv-ouroboros."),
    Route("GET", "/v1/models/<name>", one_model, "OpenAI: one model", names=MODEL,
          answer="id, object, created, owned_by; 404 for any other name."),
    Route("POST", "/v1/chat/completions", chat, "OpenAI: answer messages", ChatBody, waits=True,
          answer=said_of(ChatBody, "OpenAI's chat.completion.")),
    Route("POST", "/v1/completions", completion, "OpenAI: continue texts or tokens", CompletionBody, waits=True,
          answer=said_of(CompletionBody, "OpenAI's text_completion.")),
)
