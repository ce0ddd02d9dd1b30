# SPDX-License-Identifier: Apache-2.0
"""What people do, in words: the verb and noun phrases of every action the data shows.

The same marks as in `caption_words`.
"""

from .caption_moves import MOVES

# said now and then instead: true as well, but the side is left open
UNSIDED: dict[str, tuple[str, ...]] = {
    "wave": ("*wave", "*wave hello", "*wave goodbye", "*wave at someone", "*say hi with a wave",
             "*greet someone with a wave", "*wave one hand", "*give a friendly wave",
             "*wave a hand in the air", "*say hello by waving"),
    "raise": ("*raise a hand", "*raise one arm", "*put a hand up", "*lift one hand",
              "*stick a hand in the air", "*raise {his} hand"),
    "walk-turn": ("*walk and *turn", "*turn while walking", "*walk round a corner",
                  "*walk in a curve", "*make a turn"),
    "diagonal": ("*walk diagonally", "*walk at an angle", "*cross diagonally"),
    "guide": ("*show someone the way", "*usher a guest in", "*gesture this way please"),
}  # fmt: skip

# action -> (verb phrases, noun phrases without article; noun phrases take adjectives in front)
ACTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = MOVES | {
    "wave": (
        ("*wave {his} {side} hand", "*wave with {his} {side} hand", "*wave {his} {side} arm",
         "*wave hello with the {side} hand", "*say hi with {his} {side} hand",
         "*greet with the {side} hand", "*raise {his} {side} hand and *wave",
         "*wave goodbye with the {side} hand", "*give a wave with {his} {side} hand",
         "*lift {his} {side} arm and *wave it", "*signal hello with {his} {side} hand",
         "*wave the {side} hand from side to side", "*swing {his} raised {side} hand to and fro",
         "*wave at someone using the {side} hand", "*greet somebody by waving {his} {side} hand",
         "*hold up {his} {side} hand and *wave it about", "*wave to a friend, {side} hand up",
         "*wave {side}-handed", "*shake {his} {side} hand in the air in greeting",
         "*put up the {side} hand to wave", "*beckon with the {side} hand raised",
         "*do a {side}-hand wave"),
        ("wave with the {side} hand", "{side}-hand wave", "{side}-handed greeting",
         "hello with the {side} hand", "wave of the {side} arm"),
    ),
    "wave-both": (
        ("*wave both hands", "*wave with both hands", "*wave both arms",
         "*wave {his} hands in the air", "*wave hello with both hands", "*wave two hands",
         "*raise both hands and *wave", "*wave {his} arms overhead", "*say hi with both hands",
         "*greet someone by waving both arms", "*swing both raised arms to and fro",
         "*signal with both hands up", "*lift both arms and *wave them about",
         "*wave with two arms", "*wave the left and right hand at the same time",
         "*wave {his} arms to get attention", "*say goodbye with both hands"),
        ("two-handed wave", "wave with both hands", "both-hands greeting", "wave of both arms"),
    ),
    "raise": (
        ("*raise {his} {side} hand", "*raise {his} {side} arm", "*lift {his} {side} hand",
         "*lift the {side} arm up", "*put {his} {side} hand up", "*put up {his} {side} hand",
         "*throw {his} {side} hand up", "*hold {his} {side} hand up", "*stick {his} {side} arm up",
         "*reach up with the {side} hand", "*bring {his} {side} hand up into the air",
         "*raise the {side} hand as if to answer a question", "*get {his} {side} arm up",
         "*move {his} {side} hand upward", "*point {his} {side} arm at the sky",
         "*volunteer with {his} {side} hand", "*stretch the {side} arm upwards",
         "*raise {his} {side} hand high", "*swing {his} {side} arm up",
         "*lift up {his} {side} hand"),
        ("raise of the {side} hand", "{side} hand raise", "{side} arm lift", "{side} hand up",
         "{side} arm raise"),
    ),
    "raise-both": (
        ("*raise both hands", "*raise both arms", "*lift both hands", "*lift both arms",
         "*put both hands up", "*put {his} hands up", "*throw both arms up", "*throw {his} arms up",
         "*hold both hands up", "*raise {his} hands in the air", "*reach up with both hands",
         "*stretch both arms upwards", "*bring both arms up", "*surrender with both hands up",
         "*put {his} arms in the air", "*raise two hands",
         "*lift {his} left and right arm together",
         "*get both hands up", "*raise {his} arms as if cheering", "*swing both arms up"),
        ("raise of both hands", "both-arms raise", "hands-up gesture", "lift of both arms",
         "both hands up"),
    ),
    "wave-low": (
        ("*wave {his} {side} hand low", "*give a small wave with {his} {side} hand held low",
         "*wave weakly below shoulder height with the {side} hand",
         "*move {his} {side} hand in a low little wave"),
        ("low wave with the {side} hand", "small low {side}-hand wave"),
    ),
    "wave-both-low": (
        ("*wave both hands low", "*give a small wave with both hands held low",
         "*wave both hands weakly below the shoulders"),
        ("low two-handed wave", "small low wave of both hands"),
    ),
    "raise-low": (
        ("*lift {his} {side} hand only a little", "*raise {his} {side} hand below shoulder height",
         "half *raise {his} {side} hand", "*lift the {side} hand to chest height",
         "*raise {his} {side} hand not very high"),
        ("low raise of the {side} hand", "half-hearted {side} hand raise below the shoulder"),
    ),
    "raise-both-low": (
        ("*lift both hands only a little", "*raise both hands below shoulder height",
         "half *raise both arms", "*lift both hands to chest height",
         "*raise both hands not very high"),
        ("low raise of both hands", "half-hearted lift of both hands"),
    ),
    "bow": (
        ("*bow", "*take a bow", "*bow politely", "*bend at the waist", "*bend forward in a bow",
         "*bow forward", "*bow {his} upper body", "*bend over to bow", "*bow in greeting",
         "*lean forward politely", "*bow {his} head and torso", "*make a bow", "*give a bow",
         "*bend {his} body forward and *straighten up", "*fold at the waist in respect",
         "*greet with a bow", "*thank someone with a bow", "*bow down", "*bow from the hips"),
        ("bow", "polite bow", "bow forward", "bow in greeting", "respectful bow"),
    ),
    "bow-slight": (
        ("*bow slightly", "*give a small bow", "*make a slight bow", "*bow a little",
         "*lean forward a bit in a quick bow", "*nod in a short bow", "*dip into a shallow bow",
         "*bow briefly without bending much"),
        ("slight bow", "small bow", "shallow bow", "short nod-like bow"),
    ),
    "guide": (
        ("*gesture the way with {his} {side} hand",
         "*guide someone with an outstretched {side} arm",
         "*show the way with {his} {side} hand", "*point the way with the {side} arm",
         "*usher a guest with {his} {side} hand", "*invite someone to go ahead, {side} arm out",
         "*direct somebody with {his} {side} hand", "*hold out {his} {side} hand to show the way",
         "*extend the {side} arm as a guide", "*offer the way with {his} {side} hand"),
        ("guiding gesture with the {side} hand", "ushering gesture of the {side} arm",
         "this-way gesture"),
    ),
    "call": (
        ("*call out to someone", "*shout to somebody far away, bending forward",
         "*lean forward and *call", "*call somebody over", "*yell to someone in the distance"),
        ("call to someone", "shout into the distance"),
    ),
    "respond": (
        ("*respond to a call", "*answer someone by raising {his} {side} hand",
         "*reply to a call with the {side} hand up", "*react to being called"),
        ("response to a call", "answering gesture"),
    ),
    "punch": (
        ("*punch", "*throw punches", "*throw a punch", "*punch the air", "*box",
         "*strike with {his} fists",
         "*fight with {his} fists", "*jab and *punch", "*hit forward with {his} fists",
         "*land punches on an invisible enemy", "*throw a series of punches"),
        ("punch", "series of punches", "boxing combo", "fist strike", "punching motion"),
    ),
    "box": (
        ("*box", "*shadowbox", "*throw punches like a boxer", "*spar with the air",
         "*jab with both fists", "*punch with guard up", "*practice boxing"),
        ("boxing practice", "shadowboxing session", "boxing moves"),
    ),
    "kick": (
        ("*kick", "*kick with {his} leg", "*throw a kick", "*kick the air", "*kick high",
         "*do a kick", "*swing {his} leg up in a kick", "*deliver a kick",
         "*perform martial arts kicks"),
        ("kick", "high kick", "martial arts kick", "kicking motion"),
    ),
    "kick-side": (
        ("*kick with {his} {side} leg", "*kick with the {side} foot", "*throw a {side} kick",
         "*swing {his} {side} leg up in a kick", "*deliver a kick with the {side} leg"),
        ("{side} kick", "kick with the {side} leg", "{side}-legged kick"),
    ),
    "spinkick": (
        ("*do a spin kick", "*spin and *kick", "*perform a spinning kick", "*whirl round and *kick",
         "*turn and *deliver a roundhouse kick"),
        ("spin kick", "spinning kick", "roundhouse kick"),
    ),
    "slash": (
        ("*slash with a sword", "*swing a sword", "*slash the air", "*cut with an invisible blade",
         "*attack with a sword", "*swing {his} arms down in a sword slash", "*do sword slashes",
         "*chop with both hands as if holding a katana"),
        ("sword slash", "sword attack", "slashing motion", "series of sword cuts"),
    ),
    "swordplay": (
        ("*fight with a sword", "*practice swordplay", "*swing and *thrust a sword", "*fence",
         "*duel with an invisible sword"),
        ("sword fight", "swordplay practice", "fencing moves"),
    ),
    "dance": (
        ("*dance", "*do a dance", "*dance around", "*perform a dance", "*move to music",
         "*dance freely", "*show off some dance moves", "*groove to a song"),
        ("dance", "dance routine", "dance performance", "few dance moves"),
    ),
    "ballet": (
        ("*dance ballet", "*perform modern dance", "*dance like a ballerina", "*do ballet moves",
         "*dance with flowing arms", "*dance gracefully"),
        ("ballet dance", "modern dance", "graceful dance"),
    ),
    "jump": (
        ("*jump", "*jump up", "*leap up", "*leap into the air", "*hop up", "*jump into the air",
         "*jump off the ground", "*spring up", "*bounce up", "*do a jump", "*make a jump",
         "*take a leap", "*bend {his} knees and *jump", "*jump with both feet", "*hop"),
        ("jump", "leap", "jump into the air", "vertical jump", "hop"),
    ),
    "jump-forward": (
        ("*jump forward", "*leap forward", "*hop forward", "*do a long jump", "*jump ahead",
         "*spring forward", "*jump over something", "*take a big leap forward", "*bound ahead"),
        ("forward jump", "leap forward", "long jump", "jump ahead"),
    ),
    "jump-many": (
        ("*jump up and down", "*hop around", "*keep jumping", "*jump repeatedly",
         "*hop again and again", "*jump several times", "*do a series of jumps", "*bounce about"),
        ("series of jumps", "row of hops", "repeated jumping"),
    ),
    "jacks": (
        ("*do jumping jacks", "*exercise with jumping jacks", "*do star jumps", "*warm up"),
        ("jumping jacks", "workout", "warm-up exercise"),
    ),
    "reach-up": (
        ("*jump up to grab something", "*reach for something high up", "*stretch up on tiptoe",
         "*try to grab something above"),
        ("reach for something high", "jump to grab something"),
    ),
    "backflip": (
        ("*do a backflip", "*flip backwards", "*perform a back somersault", "*backflip",
         "*jump and *flip over backwards", "*do a somersault backwards in the air"),
        ("backflip", "back somersault", "backward flip"),
    ),
    "sideflip": (
        ("*do a side flip", "*flip sideways", "*jump and *flip over to the side",
         "*perform a sideways somersault"),
        ("side flip", "sideways somersault"),
    ),
    "cartwheel": (
        ("*do a cartwheel", "*cartwheel", "*turn a cartwheel", "*perform a cartwheel",
         "*wheel sideways over {his} hands"),
        ("cartwheel", "sideways wheel over the hands"),
    ),
    "roll": (
        ("*roll on the ground", "*do a forward roll", "*roll over", "*tumble forward",
         "*dive into a roll", "*do a somersault on the floor"),
        ("roll", "forward roll", "somersault on the floor"),
    ),
    "spin": (
        ("*spin", "*spin around", "*jump and *spin", "*twirl", "*whirl around", "*do a spin"),
        ("spin", "spinning jump", "twirl"),
    ),
    "crawl": (
        ("*crawl", "*crawl forward", "*crawl on hands and knees", "*crawl on all fours",
         "*creep along the ground", "*move on all fours", "*go on all fours",
         "*crawl along the floor",
         "*creep forward on hands and knees", "*crawl like a baby", "*get around on all fours",
         "*move along on hands and knees", "*crawl ahead low to the ground"),
        ("crawl", "crawl on all fours", "crawl on hands and knees", "crawl forward"),
    ),
    "getup": (
        ("*get up from the ground", "*stand up from lying", "*rise from the floor",
         "*get back on {his} feet", "*get up off the floor", "*push up from the floor and *stand"),
        ("get-up from the ground", "rise from the floor"),
    ),
    "getup-facedown": (
        ("*get up from lying face down", "*push up from {his} belly and *stand up",
         "*rise from lying on {his} stomach"),
        ("get-up from face down",),
    ),
    "getup-faceup": (
        ("*get up from lying on {his} back", "*rise from lying face up",
         "*sit up from {his} back and *stand"),
        ("get-up from lying on the back",),
    ),
    "stealthy": (
        ("*sneak", "*sneak forward", "*creep forward", "*tiptoe forward", "*walk stealthily",
         "*prowl forward", "*sneak around", "*walk in a crouch", "*creep like a thief"),
        ("stealthy walk", "sneaking walk", "sneak", "crouched sneaking walk"),
    ),
    "zombie": (
        ("*walk like a zombie", "*shamble forward", "*stagger forward like the undead",
         "*shuffle like a zombie", "*lurch forward", "*move like the living dead"),
        ("zombie walk", "zombie shuffle", "shambling walk"),
    ),
    "basketball": (
        ("*dribble a basketball", "*play basketball", "*bounce a ball", "*dribble a ball",
         "*handle a basketball"),
        ("basketball dribble", "basketball move", "ball dribble"),
    ),
    "basketball-signal": (
        ("*make referee signals", "*signal like a basketball referee", "*give arm signals",
         "*show a referee's hand signs", "*act as a referee with hand signals"),
        ("referee signal", "basketball referee gesture", "set of hand signals"),
    ),
    "traffic": (
        ("*direct traffic", "*wave cars on", "*control traffic with {his} arms",
         "*signal to cars like a policeman", "*guide traffic with hand signals",
         "*wave and *point"),
        ("traffic-directing gesture", "traffic officer's arm signals"),
    ),
    "soccer": (
        ("*kick a soccer ball", "*play soccer", "*kick a football", "*run up and *kick a ball",
         "*shoot a soccer ball", "*kick a ball"),
        ("soccer kick", "football kick", "kick of a ball"),
    ),
    "washwindow": (
        ("*wash a window", "*wipe a window", "*clean the window", "*scrub a pane of glass",
         "*wipe with {his} hand in circles", "*clean windows"),
        ("window wash", "window cleaning", "wiping motion"),
    ),
    "drink": (
        ("*drink from a bottle", "*drink soda", "*take a sip", "*have a drink",
         "*open a bottle and *drink", "*bring a drink to {his} mouth"),
        ("drink from a bottle", "sip of soda"),
    ),
    "laugh": (
        ("*laugh", "*laugh out loud", "*crack up laughing", "*chuckle", "*burst out laughing"),
        ("laugh", "laughing fit", "hearty laugh"),
    ),
    "sit": (
        ("*sit", "*sit down and *stand up", "*sit on a stool", "*take a seat", "*sit down",
         "*sit on a chair and *get up", "*lower {himself} onto a seat"),
        ("sit-down", "sit on a stool", "sitting down and standing up"),
    ),
    "stairs": (
        ("*climb steps", "*go up some stairs", "*walk up the steps", "*step up a few stairs",
         "*climb three steps"),
        ("climb up the steps", "stair climb"),
    ),
    "climb": (
        ("*climb", "*climb on a playground", "*climb and *swing on bars", "*climb a frame"),
        ("climb", "playground climb"),
    ),
    "ladder": (("*climb a ladder", "*go up a ladder"), ("ladder climb",)),
    "uneven": (
        ("*walk over uneven ground", "*walk on rough terrain", "*step over bumpy ground"),
        ("walk on uneven terrain",),
    ),
    "balance": (
        ("*jump and *balance", "*balance on one leg", "*keep {his} balance"),
        ("balancing act",),
    ),
    "pickup": (
        ("*bend over and *pick something up", "*scoop something up from the floor",
         "*bend down, then *rise with {his} arm up"),
        ("pick-up from the floor",),
    ),
    "washself": (
        ("*wash {himself}", "*take a shower", "*rub {his} body as if washing"),
        ("shower", "self-washing motion"),
    ),
    "taichi": (
        ("*do tai chi", "*practice tai chi", "*move slowly through tai chi forms"),
        ("tai chi exercise", "tai chi form"),
    ),
    "sweep": (("*sweep the floor", "*mop the floor"), ("floor sweep",)),
    "navigate": (
        ("*walk forward, backward and sideways", "*step around in all directions",
         "*move back and forth and to the sides"),
        ("walk in several directions",),
    ),
    "move": (
        ("*move about", "*move around", "*step about", "*shift around the place",
         "*walk around a little"),
        ("movement around the place",),
    ),
    "gesture": (
        ("*gesture while standing", "*make a gesture", "*move {his} arms on the spot",
         "*gesticulate"),
        ("gesture", "arm gesture"),
    ),
}  # fmt: skip

