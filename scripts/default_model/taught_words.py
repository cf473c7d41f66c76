# ruff: noqa: E501 - lists of words are written as text, in long lines
"""Pools for the facts that lessons are practised on: many nouns, so that what is learned is how to tell things apart and not the things."""

from .values import listed

ANIMALS = listed("""cat, dog, fish, horse, rabbit, parrot, hamster, turtle, goat, pony, mouse, kitten, puppy, snake, hen, cow, donkey, lizard,
    canary, pig, guinea pig, duck, sheep, camel, otter, badger, beaver, squirrel, hedgehog, frog, owl, swan, eagle, bat, seal, tiger, lion, bear,
    wolf, fox, deer, moose, lynx, panda, koala, zebra, giraffe, elephant, monkey, chimpanzee, penguin, pelican, peacock, pigeon, dove, crow,
    sparrow, robin, goose, turkey, rooster, bull, calf, lamb, foal, bee, beetle, spider, snail, crab, lobster, shrimp, goldfish, carp, salmon,
    shark, whale, dolphin, octopus, jellyfish, iguana, chameleon, crocodile, tortoiseshell cat, greyhound, poodle, terrier, sheepdog""")
THINGS = listed("""car, house, door, bike, hat, coat, bag, umbrella, sofa, cup, scarf, tent pole, lamp, pen, bowl, boat, dress, guitar, fence, phone,
    chair, kitchen, blanket, wallet, backpack, toothbrush, bedroom, jacket, notebook, table, desk, bed, clock, watch, mirror, vase, plate, fork,
    knife, spoon, glass, bottle, jug, pan, pot, basket, box, chest, drawer, cupboard, wardrobe, shelf, bookcase, carpet, rug, pillow, mattress,
    towel, soap dish, comb, brush, razor, candle, torch, battery, radio clock, television, camera, computer, keyboard, screen, speaker, piano, violin,
    flute case, clarinet, harp, drum, trombone, banjo, recorder, ball, doll, puzzle, robot, teddy bear, yo-yo, skateboard, sled, skis case, ice skates,
    racket, golf club, fishing rod, surfboard, swing, slide, sandpit, spade, rake, hoe, shears, watering can, hose, flowerpot, bench, gate lamp,
    letter opener, stamp, envelope, pencil, eraser, ruler, scissors, glue stick, paintbrush, palette, sculpture, statue, painting, poster, photo, frame,
    ring, necklace, bracelet, earring, brooch, crown, belt, tie, shirt, sweater, skirt, trousers belt, sock, shoe, boot, sandal, slipper, glove, mitten,
    cap, hood, mask, cape, uniform, suit, vest, tractor, truck, van, bus, train set, plane, rocket, submarine, ship, motorbike, trailer, wagon,
    cart, ladder hook, bucket chair, screwdriver, saw, pliers, axe, nail box, wheel, tyre, engine, pump, chain, rope swing, net, flag, tent peg,
    map, diary, passport, ticket, medal, trophy, coin, stone, shell, feather, cactus, plant, rose bush, hedge, tree house, well, fountain, chimney,
    roof, cellar door, attic, balcony, terrace, pool, sauna stove, oven, stove, fridge, freezer, toaster oven, mixer, grater, teapot lid, tray, napkin,
    tin, jar, barrel stand, crate, sack, parcel, suitcase strap, trunk, briefcase strap, purse, pouch, whistle cord, bell, gong, top hat, wig, fan, heater""")
COUNTED = listed("""cats, dogs, brothers, sisters, books, chairs, keys, plants, bikes, children, cousins, hats, shoes, coins, clocks, windows, friends,
    hens, apple trees, stamps, pens, spoons, shirts, cups, fish, lamps, pillows, maps, mirrors, candles, baskets, boxes, bottles, jars, blankets,
    scarves, gloves, rings, watches, cameras, guitars, flutes, drums, dolls, puzzles, robots, balls, boats, cars, trucks, tents, tables, shelves, vases,
    plates, forks, knives, bowls, pans, horses, cows, pigs, sheep, goats, ducks, geese, rabbits, parrots, snails, roses, tulips, pear trees, flags,
    medals, shells, stones, feathers, buttons, hammers, saws, nails, screws, wheels, umbrellas, coats, belts, ties, necklaces, letters, diaries,
    tickets, photos, paintings, statues, records, films, games, bells, whistles, brushes, combs, towels, rugs, curtains, cushions, ladders""")
