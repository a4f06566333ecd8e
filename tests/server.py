"""A server on this machine that answers each request in turn as it is told to, for tests of downloads."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 1024
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:8]
NAME = f"weights-{DIGITS}.pth"

Answer = Callable[[BaseHTTPRequestHandler], None]


def right(request: BaseHTTPRequestHandler, content: bytes = CONTENT) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(CONTENT)))
    request.end_headers()
    request.wfile.write(content)


def other(request: BaseHTTPRequestHandler) -> None:
    """Another file of the same length."""
    right(request, CONTENT[::-1])


def cut_off(request: BaseHTTPRequestHandler) -> None:
    """Half of the file, then the connection is closed."""
    right(request, CONTENT[: len(CONTENT) // 2])


def stalls(request: BaseHTTPRequestHandler) -> None:
    """Half of the file, and then nothing while the server is up."""
    cut_off(request)
    request.wfile.flush()
    request.server.ends.wait(20)


def fails(code: int) -> Answer:
    return lambda request: request.send_error(code)


@contextmanager
def answering(*answers: Answer) -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and the paths that it was asked for; the last answer is given for ever."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answers[min(len(asked), len(answers)) - 1](self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.ends = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.ends.set()
        server.shutdown()
        thread.join()
        server.server_close()
