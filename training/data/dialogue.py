# SPDX-License-Identifier: Apache-2.0
"""Prompts that have nothing to do with motion, and terse or tricky ones that the gate must tell apart.

The general prompts come from the instruction files of a source folder. Those alone would teach the
gate to look for words such as "walk"; so questions that mention movement but ask for text, and
orders as short as an animator types them, are made here.
"""

import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

from backend.errors import InvalidInput

PROMPT_FILES = (
    "self-instruct-seed-tasks.jsonl",
    "self-instruct-user-oriented.jsonl",
    "alpaca-eval-instructions.jsonl",
    "gsm8k-questions.jsonl",
    "gpteacher-roleplay.jsonl",
)


@dataclass(frozen=True)
class Dialogue:
    """A general prompt and its answer where the source has one."""

    prompt: str
    answer: str | None = None


def held_out(text: str, share: float = 0.1) -> bool:
    """A split by content: the same prompt is on the same side in every run."""
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < share


def read_dialogues(source: Path) -> list[Dialogue]:
    """General prompts of SOURCE/prompts, in file order; MT-Bench is evaluation only, never read."""
    folder = source / "prompts"
    found: dict[str, Dialogue] = {}
    for name in PROMPT_FILES:
        path = folder / name
        if not path.is_file():
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            try:
                row = json.loads(line)
                instruction = row["instruction"].strip()
            except (ValueError, KeyError, AttributeError) as error:
                raise InvalidInput(f"{path}, line {number}: not an instruction: {error}") from error
            instances = row.get("instances") or [{"input": row.get("input", ""), "output": None}]
            for instance in instances[:1]:
                given = (instance.get("input") or "").strip()
                prompt = f"{instruction}\n{given}".strip() if given else instruction
                found[prompt] = Dialogue(prompt, instance.get("output") or None)
    if not found:
        raise InvalidInput(f"{folder} holds none of the prompt files ({', '.join(PROMPT_FILES)}).")
    return list(found.values())


