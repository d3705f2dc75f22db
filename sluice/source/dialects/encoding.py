"""The encoding of a file of text that is not UTF-8, by the letters that each would make of its bytes. Pure.

charset-normalizer was tried: on files of a few words it takes cp1250 for most Western European ones.
"""

# ruff: noqa: RUF001 - letters of other alphabets are meant
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log

from sluice.source.dialects.letters import ENCODINGS, OF_THE_EAST, SIGNS, SIGNS_AFTER, Encoding
from sluice.source.readers.encodings import marked

MOST_WORDS = 3000  # different ones that are looked at
MOST_BYTES = 1 << 16  # that are looked at for letters of several bytes
CERTAIN = 0.7  # by how much, as a logarithm per letter, the best must be ahead of one that reads other words
LEAST = -5.0  # below it no language has such words
LIKELY = -3.6  # above it a language is likely
FEWEST = 4  # letters that show that a text is of an Asian language
FREQUENT = 0.85  # share of letters that are frequent ones, in a text of an Asian language
_STRANGE = log(0.002)  # a letter that the language does not have
_SIGN = log(0.05)  # a sign that stands alone: a degree, a euro, a dash
_MISPLACED = log(0.0005)  # a sign within a word, or a character that no text has
_CAPITAL = log(0.05)  # a capital after a small letter, in addition
_MIXED = log(0.01)  # a letter of another language of the same encoding


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a file seems to be encoded in.

    Attributes:
        others: encodings that may be right as well, and read other words; the likeliest first.
    """

    name: str
    others: tuple[str, ...] = ()


def encoding_of(data: bytes) -> Encoded:
    """UTF-8 where a mark says so, or no byte speaks against it; else the encoding whose letters make likely words.

    Text that is UTF-8 but for a few bytes is UTF-8: those bytes are damage, and their rows are rejected.
    """
    if marked(data):
        return Encoded("utf-8")  # found again by its mark
    wide = re.findall(rb"[\x80-\xff]+", data)
    good = sum(_decodes(run, "utf-8") for run in wide)
    if not wide or good * 2 > len(wide):
        return Encoded("utf-8")
    return _likeliest(data)


def _likeliest(data: bytes) -> Encoded:
    counts = Counter(re.findall(rb"[A-Za-z'\x80-\xff]*[\x80-\xff][A-Za-z'\x80-\xff]*", data))
    words = [word for word, _ in counts.most_common(MOST_WORDS)]
    text = b"\n".join(words)
    if _decodes(data, "cp1252") and all(_is_sign(letter) for letter in text.decode("cp1252")):
        return Encoded("cp1252")  # euros and degrees: nothing says more
    found = sorted(
        ((_score(words, one), -place, one.name) for place, one in enumerate(ENCODINGS) if _decodes(data, one.name)),
        reverse=True,
    )
    likely = [(score, name) for score, _, name in found if score >= LEAST]
    if eastern := [name for name in OF_THE_EAST if _decodes(data, name) and _is_eastern(data, name)]:
        return Encoded(eastern[0], tuple(eastern[1:] + [name for score, name in likely if score >= LIKELY][:2]))
    if not likely:
        name = "cp1252" if _decodes(data, "cp1252") else "latin-1"
        able = [one for one in OF_THE_EAST if _decodes(data, one)] or [one for _, _, one in found if one != name]
        return Encoded(name, tuple(able))
    best, name = likely[0]
    others = [other for score, other in likely if best - score < CERTAIN and text.decode(other) != text.decode(name)]
    return Encoded(name, tuple(_that_differ(text, others)))


def _is_sign(letter: str) -> bool:
    return letter.isascii() or letter in SIGNS or letter in SIGNS_AFTER


def _is_eastern(data: bytes, name: str) -> bool:
    """Whether nearly all letters are frequent ones; the first of them may be far down."""
    some = b"\n".join(line for line in data.split(b"\n") if not line.isascii())[:MOST_BYTES]
    letters = [letter for letter in some.decode(name, "ignore") if not letter.isascii()]
    leads = [letter.encode(name)[0] for letter in letters]
    frequent = sum(any(least <= lead <= most for least, most in OF_THE_EAST[name]) for lead in leads)
    return len(letters) >= FEWEST and frequent >= len(letters) * FREQUENT


def _that_differ(text: bytes, names: Sequence[str]) -> Iterator[str]:
    """The encodings, without those that read the same as one before."""
    seen = set()
    for name in names:
        if (read := text.decode(name)) not in seen:
            seen.add(read)
            yield name


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _score(words: Sequence[bytes], encoding: Encoding) -> float:
    """How likely the words are in the language that fits best: the mean of logarithms per letter beyond ASCII."""
    read = [word.decode(encoding.name) for word in words]
    union = dict.fromkeys("".join(encoding.languages), _MIXED)
    tables = [*map(_frequencies, encoding.languages), union]
    return encoding.bonus + max(_mean(read, table, encoding.of_words) for table in tables)


def _frequencies(letters: str) -> dict[str, float]:
    """The logarithm of each letter's share, where the n-th is about as frequent as 1 / (n + 2)."""
    shares = {letter: 1 / (place + 3) for place, letter in enumerate(letters)}
    return {letter: log(share / sum(shares.values())) for letter, share in shares.items()}


def _mean(words: Sequence[str], table: dict[str, float], of_words: bool) -> float:
    scores = [score for word in words for score in _of_word(word, table, of_words)]
    return sum(scores) / max(1, len(scores))


def _of_word(word: str, table: dict[str, float], of_words: bool) -> Iterator[float]:
    for place, letter in enumerate(word):
        if letter.isascii():
            continue
        before, after = word[place - 1 : place], word[place + 1 : place + 2]
        if not letter.isalpha() or _is_sign(letter):
            inside = before.isalpha() and after.isalpha() and letter not in "’‘\xa0–·"
            odd = inside or not _is_sign(letter) or (letter in SIGNS_AFTER and after.isalpha())
            yield _MISPLACED if odd else _SIGN
            continue
        score = table.get(letter, table.get(letter.lower(), _STRANGE))
        if before.islower() and letter.isupper():
            score += _CAPITAL
        if not of_words and not before.isascii() and before.isalpha():
            score += _CAPITAL / 2  # two such letters in a row are rare in a Latin alphabet
        if of_words and (before.isascii() and before.isalpha()):
            score += _CAPITAL  # no word mixes alphabets
        yield score
