# ruff: noqa: SIM905, E501 - lists of words are written as text, in long lines
"""What facts are about, apart from names: pools of colours, places in a house, jobs, times and so on.

`Values(rng, names).draw(pool)` gives one value; a pool is a list below, a kind of name, or a small recipe.
"""

from .names import PLACES, Names


def listed(text: str) -> tuple[str, ...]:
    """The items of a text that are parted by commas, each on one line."""
    return tuple(" ".join(item.split()) for item in text.split(","))


LISTS: dict[str, list[str]] = {
    key: list(listed(text))
    for key, text in {
        "colour": """red, blue, green, yellow, black, white, brown, grey, orange, purple, pink, silver, golden, dark blue,
        light green, turquoise, beige, dark red, violet, pale yellow, bright orange, cream, olive green, sky
        blue, crimson, ivory, copper, mint green""",
        "dish": """pizza, soup, pasta, rice, pancakes, salad, fish, curry, bread, noodles, beans, omelette, sushi, potatoes,
        lasagne, dumplings, tacos, porridge, stew, waffles, sandwiches, goulash, risotto, fried rice, lentil
        soup, couscous, tomato soup, meatballs, ramen, falafel, paella""",
        "fruit": """apples, pears, plums, cherries, grapes, bananas, oranges, lemons, mangoes, peaches, figs, melons, kiwis,
        strawberries, blueberries, apricots, raspberries, dates, papayas, lychees, pomegranates, blackberries""",
        "vegetable": """carrots, peas, beans, onions, cabbage, spinach, broccoli, tomatoes, cucumbers, leeks, pumpkins, peppers,
        beetroot, radishes, artichokes, corn, celery, asparagus""",
        "drink": """tea, coffee, milk, water, juice, cocoa, lemonade, green tea, apple juice, orange juice, hot chocolate,
        ginger tea, black coffee, mint tea, buttermilk, iced tea, tomato juice, cold milk, herbal tea, oat milk""",
        "animal": """cat, dog, horse, owl, fox, bear, wolf, rabbit, elephant, tiger, lion, dolphin, whale, penguin, otter,
        hedgehog, squirrel, giraffe, zebra, koala, panda, turtle, frog, swan, eagle, bat, seal, goat, donkey,
        camel, octopus, badger, beaver, lynx, moose""",
        "animals": """cats, dogs, horses, owls, foxes, bears, wolves, rabbits, spiders, snakes, mice, bees, wasps, bats,
        sharks, geese, frogs, rats, birds, cows, beetles, moths, crabs, ants, lizards, crows""",
        "fears": "the dark, heights, thunder, deep water, ghosts, flying, the sea, loud noises, the dentist, small rooms, needles, clowns, storms, fire",
        "sport": """football, tennis, chess, basketball, golf, hockey, volleyball, rugby, cricket, badminton, table tennis,
        handball, squash, darts, baseball, water polo""",
        "activity": """swimming, running, hiking, dancing, fishing, shopping, skating, cycling, sailing, climbing, skiing,
        riding, bowling, jogging, surfing, camping, rowing, walking""",
        "hobby": """painting, knitting, gardening, cooking, photography, reading, singing, carpentry, pottery, chess, bird
        watching, sewing, baking, drawing, collecting stamps, astronomy, origami, juggling, writing poems, model
        trains, beekeeping, weaving""",
        "instrument": """piano, guitar, violin, flute, drums, trumpet, cello, harp, clarinet, accordion, banjo, saxophone, organ,
        oboe, trombone, viola, mandolin, ukulele, tuba, harmonica""",
        "language": """French, German, Spanish, Italian, Dutch, Polish, Czech, Greek, Turkish, Arabic, Hindi, Chinese, Japanese,
        Korean, Russian, Portuguese, Swedish, Danish, Finnish, Norwegian, Hungarian, Swahili, Hebrew, Welsh,
        Irish, Thai, Urdu, Basque, Latin""",
        "subject": """history, maths, biology, physics, music, art, geography, chemistry, law, medicine, economics, philosophy,
        astronomy, engineering, architecture, botany, computer science, literature, geology""",
        "job": """a baker, a teacher, a nurse, a doctor, a farmer, a painter, a driver, a carpenter, a gardener, a cook, a
        tailor, a pilot, a singer, a dentist, a lawyer, a plumber, a butcher, a postman, a librarian, an
        engineer, an actor, an artist, an architect, an electrician, a sailor, a mechanic, a journalist, a
        waiter, a firefighter, a vet, a translator, a beekeeper, a clown, a judge, a fisherman, a barber, a
        shoemaker, a programmer, a photographer, a potter, a blacksmith, a glassblower, a surgeon, a florist, an
        astronaut, a diver, a welder""",
        "workplace": """in a bank, in a school, in a hospital, in a bakery, on a farm, in a museum, in a library, in a factory,
        at the airport, in a hotel, in a shop, in a restaurant, at the harbour, in a zoo, at a university, in a
        post office, in a pharmacy, on a ship, in a garage, in a theatre, at the train station, in a flower shop,
        in a laboratory, at the town hall""",
        "spot": """in the drawer, under the bed, behind the door, on the shelf, in the kitchen, in the garage, under the
        mat, on the table, in the cellar, in the attic, next to the lamp, behind the sofa, in the blue box, in
        the wardrobe, on the windowsill, under the stairs, in the car, in the garden, on the roof, in the fridge,
        behind the mirror, in the red bag, on the piano, inside the clock, in the top drawer, under the carpet,
        beside the fireplace, in the old suitcase, in the shed, on the balcony, behind the curtain, between two
        books, in the left pocket, in a shoe""",
        "weekday": "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday",
        "month": "January, February, March, April, May, June, July, August, September, October, November, December",
        "season": "spring, summer, autumn, winter",
        "weekdays": "Mondays, Tuesdays, Wednesdays, Thursdays, Fridays, Saturdays, Sundays, weekends",
        "material": """wood, glass, gold, silver, stone, iron, paper, leather, wool, silk, plastic, clay, copper, cotton, steel,
        bamboo, straw, brass, felt, bronze, marble, rubber, tin, cork, jade""",
        "thing": """a kite, a hat, a book, a lamp, a clock, a chair, a knife, a watch, a coat, a ball, a drum, a mirror, a
        map, a cup, a basket, a ring, a camera, a bell, a ladder, a pillow, a blanket, a spoon, a candle, a
        kettle, a scarf, a puzzle, a box of pencils, a jar of honey, a bag of nuts, a bicycle, an umbrella, a
        necklace, an old radio, a pair of shoes, a bottle of milk, a pot of jam, a wooden spoon, a rope, a sack
        of flour""",
        "content": """a coin, a key, a letter, a ring, a spider, an apple, a map, a stone, a feather, a button, a shell, an
        egg, a photo, a whistle, some bread, some money, some sugar, some rice, a ticket, a toy car, a piece of
        cheese, a pen, a gold coin, a small mouse, a candle, an old book, some tea, a bar of soap, a pair of
        gloves, a magnet, a marble, a walnut""",
        "weather": "sunny, rainy, cloudy, windy, foggy, snowy, hot, cold, stormy, warm, icy, very hot, very cold, dry",
        "opinion": """beautiful, boring, funny, strange, great, terrible, useful, scary, lovely, important, silly, interesting,
        difficult, wonderful, ugly, too expensive, too loud, very nice, relaxing, a bit sad""",
        "topic": """rain, snow, opera, school, jazz, football, the sea, the moon, winter, cheese, cooking, old films, long
        walks, big cities, coffee, dancing, poetry, Mondays, garlic, flying, camping, modern art, the new bridge,
        the old tower, the red house, the new teacher""",
        "allergy": """nuts, milk, eggs, pollen, dust, cats, dogs, wheat, shellfish, strawberries, soy, bees, peanuts, fish,
        grass, feathers, honey, wool, tomatoes, sesame, mustard, latex, kiwis, celery""",
        "petfood": """tuna, carrots, fish, chicken, seeds, lettuce, rice, bread, worms, cheese, apples, ham, beef, nuts, hay,
        cucumber, grass, sausages, eggs, salmon, flies, sunflower seeds, boiled potatoes, oats, dandelions,
        shrimps""",
        "crop": """tomatoes, roses, potatoes, tulips, beans, sunflowers, carrots, strawberries, pumpkins, mint, onions,
        lettuce, cabbages, lavender, peas, cucumbers, garlic, lilies, basil, rhubarb, herbs, corn""",
        "flower": "rose, tulip, lily, daisy, sunflower, violet, orchid, daffodil, iris, poppy, peony, lavender, snowdrop, carnation",
        "tree": "oak, birch, pine, willow, maple, beech, apple tree, cherry tree, palm, ash, cedar, lime tree, chestnut, fir",
        "bird": "robin, owl, swan, eagle, parrot, sparrow, stork, heron, crow, kingfisher, swallow, blackbird, duck, falcon, magpie, woodpecker",
        "flavour": "vanilla, chocolate, strawberry, lemon, mint, coffee, banana, coconut, cherry, caramel, pistachio, mango, walnut, blueberry",
        "toy": "kite, teddy bear, doll, train, ball, drum, puzzle, yo-yo, robot, rocking horse, spinning top, toy boat, wooden duck, car",
        "car": """a Volvo, a Fiat, a Toyota, a Ford, an Audi, a Honda, a Mazda, a Skoda, a Renault, a Kia, a Nissan, a
        Saab, a Jeep, a Seat, a Volkswagen, an old van, a small truck, a red bus, a blue taxi, a sports car, an
        electric car, a Mini, a Subaru, a Peugeot, a Lada""",
        "becoming": """a pilot, a doctor, an astronaut, a singer, a chef, a teacher, a vet, a dancer, a writer, a painter, a
        detective, an actor, a scientist, a gardener, a magician, a firefighter, a musician, a farmer, an
        inventor, a captain, a judge, a president""",
        "reason": """the roof is broken, it is too cold, the owner is ill, the key is lost, there is no water, the light is
        broken, it is a holiday, the road is flooded, there was a fire, the snow is too deep, the machine
        stopped, the door is stuck, the bus was late, it rained all day, the window is broken, there is a
        wedding, the lift is stuck, the teacher is away, the river is too high, the engine is too hot""",
        "deed": """broke the vase, ate the cake, won the race, found the key, painted the door, wrote the letter, fixed the
        bike, lost the map, took the umbrella, baked the bread, fed the cat, opened the window, locked the gate,
        planted the tree, built the boat, called the doctor, washed the car, cut the grass, hid the money, drew
        the picture, stole the apple, saw the fox, sang the song, caught the fish, broke the window, bought the
        house, cleaned the kitchen, closed the shop, rang the bell, burned the soup, made the table, cooked the
        dinner, sent the parcel, told the story, repaired the roof""",
        "effect": """opens the door, starts the engine, turns off the light, rings the bell, stops the train, calls the lift,
        plays music, opens the gate, closes the window, fills the tank, makes coffee, cleans the floor, heats the
        water, sounds the alarm, opens the safe, lowers the bridge, feeds the fish, turns the wheel, waters the
        plants, locks the door, starts the fan, prints a page, moves the crane, releases the rope""",
        "plaything": """pizza, the violin, jokes, old cars, the drums, long films, black and white films, crosswords, puzzles,
        comics, card games, board games, video games, hide and seek""",
        "clothes": """a red hat, a blue coat, a green scarf, a white shirt, black boots, a yellow dress, a brown jacket, grey
        socks, a straw hat, a purple tie, orange gloves, a long skirt, a striped sweater, new shoes, an old
        jumper, a raincoat, pink trousers, a silver belt, wooden shoes""",
        "holiday": "the mountains, the sea, the desert, the lake, the islands, a farm, the forest, the north, the big city, a castle, the coast",
    }.items()
}

