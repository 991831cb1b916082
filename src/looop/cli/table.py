"""The table of verbs: what each is called, where it lives, and what one line says of it."""

from typing import NamedTuple

__all__ = ["GROUPS", "VERBS", "Verb"]


class Verb(NamedTuple):
    """`module` is imported only when the verb is used."""

    module: str
    group: str
    summary: str


GROUPS = {
    "loop": "The loop",
    "look": "Looking",
    "steer": "Steering",
    "session": "Sessions",
    "worker": "What workers call",
    "self": "The program itself",
}

VERBS: dict[str, Verb] = {
    "init": Verb("setup", "loop", "lay a profile and choose who decides"),
    "tick": Verb("loop", "loop", "one beat now, and its verdict"),
    "up": Verb("crew", "loop", "run the loop detached, in a session of its own"),
    "down": Verb("crew", "loop", "end the loop, and its workers"),
    "service": Verb("crew", "loop", "have the loop started at boot"),
    "demo": Verb("loop", "loop", "watch the whole loop work, in a throw-away profile"),
    "status": Verb("look", "look", "what the loop does or does not do now, and why"),
    "state": Verb("look", "look", "the world as the loop knows it"),
    "asks": Verb("look", "look", "what waits for you"),
    "journal": Verb("look", "look", "one line for each move"),
    "events": Verb("look", "look", "everything that happened, for programs"),
    "cost": Verb("look", "look", "what it cost"),
    "history": Verb("look", "look", "every change of policy files"),
    "doctor": Verb("setup", "look", "check settings, rules, sensors and programs"),
    "answer": Verb("steer", "steer", "answer an ask, or approve a held move"),
    "goal": Verb("steer", "steer", "list, show, write or archive goals"),
    "playbook": Verb("steer", "steer", "show or write the PLAYBOOK"),
    "sensor": Verb("sensor", "steer", "list, run or write sensors"),
    "schedule": Verb("steer", "steer", "list, write or drop timers"),
    "run": Verb("steer", "steer", "run one command as a move of yours, on the record"),
    "undo": Verb("steer", "steer", "take back one change of policy files"),
    "ls": Verb("crew", "session", "all sessions, and how they are"),
    "start-session": Verb("crew", "session", "start a worker, or any program, in a terminal"),
    "attach": Verb("drive", "session", "be at its terminal; Ctrl-\\ twice to leave"),
    "watch": Verb("drive", "session", "look over its shoulder; Ctrl-C to leave"),
    "detach": Verb("drive", "session", "part everyone from its terminal"),
    "log": Verb("drive", "session", "what it printed"),
    "shot": Verb("drive", "session", "its screen, as text, JSON, page or picture"),
    "send": Verb("drive", "session", "type a text and submit it"),
    "key": Verb("drive", "session", "press keys"),
    "expect": Verb("drive", "session", "wait until it shows something"),
    "wait": Verb("drive", "session", "wait for its end"),
    "wait-idle": Verb("drive", "session", "wait until it is quiet"),
    "resize": Verb("drive", "session", "change the size of its terminal"),
    "restart": Verb("crew", "session", "end it and run the same command again"),
    "kill": Verb("crew", "session", "end it and everything it started"),
    "prune": Verb("crew", "session", "remove what ended sessions left"),
    "claim": Verb("callback", "worker", "take a lease on a name"),
    "unclaim": Verb("callback", "worker", "give it back"),
    "flag": Verb("callback", "worker", "have a human look at this worker"),
    "unflag": Verb("callback", "worker", "take the flag down"),
    "done": Verb("callback", "worker", "say how the work ended, and end"),
    "hook": Verb("callback", "worker", "take what an agent CLI tells of itself, on stdin"),
    "shell-worker": Verb("callback", "worker", "work through the shell block of a brief"),
    "config": Verb("about", "self", "shell completion, and every setting"),
    "schema": Verb("about", "self", "the JSON Schema of a decision"),
    "help": Verb("about", "self", "this manual, or one verb of it"),
    "version": Verb("about", "self", "the version"),
}
