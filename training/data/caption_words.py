# SPDX-License-Identifier: Apache-2.0
"""Word tables of the caption writer.

In a verb phrase every word that starts with `*` is a verb and is inflected with the sentence.
`{side}` is left or right, `{other}` the opposite, `{his}` the possessive of the subject (or "the"),
`{himself}` its reflexive.
"""

SUBJECTS: tuple[tuple[str, str], ...] = (
    ("a person", "their"), ("a person", "their"), ("a person", "his"), ("the person", "their"),
    ("someone", "their"), ("someone", "their"), ("somebody", "their"), ("a human", "their"),
    ("the figure", "its"), ("a figure", "its"), ("the character", "its"),
    ("the character", "their"), ("a character", "their"), ("the actor", "their"),
    ("they", "their"), ("he", "his"), ("she", "her"), ("the subject", "their"),
    ("a man", "his"), ("a woman", "her"), ("a guy", "his"), ("the man", "his"),
    ("the woman", "her"), ("this person", "their"), ("an individual", "their"),
    ("a girl", "her"), ("a boy", "his"), ("our character", "their"), ("a performer", "their"),
    ("the avatar", "its"), ("an adult", "their"), ("a pedestrian", "their"),
)  # fmt: skip

STYLE_ALIASES = {
    "old": "elderly", "tired": "exhausted", "masculinity": "masculine", "none": "normal",
    "": "normal",
}  # fmt: skip

STYLE_SUBJECTS: dict[str, tuple[tuple[str, str], ...]] = {
    "elderly": (
        ("an old man", "his"), ("an old woman", "her"), ("an elderly person", "their"),
        ("a senior", "their"), ("an old person", "their"), ("a grandfather", "his"),
        ("a grandmother", "her"), ("an elderly man", "his"), ("an aged person", "their"),
        ("a frail old man", "his"),
    ),
    "exhausted": (
        ("a tired person", "their"), ("an exhausted man", "his"), ("a weary traveller", "their"),
        ("a worn-out person", "their"), ("a tired man", "his"), ("a tired woman", "her"),
        ("somebody who is exhausted", "their"), ("a drained person", "their"),
    ),
    "feminine": (
        ("a woman", "her"), ("a lady", "her"), ("a girl", "her"), ("she", "her"),
        ("a female character", "her"), ("the woman", "her"), ("a young lady", "her"),
    ),
    "masculine": (
        ("a man", "his"), ("a guy", "his"), ("he", "his"), ("a male character", "his"),
        ("a macho man", "his"), ("a tough guy", "his"), ("the man", "his"), ("a big guy", "his"),
    ),
    "childish": (
        ("a child", "their"), ("a kid", "their"), ("a little boy", "his"),
        ("a little girl", "her"), ("a small child", "their"), ("a playful kid", "their"),
    ),
    "youthful": (
        ("a young person", "their"), ("a youngster", "their"), ("a teenager", "their"),
        ("a young man", "his"), ("a young woman", "her"), ("a lively youth", "their"),
    ),
    "giant": (
        ("a giant", "their"), ("a huge person", "their"), ("a heavy giant", "his"),
        ("a giant monster", "its"), ("a hulking figure", "its"), ("an ogre", "its"),
    ),
    "chimpira": (
        ("a punk", "his"), ("a thug", "his"), ("a street thug", "his"), ("a hoodlum", "his"),
        ("a cocky punk", "his"), ("a gangster", "his"),
    ),
    "angry": (("an angry person", "their"), ("an angry man", "his"), ("a furious person", "their")),
    "happy": (
        ("a happy person", "their"), ("a cheerful person", "their"), ("a joyful woman", "her"),
        ("a happy guy", "his"),
    ),
    "sad": (
        ("a sad person", "their"), ("a depressed person", "their"), ("an unhappy man", "his"),
        ("a gloomy figure", "its"),
    ),
    "proud": (("a proud person", "their"), ("a proud man", "his"), ("a confident person", "their")),
    "not-confident": (
        ("a shy person", "their"), ("a timid person", "their"), ("an insecure person", "their"),
        ("a nervous person", "their"),
    ),
    "musical": (("a musical performer", "their"), ("a stage performer", "their")),
    "active": (
        ("an energetic person", "their"), ("an active person", "their"),
        ("a lively person", "their"), ("a sporty person", "their"),
    ),
}  # fmt: skip

