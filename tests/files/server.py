"""A real HTTP server on loopback that can be told to misbehave."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """Pages by path, and what to do wrong.

    Attributes:
        faults: By path, one per request until used up: a status code, or `cut N`: close after N bytes.
        requests: What was asked: path and Range header.
        resumes: Whether ranges are served.
    """

    pages: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[int | str]] = field(default_factory=lambda: defaultdict(list))
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    tag: str = '"one"'
    resumes: bool = True
    address: str = ""


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site, asked = self.site, self.headers.get("Range")
        site.requests.append((self.path, asked))
        fault = site.faults[self.path].pop(0) if site.faults[self.path] else None
        if isinstance(fault, int) or self.path not in site.pages:
            self.send_response(fault if isinstance(fault, int) else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        page, start = site.pages[self.path], 0
        if asked and site.resumes and self.headers.get("If-Range") == site.tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(page):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(page) - 1}/{len(page)}")
        self.send_header("ETag", site.tag)
        self.send_header("Content-Length", str(len(page) - start))
        self.end_headers()
        stop = start + int(fault.split()[1]) if isinstance(fault, str) else len(page)
        self.wfile.write(page[start:stop])
        self.close_connection = True

    def log_message(self, *words: object) -> None:
        """Stay silent."""


@contextmanager
def serving() -> Iterator[Site]:
    """Run a server for as long as the block lasts."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"site": site}))
    site.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