_MOVES = (
    "walking", "running", "dancing", "jumping", "waving", "bowing", "crawling", "kicking",
    "punching", "stretching", "jogging", "climbing", "swimming", "boxing", "yoga", "turning left",
    "raising your hand", "marching", "limping", "skipping", "sprinting", "clapping", "sitting down",
    "ballet", "karate", "doing a backflip", "doing a cartwheel", "doing push-ups", "hiking",
)  # fmt: skip
_ABOUT_MOVES = (
    "What are the health benefits of {m}?",
    "How many calories does {m} burn in an hour?",
    "Explain the biomechanics of {m} to a student.",
    "Write a short story about someone who loves {m}.",
    "Write a poem about {m} in the rain.",
    "Describe the steps of {m} for a beginner.",
    "List five books about {m}.",
    "What is the history of {m}?",
    "Is {m} good for your knees?",
    "Give me tips to get better at {m}.",
    "How do I teach my child {m}?",
    "Translate 'I enjoy {m}' into French.",
    "What muscles are used in {m}?",
    "Why do people like {m} so much?",
    "Compare {m} and cycling as a hobby.",
    "Write an essay of 500 words on {m} in modern culture.",
    "What does {m} mean in a dream?",
    "Who is the most famous person known for {m}?",
    "What shoes should I buy for {m}?",
    "Write a product description for a watch that tracks {m}.",
    "Summarise the rules of a competition in {m}.",
    "Can you write a Python function that classifies {m} from accelerometer data?",
    "My doctor told me to avoid {m} for two weeks. What else can I do?",
    "Draft an email inviting colleagues to a class about {m}.",
    "What is the etymology of the word for {m}?",
)
_MENTIONING = (
    "How do I run a small company with ten employees?",
    "How can I run this Python script on a server?",
    "Write a story about a man who walks into a bar.",
    "Write a story about a man who walks across the desert.",
    "Tell me a joke about a horse that walks into a bar.",
    "Walk me through the process of filing taxes.",
    "Walk me through installing Linux step by step.",
    "Describe the steps of the waltz.",
    "Describe the steps of a dance called the foxtrot.",
    "Can you teach me how to dance salsa?",
    "Give me a hand with my homework on fractions.",
    "On the one hand remote work is flexible, on the other hand it is lonely. Discuss.",
    "Who raised their hands in the senate vote of 1964?",
    "What does it mean when someone waves a white flag?",
    "What is the frequency of a wave of length two metres?",
    "How do sound waves travel through water?",
    "Should I turn left or right at the fork if I want to reach the north?",
    "A man walks 3 km north and then 4 km east. How far is he from where he started?",
    "A train leaves at 3 pm and runs at 60 miles an hour. When does it arrive?",
    "Tom runs 3 miles a day for 10 days. How many miles does he run?",
    "A frog jumps 3 feet up a well each day and slips 2 feet each night. How long until it is out?",
    "Anna jumps rope for 15 minutes a day. How many minutes is that in a week?",
    "What should I say when someone bows to me in Japan?",
    "Explain the etiquette of bowing in business meetings.",
    "What are the best running shoes for flat feet?",
    "Recommend me a good movie about boxing.",
    "What is a bull market and why do prices jump?",
    "Why did stock prices jump in March?",
    "How do I kick a bad habit?",
    "How do I kick off a project meeting?",
    "What does 'to crawl a website' mean?",
    "Write a web crawler in Go.",
    "Explain how search engines crawl pages.",
    "What does the phrase 'walking on eggshells' mean?",
    "What is the meaning of 'dance like nobody is watching'?",
    "Imagine you are a dancer and describe your first performance.",
    "You are a personal trainer. Design a four week running plan for me.",
    "You are a football coach. Give a speech before the final.",
    "Pretend to be a robot that learned how to walk and write your diary.",
    "Write a blog post about a walking tour through Rome.",
    "Describe a character who limps and explain his past.",
    "Describe a person waiting at a bus stop in vivid language.",
    "Describe the main character walking home at night in the style of Hemingway.",
    "Act as a tour guide and walk me around Paris.",
    "Act as an animator and explain the twelve principles of animation.",
    "What is a walk cycle in animation?",
    "How many frames does a walk cycle usually have?",
    "How do I animate a walk cycle in Blender?",
    "How do I add an armature in Blender?",
    "What is the difference between forward and inverse kinematics?",
    "What is motion capture and who invented it?",
    "Explain SMPL, the body model, in simple words.",
    "Which software is best for keyframe animation?",
    "How do I retarget a motion to another rig?",
    "Write a Blender script that deletes all keyframes.",
    "Summarise this sentence: the man walked slowly to the door and knocked.",
    "Rewrite in the passive voice: the boy kicked the ball.",
    "Correct the grammar: he walk to school every days.",
    "Translate to German: the woman waves with her left hand.",
    "Is the following sentence positive or negative: I was jumping for joy.",
    "Find the verbs in this sentence: she runs, jumps and turns around.",
    "Write a haiku about an old man walking.",
    "Write song lyrics about dancing all night.",
    "What exercises help against back pain?",
    "Suggest a warm-up routine before a run and explain each exercise.",
    "How do I do a proper squat?",
    "How high can a kangaroo jump?",
    "How fast can a human run?",
    "Why do zombies walk slowly in films?",
    "Why do cats walk on keyboards?",
    "What is the world record of the high jump?",
    "What is the difference between a punch and a jab?",
    "Hello, how are you?",
    "Hi",
    "Thanks a lot!",
    "What can you do?",
    "Who are you?",
    "Tell me a joke.",
    "What time is it in Tokyo?",
    "Make your previous answer shorter.",
    "Can you explain that again?",
    "Continue.",
    "What about the second one?",
    "Are you sure?",
    "Do the same for the other list.",
    "Now give the answer in JSON format.",
)