# style -> (adjectives, adverbs, phrases that follow the verb phrase)
STYLES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "active": (
        ("energetic", "active", "lively", "vigorous", "dynamic", "spirited"),
        ("energetically", "actively", "vigorously", "lively", "dynamically", "spiritedly"),
        ("with energy", "full of energy", "in an active way", "with lots of vigour",
         "with vigor", "in high spirits", "in a lively manner", "with plenty of pep"),
    ),
    "angry": (
        ("angry", "furious", "mad", "irritated", "enraged"),
        ("angrily", "furiously", "madly", "in anger", "crossly"),
        ("in a rage", "as if angry", "in an angry mood", "clearly annoyed", "with anger",
         "while fuming", "like someone who is mad"),
    ),
    "childish": (
        ("childish", "childlike", "playful", "kid-like"),
        ("childishly", "playfully", "like a child", "like a kid"),
        ("the way a child does", "in a childish way", "like a little kid", "in a playful manner"),
    ),
    "chimpira": (
        ("swaggering", "cocky", "punk", "thuggish", "gangster-like"),
        ("cockily", "arrogantly", "like a punk", "like a thug"),
        ("with a swagger", "like a street punk", "with a tough-guy swagger",
         "in a thuggish way", "acting tough", "like a small-time gangster"),
    ),
    "elderly": (
        ("elderly", "old", "frail", "aged", "feeble"),
        ("like an old man", "feebly", "frailly", "like an elderly person", "shakily"),
        ("like someone very old", "the way old people do", "as an old person would",
         "with the stiffness of old age", "in an elderly manner", "as if old and frail",
         "like grandpa"),
    ),
    "exhausted": (
        ("exhausted", "tired", "weary", "worn-out", "fatigued", "drained"),
        ("tiredly", "wearily", "exhaustedly", "sluggishly", "listlessly", "lethargically"),
        ("as if exhausted", "completely worn out", "out of energy", "with no energy left",
         "looking tired", "dead tired", "in an exhausted way", "like after a very long day",
         "as if drained of strength", "with fatigue", "sleepily and without strength"),
    ),
    "feminine": (
        ("feminine", "ladylike", "graceful", "womanly"),
        ("gracefully", "elegantly", "in a feminine way", "like a lady", "daintily"),
        ("in a ladylike manner", "with feminine grace", "in a womanly fashion",
         "with elegance", "with a feminine touch"),
    ),
    "giant": (
        ("giant", "massive", "hulking", "heavy", "lumbering"),
        ("heavily", "ponderously", "like a giant", "massively"),
        ("like a huge giant", "as if weighing a ton", "with the weight of a giant",
         "in a lumbering way", "like a monster"),
    ),
    "happy": (
        ("happy", "cheerful", "joyful", "merry", "glad"),
        ("happily", "cheerfully", "joyfully", "merrily", "gladly"),
        ("in a good mood", "full of joy", "with joy", "as if delighted", "in a cheerful mood"),
    ),
    "masculine": (
        ("masculine", "manly", "macho", "burly", "tough"),
        ("in a masculine way", "like a tough guy", "in a manly way", "stoutly"),
        ("in a macho manner", "like a strong man", "with manly confidence",
         "with a masculine bearing", "like a burly man"),
    ),
    "musical": (
        ("theatrical", "musical", "stagey", "rhythmic"),
        ("theatrically", "rhythmically", "musically", "as in a musical"),
        ("like in a musical", "as if on stage", "like a musical performer", "to the music"),
    ),
    "normal": (
        ("normal", "ordinary", "regular", "natural", "neutral"),
        ("normally", "naturally", "calmly", "casually"),
        ("in a normal way", "in a relaxed way", "at ease", "in an ordinary manner",
         "without any special style"),
    ),
    "not-confident": (
        ("timid", "shy", "insecure", "hesitant", "unsure", "nervous"),
        ("timidly", "shyly", "hesitantly", "nervously", "meekly", "diffidently"),
        ("without confidence", "lacking confidence", "as if unsure", "in an insecure way",
         "with little self-confidence"),
    ),
    "proud": (
        ("proud", "confident", "haughty", "self-assured"),
        ("proudly", "confidently", "haughtily", "boastfully"),
        ("with pride", "full of confidence", "head held high", "in a proud manner"),
    ),
    "sad": (
        ("sad", "gloomy", "depressed", "downcast", "sorrowful", "dejected"),
        ("sadly", "gloomily", "sorrowfully", "dejectedly", "glumly"),
        ("as if depressed", "in a sad mood", "feeling down", "with a heavy heart", "looking sad"),
    ),
    "youthful": (
        ("youthful", "young", "fresh", "bouncy", "sprightly"),
        ("youthfully", "bouncily", "like a teenager", "briskly and youthfully"),
        ("like a young person", "in a youthful way", "with youthful energy",
         "with a spring in {his} step", "the way young people do"),
    ),
}  # fmt: skip
FOOTWORK_ONLY = ("with a spring in {his} step",)

NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen",
)  # fmt: skip
