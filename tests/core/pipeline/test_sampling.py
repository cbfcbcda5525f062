"""Sampling on a tiny checkpoint, against Algorithm 1 written out."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from read_core.ans import JointCFG, LatentNoise, NoCFG, SplitCFG
from read_core.checkpoint import Prompt
from read_core.errors import ignore
from read_core.geometry import clips_of_latents, padded_latents
from read_core.pipeline import ReadPipeline
from read_core.records import SamplingSettings, SpeechCodes

from .inputs import FRAMES, random_codes


@torch.no_grad()
def plain_algorithm_1(pipe, speech, reference, steps, alpha, beta, window, seed) -> torch.Tensor:
    """Algorithm 1 and eq. 17 written out: every clip at every step, every branch by itself, nothing kept."""
    model, s = pipe.transformer, pipe.defaults.shift
    latents = max(1, -(-(speech.num_frames - 1) // 8))
    f = window - 1
    clips = 1 + max(0, -(-(latents - f) // (f - 1)))
    total = f + (clips - 1) * (f - 1)
    text = model.project_text(pipe.prompt.embedding[None], pipe.prompt.mask[None])
    z_r = reference.latent
    line = [1 - i / steps for i in range(steps + 1)]
    times = [s * t / (1 + (s - 1) * t) for t in line]
    noise = LatentNoise(seed, *z_r.shape[1:2], *z_r.shape[3:])(0, total)
    z = [noise[:, :, j * (f - 1) : j * (f - 1) + f].clone() for j in range(clips)]

    def velocity(z_clip, t, clip, with_speech, with_reference):
        codes = speech.codes[:, clip * (f - 1) : clip * (f - 1) + f]
        return model(
            torch.cat([z_r, z_clip], dim=2),
            t[None],
            model.project_speech(codes, torch.tensor([with_speech])),
            text,
            torch.tensor([with_reference]),
            torch.tensor([clip > 0]),
        )

    for now, after in pairwise(times):
        for clip in range(clips):
            t = torch.tensor([0.0, now] + [now] * (f - 1))
            if clip > 0:
                z[clip][:, :, 0] = z[clip - 1][:, :, -1]
                t[1] = after
            v = (
                (1 - alpha - beta) * velocity(z[clip], t, clip, False, False)
                + alpha * velocity(z[clip], t, clip, False, True)
                + beta * velocity(z[clip], t, clip, True, True)
            )[:, :, 1:]
            first = 0 if clip == 0 else 1
            z[clip][:, :, first:] += (after - now) * v[:, :, first:]
    return torch.cat([z_r, z[0], *[later[:, :, 1:] for later in z[1:]]], dim=2)


@pytest.mark.parametrize("frames", [3, FRAMES])
def test_sampling_is_algorithm_1(pipe, reference, frames):
    speech = SpeechCodes(random_codes(80), frames)
    latents = pipe.sample(speech, reference, SamplingSettings(steps=3, guidance=SplitCFG(-0.5, 2.0), seed=9))
    expected = plain_algorithm_1(pipe, speech, reference, 3, -0.5, 2.0, 4, 9)
    assert latents.shape == expected.shape
    torch.testing.assert_close(latents, expected, atol=2e-5, rtol=1e-4)


def test_a_shift_by_tokens_follows_the_window_and_the_size(tiny_components, pipe, reference):
    """A window of n tokens samples as with the number that the rule gives for n."""

    def sampled(shift, window):
        defaults = replace(tiny_components.defaults, shift=shift)
        other = ReadPipeline(replace(tiny_components, defaults=defaults))
        speech = SpeechCodes(random_codes(80), 20)
        return other.sample(speech, reference, SamplingSettings(window=window), on_warning=ignore)

    for window in (4, 5):
        tokens = window * reference.latent[0, 0, 0].numel()
        number = math.exp(0.95 + 1.10 * (tokens - 1024) / 3072)
        assert torch.equal(sampled("tokens", window), sampled(number, window))
        assert not torch.equal(sampled("tokens", window), sampled(1.0, window))


def test_every_option_defaults_to_the_checkpoint(pipe, speech, reference):
    explicit = pipe.sample(
        speech,
        reference,
        SamplingSettings(steps=2, guidance=SplitCFG(0.5, 1.5), window=4, seed=0, text=pipe.prompt),
    )
    assert torch.equal(pipe.sample(speech, reference), explicit)


def test_the_seed_alone_decides_and_the_first_two_orders_agree_to_the_bit(pipe, speech, reference):
    first = pipe.sample(speech, reference, SamplingSettings(seed=2**64 - 1))
    torch.manual_seed(99)
    assert torch.equal(first, pipe.sample(speech, reference, SamplingSettings(seed=2**64 - 1)))
    assert torch.equal(first, pipe.sample(speech, reference, SamplingSettings(seed=2**64 - 1, order="steps")))
    wavefront = pipe.sample(speech, reference, SamplingSettings(seed=2**64 - 1, order="wavefront"))
    torch.testing.assert_close(first, wavefront, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(first, pipe.sample(speech, reference, SamplingSettings(seed=0)), atol=0.1)


def test_z_r_comes_first_and_whole_clips_follow(pipe, speech, reference):
    latents = pipe.sample(speech, reference)
    assert latents.shape == (1, 8, 1 + padded_latents(8, 4), 2, 2)
    assert latents.dtype == torch.float32
    assert torch.equal(latents[:, :, :1], reference.latent)


@pytest.mark.parametrize(
    ("guidance", "branches"),
    [(NoCFG(), 1), (JointCFG(2.0), 2), (SplitCFG(1.0, 2.0), 3), (JointCFG(1.0), 1), (SplitCFG(0.0, 2.0), 2)],
)
def test_branches_run_as_one_batch(pipe, speech, reference, guidance, branches):
    batches = []
    hook = pipe.transformer.proj_in.register_forward_pre_hook(lambda _, args: batches.append(len(args[0])))
    pipe.sample(speech, reference, SamplingSettings(guidance=guidance))
    hook.remove()
    assert batches == [branches] * (2 * clips_of_latents(8, 4))


@pytest.mark.parametrize("order", ["clips", "wavefront"])
@pytest.mark.parametrize("guidance", [JointCFG(2.0), SplitCFG(1.0, 2.0), SplitCFG(1.0, 0.0)])
def test_after_the_guidance_s_end_steps_take_the_conditional_velocity(
    tiny_components, speech, reference, guidance, order
):
    even = replace(tiny_components.defaults, shift=1.0)
    pipe = ReadPipeline(replace(tiny_components, defaults=even))
    sizes: list[int] = []
    hook = pipe.transformer.proj_in.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))

    def sampled(form, end=None):
        return pipe.sample(speech, reference, SamplingSettings(4, form, order=order, guidance_end=end))

    half = sampled(guidance, 0.5)
    branches, cells = len(guidance.branches), 2 * clips_of_latents(8, 4)
    assert sum(sizes) == cells * branches + cells  # two steps of each kind
    hook.remove()
    assert torch.equal(sampled(guidance, 1.0), sampled(guidance))
    assert torch.equal(sampled(guidance, 0.0), sampled(NoCFG()))
    assert torch.equal(sampled(NoCFG(), 0.5), sampled(NoCFG()))
    assert not torch.allclose(half, sampled(guidance), atol=1e-3)
    assert not torch.allclose(half, sampled(NoCFG()), atol=1e-3)
    own = ReadPipeline(replace(tiny_components, defaults=replace(even, guidance_end=0.5)))
    found = own.sample(speech, reference, SamplingSettings(4, guidance, order=order))
    assert torch.equal(found, half)
    chosen = SamplingSettings(4, guidance).resolved(own.defaults)
    assert own.share_of_step(reference, chosen) == (branches + 1) / (2 * branches)


def test_after_the_guidance_s_end_a_step_is_an_unguided_one(tiny_components, speech, reference):
    """Two steps in all, of which the second is that of no guidance, from the same latents."""
    even = replace(tiny_components.defaults, shift=1.0)
    pipe = ReadPipeline(replace(tiny_components, defaults=even))
    seen: dict[str, list[torch.Tensor]] = {}

    def sampled(name, form, end):
        seen[name] = []
        hook = pipe.transformer.register_forward_hook(
            lambda _, args, output: seen[name].extend((args[0][-1], output[-1]))
        )
        latents = pipe.sample(speech, reference, SamplingSettings(2, form, guidance_end=end))
        hook.remove()
        return latents

    guided, ended = sampled("guided", JointCFG(3.0), 1.0), sampled("ended", JointCFG(3.0), 0.5)
    assert torch.equal(seen["guided"][2], seen["ended"][2])  # what the second step starts from
    velocity = seen["ended"][3].float()
    assert torch.allclose(
        ended[0, :, 2:4], seen["ended"][2][:, 2:4].float() - 0.5 * velocity[:, 2:4], atol=1e-5
    )
    assert not torch.allclose(guided, ended, atol=1e-3)


def test_split_guidance_with_alpha_0_is_joint_guidance(pipe, speech, reference):
    split = pipe.sample(speech, reference, SamplingSettings(guidance=SplitCFG(0.0, 1.7)))
    torch.testing.assert_close(
        split, pipe.sample(speech, reference, SamplingSettings(guidance=JointCFG(1.7)))
    )


@pytest.mark.parametrize(("order", "per_clip"), [("clips", 1), ("wavefront", 1), ("steps", 3)])
def test_conditions_are_projected_once(pipe, speech, reference, order, per_clip):
    calls = {"speech": 0, "text": 0}
    block = pipe.transformer.transformer_blocks[0]

    def counter(name):
        def count(*_):
            calls[name] += 1

        return count

    hooks = [
        block.audio_attn.to_k.register_forward_hook(counter("speech")),
        block.attn2.to_k.register_forward_hook(counter("text")),
    ]
    pipe.sample(speech, reference, SamplingSettings(steps=3, order=order))
    for hook in hooks:
        hook.remove()
    assert calls == {"speech": 1 + per_clip * clips_of_latents(8, 4), "text": 1}


def test_speech_and_portrait_and_text_matter(pipe, speech, reference):
    latents = pipe.sample(speech, reference)
    other_speech = replace(speech, codes=speech.codes.flip(1))
    other_face = replace(reference, latent=-reference.latent)
    other_text = Prompt(torch.zeros(2, 12), torch.ones(2, dtype=torch.bool))
    for changed in (
        pipe.sample(other_speech, reference),
        pipe.sample(speech, other_face),
        pipe.sample(speech, reference, SamplingSettings(text=other_text)),
    ):
        assert float((changed - latents)[:, :, 1:].abs().max()) > 1e-3


def test_a_longer_recording_begins_as_a_shorter_one(pipe, reference):
    common, window = 9, 4
    codes = random_codes(100)
    short_codes = torch.cat([codes[:, :common], torch.zeros_like(codes[:, common:])], dim=1)
    short = pipe.sample(SpeechCodes(short_codes, 8 * common - 3), reference, SamplingSettings(window=window))
    long = pipe.sample(SpeechCodes(codes, 8 * 15), reference, SamplingSettings(window=window))
    f, clips = window - 1, clips_of_latents(common, window)
    before_last = 1 + f + (clips - 2) * (f - 1)
    assert clips >= 3
    assert torch.equal(short[:, :, :before_last], long[:, :, :before_last])
