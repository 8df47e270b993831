import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.domain import Service, WorkflowRef, WorkflowSpec, WorkflowVersion
from flux.errors import EndpointCollisionError, EndpointNotFoundError
from flux.services import Endpoint, candidates, resolve

ref = WorkflowRef.parse
LISTING = [
    WorkflowVersion(WorkflowSpec(one.namespace, one.name), version, "d", 0)
    for version, one in enumerate(map(ref, ["bank/invoice", "bank/pay", "shop/invoice", "shop/order"]), 1)
]


def test_namespaces_plus_workflows_minus_exclusions():
    service = Service("s", ("bank",), (ref("shop/order"),), (ref("bank/pay"),))
    offer = resolve(service, LISTING)
    assert offer.endpoints == {
        "invoice": Endpoint("invoice", ref("bank/invoice"), 1),
        "order": Endpoint("order", ref("shop/order"), 4),
    }
    assert offer.collisions == {}
    assert offer.endpoint("order").path == "/order"


def test_exclusions_win_over_workflows_that_are_named():
    offer = resolve(Service("s", (), (ref("shop/order"),), (ref("shop/order"),)), LISTING)
    assert offer.endpoints == {}


def test_a_workflow_of_a_namespace_that_is_named_too_is_one_endpoint():
    offer = resolve(Service("s", ("shop",), (ref("shop/order"),)), LISTING)
    assert list(offer.endpoints) == ["invoice", "order"]


def test_a_collision_affects_its_own_name_only():
    offer = resolve(Service("s", ("bank", "shop")), LISTING)
    assert list(offer.endpoints) == ["order", "pay"]
    assert offer.collisions == {"invoice": (ref("bank/invoice"), ref("shop/invoice"))}
    with pytest.raises(EndpointCollisionError, match="bank/invoice and shop/invoice") as caught:
        offer.endpoint("invoice")
    assert caught.value.extra() == {"workflows": ["bank/invoice", "shop/invoice"]}
    assert offer.endpoint("pay").ref == ref("bank/pay")


def test_what_is_not_registered_or_not_selected_leads_nowhere():
    offer = resolve(Service("s", ("nowhere",), (ref("shop/typo"),)), LISTING)
    assert offer.endpoints == {}
    for name in ("typo", "order"):
        with pytest.raises(EndpointNotFoundError, match=name):
            offer.endpoint(name)


refs = st.builds(WorkflowRef, st.sampled_from("ab"), st.sampled_from("xyz"))


@given(st.lists(st.sampled_from("ab")), st.lists(refs), st.lists(refs), st.sets(refs), st.sampled_from("xyz"))
def test_the_candidates_of_a_name_decide_about_it(namespaces, workflows, exclusions, registered, name):
    service = Service("s", tuple(namespaces), tuple(workflows), tuple(exclusions))
    listing = [WorkflowVersion(WorkflowSpec(one.namespace, one.name), 1, "d", 0) for one in sorted(registered, key=str)]
    possible = candidates(service, name)
    whole, part = resolve(service, listing), resolve(service, [one for one in listing if one.spec.ref in possible])
    assert whole.endpoints.get(name) == part.endpoints.get(name)
    assert whole.collisions.get(name) == part.collisions.get(name)