_QUALITIES = "small big round flat long thin soft hard heavy light blue red green wooden shiny old sharp tall striped quiet".split()
_SORTS = """bird fish tool hat cake dance boat drum flower fruit spoon box game stone fruit insect tree bag song coat bridge soup lamp wheel dog cat knife
fruit berry house chair rope bell toy plant""".split()
_COUNTS = "two three four five six seven eight nine ten eleven twelve".split()
_TITLES_A = "The Old,The Last,The Silver,A Quiet,The Lost,The Red,My Little,The Long,The Hidden,The Green,A Cold,The Blue,The Seven,The Broken".split(
    ","
)
_TITLES_B = (
    "Garden,River,Door,Winter,Island,Song,House,Road,Star,Bridge,Ship,Forest,Letter,Key,Tower,Mountain,Lamp,Night,Train,Clock".split(",")
)
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


class Values:
    """Draws values of a pool: a name of LISTS, "person", "pet", "place" or "word" (names), or a recipe of this class."""

    def __init__(self, rng, names: Names):
        self.rng, self.names = rng, names

    def draw(self, pool: str) -> str:
        if pool in ("person", "pet", "place", "word"):
            return self.names.draw(pool)
        if pool in LISTS:
            return self.rng.choice(LISTS[pool])
        return getattr(self, "_" + pool)()

    def _lower_word(self) -> str:
        return self.names.draw("word").lower()

    def _land(self) -> str:
        """A country or town that is in no list, so that nothing is known of it but what is told."""
        while True:
            name = self.names.draw("place")
            if name not in PLACES:
                return name

    def _age(self) -> str:
        return str(self.rng.randint(2, 99))

    def _count(self) -> str:
        return self.rng.choice(_COUNTS) if self.rng.random() < 0.6 else str(self.rng.randint(2, 60))

    def _number(self) -> str:
        return str(self.rng.randint(0, 10 ** self.rng.randint(1, 5) - 1))

    def _small_number(self) -> str:
        return str(self.rng.randint(1, 99))

    def _code(self) -> str:
        roll = self.rng.random()
        if roll < 0.4:
            return self.names.draw("word").lower()
        if roll < 0.6:
            return self.rng.choice(_SORTS) + " " + self.rng.choice(_SORTS)
        if roll < 0.8:
            return self.rng.choice(_LETTERS) + self.rng.choice(_LETTERS) + "-" + str(self.rng.randint(10, 999))
        return str(self.rng.randint(1000, 99999))

    def _title(self) -> str:
        return self.rng.choice(_TITLES_A) + " " + self.rng.choice(_TITLES_B)

    def _definition(self) -> str:
        quality = self.rng.choice(_QUALITIES)
        second = self.rng.choice(_QUALITIES) if self.rng.random() < 0.25 else ""
        return f"{with_article(' '.join(filter(None, (quality, second if second != quality else '', self.rng.choice(_SORTS)))))}"

    def _meaning(self) -> str:
        return self.rng.choice(
            _SORTS + LISTS["animal"] + "good hello house friend water night sleep happy big thank you goodbye bread winter".split()
        )

    def _date(self) -> str:
        month, day = self.rng.choice(LISTS["month"]), self.rng.randint(1, 28)
        return self.rng.choice((f"{day} {month}", f"{month} {day}"))

    def _when(self) -> str:
        hour = self.rng.choice(_COUNTS)
        return self.rng.choice(
            (
                f"on {self.rng.choice(LISTS['weekday'])}",
                f"at {hour} o'clock",
                f"on {self.rng.choice(LISTS['weekday'])} at {hour}",
                f"in {self.rng.choice(LISTS['month'])}",
                f"on {self._date()}",
                "tomorrow morning",
                "tonight",
                "next week",
                "tomorrow at noon",
            )
        )

    def _hour(self) -> str:
        return self.rng.choice(
            (
                self.rng.choice(_COUNTS) + " o'clock",
                "half past " + self.rng.choice(_COUNTS),
                f"{self.rng.randint(5, 11)}:{self.rng.choice(('00', '15', '30', '45'))}",
                "noon",
                "midnight",
            )
        )

    def _team(self) -> str:
        return self.names.draw("place") + self.rng.choice(("", "", " United", " City", " Rovers"))

    def _money(self) -> str:
        return f"{self.rng.randint(2, 999)} {self.rng.choice(('euros', 'dollars', 'pounds', 'francs', 'coins'))}"

    def _length(self) -> str:
        return str(self.rng.randint(3, 900))

    def _tall(self) -> str:
        return str(self.rng.randint(80, 205))


def with_article(noun: str) -> str:
    """ "a lamp", "an apple"; by the letter, which suits the nouns used here."""
    return ("an " if noun[0].lower() in "aeiou" else "a ") + noun
