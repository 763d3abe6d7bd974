"""Bodies of requests, plain or packed with gzip."""

import zlib

from starlette.exceptions import HTTPException

from featsr_tf.errors import DataError

# For zlib: the frame of gzip.
_GZIP = 16 + zlib.MAX_WBITS


class PlainBody:
    """A body that is used as it comes.

    Args:
        max_mb: 10^6 bytes that it may have.
    """

    def __init__(self, max_mb: float):
        self._max_mb = max_mb
        self._limit = round(max_mb * 1e6)
        self._content = bytearray()

    def check_size(self, size: int) -> None:
        """Refuses a number of bytes with 413 where it is too large."""
        if size > self._limit:
            raise HTTPException(
                413, f"the body is longer than {self._max_mb:g} MB"
            )

    def add(self, piece: bytes) -> None:
        """Takes the next piece."""
        self._content += piece
        self.check_size(len(self._content))

    def content(self) -> bytes:
        """Returns the body when all of it has come."""
        return bytes(self._content)


class GzipBody(PlainBody):
    """A body that is unpacked while it comes, up to the limit."""

    def __init__(self, max_mb: float):
        super().__init__(max_mb)
        self._unpacker = zlib.decompressobj(_GZIP)

    def add(self, piece: bytes) -> None:
        """Takes the next piece.

        Raises:
            DataError: it is no gzip data.
        """
        while piece:
            # Files that follow each other are one.
            if self._unpacker.eof:
                self._unpacker = zlib.decompressobj(_GZIP)
            room = self._limit + 1 - len(self._content)
            try:
                super().add(self._unpacker.decompress(piece, room))
            except zlib.error as error:
                raise DataError(
                    "the body is damaged, or not packed with gzip as its "
                    f"Content-Encoding says: {error}"
                ) from None
            piece = self._unpacker.unused_data or self._unpacker.unconsumed_tail

    def content(self) -> bytes:
        """Returns the body when all of it has come.

        Raises:
            DataError: its end is missing.
        """
        if not self._unpacker.eof:
            raise DataError("the body is cut off: its gzip data has no end")
        return super().content()


def unpacked(encoding: str, max_mb: float) -> PlainBody:
    """Makes the body of a request.

    Args:
        encoding: the request's Content-Encoding.
        max_mb: 10^6 bytes that it may have when it is unpacked.

    Raises:
        HTTPException: 415 where it is packed in another way.
    """
    name = encoding.strip().lower()
    if name in ("gzip", "x-gzip"):
        return GzipBody(max_mb)
    if name not in ("", "identity"):
        raise HTTPException(
            415, f"Content-Encoding {name!r}: expected gzip, or none"
        )
    return PlainBody(max_mb)
