"""Small sums as chats: numbers to a hundred, and the tables of multiplication to ten."""

_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def sum_chat(rng):
    """One to four small sums, asked in several ways; counting and comparing now and then."""
    messages = []
    for _ in range(rng.choice((1, 2, 2, 3, 4))):
        question, answer = rng.choice((_plain, _plain, _plain, _spoken, _compare, _following))(rng)
        messages += [("user", question), ("assistant", answer)]
    return messages


def _draw(rng):
    sign = rng.choice("++--*/")
    if sign == "+":
        limit = rng.choice((10, 20, 50))
        a, b = rng.randint(0, limit), rng.randint(0, limit)
        return a, b, sign, a + b
    if sign == "-":
        limit = rng.choice((10, 20, 50))
        a, b = sorted((rng.randint(0, limit), rng.randint(0, limit)), reverse=True)
        return a, b, sign, a - b
    a, b = rng.randint(1, 10), rng.randint(1, 10)
    return (a, b, sign, a * b) if sign == "*" else (a * b, b, sign, a)


def _plain(rng):
    a, b, sign, result = _draw(rng)
    form = rng.choice(
        (
            "{a}{s}{b}=",
            "{a} {s} {b} =",
            "{a} {s} {b}?",
            "What is {a} {s} {b}?",
            "What is {a}{s}{b}?",
            "How much is {a} {s} {b}?",
            "Calculate {a} {s} {b}.",
            "What is {a} {w} {b}?",
            "What is {a} {w} {b}?",
        )
    )
    word = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}[sign]
    answer = f"{a} {word} {b} is {result}." if "{w}" in form else f"{a} {sign} {b} = {result}"
    return form.format(a=a, b=b, s=sign, w=word), answer


def _spoken(rng):
    a, b = rng.randint(0, 6), rng.randint(0, 6)
    if rng.random() < 0.5 or b > a:
        return f"What is {_WORDS[a]} plus {_WORDS[b]}?", f"{_WORDS[a].capitalize()} plus {_WORDS[b]} is {_WORDS[a + b]}."
    return f"What is {_WORDS[a]} minus {_WORDS[b]}?", f"{_WORDS[a].capitalize()} minus {_WORDS[b]} is {_WORDS[a - b]}."


def _compare(rng):
    a, b = rng.sample(range(100), 2)
    high, low = max(a, b), min(a, b)
    return rng.choice(
        (
            (f"Which is bigger, {a} or {b}?", f"{high} is bigger than {low}."),
            (f"Is {a} bigger than {b}?", f"{'Yes' if a > b else 'No'}, {a} is {'bigger' if a > b else 'smaller'} than {b}."),
            (f"Which number is smaller, {a} or {b}?", f"{low} is smaller than {high}."),
        )
    )


def _following(rng):
    a = rng.randint(0, 98)
    return rng.choice(
        (
            (f"Which number comes after {a}?", f"After {a} comes {a + 1}."),
            (f"What number comes before {a + 1}?", f"Before {a + 1} comes {a}."),
            (f"Count from {a} to {a + 3}.", ", ".join(str(a + i) for i in range(4)) + "."),
        )
    )
