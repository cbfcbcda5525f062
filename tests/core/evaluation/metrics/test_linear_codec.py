"""The linear codec: optimal on what it was fitted on, useful on faces it has not seen."""

from __future__ import annotations

import pytest
import torch

from read_core.corpus.drawing.presenter import sample_presenter
from read_core.corpus.drawing.render import render
from read_core.corpus.motion import sample_motion
from read_core.errors import InputError
from read_core.evaluation.metrics.linear_codec import LinearCodec, blocks_of
from read_core.evaluation.metrics.psnr import psnr


def video(seed, split="train", frames=9):
    mouth = torch.rand(frames, 3, generator=torch.Generator().manual_seed(seed))
    return render(sample_presenter(seed, split), sample_motion(seed, frames), mouth, 64)


def test_it_beats_the_mean_color_of_unseen_faces():
    codec = LinearCodec.fit([video(seed) for seed in range(12)], components=40)
    for seed in range(3):
        true = video(seed, "test")
        decoded = codec.decode(codec.encode(true))
        assert decoded.shape == true.shape
        flat = true.mean(dim=(0, 1, 2)).expand_as(true)
        assert psnr(decoded, true) > psnr(flat, true) + 2


@pytest.mark.parametrize("frames", [9, 17])
def test_blocks_are_counted(frames):
    assert blocks_of(frames, 64, 64) == len(_rows(video(0, frames=frames)))


def test_its_error_is_that_of_the_exact_components():
    clips = [video(seed) for seed in range(6)]
    codec = LinearCodec.fit(clips, components=12)
    rows = torch.cat([_rows(clip) for clip in clips])
    centered = rows - rows.mean(dim=0)
    values = torch.linalg.svdvals(centered).square()
    rest = (centered - centered @ codec.basis @ codec.basis.T).square().sum()
    assert rest.item() == pytest.approx(values[12:].sum().item(), rel=0.02)
    torch.testing.assert_close(codec.basis.T @ codec.basis, torch.eye(12), atol=1e-4, rtol=0)


def test_latents_are_the_vaes_in_shape_and_the_first_tells_frame_0_alone():
    codec = LinearCodec.fit([video(seed) for seed in range(4)], components=8)
    frames = video(9, frames=17)
    latents = codec.encode(frames)
    assert latents.shape == (8, 3, 2, 2)
    other = frames.clone()
    other[1:] = torch.rand(16, 64, 64, 3)
    torch.testing.assert_close(codec.encode(other)[:, 0], latents[:, 0])
    torch.testing.assert_close(codec.decode(codec.encode(other))[0], codec.decode(latents)[0])


def test_every_block_lands_where_it_came_from():
    codec = LinearCodec.fit([torch.rand(9, 64, 64, 3) for _ in range(12)], components=30)
    frames = torch.rand(9, 64, 96, 3)
    latents = codec.encode(frames)
    changed = latents.clone()
    changed[:, 1, 0, 2] += 5
    difference = (codec.decode(changed) - codec.decode(latents)).abs().sum(dim=-1) > 1e-6
    assert bool(difference[1:, :32, 64:].any())
    difference[1:, :32, 64:] = False
    assert not bool(difference.any())


def test_clips_must_be_whole_blocks_and_enough():
    with pytest.raises(InputError, match="8 n \\+ 1"):
        LinearCodec.fit([torch.zeros(8, 64, 64, 3)])
    with pytest.raises(InputError, match="more clips"):
        LinearCodec.fit([torch.zeros(9, 64, 64, 3)])


def _rows(clip):
    """Blocks written out one by one."""
    padded = torch.cat([clip[:1]] * 7 + [clip])
    return torch.stack(
        [
            padded[t : t + 8, y : y + 32, x : x + 32].flatten()
            for t in range(0, len(padded), 8)
            for y in range(0, 64, 32)
            for x in range(0, 64, 32)
        ]
    )