_SUBJECTS = (
    "", "", "", "a man", "a woman", "a person", "someone", "the character", "a guy", "a girl",
    "an old man", "a soldier", "a zombie", "a tired person", "a drunk man", "a happy kid", "he",
    "she", "the figure", "a robot", "the actor", "a clown", "an athlete", "a monster", "my hero",
)  # fmt: skip
_ACTIONS = (
    "walk|walks|walking", "run|runs|running", "jog|jogs|jogging", "sprint|sprints|sprinting",
    "walk backwards|walks backwards|walking backwards", "back up|backs up|backing up",
    "sidestep to the left|sidesteps to the left|sidestepping to the left",
    "turn left|turns left|turning left", "turn right|turns right|turning right",
    "turn around|turns around|turning around", "spin|spins|spinning",
    "wave the left hand|waves the left hand|waving the left hand",
    "wave with the right arm|waves with the right arm|waving with the right arm",
    "wave both hands|waves both hands|waving both hands", "wave goodbye|waves goodbye|waving goodbye",
    "raise the right hand|raises the right hand|raising the right hand",
    "lift both arms|lifts both arms|lifting both arms", "bow|bows|bowing",
    "bow deeply|bows deeply|bowing deeply", "jump|jumps|jumping",
    "jump up high|jumps up high|jumping up high", "hop on one leg|hops on one leg|hopping on one leg",
    "kick|kicks|kicking", "kick a ball|kicks a ball|kicking a ball", "punch|punches|punching",
    "throw a punch|throws a punch|throwing a punch", "slash with a sword|slashes with a sword|slashing",
    "crawl|crawls|crawling", "crawl on all fours|crawls on all fours|crawling on the floor",
    "dance|dances|dancing", "do a backflip|does a backflip|doing a backflip",
    "cartwheel|does a cartwheel|doing a cartwheel", "get up from the floor|gets up|getting up",
    "sneak|sneaks|sneaking", "limp|limps|limping", "march|marches|marching",
    "stand still|stands still|standing still", "sit down|sits down|sitting down",
    "roll on the ground|rolls|rolling over", "clap|claps|clapping", "stretch|stretches|stretching",
    "climb stairs|climbs stairs|climbing stairs", "lean forward|leans forward|leaning forward",
    "crouch|crouches|crouching", "squat|squats|squatting", "shrug|shrugs|shrugging",
    "call someone over|beckons|beckoning", "point ahead|points ahead|pointing ahead",
    "direct traffic|directs traffic|directing traffic", "wash a window|washes a window|washing a window",
    "dribble a basketball|dribbles a basketball|dribbling", "stumble|stumbles|stumbling",
    "pace back and forth|paces back and forth|pacing", "dash forward|dashes forward|dashing forward",
    "drink from a cup|drinks from a cup|drinking", "pick something up|picks something up|picking it up",
    # what the model cannot do well yet is a motion all the same
    "open a door|opens a door|opening a door", "push a heavy box|pushes a heavy box|pushing a box",
    "pull a rope|pulls a rope|pulling a rope", "sweep the floor|sweeps the floor|sweeping",
    "paint a wall|paints a wall|painting a wall", "write with chalk|writes with chalk|writing in the air",
    "play the guitar|plays the guitar|playing air guitar", "chop wood|chops wood|chopping wood",
    "hammer a nail|hammers a nail|hammering", "throw a ball|throws a ball|throwing a ball",
    "catch a ball|catches a ball|catching", "swing a golf club|swings a golf club|golf swing",
    "serve in tennis|serves in tennis|tennis serve", "swim|swims|swimming strokes",
    "row a boat|rows a boat|rowing", "jump rope|jumps rope|skipping rope", "salute|salutes|saluting",
    "kneel and pray|kneels and prays|kneeling", "laugh and hold the belly|laughs|laughing hard",
    "eat a sandwich|eats a sandwich|eating", "read a book|reads a book|reading, seated",
    "drive a car|drives a car|driving", "do the twist|does the twist|twist dance",
    "dance the chicken dance|does the chicken dance|disco dancing", "moonwalk|moonwalks|moonwalking",
    "make hand signals|makes hand signals|hand signals", "shake hands|shakes hands|handshake",
    "carry a suitcase|carries a suitcase|carrying a suitcase", "lie down|lies down|lying down",
    "look around|looks around|looking around", "cough|coughs|coughing", "yawn|yawns|yawning",
)  # fmt: skip
_MANNERS = (
    "", "", "", "", "slowly", "fast", "quickly", "happily", "sadly", "angrily", "like a zombie",
    "in a circle", "forward", "to the left", "to the right", "with energy", "wearily", "proudly",
    "like an old man", "twice", "three times", "for 4 seconds", "then stop", "and look back",
    "nervously", "in a masculine way", "elegantly", "exhausted", "on tiptoes", "very carefully",
)  # fmt: skip
_FRAMES = (
    "{x}", "{x}", "{x}", "{x}.", "{x}!", "make him {b}", "make the character {b}", "have her {b}",
    "please {b}", "i want to see {g}", "animate {g}", "an animation of {g}", "{g}", "{g} cycle",
    "{b} loop", "{b}, slow", "generate a motion: {x}", "show me {g}", "can you make him {b}?",
    "motion of {g}", "a clip where {x}", "{b} animation", "let her {b} and then {c}", "{x} and {c}",
    "first {b}, then {c}", "{g}; {c}; {b}", "{g}, {c}", "create a {g} animation", "i need a character {g}",
)  # fmt: skip


