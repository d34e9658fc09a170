"""A headless Chromium, driven over its DevTools socket: just what the page tests need."""

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from tests.router.processes import ADDRESS, eventually

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--remote-debugging-port=0",
]  # fmt: skip


def chromium_binary() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


MOVED = ("Inspected target navigated or closed", "Cannot find context", "context was destroyed")


class PageMoved(Exception):
    """The page became another one while it was asked."""


class Browser:
    """One Chromium with one page; every *.localhost leads to the router under test."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        log = folder / "chromium.log"
        folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [
                str(chromium_binary()), *FLAGS, f"--user-data-dir={folder}/profile",
                f"--host-resolver-rules=MAP *.localhost {ADDRESS}:{port}", "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=log.open("wb"),
            env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
        found = eventually(lambda: re.search(r"ws://\S+", log.read_text(errors="replace")), 40)
        self.socket = connect(found[0], max_size=None, legacy=True)
        self.number = 0
        self.session: str | None = None
        self.console: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self.number += 1
        message: dict[str, Any] = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.recv(timeout=30))
            if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.console.append(json.dumps(answer["params"]))
            if answer.get("id") == self.number:
                if any(text in str(answer.get("error", "")) for text in MOVED):
                    raise PageMoved(answer)
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def complaints(self) -> list[str]:
        """Return what scripts threw and what the content security policy refused."""
        return [
            line
            for line in self.console
            if '"source": "network"' not in line
            and ('"level": "error"' in line or "exceptionDetails" in line)
        ]

    def size(self, width: int, height: int, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def scripts(self, on: bool) -> None:
        self.call("Emulation.setScriptExecutionDisabled", value=not on)

    def open(self, host: str, path: str = "/") -> None:
        self.call("Page.navigate", url=f"http://{host}{path}")
        eventually(lambda: self.evaluate("document.readyState") == "complete")

    def evaluate(self, expression: str) -> Any:
        def ask() -> dict[str, Any] | None:
            try:
                return self.call("Runtime.evaluate", expression=expression, returnByValue=True)
            except PageMoved:
                return None  # the new page is asked next

        return eventually(ask)["result"].get("value")

    def text(self) -> str:
        return str(self.evaluate("document.body ? document.body.innerText : ''"))

    def shot(self, path: Path) -> None:
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
