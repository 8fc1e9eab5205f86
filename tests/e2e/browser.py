"""A real Chromium without a window, driven by keys over its DevTools pipe: no driver, no port, no package.

Messages are JSON with a NUL behind each, on the browser's file descriptors 3 and 4. Only loopback can be reached, and
what the page asks for is kept.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAM = shutil.which("chromium")
# fmt: off
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-component-update", "--disable-background-networking", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--mute-audio", "--remote-debugging-pipe",
)
# fmt: on
LOOPBACK_ONLY = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
KEYS = {"Tab": 9, "Enter": 13, " ": 32}
CONTROL, SHIFT = 2, 8


class Browser:
    """One browser with one page.

    Attributes:
        requests: Address of everything that the page asked for.
        complaints: What the page's console and its security policy said.
    """

    def __init__(self, seconds: float = 60) -> None:
        """Start it.

        Args:
            seconds: How long any one wait may take.
        """
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._patience = seconds
        self._number = 0
        self._loaded: set[str] = set()
        self._unread = b""
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        self._session: str | None = None
        self._process, self._write, self._read = _start(self._profile)
        try:
            target = self._call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                self._call(f"{domain}.enable")
            self._call("Page.setLifecycleEventsEnabled", enabled=True)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Browser":
        """Be used in a with statement."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it and everything that it started."""
        self.close()

    def close(self) -> None:
        """Do that."""
        os.close(self._write)
        os.close(self._read)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)
        shutil.rmtree(self._profile, ignore_errors=True)

    def look(self, width: int, height: int, scheme: str = "light") -> None:
        """Set the window's size and the colours that its user prefers."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        preferences = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self._call("Emulation.setEmulatedMedia", features=preferences)

    def open(self, url: str) -> None:
        """Load a page and wait until it is there: this one, and not the one before, which may have the same address."""
        loader = self._call("Page.navigate", url=url)["loaderId"]
        deadline = time.monotonic() + self._patience
        while loader not in self._loaded:
            self._note(self._receive(deadline))

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression in the page; DevTools may do so whatever the page's policy says."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait until an expression is true; give its value."""
        deadline = time.monotonic() + self._patience
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expression}; the page says: {self.evaluate('document.body.innerText')}")
            time.sleep(0.02)
        return value

    def text(self, selector: str) -> str:
        """What an element shows."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._call("Input.insertText", text=text)

    def press(self, key: str, modifiers: int = 0) -> None:
        """Press and release a key: a real event, with what the browser does on it."""
        what = {"key": key, "code": "Space" if key == " " else key, "modifiers": modifiers}
        what["windowsVirtualKeyCode"] = KEYS[key]
        text = {} if key == "Tab" or modifiers & CONTROL else {"text": "\r" if key == "Enter" else key}
        self._call("Input.dispatchKeyEvent", type="keyDown", **what, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", **what)

    def picture(self, path: Path) -> None:
        """Save what it looks like, all of it."""
        data = self._call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + self._patience
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._number:
                break
            self._note(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._unread:
            if not select.select([self._read], [], [], max(deadline - time.monotonic(), 0))[0]:
                raise TimeoutError("the browser does not answer")
            more = os.read(self._read, 1 << 16)
            if not more:
                raise RuntimeError(f"the browser ended with status {self._process.wait(timeout=10)}")
            self._unread += more
        raw, self._unread = self._unread.split(b"\0", 1)
        message: dict[str, Any] = json.loads(raw)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        content = event.get("params", {})
        if event.get("method") == "Network.requestWillBeSent":
            self.requests.append(content["request"]["url"])
        elif event.get("method") == "Page.lifecycleEvent" and content["name"] == "load":
            self._loaded.add(content["loaderId"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(content["exceptionDetails"]))
        elif event.get("method") == "Log.entryAdded" and content["entry"]["source"] == "security":
            self.complaints.append(content["entry"]["text"])


def _start(profile: str) -> tuple[subprocess.Popen[bytes], int, int]:
    if PROGRAM is None:
        raise FileNotFoundError("no chromium on this machine: apt-get install chromium")
    theirs_read, write = os.pipe()
    read, theirs_write = os.pipe()
    # High numbers, so that none of them is 3 or 4 by chance, which the browser wants.
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (theirs_read, theirs_write)]
    line = ["bash", "-c", f'exec "$@" 3<&{high[0]} 4>&{high[1]}', "bash", PROGRAM, *FLAGS, LOOPBACK_ONLY]
    process = subprocess.Popen(
        [*line, f"--user-data-dir={profile}"],
        pass_fds=high,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for fd in (theirs_read, theirs_write, *high):
        os.close(fd)
    return process, write, read
