"""A lesson on a random float64 network with a plain optimizer: the gradient of every step is seen."""

import dataclasses
import random

import pytest
import torch
import torch.nn.functional as F

from engine.lesson_run import LessonRun
from engine.plan import Plan
from engine.rehearsal import Rehearsal
from models.sample import Sample
from tests.engine.plain_trainer import PlainTrainer
from tests.rwkv_models.networks import error, random_network, tokens

PLAN = Plan(mode="plain", lr=0.05, epochs=3, until_loss=None, max_epochs=20, min_loss=0.0, max_loss=100.0, min_loss_fix=1.0,
            max_loss_fix=1.0, ctx_len=100, window=0, bptt_range=99, keep_state=False, refuse_above=50.0, carry_moments=False, seed=7)
READ = tokens(19, seed=1)[0].tolist()
SAID = tokens(8, seed=2)[0].tolist()
PAIR = Sample(tuple(READ[:11] + SAID[:7]), (0.0,) * 9 + (1.0,) * 9, tuple(READ[:11] + SAID[3:] + READ[:4]))
MODES = [{"mode": "plain"}, {"mode": "wani-bot", "ctx_len": 5}, {"mode": "pico", "ctx_len": 4, "bptt_range": 99}]


def network():
    return random_network(layers=2, channels=32, head_size=16)


def taught(samples=(PAIR,), general=(), earlier=(), state=None, rows=1, **changes):
    trainer = PlainTrainer(network())
    trainer.rows = rows
    run = LessonRun(trainer, samples, dataclasses.replace(PLAN, **changes), Rehearsal(general, 0, 0, 16), earlier, state)
    events = [e for e in run.steps() if e]
    assert run.learned, run.reason
    return run, trainer, events


def log_p(network, read, first):
    """The log-probability of read[first:] after read[:first]."""
    logits, _ = network(torch.tensor([read[:-1]]))
    return -F.cross_entropy(logits[0], torch.tensor(read[1:]), reduction="none")[first - 1 :]


def loaded(parameters):
    other = network()
    other.load_state_dict(parameters)
    return other


@pytest.mark.parametrize("how", MODES, ids=[m["mode"] for m in MODES])
def test_dpo_over_chunks_is_the_gradient_of_the_written_formula(how):
    _, trainer, _ = taught(objective="dpo", beta=0.3, sft_weight=0.5, **how)
    reference = loaded(trainer.seen[0][0])
    preference = lambda net: log_p(net, PAIR.tokens, 9).sum() - log_p(net, PAIR.rejected, 11).sum()  # noqa: E731
    # The tokens 9 and 10 are trained and shared by both answers: they are in dpo's two terms alike, or in neither.
    shared = lambda net: preference(net) - log_p(net, PAIR.rejected, 9)[:2].sum()  # noqa: E731
    for number, (weights, gradients) in enumerate(trainer.seen):
        present = loaded(weights)
        margin = shared(present) - shared(reference).detach()
        assert (abs(float(margin.detach())) > 1e-3) == (number > 0), "a step without margin tests nothing of the reference"
        (-F.logsigmoid(0.3 * margin) - 0.5 * log_p(present, PAIR.tokens, 9).mean()).backward()
        for name, p in present.named_parameters():
            assert error(gradients[name], p.grad) < 1e-10, name


@pytest.mark.parametrize("how", MODES, ids=[m["mode"] for m in MODES])
def test_unlikelihood_over_chunks_is_the_gradient_of_the_written_formula(how):
    _, trainer, _ = taught(objective="unlikelihood", **how)
    weights, gradients = trainer.seen[-1]
    present = loaded(weights)
    rejected = log_p(present, PAIR.rejected, 11)
    (-log_p(present, PAIR.tokens, 9).mean() - (1 - rejected.exp()).log().mean()).backward()
    for name, p in present.named_parameters():
        assert error(gradients[name], p.grad) < 1e-10, name


def test_dpo_and_unlikelihood_lower_the_rejected_answer_where_sft_need_not():
    habit = Sample(PAIR.rejected, (0.0,) * 9 + (1.0,) * (len(PAIR.rejected) - 9))
    wrong = taught([habit], epochs=40, lr=0.2)[1].network.state_dict()
    fell = {}
    for objective in ("sft", "dpo", "unlikelihood"):
        trainer = PlainTrainer(loaded(wrong))
        run = LessonRun(trainer, [PAIR], dataclasses.replace(PLAN, objective=objective, beta=1.0, epochs=8), Rehearsal((), 0, 0, 16), ())
        before = log_p(trainer.network, PAIR.rejected, 11)[1:].mean().item()
        list(run.steps())
        fell[objective] = before - log_p(trainer.network, PAIR.rejected, 11)[1:].mean().item()
        assert run.loss_after < run.loss_before, "the right answer is learned under each"
    assert fell["dpo"] > 2 * abs(fell["sft"]) and fell["unlikelihood"] > 2 * abs(fell["sft"]), fell


