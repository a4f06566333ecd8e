"""A headless Chromium, spoken to over a pipe: no driver, no port, no network."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OFFLINE = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND")


class Page:
    """An open page. `errors` are what its console said of errors, and exceptions that nothing caught."""

    def __init__(self, process: subprocess.Popen, commands: int, answers: int) -> None:
        self._process, self._commands, self._answers = process, commands, os.fdopen(answers, "rb")
        self._number, self._session, self.errors = 0, None, []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    def open(self, file: Path) -> None:
        """Load a file and wait until it is there."""
        self._call("Page.navigate", url=file.resolve().as_uri())
        self.evaluate(
            "new Promise(done => document.readyState == 'complete' ? done() : addEventListener('load', done))"
        )

    def evaluate(self, script: str) -> object:
        """The value of a JavaScript expression, of a promise once it is kept."""
        answer = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def _call(self, method: str, **parameters: object) -> dict:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._message())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._listen(answer)

    def _message(self) -> bytes:
        message = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has gone"
            message += byte
        return bytes(message)

    def _listen(self, event: dict) -> None:
        details = event.get("params", {})
        serious = {
            "Runtime.exceptionThrown": True,
            "Runtime.consoleAPICalled": details.get("type") in ("error", "assert"),
            "Log.entryAdded": details.get("entry", {}).get("level") == "error",
        }
        if serious.get(event.get("method")):
            self.errors.append(details)


@contextmanager
def browsing() -> Iterator[Page]:
    """A page of a browser that ends with the block."""
    commands_in, commands_out = os.pipe()
    answers_in, answers_out = os.pipe()
    with tempfile.TemporaryDirectory() as profile:
        command = [CHROMIUM, "--headless", *OFFLINE, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
        # Chromium reads commands from descriptor 3 and answers on 4. (sh knows descriptors of one digit only.)
        shell = ["bash", "-c", f'exec "$@" 3<&{commands_in} 4>&{answers_out}', "bash", *command]
        with subprocess.Popen(
            shell, pass_fds=(commands_in, answers_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            os.close(commands_in)
            os.close(answers_out)
            try:
                yield Page(process, commands_out, answers_in)
            finally:
                process.terminate()
                process.wait()
                os.close(commands_out)
