# SPDX-License-Identifier: Apache-2.0
"""English endings for the caption writer: walks, walking, a or an, his and himself."""

import re

_VERB = re.compile(r"\*([a-z]+)")
_THIRD = {"have": "has", "be": "is", "do": "does", "go": "goes"}
_ING = {"lie": "lying", "be": "being", "squat": "squatting", "tiptoe": "tiptoeing",
        "shadowbox": "shadowboxing", "backflip": "backflipping", "sidestep": "sidestepping",
        "backpedal": "backpedaling", "worship": "worshipping"}  # fmt: skip
_ONE_SYLLABLE = re.compile(r"^[^aeiou]*[aeiou][^aeiouwxy]$")
_REFLEXIVE = {"his": "himself", "her": "herself", "its": "itself", "their": "themselves",
              "your": "yourself", "the": "oneself", "my": "myself"}  # fmt: skip
_HE = {"his": "he", "her": "she", "its": "it", "their": "they", "your": "you", "the": "they"}


def third_person(verb: str) -> str:
    """walk -> walks, carry -> carries, punch -> punches."""
    if verb in _THIRD:
        return _THIRD[verb]
    if re.search(r"(?:s|sh|ch|x|z|o)$", verb):
        return verb + "es"
    if re.search(r"[^aeiou]y$", verb):
        return verb[:-1] + "ies"
    return verb + "s"


def ing(verb: str) -> str:
    """walk -> walking, run -> running, dance -> dancing."""
    if verb in _ING:
        return _ING[verb]
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return verb[:-1] + "ing"
    if _ONE_SYLLABLE.match(verb):
        return verb + verb[-1] + "ing"
    return verb + "ing"


def inflect(phrase: str, form: str, subject: str) -> str:
    """Put every *verb of a phrase into a form: "base", "s" or "ing".

    A verb in a subordinate clause ("as they *walk") keeps to its own pronoun.
    """

    def one(match: re.Match[str]) -> str:
        verb = match[1]
        before = phrase[: match.start()].rstrip()
        if before.endswith((" he", " she", " it")):
            return third_person(verb)
        if before.endswith((" they", " you")):
            return verb
        if form == "s":
            return third_person(verb)
        return ing(verb) if form == "ing" else verb

    return _VERB.sub(one, phrase)


def fill(phrase: str, side: str, his: str) -> str:
    """Put side, possessive and pronoun into a phrase."""
    other = {"left": "right", "right": "left"}.get(side, "")
    return (
        phrase.replace("{side}", side)
        .replace("{other}", other)
        .replace("{his}", his)
        .replace("{himself}", _REFLEXIVE[his])
        .replace("{he}", _HE[his])
    )


def possessive_to_subject(who: str) -> str:
    """him -> he, the character -> the character."""
    return {"him": "he", "her": "she", "them": "they"}.get(who, who)


def with_article(noun: str) -> str:
    """walk -> a walk, old walk -> an old walk, jumping jacks -> jumping jacks."""
    head = re.split(r" (?:to|of|with|on|from|in|into|at|around|forward|backwards|over)\b", noun)[0]
    if re.search(r"[^s]s$", head) or head.startswith(("both ", "{")):
        return noun
    if noun.startswith("{side}"):
        return "a " + noun
    an = re.match(r"^[aeiou](?!niform|nited|-turn)", noun) and not noun.startswith(("u-", "one"))
    return ("an " if an else "a ") + noun
