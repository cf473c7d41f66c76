"""The methods of both clients, once: each makes a call, and the client it is looked up on says how one waits for the answer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from ouroboros_client import calls
from ouroboros_client.exchange import Call

if TYPE_CHECKING:
    from ouroboros_client.async_client import AsyncClient, AsyncStream
    from ouroboros_client.client import Client, Stream

P = ParamSpec("P")
E = TypeVar("E")
T = TypeVar("T")


class Ask(Generic[P, T]):
    """A method that returns the answer."""

    def __init__(self, make: Callable[P, Call[Any, T]]):
        self.make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, client: Client, owner: type[Any]) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncClient, owner: type[Any]) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, owner: type[Any]) -> Any:
        return self.make if client is None else bound(self.make, client.ask)


class Watch(Generic[P, E, T]):
    """A method that returns the stream of what comes before the answer, with the answer at its end."""

    def __init__(self, make: Callable[P, Call[E, T]]):
        self.make = make
        self.__doc__ = f"{make.__doc__} As it comes: a stream."

    @overload
    def __get__(self, client: Client, owner: type[Any]) -> Callable[P, Stream[E, T]]: ...
    @overload
    def __get__(self, client: AsyncClient, owner: type[Any]) -> Callable[P, AsyncStream[E, T]]: ...
    def __get__(self, client: Any, owner: type[Any]) -> Any:
        return self.make if client is None else bound(self.make, client.stream)


def bound(make: Callable[..., Call[Any, Any]], go: Callable[[Call[Any, Any]], Any]) -> Callable[..., Any]:
    """What makes a call, and goes."""

    @functools.wraps(make)
    def method(*arguments: Any, **named: Any) -> Any:
        return go(make(*arguments, **named))

    return method


class Methods:
    """One for each route of docs/api.md but those in OpenAI's form; `calls` has their arguments."""

    infer, infer_stream = Ask(calls.infer), Watch(calls.infer)
    regenerate, regenerate_stream = Ask(calls.regenerate), Watch(calls.regenerate)
    edit, edit_stream = Ask(calls.edit), Watch(calls.edit)
    train, train_stream = Ask(calls.train), Watch(calls.train)
    correct, correct_stream = Ask(calls.correct), Watch(calls.correct)
    retrain, retrain_stream = Ask(calls.retrain), Watch(calls.retrain)
    load_data, load_data_stream = Ask(calls.load_data), Watch(calls.load_data)
    cancel = Ask(calls.cancel)
    events = Watch(calls.events)

    health = Ask(calls.health)
    defaults = Ask(calls.defaults)
    weights = Ask(calls.weights)
    metrics = Ask(calls.metrics)
    openapi = Ask(calls.openapi)
    datasets = Ask(calls.datasets)

    sessions = Ask(calls.sessions)
    session = Ask(calls.session)
    session_history = Ask(calls.session_history)
    delete_session = Ask(calls.delete_session)
    rename_session = Ask(calls.rename_session)
    branch = Ask(calls.branch)

    lessons = Ask(calls.lessons)
    lesson = Ask(calls.lesson)
    retract = Ask(calls.retract)
    undo = Ask(calls.undo)
    review = Ask(calls.review)
    export = Ask(calls.export)
    query = Ask(calls.query)
    construct = Ask(calls.construct)

    versions = Ask(calls.versions)
    diff = Ask(calls.diff)
    rollback = Ask(calls.rollback)
    save = Ask(calls.save)
    checkpoints = Ask(calls.checkpoints)
    load = Ask(calls.load)
    rename_checkpoint = Ask(calls.rename_checkpoint)
    delete_checkpoint = Ask(calls.delete_checkpoint)
    export_checkpoint = Ask(calls.export_checkpoint)

    state = Ask(calls.state)
    states = Ask(calls.states)
    trains = Ask(calls.trains)
    train_this = Ask(calls.train_this)
    adapter = Ask(calls.adapter)

    tokenize = Ask(calls.tokenize)
    detokenize = Ask(calls.detokenize)
    tokenizer_info = Ask(calls.tokenizer_info)
