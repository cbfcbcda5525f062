"""READ ANS Sampler."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import comfy.model_management as mm
import torch
from comfy_api.latest import io

from .discovery import LIP_SYNC, found_by
from .feedback import Progress, say, warnings_said
from .incoming import LENGTH, counted
from .placement import decoding_memory, place, sampling_memory
from .sockets import Models, Portrait, ReadModels, ReadReference, ReadSpeech, Speech

if TYPE_CHECKING:
    from ..read_core import ReadPipeline, Reference, SpeechCodes
    from ..read_core.ans import Guidance
    from ..read_core.checkpoint import Prompt
    from ..read_core.finish import Finish

MAX_SEED = 2**64 - 1
GUIDANCE = {
    "checkpoint default": (),
    "split (checkpoint's)": (),
    "joint (checkpoint's)": (),
    "split": ("alpha", "beta"),
    "joint": ("alpha",),
    "none": (),
}
"""What the guidance widget offers, with the scales of each."""
_CHECKPOINTS = " (checkpoint's)"


def sampling_inputs() -> list[io.Input]:
    """Widgets that the sampler shares with the node that writes a file."""
    alpha = io.Float.Input(
        "alpha",
        default=2.0,
        min=-10.0,
        max=20.0,
        step=0.1,
        tooltip="Strength of the reference (and, for joint, of both conditions); 0 means 0. The paper's "
        "value is 2, for full-size checkpoints; small ones want it negative.",
    )
    beta = io.Float.Input(
        "beta",
        default=6.0,
        min=0.0,
        max=20.0,
        step=0.1,
        tooltip="Strength of the speech: higher for livelier lips; 0 means 0. The paper's value is 6, for "
        "full-size checkpoints.",
    )
    scales = {"alpha": alpha, "beta": beta}
    options = [
        io.DynamicCombo.Option(kind, [scales[name] for name in names]) for kind, names in GUIDANCE.items()
    ]
    return [
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=MAX_SEED,
            control_after_generate=True,
            tooltip="The same seed gives the same video, whatever the device and the order.",
        ),
        io.Int.Input(
            "steps",
            default=0,
            min=0,
            max=100,
            tooltip="Updates per clip: more is slower and finer; 0: the checkpoint's default. The number "
            "that is used is told under the node. Below the checkpoint's minimum colors break.",
        ),
        io.DynamicCombo.Input(
            "guidance",
            options=options,
            tooltip="How strongly reference and speech pull. split: each by its own scale, 3 evaluations per "
            "step; joint: both by one, 2 evaluations; none: 1 evaluation. (checkpoint's): with scales that "
            "suit the loaded checkpoint; start from these.",
        ),
        io.Int.Input(
            "window",
            default=0,
            min=0,
            max=64,
            tooltip="Latents per clip, the reference counted, 3 to 64; 0: what the checkpoint was trained "
            "with. Others are possible and worse.",
        ),
    ]


def conditioning_input() -> io.Input:
    """The text, where there is one."""
    return io.Conditioning.Input(
        "conditioning",
        optional=True,
        tooltip="Text from CLIPTextEncode with LTX-Video's T5, for full-size checkpoints; "
        "without it the checkpoint's own prompt is used.",
    )


class Sampler(io.ComfyNode):
    """The asynchronous noise scheduler over A2V-DiT."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="READ_ANSSampler",
            display_name="READ ANS Sampler",
            category="READ",
            description="Samples the latents of a whole talking-head video, clip by clip, each going on from "
            "the last: lip sync from speech, audio to video.",
            **found_by(*LIP_SYNC, "ksampler"),
            inputs=[
                Models.Input("models", tooltip="From Load READ Models."),
                Speech.Input("speech", tooltip="From READ Whisper + SpeechAE Encode."),
                Portrait.Input("reference", tooltip="From READ Encode Reference."),
                *sampling_inputs(),
                io.Combo.Input(
                    "order",
                    options=["clips", "steps", "wavefront"],
                    default="clips",
                    tooltip="clips: one after the other, least memory. wavefront: several at once, faster on "
                    "a large GPU. steps: as the paper prints it. All give the same video.",
                ),
                conditioning_input(),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latent",
                    tooltip="The video in LTX-Video's latents, the portrait first. For READ Temporal VAE "
                    "Decode.",
                )
            ],
        )

    @classmethod
    def execute(
        cls, models: ReadModels, speech: ReadSpeech, reference: ReadReference, **how: Any
    ) -> io.NodeOutput:
        settings, order = sampling_settings(models.pipe, how), how["order"]
        size = reference.reference.image.shape[:2]
        chosen = settings_text(models.pipe, settings, size)
        place(models.vae, models.transformer, activations=working_memory(models, settings, size, order))
        with warnings_said() as remarks:
            expected = estimate_text(models.pipe, speech.codes, reference.reference, settings, order)
            say(f"{chosen} {expected}")
            started = time.perf_counter()
            latents = models.pipe.sample(
                speech.codes,
                reference.reference,
                order=order,
                on_step=Progress(models.pipe.preview),
                **settings,
            ).to(mm.intermediate_device())
        say(f"{chosen} {sampling_text(speech.codes.num_frames, time.perf_counter() - started)}", remarks)
        latent = {
            "samples": latents,
            "read_num_frames": speech.codes.num_frames,
            "read_seed": how["seed"],
            "read_checkpoint": models.pipe.card.name,
            LENGTH: latents.shape[2],
        }
        return io.NodeOutput(latent)


