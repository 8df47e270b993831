"""A small HTTP application shaped like the server, reached by the commands over ASGI."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from typer.testing import CliRunner, Result

from flux.cli.main import app
from flux.cli.session import connector
from flux.client import FluxClient

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).isoformat()


@dataclass
class Server:
    """Answers by method and path; remembers what it was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "DELETE"])
        async def answer(path: str, request: Request) -> Any:
            body = await request.body()
            line = f"{request.method} /{path}"
            self.asked.append((line, dict(request.query_params), json.loads(body) if body else None))
            if line not in self.answers:
                return JSONResponse({"code": "not_found", "detail": f"No {line}."}, 404)
            found = self.answers[line]
            if isinstance(found, str):
                return StreamingResponse(iter([found]), media_type="text/event-stream")
            return JSONResponse(found, found.get("status", 200) if isinstance(found, dict) and "code" in found else 200)

        return app

    def execution(self, **more: Any) -> dict[str, Any]:
        base = {"execution_id": "e1", "namespace": "shop", "workflow": "order", "version": 2, "state": "CREATED"}
        return {**base, "created_at": NOW, "updated_at": NOW, "input": {"n": 1}, **more}

    def wait(self, name: str, **more: Any) -> dict[str, Any]:
        return {"execution_id": "e1", "id": f"id-{name}", "name": name, "kind": "input", "since": NOW, **more}

    def workflow(self, **more: Any) -> dict[str, Any]:
        return {"namespace": "shop", "name": "order", "version": 2, "digest": "d" * 64, "created_at": NOW, **more}

    def run(self, *arguments: str, stdin: str | None = None) -> Result:
        """Run a command against this server."""
        transport = httpx.ASGITransport(self.app())
        token = connector.set(lambda url: FluxClient(url, transport=transport))
        try:
            return CliRunner().invoke(app, [*arguments, "--server-url", "http://flux"], input=stdin)
        finally:
            connector.reset(token)


@pytest.fixture
def server() -> Server:
    return Server()
