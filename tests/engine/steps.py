"""Work that is done in steps, done to its end."""


def drained(steps):
    """What it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
