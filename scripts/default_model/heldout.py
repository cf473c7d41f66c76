# ruff: noqa: SIM905 - lists of words are written as text
"""Writes heldout.txt, the names that the mix never holds: `python -m scripts.default_model.heldout`.

Run once; the list is part of the repository, and running it again writes the same list. Changing it means training again.
"""

import random

from .clean import acceptable
from .names import HELDOUT_FILE, PEOPLE, PETS, PLACES, invented

LISTED = {"person": 22, "pet": 18, "place": 18}
INVENTED = {"person": 36, "pet": 34, "place": 36, "word": 36}
STORY = ("pet", "Wanda")
"""The name of the README's story: the model must not have met it."""
COMMON = set(
    """
Violet Ginger Dash Snowy Rusty Rio
Adam Alice Amy Anna Atlanta Basil Bath Bean Bear Bella Ben Brownie Bubbles Buddy Bugs Button Captain Caramel Charles Chicago Cinnamon
Clara Comet Cookie Cotton Daisy David Delhi Elena Emma Flash Fluffy George Grace Honey Isaac Jack Jane Jenny Jupiter Kitty Leo Lily Lisa
London Lucky Lucy Luna Mango Maria Mark Mars Martin Max Mia Michael Molly Mona Muffin Mumbai Neil Nice Olive Paris Peanut Pepper Peter
Phoenix Pirate Poppy Portland Princess Pumpkin Rex Robert Rocket Rocky Roman Rome Rosa Sam Sara Seattle Shadow Sky Snowball Socks Spirit
Splash Split Spot Star Storm Sugar Sunny Sushi Sydney Teddy Thomas Thunder Tiger Tim Tom Toronto Venice Warsaw Whiskers William Willow
York Madrid Lisbon Vienna Athens Cairo Dublin Prague Oslo Bern Lima Sofia Havana Quito Bogota Santiago Manila Jakarta Seoul Bangkok Hanoi
Nairobi Accra Dakar Tunis Dhaka Beirut Riga Tallinn Vilnius Berlin Cork Henry Noodle Biscuit Checkers Austin Hazel Maple Milo Felix Well
Mead Brer Giaa Polly Oscar Claire Gloria
""".lower().split()
)
"""Words and names that ordinary text cannot do without, and capitals that the model is to know."""


def choose(seed: int = 20) -> list[tuple[str, str]]:
    """About 200 pairs of kind and name, the same for the same seed."""
    rng = random.Random(seed)
    chosen, seen = [STORY], {STORY[1].lower()}
    for kind, pool in (("person", PEOPLE), ("pet", PETS), ("place", PLACES)):
        for name in rng.sample(sorted(name for name in set(pool) if name.lower() not in COMMON), LISTED[kind]):
            if name.lower() not in seen:
                chosen.append((kind, name))
                seen.add(name.lower())
    for kind, count in INVENTED.items():
        while count:
            name = invented(rng, kind)
            if name.lower() not in seen | COMMON and 4 <= len(name) <= 12 and acceptable(name):
                chosen.append((kind, name))
                seen.add(name.lower())
                count -= 1
    return chosen


if __name__ == "__main__":
    lines = [f"{kind} {name}" for kind, name in choose()]
    HELDOUT_FILE.write_text(
        "# Names that no document of the mix holds; written by heldout.py.\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )
