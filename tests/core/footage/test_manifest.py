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


def test_more_footage_moves_no_group_whatever_its_hash():
    """Of RD_Radio1 to 5 only the fallback holds one out, RD_Radio2; its hash holds RD_Radio6 out."""
    few = [f"RD_Radio{i}" for i in range(1, 6)]
    assert validation_groups(few) == {"RD_Radio2"}
    before = {group: "validation" if group == "RD_Radio2" else "train" for group in few}
    assert validation_groups([*few, "RD_Radio6"], before) == {"RD_Radio2", "RD_Radio6"}
    assert validation_groups([*few, "RD_Radio6"], before | {"RD_Radio6": "train"}) == {"RD_Radio2"}


def test_of_groups_that_would_all_be_held_out_one_is_trained_on():
    low = sorted(validation_groups([f"person {i}" for i in range(200)]))[:2]  # both by their hash
    assert len(validation_groups(low)) == 1
    assert validation_groups(low, {low[0]: "validation"}) == {low[0]}
    assert validation_groups(low, {low[1]: "validation"}) == {low[1]}


def test_of_few_groups_one_is_held_out_and_of_one_none():
    assert len(validation_groups(["Ada", "Bob"])) == 1
    assert validation_groups(["Ada"]) == set()
