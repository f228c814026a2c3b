"""What SentencePiece makes of random texts, as JSON: the oracle of test/oracles/unigram.mjs and of test/fixtures/unigram.json.

Needs the Python module sentencepiece (Debian: python3-sentencepiece) and a model that `spm_train --model_type=unigram` has made:

    python3 test/oracles/unigram.py MODEL CORPUS COUNT SEED > cases.json

Texts are pieces of the corpus, such pieces with odd characters in between, and rows of random characters.
"""

import json
import random
import sys

import sentencepiece

RANGES = [(0x20, 0x7E)] * 6 + [
    (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F),
    (0x1100, 0x11FF), (0x2000, 0x20FF), (0x2100, 0x24FF), (0x2580, 0x2590), (0x3000, 0x30FF), (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3), (0xF900, 0xFFEF), (0x1D400, 0x1D7FF), (0x1F300, 0x1F64F), (1, 0x1F), (0x80, 0x9F),
]
ODD = [" ", "  ", "\u2581", "\u3000", "\u00a0", "\n", "\t", "\u200b", "\ufeff"]


def character():
    first, last = random.choice(RANGES)
    return chr(random.randint(first, last))


def text(lines):
    kind = random.random()
    line = random.choice(lines)
    if kind < 0.35:
        start = random.randrange(len(line))
        return line[start : start + random.randint(1, 80)]
    if kind < 0.55:
        characters = list(line[:80])
        for _ in range(random.randint(1, 6)):
            characters.insert(random.randint(0, len(characters)), random.choice([character(), *ODD]))
        return "".join(characters)
    if kind < 0.7:
        return "".join(random.choice("ab e\u2581s") for _ in range(random.randint(1, 40)))
    return "".join(character() for _ in range(random.randint(1, 40)))


model, corpus, count, seed = sys.argv[1:]
random.seed(int(seed))
processor = sentencepiece.SentencePieceProcessor(model_file=model)
with open(corpus, encoding="utf-8") as file:
    lines = [line for line in file.read().split("\n") if line]
texts = [text(lines) for _ in range(int(count))]
json.dump([[one, processor.encode(one)] for one in texts], sys.stdout)
