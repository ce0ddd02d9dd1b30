# SPDX-License-Identifier: Apache-2.0
"""How near captions are to what people wrote: BLEU-4, ROUGE-L and CIDEr.

The scorers are the COCO caption ones (pycocoevalcap), as in the tables of the motion captioning
literature. Its own tokenizer needs Java, so words are split here instead: numbers may differ in
the last digits from tables made with that.
"""

import re
from collections.abc import Sequence

from backend.errors import InvalidInput

_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")


def text_scores(
    predictions: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, float]:
    """N predictions and, for each, one or more references -> "bleu4", "rouge_l", "cider".

    BLEU-4 of the whole corpus and the mean ROUGE-L (beta 1.2) are 0 to 1, the mean CIDEr-D is 0 to
    10. CIDEr weighs words by how few clips' references have them, so it is 0 for a single clip.
    Case and punctuation do not count. Raises InvalidInput where the two do not fit together or a
    reference holds no word.
    """
    # imported here: a caption is scored in an evaluation only
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    if not predictions or len(predictions) != len(references):
        raise InvalidInput(
            f"{len(predictions)} captions need as many sets of references, got {len(references)}."
        )
    said = {i: [_words(text)] for i, text in enumerate(predictions)}
    wanted = {i: [_words(text) for text in texts] for i, texts in enumerate(references)}
    for i, texts in wanted.items():
        if not texts or not all(texts):
            raise InvalidInput(f"Caption {i} has no reference, or one without a word in it.")
    bleu, _ = Bleu(4).compute_score(wanted, said, verbose=0)
    rouge, _ = Rouge().compute_score(wanted, said)
    cider, _ = Cider().compute_score(wanted, said)
    return {"bleu4": float(bleu[3]), "rouge_l": float(rouge), "cider": float(cider)}


def _words(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))
