"""Events: dataclasses that can be read like the dicts that a log has of them."""

import json
from dataclasses import fields

import pytest

from w2v_sparseadam import events
from w2v_sparseadam.events import EpochEnded, Event, Initialized, Warned

KINDS = [kind for kind in vars(events).values() if isinstance(kind, type) and kind is not Event]
KINDS = [kind for kind in KINDS if issubclass(kind, Event)]


def test_an_event_reads_like_a_dict():
    event = EpochEnded(epoch=1, tokens=2, pairs=3.0, loss=None, seconds=0.5)
    as_dict = {
        "event": "epoch",
        "epoch": 1,
        "tokens": 2,
        "pairs": 3.0,
        "loss": None,
        "seconds": 0.5,
    }
    assert dict(event) == {**event} == as_dict
    assert json.loads(json.dumps(dict(event))) == as_dict
    assert "loss" in event
    assert "lr" not in event
    assert (event["tokens"], event.get("lr"), event.get("epoch", 5)) == (2, None, 1)
    with pytest.raises(KeyError, match="keys"):
        event["keys"]
    with pytest.raises(AttributeError):
        event.epoch = 2


def test_events_make_a_data_frame():
    pandas = pytest.importorskip("pandas")
    events = (EpochEnded(1, 2, 3.0, 0.5, 0.1), EpochEnded(2, 2, 3.0, 0.25, 0.1))
    frame = pandas.DataFrame(events)
    assert list(frame.columns) == ["epoch", "tokens", "pairs", "loss", "seconds"]
    assert frame.loss.tolist() == [0.5, 0.25]


def test_what_an_event_does_not_have_is_left_out():
    assert dict(Warned("x")) == {"event": "warning", "message": "x"}
    assert dict(Warned("x", "y")) == {"event": "warning", "message": "x", "advice": "y"}
    assert "moments" not in Initialized(1, 2, 3)
    assert Initialized(1, 2, 3, moments=False)["moments"] is False


def test_kinds_are_distinct_and_told():
    assert len({kind.kind for kind in KINDS}) == len(KINDS) > 12
    for kind in KINDS:
        assert kind.__doc__
        assert fields(kind)
