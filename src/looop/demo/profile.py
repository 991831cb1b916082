"""What the demonstration's profile is made of: sensors over a real checkout, and reflexes."""

import shlex
from pathlib import Path

__all__ = ["PLAYBOOK", "files"]

PLAYBOOK = """\
# PLAYBOOK of the demonstration

Keep an eye on the checkout and on the inbox. Prepare what the inbox asks for; a human decides
about everything that cannot be taken back.
"""

_GIT = """\
#!/bin/sh
# looop: trust=repo
# The commit and the number of changed files wake the loop.
cd {repo} || exit 1
head=$(git rev-parse --short HEAD 2>/dev/null || echo none)
dirty=$(git status --porcelain 2>/dev/null | wc -l)
printf '{{"signal": {{"head": "%s", "changed_files": %d}}}}\\n' "$head" "$dirty"
"""

_DISK = """\
#!/bin/sh
# looop: trust=own
# Only the level wakes the loop; the exact number would wake it at every look.
used=$(df -P {repo} | awk 'NR == 2 {{ sub("%", "", $5); print $5 }}')
level=fine; [ "$used" -ge 95 ] && level=low
printf '{{"signal": {{"level": "%s"}}, "detail": {{"used_percent": %d}}}}\\n' "$level" "$used"
"""

_INBOX = """\
#!{python}
# looop: trust=own
# A sensor is any program that prints one JSON object.
import json
lines = open({inbox!r}).read().split("\\n")[:-1]
print(json.dumps({{"signal": {{"count": len(lines), "last": lines[-1] if lines else ""}}}}))
"""

# A real worker has a model; the embedded one runs the shell block of its brief, in the same
# terminal, under the same supervisor, with the same contract.
BRIEF = """\
Summarise what the checkout is made of in SUMMARY.md, under the title that you are told.

```sh
echo "What is this checkout made of?"
git ls-files | sed 's/.*[.]//' | sort | uniq -c | sort -rn | head -n 5 | tee counts
read -r -p 'Under which title? ' title
printf '# %s\\n\\n' "$title" | cat - counts > SUMMARY.md && rm counts
git add SUMMARY.md
git -c user.name=worker -c user.email=worker@localhost commit --quiet -m "Summarise"
cp SUMMARY.md "$LOOOP_REPORTS_DIR/summarise.md"
echo "SUMMARY.md is written"
```
"""

_REFLEXES = """\
[[reflex]]
name = "look-at-the-checkout"
when = "'watch-the-checkout' in goals"
[reflex.do]
action = "run_shell"
cmd = "git -C {repo} status --short --branch"
goal = "watch-the-checkout"
journal = "looked at the state of the checkout"

[[reflex]]
name = "mend-a-broken-sensor"
when = "!sensors.disk.ok"
[reflex.do]
action = "write_goal"
id = "mend-the-disk-sensor"
body = "goal: the disk sensor works again\\n\\nIt said: ${{sensors.disk.detail.message}}"
journal = "the disk sensor is broken; wrote a goal to mend it"

[[reflex]]
name = "clean-when-asked"
when = "sensors.inbox.signal.last == 'please clean up'"
[reflex.do]
action = "run_shell"
cmd = "rm -r {scratch}/build"
journal = "the inbox asks to remove the build output"

[[reflex]]
name = "publish-when-asked"
when = "sensors.inbox.signal.last == 'publish it, quick'"
[reflex.do]
action = "run_shell"
cmd = "git -C {repo} push --force origin main"
journal = "the inbox asks to publish"

[[reflex]]
name = "summarise-when-asked"
when = "sensors.inbox.signal.last == 'please summarise the checkout'"
[reflex.do]
action = "start_worker"
id = "summarise"
goal = "watch-the-checkout"
workspace = "worktree:{clone}"
verify = "grep -q '^# ' SUMMARY.md && git diff --quiet HEAD"
journal = "a worker summarises the checkout"
prompt = '''
{brief}'''

[[reflex]]
name = "the-worker-has-ended"
when = "'summarise' in sessions && sessions.summarise.health == 'dead'"
[reflex.do]
action = "send_notification"
message = "summarise: ${{sessions.summarise.outcome}}, check: ${{sessions.summarise.verify}}"
journal = "told the human how the worker did"

[[reflex]]
name = "inbox-has-news"
when = "sensors.inbox.signal.count > 0"
[reflex.do]
action = "send_notification"
message = "Inbox, line ${{string(sensors.inbox.signal.count)}}: ${{sensors.inbox.signal.last}}"
journal = "told the human what is new in the inbox"
"""


def files(repo: Path, clone: Path, scratch: Path, python: str) -> dict[str, str]:
    """The profile's files by name; sensors are those under `sensors/`."""
    words = {
        "repo": shlex.quote(str(repo)),
        "scratch": shlex.quote(str(scratch)),
        "inbox": str(scratch / "inbox.txt"),
        "python": python,
    }
    # The reflexes stand in TOML strings, so what is put into them must not end one.
    toml = {key: value.replace("\\", "\\\\").replace('"', '\\"') for key, value in words.items()}
    # A workspace is no shell text, and the brief stands in a string that escapes nothing.
    toml["clone"] = str(clone).replace("\\", "\\\\").replace('"', '\\"')
    toml["brief"] = BRIEF
    return {
        "PLAYBOOK.md": PLAYBOOK,
        "goals/watch-the-checkout.md": "goal: know what happens in the checkout\n",
        "sensors/git.sh": _GIT.format(**words),
        "sensors/disk.sh": _DISK.format(**words),
        "sensors/inbox.py": _INBOX.format(**words),
        "reflexes.toml": _REFLEXES.format(**toml),
    }
