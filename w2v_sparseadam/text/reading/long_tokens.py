"""Drop tokens that are too long to be words from text that is read buffer by buffer."""

from __future__ import annotations

WHITE_SPACE = b" \n\t\r\v\f"
"""The bytes that separate tokens: the ASCII white space of `bytes.split`, most common first."""


class LongTokens:
    """Drops tokens that are too long from a text that is read buffer by buffer.

    Attributes
    ----------
    n : int
        Tokens dropped so far.
    is_within : bool
        Whether the last one continues in the next buffer.
    """

    def __init__(self, most_bytes: int) -> None:
        self.n = 0
        self.is_within = False
        self._most_bytes = most_bytes

    def drop(self, buffer: bytearray, filled: int) -> int:
        """Drop them from ``buffer[:filled]``, which starts with a token; return how many bytes."""
        begin, end = 0, filled
        while self.is_within or end - begin > self._most_bytes:
            if not self.is_within:
                after = after_last_space(buffer, begin, min(begin + self._most_bytes + 1, end))
                if after:
                    begin = after
                    continue
                self.n += 1
            stop = _first_space(buffer, begin, end)
            self.is_within = stop == end
            buffer[begin : begin + end - stop] = buffer[stop:end]
            end = begin + end - stop
            if self.is_within:
                break
        return filled - end


def after_last_space(buffer: bytearray, begin: int, end: int) -> int:
    """Return the place after the last white space in ``buffer[begin:end]``, 0 if it has none."""
    after = 0
    for space in WHITE_SPACE:
        after = max(after, buffer.rfind(space, max(begin, after), end) + 1)
    return after


def _first_space(buffer: bytearray, begin: int, end: int) -> int:
    """Return the place of the first white space in ``buffer[begin:end]``, ``end`` if none."""
    for space in WHITE_SPACE:
        found = buffer.find(space, begin, end)
        end = end if found < 0 else found
    return end
