"""The nearest known names for a mistyped one: one ranking for arguments, columns, dimensions, people and courses.

Two names are near where their words are near, word by word, or where they are near as a whole. Suggestions are needed
in error messages alone, so the library is imported with the first of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection

WORD_SIMILARITY = 0.6
"""The least similarity of two words, of 1."""
WHOLE_SIMILARITY = 75
"""The least similarity of two whole names, of 100."""
NEAR_WORDS = 20
"""How many known words are compared further for each word of the mistyped name."""
_SEPARATORS = re.compile(r"[\s,;]+")


def split_words(text: str) -> list[str]:
    """Split a normalized name into its words."""
    return [word for word in _SEPARATORS.split(text) if word]


def nearest_names(
    name: str, known: Collection[str], *, limit: int, whole_similarity: float = WHOLE_SIMILARITY, least: float = 0
) -> list[str]:
    """Rank the known names that are near a name, the nearest first.

    Args:
        name: normalized as the known names are
        known: the names to choose from
        limit: the most names to return
        whole_similarity: the least similarity of two whole names, from 0 to 100
        least: the least mean similarity of the words, from 0 to 100
    """
    from rapidfuzz import fuzz, process
    from rapidfuzz.distance import OSA

    words = [word for word in split_words(name) if len(word) > 1]
    known_words = list(set(" ".join(known).split()))
    similarities: dict[str, dict[str, float]] = {}
    for word in words:
        near = process.extract(
            word, known_words, scorer=OSA.normalized_similarity, limit=NEAR_WORDS, score_cutoff=WORD_SIMILARITY
        )
        for known_word, similarity, _ in near:
            similarities.setdefault(known_word, {})[word] = similarity
    scores: dict[str, float] = {}
    for candidate in known:
        near_words = similarities.keys() & candidate.split()
        if near_words:
            best = (max(similarities[near_word].get(word, 0) for near_word in near_words) for word in words)
            scores[candidate] = sum(best) / len(words)
    whole = "".join(words)
    ratios = process.extract(whole, known, scorer=fuzz.ratio, limit=limit, score_cutoff=whole_similarity)
    for candidate, ratio, _ in ratios:
        scores[candidate] = max(scores.get(candidate, 0), ratio / 100)
    near = [candidate for candidate, score in scores.items() if 100 * score >= least]
    return sorted(near, key=lambda candidate: (-scores[candidate], abs(len(candidate) - len(whole)), candidate))[:limit]
