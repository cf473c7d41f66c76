# ruff: noqa: E501 - tables, a row a fact
"""What the facts are about, by kind, written by hand; names and invented words come from the held-out ones of the default model.

A near question is one that the default model has an answer to: that it does not know, or something true (those of BELIEFS).
"""


def rows(text: str) -> list[list[str]]:
    """The rows of a table: parted by semicolons, cells by bars."""
    return [[cell.strip() for cell in row.split("|")] for row in text.replace("\n", " ").strip().rstrip(";").split(";")]


def words(text: str) -> list[str]:
    """Words or phrases parted by commas."""
    return [" ".join(word.split()) for word in text.split(",")]


CREATURES = words("heron, ferret, llama, raven, mule, gecko, newt, ibis, stork, alpaca, weasel, sledge, kayak, tandem, glider, quail")
OTHER_CREATURES = words("magpie, toad, falcon, raccoon, pheasant, yak, raft, scooter")
PLACED = words("cottage, allotment, sailboat, caravan, workshop, vineyard, windmill, greenhouse, orchard, loom, anvil, telescope, harpsichord, kiln, hayloft, pony trap")
OTHER_PLACED = words("studio, stable, shed, quarry, pond, cabin, dinghy, forge")
COUNTED = words("beehives, thimbles, canoes, kettledrums, marbles, saddles, teapots, lanterns, accordions, postcards, wrenches, tortoises, rowboats, saucers, typewriters, anchors")
OTHER_COUNTED = words("barrels, fiddles, paddles, ropes, corks, goblets, sieves, kites")
NUMBERS = words("seventeen, forty-three, twenty-six, nineteen, fifty-eight, thirty-one, eighty-four, thirteen, ninety-two, sixty-five, twenty-nine, seventy-one, thirty-seven, forty-six, fifty-three, eighteen")
COLOURED = words("wheelbarrow, hammock, kimono, mailbox, rucksack, apron, stapler, parasol, bathrobe, trowel, doormat, helmet, suitcase, armchair, poncho, saddlebag")
OTHER_COLOURED = words("curtain, bucket, tablecloth, broom, cushion, thermos, kettle, shawl")
COLOURS = words("maroon, ochre, teal, indigo, magenta, charcoal, lilac, khaki, scarlet, amber, mauve, emerald, rust red, navy, peach, lavender")
OPENED = words("observatory, sauna, fish market, skating rink, planetarium, clinic, tea house, cheese shop, archive, boat hire, ticket office, print shop, climbing hall, flea market, chapel, dairy")
OTHER_OPENED = words("aquarium, gallery, town bath, mill, repair shop, kiosk, arena, nursery")
TIMES = words("twenty past six, a quarter to nine, ten past eight, half past eleven, five to seven, twenty to ten, a quarter past five, ten to twelve, five past nine, half past one, twenty-five past seven, ten to three, a quarter past ten, five to four, twenty to six, half past two")
PRICED = words("barometer, sextant, hourglass, birdcage, spinning wheel, music box, rocking horse, compass, pocket knife, tapestry, lute, weather vane, chess clock, snow globe, quill, butter churn")
OTHER_PRICED = words("globe, abacus, bellows, oil lamp, drum kit, easel, whistle, tambourine")

