"""A real HTTP server that takes messages, refuses them, is silent, or does what a test says."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

WITHIN_S = 30.0


class Post(NamedTuple):
    """What came."""

    path: str
    headers: dict[str, str]
    body: Any


class Receiver:
    """What a server got, and how it answers the next ones."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.statuses: list[int] = []
        """Of the next answers, in order; 200 after them."""
        self.headers: dict[str, str] = {}
        self.silent = threading.Event()
        """While it is set, no answer begins."""
        self.before: Callable[[], None] = lambda: None
        """Called when a message is there, before the answer."""
        self.after: Callable[[], None] = lambda: None
        """Called when the answer is in the hands of the kernel."""
        self.answer: dict[str, Any] = {}
        self.port = 0
        self.came = threading.Condition()

    @property
    def url(self) -> str:
        """The address, whose path is a secret."""
        return f"http://127.0.0.1:{self.port}/s3cr3t"

    def wait(self, number: int) -> list[Post]:
        """The messages, once there are so many."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.posts) >= number, WITHIN_S), self.posts
            return list(self.posts)


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""

    def do_POST(self) -> None:
        """Take a message."""
        receiver = self.receiver
        text = self.rfile.read(int(self.headers["Content-Length"]))
        with receiver.came:
            receiver.posts.append(Post(self.path, dict(self.headers), json.loads(text)))
            status = receiver.statuses.pop(0) if receiver.statuses else 200
            receiver.came.notify_all()
        receiver.before()
        while receiver.silent.is_set():
            time.sleep(0.01)
        content = json.dumps(receiver.answer).encode()
        try:
            self.send_response(status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()
        except OSError:
            return
        receiver.after()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A server until the end of the context."""
    receiver = Receiver()
    handler = type("Handler", (_Handler,), {"receiver": receiver})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    receiver.port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.silent.clear()
        server.shutdown()
        server.server_close()
        thread.join()
