"""The token budget of an answer: a text's estimated cost, and what fits into the rest of a budget.

An estimate is computed from the characters, and is never below the true cost, whatever the text and its script.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence

_RUNS = re.compile(r"[0-9]+| ?[a-ilmnopr-wy]+")
"""Digits, three of which are a token; and letters any two of which, and a space before one, are a token."""
_ELLIPSIS = "…"


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text, never too low.

    A byte-level tokenizer needs at most one token a byte. Where any two neighbours would make a token, no two bytes in
    a row stay alone, so that a run of n letters takes at most (2 n + 1) / 3.
    """
    bytes_alone = len(text.encode(errors="surrogatepass"))
    tokens = 0
    for run in _RUNS.findall(text):
        bytes_alone -= len(run)
        tokens += (len(run) + 2) // 3 if run[0].isdigit() else (2 * len(run) + 1) // 3
    return tokens + bytes_alone


def clip_to_tokens(text: str, tokens: int) -> str:
    """Shorten a text to a number of tokens, as estimated."""
    if estimate_tokens(text) <= tokens:
        return text
    tokens_left = tokens - estimate_tokens(_ELLIPSIS)
    if tokens_left < 0:
        return ""
    end = bisect_right(range(1, len(text)), tokens_left, key=lambda length: estimate_tokens(text[:length]))
    return f"{text[:end].rstrip()}{_ELLIPSIS}"


def take_within_budget(lines: Iterable[str], budget: int) -> list[str]:
    """Take the first whole lines that fit into a budget."""
    fitting: list[str] = []
    spent = 0
    for line in lines:
        spent += estimate_tokens(line) + 1
        if spent > budget:
            break
        fitting.append(line)
    return fitting


def take_first_fitting(printings: Iterable[Sequence[str]], budget: int) -> list[str]:
    """Take the lines that fit from the first printing of which any line fits.

    Args:
        printings: the same lines with ever shorter cells
        budget: in tokens
    """
    for lines in printings:
        if fitting := take_within_budget(lines, budget):
            return fitting
    return []
