"""Chat completions and completions as OpenAI defined them and vLLM, SGLang and others serve them.

Each choice is a row: what was asked stands in as many rows as there are choices. A streamed answer
is put together from its chunks, to the same rows as one that came at once. Its tensors are named by
`OUTPUTS`, those of a request by what `_asked` makes.

https://platform.openai.com/docs/api-reference/chat, and /completions.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from model_rollouts.observer.protocols.event_stream import events
from model_rollouts.observer.protocols.tensors import (
    FailedError,
    Header,
    Tensor,
    TruncatedError,
    UnreadableError,
    Value,
    decoded,
    no_header,
    told,
)

MOST_CHOICES = 1_024
MOST_TOOL_CALLS = 1_024
"""Of one choice."""
MOST_REPEATED = 4 * 1024 * 1024
"""Characters of all prompts of a request, each as often as it has choices."""

_DONE = b"[DONE]"


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    index: int | None = None
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    message: _Message | None = None
    delta: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Answer(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    object: str | None = None


class _Part(msgspec.Struct, gc=False):
    text: str | None = None


class _Said(msgspec.Struct, gc=False):
    role: str = ""
    content: str | list[_Part] | None = None


class _Asked(msgspec.Struct, gc=False, kw_only=True):
    model: str | None = None
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    stream: bool | None = None
    tools: list[msgspec.Raw] | None = None


class _Chat(_Asked, gc=False, kw_only=True):
    messages: list[_Said]


class _Completion(_Asked, gc=False, kw_only=True):
    prompt: str | list[Any]


_CHAT = msgspec.json.Decoder(_Chat)
_COMPLETION = msgspec.json.Decoder(_Completion)
_ANSWER = msgspec.json.Decoder(_Answer)
_ANYTHING = msgspec.json.Decoder()
_SORTED = msgspec.json.Encoder(order="sorted")


@dataclass(slots=True)
class _Told:
    """What a choice has said so far."""

    texts: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    finish_reason: str = ""
    calls: dict[int, tuple[list[str], list[str]]] = field(default_factory=dict)
    """By their index: pieces of the name and of the arguments."""

    def hear(self, choice: _Choice) -> None:
        """A chunk of the choice, or all of it."""
        message = choice.delta or choice.message
        said = choice.text if message is None else message.content
        if said:
            self.texts.append(said)
        if message is not None and message.refusal:
            self.refusals.append(message.refusal)
        if message is not None:
            for at, call in enumerate(message.tool_calls or ()):
                self._call(at if call.index is None else call.index, call.function)
        self.finish_reason = choice.finish_reason or self.finish_reason

    def _call(self, index: int, function: _Function | None) -> None:
        name, arguments = self.calls.setdefault(index, ([], []))
        if len(self.calls) > MOST_TOOL_CALLS:
            raise UnreadableError(f"found more than {MOST_TOOL_CALLS:,} tool calls")
        if function is not None:
            # Some servers say the name with each piece of the arguments.
            if function.name and not name:
                name.append(function.name)
            arguments.append(function.arguments or "")

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def refusal(self) -> str:
        return "".join(self.refusals)

    @property
    def is_refused(self) -> bool:
        return bool(self.refusals) or self.finish_reason == "content_filter"

    @property
    def tool_calls(self) -> str:
        """The calls as JSON with sorted keys, so that equal ones are the same text."""
        calls = [
            {"name": "".join(name), "arguments": _plain("".join(arguments))}
            for _, (name, arguments) in sorted(self.calls.items())
        ]
        return _SORTED.encode(calls).decode() if calls else ""


OUTPUTS: Mapping[str, Callable[[_Told], Value]] = {
    "text": lambda told: told.text,
    "text_length": lambda told: len(told.text),
    "is_json": lambda told: _is_json(told.text),
    "finish_reason": lambda told: told.finish_reason,
    "refusal": lambda told: told.refusal,
    "is_refused": lambda told: told.is_refused,
    "tool_calls": lambda told: told.tool_calls,
}
"""Name of an output -> what it is of a choice."""

_TEXTS = frozenset({"text", "finish_reason", "refusal", "tool_calls"})


def read_chat(body: bytes, wanted: Collection[str] | None, _: Header = no_header) -> list[Tensor]:
    """The inputs of a chat that are `wanted`, all of them for None; raises UnreadableError."""
    asked = decoded(_CHAT, body)
    users = [each for each in asked.messages if each.role == "user"]
    prompt = _text(users[-1]) if users else ""
    more = {"messages": len(asked.messages)}
    return _asked(asked, [prompt], more, wanted)


def read_prompts(
    body: bytes, wanted: Collection[str] | None, _: Header = no_header
) -> list[Tensor]:
    """The inputs of completions that are `wanted`, all for None; raises UnreadableError."""
    asked = decoded(_COMPLETION, body)
    prompts = asked.prompt if isinstance(asked.prompt, list) else [asked.prompt]
    if prompts and all(isinstance(each, int) for each in prompts):
        # The tokens of one prompt.
        prompts = [prompts]
    # Tokens mean nothing without their model.
    texts = [each if isinstance(each, str) else "" for each in prompts]
    return _asked(asked, texts, {}, wanted)


def read_answer(body: bytes, wanted: Collection[str] | None, _: Header = no_header) -> list[Tensor]:
    """The outputs that are `wanted`, all of them for None, streamed or not.

    Raises UnreadableError; FailedError for an answer, or an event of a stream, that says that it is
    an error; TruncatedError for a stream that ends before its answer does.
    """
    choices: dict[int, _Told] = {}
    usage: _Usage | None = None
    is_streamed = body.lstrip()[:1] != b"{"
    is_done = not is_streamed
    for text in _chunks(body) if is_streamed else [body]:
        if text == _DONE:
            is_done = True
            break
        chunk = _chunk(text)
        usage = chunk.usage or usage
        for choice in chunk.choices or ():
            choices.setdefault(choice.index, _Told()).hear(choice)
            if len(choices) > MOST_CHOICES:
                raise UnreadableError(f"found more than {MOST_CHOICES:,} choices")
    # A server that never says [DONE] has still ended each choice.
    if not is_done and not (choices and all(each.finish_reason for each in choices.values())):
        raise TruncatedError(f"the stream ends without {_DONE.decode()}")
    if not choices or sorted(choices) != list(range(len(choices))):
        raise UnreadableError(f"found {len(choices):,} choices, and not with indexes from 0 on")
    return _answered([choices[index] for index in range(len(choices))], usage, wanted)


def _chunks(body: bytes) -> Iterable[bytes]:
    for event in events(body):
        if event.type == b"error":
            raise FailedError("the stream has an error event")
        yield event.data


def _chunk(text: bytes) -> _Answer:
    chunk = decoded(_ANSWER, text)
    if chunk.error is not None or chunk.object == "error":
        raise FailedError("the answer is an error")
    if chunk.choices is None and chunk.usage is None:
        raise UnreadableError("found no choices")
    return chunk


def _answered(
    choices: list[_Told], usage: _Usage | None, wanted: Collection[str] | None
) -> list[Tensor]:
    found = [
        Tensor(name, len(choices), 1, [of(each) for each in choices], name in _TEXTS)
        for name, of in OUTPUTS.items()
        if wanted is None or name in wanted
    ]
    # That of the whole request stands in each of its rows.
    for name in ("prompt_tokens", "completion_tokens"):
        tokens = getattr(usage, name, None)
        if tokens is not None and (wanted is None or name in wanted):
            found.append(Tensor(name, len(choices), 1, [tokens] * len(choices), False))
    return found


def _asked(
    asked: _Asked, prompts: list[str], more: Mapping[str, int], wanted: Collection[str] | None
) -> list[Tensor]:
    each = 1 if asked.n is None else asked.n
    if not 1 <= each * len(prompts) <= MOST_CHOICES:
        raise UnreadableError(
            f"found {len(prompts):,} prompts with {told(str(each))} choices each, 1 to "
            f"{MOST_CHOICES:,} choices are read"
        )
    if sum(map(len, prompts)) * each > MOST_REPEATED:
        raise UnreadableError(f"found more than {MOST_REPEATED:,} characters in all rows")
    texts = [prompt for prompt in prompts for _ in range(each)]
    rows = len(texts)
    limit = asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens
    told_: dict[str, Value | None] = {
        "model": asked.model,
        **more,
        "max_tokens": limit,
        "temperature": asked.temperature,
        "stream": asked.stream,
        "tools": None if asked.tools is None else len(asked.tools),
    }
    lengths: list[Value] = [len(text) for text in texts]
    found = [
        Tensor("prompt", rows, 1, texts, True),
        Tensor("prompt_length", rows, 1, lengths, False),
        *(
            Tensor(name, rows, 1, [value] * rows, isinstance(value, str))
            for name, value in told_.items()
            if value is not None
        ),
    ]
    return [tensor for tensor in found if wanted is None or tensor.name in wanted]


def _text(message: _Said) -> str:
    if isinstance(message.content, list):
        return "\n".join(each.text for each in message.content if each.text)
    return message.content or ""


def _is_json(text: str) -> bool:
    try:
        _ANYTHING.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _plain(arguments: str) -> object:
    """What the arguments say when they are JSON, else as they are."""
    try:
        found: object = _ANYTHING.decode(arguments)
        _SORTED.encode(found)
    except (ValueError, OverflowError, RecursionError, TypeError):
        return arguments
    return found
