"""Errors as RFC 9457 problem documents, mapped once for all routes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from flux.errors import FluxError, InvalidInputError
from flux.server.bodies import MalformedBodyError, dumps
from flux.wire.models import Problem

MEDIA_TYPE = "application/problem+json"

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media_type"}

log = logging.getLogger("flux.server")


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(FluxError, _flux_error)
    app.add_exception_handler(RequestValidationError, _request_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def problem(error: FluxError, instance: str = "") -> dict[str, Any]:
    """The problem document of an error, as plain values."""
    return {
        **error.extra(),
        "type": "about:blank",
        "title": _title(type(error)),
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "hint": error.hint,
        "instance": instance,
    }


def respond(error: FluxError, instance: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """The response for an error."""
    return Response(dumps(problem(error, instance)), error.status, dict(headers or {}), MEDIA_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route: which problems it can answer with. 422 and 500 come with every route."""
    return {
        status: {"model": Problem, "description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {}}}
        for status in sorted({*statuses, 422, 500})
    }


async def _flux_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FluxError)
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    return respond(error, request.url.path, headers)


async def _request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if found and found[0].get("type") == "json_invalid":
        return respond(_malformed(found[0]), request.url.path)
    return respond(InvalidInputError(errors=_fields(found)), request.url.path)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    details = {404: f"Nothing is at {request.url.path}.", 405: f"{request.method} is not allowed here."}
    body = {
        "type": "about:blank",
        "title": phrase,
        "status": error.status_code,
        "detail": details.get(error.status_code, str(error.detail)),
        "code": _CODES.get(error.status_code, "http_error"),
        "hint": "",
        "instance": request.url.path,
    }
    return Response(dumps(body), error.status_code, dict(error.headers or {}), MEDIA_TYPE)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    hint = "This is a fault of the server; its log has the traceback."
    return respond(FluxError("The server could not do that.", hint=hint), request.url.path)


def _malformed(found: Mapping[str, Any]) -> MalformedBodyError:
    reason = (found.get("ctx") or {}).get("error", found.get("msg", ""))
    return MalformedBodyError(f"The body is not JSON: {reason}.")


def _fields(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"loc": list(one.get("loc", ())), "msg": str(one.get("msg", "")), "type": str(one.get("type", ""))}
        for one in found
    ]


def _title(kind: type[FluxError]) -> str:
    return (kind.__doc__ or kind.__name__).strip().split("\n")[0].rstrip(".")
