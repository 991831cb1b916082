"""
A program like the terminal interface of an agent, which tests of typing and waiting talk to.

Run by path. Options: `spin` repaints with something that changes, `clock` repaints the same,
`ask` asks the terminal who it is and waits for that, `alt` uses the alternate screen, `kitty`
asks for the enhanced keyboard and shows every key, `deaf=N` ignores the first N Enters,
`slow=S` waits that many seconds before it shows a submitted text, `plain` has no paste.
"""

import os
import re
import select
import signal
import sys
import termios
import time
import tty

OPTIONS = {word.partition("=")[0]: word.partition("=")[2] for word in sys.argv[1:]}
PASTE_S = 0.1
BURST = 64
KEY = re.compile(rb"\x1b[\[O][\d;:?<>=]*[A-Za-z~]|\x1b?(?:[\xc0-\xff][\x80-\xbf]+|[^\x1b])|\x1b")
QUERIES = b"\x1b[c\x1b[6n\x1b]11;?\x07"
RESIZED, WAKE = os.pipe()
ANSWERS = (rb"\x1b\[\?[\d;]*c", rb"\x1b\[\d+;\d+R", rb"\x1b\]11;rgb:[^\x07\x1b]*(?:\x07|\x1b\\)")


class Agent:
    def __init__(self) -> None:
        self.text = ""
        self.pasted: str | None = None
        self.paste_at = 0.0
        self.inbox = b""
        self.in_paste = False
        self.notes: dict[str, str] = {}
        self.history: list[str] = []
        self.frames = 0
        self.deaf = int(OPTIONS.get("deaf") or 0)
        self.code: int | None = None

    def paint(self) -> None:
        self.frames += 1
        columns, rows = os.get_terminal_size(1)
        spinner = "|/-\\"[self.frames % 4] if "spin" in OPTIONS else "*"
        body = (self.text or "").split("\n")
        lines = [*self.history, f"{spinner} ready", "─" * (columns - 1)]
        lines += [("> " if n == 0 else "  ") + line for n, line in enumerate(body)]
        lines += ["─" * (columns - 1), f"  size {columns}x{rows}"]
        cut = max(0, len(lines) - rows)
        shown = [line[: columns - 1] for line in lines[cut:]]
        row, column = len(shown) - 2, 3 + len(body[-1])
        out = "\x1b[?25l\x1b[H\x1b[2J" + "\r\n".join(shown) + f"\x1b[{row};{column}H\x1b[?25h"
        write(out.encode())

    def commit(self) -> None:
        pasted, self.pasted = self.pasted or "", None
        if "\n" in pasted or len(pasted) > 200:
            note = f"[Pasted text #{len(self.notes) + 1} +{pasted.count(chr(10))} lines]"
            self.notes[note] = pasted
            pasted = note
        self.text += pasted
        self.paint()

    def enter(self) -> None:
        if self.pasted is not None:
            self.pasted += "\n"
            self.paste_at = time.monotonic() + PASTE_S
            return
        if self.deaf:
            self.deaf -= 1
            self.text += "\n"
            return
        text, self.text = self.text, ""
        if text == "/exit":
            self.code = 0
            return
        time.sleep(float(OPTIONS.get("slow") or 0))
        whole = text
        for note, pasted in self.notes.items():
            whole = whole.replace(note, pasted)
        lines = whole.count("\n") + 1
        self.history += [f"» {text}", f"took {len(whole)} characters in {lines} lines", ""]

    def hear(self, data: bytes) -> None:
        burst = len(data) > BURST and b"\x1b[200~" not in data
        self.inbox += data
        while self.inbox:
            if self.in_paste:
                inside, found, rest = self.inbox.partition(b"\x1b[201~")
                if not found:
                    return
                self.pasted = (self.pasted or "") + inside.decode()
                self.paste_at = time.monotonic() + PASTE_S
                self.in_paste, self.inbox = False, rest
                continue
            match = KEY.match(self.inbox)
            assert match is not None
            self.inbox = self.inbox[match.end() :]
            self.key(match[0], burst=burst)
        self.paint()

    def key(self, key: bytes, *, burst: bool) -> None:
        if key == b"\x1b[200~":
            self.in_paste = True
        elif "kitty" in OPTIONS:
            self.history.append(f"key {key.hex()}")
        elif key == b"\r":
            self.enter() if not burst else self.add("\n")
        elif key == b"\x03":
            self.code = 130
        elif key == b"\n" or key >= b" ":
            self.add(key.decode("utf-8", "replace"))
        else:
            self.history.append(f"key {key.hex()}")

    def add(self, text: str) -> None:
        self.text += text

    def run(self) -> int:
        self.paint()
        tick = 0.05 if OPTIONS.keys() & {"spin", "clock"} else None
        while self.code is None:
            waits = [0.02] if self.pasted is not None else []
            waits += [tick] if tick else []
            ready = select.select([0, RESIZED], [], [], min(waits, default=None))[0]
            if RESIZED in ready:
                os.read(RESIZED, 512)
                self.paint()
            elif ready:
                data = os.read(0, 65536)
                if not data:
                    return 1
                self.hear(data)
            elif tick:
                self.paint()
            if self.pasted is not None and time.monotonic() >= self.paste_at:
                self.commit()
        return self.code


def write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def introduce() -> None:
    """Ask who the terminal is, as most programs do; go on when it has said it all."""
    write(QUERIES)
    said = b""
    while not all(re.search(answer, said) for answer in ANSWERS):
        if not select.select([0], [], [], 5)[0]:
            write(b"nobody answers\r\n")
            sys.exit(3)
        said += os.read(0, 4096)


def main() -> int:
    os.set_blocking(WAKE, False)
    signal.set_wakeup_fd(WAKE)
    signal.signal(signal.SIGWINCH, lambda _number, _frame: None)
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        if "alt" in OPTIONS:
            write(b"\x1b[?1049h")
        if "plain" not in OPTIONS:
            write(b"\x1b[?2004h")
        if "kitty" in OPTIONS:
            write(b"\x1b[>1u")
        if "ask" in OPTIONS:
            introduce()
        return Agent().run()
    finally:
        write(b"\x1b[?2004l\x1b[?1049l\x1b[<u" if "alt" in OPTIONS else b"\x1b[?2004l\x1b[<u\r\n")
        termios.tcsetattr(0, termios.TCSANOW, before)


if __name__ == "__main__":
    sys.exit(main())
