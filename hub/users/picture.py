"""A picture of a text that telephones read: QR code (ISO/IEC 18004), byte mode, correction level L, versions 1 to 10.

Enough for an address of 271 bytes, and no more: one mode, one level, tables of ten versions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from canonical.errors import Refused

# Table 9, level L: codewords for data, codewords for correction of each block, and blocks.
_BLOCKS = {
    1: (19, 7, 1), 2: (34, 10, 1), 3: (55, 15, 1), 4: (80, 20, 1), 5: (108, 26, 1),
    6: (136, 18, 2), 7: (156, 20, 2), 8: (194, 24, 2), 9: (232, 30, 2), 10: (274, 18, 4),
}  # fmt: skip
# Annex E: centres of the alignment patterns.
_ALIGNED: dict[int, tuple[int, ...]] = {
    1: (), 2: (6, 18), 3: (6, 22), 4: (6, 26), 5: (6, 30), 6: (6, 34), 7: (6, 22, 38), 8: (6, 24, 42), 9: (6, 26, 46),
    10: (6, 28, 50),
}  # fmt: skip
_MASKS: tuple[Callable[[int, int], bool], ...] = (  # table 10, by row and column
    lambda r, c: (r + c) % 2 == 0,
    lambda r, c: r % 2 == 0,
    lambda r, c: c % 3 == 0,
    lambda r, c: (r + c) % 3 == 0,
    lambda r, c: (r // 2 + c // 3) % 2 == 0,
    lambda r, c: r * c % 2 + r * c % 3 == 0,
    lambda r, c: (r * c % 2 + r * c % 3) % 2 == 0,
    lambda r, c: ((r + c) % 2 + r * c % 3) % 2 == 0,
)
_FINDER = ("1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111")
_LIKE_FINDER = ((1, 0, 1, 1, 1, 0, 1, 0, 0, 0, 0), (0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 1))
Grid = list[list[int]]  # 1 dark, 0 light


def matrix(text: str) -> Grid:
    """The modules of the code, without its quiet zone; raises Refused for a text that is too long."""
    content = text.encode("utf-8")
    version = next((v for v, (room, _, _) in _BLOCKS.items() if len(content) + (2 if v < 10 else 3) <= room), None)
    if version is None:
        raise Refused("the text is too long for a picture", code="user.code")
    bits = _interleaved(_codewords(content, version), version)
    tries = []
    for number, mask in enumerate(_MASKS):
        grid, fixed = _patterns(version)
        _format(grid, number)
        _fill(grid, fixed, bits, mask)
        tries.append(grid)
    return min(tries, key=_penalty)


def path(grid: Grid, edge: int = 4) -> str:
    """The dark modules as the path of an SVG, with a quiet zone of `edge` modules (§9.1)."""
    strokes = []
    for row, line in enumerate(grid):
        column = 0
        for dark, run in itertools.groupby(line):
            length = len(list(run))
            if dark:
                strokes.append(f"M{column + edge} {row + edge}h{length}v1h-{length}z")
            column += length
    return "".join(strokes)


def _codewords(content: bytes, version: int) -> list[int]:
    """Mode, length, content, end and padding (§7.4)."""
    room = _BLOCKS[version][0]
    bits = f"0100{len(content):0{8 if version < 10 else 16}b}" + "".join(f"{byte:08b}" for byte in content)
    bits += "0" * min(4, room * 8 - len(bits))
    bits += "0" * (-len(bits) % 8)
    words = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    return words + [0xEC if n % 2 == 0 else 0x11 for n in range(room - len(words))]


def _interleaved(words: Sequence[int], version: int) -> list[int]:
    """The blocks with their correction words, woven together (§7.6), as bits."""
    _, correction, count = _BLOCKS[version]
    short, longer = divmod(len(words), count)
    blocks, at = [], 0
    for number in range(count):
        size = short + (number >= count - longer)
        blocks.append(words[at : at + size])
        at += size
    checks = [_correction(block, correction) for block in blocks]
    woven = [b[n] for n in range(short + 1) for b in blocks if n < len(b)]
    woven += [check[n] for n in range(correction) for check in checks]
    return [word >> shift & 1 for word in woven for shift in range(7, -1, -1)]


def _times(one: int, two: int) -> int:
    """Product in GF(256) modulo x^8 + x^4 + x^3 + x^2 + 1."""
    found = 0
    for shift in range(7, -1, -1):
        found = found << 1 ^ (found >> 7) * 0x11D
        found ^= (two >> shift & 1) * one
    return found


def _correction(block: Sequence[int], count: int) -> list[int]:
    """Reed-Solomon: the remainder by the generator of `count` roots (annex A)."""
    generator, root = [1], 1
    for _ in range(count):
        generator = [a ^ _times(b, root) for a, b in zip([*generator, 0], [0, *generator], strict=True)]
        root = _times(root, 2)
    rest = [0] * count
    for word in block:
        factor = word ^ rest[0]
        rest = [a ^ _times(b, factor) for a, b in zip([*rest[1:], 0], generator[1:], strict=True)]
    return rest


def _patterns(version: int) -> tuple[Grid, Grid]:
    """What every code of a version has (§6.3), and which modules are taken by it."""
    size = 17 + 4 * version
    grid, fixed = [[0] * size for _ in range(size)], [[0] * size for _ in range(size)]

    def put(row: int, column: int, dark: int) -> None:
        grid[row][column], fixed[row][column] = dark, 1

    for at in range(size):
        put(6, at, at % 2 == 0)
        put(at, 6, at % 2 == 0)
    for top, left in ((0, 0), (0, size - 7), (size - 7, 0)):
        for row, column in _around(top, left, size):
            inside = top <= row < top + 7 and left <= column < left + 7
            put(row, column, int(inside and _FINDER[row - top][column - left] == "1"))
    centres = _ALIGNED[version]
    for r, c in ((r, c) for r in centres for c in centres):
        if (r, c) not in ((6, 6), (6, centres[-1]), (centres[-1], 6)):
            for y, x in ((y, x) for y in range(-2, 3) for x in range(-2, 3)):
                put(r + y, c + x, max(abs(y), abs(x)) != 1)
    for row, column in _format_places(size):
        put(row, column, 0)
    put(size - 8, 8, 1)
    _version(put, version, size)
    return grid, fixed


def _around(top: int, left: int, size: int) -> Iterator[tuple[int, int]]:
    for row in range(max(0, top - 1), min(size, top + 8)):
        for column in range(max(0, left - 1), min(size, left + 8)):
            yield row, column


def _version(put: Callable[[int, int, int], None], version: int, size: int) -> None:
    """Version information from version 7 on (annex D)."""
    if version < 7:
        return
    word = version << 12 | _remainder(version << 12, 0x1F25)
    for n in range(18):
        put(n // 3, size - 11 + n % 3, word >> n & 1)
        put(size - 11 + n % 3, n // 3, word >> n & 1)


def _format_places(size: int) -> list[tuple[int, int]]:
    """Where the 15 bits of the format stand, twice, the most significant first (§7.9)."""
    one = [(8, c) for c in (0, 1, 2, 3, 4, 5, 7, 8)] + [(r, 8) for r in (7, 5, 4, 3, 2, 1, 0)]
    two = [(size - 1 - n, 8) for n in range(7)] + [(8, size - 8 + n) for n in range(8)]
    return one + two


def _format(grid: Grid, mask: int) -> None:
    said = 0b01 << 3 | mask  # level L
    word = (said << 10 | _remainder(said << 10, 0x537)) ^ 0x5412
    for n, (row, column) in enumerate(_format_places(len(grid))):
        grid[row][column] = word >> (14 - n % 15) & 1


def _remainder(word: int, divisor: int) -> int:
    while word.bit_length() >= divisor.bit_length():
        word ^= divisor << (word.bit_length() - divisor.bit_length())
    return word


def _fill(grid: Grid, fixed: Grid, bits: Sequence[int], mask: Callable[[int, int], bool]) -> None:
    """The bits in two columns at a time, up and down from the right (§7.7.3), under the mask."""
    size, at = len(grid), 0
    columns = [c for c in range(size - 1, 0, -2) if c > 6] + [5, 3, 1]
    for number, right in enumerate(columns):
        rows = range(size) if number % 2 else range(size - 1, -1, -1)
        for row, column in ((r, c) for r in rows for c in (right, right - 1)):
            if not fixed[row][column]:
                bit = bits[at] if at < len(bits) else 0
                grid[row][column] = bit ^ mask(row, column)
                at += 1


def _penalty(grid: Grid) -> int:
    """How hard the code is to read (§7.8.3)."""
    size = len(grid)
    lines = [*grid, *(list(column) for column in zip(*grid, strict=True))]
    runs = sum(length - 2 for line in lines for length in _runs(line) if length >= 5)
    squares = sum(
        3 for r in range(size - 1) for c in range(size - 1)
        if grid[r][c] == grid[r][c + 1] == grid[r + 1][c] == grid[r + 1][c + 1]
    )  # fmt: skip
    like = sum(40 for line in lines for at in range(size - 10) if tuple(line[at : at + 11]) in _LIKE_FINDER)
    dark = sum(map(sum, grid)) * 100 / (size * size)
    return runs + squares + like + int(abs(dark - 50) / 5) * 10


def _runs(line: Sequence[int]) -> Iterator[int]:
    length = 1
    for before, now in itertools.pairwise(line):
        if before == now:
            length += 1
        else:
            yield length
            length = 1
    yield length
