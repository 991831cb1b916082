"""Tables: which programs only read, and which of their arguments would change that."""

import re
from collections.abc import Mapping

from msgspec import Struct

from looop.loop.admit.shell.words import names

__all__ = [
    "BUILTINS",
    "HARMLESS",
    "READERS",
    "SAFE_DIRS",
    "VERBS",
    "VERSIONED",
    "Reader",
    "Verbs",
    "is_sensitive",
    "may_export",
]


class Reader(Struct, frozen=True, kw_only=True):
    """
    A program, or a verb of one, that reads unless told otherwise.

    `deny` are long options, their abbreviations included, and other words that may not occur;
    `letters` are short options that may not, `takes` those that swallow the rest of their word;
    `most` limits the operands; `needs` are words of which one must occur.
    """

    deny: tuple[str, ...] = ()
    letters: str = ""
    takes: str = ""
    most: int | None = None
    needs: tuple[str, ...] = ()


class Verbs(Struct, frozen=True, kw_only=True):
    """A program of verbs: global options it may be given (alone, or with a value), and verbs."""

    verbs: Mapping[str, Reader]
    alone: frozenset[str] = frozenset()
    valued: frozenset[str] = frozenset()


def _verbs(names: str, reader: Reader | None = None) -> dict[str, Reader]:
    return {name.strip(): reader or Reader() for name in names.split(",")}


# Where a program with a path must live to be the program that its name says.
SAFE_DIRS = names("/bin /usr/bin /usr/local/bin /sbin /usr/sbin /usr/local/sbin /opt/homebrew/bin")

# Harmless whatever the arguments are, unknown ones included.
HARMLESS = names(
    """
    : arch b2sum basename break cat cd cksum cmp comm continue cut df diff
    dirname du echo egrep exit expand expr false fgrep fmt fold free getconf grep groups head
    id join jq ls lsblk lscpu md5sum nl nproc od paste pgrep popd pr printenv ps pushd pwd
    readlink realpath return rev seq sha1sum sha224sum sha256sum sha384sum sha512sum shasum
    shift sleep stat sum tac tail times tr true tty type uname unexpand uptime users wc
    whereis which who whoami zcat column strings hexdump
    """
)

READERS: Mapping[str, Reader] = {
    "base32": Reader(deny=("--output",), letters="o"),
    "base64": Reader(deny=("--output",), letters="o"),
    "ag": Reader(deny=("--pager",)),
    "fd": Reader(deny=("--exec", "--exec-batch"), letters="xX", takes="eEtdcgSo"),
    "fdfind": Reader(deny=("--exec", "--exec-batch"), letters="xX", takes="eEtdcgSo"),
    "file": Reader(deny=("--compile",), letters="C"),
    "lsof": Reader(letters="D"),
    "nm": Reader(deny=("--plugin",)),
    "journalctl": Reader(
        deny=(
            "--vacuum-size",
            "--vacuum-time",
            "--vacuum-files",
            "--rotate",
            "--flush",
            "--sync",
            "--relinquish-var",
            "--smart-relinquish-var",
            "--setup-keys",
            "--update-catalog",
            "--cursor-file",
        )
    ),
    "rg": Reader(deny=("--pre", "--hostname-bin")),
    "sort": Reader(
        deny=("--output", "--compress-program", "--temporary-directory"), letters="oT", takes="kSt"
    ),
    "ss": Reader(deny=("--kill", "--diag"), letters="KD"),
    "top": Reader(needs=("-b", "-bn1", "-bn", "-b1", "-l", "-l1")),
    "tree": Reader(deny=("--output",), letters="oR"),
    "uniq": Reader(most=1),
    "wait": Reader(letters="p"),
    "yq": Reader(
        deny=("--inplace", "--in-place", "--split-exp", "--split-exp-file"),
        letters="is",
        takes="op",
    ),
}

_DIFF = Reader(deny=("--output", "--ext-diff", "--textconv"))

