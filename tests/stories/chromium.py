"""Headless Chromium, driven by the DevTools protocol over a pair of pipes."""

import itertools
import json
import os
import select
import shutil
import subprocess

from wire import PATIENCE

PROGRAM = shutil.which("chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--no-proxy-server", "--remote-debugging-pipe"]


class Chromium:
    """One browser with a profile of its own. visit() opens a page and waits until it has loaded; run() evaluates in it."""

    def __init__(self, folder):
        to_read, self.out = os.pipe()
        self.into, to_write = os.pipe()

        def pipes():  # the browser reads commands from descriptor 3 and writes to 4
            above = [os.dup(fd) for fd in (to_read, to_write)]
            while min(above) < 5:
                above = [os.dup(fd) for fd in above]
            os.dup2(above[0], 3)
            os.dup2(above[1], 4)

        self.process = subprocess.Popen([PROGRAM, *FLAGS, f"--user-data-dir={folder}", "about:blank"], preexec_fn=pipes, close_fds=False,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env={"PATH": os.environ["PATH"], "HOME": str(folder)})
        os.close(to_read)
        os.close(to_write)
        self.numbers = itertools.count(1)
        self.buffer = b""
        self.session = None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.ask("Page.enable")

    def message(self):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.into], [], [], PATIENCE * 3)
            piece = os.read(self.into, 65536) if ready else b""
            assert piece, "chromium says nothing"
            self.buffer += piece
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def ask(self, method, **params):
        number = next(self.numbers)
        command = {"id": number, "method": method, "params": params} | ({"sessionId": self.session} if self.session else {})
        os.write(self.out, json.dumps(command).encode() + b"\0")
        while (answer := self.message()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def visit(self, url):
        """The URL where the page came to be."""
        self.ask("Page.navigate", url=url)
        while self.message().get("method") != "Page.loadEventFired":
            pass
        return self.run("location.href")

    def run(self, script):
        """The value of an expression, awaited when it is a promise; "threw NAME" when it failed."""
        result = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            return "threw " + result["exceptionDetails"].get("exception", {}).get("className", "?")
        return result["result"].get("value")

    def end(self):
        os.close(self.out)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.into)