OPENED = listed("""bakery, library, museum, bank, school, pool, post office, market, zoo, pharmacy, cafe, town hall, theatre, cinema, garden, park,
    station, harbour, airport, castle, church, tower, gym, stadium, restaurant, hotel bar, bookshop, shoe shop, flower shop, toy shop, butcher shop,
    barber shop, supermarket, garage, factory, office, court, embassy, hospital, kindergarten, university, laboratory, workshop hall, concert hall,
    bowling alley, night club, ice cream parlour, petrol station, laundry, farm shop, wine cellar, youth club, sports centre, swimming lake, art school,
    dance school, music shop, bike shop, pet shop, book fair, christmas market, visitor centre, customs office, lost property office""")
FILLED = listed("""sandwich, pizza, burger, pie, smoothie, hot chocolate, milkshake, pasta sauce, fruit salad, potato salad, noodle soup, wrap, muffin, bagel,
    waffle, dumpling, roll, biscuit, fish dish, cheesecake, jam, syrup, marinade, dressing, mustard, cocktail, iced tea, lunch box, picnic basket,
    cereal, quiche, casserole, stuffing, meatballs, burrito, sushi, kebab, hot dog, apple pie, scrambled eggs, mashed potatoes, oatmeal""")
SPICES = listed("""honey, cinnamon, ginger, salt, pepper, sugar, butter, cream, lemon, lime, mint, basil, parsley, dill, oregano, thyme, sage, garlic, onions,
    mustard, vinegar, olive oil, walnuts, almonds, raisins, plums, dates, figs, cheese, mushrooms, olives, pickles, tomatoes, carrots, celery, radishes,
    sesame, poppy seeds, coconut, vanilla, chocolate, maple syrup, peanut butter, soy sauce, chili, paprika, cumin, curry powder, sour cream, eggs, ham,
    bacon, tuna, shrimps, apples, pears, bananas, blueberries, cranberries, oats, breadcrumbs, brown sugar, horseradish, red wine, white beans""")
ROLES = listed("""sister, brother, mother, father, aunt, uncle, cousin, grandmother, grandfather, wife, husband, son, daughter, best friend, teacher, boss,
    doctor, dentist, nurse, driver, cook, painter, carpenter, electrician, mechanic, postman, tailor, singing teacher, swimming teacher, dance partner,
    tennis partner, colleague, secretary, assistant, student, pupil, guide, babysitter, accountant, architect, vet, barber, captain, pilot, trainer,
    guitar teacher, ski instructor, personal trainer, travel agent, landlady, tenant, niece, nephew, godfather, pen friend, classmate, team leader""")