def test_until_loss_is_that_of_the_right_answer_under_dpo():
    run, trainer, _ = taught(objective="dpo", until_loss=2.0, max_epochs=200)
    assert 0 < run.taken < 200 and run.loss_after <= 2.0
    assert run.loss_after == pytest.approx(-log_p(trainer.network, PAIR.tokens, 9).mean().item(), rel=1e-10)


def test_a_sample_without_a_rejected_answer_is_learned_by_sft():
    plain = Sample(PAIR.tokens, PAIR.weights)
    for objective in ("dpo", "unlikelihood"):
        _, a, _ = taught((plain,), objective=objective)
        _, b, _ = taught((plain,))
        assert all(torch.equal(x, y) for x, y in zip(a.weights(), b.weights(), strict=True))


# -- steps


def test_accumulated_samples_make_one_step_of_their_mean():
    samples = [Sample(tuple(tokens(n, seed=n)[0].tolist()), (1.0,) * n) for n in (6, 9, 12)]
    run, trainer, events = taught(samples, accumulate=2, epochs=2)
    assert run.taken == 4 == events[-1]["steps"] and [e["epoch"] for e in events] == [1, 1, 2, 2]
    alone = [taught([s], epochs=1)[1].seen[0][1] for s in samples[:2]]
    for name, gradient in trainer.seen[0][1].items():
        assert error(gradient, (alone[0][name] + alone[1][name]) / 2) < 1e-10
    assert events[0]["loss"] == pytest.approx(sum(taught([s], epochs=1)[0].loss_before for s in samples[:2]) / 2)
    _, single, _ = taught(samples, accumulate=1, epochs=1)
    assert len(single.seen) == 3


@pytest.mark.parametrize("rows", [2, 3, 8])
@pytest.mark.parametrize("mode", ["plain", "pico"])
def test_samples_taken_at_once_are_as_one_after_another(rows, mode):
    samples = [Sample(tuple(tokens(n, seed=n)[0].tolist()), (1.0,) * n) for n in (6, 9, 12, 5)]
    (one, trainer, told), (several, together, told_too) = (taught(samples, accumulate=3, epochs=2, mode=mode, rows=n) for n in (1, rows))
    assert several.taken == one.taken == 4 and several.loss_after == pytest.approx(one.loss_after, rel=1e-10)
    assert [e["loss"] for e in told_too] == pytest.approx([e["loss"] for e in told], rel=1e-10)
    for step, step_too in zip(trainer.seen, together.seen, strict=True):
        assert all(error(step_too[1][name], gradient) < 1e-9 for name, gradient in step[1].items())


def test_what_an_order_or_a_cut_matters_to_is_never_taken_at_once():
    samples = [PAIR, *(Sample(tuple(tokens(n, seed=n)[0].tolist()), (1.0,) * n) for n in (6, 9))]
    for changes in ({"mode": "wani-bot", "keep_state": True}, {"ctx_len": 10}, {"objective": "unlikelihood"}):
        run = LessonRun(PlainTrainer(network()), samples, dataclasses.replace(PLAN, **changes), Rehearsal((), 0, 0, 16), ())
        run.trainer.rows = 3
        assert [list(i) for i in run._at_once(range(3))] == [[0], [1], [2]]


def test_one_sample_above_the_limit_refuses_all_that_are_taken_at_once():
    likely, unlikely = Sample((1, 1, 1), (1.0,) * 3), Sample((2, 3, 4), (1.0,) * 3)
    losses = [taught([s], epochs=1)[0].loss_before for s in (likely, unlikely)]
    limit = sum(losses) / 2
    assert min(losses) < limit < max(losses)
    for rows in (1, 2):
        trainer = PlainTrainer(network())
        trainer.rows = rows
        plan = dataclasses.replace(PLAN, accumulate=2, refuse_above=limit * 1.0001)
        run = LessonRun(trainer, [likely, unlikely], plan, Rehearsal((), 0, 0, 16), ())
        list(run.steps())
        assert not run.learned and run.reason.startswith(f"the loss is {max(losses):.3g}, above")