_GIT = Verbs(
    alone=names(
        "--no-pager -P --no-optional-locks --literal-pathspecs --bare --no-replace-objects"
    ),
    valued=names("-C --git-dir --work-tree"),
    verbs={
        **_verbs(
            """
            annotate, blame, cherry, count-objects, describe, diff, diff-files, diff-index, diff-tree,
            for-each-ref, log, ls-files, ls-tree, merge-base, name-rev, range-diff, rev-list,
            rev-parse, shortlog, show, show-branch, show-ref, status, whatchanged, check-ignore,
            check-attr, version, notes list, notes show, worktree list,
            reflog show, submodule status, bisect log
            """,
            _DIFF,
        ),
        "cat-file": Reader(deny=("--textconv", "--filters")),
        "grep": Reader(deny=("--open-files-in-pager", "--ext-grep", "--textconv"), letters="O"),
        "reflog": Reader(most=0),
    },
)

_GH = Verbs(
    valued=names("-R --repo"),
    verbs=_verbs(
        """
        pr list, pr view, pr diff, pr checks, pr status, issue list, issue view, issue status,
        run list, run view, repo view, repo list, release list, release view, auth status,
        workflow list, workflow view, label list, gist list, gist view, cache list, secret list,
        variable list, org list, status, search repos, search issues, search prs, search code,
        search commits, api
        """,
        Reader(deny=("--web",), letters="w", takes="RLqtSlaABHsjeo"),
    ),
)

_CONTAINERS = Verbs(
    verbs=_verbs(
        """
        ps, images, logs, inspect, version, info, top, port, diff, history, search,
        container ls, container list, container ps, container logs, container inspect, container top,
        container port, container diff, image ls, image list, image inspect, image history,
        volume ls, volume list, volume inspect, network ls, network list, network inspect,
        context ls, system df, system info, compose ps, compose ls, compose logs, compose images,
        compose top, compose version
        """
    )
)

_KUBECTL = Verbs(
    valued=names("-n --namespace --context"),
    verbs=_verbs(
        """
        get, describe, logs, version, top, explain, api-resources, api-versions, events,
        config view, config get-contexts, config current-context, config get-clusters,
        auth can-i, auth whoami, rollout status, rollout history
        """,
        Reader(
            deny=("--kubeconfig", "--cache-dir", "--profile-output", "--profile", "--server"),
            letters="s",
            takes="oLlnc",
        ),
    )
    | _verbs("cluster-info", Reader(most=0, deny=("--kubeconfig", "--cache-dir"))),
)

_PIP = _verbs(
    "list, show, freeze, check, inspect, config list, config get",
    Reader(deny=("--log", "--python", "--cache-dir", "--proxy"), letters="p"),
)

VERBS: Mapping[str, Verbs] = {
    "git": _GIT,
    "gh": _GH,
    "docker": _CONTAINERS,
    "podman": _CONTAINERS,
    "kubectl": _KUBECTL,
    "systemctl": Verbs(
        alone=names("--user --system --no-pager -a --all -l --full --no-legend -q --quiet"),
        verbs=_verbs(
            """
            status, is-active, is-enabled, is-failed, list-units, list-timers, list-unit-files,
            list-sockets, list-jobs, list-dependencies, show, cat, get-default, show-environment
            """,
            Reader(deny=("--host", "--machine"), letters="HM"),
        ),
    ),
    "npm": Verbs(
        verbs=_verbs(
            """
            ls, list, ll, la, outdated, view, show, info, root, prefix, search, explain, why,
            config get, config list, config ls, bin
            """
        )
    ),
    "pnpm": Verbs(verbs=_verbs("ls, list, ll, la, outdated, view, show, info, why, root, bin")),
    "pip": Verbs(verbs=_PIP),
    "pip3": Verbs(verbs=_PIP),
    "uv": Verbs(
        verbs={f"pip {verb}": reader for verb, reader in _PIP.items()}
        | _verbs("pip tree, python list, tool list, cache dir, self version")
    ),
    "cargo": Verbs(
        verbs={
            **_verbs("search, locate-project, read-manifest, version"),
            **_verbs("install", Reader(needs=("--list",), most=0)),
        }
    ),
    "go": Verbs(verbs=_verbs("version") | _verbs("env", Reader(letters="wu"))),
    "brew": Verbs(verbs=_verbs("list, ls, info, outdated, deps, uses, leaves, config")),
    "apt": Verbs(
        verbs=_verbs(
            "list, show, policy, search", Reader(deny=("--option", "--config-file"), letters="oc")
        )
    ),
    "apt-cache": Verbs(
        verbs=_verbs(
            "show, policy, search, depends, rdepends, madison, showpkg",
            Reader(deny=("--option", "--config-file"), letters="oc"),
        )
    ),
    "looop": Verbs(
        verbs=_verbs(
            """
            status, state, journal, events, asks, cost, history, doctor, version, help, goal list,
            goal show, sensor list, schedule list, playbook show
            """
        )
    ),
    "crontab": Verbs(verbs={"-l": Reader(most=0)}),
    "dpkg": Verbs(verbs=_verbs("-l, -L, -s, -S, --list, --listfiles, --status, --search")),
    "unzip": Verbs(verbs={"-l": Reader(most=1)}),
    "tmux": Verbs(
        verbs=_verbs("ls, list-sessions, has-session", Reader(deny=("-F", "-f"), letters="Ff"))
    ),
}

