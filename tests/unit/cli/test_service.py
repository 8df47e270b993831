import json

import pytest

ENDPOINT = {"name": "invoice", "path": "/invoice", "namespace": "bank", "workflow": "invoice", "version": 3}


def service(**more):
    base = {"name": "billing", "namespaces": ["bank", "shop"], "workflows": ["hr/pay"], "exclusions": ["shop/order"]}
    times = {"created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z"}
    return {**base, **times, "endpoints": [ENDPOINT], **more}


def test_list_is_a_table(server):
    server.answers["GET /services"] = [service()]
    lines = server.run("service", "list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "NAMESPACES", "WORKFLOWS", "EXCLUSIONS"]
    assert lines[1].split("  ")[0] == "billing"
    assert json.loads(server.run("service", "list", "--format", "json").stdout)[0]["workflows"] == ["hr/pay"]


def test_an_empty_list_says_what_to_do(server):
    server.answers["GET /services"] = []
    result = server.run("service", "list")
    assert (result.stdout, result.exit_code) == ("", 0)
    assert "flux service create" in result.stderr


def test_show_prints_selectors_and_endpoints(server):
    server.answers["GET /services/billing"] = service()
    assert server.run("service", "show", "billing").stdout.splitlines() == [
        "service     billing",
        "namespaces  bank, shop",
        "workflows   hr/pay",
        "exclusions  shop/order",
        "Resolved endpoints (1):",
        "  /invoice → bank/invoice (v3)",
    ]


def test_show_tells_collisions(server):
    collision = {"name": "pay", "workflows": ["bank/pay", "hr/pay"]}
    server.answers["GET /services/billing"] = service(endpoints=[], collisions=[collision])
    result = server.run("service", "show", "billing")
    assert "Resolved endpoints (0):" in result.stdout
    assert "/pay is ambiguous: bank/pay and hr/pay." in result.stderr
    assert "flux service exclude billing REF" in result.stderr


def test_create_sends_what_it_was_given(server):
    server.answers["POST /services"] = service()
    options = ["--namespace", "bank", "--namespace", "shop", "--workflow", "hr/pay", "--exclude", "shop/order", "--mcp"]
    assert server.run("service", "create", "billing", *options).exit_code == 0
    assert server.asked[0][2] == {
        "name": "billing",
        "namespaces": ["bank", "shop"],
        "workflows": ["hr/pay"],
        "exclusions": ["shop/order"],
        "mcp_enabled": True,
    }


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (["add", "billing", "--namespace", "hr"], {"add_namespaces": ["hr"]}),
        (["add", "billing", "--workflow", "a/b", "--workflow", "c"], {"add_workflows": ["a/b", "c"]}),
        (["remove", "billing", "--namespace", "hr"], {"remove_namespaces": ["hr"]}),
        (["remove", "billing", "--workflow", "a/b"], {"remove_workflows": ["a/b"]}),
        (["exclude", "billing", "a/b", "a/c"], {"add_exclusions": ["a/b", "a/c"]}),
        (["include", "billing", "a/b"], {"remove_exclusions": ["a/b"]}),
        (["update", "billing", "--mcp"], {"mcp_enabled": True}),
        (["update", "billing", "--no-mcp"], {"mcp_enabled": False}),
    ],
)
def test_changes(server, arguments, changes):
    server.answers["PUT /services/billing"] = service()
    result = server.run("service", *arguments)
    assert result.exit_code == 0, result.stderr
    _, _, body = server.asked[0]
    assert {name: value for name, value in body.items() if value not in ([], None)} == changes


@pytest.mark.parametrize("verb", ["add", "remove"])
def test_a_change_needs_a_selector(server, verb):
    result = server.run("service", verb, "billing")
    assert result.exit_code == 2
    assert "--namespace NS or --workflow REF" in result.stderr
    assert server.asked == []


def test_update_needs_something_to_update(server):
    assert server.run("service", "update", "billing").exit_code == 2


def test_delete_asks_first(server):
    server.answers["DELETE /services/billing"] = None
    assert server.run("service", "delete", "billing", stdin="n\n").exit_code == 1
    assert server.asked == []
    assert server.run("service", "delete", "billing", "--yes").exit_code == 0
    assert server.asked[0][0] == "DELETE /services/billing"


def test_problems_are_told_with_their_hint(server):
    problem = {"code": "service_not_found", "detail": "Service 'x' not found.", "hint": "Look.", "status": 404}
    server.answers["GET /services/x"] = problem
    result = server.run("service", "show", "x")
    assert (result.exit_code, result.stderr.splitlines()) == (1, ["Error: Service 'x' not found.", "Look."])
