"""Writes `src/openrunner/_calls.py`: a method for each plain call that docs/openapi.json describes, blocking and async.

A call is plain if its answer is JSON of a named schema, or nothing. Streams and pages are not; the follower reads the former.
`clients/generate.sh` runs this after the models have been generated, whose names it uses.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

HEAD = '''"""The plain calls of the API, generated from docs/openapi.json by generate_calls.py. Changes belong there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any
from urllib.parse import quote

from . import models
'''

ABSTRACT = """
    @abstractmethod
    {prefix}def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        keyed: bool = False,
        idempotency_key: str | None = None,
    ) -> Any: ...
"""


class Parameter(NamedTuple):
    """What a method takes for a parameter of the call."""

    name: str
    wire: str
    type: str
    required: bool


class Call(NamedTuple):
    """One operation of the document."""

    name: str
    method: str
    path: str
    summary: str
    path_parameters: list[Parameter]
    query: list[Parameter]
    body: Parameter | None
    keyed: bool
    answer: str | None


def reference(schema: dict[str, Any]) -> str | None:
    """The model that a schema refers to."""
    target = schema.get("$ref", "")
    return f"models.{target.rsplit('/', 1)[-1]}" if target else None


def plain_type(schema: dict[str, Any]) -> str:
    """The Python type of a parameter."""
    return reference(schema) or {"integer": "int", "number": "float", "boolean": "bool"}.get(schema.get("type", ""), "str")


def python_name(wire: str) -> str:
    name = re.sub(r"\W", "_", wire).lower()
    return f"{name}_" if keyword.iskeyword(name) else name


def parameter(described: dict[str, Any]) -> Parameter:
    wire = described["name"]
    return Parameter(python_name(wire), wire, plain_type(described["schema"]), described.get("required", False))


def calls(document: dict[str, Any]) -> Iterator[Call]:
    """The plain calls of the document, in its order."""
    for path, item in document["paths"].items():
        # What stands outside of these is for other clients: browsers, monitoring, programs that speak OpenAI's API.
        if not path.startswith(("/api/", "/health")):
            continue
        for method, operation in item.items():
            content = next(answer for status, answer in operation["responses"].items() if status[0] == "2").get("content", {})
            answer = reference(content.get("application/json", {}).get("schema", {}))
            if content and answer is None:
                continue
            described = operation.get("parameters", [])
            request = operation.get("requestBody")
            body = None
            if request:
                schema = request["content"]["application/json"]["schema"]
                body = Parameter("body", "body", reference(schema) or "Any", request.get("required", False))
            yield Call(
                name=operation["operationId"],
                method=method.upper(),
                path=path,
                summary=" ".join(operation["summary"].split()),
                path_parameters=[parameter(one) for one in described if one["in"] == "path"],
                query=[parameter(one) for one in described if one["in"] == "query"],
                body=body,
                keyed=any(one["name"] == "Idempotency-Key" for one in described),
                answer=answer,
            )


def written(call: Call, *, asynchronous: bool) -> str:
    """The method for a call."""
    takes = ["self", *(f"{one.name}: {one.type}" for one in call.path_parameters)]
    gives = []
    path = call.path
    for one in call.path_parameters:
        path = path.replace(f"{{{one.wire}}}", f"{{quote({one.name}, safe='')}}")
    if call.body:
        takes.append("body: " + (call.body.type if call.body.required else f"{call.body.type} | None = None"))
    named = [f"{one.name}: {one.type}" + ("" if one.required else " | None = None") for one in call.query]
    if call.query:
        pairs = ", ".join(f'"{one.wire}": {one.name}' for one in call.query)
        gives.append(f"query={{{pairs}}}")
    if call.body:
        gives.append("body=body")
    if call.keyed:
        named.append("idempotency_key: str | None = None")
        gives += ["keyed=True", "idempotency_key=idempotency_key"]
    if named:
        takes += ["*", *named]
    prefix, wait = ("async ", "await ") if asynchronous else ("", "")
    quoted = f'f"{path}"' if call.path_parameters else f'"{path}"'
    asked = f"{wait}self._call({', '.join([repr(call.method), quoted, *gives])})"
    result = f"answer: {call.answer} = {asked}\n        return answer" if call.answer else asked
    # One that has nothing to say but its class wants no docstring that ends in a quote.
    return f'''
    {prefix}def {call.name}({", ".join(takes)}) -> {call.answer}:
        """{call.summary}"""
        {result}
'''


def main(document: dict[str, Any]) -> str:
    found = list(calls(document))
    parts = [HEAD]
    for name, asynchronous, what in (("Calls", False, "that blocks"), ("AsyncCalls", True, "to be awaited")):
        parts.append(f'\n\nclass {name}(ABC):\n    """Each plain call as a method {what}."""\n')
        parts.append(ABSTRACT.format(prefix="async " if asynchronous else ""))
        parts += [written(call, asynchronous=asynchronous) for call in found]
    return "".join(parts)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as source:
        print(main(json.load(source)), end="")
