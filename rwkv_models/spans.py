"""How a row of positions is cut: into even spans, or into windows that overlap."""

from __future__ import annotations


def even_spans(length: int, limit: int) -> list[tuple[int, int]]:
    """Cut `length` positions into spans of at most `limit`, as few and as even as can be.

    No span has one position, unless `length` is 1: an odd length cut in twos (or ones) ends with a three instead.
    """
    count = min(-(-length // limit), max(1, length // 2))
    edges = [length * i // count for i in range(count + 1)]
    return list(zip(edges, edges[1:], strict=False))


def windows(length: int, ctx_len: int, overlap: int) -> list[tuple[int, int, int]]:
    """Cut `length` positions into even windows of at most ctx_len: (start, first new position, stop) of each.

    A later window begins with `overlap` positions of the one before. Every position is new in exactly one window; where ctx_len
    leaves room for fewer than two new positions, the window is longer by as many.
    """
    if length <= ctx_len:
        return [(0, 0, length)]
    spans = even_spans(length - overlap, ctx_len - overlap)
    return [(start, start + overlap if start else 0, stop + overlap) for start, stop in spans]
