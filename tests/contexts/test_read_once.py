"""What a tick reads in many places is read once, and again when the tick has changed it."""

from collections import Counter

from contexts.read_once import once, read_again, reading_once

reads: Counter[str] = Counter()


@once
def read(name: str) -> int:
    reads[name] += 1
    return reads[name]


def test_within_the_block_it_is_read_once_for_each_argument() -> None:
    reads.clear()
    with reading_once():
        assert [read("a"), read("a"), read("b")] == [1, 1, 1]
    assert reads == {"a": 1, "b": 1}


def test_elsewhere_it_is_read_each_time() -> None:
    reads.clear()
    assert [read("a"), read("a")] == [1, 2]
    with reading_once():
        assert read("a") == 3
    assert read("a") == 4


def test_it_is_read_again_after_a_change_of_the_work_itself() -> None:
    reads.clear()
    with reading_once():
        read("a")
        read_again()
        assert read("a") == 2


def test_a_failure_ends_the_block() -> None:
    reads.clear()
    try:
        with reading_once():
            read("a")
            raise ValueError
    except ValueError:
        pass
    assert read("a") == 2
