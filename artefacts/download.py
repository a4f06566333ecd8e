"""A file from an address: whole and with the expected digest, or not at all."""

import http.client
import re
import socket
import ssl
import sys
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from artefacts.errors import UserError
from artefacts.files import replacing

ATTEMPTS = 4
PAUSE = 2.0  # seconds before the second attempt; twice as long before each further one
STALLED = 30.0  # seconds without a byte after which a connection counts as broken
# What a broken connection raises. Not every OSError: a full disk is none.
BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)


class OtherDigest(Exception):
    """What arrived has another digest: a connection that was cut off looks so, and so does another file."""


def download(url: str, path: Path, digits: str) -> None:
    """Write what is at `url` to `path` atomically, if its SHA-256 begins with `digits`. Shows progress.

    A broken connection is tried again, some seconds later. Raises UserError, with nothing written, if it stays broken,
    or if there is no such file.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            return _attempt(url, path, digits)
        except (OtherDigest, *BROKEN) as error:
            reason = _reason(error)
            if _is_final(error):
                break
        print(f"{url}: {reason}; attempt {attempt + 1} of {ATTEMPTS}", file=sys.stderr)
    raise UserError(f"{path}: cannot be downloaded from {url} ({reason}); get it some other way and put it there")


def _attempt(url: str, path: Path, digits: str) -> None:
    with replacing(path) as temporary, _timeout(STALLED):
        try:
            torch.hub.download_url_to_file(url, str(temporary), digits)
        except RuntimeError as error:
            found = re.search(r'got "([0-9a-f]+)"', str(error))
            if found is None:
                raise
            raise OtherDigest(f"its SHA-256 begins with {found[1][:16]}, not with {digits}") from None


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Sockets that are opened meanwhile give up after so long: torch's function sets no time itself."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _is_final(error: Exception) -> bool:
    """Whether the server's answer will be the same the next time: no such file, or none for us."""
    return isinstance(error, urllib.error.HTTPError) and error.code in (400, 401, 403, 404, 405, 410)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server says {error.code} {error.reason}"
    reason = getattr(error, "reason", error)
    return " ".join(str(reason).split()) or type(error).__name__
