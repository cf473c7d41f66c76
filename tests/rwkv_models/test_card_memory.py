"""What is left of a card, by what torch is told of it."""

import torch

from rwkv_models import card_memory


def test_the_smaller_of_what_is_free_and_what_is_allowed(monkeypatch):
    for name, value in (("mem_get_info", (60, 100)), ("get_per_process_memory_fraction", 0.5), ("memory_reserved", 20)):
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    assert card_memory.left("cuda") == (30, 50)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7, 100))
    assert card_memory.left("cuda") == (7, 50)