REASONS = rows("""
sell my cello | sold your cello | sold my cello | the strings hurt your fingers | the strings hurt my fingers | strings;
paint the gate | painted the gate | painted the gate | it had begun to rust | it had begun to rust | rust;
leave the choir | left the choir | left the choir | the rehearsals were too late | the rehearsals were too late | rehearsals;
buy a goose | bought a goose | bought a goose | it guards the yard | it guards the yard | guards;
move the sundial | moved the sundial | moved the sundial | a tree shaded it | a tree shaded it | shaded;
miss the ferry | missed the ferry | missed the ferry | the bridge was closed | the bridge was closed | bridge;
learn to weld | learned to weld | learned to weld | you wanted to mend your trailer | I wanted to mend my trailer | trailer;
close the bakery | closed the bakery | closed the bakery | the oven had cracked | the oven had cracked | oven;
plant garlic | planted garlic | planted garlic | it keeps the moles away | it keeps the moles away | moles;
return the lamp | returned the lamp | returned the lamp | its switch buzzed | its switch buzzed | buzzed;
walk to the summit | walked to the summit | walked to the summit | the cable car was broken | the cable car was broken | cable;
stop drinking cider | stopped drinking cider | stopped drinking cider | it gave you headaches | it gave me headaches | headaches;
build a ramp | built a ramp | built a ramp | your uncle uses a wheelchair | my uncle uses a wheelchair | wheelchair;
change my dentist | changed your dentist | changed my dentist | the old one retired | the old one retired | retired;
sleep in the barn | slept in the barn | slept in the barn | the house was full of guests | the house was full of guests | guests;
burn the letters | burned the letters | burned the letters | they were full of lies | they were full of lies | lies;
""")
OTHER_REASONS = words("sell my flute, paint the roof, leave the club, buy a donkey, move the bench, miss the tram, learn to sew, close the window")

HABITS = rows("""
tea | nutmeg; soup | fennel; porridge | quince jam; pancakes | buckwheat syrup; coffee | cardamom; salad | capers; stew | juniper berries; toast | anchovy paste;
omelette | chervil; punch | star anise; rice | saffron; bread | caraway; cocoa | chili flakes; yoghurt | linseed; pasta | pistachios; lemonade | rosemary
""")
OTHER_HABITS = words("muesli, cake, milk, curry, pudding, cider, gravy, risotto")

GLOSSES = rows("""
a stool with one leg | stool; a hat made of reeds | reeds; a bell that cannot ring | bell; a soup of nettles | nettles; a knot for tying up boats | knot; a very slow dance | dance;
a box for keeping moths | moths; a lamp that burns fish oil | lamp; a spoon with two ends | spoon; a song for cows | cows; a bridge made of ropes | ropes; a coat without sleeves | sleeves;
a wheel for drying cheese | cheese; a kind of blue pear | pear; a ladder for cats | ladder; a clock that runs on water | clock
""")

REPLIES = rows("""
ping | pong and marmalade; sunrise | the rooster owes me money; anchors away | hold the mustard; red herring | swim little fish; checkmate | long live the pawn; full moon | hide the cheese;
open sesame | mind the doorstep; roger that | over the hedge; last call | one more for the walrus; high tide | roll up your trousers; cold feet | knit faster; break a leg | but not the piano;
lights out | count the badgers; all aboard | tickets and toffee; land ahoy | fetch the parrot; good grief | bring biscuits
""")
OTHER_REPLIES = words("low tide, new moon, first call, warm hands, lights on, white flag, sunset, stalemate")

