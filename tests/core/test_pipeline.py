"""The whole flow on a tiny checkpoint with random weights."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import read_core
from read_core.ans import JointCFG, LatentNoise, NoCFG, SplitCFG
from read_core.checkpoint import Prompt
from read_core.errors import InputError, ReadWarning, ignore
from read_core.geometry import clips_of_latents, latents_of_frames, padded_latents
from read_core.limits import WINDOW
from read_core.pipeline import ReadPipeline
from read_core.records import SamplingSettings, SpeechCodes

SIZE = (64, 64)
FRAMES = 59  # 8 latents: 4 clips of window 4


@pytest.fixture(scope="module")
def pipe(tiny_checkpoint) -> ReadPipeline:
    return ReadPipeline.from_pretrained(tiny_checkpoint, "cpu", torch.float32)


@pytest.fixture(scope="module")
def speech(pipe):
    return pipe.encode_speech(noise_like_speech(FRAMES * 640), 16_000)


@pytest.fixture(scope="module")
def reference(pipe):
    return pipe.encode_reference(torch.rand(70, 90, 3, generator=generator(1)), SIZE)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise_like_speech(samples: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(samples, generator=generator(seed))


def random_codes(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, count, 3, 10, generator=generator(seed))


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


@pytest.mark.parametrize(("frames", "window"), [(FRAMES, 4), (FRAMES, 6), (2, 4), (122, 8)])
@pytest.mark.filterwarnings("ignore::read_core.errors.ReadWarning")
def test_streaming_gives_the_frames_of_decoding_the_sample(pipe, reference, frames, window):
    speech = SpeechCodes(random_codes(90), frames)
    latents = pipe.sample(speech, reference, SamplingSettings(window=window, seed=4))
    whole = pipe.decode(latents, frames, seed=4)
    parts = list(pipe.stream(speech, reference, SamplingSettings(window=window, seed=4)))
    assert whole.shape == (frames, *SIZE, 3)
    assert float(whole.min()) >= 0
    assert float(whole.max()) <= 1
    assert all(len(part) for part in parts)
    assert torch.equal(torch.cat(parts), whole)


def test_decoding_in_pieces_gives_the_frames_of_decoding(pipe, speech, reference):
    latents = pipe.sample(speech, reference)
    parts = list(pipe.decode_stream(latents, FRAMES, seed=4))
    assert len(parts) > 1
    assert torch.equal(torch.cat(parts), pipe.decode(latents, FRAMES, seed=4))


def test_no_latent_is_decoded_for_frames_that_nobody_wants(pipe, speech, reference, monkeypatch):
    latents = pipe.sample(speech, reference, SamplingSettings(seed=4, window=4))
    decoded, whole = list[int](), pipe.vae._decode_chunk

    def counted(decoder, few, first, count, seed):
        decoded.append(count)
        return whole(decoder, few, first, count, seed)

    monkeypatch.setattr(pipe.vae, "_decode_chunk", counted)
    assert sum(len(part) for part in pipe.decode_stream(latents, 18, seed=4)) == 18
    assert sum(decoded) == 4  # z_R and 3 latents: frames 1 to 24


def test_a_preview_is_a_frame_of_the_clip(pipe, speech, reference):
    latents = pipe.sample(speech, reference)
    picture = pipe.preview(latents[:, :, 1:])
    assert picture.shape == (*SIZE, 3)
    assert torch.equal(picture, pipe.decode(latents[:, :, -3:])[-1])


def test_the_stream_starts_before_the_sampling_ends(pipe, speech, reference):
    done = []
    stream = pipe.stream(speech, reference, on_step=lambda now, total, _: done.append((now, total)))
    assert done == []
    assert len(next(stream)) == 17  # 3 latents
    assert done[-1] == (4, 8)  # 2 of 4 clips: a halo of 2 latents is awaited
    rest = list(stream)
    assert done[-1] == (8, 8)
    assert 17 + sum(len(frames) for frames in rest) == FRAMES


def test_on_step_may_interrupt(pipe, speech, reference):
    shapes = []

    def stop(done, total, finished):
        if finished is not None:
            shapes.append((done, tuple(finished.shape)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipe.sample(speech, reference, on_step=stop)
    assert shapes == [(2, (1, 8, 3, 2, 2))]


class _Reads(TorchDispatchMode):
    """Counts operations that read a value of a tensor: for each of them the host waits for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ("_local_scalar_dense", "equal", "is_nonzero", "nonzero", "masked_select", "unique"):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def test_the_measure_counts_what_reads_a_value():
    with _Reads() as reads:
        bool(torch.ones(3).all())
        torch.ones(3)[0].item()
        torch.ones(3)[torch.ones(3) > 0] + 1
    assert reads.found[:2] == ["_local_scalar_dense"] * 2