def test_the_schedule_goes_over_all_the_steps_of_a_lesson():
    samples = [Sample(tuple(tokens(n, seed=n)[0].tolist()), (1.0,) * n) for n in (6, 9, 12)]
    _, trainer, _ = taught(samples, accumulate=2, epochs=3, schedule="cosine", lr_final=0.0, warmup=1, lr=0.01)
    assert trainer.rates == pytest.approx([0.01, 0.01, 0.01 * (1 + 2**-0.5) / 2, 0.005, 0.01 * (1 - 2**-0.5) / 2, 0.0])


def test_samples_that_teach_nothing_are_passed_over():
    nothing = [Sample((3,), (1.0,)), Sample((3, 4), (1.0, 0.0))]
    assert taught([*nothing, PAIR])[0].loss_after == taught([PAIR])[0].loss_after


# -- holding on


def general(count=12):
    return [Sample(tuple(tokens(20, seed=100 + i)[0].tolist()), (1.0,) * 20) for i in range(count)]


def test_the_anchor_is_the_divergence_from_the_weights_before_the_lesson():
    _, trainer, _ = taught(general=general(), kl=0.7, kl_texts=2, general_tokens=9, epochs=6)
    reference = loaded(trainer.seen[0][0])
    texts = Rehearsal(general(), 0, 0, 16).anchors(dataclasses.replace(PLAN, general_tokens=9), 8)
    assert len(texts) == 8 and all(len(t.tokens) == 9 for t in texts)
    for step in (0, 2, 5):
        weights, gradients = trainer.seen[step]
        present = loaded(weights)
        objective = -log_p(present, PAIR.tokens, 9).mean()
        for text in texts[step % 4 * 2 :][:2]:
            read = torch.tensor([text.tokens[:-1]])
            old, new = (torch.log_softmax(net(read)[0][0], dim=-1) for net in (reference, present))
            objective = objective + 0.7 / 2 * (old.detach().exp() * (old.detach() - new)).sum(dim=-1).mean()
        objective.backward()
        for name, p in present.named_parameters():
            assert error(gradients[name], p.grad) < 1e-10, (step, name)


def test_the_anchor_holds():
    def moved(**how):
        _, trainer, _ = taught(general=general(), epochs=6, general_tokens=16, **how)
        first = loaded(trainer.seen[0][0])
        read = torch.tensor([t.tokens for t in general()])
        old, new = (torch.log_softmax(net(read)[0].detach(), dim=-1) for net in (first, trainer.network))
        return float((old.exp() * (old - new)).sum(dim=-1).mean())

    assert moved(kl=40.0) < 0.8 * moved()


def test_a_lesson_learned_again_is_the_same_to_the_bit():
    plan = dataclasses.replace(PLAN, objective="dpo", kl=0.5, kl_texts=3, replay=2, general=3, general_tokens=12, schedule="wsd")

    def weights(seed):
        trainer = PlainTrainer(network())
        run = LessonRun(trainer, [PAIR], dataclasses.replace(plan, seed=seed), Rehearsal(general(), 0, 0, 16), general(30)[20:])
        list(run.steps())
        return trainer.weights()

    first, again, other = weights(7), weights(7), weights(8)
    same = lambda a, b: all(torch.equal(x, y) for x, y in zip(a, b, strict=True))  # noqa: E731
    assert same(first, again) and not same(first, other)


def test_what_is_held_is_learned_along_as_an_earlier_lesson_is():
    other = general(1)[0]

    def weights(**how):
        trainer = PlainTrainer(network())
        plan = dataclasses.replace(PLAN, epochs=2, near=1 if "held_earlier" in how else 0, replay=1 if how.get("earlier") else 0)
        list(LessonRun(trainer, [PAIR], plan, Rehearsal((), 0, 0, 16), **{"earlier": (), **how}).steps())
        return trainer.weights()

    alone, rehearsed, held, held_again = weights(), weights(earlier=[other]), weights(held=[other]), weights(held_earlier=[other])
    same = lambda a, b: all(torch.equal(x, y) for x, y in zip(a, b, strict=True))  # noqa: E731
    assert not same(alone, rehearsed) and same(rehearsed, held) and same(held, held_again)


