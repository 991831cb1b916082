"""The readers, on recordings of the real CLIs and on lines that no CLI should print."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from looop.config import CostSpec, RetrySpec
from looop.kit import text
from looop.loop.decide.streams import READERS, StreamVerdict, Usage, reader_for
from looop.loop.decide.streams.custom import pointed
from looop.loop.decide.streams.faults import kind_of

FIXTURES = Path(__file__).parent / "fixtures"
ANSWER = {"move": {"action": "noop", "reason": "nothing to do"}}


def recorded(name: str) -> StreamVerdict:
    """The verdict on a recording, whose name begins with that of its CLI."""
    reader = reader_for(name.partition("-")[0])
    for line in (FIXTURES / f"{name}.ndjson").read_bytes().split(b"\n"):
        reader.feed(line)
    return reader.verdict


def said(cli: str, *events: dict[str, Any], **settings: Any) -> StreamVerdict:
    reader = reader_for(cli, **settings)
    for event in events:
        reader.feed(json.dumps(event))
    return reader.verdict


@pytest.mark.parametrize(
    ("name", "usage", "model"),
    [
        ("claude-ok", (0.0039, 700, 250, 50, 40), "claude-opus-5-5"),
        ("codex-ok", (None, 750, 250, 0, 40), ""),
        ("pi-ok", (0.0029625, 700, 250, 50, 40), "mock-model"),
        ("opencode-ok", (0.002775, 700, 250, 0, 40), ""),
        ("gemini-ok", (None, 700, 250, 0, 45), "gemini-2.5-flash"),
    ],
)
def test_a_good_run(name: str, usage: tuple[float | None, int, int, int, int], model: str) -> None:
    verdict = recorded(name)

    assert (verdict.state, verdict.error) == ("ok", "")
    assert json.loads(verdict.decision_text or "") == ANSWER
    assert verdict.model == model
    assert verdict.usage is not None
    cost, *tokens = structs.astuple(verdict.usage)
    assert cost == (pytest.approx(usage[0]) if usage[0] else None)
    assert tuple(tokens) == usage[1:]


@pytest.mark.parametrize("cli", ["claude", "codex", "pi", "opencode", "gemini"])
def test_a_refused_key_is_permanent(cli: str) -> None:
    verdict = recorded(f"{cli}-401")

    assert (verdict.state, verdict.permanent, verdict.transient) == ("failed", True, False)
    assert "401" in verdict.error or "x-api-key" in verdict.error


@pytest.mark.parametrize("name", ["claude-429", "claude-529", "codex-429", "codex-500", "pi-529"])
def test_a_busy_api_is_transient(name: str) -> None:
    verdict = recorded(name)

    assert (verdict.state, verdict.permanent, verdict.transient) == ("failed", False, True)
    assert verdict.decision_text is None


def test_an_interrupted_claude_has_no_price() -> None:
    verdict = recorded("claude-hang")

    assert (verdict.state, verdict.error, verdict.usage) == ("failed", "interrupted", None)


@pytest.mark.parametrize("cut", [1, 2, 3])
@pytest.mark.parametrize("cli", sorted(READERS))
def test_a_stream_that_breaks_off_says_nothing(cli: str, cut: int) -> None:
    reader = reader_for(cli)
    lines = (FIXTURES / f"{cli}-ok.ndjson").read_bytes().strip().split(b"\n")
    for line in lines[: min(cut, 2)]:
        reader.feed(line)

    assert reader.verdict.state == "unknown"


class TestClaude:
    RESULT: ClassVar[dict[str, Any]] = {"type": "result", "subtype": "success", "is_error": False}

    def test_success_with_is_error_is_a_failure(self) -> None:
        verdict = said("claude", {**self.RESULT, "is_error": True, "result": "API Error: 529"})

        assert (verdict.state, verdict.error) == ("failed", "API Error: 529")

    def test_the_spend_since_the_last_result_outranks_the_session_total(self) -> None:
        delta = {"m": {"costUSD": 0.25, "inputTokens": 3, "outputTokens": 4}}
        verdict = said(
            "claude",
            {**self.RESULT, "total_cost_usd": 9.0, "model_usage_since_last_result": delta},
        )

        assert verdict.usage == Usage(cost_usd=0.25, input_tokens=3, output_tokens=4)
        assert verdict.model == "m"

    def test_usage_of_assistant_events_is_never_summed(self) -> None:
        message: dict[str, Any] = {
            "content": [],
            "usage": {"input_tokens": 500, "output_tokens": 1},
        }
        verdict = said("claude", {"type": "assistant", "message": message}, self.RESULT)

        assert verdict.usage == Usage()

    def test_structured_output_outranks_text(self) -> None:
        verdict = said("claude", {**self.RESULT, "result": "text", "structured_output": {"a": 1}})

        assert verdict.decision_text == '{"a":1}'

    def test_an_empty_answer_is_a_success_without_a_decision(self) -> None:
        verdict = said("claude", {**self.RESULT, "result": ""})

        assert (verdict.state, verdict.decision_text) == ("ok", None)

    def test_a_login_may_be_refreshed_once(self) -> None:
        init = {"type": "system", "subtype": "init", "apiKeySource": "none"}
        retry = {
            "type": "system",
            "subtype": "api_retry",
            "error_status": 401,
            "error": "authentication_failed",
        }

        assert not said("claude", init, {**retry, "attempt": 1}).permanent
        assert said("claude", init, {**retry, "attempt": 1}, {**retry, "attempt": 2}).permanent

    def test_a_spent_allowance_is_not_worth_another_try(self) -> None:
        info = {"status": "rejected", "rateLimitType": "five_hour"}
        verdict = said(
            "claude",
            {"type": "rate_limit_event", "rate_limit_info": info},
            {**self.RESULT, "is_error": True, "api_error_status": 429, "result": "limit"},
        )

        assert (verdict.transient, verdict.error) == (False, "the five_hour limit is reached")

    def test_what_a_subagent_says_is_no_answer(self) -> None:
        message = {"content": [{"type": "text", "text": "inner"}]}
        event = {"type": "assistant", "message": message, "parent_tool_use_id": "t"}

        assert said("claude", event).decision_text is None

    @pytest.mark.parametrize(
        ("name", "status", "kind"),
        [
            ("billing_error", 400, "permanent"),
            ("model_not_found", 404, "permanent"),
            ("rate_limit", 429, "transient"),
            ("invalid_request", None, ""),
        ],
    )
    def test_the_kinds_of_errors(self, name: str, status: int | None, kind: str) -> None:
        message = {"content": [{"type": "text", "text": "said"}], "model": "<synthetic>"}
        verdict = said(
            "claude",
            {"type": "assistant", "message": message, "error": name},
            {**self.RESULT, "is_error": True, "api_error_status": status, "result": "said"},
        )

        assert verdict.permanent == (kind == "permanent")
        assert verdict.transient == (kind == "transient")
        assert verdict.decision_text is None


class TestCodex:
    def test_an_error_item_is_only_a_warning(self) -> None:
        item = {"type": "error", "message": "unknown config key"}
        verdict = said(
            "codex",
            {"type": "item.completed", "item": item},
            {"type": "turn.completed", "usage": {}},
        )

        assert verdict.state == "ok"

    def test_reconnecting_is_no_failure_yet(self) -> None:
        lost = {"type": "error", "message": "Reconnecting... 1/5 (stream disconnected)"}

        assert said("codex", lost).state == "unknown"
        assert said("codex", lost, {"type": "turn.completed"}).state == "ok"

    def test_quota_is_permanent(self) -> None:
        message = "Quota exceeded. Check your plan and billing details."

        assert said("codex", {"type": "turn.failed", "error": {"message": message}}).permanent


class TestPi:
    def message(self, **fields: Any) -> dict[str, Any]:
        return {"type": "message_end", "message": {"role": "assistant", "content": [], **fields}}

    def test_messages_are_summed(self) -> None:
        usage = {"input": 1, "output": 2, "cost": {"total": 0.5}}
        verdict = said(
            "pi",
            self.message(stopReason="toolUse", usage=usage),
            self.message(stopReason="stop", usage=usage),
        )

        assert verdict.usage == Usage(cost_usd=1.0, input_tokens=2, output_tokens=4)
        assert verdict.state == "ok"

    def test_an_update_counts_for_nothing(self) -> None:
        update = {**self.message(stopReason="stop"), "type": "message_update"}

        assert said("pi", update) == StreamVerdict()

    def test_a_retry_that_works_makes_the_run_good(self) -> None:
        verdict = said(
            "pi",
            self.message(stopReason="error", errorMessage="529 overloaded"),
            {"type": "agent_end", "willRetry": True},
            self.message(stopReason="stop"),
        )

        assert (verdict.state, verdict.transient) == ("ok", False)

    @pytest.mark.parametrize("reason", ["length", "aborted", "error", "pending"])
    def test_any_other_end_is_a_failure(self, reason: str) -> None:
        verdict = said("pi", self.message(stopReason=reason))

        assert (verdict.state, verdict.error) == ("failed", f"the answer ended with {reason}")

    def test_tokens_for_nothing_have_no_price(self) -> None:
        usage = {"input": 1, "output": 2, "cost": {"total": 0}}
        verdict = said("pi", self.message(stopReason="stop", usage=usage))

        assert verdict.usage == Usage(input_tokens=1, output_tokens=2)


class TestOpencode:
    def finish(self, reason: str) -> dict[str, Any]:
        part = {"reason": reason, "cost": 0.5, "tokens": {"input": 1, "output": 2, "reasoning": 3}}
        return {"type": "step_finish", "part": part}

    def test_steps_are_summed_and_thinking_is_output(self) -> None:
        verdict = said("opencode", self.finish("tool-calls"), self.finish("stop"))

        assert verdict.usage == Usage(cost_usd=1.0, input_tokens=2, output_tokens=10)
        assert verdict.state == "ok"

    @pytest.mark.parametrize("reason", ["length", "content-filter", "unknown"])
    def test_any_other_end_is_a_failure(self, reason: str) -> None:
        verdict = said("opencode", self.finish(reason))

        assert (verdict.state, verdict.permanent) == ("failed", False)

    def test_a_loop_of_lost_steps_is_ended(self) -> None:
        assert said("opencode", *[self.finish("unknown")] * 3).permanent

    def test_an_error_stands_whatever_finishes_after_it(self) -> None:
        error = {"name": "UnknownError", "data": {"message": "Overloaded"}}
        verdict = said("opencode", {"type": "error", "error": error}, self.finish("stop"))

        assert (verdict.state, verdict.error, verdict.transient) == ("failed", "Overloaded", True)


class TestGemini:
    def test_pieces_are_joined_and_a_tool_call_starts_anew(self) -> None:
        def piece(content: str) -> dict[str, Any]:
            return {"type": "message", "role": "assistant", "content": content, "delta": True}

        verdict = said(
            "gemini",
            {"type": "message", "role": "user", "content": "ask"},
            piece("let me"),
            {"type": "tool_use", "tool_name": "read_file"},
            piece('{"a":'),
            piece(" 1}"),
        )

        assert verdict.decision_text == '{"a": 1}'

    def test_the_busiest_model_is_named(self) -> None:
        models = {"lite": {"total_tokens": 5}, "pro": {"total_tokens": 50}}
        stats = {"stats": {"models": models}, "status": "success"}
        verdict = said("gemini", {"type": "init", "model": "auto"}, {"type": "result", **stats})

        assert verdict.model == "pro"


class TestCustom:
    def test_it_never_says_how_the_run_went(self) -> None:
        assert said("mine", {"type": "result", "is_error": True}).state == "unknown"

    @pytest.mark.parametrize(
        ("lines", "decision"),
        [
            (['{"action": "a"}', '{"action": "b"}', "bye"], '{"action": "b"}'),
            (['{"action": "a"}', '{"type": "result"}'], '{"action": "a"}'),
            (['{"type": "x", "move": {}}'], '{"type": "x", "move": {}}'),
            (["so", "{", '  "action": "a"', "}", "end"], '{\n  "action": "a"\n}'),
            (['{"action": "a",}'], '{"action": "a",}'),
            (["nothing", "[1]", "42"], None),
            ([], None),
        ],
    )
    def test_the_last_json_object_is_the_decision(
        self, lines: list[str], decision: str | None
    ) -> None:
        reader = reader_for("mine")
        for line in lines:
            reader.feed(line)

        assert reader.verdict.decision_text == decision

    @pytest.mark.parametrize(("mode", "usd"), [("total", 0.5), ("sum", 0.75)])
    def test_price_by_mode(self, mode: Any, usd: float) -> None:
        cost = CostSpec(type="done", pointer="/a~1b/0/usd", mode=mode)
        verdict = said(
            "mine",
            {"type": "done", "a/b": [{"usd": 0.25}]},
            {"type": "done", "a/b": [{"usd": 0.5}]},
            {"type": "done", "a/b": [{"usd": "much"}]},
            {"type": "done", "a/b": [{"usd": -1}]},
            {"type": "other", "a/b": [{"usd": 99}]},
            cost=cost,
        )

        assert verdict.usage == Usage(cost_usd=usd)

    def test_without_a_price_there_is_no_usage(self) -> None:
        assert said("mine", {"type": "done"}).usage is None

    def test_a_match_makes_it_transient(self) -> None:
        reader = reader_for("mine", retry=RetrySpec(match="rate.?limit"))
        reader.feed(b"HTTP 429: Rate Limit")
        reader.feed(b"bye")

        assert (reader.verdict.transient, reader.verdict.error) == (True, "HTTP 429: Rate Limit")


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", {"": 1, "a": [10, {"b": 2}], "~1": 3, "x/y": 4}),
        ("/", 1),
        ("/a/0", 10),
        ("/a/1/b", 2),
        ("/~01", 3),
        ("/x~1y", 4),
        ("/a/01", None),
        ("/a/-", None),
        ("/a/9", None),
        ("/a/0/b", None),
        ("a", None),
    ],
)
def test_json_pointers(pointer: str, value: Any) -> None:
    assert pointed({"": 1, "a": [10, {"b": 2}], "~1": 3, "x/y": 4}, pointer) == value


@pytest.mark.parametrize(
    ("message", "status", "kind"),
    [
        ("unexpected status 401 Unauthorized", 0, "permanent"),
        ('400 {"message":"Your credit balance is too low"}', 0, "permanent"),
        ("You exceeded your current quota, check your billing", 429, "permanent"),
        ("The model `x` does not exist", 0, "permanent"),
        ("anything", 403, "permanent"),
        ("429 Too Many Requests", 0, "transient"),
        ('[API Error: {"error":{"code":503,"message":"busy"}}]', 0, "transient"),
        ("Selected model is at capacity", 0, "transient"),
        ("Connection dropped (ECONNRESET)", 0, "transient"),
        ("terminated", 0, "transient"),
        ("prompt is too long: 215000 tokens > 200000 maximum", 0, ""),
        ("Please adjust your input and try again.", 0, ""),
        ("The model refused to complete the request", 0, ""),
        ("", 0, ""),
    ],
)
def test_kinds_of_failures(message: str, status: int, kind: str) -> None:
    assert kind_of(message, status) == kind


NAMES = [*sorted(READERS), "mine"]
ODD_LINES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"{}",
    b'{"type": 7}',
    b'{"type": "result"}',
    b'{"type": "result", "is_error": "no", "stats": [], "usage": 3, "errors": {}}',
    b'{"type": "assistant", "message": {"content": [1, null, {"type": []}]}}',
    b'{"type": "message_end", "message": null}',
    b'{"type": "message_end", "message": {"role": "assistant", "usage": {"input": "9"}}}',
    b'{"type": "step_finish", "part": {"tokens": {"input": 1e400}}}',
    b'{"type": "error", "error": "text"}',
    b'{"type": "turn.completed", "usage": {"input_tokens": -5}}',
    b'{"type": "x", "deep": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    b"\xff\xfe\x00",
]


@pytest.mark.parametrize("cli", NAMES)
@pytest.mark.parametrize("line", ODD_LINES, ids=range(len(ODD_LINES)))
def test_no_line_breaks_a_reader(cli: str, line: bytes) -> None:
    reader = reader_for(cli, cost=CostSpec(type="x", pointer="/deep/0"))
    shown = reader.feed(line)

    assert shown is None or "\x00" not in shown
    assert reader.verdict.usage is None or reader.verdict.usage.tokens >= 0


@pytest.mark.parametrize("cli", NAMES)
@given(line=st.binary(max_size=80))
def test_any_bytes_are_survived(cli: str, line: bytes) -> None:
    reader = reader_for(cli)
    shown = reader.feed(line)

    assert shown is None or shown == text.one_line(shown)


def test_half_a_surrogate_pair_loses_only_itself() -> None:
    reader = reader_for("claude")
    reader.feed(b'{"type":"result","is_error":false,"result":"cut \\ud83d"}')

    assert (reader.verdict.state, reader.verdict.decision_text) == ("ok", "cut ?")


def test_what_is_shown_cannot_move_a_cursor() -> None:
    message = {"content": [{"type": "text", "text": "a\x1b[2Jb\r\nc\u202e"}]}
    event = {"type": "assistant", "message": message}

    assert reader_for("claude").feed(json.dumps(event)) == "a\\x1b[2Jb c\\u202e"


def test_what_is_no_json_is_shown() -> None:
    for cli in NAMES:
        assert reader_for(cli).feed("npm warn \x07") == "npm warn \\x07"
