# ruff: noqa: SIM905, E501 - lists of words are written as text, in long lines
"""Names of people, animals and places: real ones from lists, and any number of invented ones from syllables.

A model that has only met common names answers with the common name that is nearest. Half of all names here are therefore
invented on the spot, so that the only way to answer is to copy what was said. The names in heldout.txt are never used
unless asked for: they are for measuring.
"""

from functools import cache
from pathlib import Path

HELDOUT_FILE = Path(__file__).with_name("heldout.txt")

PEOPLE = """Anna Ben Carla David Emma Frank Grace Henry Irene Jack Karen Leo Maria Nina Oscar Paula Quentin Rosa Sam Tina Ursula Victor
Walter Xenia Yusuf Zara Adam Alice Amir Amy Andrea Anton Arthur Astrid Aisha Barbara Beatrice Bella Bruno Camila Carlos Cecilia Charles
Chloe Clara Claire Colin Daniel Daria Dennis Diana Dmitri Dora Edgar Edith Elena Eli Elsa Emil Eric Esther Eva Fatima Fiona Florian Freya
George Gina Gloria Greta Gustav Hana Hannah Harold Hassan Heidi Helen Hugo Ida Igor Ines Ingrid Isaac Ivan Jana Jane Jasmin Jean Jenny
Joan Joel Johan Jonas Joseph Judith Julia Kai Kamal Katrin Kenji Kevin Kim Klaus Kofi Lara Laura Leila Lena Liam Linda Lisa Louis Lucas
Lucy Luis Lukas Maja Malik Marco Mark Marta Martin Matteo Max Mei Mia Michael Mila Mina Mohammed Mona Nadia Naomi Nathan Neil Nia Nicola
Nora Olga Oliver Olivia Omar Otto Pablo Patrick Pedro Peter Petra Philip Pia Priya Rachel Ralph Ravi Rebecca Rita Robert Roman Ruby Ruth
Sara Selma Sergei Silvia Simon Sofia Sonia Stefan Stella Susan Sven Takeshi Tamara Tanya Teresa Theo Thomas Tim Tobias Tom Uma Vera Viktor
Violet Vivian Wendy William Yara Yuki Yvonne Zainab Zoe""".split()

PETS = """Milo Rex Bella Luna Max Coco Rocky Daisy Felix Simba Molly Buddy Lucky Shadow Smokey Tiger Oreo Ginger Pepper Biscuit Cookie Muffin
Pumpkin Peanut Honey Sugar Snowy Snowball Fluffy Whiskers Mittens Socks Patches Spot Rusty Teddy Bear Bruno Duke Rover Bingo Bobby Charlie
Toby Jasper Oscar Ziggy Zorro Nemo Dory Bubbles Goldie Splash Polly Kiwi Mango Rio Sunny Sky Cleo Nala Kitty Misty Pearl Ruby Rosie Lily
Poppy Willow Hazel Maple Clover Thumper Bugs Cotton Nibbles Hoppy Speedy Flash Dash Turbo Thunder Storm Spirit Star Blaze Comet Rocket Apollo
Zeus Thor Loki Odin Pluto Mars Jupiter Pickles Waffles Noodle Tofu Sushi Mochi Bean Olive Basil Sesame Nutmeg Cinnamon Caramel Brownie Fudge
Domino Checkers Pixel Gizmo Widget Button Bandit Pirate Captain Admiral Duchess Princess Queenie Monty Winston Chester Hector Otis Gus""".split()

PLACES = """Oslo Lyon Turin Leeds Kyoto Lima Bern Ghent Porto Malmo Boston Dublin Prague Vienna Madrid Athens Cairo Berlin Paris London Rome
Lisbon Warsaw Zurich Geneva Munich Hamburg Milan Naples Venice Seville Valencia Marseille Nice Bordeaux Antwerp Utrecht Bergen Aarhus
Tampere Riga Tallinn Vilnius Krakow Gdansk Brno Graz Split Sofia Izmir Haifa Beirut Nairobi Accra Lagos Dakar Tunis Mumbai Delhi
Chennai Lahore Dhaka Bangkok Hanoi Manila Jakarta Seoul Osaka Nagoya Perth Sydney Auckland Toronto Montreal Calgary Denver Dallas Chicago
Seattle Portland Austin Miami Atlanta Phoenix Tampa Memphis Havana Quito Bogota Santiago Cusco Recife Salta Cork Galway Bristol York Bath
Oxford Cardiff Glasgow Dundee Inverness Exeter Norwich""".split()

