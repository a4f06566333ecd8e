"""A running `reid browse`, for tests that speak to it."""

import http.client
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import PROJECT

# Runs `reid`, and names on standard error whatever it asks of another machine.
WATCHED = """
import sys
def listen(event, given):
    host = {"socket.connect": lambda: given[1][0], "socket.getaddrinfo": lambda: given[0]}.get(event, lambda: None)()
    if host not in (None, "127.0.0.1", "localhost"):
        print("asked", host, file=sys.stderr)
sys.addaudithook(listen)
from reid.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


class Server:
    """`command`, a `reid browse` on any port; `folder` gets its standard error, log.txt, and what people drop."""

    def __init__(self, folder: Path, command: list[str], cwd: Path = PROJECT) -> None:
        self.photos, self.log = folder / "photos", folder / "log.txt"
        (folder / "tmp").mkdir()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(PROJECT), "PATH": path}
        with open(self.log, "w") as log:
            told = {"cwd": cwd, "env": environment, "text": True, "stderr": log}
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, **told)
        line = self.process.stdout.readline()  # empty once it has ended
        assert line.startswith("http://127.0.0.1:"), self.log.read_text()
        self.port = int(re.search(r":(\d+) ", line)[1])

    def stop(self) -> int:
        """Its exit status, once it is interrupted as by Ctrl+C."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Status and body of a request for exactly this path."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.putrequest("GET", path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
