import pytest

from flux import errors
from flux.client.errors import from_problem, member
from flux.errors import (
    ConflictError,
    ExecutionTimeoutError,
    FluxError,
    InvalidInputError,
    NonDeterminismError,
    NotFoundError,
    ServerUnavailableError,
    StaleClaimError,
    WaitAmbiguousError,
    WorkflowCatalogError,
    WorkflowNotFoundError,
)


def test_the_class_comes_back_by_its_code_with_message_and_hint():
    body = {"code": "workflow_not_found", "detail": "Workflow 'x' not found.", "hint": "Look twice.", "ref": "x"}
    error = from_problem(404, body)
    assert isinstance(error, WorkflowNotFoundError)
    assert (str(error), error.hint, error.ref) == ("Workflow 'x' not found.", "Look twice.", "x")


def test_field_errors_of_a_refused_input_come_back():
    fields = [{"loc": ["amount"], "msg": "too small", "type": "value_error"}]
    error = from_problem(422, {"code": "invalid_input", "detail": "The input is not valid.", "errors": fields})
    assert isinstance(error, InvalidInputError)
    assert error.errors == fields


def test_open_waits_and_divergences_come_back():
    waits = [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}]
    ambiguous = from_problem(409, {"code": "wait_ambiguous", "detail": "Several.", "waits": waits})
    assert isinstance(ambiguous, WaitAmbiguousError)
    assert ambiguous.waits == waits
    diverged = from_problem(409, {"code": "non_determinism", "detail": "Diverged.", "recorded": "charge(7)"})
    assert isinstance(diverged, NonDeterminismError)
    assert diverged.recorded == "charge(7)"


def test_every_error_of_the_tree_survives_the_round_trip():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FluxError)]
    for kind in kinds:
        error = from_problem(kind.status, {"code": kind.code, "detail": "What happened."})
        assert error.code == kind.code
        assert str(error) == "What happened."


def test_further_members_stay_readable():
    error = from_problem(400, {"code": "workflow_invalid", "detail": "Broken.", "traceback": "T", "line": 4})
    assert isinstance(error, WorkflowCatalogError)
    assert (member(error, "traceback"), member(error, "line"), member(error, "path", "?")) == ("T", 4, "?")


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (404, {"detail": "Not Found"}, NotFoundError, "Not Found"),
        (409, None, ConflictError, "fallback"),
        (503, "<html>", ServerUnavailableError, "fallback"),
        (500, {"code": "of_a_newer_server", "detail": "Hm."}, FluxError, "Hm."),
        (422, {"detail": [{"msg": "field required", "loc": ["body"]}]}, InvalidInputError, "field required"),
        (409, {"code": "stale_claim", "detail": "Gone."}, StaleClaimError, "Gone."),
        (500, {"code": "timed_out", "detail": "Late."}, ExecutionTimeoutError, "Late."),
    ],
)
def test_answers_that_are_no_problem_documents_map_by_status(status, body, kind, text):
    error = from_problem(status, body, "fallback")
    assert type(error) is kind
    assert str(error) == text