_ONSETS = (
    "b d f g h j k l m n p r s t v w z b d k l m n r s t b d f g h j k l m n p r s t v w z c y "
    "br cr dr fl fr gl gr kr pl pr sl st str sw th tr sh ch zh qu kh vl"
).split()
_VOWELS = "a e i o u a e i o u a e i o u a e i o ai ei oo au ia ea y".split()
_CODAS = ["", "", "", "", "", "", ""] + "n r l m s t k d n r l nd rk rn st lt ng ck x z p sh ll".split()
_ENDINGS = {
    "person": ["", "", "", "", "a", "o", "i", "us", "ina", "ette", "en", "ek", "ra", "in"],
    "pet": ["", "", "", "", "y", "o", "a", "ie", "i", "kin", "le", "u"],
    "place": ["", "", "ton", "burg", "ville", "ford", "stad", "ia", "land", "ham", "mouth", "grad", "by", "dale", "wick", "mar", "port"],
    "word": ["", "", "", "", "le", "et", "er", "um", "ish", "y", "el"],
}
_LISTS = {"person": PEOPLE, "pet": PETS, "place": PLACES}
_ACCENTED = """Zoë José Renée Łukasz Jürgen Søren Åsa Chloé François Málaga Köln Çelik Ångström Noël Beyoncé Müller Núria Škoda Dvořák Gösta
Maïa Élodie Siân Þóra Øyvind Córdoba Brașov Łódź Győr Tórshavn""".split()


def invented(rng, kind: str = "person") -> str:
    """A name of one to three syllables with an ending that suits the kind ("person", "pet", "place" or "word"), capitalised."""
    count = rng.choices((1, 2, 3), (30, 55, 15))[0]
    ending = rng.choice(_ENDINGS[kind])
    syllables = []
    for place in range(count):
        last = place == count - 1
        coda = rng.choice(_CODAS) if not last or not ending else rng.choice(("", "", "n", "l", "r", "s", "t", "k", "d"))
        if not last and rng.random() < 0.6:
            coda = ""
        syllables.append(rng.choice(_ONSETS if place or rng.random() < 0.85 else [""]) + rng.choice(_VOWELS) + coda)
    name = ("".join(syllables) + ending).replace("yy", "y").replace("ii", "i").replace("uu", "u")
    return name.capitalize() if len(name) >= 3 else invented(rng, kind)


@cache
def heldout() -> dict[str, tuple[str, ...]]:
    """The names kept for measuring, by kind, from heldout.txt: lines of a kind, a space and a name; lines with # are comments."""
    found: dict[str, list[str]] = {}
    for line in HELDOUT_FILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, name = line.split(" ", 1)
            found.setdefault(kind, []).append(name)
    return {kind: tuple(names) for kind, names in found.items()}


@cache
def heldout_words() -> frozenset[str]:
    """Every held-out name in lower case."""
    return frozenset(name.lower() for names in heldout().values() for name in names)


class Names:
    """Draws names with a random generator: of the training pools, or only held-out ones when `held_out`."""

    def __init__(self, rng, held_out: bool = False, invent: float = 0.55):
        self.rng, self.held_out, self.invent = rng, held_out, invent

    def draw(self, kind: str) -> str:
        """A name of the kind; invented with the chance `invent`, and always for kind "word"."""
        if self.held_out:
            return self.rng.choice(heldout()[kind])
        while True:
            if kind == "word" or self.rng.random() < self.invent:
                name = invented(self.rng, kind)
            elif self.rng.random() < 0.02:
                name = self.rng.choice(_ACCENTED)
            else:
                name = self.rng.choice(_LISTS[kind])
            if name.lower() not in heldout_words():
                return name