# first keyword found decides; searched in the label, then in the index line of the clip
KEYWORDS: tuple[tuple[str, str], ...] = (
    ("basketball-signal", "basketball-signal"), ("basketball_signal", "basketball-signal"),
    ("directing", "traffic"), ("direct traffic", "traffic"), ("jumping jack", "jacks"),
    ("spinkick", "spinkick"), ("spin kick", "spinkick"), ("dance", "dance"),
    ("backflip", "backflip"), ("sideflip", "sideflip"), ("cartwheel", "cartwheel"),
    ("facedown", "getup-facedown"), ("faceup", "getup-faceup"), ("getup", "getup"),
    ("crawl", "crawl"), ("roll", "roll"), ("stealthy", "stealthy"), ("zombie", "zombie"),
    ("jump up to grab", "reach-up"), ("forward jump", "jump"), ("balance",
     "balance"), ("playground", "climb"),
    ("basketball", "basketball"), ("soccer", "soccer"), ("washwindow", "washwindow"),
    ("wash window", "washwindow"), ("wash self", "washself"), ("unscrew", "drink"),
    ("drink", "drink"), ("laugh", "laugh"), ("boxing", "box"), ("sit on", "sit"),
    ("sit", "sit"), ("climb ladder", "ladder"), ("climb 3", "stairs"),
    ("uneven", "uneven"), ("navigate", "navigate"), ("scoop", "pickup"), ("tai chi", "taichi"),
    ("sword", "swordplay"), ("sweep", "sweep"), ("mop", "sweep"), ("punch", "punch"),
    ("kick", "kick"), ("slash", "slash"), ("spin", "spin"), ("byebye", "bye"), ("bye", "bye"),
    ("bow", "bow"), ("guide", "guide"), ("call", "call"), ("respond", "respond"),
    ("raise", "raise"), ("wave", "wave"), ("jump", "jump"), ("hop", "jump"), ("dash", "dash"),
    ("run", "run"), ("jog", "run"), ("walk", "walk"), ("stride", "walk"),
)  # fmt: skip