# Programs that may be asked for their version, whatever else they can do.
VERSIONED = names(
    """
    awk bash brew bun bwrap cargo clang cmake curl deno docker dotnet elixir gcc gh git go
    gradle helm java javac jq kubectl looop make mvn mypy ninja node npm npx perl php pip pip3
    pnpm podman psql pytest python python3 pyright rg ruby ruff rustc rustup sed sqlite3 ssh
    terraform tmux tsc uv wget yarn zsh
    """
)

# What a function must not be named, beyond the programs of the other tables.
BUILTINS = names(
    """
    . [ alias bg bind builtin caller command compgen complete coproc declare dirs disown
    enable env eval exec export fc fg getopts hash help history kill let local logout mapfile
    nice nohup printf read readarray readonly sed set setsid shopt source stdbuf sudo suspend
    test time timeout trap typeset ulimit umask unalias unset xargs find awk date hostname
    """
)

_SENSITIVE = re.compile(
    r"""
    RANDOM | SRANDOM | SECONDS | LINENO | OPTIND | HISTCMD | PATH | CDPATH | IFS | ENV | HOME | SHELL | SHELLOPTS | BASHOPTS | BASH_.* | PS[0-4] | TMPDIR
    | PROMPT_COMMAND | GLOBIGNORE | EXECIGNORE | FIGNORE | LD_.* | DYLD_.* | GIT_.* | GH_.* | SSH_.*
    | .*PAGER | .*EDITOR | VISUAL | BROWSER | LESS.* | .*OPT(ION)?S | .*CONFIG.* | XDG_.* | .*PATH
    | PYTHON.* | PERL.* | RUBY.* | NODE_.* | NPM_.* | PIP_.* | UV_.* | CARGO_.* | RUST.* | DOCKER_.*
    | KUBE.* | JAVA.* | JDK_.* | SYSTEMD_.* | LOOOP_.* | .*PROXY | JQ_.* | LOCPATH | NLSPATH
    | GCONV_PATH | TERMINFO.* | GO[A-Z]+ | HISTFILE | POSIXLY_CORRECT | TAR_.* | ZDOTDIR
    """,
    re.VERBOSE | re.IGNORECASE,
)
_EXPORTABLE = re.compile(
    r"LC_[A-Z]+|LANG|LANGUAGE|TZ|TERM|COLUMNS|LINES|(NO|FORCE)_COLOR|CLICOLOR(_FORCE)?"
    r"|[a-z][a-z0-9_]*"
)


def is_sensitive(name: str) -> bool:
    """Whether a variable of this name changes what programs do, or what the shell runs."""
    return _SENSITIVE.fullmatch(name) is not None


def may_export(name: str) -> bool:
    """Whether a program may be given this variable and still be called harmless."""
    return _EXPORTABLE.fullmatch(name) is not None and not is_sensitive(name)