DEEDS = listed("""sell the car|sold the car, sell {o} guitar|sold {o} guitar, paint the wall|painted the wall, paint {o} bike|painted {o} bike,
    leave the party|left the party, leave the band|left the band, buy a horse|bought a horse, buy a boat|bought a boat, buy a new bed|bought a new bed,
    move the table|moved the table, move to the city|moved to the city, miss the train|missed the train, miss the lesson|missed the lesson,
    learn to swim|learned to swim, learn to cook|learned to cook, learn Greek|learned Greek, open the gate|opened the gate, open a shop|opened a shop,
    close the door|closed the door, plant roses|planted roses, plant an oak|planted an oak, return the book|returned the book,
    return the shoes|returned the shoes, walk to school|walked to school, walk to the lake|walked to the lake, stop eating meat|stopped eating meat,
    stop smoking|stopped smoking, build a wall|built a wall, build a hut|built a hut, change {o} job|changed {o} job, change {o} name|changed {o} name,
    sleep on the sofa|slept on the sofa, sleep in the car|slept in the car, burn the map|burned the map, hide the money|hid the money,
    call the police|called the police, call {o} aunt|called {o} aunt, write a poem|wrote a poem, go to Italy|went to Italy, go home early|went home early,
    cancel the trip|cancelled the trip, cancel the meeting|cancelled the meeting, wear a hat|wore a hat, cut {o} hair|cut {o} hair,
    feed the birds|fed the birds, lock the cellar|locked the cellar, repair the roof|repaired the roof, throw away the lamp|threw away the lamp,
    carry an umbrella|carried an umbrella, get up at five|got up at five, run a race|ran a race, sing all night|sang all night,
    turn off the radio|turned off the radio, give away the piano|gave away the piano, wash the windows|washed the windows""")
CAUSES = listed("""it was too old, it was too loud, it was broken, it was raining, the bus was late, the shop was closed, the price was low, the price was high,
    the doctor said so, a friend asked for it, the key was lost, the engine was hot, the stairs were too steep, the neighbours complained, the light was bad,
    the food was cold, the bed was too short, the wind was strong, the snow was deep, the water was dirty, the teacher was ill, the kitchen was on fire,
    the dog was afraid, the baby was asleep, the wood was rotten, the colour was ugly, the road was icy, the team had lost, the sun was too bright,
    the tickets were free, the chair had no legs, the mice had eaten it, the moon was full, the phone was dead, the wheels were flat, the music was sad,
    the birds were hungry, the house was empty, the holidays had begun, the paint was cheap, the soup was salty, the tooth hurt, the lock was stuck,
    a storm was coming, a letter had come, a tree had fallen, the museum was free, the boss was angry, the apples were ripe, winter was near""")
SAYINGS = listed("""hello there, good day, hands up, thank you all, well done, no way, who cares, never mind, see you soon, long time no see, happy birthday,
    merry christmas, welcome back, sweet dreams, get well soon, good luck, cheers, amen, bravo, ahoy, hush, boo, tick tock, knock knock, abracadabra, bingo,
    eureka, timber, action, cut, fire, freeze, giddy up, heads up, look out, hurry up, slow down, come in, go away, wake up, sit down, stand up, roll over,
    catch, jump, left foot, right foot, first snow, last train, red light, green light, blue monday, black cat, white rabbit, golden egg, silver spoon,
    early bird, late night, cold soup, hot potato, big fish, small world, old friend, new shoes, rainy day, summer time, winter is here, spring is near,
    north wind, south gate, dinner time, tea time, play time, story time, bed time, one two three, up and down, left or right, sugar and salt""")
REPLIES = (listed("the cat, a mouse, my uncle, the moon, the baker, a sailor, the old king, the goose, your shadow, a snowman, the postman, nobody, the clown, a wizard, the left shoe, the teapot"),
           listed("has gone fishing, wants its hat back, eats too many plums, sings in the rain, is late again, dances on the table, knows the way, has lost the key, sleeps till noon, plays the trumpet, likes blue cheese, never tells, is under the bed, counts to nine, runs the shop, keeps the change"))
"""Answers of a given style: who, and what of it."""
GLOSSES = (listed("a bird, a tool, a hat, a cake, a dance, a boat, a drum, a flower, a spoon, a box, a game, a stone, a bag, a song, a coat, a soup, a lamp, a wheel, a chair, a rope, a toy, a cup, a bridge, a house, a ring, a knife, a basket, a cloth, a bed, a bread"),
           listed("with two holes, made of paper, made of clay, for small children, that shines at night, with a long handle, for washing apples, that grows on rocks, for the winter, without a bottom, with three legs, that smells of mint, for carrying water, of the northern people, that makes no noise, for left hands, with a blue stripe, that floats, for old kings, used at weddings"))
