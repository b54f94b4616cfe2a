"""What a Gateway does with requests and their answers: filters of Gateway API's HTTPRoute."""

from typing import Annotated, Any

from pydantic import Field

from model_rollouts.api.base import INT32, Part, Rule, Word, Written, by, rules
from model_rollouts.api.strings import DnsName, Group, HttpToken, Kind

_SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}


class FilterType(Word):
    """What the Gateway does with a request or its answer."""

    REQUEST_HEADER_MODIFIER = "RequestHeaderModifier", "Changes headers of the request."
    RESPONSE_HEADER_MODIFIER = "ResponseHeaderModifier", "Changes headers of the answer."
    URL_REWRITE = "URLRewrite", "Changes host name or path of the request."
    CORS = "CORS", "Answers for browsers that ask from pages of other origins."
    EXTENSION_REF = "ExtensionRef", "What an object of the Gateway's own kind says."


class Header(Part):
    """A header and its value."""

    name: HttpToken
    """Name of the header. Upper and lower case are the same."""
    value: Annotated[str, Field(min_length=1, max_length=4096)]
    """Value of the header."""


class HeaderFilter(Part):
    """Changes of headers."""

    set: tuple[Header, ...] = Field(default=(), max_length=8, json_schema_extra=by("name"))
    """Headers that get this value, whether or not they are there."""
    add: tuple[Header, ...] = Field(default=(), max_length=8, json_schema_extra=by("name"))
    """Headers that get this value beside those that they have."""
    remove: tuple[HttpToken, ...] = Field(default=(), max_length=8, json_schema_extra=_SET)
    """Names of headers that are taken away."""


class PathModifierType(Word):
    """Which part of a path is replaced."""

    REPLACE_FULL_PATH = "ReplaceFullPath", "All of it."
    REPLACE_PREFIX_MATCH = "ReplacePrefixMatch", "The prefix that the rule matches."


def _of_type(type: str, field: str, what: str) -> Rule:
    """The union has the member of its type and no other."""
    return Rule(
        f"(self.type == '{type}') == has(self.{field})",
        f"write `{field}` with {what} if the type is {type}, and only then",
        found=f"'type ' + self.type + (has(self.{field}) ? ' with' : ' without') + ' {field}'",
    )


class PathModifier(
    Part,
    json_schema_extra=rules(
        _of_type("ReplaceFullPath", "replaceFullPath", "a path"),
        _of_type("ReplacePrefixMatch", "replacePrefixMatch", "a path"),
    ),
):
    """Another path."""

    type: PathModifierType
    """Which part of the path is replaced."""
    replace_full_path: Annotated[str, Field(max_length=1024)] | None = None
    """The whole path. Required for its type, and only for it."""
    replace_prefix_match: Annotated[str, Field(max_length=1024)] | None = None
    """What stands in the place of the prefix. Required for its type, and only for it. The rule
    then has exactly one match, with a path of type PathPrefix."""


class UrlRewrite(Part):
    """Another host name or path."""

    hostname: DnsName | None = None
    """Host name with which the model gets the request."""
    path: PathModifier | None = None
    """Path with which the model gets the request."""


Origin = Annotated[
    str,
    Written(
        r"^([*]|https?://(([*][.])?([a-zA-Z0-9-]+[.])*[a-zA-Z0-9-]+|[*])(:[0-9]{1,5})?)$",
        "write an origin such as https://app.example.com, or *",
        253,
    ),
]
CorsMethod = Annotated[
    str,
    Written(
        "^([*]|GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH)$",
        "write an HTTP method such as POST, or *",
        7,
    ),
]


class Cors(Part):
    """What browsers may do from pages of other origins."""

    allow_origins: tuple[Origin, ...] = Field(default=(), max_length=16, json_schema_extra=_SET)
    """Origins of pages that may ask, e.g. `https://app.example.com`."""
    allow_methods: tuple[CorsMethod, ...] = Field(default=(), max_length=9, json_schema_extra=_SET)
    """Methods that they may use."""
    allow_headers: tuple[HttpToken, ...] = Field(default=(), max_length=16, json_schema_extra=_SET)
    """Headers that they may send."""
    expose_headers: tuple[HttpToken, ...] = Field(default=(), max_length=16, json_schema_extra=_SET)
    """Headers of the answer that they may read."""
    allow_credentials: bool | None = None
    """Whether they may send credentials. Defaults to the Gateway's own choice."""
    max_age: Annotated[int, Field(ge=1, json_schema_extra=INT32)] | None = None
    """Seconds for which a browser keeps the answer. Defaults to that of Gateway API, 5."""


class ExtensionRef(Part):
    """An object of the namespace that the Gateway understands."""

    group: Group
    """API group of the object."""
    kind: Kind
    """Kind of the object."""
    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the object."""


class Filter(
    Part,
    json_schema_extra=rules(
        _of_type("RequestHeaderModifier", "requestHeaderModifier", "`set`, `add` or `remove`"),
        _of_type("ResponseHeaderModifier", "responseHeaderModifier", "`set`, `add` or `remove`"),
        _of_type("URLRewrite", "urlRewrite", "`hostname` or `path`"),
        _of_type("CORS", "cors", "`allowOrigins`"),
        _of_type("ExtensionRef", "extensionRef", "`group`, `kind` and `name`"),
    ),
):
    """Something that the Gateway does with a request or its answer.

    Mirroring is the operator's (`strategy.shadow`). A redirect does not reach the model: write it
    in an HTTPRoute of its own.
    """

    type: FilterType
    """What the Gateway does. Not every Gateway can do everything."""
    request_header_modifier: HeaderFilter | None = None
    """Changes of headers of the request. Required for its type, and only for it."""
    response_header_modifier: HeaderFilter | None = None
    """Changes of headers of the answer. Required for its type, and only for it."""
    url_rewrite: UrlRewrite | None = None
    """Another host name or path. Required for its type, and only for it."""
    cors: Cors | None = None
    """What browsers may do. Required for its type, and only for it."""
    extension_ref: ExtensionRef | None = None
    """An object that the Gateway understands. Required for its type, and only for it."""