def sampling_settings(pipe: ReadPipeline, how: dict[str, Any]) -> dict[str, Any]:
    """Widgets to the arguments of ``ReadPipeline.sample``; 0 and "checkpoint default" become None."""
    return {
        "seed": how["seed"],
        "steps": how["steps"] or None,
        "window": how["window"] or None,
        "guidance": _guidance(pipe, how.get("guidance")),
        "text": _prompt(how.get("conditioning")),
    }


def settings_text(pipe: ReadPipeline, settings: dict[str, Any], size: tuple[int, int]) -> str:
    """What is used where the widgets say "the checkpoint's", as ``steps 6, window 16, joint 2.5, 128 x 128.``

    Args:
        settings: of :func:`sampling_settings`.
        size: (height, width) that the model works at.
    """
    defaults = pipe.defaults
    guidance = (settings["guidance"] or defaults.guidance).to_dict()
    scales = "".join(f" {value:g}" for name, value in guidance.items() if name != "kind")
    return (
        f"steps {settings['steps'] or defaults.steps}, window {settings['window'] or defaults.window}, "
        f"{guidance['kind']}{scales}, {size[1]} x {size[0]}."
    )


def working_memory(
    models: ReadModels, settings: dict[str, Any], size: tuple[int, int], order: str = "clips"
) -> int:
    """Bytes that sampling, and decoding what it has made, need beside the weights."""
    under_way = (settings["steps"] or models.pipe.defaults.steps) if order == "wavefront" else 1
    return max(sampling_memory(models, settings, size, under_way), decoding_memory(models, *size))


def estimate_text(
    pipe: ReadPipeline,
    speech: SpeechCodes,
    reference: Reference,
    settings: dict[str, Any],
    order: str = "clips",
    finish: Finish | None = None,
) -> str:
    """What the work is expected to take, from timing a little of it."""
    from ..read_core.generate import estimate

    found = estimate(pipe, speech, reference, order=order, finish=finish, **settings)
    after = f", detail and paste back {_about(found.finishing)}" if found.finishing >= 1 else ""
    memory = found.memory if found.device_memory is None else found.device_memory
    held = "" if memory is None else f", {memory / 2**30:.1f} GB"
    return (
        f"{counted(found.num_frames, 'frame')} in {counted(found.clips, 'clip')}: sampling takes "
        f"{_about(found.sampling)}, decoding {_about(found.decoding)}{after}{held}."
    )


def sampling_text(num_frames: int, seconds: float) -> str:
    """How fast the sampler was."""
    rate = seconds / (num_frames / 25)
    made = counted(num_frames, "frame")
    return f"{made} in {seconds:.1f} s: {rate:.2f} s of sampling per second of video."


def speed_text(num_frames: int, seconds: float) -> str:
    """How fast it was from the inputs to the file."""
    made = counted(num_frames, "frame")
    return f"{made} in {seconds:.1f} s: real-time factor {seconds / (num_frames / 25):.2f}."


def _about(seconds: float) -> str:
    return f"about {seconds:.0f} s" if seconds >= 1 else "less than 1 s"


def _guidance(pipe: ReadPipeline, chosen: dict[str, Any] | None) -> Guidance | None:
    """The dynamic combo as guidance. The host does not check what the API sends for it.

    Raises:
        InputError: an unknown kind, a scale missing or out of range.
    """
    from ..read_core.ans import JointCFG, NoCFG, SplitCFG
    from ..read_core.errors import InputError

    chosen = chosen or {}
    kind = chosen.get("guidance")
    if kind not in GUIDANCE:
        raise InputError(f"guidance is missing or unknown; expected one of {', '.join(GUIDANCE)}")
    missing = [f"guidance.{name}" for name in GUIDANCE[kind] if name not in chosen]
    if missing:
        raise InputError(f"{' and '.join(missing)} missing; expected with guidance {kind}")
    if kind.endswith(_CHECKPOINTS):
        return pipe.defaults.guidance_of(kind.removesuffix(_CHECKPOINTS))
    scales = [chosen[name] for name in GUIDANCE[kind]]
    makers = {"split": SplitCFG, "joint": JointCFG, "none": NoCFG}
    return makers[kind](*scales) if kind in makers else None


def _prompt(conditioning: list[Any] | None) -> Prompt | None:
    """The host's CONDITIONING as a text embedding.

    Raises:
        InputError: it is empty, or holds several texts.
    """
    from ..read_core.checkpoint import Prompt
    from ..read_core.errors import InputError

    if conditioning is None:
        return None
    if len(conditioning) != 1 or len(conditioning[0][0]) != 1:
        raise InputError(f"conditioning holds {len(conditioning)} texts; expected the embedding of one")
    (embedding,), extra = conditioning[0]
    if (mask := extra.get("attention_mask")) is not None:
        embedding = embedding[mask.reshape(-1).bool().to(embedding.device)]  # not every attention takes masks
    return Prompt(embedding, torch.ones(len(embedding), dtype=torch.bool))
