# SPDX-License-Identifier: Apache-2.0
"""Who does it, where and why: the story around an action, which the motion itself does not show.

People ask for a motion by telling a situation. These words say nothing about how the body moves, so
they are true of every clip of the action; they teach that a story does not change what is done. The
same marks as in `caption_words`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scene:
    """What may stand around an action.

    subjects: who does it, each with a possessive; leads: in front, with a comma or a mark of its
    own; tails: after the verb phrase.
    """

    subjects: tuple[tuple[str, str], ...] = ()
    leads: tuple[str, ...] = ()
    tails: tuple[str, ...] = ()


_ON_FOOT = (
    "across the square", "down the corridor", "over the bridge", "through the hall",
    "along the beach", "through the woods", "through the crowd", "down the road", "up the drive",
    "across the stage", "through town", "along the platform", "past the shops", "over to the car",
    "towards the camera", "to the other side", "along the river", "across the yard",
    "down the sidewalk", "across the field", "between the shelves", "to the bar", "to the exit",
)  # fmt: skip
_WALKERS = (
    ("a tourist", "their"), ("a visitor", "their"), ("a passer-by", "their"), ("a nurse", "her"),
    ("a postman", "his"), ("a student", "their"), ("a soldier", "his"), ("a commuter", "their"),
    ("a shopper", "their"), ("the waiter", "his"), ("a guest", "their"), ("a farmer", "his"),
)  # fmt: skip
_ERRANDS = (
    "on the way home", "to work", "after lunch", "to get some fresh air", "with no place to be",
    "on an errand", "to meet a friend", "to fetch something", "as part of the daily routine",
)  # fmt: skip
_CLOSE = (
    "on seeing the bear", "to make room", "to keep a distance", "from the fire",
    "from the barking dog", "from the edge", "out of the room", "from the painting to see it all",
    "from the cage", "without taking {his} eyes off the front", "with {his} face to the front",
    "facing forward all the while", "from a threat",
)  # fmt: skip
_CORNER = (
    "at the crossing", "at the junction", "at the end of the hall", "at the traffic light",
    "where the road bends", "towards the station", "at the corner of the building",
    "to get to the shop", "after the gate", "at the signpost", "past the last house",
)  # fmt: skip
_GREETERS = (
    ("a neighbour", "their"), ("an old friend", "his"), ("the host", "his"), ("a fan", "their"),
    ("the mayor", "her"), ("a sailor", "his"), ("a cashier", "her"), ("a celebrity", "their"),
)  # fmt: skip
_GREETING = Scene(
    _GREETERS,
    ("hello!", "hey!", "goodbye!", "farewell!", "see you soon!", "good morning!", "hey, over here!",
     "greetings,", "at the airport,", "as the train leaves,", "glad to see you,",
     "from across the street,", "meeting a friend,", "cheerio!", "when the bus pulls out,"),
    ("to a friend", "at the neighbours", "to the crowd", "at the children", "to say farewell",
     "as a greeting", "at the camera", "as the car drives off", "to catch the waiter's eye",
     "from the balcony", "to the audience", "at a departing train", "to welcome the guests"),
)  # fmt: skip
_RAISING = Scene(
    (("a student", "their"), ("a bidder", "their"), ("a voter", "their"), ("a pupil", "her"),
     ("a volunteer", "his"), ("a schoolgirl", "her"), ("the referee", "his"), ("a driver", "his"),
     ("a scout", "his")),
    ("in class,", "at the auction,", "who wants ice cream?", "me, me!", "at the meeting,",
     "when the vote is called,", "at roll call,", "pick me!", "knowing the answer,"),
    ("to ask a question", "to vote", "to bid", "to take an oath", "to be called on",
     "to volunteer", "to stop a taxi", "to get the teacher's attention", "to signal stop",
     "to say here", "to give a sign", "when asked who agrees"),
)  # fmt: skip
_HANDS_UP = Scene(
    (("a robber", "his"), ("a suspect", "their"), ("the winner", "her"), ("a goalkeeper", "his"),
     ("a preacher", "his"), ("the conductor", "her")),
    ("freeze!", "goal!", "victory!", "police!", "we won!", "don't shoot!", "hooray!",
     "at gunpoint,", "at the finish,"),
    ("to surrender", "to cheer", "in triumph", "to the sky", "to praise the heavens",
     "to celebrate", "like a champion", "in despair", "to give up"),
)  # fmt: skip

SCENES: dict[str, Scene] = {
    "walk": Scene(_WALKERS, ("one morning,", "after the meeting,", "with time to spare,",
                             "in the evening,", "on the way home,"), _ON_FOOT + _ERRANDS),
    "run": Scene(
        (("a runner", "their"), ("a thief", "his"), ("a jogger", "their"), ("a footballer", "his"),
         ("a late commuter", "her"), ("the messenger", "his")),
        ("help!", "in a hurry,", "chased by a dog,", "when the rain starts,", "late again,",
         "as the alarm goes off,"),
        (*_ON_FOOT[:12], "to catch the train", "to get out of the rain", "for dear life",
         "after the ball", "from the police", "to be on time"),
    ),
    "jog": Scene(
        (("a jogger", "their"), ("a runner", "her"), ("a sporty neighbour", "his")),
        ("before breakfast,", "every morning,", "to keep fit,"),
        ("round the lake", "along the river", "through the woods", "for exercise",
         "along the beach", "on a treadmill track", "to warm up", "to stay in shape"),
    ),
    "dash": Scene(
        (("a sprinter", "her"), ("a track star", "his"), ("a racer", "their"), ("a thief", "his")),
        ("on your marks, go!", "at the starting shot,", "for a medal,", "chased by a lion,"),
        ("for the tape", "down the track", "to win the race", "over a hundred metres",
         "to the finish", "out of danger", "after the bus"),
    ),
    "walk-back": Scene(
        (("a cameraman", "his"), ("a frightened child", "their"), ("a lion tamer", "his"),
         ("a tour guide", "her"), ("a cautious guard", "his"), ("a servant", "his")),
        ("careful!", "face to the front,", "afraid of what is ahead,", "eyes ahead,",
         "slowly now,", "like a film played in reverse,"),
        _CLOSE,
    ),
    "walk-turn": Scene(
        (*_WALKERS, ("a rambler", "her"),
         ("a marching soldier", "his"), ("a lost tourist", "their")),
        ("at the crossing,", "following the sign,", "after a few metres,", "at the end of the road,",
         "to avoid a puddle,"),
        _CORNER,
    ),
    "turn-in-place": Scene((), ("on hearing a noise,", "called from the side,"),
                           ("to look at someone", "to see who is there", "to face the speaker")),
    "wave": _GREETING,
    "wave-both": Scene(
        (("a castaway", "his"), ("a shipwrecked man", "his"), ("a lost hiker", "their"),
         ("a ground crew member", "their"), ("a fan", "their")),
        ("help!", "over here!", "sos!", "lost on an island,", "on the runway,", "hello everyone!"),
        ("at the helicopter", "to be rescued", "for help", "at the plane", "to get noticed",
         "to the crowd", "to stop a car", "at a boat far away"),
    ),
    "raise": _RAISING,
    "raise-both": _HANDS_UP,
    "bow": Scene(
        (("a butler", "his"), ("a pianist", "her"), ("a judo fighter", "his"), ("a knight", "his"),
         ("a waiter", "his"), ("a singer", "her"), ("a samurai", "his"), ("the host", "his"),
         ("a student", "their")),
        ("thank you!", "your majesty,", "after the concert,", "at the end of the play,",
         "with deep respect,", "i am sorry,", "before the match,"),
        ("to the king", "to the public", "at the curtain call", "to the teacher", "as an apology",
         "before the fight", "to thank everybody", "with great reverence", "to the altar",
         "in front of the queen", "when the applause comes", "to show humility"),
    ),
    "jump": Scene(
        (("a child", "their"), ("a basketball player", "his"), ("a frog-like boy", "his"),
         ("an athlete", "her"), ("a volleyball player", "her"), ("a startled man", "his")),
        ("yay!", "one, two, three, hop!", "ready, steady,", "startled,", "overjoyed,"),
        ("for joy", "to look over the fence", "with all {his} strength", "to touch the ceiling",
         "straight up", "off both feet", "to head the ball", "on the trampoline", "to block a shot"),
    ),
    "jump-forward": Scene((), ("mind the gap!", "careful, a ditch!"),
                          ("across the ditch", "over the puddle", "into the sandpit")),
    "crawl": Scene(
        (("an infant", "its"), ("a toddler", "their"), ("a recruit", "his"), ("a little one", "its"),
         ("a plumber", "his"), ("a miner", "his"), ("a child playing horse", "their"),
         ("a searcher", "their"), ("a tiny tot", "its")),
        ("under heavy fire,", "looking for a contact lens,", "too small to walk,",
         "in the low tunnel,", "keep down!", "like a cat,", "unable to stand upright,"),
        ("through the tunnel", "under the table", "across the carpet", "beneath the fence",
         "through the mud", "under the smoke", "through a pipe", "to its mother",
         "towards the toy", "around the nursery", "into the tent", "below the beams",
         "as little children do"),
    ),
    "stealthy": Scene(
        (("a burglar", "his"), ("a spy", "her"), ("a ninja", "his"), ("a hunter", "his")),
        ("hush!", "at midnight,", "so as not to wake anybody,"),
        ("past the guard", "through the dark house", "without a sound", "up to the window"),
    ),
    "punch": Scene(
        (("a boxer", "his"), ("a fighter", "her"), ("an angry man", "his")),
        ("take that!", "in the ring,"), ("at the bag", "at an opponent", "in a fight"),
    ),
    "kick": Scene(
        (("a karate fighter", "his"), ("a kickboxer", "her")), ("hi-ya!", "in the dojo,"),
        ("at an opponent", "to open a door", "in a fight"),
    ),
    "dance": Scene(
        (("a party guest", "their"), ("a dancer", "her")),
        ("at the party,", "when the music starts,", "in the club,"),
        ("on the dance floor", "at a wedding", "all night long", "to a pop song"),
    ),
    "getup": Scene((), ("after the fall,", "knocked down,"), ("after a fall", "to fight on")),
    "sit": Scene((), ("invited to sit,",), ("to rest", "in the waiting room")),
}  # fmt: skip
