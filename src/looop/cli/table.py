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
    "self": "The program itself",
}

VERBS: dict[str, Verb] = {
    "init": Verb("setup", "loop", "lay a profile and choose who decides"),
    "tick": Verb("loop", "loop", "one beat now, and its verdict"),
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
    "config": Verb("about", "self", "shell completion, and every setting"),
    "schema": Verb("about", "self", "the JSON Schema of a decision"),
    "help": Verb("about", "self", "this manual, or one verb of it"),
    "version": Verb("about", "self", "the version"),
}
