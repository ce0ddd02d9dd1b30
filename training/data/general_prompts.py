# SPDX-License-Identifier: Apache-2.0
"""General questions made from topics and forms: code, sums, puzzles, sciences, follow-ups.

The instruction files are thin on some of what people ask an assistant; these fill the gaps for
the gate. They are prompts only: nothing is learned from them but "not about motion".
"""

import random

_TOPICS = (
    "photosynthesis", "black holes", "the French Revolution", "inflation", "interest rates",
    "machine learning", "neural networks", "quantum computing", "general relativity", "entropy",
    "plate tectonics", "volcanoes", "the water cycle", "climate change", "renewable energy",
    "solar panels", "nuclear fusion", "electric cars", "batteries", "bridges", "skyscrapers",
    "the immune system", "vaccines", "antibiotics", "DNA replication", "proteins", "evolution",
    "the periodic table", "acids and bases", "chemical equilibrium", "oxidation", "polymers",
    "comets", "rockets", "the Moon", "Mars", "telescopes", "gravity", "magnetism", "lasers",
    "Confucius", "Kant", "stoicism", "utilitarianism", "free will", "justice", "democracy",
    "the Roman Empire", "the Cold War", "the Silk Road", "the Industrial Revolution", "Napoleon",
    "Shakespeare", "Jane Austen", "haiku", "science fiction", "jazz", "the Beatles", "opera",
    "Impressionism", "Gothic architecture", "photography", "silent films", "film noir",
    "sourdough bread", "Italian cooking", "vegan recipes", "coffee", "wine", "chocolate", "sushi",
    "personal budgets", "mortgages", "the stock market", "taxes", "insurance", "start-ups",
    "marketing", "job interviews", "negotiation", "leadership", "remote work", "time management",
    "patent law", "copyright", "contracts", "privacy", "elections", "immigration",
    "Tokyo", "Paris", "Brazil", "Kenya", "the Himalayas", "the Danube", "Iceland", "Peru",
    "pregnancy", "allergies", "insomnia", "anxiety", "diabetes", "nutrition", "vitamins",
    "gardening", "beekeeping", "dogs", "cats", "elephants", "whales", "bacteria", "mushrooms",
    "smartphones", "laptops", "web browsers", "the internet", "encryption", "cloud storage",
    "databases", "operating systems", "compilers", "version control", "unit tests", "Docker",
    "probability", "statistics", "calculus", "linear algebra", "prime numbers", "geometry",
    "chess", "board games", "video games", "the Olympics", "football tactics", "cricket rules",
    "dreams", "memory", "language learning", "grammar", "etymology", "translation", "rhetoric",
    "logical fallacies", "cognitive biases", "game theory", "supply and demand", "GDP",
)  # fmt: skip
_FORMS = (
    "What is {t}?", "Explain {t} to a ten year old.", "Write a blog post about {t}.",
    "What are the pros and cons of {t}?", "Give me five facts about {t}.", "Why is {t} important?",
    "Summarise the history of {t} in three sentences.", "How does {t} work?",
    "Write an essay that compares {t} and {u}.", "Is {t} related to {u}? Explain your reasoning.",
    "Create a lesson plan about {t} for three class periods.", "Write a limerick about {t}.",
    "List common misconceptions about {t}.", "What books should I read about {t}?",
    "Act as an expert on {t} and answer my questions.", "Draft an email to my boss about {t}.",
    "Write a dialogue between a teacher and a student about {t}.", "Debate: is {t} overrated?",
    "Give a catchy headline for an article on {t}.", "Outline a video script about {t}.",
    "Describe the key principles of {t}.", "What is the difference between {t} and {u}?",
    "Pretend to be a journalist who reports on {t}.", "Invent a slogan about {t}.",
    "How has {t} influenced modern society?", "Write a quiz with ten questions on {t}.",
    "Propose an experiment about {t} and list its steps.", "Design a system that deals with {t}.",
    "What are the ethical problems of {t}?", "Translate a sentence about {t} into Spanish.",
)  # fmt: skip
_LANGUAGES = ("Python", "C++", "Java", "JavaScript", "Rust", "Go", "SQL", "HTML", "C", "Bash", "R")
_STRUCTURES = (
    "a binary tree", "a linked list", "an array of integers", "two strings", "a sorted list",
    "a graph", "a hash table", "a matrix", "a stack", "a queue", "a text file", "a CSV file",
    "a JSON document", "a heap", "a calendar", "a directory of files",
)  # fmt: skip
_TASKS = (
    "finds the largest element of {s}", "reverses {s}", "checks whether {s} is balanced",
    "sorts {s} without extra memory", "counts duplicates in {s}", "computes the height of {s}",
    "merges {s} with another", "removes every second entry of {s}", "prints {s} level by level",
    "draws {s} on the screen", "parses {s} and reports errors", "finds the shortest path in {s}",
    "rotates {s} by ninety degrees", "finds two numbers in {s} that add to k",
    "tests whether {s} is a palindrome", "computes the longest common prefix in {s}",
)  # fmt: skip
_CODE_FORMS = (
    "Write a {l} function that {k}.", "Implement in {l} a program that {k}.",
    "Why is this {l} code that {k} slow?", "What is the time complexity of code that {k}?",
    "Refactor my {l} class that {k}.",
    "Here is a {l} function that {k}. Can you find the bug? def f(x): return x[0] if x else None",
    "How do I test a {l} function that {k}?", "Which {l} library {k}?",
    "How much memory does a {l} program need that {k}?", "Explain recursion with {s} in {l}.",
)  # fmt: skip
_NAMES = (
    "Maria",
    "Tom",
    "Aisha",
    "Ken",
    "Olga",
    "Ravi",
    "Lucy",
    "Mr. Brown",
    "my uncle",
    "a farmer",
)
_SUMS = (
    "{n} buys {a} apples for ${b} each and sells half of them. How much money is left of ${c}?",
    "Solve for x: {a}x + {b} = {c}.",
    "What is {a} times {b} plus {c}?",
    "Factor x^2 - {a}x + {b} if it can be factored.",
    "Convert {c} kilometres to miles.",
    "What is {a}% of {c}?",
    "Find the derivative of {a}x^3 + {b}x.",
    "How many ways are there to choose {d} books out of {a}?",
    "What is the sum of the first {a} odd numbers?",
    "A tank of {c} litres loses {d} litres an hour. When is it empty?",
    "A train covers {c} km in {d} hours. What is its speed?",
    "The mean of {d} numbers is {a}. One of them is {b}. What is the mean of the others?",
    "What is the volume of a cylinder of radius {d} cm and height {a} cm?",
    "{n} saves ${b} a week. After how many weeks are there ${c}?",
    "Simplify the fraction {a}/{c}.",
    "Is {c} a prime number? Show how you know.",
    "Write {c} in binary.",
    "A rectangle is {a} m long and {b} m wide. What is its diagonal?",
    "A recipe for {d} people takes {a} g of flour. How much is needed for {b} people?",
)  # fmt: skip
_PUZZLES = (
    "{n} has two jugs of {d} and {a} litres. How can exactly one litre be measured?",
    "One of {d} coins is lighter. How often must you weigh to find it?",
    "{n} is twice as old as Ben was {d} years ago. How old can they be?",
    "Three people sit at a round table and only one tells the truth. How do you find out who?",
    "If it is {d} o'clock now, what is the angle between the hands of the clock?",
    "If today is Tuesday, which day of the week is it in {a} days?",
    "No poets are rich and some bankers are poets. Does it follow that some bankers are not rich?",
    "What comes next in the sequence {d}, {a}, {b}, {c}?",
    "A farmer must cross a river with a wolf, a goat and a cabbage. How?",
    "Complete the analogy: bird is to nest as bee is to what?",
    "{n} looks at a map with the south at the top. Where is the east?",
    "Arrange {d} matches so that they make four triangles.",
    "Unscramble these letters: tca, gdo, rbid.",
    "Two doors, two guards, one of them lies. What does {n} ask?",
)  # fmt: skip
_TEXT_TASKS = (
    "Extract every date and place from the following text: {n} met Anna in May to speak about {t}.",
    "Fix the spelling in this note about {t} that {n} wrote in a hurry.",
    "Rewrite this sentence in a formal tone: {t} is kinda cool.",
    "Shorten this text about {t} to {d} words.",
    "Suggest a title for my thesis on {t}.",
    "Format these references on {t} in APA style.",
    "Write alt text for a picture of {t}.",
    "Turn this paragraph about {t} into a list.",
    "Is this tweet about {t} sarcastic?",
    "Write a cover letter for {n}, who applies for a job in {t}.",
    "Make up a trivia question about {t} with {d} wrong answers.",
    "Write the opening of a novel in which {n} wakes up and finds {t} gone.",
    "Explain the joke: why did {t} cross the road?",
    "Find a rhyme for each noun: {t}, {u}.",
    "You are {n}, a critic. Review a book on {t}.",
    "Write a toast for the wedding of {n}, who loves {t}.",
    "Answer in one word: is {t} older than {u}?",
    "Plan a weekend about {t} for {d} friends.",
    "Write a regular expression that matches a list of {d} numbers.",
    "Make a table with a column for {t} and one for {u}.",
    "Write a complaint to a shop that sells {t}.",
)  # fmt: skip
_FOLLOW_UPS = (
    "Make it shorter.",
    "Now as a table.",
    "Which of them is the cheapest?",
    "Why?",
    "In German, please.",
    "Can you give three more?",
    "Is that always true?",
    "Add a source for each claim.",
    "Prove it.",
    "What if the list is empty?",
    "How would you speed it up?",
    "Rewrite it in YAML.",
    "Go on.",
    "Write a detailed version of the second point.",
    "Replace the names with initials.",
    "How do you know?",
    "Can you do that without recursion?",
    "Summarise all of this.",
    "Write it as a poem.",
    "What would your opponent say?",
    "Find the mistake in your answer.",
    "Use simpler words.",
    "Put it in order of size.",
    "Who said that?",
    "Round it to two digits.",
    "Was that in Europe?",
    "Give me the code only.",
    "Does that compile?",
    "Which of the two is older?",
    "Add comments to it.",
    "Use a loop instead.",
    "Draw a conclusion.",
    "Compare it with last year.",
    "Now for the other city.",
    "How long would that take to learn?",
    "What does the third word mean?",
    "I do not agree with that.",
    "My sister says otherwise. Who is right?",
    "Does it also hold in space?",
    "How expensive is it?",
)  # fmt: skip


def topical_prompts(count: int, rng: random.Random) -> list[str]:
    """Different general prompts, at least `count`: the follow-ups are always among them."""
    out: set[str] = set(_FOLLOW_UPS)
    groups = (_FORMS, _FORMS, _CODE_FORMS, _SUMS, _PUZZLES, _TEXT_TASKS)
    while len(out) < count:
        structure = rng.choice(_STRUCTURES)
        out.add(
            rng.choice(rng.choice(groups)).format(
                t=rng.choice(_TOPICS),
                u=rng.choice(_TOPICS),
                l=rng.choice(_LANGUAGES),
                s=structure,
                k=rng.choice(_TASKS).format(s=structure),
                n=rng.choice(_NAMES),
                a=rng.randint(2, 60),
                b=rng.randint(2, 30),
                c=rng.randint(61, 400),
                d=rng.randint(2, 11),
            )
        )
    return sorted(out)
