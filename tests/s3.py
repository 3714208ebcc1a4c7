"""A real S3 server, moto's, for as long as a test lasts."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "nobody's",
    "AWS_EC2_METADATA_DISABLED": "true",
}
BUCKET = "bucket"
SECONDS_TO_START = 60.0


class S3Server:
    """On the loopback; what it holds lies in its memory, and is gone when it is stopped."""

    def __init__(self, host: str = "127.0.0.1"):
        self._host = host
        with closing(socket.socket()) as free:
            free.bind((host, 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, prefix: str, bucket: str = BUCKET) -> str:
        """As ``--results-dir`` takes it."""
        return f"s3://{bucket}/{prefix}?endpoint_override={self._host}:{self.port}&scheme=http"

    def start(self) -> None:
        command = [sys.executable, "-m", "moto.server", "-H", self._host, "-p", str(self.port)]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
        end = time.monotonic() + SECONDS_TO_START
        while not self._answers():
            assert self._process.poll() is None, "moto's server has ended"
            assert time.monotonic() < end, "moto's server does not answer"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with closing(socket.create_connection((self._host, self.port), 1)):
                return True
        except OSError:
            return False

    def stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def keys(self, prefix: str = "") -> list[str]:
        """Of what it holds, but for the empty objects that stand for folders."""
        from pyarrow.fs import FileSelector, FileSystem, FileType

        system, root = FileSystem.from_uri(self.url(prefix))
        everything = FileSelector(root, recursive=True, allow_not_found=True)
        found: list[Any] = system.get_file_info(everything)
        return sorted(info.path[len(root) + 1 :] for info in found if info.type == FileType.File)

    def read(self, key: str) -> str:
        from pyarrow.fs import FileSystem

        system, path = FileSystem.from_uri(self.url(key))
        with system.open_input_stream(path) as stream:
            return bytes(stream.read()).decode()

    def make_bucket(self) -> None:
        from pyarrow.fs import S3FileSystem

        system = S3FileSystem(
            endpoint_override=f"{self._host}:{self.port}",
            scheme="http",
            allow_bucket_creation=True,
        )
        system.create_dir(BUCKET)


@contextmanager
def own_s3(host: str = "127.0.0.1") -> Iterator[S3Server]:
    """With an empty bucket, and credentials for it in the environment. Skips the test where moto is
    not installed."""
    if find_spec("moto") is None:
        pytest.skip("moto is not installed")
    server = S3Server(host)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        server.start()
        try:
            server.make_bucket()
            yield server
        finally:
            server.stop()
