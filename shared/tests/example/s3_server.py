"""A bucket in this process: as much of S3 as keeping and giving back objects takes."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

_XML = "<?xml version='1.0' encoding='UTF-8'?>"


class S3Server(ThreadingHTTPServer):
    """:ivar objects: path to bytes; :ivar uploads: those that came in part, by upload id."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.signed = True

    @property
    def url(self) -> str:
        """Address of a bucket and a prefix in it, with an access key and a secret."""
        return f"http://key:secret@127.0.0.1:{self.server_port}/crm/customer"


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A bucket for the time of the block."""
    with S3Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: S3Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        pass

    @property
    def _path(self) -> str:
        return unquote(urlsplit(self.path).path)

    @property
    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def _body(self) -> bytes:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "AWS4-HMAC-SHA256" not in self.headers.get("Authorization", ""):
            self.server.signed = False
        return raw

    def _answer(self, status: int, body: bytes | str = b"", **headers: str) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_PUT(self) -> None:
        body, query = self._body(), self._query
        if "uploadId" in query:
            self.server.uploads[query["uploadId"][0]][int(query["partNumber"][0])] = body
        else:
            self.server.objects[self._path] = body
        self._answer(200, ETag='"tag"')

    def do_POST(self) -> None:
        body, query, path = self._body(), self._query, self._path
        if "uploads" in query:
            upload = f"upload-{len(self.server.uploads)}"
            self.server.uploads[upload] = {}
            inner = f"<Bucket>crm</Bucket><Key>{path}</Key><UploadId>{upload}</UploadId>"
            self._answer(
                200,
                f"{_XML}<InitiateMultipartUploadResult>{inner}</InitiateMultipartUploadResult>",
            )
        elif "uploadId" in query:
            parts = self.server.uploads.pop(query["uploadId"][0])
            self.server.objects[path] = b"".join(parts[number] for number in sorted(parts))
            inner = f"<Bucket>crm</Bucket><Key>{path}</Key><ETag>tag</ETag>"
            self._answer(
                200,
                f"{_XML}<CompleteMultipartUploadResult>{inner}</CompleteMultipartUploadResult>",
            )
        else:
            for element in ElementTree.fromstring(body).iter():
                if re.search(r"(^|})Key$", element.tag):
                    self.server.objects.pop(f"{path.rstrip('/')}/{element.text}", None)
            self._answer(200, f"{_XML}<DeleteResult></DeleteResult>")

    def do_DELETE(self) -> None:
        self._body()
        self.server.uploads.pop(self._query["uploadId"][0], None)
        self._answer(204)

    def do_GET(self) -> None:
        self._body()
        found = self.server.objects.get(self._path)
        if found is None:
            problem = f"<Code>NoSuchKey</Code><Message>no</Message><Key>{self._path}</Key>"
            self._answer(404, f"{_XML}<Error>{problem}</Error>", Content_Type="application/xml")
        else:
            self._answer(200, found)
