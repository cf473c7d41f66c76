"""Routes about the vocabulary, as lm_eval asks for them (its tokenizer_backend "remote")."""

from __future__ import annotations

from engine.errors import BadRequest
from server.openai_bodies import DetokenizeBody, TokenizeBody
from server.route import Call, Route

END = "<|endoftext|>"
"""How the token that ends a text is written here. Inside a longer text it is only text."""


def tokenize(engine, call: Call):
    """The tokens of a text."""
    body: TokenizeBody = call.body
    tokenizer = engine.tokenizer
    try:
        tokens = [tokenizer.end_of_text] if body.prompt == END else tokenizer.encode(body.prompt)
    except ValueError as error:  # a vocabulary need not have every character
        raise BadRequest(f"prompt: {error}", "prompt") from None
    if body.add_special_tokens:
        tokens = [*engine.begin, *tokens]
    return {"tokens": tokens, "count": len(tokens)}


def detokenize(engine, call: Call):
    """The text of tokens."""
    tokens, tokenizer = call.body.tokens, engine.tokenizer
    try:
        return {"prompt": END if tokens == [tokenizer.end_of_text] else tokenizer.decode(tokens)}
    except ValueError as error:
        raise BadRequest(f"tokens: {error}", "tokens") from None


def tokenizer_info(engine, call: Call):
    """What there is to know of the vocabulary."""
    tokenizer = engine.tokenizer
    return {"tokenizer_class": type(tokenizer).__name__, "name": tokenizer.name, "digest": tokenizer.digest,
            "vocab_size": tokenizer.vocab_size, "eos_token": END, "bos_token": None, "pad_token": None}


ROUTES = (
    Route("POST", "/tokenize", tokenize, "lm-eval: the tokens of a text", TokenizeBody,
          answer="tokens, count. The text <|endoftext|>, alone, is the token that ends a text."),
    Route("POST", "/detokenize", detokenize, "lm-eval: the text of tokens", DetokenizeBody,
          answer="prompt."),
    Route("GET", "/tokenizer_info", tokenizer_info, "lm-eval: the vocabulary",
          answer="tokenizer_class, name, digest, vocab_size, eos_token, bos_token, pad_token."),
)
