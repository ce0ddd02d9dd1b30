# SPDX-License-Identifier: Apache-2.0
"""Shipped tensors: small, close to what was trained, and the same again when shipped again."""

import torch

from backend.model.compact import SCALE_SUFFIX, compact, expand


def _state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "a.lora_A": torch.randn(32, 576) * torch.logspace(-6, 1, 32)[:, None],
        "a.lora_B": torch.zeros(576, 32),
        "bias": torch.randn(576),
        "small": torch.randn(4, 4),
        "count": torch.tensor([3]),
    }


def test_every_number_is_within_half_a_level() -> None:
    state = _state()
    back = expand(compact(state))
    assert back.keys() == state.keys()
    for name in ("a.lora_A", "a.lora_B"):
        level = state[name].abs().amax(dim=1, keepdim=True) / 127
        assert bool(((back[name] - state[name]).abs() <= 0.501 * level).all())
    assert torch.equal(back["bias"], state["bias"].half())
    assert torch.equal(back["count"], state["count"])


def test_it_takes_about_a_byte_a_number() -> None:
    made = compact({"w": torch.randn(576, 576)})
    assert sum(t.numel() * t.element_size() for t in made.values()) < 1.02 * 576 * 576
    assert made["w" + SCALE_SUFFIX].shape == (576,)


def test_shipping_what_was_shipped_changes_nothing() -> None:
    once = expand(compact(_state()))
    again = expand(compact(once))
    for name, value in once.items():
        torch.testing.assert_close(again[name].float(), value.float(), rtol=1e-3, atol=1e-7)


def test_plain_states_pass_through() -> None:
    state = {"w": torch.randn(8, 8), "w.scaled": torch.ones(8)}
    assert expand(state) == state