def test_of_what_is_held_a_step_learns_what_is_lost_most():
    """By an oracle of its own: the mean loss of each, the whole network read for each alone."""
    mine, earlier = general(6), general(30)[20:]
    run = LessonRun(PlainTrainer(network()), [PAIR], dataclasses.replace(PLAN, near=3, spoiled=True), Rehearsal((), 0, 0, 16), (), None, mine,
                    earlier)
    seen = [*mine, *Rehearsal((), 0, 0, 16).held(earlier, run.plan, 6, 0)]
    lost = {s.tokens: -float(log_p(network(), list(s.tokens), 1).mean().detach()) for s in seen}
    chosen = run._most_spoiled()
    assert len(seen) == 12 and {s.tokens for s in chosen} == set(sorted(lost, key=lost.get)[-3:])
    run.plan = dataclasses.replace(run.plan, spoiled=False)  # as a journal says that is older
    assert run._most_spoiled() == [*mine, *Rehearsal((), 0, 0, 16).held(earlier, run.plan, 3, 0)]


@pytest.mark.parametrize("kept", ["general", "held", "held_earlier"])
def test_what_the_null_space_keeps_is_said_as_before_and_the_lesson_is_learned_all_the_same(kept):
    text = Sample(tuple(tokens(12, seed=8)[0].tolist()), (0.0,) + (1.0,) * 11)
    say = lambda net: net(torch.tensor([text.tokens[:-1]]))[0].detach()  # noqa: E731
    before, moved, loss = say(network()), {}, {}
    for ridge in (0.0, 1e-5):
        plan = dataclasses.replace(PLAN, epochs=15, lr=0.2, null_space=ridge, general_tokens=12)
        trainer, rehearsal = PlainTrainer(network()), Rehearsal([text] if kept == "general" else (), 0, 0, 16)
        beside = {} if kept == "general" else {kept: [text]}
        run = LessonRun(trainer, [PAIR], plan, rehearsal, (), **(beside if ridge else {}))
        list(run.steps())
        assert run.learned, run.reason
        moved[ridge], loss[ridge] = float((say(trainer.network) - before).norm() / before.norm()), run.loss_after / run.loss_before
    assert moved[1e-5] < 0.02 < 0.1 < moved[0.0] and max(loss.values()) < 0.85, (moved, loss)


def test_a_plan_of_an_older_journal_is_what_it_was():
    old = {name: value for name, value in PLAN.describe().items() if Plan.__dataclass_fields__[name].default is dataclasses.MISSING}
    plan = Plan(**old)
    assert (plan.objective, plan.schedule, plan.accumulate, plan.kl, plan.replay) == ("sft", "constant", 1, 0.0, None)
    rehearsal = Rehearsal(general(), 3, 4, 10)
    drawn = rehearsal.draw(general(30), plan, 2)
    assert len(drawn) == 7 and [len(s.tokens) for s in drawn] == [20] * 3 + [10] * 4
    chance = random.Random("7:2")  # as it was drawn then
    assert drawn == [*chance.sample(general(30), 3), *[Sample(s.tokens[:10], s.weights[:10]) for s in chance.sample(general(), 4)]]
    assert rehearsal.draw(general(30), dataclasses.replace(plan, replay=0, general=1, general_tokens=5), 2)[0].tokens[5:] == ()


# -- the training memory


def test_each_repetition_begins_where_the_lesson_began():
    before = network()(tokens(6))[1].detach()
    run, trainer, _ = taught(mode="wani-bot", ctx_len=5, keep_state=True, state=before, epochs=2)
    weights, gradients = trainer.seen[1]
    present = loaded(weights)
    logits, after = present(torch.tensor([PAIR.tokens[:-1]]), before)
    F.cross_entropy(logits[0, 8:], torch.tensor(PAIR.tokens[9:])).backward()
    for name, p in present.named_parameters():
        assert error(gradients[name], p.grad) < 1e-10, name
    assert all(error(a, b.detach()) < 1e-10 for a, b in zip(run.state.tensors(), after.tensors(), strict=True))


def test_samples_follow_each_other_only_with_the_training_memory():
    samples = [Sample(tuple(tokens(n, seed=n)[0].tolist()), (1.0,) * n) for n in (6, 9)]
    run, trainer, _ = taught(samples, mode="wani-bot", keep_state=True, epochs=1, lr=0.0)
    apart, *_ = taught(samples, mode="wani-bot", epochs=1, lr=0.0)
    net = trainer.network
    second = {}
    state = net(torch.tensor([samples[0].tokens[:-1]]))[1]
    for kept in (True, False):
        logits, _ = net(torch.tensor([samples[1].tokens[:-1]]), state if kept else None)
        second[kept] = F.cross_entropy(logits[0], torch.tensor(samples[1].tokens[1:])).item()
    first = -log_p(net, samples[0].tokens, 1).mean().item()
    assert run.loss_before == pytest.approx((first + second[True]) / 2) and run.loss_after == pytest.approx(run.loss_before)
    assert apart.loss_before == pytest.approx((first + second[False]) / 2) and apart.state is None
