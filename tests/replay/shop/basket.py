"""What the source report of the recorded history has read."""


def total(items):
    """Sum."""
    return sum(items)
