"""An engine that was closed: nothing outside of it holds it, and the copies that it had are given back at once."""

import gc
import weakref

from config_scripts.schema import load_config
from engine.engine import Engine
from engine.options import InferOptions, TrainOptions
from tests.crash import small


def test_a_closed_engine_is_held_by_nobody(tmp_path):
    small.make(tmp_path)
    engine = Engine(load_config(small.script(tmp_path)), tmp_path / "data")
    engine.start()
    for number in range(2):
        engine.train({"messages": small.lesson(f"It is {number}.")}, TrainOptions(epochs=1), None, {"epochs"}).result(60)
    for then in (None, "1"):  # the second model as well
        engine.infer({"messages": [{"role": "user", "text": "Who?"}]}, InferOptions(max_tokens=2), None, {"max_tokens"}, as_of=then).result(60)
    copy = weakref.ref(next(iter(engine.past.recent._kept.values())))
    networks = [weakref.ref(learner.model.network) for learner in (engine.past.learner, engine.spare._learner)]
    weights = [weakref.ref(network().emb.weight) for network in networks]
    engine.close(1)
    assert copy() is None, "copies of the weights are large: they do not wait for the collector"
    whole = weakref.ref(engine)
    del engine
    gc.collect()
    assert [each() for each in (whole, *networks, *weights)] == [None] * 5
