"""The verdict on one move with 20 CEL rules in front of the built-in policy."""

from functools import partial

import harness
from harness import Row
from looop.kit.expr import engine
from looop.loop.admit import rules, shell
from looop.loop.admit.policy import Request
from looop.loop.decide import reflexes
from looop.model.actions import RunShell
from looop.model.world import Reading, World

RULES = 20
CALLS = 50


def _rule(number: int) -> tuple[str, str]:
    when = (
        f"action.action == 'run_shell' && action.cmd.startsWith('deploy-{number} ') "
        f"&& sensors.s{number:03d}.signal.n > 3"
    )
    return when, f'[[rule]]\nname = "r{number}"\nwhen = "{when}"\nverdict = "hold"\n'


def _facts() -> dict[str, object]:
    readings = {
        f"sensor-s{n:03d}": Reading(name=f"sensor-s{n:03d}", signal={"n": n, "level": "fine"})
        for n in range(50)
    }
    world = World(playbook="", goals={}, readings=readings, items={}, hash="", policy="")
    return reflexes.facts(world, 1_800_000_000.0, ["goal:g", "snap:sensor-s001"])


def measure(smoke: bool) -> Row:
    """Time of one verdict; reference: the first rule's condition alone, as often as rules."""
    text = "\n".join(_rule(number)[1] for number in range(RULES))
    facts = _facts()
    command = "git push origin main"
    request = Request(
        action=RunShell(cmd=command),
        origin="runner",
        autonomy="guarded",
        shells={"cmd": shell.analyse(command)},
    )
    loaded = rules.load(text)
    assert len(loaded.rules) == RULES, loaded.broken
    one = engine(["action"]).compile("action.cmd.startsWith('deploy-0 ')")

    def verdict() -> None:
        for _ in range(CALLS):
            said = rules.admit(request, loaded, facts)
            assert said.verdict == "hold", said

    def bare() -> None:
        for _ in range(CALLS * RULES):
            one.value({"action": {"cmd": command}})

    here, reference, load = harness.interleaved(
        3 if smoke else 40,
        partial(harness.cpu_ms, verdict),
        partial(harness.cpu_ms, bare),
        partial(harness.cpu_ms, lambda: rules.load(text)),
    )
    each_us, bare_us = (harness.median(taken) / CALLS * 1000 for taken in (here, reference))
    return Row(
        figure=f"policy: verdict with {RULES} CEL rules, 50 sensors",
        target="",
        here=f"{each_us:.0f} us; to load {harness.median(load):.3g} ms",
        reference=f"{bare_us:.0f} us",
        ratio=each_us / bare_us,
        method=f"{RULES} bare CEL conditions on a small map",
        met=None,
    )


if __name__ == "__main__":
    harness.main(measure)
