"""Two readers on one stream: the second counts where the first learns nothing."""

from msgspec import structs

from looop.loop.decide.streams.base import Reader, StreamVerdict

__all__ = ["EitherReader"]


class EitherReader:
    """For a user's own command around a known CLI, which may print its stream or plain text."""

    def __init__(self, first: Reader, second: Reader) -> None:
        self._first = first
        self._second = second

    def feed(self, line: bytes | str) -> str | None:
        self._second.feed(line)
        return self._first.feed(line)

    @property
    def verdict(self) -> StreamVerdict:
        first, second = self._first.verdict, self._second.verdict
        if first.state == "unknown":
            return structs.replace(second, model=first.model)
        usage = second.usage or first.usage
        return structs.replace(first, usage=usage, transient=first.transient or second.transient)
