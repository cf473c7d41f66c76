"""How a chat of facts goes: a short random plan of events, with a leaning that differs from chat to chat."""

from .facts import FactChat

LEANINGS = {
    #            weight  tell  ask  unknown near yesno reverse correct retract summary steps filler
    "recall": (
        34,
        {
            "tell": 3.0,
            "ask": 4.0,
            "unknown": 0.4,
            "near": 0.8,
            "yes": 0.5,
            "back": 0.5,
            "correct": 0.2,
            "retract": 0.0,
            "summary": 0.1,
            "steps": 0.0,
            "filler": 1.6,
        },
    ),
    "ignorance": (
        20,
        {
            "tell": 0.4,
            "ask": 0.8,
            "unknown": 4.0,
            "near": 1.0,
            "yes": 0.1,
            "back": 0.1,
            "correct": 0.0,
            "retract": 0.0,
            "summary": 0.2,
            "steps": 0.0,
            "filler": 1.6,
        },
    ),
    "neighbours": (
        20,
        {
            "tell": 2.0,
            "ask": 2.5,
            "unknown": 0.3,
            "near": 4.0,
            "yes": 0.3,
            "back": 0.3,
            "correct": 0.1,
            "retract": 0.0,
            "summary": 0.0,
            "steps": 0.0,
            "filler": 0.8,
        },
    ),
    "changes": (
        10,
        {
            "tell": 2.0,
            "ask": 3.0,
            "unknown": 0.3,
            "near": 0.5,
            "yes": 0.4,
            "back": 0.2,
            "correct": 3.0,
            "retract": 0.3,
            "summary": 0.1,
            "steps": 0.0,
            "filler": 0.8,
        },
    ),
    "ways": (
        10,
        {
            "tell": 2.0,
            "ask": 1.0,
            "unknown": 0.3,
            "near": 0.5,
            "yes": 2.5,
            "back": 2.5,
            "correct": 0.2,
            "retract": 0.0,
            "summary": 0.3,
            "steps": 0.0,
            "filler": 0.6,
        },
    ),
    "steps": (
        3,
        {
            "tell": 1.0,
            "ask": 1.0,
            "unknown": 0.3,
            "near": 0.5,
            "yes": 0.3,
            "back": 0.3,
            "correct": 0.0,
            "retract": 0.0,
            "summary": 0.0,
            "steps": 2.0,
            "filler": 0.5,
        },
    ),
    "taken back": (
        3,
        {
            "tell": 2.0,
            "ask": 1.0,
            "unknown": 0.2,
            "near": 0.2,
            "yes": 0.2,
            "back": 0.2,
            "correct": 0.4,
            "retract": 2.5,
            "summary": 0.0,
            "steps": 0.0,
            "filler": 0.5,
        },
    ),
}
_NAMES = list(LEANINGS)
_WEIGHTS = [weight for weight, _ in LEANINGS.values()]


def fact_chat(rng, fillers, held_out: bool = False):
    """One chat as (messages, checks): see `FactChat`. `fillers` are pairs of a question and an answer about other things."""
    chat = FactChat(rng, fillers, held_out)
    name = rng.choices(_NAMES, _WEIGHTS)[0]
    plan = LEANINGS[name][1]
    kinds, weights = list(plan), list(plan.values())
    if rng.random() < 0.07:
        chat.system(rng.choice((1, 1, 2, 3, 4)))
    elif name != "ignorance":
        _tell(chat, rng)
    length = rng.choice((2, 3, 3, 4, 4, 5, 6, 7)) if rng.random() < 0.95 else rng.randint(8, 12)
    while length > 0 or not chat.checks:
        length -= 1
        _event(chat, rng, rng.choices(kinds, weights)[0])
    return chat.result()


def _tell(chat, rng):
    fact = chat.fresh()
    roll = rng.random()
    if roll < 0.08:
        return chat.tell(fact, ask=True)
    if roll < 0.35:
        chat.tell(fact)
        other = chat.near(fact)
        return chat.tell(other) if other else None
    chat.tell(fact)
    if roll < 0.5:
        other = chat.fresh()
        third = chat.fresh() if rng.random() < 0.3 else None
        facts = [other] + ([third] if third and third.key != other.key and third.value != other.value else [])
        return chat.tell(*facts)
    return None


def _event(chat, rng, event: str):
    told = list(chat.told.values())
    if event == "filler":
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            chat.filler()
    elif event == "unknown":
        chat.ask_unknown(chat.fresh(), then_tell=0.4)
    elif event == "steps":
        chat.two_steps()
    elif event == "summary":
        chat.summary()
    elif event == "tell" or not told:
        _tell(chat, rng)
    else:
        fact = rng.choice(told)
        if event == "near":
            other = chat.near(fact)
            if other:
                chat.ask_unknown(other, then_tell=0.3)
                if rng.random() < 0.4:
                    chat.ask(fact)
        elif event == "correct":
            chat.correct(fact)
        elif event == "retract":
            chat.retract(fact)
        else:
            {"ask": chat.ask, "yes": chat.yes_no, "back": chat.reverse}[event](fact)
