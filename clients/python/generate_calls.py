"""Generates `src/openrunner/_calls.py` from docs/openapi.json: one method per JSON operation, synchronous and asynchronous.

Only operations whose response is empty or JSON of a named schema are included. Event streams are read by `_stream`, pages are not for clients.
`clients/generate.sh` runs this after generating the models that the methods refer to.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

HEADER = '''"""API operations, generated from docs/openapi.json by generate_calls.py. Do not edit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any
from urllib.parse import quote

from . import models
'''

ABSTRACT_CALL = """
    @abstractmethod
    {prefix}def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        idempotent: bool = False,
        idempotency_key: str | None = None,
    ) -> Any: ...
"""


class Parameter(NamedTuple):
    """A method parameter."""

    name: str
    wire_name: str
    type: str
    required: bool


class Operation(NamedTuple):
    """One operation of the OpenAPI document."""

    name: str
    method: str
    path: str
    summary: str
    path_parameters: list[Parameter]
    query_parameters: list[Parameter]
    body: Parameter | None
    idempotent: bool
    response: str | None


def model_name(schema: dict[str, Any]) -> str | None:
    """Returns the model that a schema refers to."""
    target = schema.get("$ref", "")
    return f"models.{target.rsplit('/', 1)[-1]}" if target else None


def python_type(schema: dict[str, Any]) -> str:
    """Returns the Python type of a parameter."""
    return model_name(schema) or {"integer": "int", "number": "float", "boolean": "bool"}.get(schema.get("type", ""), "str")


def python_name(wire_name: str) -> str:
    name = re.sub(r"\W", "_", wire_name).lower()
    return f"{name}_" if keyword.iskeyword(name) else name


def parse_parameter(parameter: dict[str, Any]) -> Parameter:
    name = parameter["name"]
    return Parameter(python_name(name), name, python_type(parameter["schema"]), parameter.get("required", False))


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """Yields the JSON operations of the document in its order."""
    for path, item in document["paths"].items():
        # Other routes are for browsers, monitoring and clients of OpenAI's API.
        if not path.startswith(("/api/", "/health")):
            continue
        for method, operation in item.items():
            if method not in ("get", "put", "post", "delete", "patch"):
                continue
            content = next(response for status, response in operation["responses"].items() if status[0] == "2").get("content", {})
            response = model_name(content.get("application/json", {}).get("schema", {}))
            if content and response is None:
                continue
            # Files are sent by `_handle` and `_client`.
            if "application/json" not in operation.get("requestBody", {}).get("content", {"application/json": {}}):
                continue
            parameters = operation.get("parameters", [])
            request = operation.get("requestBody")
            body = None
            if request:
                schema = request["content"]["application/json"]["schema"]
                body = Parameter("body", "body", model_name(schema) or "Any", request.get("required", False))
            yield Operation(
                name=operation["operationId"],
                method=method.upper(),
                path=path,
                summary=" ".join(operation["summary"].split()),
                path_parameters=[parse_parameter(parameter) for parameter in parameters if parameter["in"] == "path"],
                query_parameters=[parse_parameter(parameter) for parameter in parameters if parameter["in"] == "query"],
                body=body,
                idempotent=any(parameter["name"] == "Idempotency-Key" for parameter in parameters),
                response=response,
            )


def render_method(operation: Operation, *, asynchronous: bool) -> str:
    """Returns the source of the method for an operation."""
    parameters = ["self", *(f"{parameter.name}: {parameter.type}" for parameter in operation.path_parameters)]
    arguments = []
    path = operation.path
    for parameter in operation.path_parameters:
        path = path.replace(f"{{{parameter.wire_name}}}", f"{{quote({parameter.name}, safe='')}}")
    if operation.body:
        parameters.append("body: " + (operation.body.type if operation.body.required else f"{operation.body.type} | None = None"))
    keywords = [
        f"{parameter.name}: {parameter.type}" + ("" if parameter.required else " | None = None") for parameter in operation.query_parameters
    ]
    if operation.query_parameters:
        pairs = ", ".join(f'"{parameter.wire_name}": {parameter.name}' for parameter in operation.query_parameters)
        arguments.append(f"query={{{pairs}}}")
    if operation.body:
        arguments.append("body=body")
    if operation.idempotent:
        keywords.append("idempotency_key: str | None = None")
        arguments += ["idempotent=True", "idempotency_key=idempotency_key"]
    if keywords:
        parameters += ["*", *keywords]
    prefix, wait = ("async ", "await ") if asynchronous else ("", "")
    path_literal = f'f"{path}"' if operation.path_parameters else f'"{path}"'
    call = f"{wait}self._call({', '.join([repr(operation.method), path_literal, *arguments])})"
    # The annotation narrows the `Any` that `_call` returns.
    result = f"response: {operation.response} = {call}\n        return response" if operation.response else call
    return f'''
    {prefix}def {operation.name}({", ".join(parameters)}) -> {operation.response}:
        """{operation.summary}"""
        {result}
'''


def render(document: dict[str, Any]) -> str:
    """Returns the source of the module."""
    found = list(operations(document))
    parts = [HEADER]
    for name, asynchronous, summary in (
        ("Calls", False, "One synchronous method per API operation."),
        ("AsyncCalls", True, "One asynchronous method per API operation."),
    ):
        parts.append(f'\n\nclass {name}(ABC):\n    """{summary}"""\n')
        parts.append(ABSTRACT_CALL.format(prefix="async " if asynchronous else ""))
        parts += [render_method(operation, asynchronous=asynchronous) for operation in found]
    return "".join(parts)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as source:
        print(render(json.load(source)), end="")
