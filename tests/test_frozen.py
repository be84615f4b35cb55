"""Records that a maker made are those that their class makes."""

import sysconfig
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from inspect import signature

import pytest

from smimekit.certificate import Certificate
from smimekit.frozen import maker
from smimekit.message.layers import SignatureResult
from smimekit.span import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    name: str
    others: list[str] = field(default_factory=list)
    size: int = 7

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("It has no name.")


@dataclass(frozen=True, slots=True)
class Place:
    start: int
    end: int = 9


make_named = maker(Named)
make_place = maker(Place)


def test_a_made_record_is_one_of_its_class_and_equals_what_the_class_makes() -> None:
    made = make_place(3)
    assert type(made) is Place
    assert made == Place(3)
    assert hash(made) == hash(Place(3))
    assert repr(made) == "Place(start=3, end=9)"
    assert replace(made, end=4) == make_place(3, 4) == make_place(end=4, start=3)


def test_a_made_record_is_frozen() -> None:
    made = make_place(3)
    with pytest.raises(FrozenInstanceError):
        made.start = 4  # type: ignore[misc] # that it is refused is the point
    with pytest.raises(FrozenInstanceError):
        del made.end
    with pytest.raises((AttributeError, TypeError)):
        made.other = 4  # type: ignore[attr-defined] # that it is refused is the point


def test_defaults_are_those_of_the_class_and_each_record_has_its_own() -> None:
    one, other = make_named(name="a"), make_named(name="b")
    one.others.append("c")
    assert (one.size, other.others) == (7, [])
    with pytest.raises(TypeError, match="name"):
        make_named()  # type: ignore[call-arg] # that it is refused is the point
    with pytest.raises(TypeError):
        make_named("a")  # type: ignore[call-arg] # that it is refused is the point


def test_what_a_class_checks_is_checked() -> None:
    with pytest.raises(ValueError, match="no name"):
        make_named(name="")


def test_a_class_that_a_maker_was_made_of_is_as_it_was() -> None:
    assert Place(1) == Place(1, 9)
    assert [each.type for each in fields(Place)] == [int, int]
    assert list(signature(Place).parameters) == ["start", "end"]
    with pytest.raises(FrozenInstanceError):
        Place(1).start = 4  # type: ignore[misc] # that it is refused is the point


def test_a_maker_is_one_of_a_frozen_dataclass_with_slots() -> None:
    with pytest.raises(TypeError):
        maker(len)
    with pytest.raises(TypeError):
        maker(Certificate.from_pem)


def test_without_the_interpreters_lock_a_class_makes_its_records_itself() -> None:
    """There, all threads stop while an object is given another class: two of them verified a
    fiftieth of what one did.
    """
    assert (maker(Place) is Place) is bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


@pytest.mark.parametrize("record", [Span, SignatureResult])
def test_records_of_the_library_can_be_made_so(record: type) -> None:
    values = {each.name: object() for each in fields(record)}
    made = maker(record)(**values)
    assert type(made) is record
    assert all(getattr(made, name) is value for name, value in values.items())
