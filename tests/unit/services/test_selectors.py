import pytest

from flux.domain import Service, WorkflowRef
from flux.errors import UsageError
from flux.services import Change, changed, check_service, check_service_name

ORDER, REFUND = WorkflowRef("shop", "order"), WorkflowRef("shop", "refund")


@pytest.mark.parametrize("name", ["billing", "0", "a-b_c", "9lives"])
def test_names_a_service_may_have(name):
    assert check_service_name(name) == name


@pytest.mark.parametrize("name", ["", "Billing", "-a", "_a", "a b", "a/b", "a.b", "a\n", "ä"])
def test_names_it_may_not_have(name):
    with pytest.raises(UsageError, match="cannot name a service"):
        check_service_name(name)


@pytest.mark.parametrize("namespace", ["", "shop/order"])
def test_a_namespace_is_one_word(namespace):
    with pytest.raises(UsageError, match="is not a namespace"):
        check_service(Service("billing", namespaces=(namespace,)))


def test_each_selector_counts_once_and_keeps_its_place():
    service = check_service(Service("billing", ("b", "a", "b"), (ORDER, ORDER), (REFUND, REFUND)))
    assert (service.namespaces, service.workflows, service.exclusions) == (("b", "a"), (ORDER,), (REFUND,))


def test_a_change_adds_and_removes():
    service = Service("billing", ("shop",), (ORDER,), (), created_at=5)
    after = changed(
        service,
        Change(
            add_namespaces=["bank", "shop"],
            remove_workflows=[ORDER, REFUND],
            add_exclusions=[REFUND],
            mcp_enabled=True,
        ),
    )
    assert after == Service("billing", ("shop", "bank"), (), (REFUND,), True, created_at=5)
    assert changed(after, Change(remove_namespaces=["shop"], remove_exclusions=[REFUND])) == Service(
        "billing", ("bank",), mcp_enabled=True, created_at=5
    )
    assert changed(after, Change()) == after
    with pytest.raises(UsageError):
        changed(after, Change(add_namespaces=["a/b"]))
