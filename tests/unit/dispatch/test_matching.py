import pytest

from flux.dispatch.matching import Candidate, choose, fits, size


def test_least_loaded_worker_is_chosen():
    assert choose([Candidate("a", 10, 3), Candidate("b", 10, 9), Candidate("c", 4, 2)], "d") == "b"


def test_warm_worker_is_preferred_until_it_is_much_busier():
    warm = frozenset({"d"})
    assert choose([Candidate("cold", 10, 10), Candidate("warm", 10, 8, warm)], "d") == "warm"
    assert choose([Candidate("cold", 10, 10), Candidate("warm", 10, 5, warm)], "d") == "cold"


def test_full_workers_get_nothing():
    assert choose([Candidate("a", 10, 0)], "d") is None
    assert choose([], "d") is None


@pytest.mark.parametrize(
    ("requests", "fitting"),
    [
        ({"cpu": 2}, True),
        ({"cpu": 8}, False),
        ({"memory": "2Gi"}, True),
        ({"memory": "64Gi"}, False),
        ({"gpu": 1}, False),
        ({"disk": "1T"}, True),  # not reported: cannot be refused
        ({"packages": ["pandas>=2", "scikit_learn"]}, True),
        ({"packages": ["pandas<2"]}, False),
        ({"packages": ["torch"]}, False),
        ({"packages": ["pandas==2.1"]}, True),
    ],
)
def test_resources_and_packages(requests, fitting):
    worker = Candidate(
        "a",
        1,
        1,
        resources={"cpu_total": 4, "memory_total": 16 * 2**30, "gpus": 0},
        packages={"pandas": "2.1.0", "scikit-learn": "1"},
    )
    assert fits(worker, requests) is fitting


def test_sizes():
    assert [size(text) for text in ("512Mi", "1G", "10", "1.5KB", "lots")] == [2**29, 1e9, 10, 1500, 0]
