"""How items are split."""

from read_core.footage.manifest import grouping, validation_groups


def item(identity, source, number=0):
    return {"identity": identity, "source": source, "file": f"{source}/{number}"}


def test_the_split_is_by_people_then_by_videos_then_by_items():
    by_people = [item("Ada", "1"), item("Ada", "2"), item("Bob", "3")]
    assert grouping(by_people) == ("identity", ["Ada", "Ada", "Bob"])
    assert grouping([item("Ada", "1"), item("Ada", "2")]) == ("source", ["1", "2"])
    assert grouping([item("", "1"), item("", "2")]) == ("source", ["1", "2"])
    assert grouping([item("", "1", 0), item("", "1", 1)]) == ("item", ["1/0", "1/1"])


def test_one_group_of_twenty_is_held_out_and_more_footage_moves_none():
    groups = [f"person {i}" for i in range(4000)]
    held_out = validation_groups(groups)
    assert 150 < len(held_out) < 250
    assert held_out <= validation_groups([*groups, *(f"another {i}" for i in range(500))])


def test_of_few_groups_one_is_held_out_and_of_one_none():
    assert len(validation_groups(["Ada", "Bob"])) == 1
    assert validation_groups(["Ada"]) == set()