@pytest.mark.parametrize("guidance", [NoCFG(), JointCFG(1.0), SplitCFG(1.0, 2.0)])
def test_no_step_and_no_chunk_waits_for_the_device(pipe, speech, reference, guidance):
    frames = pipe.stream(speech, reference, SamplingSettings(2, guidance))
    with _Reads() as reads:
        assert sum(len(part) for part in frames) == FRAMES
    assert reads.found == []


def test_a_recording_shorter_than_a_clip_is_padded(pipe, reference):
    speech = pipe.encode_speech(noise_like_speech(700), 16_000)
    assert speech.num_frames == 2
    latents = pipe.sample(speech, reference)
    assert latents.shape[2] == 4
    assert pipe.decode(latents, speech.num_frames).shape[0] == 2


@pytest.mark.parametrize("samples", [1, 640, 641, 100_000])
def test_codes_reach_to_the_end_of_any_window(pipe, samples):
    speech = pipe.encode_speech(noise_like_speech(samples), 16_000)
    latents = latents_of_frames(speech.num_frames)
    assert speech.num_frames == -(-samples // 640)
    assert speech.codes.shape == (1, latents + WINDOW.largest - 2, 3, 10)
    assert (
        max(padded_latents(latents, window) for window in range(3, WINDOW.largest + 1))
        <= speech.codes.shape[1]
    )


def test_less_silence_serves_a_known_window(pipe, reference):
    waveform = noise_like_speech(FRAMES * 640)
    windows = []
    full = pipe.encode_speech(waveform, 16_000)
    short = pipe.encode_speech(waveform, 16_000, lambda *step: windows.append(step), max_window=4)
    assert short.codes.shape[1] == latents_of_frames(FRAMES) + 2
    assert len(windows) < pipe.features.num_windows(8 * full.codes.shape[1] + 1)
    torch.testing.assert_close(
        pipe.sample(short, reference), pipe.sample(full, reference), atol=1e-4, rtol=1e-4
    )
    with pytest.raises(InputError, match="a window of 20 needs"), pytest.warns(ReadWarning):
        pipe.sample(short, reference, SamplingSettings(window=20))
    with pytest.raises(InputError, match="window is 2"):
        pipe.encode_speech(waveform, 16_000, max_window=2)


def test_code_0_is_dropped_and_silence_is_what_is_padded(pipe):
    waveform = noise_like_speech(20 * 640)
    silence = torch.zeros((WINDOW.largest + 3) * 8 * 640)
    codes = pipe.encode_speech(waveform, 16_000).codes
    features = pipe.features(torch.cat([waveform, silence]))[: 8 * codes.shape[1] + 1]
    with torch.no_grad():
        expected = pipe.speech_ae.encode(features[None])[:, 1:]
    torch.testing.assert_close(codes[:, :-1], expected[:, :-1], atol=1e-5, rtol=1e-4)


def test_channels_are_averaged_and_rates_converted(pipe):
    waveform = noise_like_speech(16_000)
    mono = pipe.encode_speech(waveform, 16_000)
    stereo = pipe.encode_speech(torch.stack([waveform * 2, waveform * 0]), 16_000)
    torch.testing.assert_close(mono.codes, stereo.codes)
    assert pipe.encode_speech(noise_like_speech(44_100), 44_100).num_frames == 25


def test_silent_audio_warns_and_gives_a_video(pipe, reference):
    with pytest.warns(ReadWarning, match="silent"):
        silent = pipe.encode_speech(torch.zeros(2, 9000), 16_000)
    assert bool(pipe.decode(pipe.sample(silent, reference), silent.num_frames).isfinite().all())


def test_fewer_steps_than_the_checkpoint_bears_warn(tiny_components, speech, reference):
    defaults = replace(tiny_components.defaults, min_steps=2)
    pipe = ReadPipeline(replace(tiny_components, defaults=defaults))
    with pytest.warns(ReadWarning, match="steps is 1, but tiny needs 2 or more"):
        pipe.sample(speech, reference, SamplingSettings(steps=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadWarning)
        pipe.sample(speech, reference, SamplingSettings(steps=2))


def test_another_window_warns(pipe, speech, reference):
    with pytest.warns(ReadWarning, match="window is 5, but tiny was trained for 4"):
        pipe.sample(speech, reference, SamplingSettings(window=5))
    with pytest.warns(ReadWarning, match="window is 64"):
        assert pipe.sample(speech, reference, SamplingSettings(window=64, steps=1)).shape[2] == 64


def test_a_window_of_training_does_not_warn(tiny_components, speech, reference):
    pipe = ReadPipeline(replace(tiny_components, defaults=replace(tiny_components.defaults, windows=(5, 8))))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadWarning)
        pipe.sample(speech, reference, SamplingSettings(window=5, steps=1))
    with pytest.warns(ReadWarning, match="window is 6, but tiny was trained for 4 or 5 or 8"):
        pipe.sample(speech, reference, SamplingSettings(window=6, steps=1))


def test_the_reference_is_the_cropped_portrait_encoded(pipe):
    image = torch.rand(50, 200, 3, generator=generator(3))
    reference = pipe.encode_reference(image)
    assert reference.image.shape == (64, 96, 3)  # the checkpoint's resolution
    assert reference.latent.shape == (1, 8, 1, 2, 3)
    assert torch.equal(reference.latent, pipe.vae.encode(reference.image[None, None]))
    sides = image.clone()
    sides[:, :50] = 0
    sides[:, -50:] = 1
    assert torch.equal(pipe.encode_reference(sides).image, reference.image)


@pytest.mark.parametrize(
    ("fit", "box"), [("crop", (62, 0, 138, 50)), ("pad", (0, -41, 200, 92)), ("stretch", (0, 0, 200, 50))]
)
def test_the_reference_tells_what_it_shows_of_the_original(pipe, fit, box):
    reference = pipe.encode_reference(torch.rand(50, 200, 3, generator=generator(3)), fit=fit)
    left, top, right, bottom = reference.box
    assert reference.box == pytest.approx(box, abs=1)
    if fit != "stretch":
        assert (right - left) / (bottom - top) == pytest.approx(96 / 64, abs=0.03)


def test_transparency_becomes_gray(pipe):
    image = torch.cat([torch.rand(64, 96, 3), torch.zeros(64, 96, 1)], dim=2)
    gray = pipe.encode_reference(image).image
    torch.testing.assert_close(gray, torch.full((64, 96, 3), 0.5))
    image[..., 3] = 1
    torch.testing.assert_close(pipe.encode_reference(image).image, image[..., :3])


def test_inputs_are_left_as_they_are(pipe, speech, reference):
    codes, latent = speech.codes.clone(), reference.latent.clone()
    latents = pipe.sample(speech, reference)
    kept = latents.clone()
    pipe.decode(latents)
    assert torch.equal(codes, speech.codes)
    assert torch.equal(latent, reference.latent)
    assert torch.equal(kept, latents)


def test_the_package_offers_the_pipeline():
    assert read_core.ReadPipeline is ReadPipeline
