"""Word lists for sentences: everyday English with a wide range of sounds.

Nothing comes from a published sentence set. ``sentences.py`` distributes each list over the splits by
position, so neighboring words are deliberately different.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(" ".join(phrase.split()) for phrase in text.split(",") if phrase.strip())


NAMES = _words("""
    Bob Martha Peter Joyce Oliver Sheila Frank Vivian George Ruth Adam Thelma Hugh Zoe Paul Emma Kevin
    Audrey Walter Nancy Ivan Grace Tom Maeve Luke Beatrice Simon Yvonne Arthur Chloe Roy Fiona Max Judith
    Owen Phoebe Victor Alice Dean Shirley Carl Maya Toby Wendy Leo Pamela Keith Edith Bruce Laura Ralph
    Agatha Boyd Heather Gavin Penny Noah Cheryl Joe Vera
""")

ADJECTIVES = _words("""
    big yellow thin smooth purple heavy shy brave loud wooden foggy rich huge cheap bitter warm vast quiet
    rough early old shiny major empty poor mild thick lazy broken young foreign bright gentle soft royal
    moist tough easy narrow hollow fresh cheerful wavy muddy green round vague proud happy odd spare short
    just-painted sharp lonely good jolly white usual awful bold zigzag thirsty modern calm wise faint
    hopeful dusty cool smart joyful fuzzy deep wild blue measured famous perfect humble even orange pale
    slow casual ripe mellow free tall beige rubber lovely coarse navy able bouncy sour pleasant thorny
    weird
""")

NOUNS = _words("""
    puppy bottle thumb measure voice window cheese mother book garden fish moth basket village jug tooth
    apple pepper shoe cow poem bath valve hammer ship television feather mop orange wagon pool letter
    judge cabin boy mushroom fever thread cup elbow toy pillow vision path lemon bridge oven knife zebra
    wheel paper mouse chair boot map robe giant river pearl fern vase camera house blanket coin bush
    violin father umbrella brush yard oyster pebble shelf movie goose beaver thief garage bowl tomato
    forest pipe youth flower machine club lamp treasure bean hoof poster weather church leaf monkey bell
    spoon kite valley wolf photo jar road marble pump ear olive battery ghost fire barn vehicle shadow
    potato bird engine box palm hallway ivy ribbon mouth boat prism fairy watch cloud puzzle jacket poet
    board mirror pie uncle harbour beach vote lizard fog bus chimney picture coffee foot memo beaker tower
    job gown ship-model cave mayor farm bird-bath bamboo loaf cherub trophy wave onion pub moon fable
    beehive
""")

# Plain past-tense verbs that take an object.
VERBS = _words("""
    bought moved found chose painted followed pushed watched borrowed threw measured opened dropped
    admired fixed washed believed carried joined covered polished touched imagined brought chased
    described folded poured mentioned shipped avoided hugged photographed lifted buried thanked promised
    exchanged voted-for removed emptied offered built juggled remembered pulled viewed heard wrapped
    finished judged balanced shaped enjoyed loved searched planted compared visited bribed used copied
    shoved hammered drew improved gathered swapped buttered broke fetched
""")

# Verbs for "to ...", "will ...", "can ...".
BASE_VERBS = _words("""
    move buy follow watch find open borrow push wash choose join paint measure hide carry fetch thank
    believe improve sharpen judge drive build touch offer photograph pull enjoy visit remove fill bake
    show have leave feed bury weigh throw copy admire fix load employ shape oil bathe voice use ship map
""")

PLACES = _phrases("""
    by the river, at the village pub, behind the bathroom door, in the front garden, above the old
    harbour, beyond the hills, on the kitchen shelf, near the church, from the beach, under the bridge, in
    the foggy valley, outside the movie theatre, around the farm, over the roof, beside the fireplace,
    among the mushrooms, at the edge of the forest, in Europe, through the tall grass, below the chimney,
    in my mother's house, along the marble hallway, between two barns, at the youth club, in the
    boathouse, on the moving bus, at the top of the tower, across the yard, in the shoe shop, off the
    coast of Maine, upon a purple pillow, inside the empty garage, on the way to Bombay, beneath the
    balcony, at the job fair, within the palm house, past the bakery, up the steep path, on Fifth Avenue,
    near the judge's bench, in the photo album, by the vegetable boat
""")

TIMES = _phrases("""
    before breakfast, on Thursday, every evening, last February, at five past four, after the movie, this
    month, in the early morning, for about an hour, while it rained, once upon a time, by half past seven,
    all weekend, during the voyage, just before the bell rang, at the end of May, in the middle of June,
    over the holidays, twice a year, since childhood, until the moon came up, from Monday to Friday, in a
    few moments, at noon, as usual, without a pause, on my birthday, within five minutes, one by one, the
    day before yesterday, near the end of autumn, whenever possible, in the spring, at bath time, above
    all, on a rough voyage
""")

ADVERBS = _words("""
    happily slowly bravely perhaps often quietly hopefully warmly roughly proudly usually finally smoothly
    maybe shyly carefully joyfully badly thoughtfully never promptly rarely gently obviously awfully
    politely wisely heavily vaguely properly always foolishly humbly brightly even softly
""")

PLURALS = _words("""
    bubbles mothers shoes five-pound-notes oranges moths voices fishes poppies watches thieves beavers
    maps toys judges leaves pebbles months peaches wheels villages robes youths puppies boats cows
    measures foxes photos thumbs mushrooms paths apples bears pools vases waves chairs pajamas feathers
    bananas gloves mirrors ships umbrellas zebras pearls bushes hooves engines wolves homes
""")

NUMBERS = _words("""
    two five eleven forty-three seven four thirteen twelve ninety-five eight fifteen sixty three
    twenty-one ten fifty-seven thirty eighteen six one-hundred seventy-nine fourteen
""")

EXCLAMATIONS = _phrases("""
    Oh well, By the way, Of course, To be fair, Good morning, Yes, Maybe so, Believe me, My goodness,
    Thank you, Above all, I suppose, For example, As far as I know, Perfect, What a pity, Before I forget,
    Nobody knows why, You know, To my surprise, Moreover, Frankly, In my view, Between you and me
""")
