"""The real agent CLIs: installed from npm into a cache, and set up to ask the mock alone."""

import json
import os
import shutil
import subprocess
from pathlib import Path

__all__ = ["DEFAULT", "PACKAGES", "install", "surroundings"]

PACKAGES = {
    "claude": ["@anthropic-ai/claude-code@2.1.329"],
    "codex": ["@openai/codex@0.169.0"],
    "pi": ["@earendil-works/pi-coding-agent@0.87.1", "node@22"],
    "opencode": ["opencode-ai@1.18.33"],
    "gemini": ["@google/gemini-cli@0.61.0"],
}
DEFAULT = ("claude", "codex", "pi")


def install(name: str) -> Path:
    """The directory of the CLI's program, installed unless it is there already."""
    cache = Path(os.environ.get("LOOOP_TEST_NPM") or Path.home() / ".cache" / "looop-test-npm")
    pinned = PACKAGES[name][0].replace("/", "-")
    prefix = cache / pinned
    programs = prefix / "node_modules" / ".bin"
    if not (prefix / "done").exists():
        prefix.mkdir(parents=True, exist_ok=True)
        npm = ["npm", "install", "--no-fund", "--no-audit", "--prefix", str(prefix)]
        subprocess.run([*npm, *PACKAGES[name]], check=True, capture_output=True, timeout=500)
        (prefix / "done").touch()
    return programs


def surroundings(name: str, home: Path, url: str) -> dict[str, str]:
    """An environment in which the CLI has a fresh home and knows no model but the mock's."""
    home.mkdir(parents=True, exist_ok=True)
    programs = install(name)
    bash = shutil.which("bash") or "/bin/bash"
    path = [str(programs), os.environ["PATH"], str(Path(bash).parent)]
    env = {"HOME": str(home), "PATH": ":".join(path), "LANG": "C.UTF-8"}
    match name:
        case "claude":
            env |= {
                "ANTHROPIC_BASE_URL": url,
                "ANTHROPIC_API_KEY": "dummy",
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            }
        case "codex":
            env["MOCK_API_KEY"] = "dummy"
            _write(home / ".codex" / "config.toml", _CODEX.format(url=url))
        case "pi":
            env["PI_OFFLINE"] = "1"
            _write(home / ".pi" / "agent" / "models.json", _pi(url))
            _write(
                home / ".pi" / "agent" / "settings.json",
                '{"defaultProvider":"mock","defaultModel":"mock-model"}',
            )
        case "opencode":
            env["OPENCODE_DISABLE_MODELS_FETCH"] = "1"
            _write(home / ".config" / "opencode" / "opencode.json", _opencode(url))
        case _:
            env |= {"GEMINI_API_KEY": "dummy", "GOOGLE_GEMINI_BASE_URL": url}
            _write(home / ".gemini" / "settings.json", _GEMINI)
    return env


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


_CODEX = """
model = "gpt-5"
model_provider = "mock"
check_for_update_on_startup = false
[model_providers.mock]
name = "mock"
base_url = "{url}/v1"
env_key = "MOCK_API_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
[analytics]
enabled = false
"""

_GEMINI = """
{
  "general": {"enableAutoUpdate": false},
  "privacy": {"usageStatisticsEnabled": false},
  "telemetry": {"enabled": false},
  "security": {"auth": {"selectedType": "gemini-api-key"}}
}
"""


def _pi(url: str) -> str:
    model = {
        "id": "mock-model",
        "reasoning": False,
        "input": ["text"],
        "contextWindow": 200000,
        "maxTokens": 8192,
        "cost": {"input": 3, "output": 15, "cacheRead": 0.3, "cacheWrite": 3.75},
    }
    mock = {"baseUrl": url, "api": "anthropic-messages", "apiKey": "dummy", "models": [model]}
    return json.dumps({"providers": {"mock": mock}})


def _opencode(url: str) -> str:
    model = {
        "tool_call": True,
        "limit": {"context": 200000, "output": 8192},
        "cost": {"input": 3, "output": 15, "cache_read": 0.3, "cache_write": 3.75},
    }
    mock = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{url}/v1", "apiKey": "dummy"},
        "models": {"mock-model": model},
    }
    return json.dumps(
        {
            "autoupdate": False,
            "share": "disabled",
            "model": "mock/mock-model",
            "small_model": "mock/mock-model",
            "enabled_providers": ["mock"],
            "provider": {"mock": mock},
        }
    )