def tricky_general_prompts() -> list[str]:
    """Prompts that mention movement, or hardly say anything, and ask for text."""
    return [form.format(m=move) for move in _MOVES for form in _ABOUT_MOVES] + list(_MENTIONING)


_LISTS = 0.12
_ACTIVITIES = (
    "sweep the floor", "mopping", "chopping wood", "dig a hole", "salsa", "cha-cha", "the robot",
    "moonwalk", "tango", "hip hop - various moves", "breakdance", "line dance", "golf swing",
    "tennis serve", "basketball - dribble, shoot", "football throw", "juggling", "tai chi",
    "pull a rope", "pushing a box", "lifting a crate", "climb a ladder", "stepping over something",
    "sit on a chair", "get up from the floor", "lie down", "drink from a bottle", "eating",
    "phone call", "read a newspaper", "typing", "sneak", "limping", "stumble", "balance beam",
    "cartwheels", "push-ups", "skipping rope", "stretching", "warm-up", "shadow boxing",
    "sword fight", "archery", "directing traffic", "conducting an orchestra", "mime - the wall",
    "hopscotch", "swing on a bar", "swimming strokes", "rowing", "steering a wheel", "waiting",
    "looking around", "scratching the head", "shrugs", "nodding", "salutes", "fishing",
)  # fmt: skip


def animator_prompts(count: int, rng: random.Random) -> list[str]:
    """Short orders for a motion, as varied in form as people type them."""
    out: set[str] = set()
    while len(out) < count:
        if rng.random() < _LISTS:
            out.add(_listed(rng))
            continue
        base, third, gerund = _forms(rng.choice(_ACTIONS))
        other_base, other_third, _ = _forms(rng.choice(_ACTIONS))
        subject, manner = rng.choice(_SUBJECTS), rng.choice(_MANNERS)
        frame = rng.choice(_FRAMES)
        sentence = f"{subject} {third}" if subject else rng.choice((base, gerund))
        add = f" {manner}" if manner else ""
        text = frame.format(
            x=sentence + add,
            b=base + add,
            g=gerund + add,
            c=other_third if subject else other_base,
        )
        style = rng.random()
        out.add(text.capitalize() if style < 0.4 else text.upper() if style > 0.97 else text)
    return sorted(out)


def _listed(rng: random.Random) -> str:
    """What was captured in one take, as the indexes of motion libraries put it."""
    words = [rng.choice(_forms(action)[::2]) for action in rng.sample(_ACTIONS, rng.randint(1, 5))]
    words += rng.sample(_ACTIVITIES, rng.randint(1, 4))
    rng.shuffle(words)
    text = words[0]
    for word in words[1:]:
        text += rng.choice((", ", ", ", "; ", " - ", " / ", " and ")) + word
    return text


def _forms(action: str) -> tuple[str, str, str]:
    base, third, gerund = action.split("|")
    return base, third, gerund
