# SPDX-License-Identifier: Apache-2.0
"""Getting about, in words: walking, running, turning, standing, and how a style does it.

The same marks as in `caption_words`.
"""

SLOW_WALK = frozenset(("*stroll", "*amble", "*wander", "*saunter", "stroll", "leisurely"))
QUICK_WALK = frozenset(("*march", "*stride", "stride"))
# verbs that already tell a style
STYLE_VERBS: dict[str, dict[str, tuple[str, ...]]] = {
    "walk": {
        "exhausted": ("*trudge forward", "*plod along", "*drag {himself} forward", "*trudge along",
                      "*drag {his} feet forward", "*plod ahead", "*slog ahead"),
        "elderly": ("*shuffle forward", "*hobble forward", "*totter along", "*shuffle along",
                    "*hobble ahead"),
        "sad": ("*trudge forward", "*mope along", "*plod along"),
        "proud": ("*strut forward", "*parade ahead", "*strut along"),
        "chimpira": ("*swagger forward", "*strut ahead", "*swagger along"),
        "masculine": ("*swagger forward", "*stomp ahead", "*stride ahead broadly"),
        "angry": ("*stomp forward", "*storm ahead", "*stomp along"),
        "giant": ("*stomp forward", "*lumber ahead", "*lumber forward", "*tramp along"),
        "active": ("*march forward", "*bounce along", "*march ahead"),
        "youthful": ("*bounce along", "*breeze ahead"),
        "happy": ("*bounce along", "*breeze along"),
        "feminine": ("*sashay forward", "*glide ahead", "*sashay along"),
        "not-confident": ("*shuffle forward", "*edge forward"),
    },
    "walk-turn": {
        "exhausted": ("*trudge and *turn {side}", "*plod round to the {side}"),
        "elderly": ("*shuffle round to the {side}", "*hobble and *turn {side}"),
        "masculine": ("*swagger round to the {side}",),
        "active": ("*march and *turn {side}",),
    },
    "jog": {
        "exhausted": ("*run while panting", "*drag {himself} along at a jog", "*jog tiredly"),
        "elderly": ("*hobble along at a run", "*jog stiffly"),
    },
}  # fmt: skip