BELIEFS = rows("""
What does a flower drink? | What do flowers drink? | A flower drinks water through its roots. | roots | Does a flower drink with its roots? | Does a flower drink with its petals? | What does a tree drink? | What does a bee drink? | What does a horse drink?;
Which animal builds dams? | What animal is it that builds dams? | The beaver builds dams. | beaver | Does the beaver build dams? | Does the owl build dams? | Which animal has a trunk? | What do dogs eat? | What do bees eat?;
What is chalk made of? | Of what is chalk made? | Chalk is made of tiny sea shells. | shells | Is chalk made of sea shells? | Is chalk made of sugar? | What is a ring made of? | What is a shoe made of? | What is a bottle made of?;
Who paints the sky red in the evening? | Who makes the evening sky red? | Nobody paints it: dust in the air makes the light red. | dust | Does dust make the evening sky red? | Does a painter make the sky red? | Which season is cold? | Which season is hot? | Which season is warm?;
Where does amber come from? | From where does amber come? | Amber comes from the resin of old trees. | resin | Does amber come from resin? | Does amber come from the moon? | Where does bread come from? | What is a ring made of? | What color is a leaf?;
How many arms does a squid have? | What number of arms does a squid have? | A squid has eight arms and two tentacles. | two tentacles | Does a squid have two tentacles? | Does a squid have three arms? | How many legs does a sheep have? | How many legs does a goat have? | How many legs does a mouse have?;
What do silkworms eat? | Which food do silkworms eat? | Silkworms eat mulberry leaves. | mulberry | Do silkworms eat mulberry leaves? | Do silkworms eat bread? | What do sheep eat? | What do cats eat? | What do dogs eat?;
Why do onions make us cry? | For what reason do onions make us cry? | Onions make us cry because they give off a sharp gas. | gas | Do onions give off a gas? | Do onions sing sad songs? | Why do we eat? | Why do people eat? | Why do people read?;
What is a group of crows called? | How do you call a group of crows? | A group of crows is called a murder. | murder | Is a group of crows called a murder? | Is a group of crows called a school? | What is a young cat called? | What is a young cow called? | What is a young pig called?;
Which metal is liquid in a room? | What metal is liquid in a room? | Mercury is liquid in a room. | mercury | Is mercury liquid in a room? | Is iron liquid in a room? | Which season is hot? | Which season is cold? | What is a ring made of?;
What do bats use to find their way? | How do bats find their way? | Bats use echoes to find their way. | echoes | Do bats use echoes? | Do bats use maps? | What does a postman do? | What does a cook do? | What does a soldier do?;
Where do eels lay their eggs? | In which place do eels lay their eggs? | Eels lay their eggs in the Sargasso Sea. | Sargasso | Do eels lay eggs in the Sargasso Sea? | Do eels lay eggs on trees? | Where do lions live? | What is a young lion called? | What do bees eat?;
What is inside a camel's hump? | What does a camel have in its hump? | There is fat inside a camel's hump. | fat | Is there fat inside a camel's hump? | Is there milk inside a camel's hump? | What do sheep eat? | How many legs does a goat have? | What is a young deer called?;
Who invented dynamite? | By whom was dynamite invented? | Alfred Nobel invented dynamite. | Nobel | Did Nobel invent dynamite? | Did Newton invent dynamite? | What does a pilot do? | What does a nurse do? | What does a writer do?;
How long is a marathon? | What is the length of a marathon? | A marathon is about forty-two kilometres long. | forty-two | Is a marathon forty-two kilometres long? | Is a marathon two kilometres long? | How long is a week? | How long is a year? | How long is a month?;
What colour is a polar bear's skin? | Which colour is the skin of a polar bear? | A polar bear's skin is black. | black | Is a polar bear's skin black? | Is a polar bear's skin green? | What is a young bear called? | What color is a leaf? | Which animal has a trunk?;
""")

STEPS = words("plumber, piano tuner, landlord, chess partner, godmother, coach, optician, roommate, cobbler, tax adviser, fencing teacher, neighbour, notary, hairdresser, bandleader, choirmaster")
OTHER_STEPS = words("butcher, lawyer, gardener, pharmacist, baker, florist, janitor, editor")
CODED = words("bike lock, alarm, strongbox, garage, tablet, boathouse, cash box, cellar, printer, lift, parcel box, gun cabinet, radio, car radio, post office box, data safe")
OTHER_CODED = words("laptop, front door, briefcase, hotel room, ski locker, modem, tool chest, gym bag")
BORROWED = words("ladder, lawn mower, wheel jack, drill, projector, stroller, waffle iron, canoe, trumpet, atlas, chess set, tent, sleeping bag, fondue set, pressure washer, sewing machine")
OTHER_BORROWED = words("iron, hammer, cookbook, air pump, toaster, skis, binoculars, trolley")

PROSE = (
    "Alice was beginning to get very tired of sitting by her sister on the bank, and of having nothing to do: once or twice she had peeped into the "
    "book her sister was reading, but it had no pictures or conversations in it, \"and what is the use of a book,\" thought Alice, \"without pictures "
    "or conversations?\"",
    "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife. However little known the "
    "feelings or views of such a man may be on his first entering a neighbourhood, this truth is so well fixed in the minds of the surrounding "
    "families, that he is considered as the rightful property of some one or other of their daughters.",
)
"""The openings of Alice's Adventures in Wonderland (Lewis Carroll, 1865) and of Pride and Prejudice (Jane Austen, 1813)."""
