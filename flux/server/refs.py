"""`{ref:ref}` in route paths: `name` or `namespace/name`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path
from starlette.convertors import Convertor, register_url_convertor

from flux.domain import WorkflowRef


class RefConvertor(Convertor[str]):
    """One path segment, or two."""

    regex = "[^/]+(?:/[^/]+)?"

    def convert(self, value: str) -> str:
        """The text as it is."""
        return value

    def to_string(self, value: str) -> str:
        """The text as it is."""
        return value


register_url_convertor("ref", RefConvertor())


async def workflow_ref(ref: Annotated[str, Path(description="`name` or `namespace/name`")]) -> WorkflowRef:
    """Dependency: the workflow that the path names."""
    return WorkflowRef.parse(ref)


Ref = Annotated[WorkflowRef, Depends(workflow_ref)]
"""The workflow of `{ref:ref}` in the path."""