# action -> (verb phrases, noun phrases without article; noun phrases take adjectives in front)
MOVES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "walk": (
        ("*walk forward", "*walk ahead", "*walk", "*walk straight ahead", "*stroll forward",
         "*stroll along", "*stride forward", "*stride ahead", "*pace forward", "*head forward",
         "*move forward on foot", "*go forward", "*step forward", "*amble along", "*amble ahead",
         "*walk in a straight line", "*wander forward", "*advance", "*advance at a walk",
         "*go for a walk", "*take some steps forward", "*make {his} way forward", "*march ahead",
         "*walk on", "*walk onward", "*come walking", "*walk towards the front", "*proceed ahead",
         "*walk along", "*take a stroll", "*saunter ahead", "*head straight on",
         "*walk forwards", "*move ahead step by step", "*walk in", "*come forward at a walk", "*travel forward at walking pace"),
        ("walk", "forward walk", "walk forward", "walk cycle", "stroll", "walking motion",
         "straight walk", "walk ahead"),
    ),
    "run": (
        ("*run forward", "*run ahead", "*run", "*run straight ahead", "*run forwards",
         "*race forward", "*run along", "*go for a run", "*rush forward", "*hurry forward",
         "*move forward at a run", "*break into a run", "*run in a straight line", "*run onward",
         "*take off running", "*head forward at a run", "*go running", "*bolt ahead"),
        ("run", "forward run", "run forward", "running motion", "run cycle", "straight run"),
    ),
    "jog": (
        ("*jog forward", "*jog ahead", "*jog", "*jog along", "*trot forward", "*trot along",
         "*run slowly", "*run at an easy pace", "*go for a jog", "*run forward at a slow pace",
         "*move forward at a jog", "*lope along", "*jog straight ahead", "*do a light run",
         "*run without hurry", "*jog on"),
        ("jog", "slow run", "light jog", "jog forward", "easy run", "trot"),
    ),
    "dash": (
        ("*sprint forward", "*dash forward", "*sprint", "*dash ahead", "*sprint ahead",
         "*race ahead", "*run as fast as possible", "*run at full speed", "*charge forward",
         "*run very fast", "*bolt forward", "*speed ahead", "*rush ahead at top speed",
         "*run flat out", "*tear ahead", "*make a dash"),
        ("sprint", "dash", "fast run", "full-speed run", "sprint forward", "forward dash"),
    ),
    "walk-back": (
        ("*walk backwards", "*walk backward", "*step backwards", "*back up", "*back away",
         "*retreat", "*walk in reverse", "*move backwards", "*go backwards", "*go in reverse",
         "*take steps backward", "*pace backwards", "*step back again and again", "*reverse",
         "*back off", "*retreat step by step", "*walk back without turning round",
         "*move back while facing forward", "*withdraw backwards", "*reverse a few steps",
         "*walk backwards in a straight line", "*stroll backwards", "*move in reverse"),
        ("backward walk", "walk backwards", "retreat", "walk in reverse", "backwards stroll",
         "reverse walk"),
    ),
    "run-back": (
        ("*run backwards", "*jog backwards", "*run in reverse", "*hurry backwards",
         "*retreat at a run", "*backpedal"),
        ("backward run", "run in reverse", "backwards jog"),
    ),
    "diagonal": (
        ("*walk diagonally forward to the {side}", "*walk forward and to the {side}",
         "*walk at an angle to the {side}", "*move diagonally to the {side}",
         "*walk ahead while drifting to the {side}", "*go forward {side}",
         "*cut across diagonally to the {side}", "*walk {side} at a slant",
         "*step diagonally {side}", "*walk ahead, bearing {side}",
         "*walk obliquely to the {side}", "*head diagonally {side}"),
        ("diagonal walk to the {side}", "walk at an angle to the {side}",
         "slanting walk towards the {side}"),
    ),
    "sidestep": (
        ("*step sideways to the {side}", "*sidestep {side}", "*sidestep to the {side}",
         "*move sideways to the {side}", "*walk sideways to the {side}", "*shuffle to the {side}",
         "*side step towards the {side}", "*shift sideways {side}", "*go sideways to the {side}"),
        ("sidestep to the {side}", "sideways walk to the {side}", "side step {side}",
         "shuffle to the {side}"),
    ),
    "walk-turn": (
        ("*walk and *turn {side}", "*walk and *turn to the {side}", "*turn {side} while walking",
         "*walk forward, then *turn {side}", "*walk ahead and *take a {side} turn",
         "*make a {side} turn", "*take a {side}", "*make a {side}", "*turn {side}",
         "*turn to the {side}", "*walk in a curve to the {side}", "*curve to the {side}",
         "*curve {side} as {he} *walk", "*veer to the {side}", "*round a corner to the {side}",
         "*go around a corner to the {side}", "*walk forward and *veer {side}",
         "*walk along a bend to the {side}", "*change direction to the {side}",
         "*turn the corner to the {side}", "*hang a {side}", "*bend {his} path to the {side}",
         "*walk a few steps, then *go {side}", "*swing round to the {side} while walking",
         "*walk, turning to {his} {side}", "*head off to the {side} after a few steps",
         "*walk in an arc to the {side}", "*stroll ahead, then *head {side}"),
        ("walk with a {side} turn", "{side} turn", "turn to the {side}", "walk curving {side}",
         "{side}-hand turn while walking", "walk around a corner to the {side}"),
    ),
    "run-turn": (
        ("*run and *turn {side}", "*run in a curve to the {side}", "*turn {side} while running",
         "*run around a corner to the {side}", "*run ahead, then *veer {side}"),
        ("run with a {side} turn", "run curving {side}"),
    ),
    "turn-in-place": (
        ("*turn {side} on the spot", "*turn to the {side}", "*turn to face {side}",
         "*rotate to the {side}", "*pivot {side}", "*spin {side} without walking off",
         "*turn {himself} to the {side}", "*swivel to the {side}"),
        ("turn to the {side} on the spot", "pivot to the {side}", "{side} turn in place"),
    ),
    "turn-around": (
        ("*walk and *turn around", "*turn around to the {side}", "*make a u-turn",
         "*turn back the other way", "*do a half turn to the {side}", "*turn round",
         "*walk, *turn around and *come back"),
        ("u-turn to the {side}", "half turn", "turn around"),
    ),
    "stand": (
        ("*stand still", "*stand", "*stay in place", "*stand there", "*remain on the spot",
         "*stand without walking anywhere", "*keep standing", "*stay put", "*stand idle"),
        ("standing pose", "idle", "idle stance"),
    ),
}  # fmt: skip
