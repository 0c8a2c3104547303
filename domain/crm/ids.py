"""The order of record ids, which are text but often numbers."""


def id_order(record_id: str) -> tuple[int, int, str, str]:
    """D5 step 4's "lowest id": numbers by value, then everything else as text.

    Numbers come before other ids, because comparing each pair in its own way would leave no order at all
    ("2" < "10" < "1a" < "2"). Digits are counted, not converted: an id has no upper bound.
    """
    if record_id.isascii() and record_id.isdigit():
        digits = record_id.lstrip("0")
        return (0, len(digits), digits, record_id)
    return (1, 0, record_id, record_id)
