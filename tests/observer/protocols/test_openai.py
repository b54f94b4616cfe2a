"""Chat completions and completions as servers of OpenAI's API write them, and hostile ones."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_rollouts.observer.protocols import (
    PROTOCOLS,
    FailedError,
    TruncatedError,
    UnreadableError,
    protocol_of,
)
from tests.observer.protocols.hostile import bodies_like, is_read_or_refused

CHAT, COMPLETIONS = PROTOCOLS["OpenAIChat"], PROTOCOLS["OpenAICompletions"]
USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}


def chat(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    made = [
        {"index": index, "message": {"role": "assistant", **each}, "finish_reason": reason}
        for index, each in enumerate(choices)
        for reason in [each.pop("finish_reason", "stop")]
    ]
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": made, **more}


def stream(*chunks: Any, end: str = "data: [DONE]\n\n", line: str = "\n") -> bytes:
    text = "".join(f"data: {json.dumps(each, ensure_ascii=False)}\n\n" for each in chunks) + end
    return text.replace("\n", line).encode()


def piece(index: int = 0, finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {"object": "chat.completion.chunk", "choices": [choice], "usage": None}


def call(name: str | None, arguments: str, index: int | None = None) -> dict[str, Any]:
    at = {} if index is None else {"index": index}
    return {**at, "type": "function", "function": {"name": name, "arguments": arguments}}


def answered(body: Any, wanted: Iterable[str] | None = None) -> dict[str, list[Any]]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    tensors = CHAT.read_answer(text, None if wanted is None else set(wanted))
    assert COMPLETIONS.read_answer(text, None if wanted is None else set(wanted)) == tensors
    return {each.name: [each.row(index) for index in range(each.rows)] for each in tensors}


def asked(read: Any, **body: Any) -> dict[str, list[Any]]:
    tensors = read(json.dumps(body).encode(), None)
    return {each.name: [each.row(index) for index in range(each.rows)] for each in tensors}


HELLO = {
    "text": ["Hello, é!"],
    "text_length": [9],
    "is_json": [False],
    "finish_reason": ["stop"],
    "refusal": [""],
    "is_refused": [False],
    "tool_calls": [""],
    "prompt_tokens": [9],
    "completion_tokens": [3],
}


@pytest.mark.parametrize("line", ["\n", "\r\n", "\r"])
def test_a_stream_says_what_the_whole_answer_says(line: str) -> None:
    whole = chat({"content": "Hello, é!"}, usage=USAGE)
    last = {"choices": [], "usage": USAGE}
    pieces = [piece(role="assistant", content=""), piece(content="Hello,"), piece(content=" é!")]
    chunks = [*pieces, piece(finish_reason="stop"), last]

    assert answered(whole) == HELLO
    assert answered(b": ping\n\n" + stream(*chunks, line=line)) == HELLO
    # Some servers never say that they are done.
    assert answered(stream(*chunks, end="", line=line)) == HELLO


def test_completions_have_a_text() -> None:
    choices = [{"index": 1, "text": "b", "finish_reason": "length"}, {"index": 0, "text": "1"}]
    whole = {"object": "text_completion", "choices": choices}
    halves = [{"choices": [{"index": index, "text": "ab"}]} for index in (1, 0, 1)]

    assert answered(whole, ["text", "is_json"]) == {"text": ["1", "b"], "is_json": [True, False]}
    assert answered(stream(*halves), ["text"]) == {"text": ["ab", "abab"]}


def test_equal_tool_calls_are_the_same_text_however_they_come() -> None:
    same = '[{"arguments":{"a":1,"b":[2]},"name":"add"},{"arguments":"oops{","name":"sub"}]'
    whole = chat(
        {"content": None, "tool_calls": [call("add", '{"b": [2], "a": 1}'), call("sub", "oops{")]}
    )
    pieces = [
        piece(tool_calls=[call("add", "", 0)]),
        piece(tool_calls=[call(None, '{"a":', 0), call("sub", "oo", 1)]),
        # Some servers say the name again.
        piece(tool_calls=[call("sub", "ps{", 1), call("add", '1,"b":[2]}', 0)]),
        piece(finish_reason="tool_calls"),
    ]

    assert answered(whole, ["tool_calls"]) == {"tool_calls": [same]}
    assert answered(stream(*pieces), ["tool_calls", "finish_reason"]) == {
        "tool_calls": [same],
        "finish_reason": ["tool_calls"],
    }


def test_a_refusal_is_told_or_filtered() -> None:
    told = chat(
        {"content": None, "refusal": "I can't."}, {"content": "", "finish_reason": "content_filter"}
    )
    names = ["refusal", "is_refused"]

    assert answered(told, names) == {"refusal": ["I can't.", ""], "is_refused": [True, True]}
    streamed = stream(piece(refusal="I "), piece(refusal="can't."), piece(finish_reason="stop"))
    assert answered(streamed, names) == {"refusal": ["I can't."], "is_refused": [True]}


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "out of memory", "type": "server_error"}},
        {"object": "error", "message": "too long", "code": 400},
        stream(piece(content="Hel"), {"error": {"message": "aborted", "code": 500}}),
        stream(piece(content="Hel"), end='event: error\ndata: {"detail": "gone"}\n\n'),
    ],
)
def test_an_answer_that_says_that_it_is_an_error_is_one(body: Any) -> None:
    with pytest.raises(FailedError):
        answered(body)


@pytest.mark.parametrize(
    "body",
    [
        stream(piece(content="Hel"), end=""),
        stream(
            piece(content="Hello"), piece(finish_reason="stop"), piece(1, content="Hel"), end=""
        ),
        # The last event has no end.
        stream(piece(content="Hello"), end="data: [DONE]\n"),
        b"",
        b": ping\n\n",
    ],
)
def test_a_stream_that_ends_before_its_answer_is_truncated(body: bytes) -> None:
    with pytest.raises(TruncatedError, match=r"ends without \[DONE\]"):
        answered(body)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"choices": []}, "found 0 choices"),
        ({"object": "list", "data": []}, "found no choices"),
        ({"choices": [{"index": 10**12, "text": "a"}]}, "found 1 choices, and not with"),
        ({"choices": [{"index": n} for n in range(2_000)]}, "more than 1,024 choices"),
        (chat({"tool_calls": [call("a", "", n) for n in range(2_000)]}), "more than 1,024 tool"),
        (stream(piece(content=3)), "JSON: Expected `str | null`"),
        (b"data: {\n\n", "JSON: "),
        (b"data: [DONE]\n\n", "found 0 choices"),
        (b"\n" * 300_000, "more than 262,144 lines"),
        (b'{"choices": ' + b"[" * 10_000, "JSON"),
    ],
)
def test_an_answer_that_is_wrong_is_refused_with_the_reason(body: Any, told: str) -> None:
    with pytest.raises(UnreadableError, match=told) as refused:
        answered(body)
    assert type(refused.value) is UnreadableError


def test_what_was_asked_stands_in_a_row_for_each_choice() -> None:
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {}}]
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]

    assert asked(CHAT.read_request, model="m", messages=said, n=2, max_completion_tokens=5) == {
        "prompt": ["What is it?"] * 2,
        "prompt_length": [11, 11],
        "model": ["m", "m"],
        "messages": [2, 2],
        "max_tokens": [5, 5],
    }
    several = asked(COMPLETIONS.read_request, prompt=["a", "bc"], n=2, temperature=0.5, stream=True)
    assert several == {
        "prompt": ["a", "a", "bc", "bc"],
        "prompt_length": [1, 1, 2, 2],
        "temperature": [0.5] * 4,
        "stream": [True] * 4,
    }
    assert asked(COMPLETIONS.read_request, prompt=[1, 2]) == {"prompt": [""], "prompt_length": [0]}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"messages": [], "prompt": "a", "n": 0}, "1 prompts with '0' choices"),
        ({"messages": [], "prompt": "a", "n": 10**30}, "choices each, 1 to 1,024"),
        ({"messages": [], "prompt": "a", "tools": 3}, "JSON: Expected `array"),
    ],
)
def test_a_request_that_is_wrong_is_refused_with_the_reason(body: Any, told: str) -> None:
    for read in (CHAT.read_request, COMPLETIONS.read_request):
        with pytest.raises(UnreadableError, match=told):
            read(json.dumps(body).encode(), None)
    # What is repeated for each choice is bounded as a body is.
    long = {"prompt": "x" * 100_000, "n": 100}
    with pytest.raises(UnreadableError, match="more than 4,194,304 characters"):
        COMPLETIONS.read_request(json.dumps(long).encode(), None)


LIKE = bodies_like(
    chat({"content": "a", "tool_calls": [call("f", "{}")]}, usage=USAGE),
    {"model": "m", "messages": [{"role": "user", "content": "a"}], "n": 1, "tools": []},
    {"prompt": ["a", "b"], "n": 2},
    piece(content="a", tool_calls=[call("f", "{", 0)]),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(LIKE | st.binary(max_size=8), max_size=4), st.sampled_from([b"", b"data: "]))
def test_whatever_comes_is_read_or_refused(bodies: list[bytes], before: bytes) -> None:
    text = b"\n\n".join(before + each for each in bodies) + b"\n\n"

    is_read_or_refused(CHAT, text)
    is_read_or_refused(COMPLETIONS, text)


def test_paths_tell_chats_from_completions() -> None:
    assert protocol_of(b"/openai/v1/chat/completions", b"{}") is CHAT
    assert protocol_of(b"/v1/completions?api-version=1", b"data: ") is COMPLETIONS
