"""Appearance of a drawn presenter: every number the renderer needs, drawn from a seed.

Lengths are in head units: 1 is the shorter side of the picture, x to the right, y down, and the origin is the
center of the head, a little below the eyes. Colors are sRGB triples in 0..1.
"""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass

from ...errors import InputError

Color = tuple[float, float, float]

SPLITS = ("train", "validation", "test")

SKIN_TONES: tuple[Color, ...] = (
    (0.98, 0.87, 0.79),
    (0.95, 0.79, 0.68),
    (0.89, 0.69, 0.55),
    (0.79, 0.58, 0.43),
    (0.66, 0.46, 0.33),
    (0.52, 0.35, 0.25),
    (0.40, 0.265, 0.19),
    (0.30, 0.20, 0.15),
)
HAIR_COLORS: tuple[Color, ...] = (
    (0.10, 0.09, 0.10),
    (0.17, 0.12, 0.10),
    (0.27, 0.17, 0.11),
    (0.40, 0.25, 0.14),
    (0.52, 0.24, 0.12),
    (0.68, 0.48, 0.24),
    (0.87, 0.72, 0.45),
    (0.55, 0.55, 0.57),
    (0.85, 0.85, 0.86),
)
DYED_HAIR: tuple[Color, ...] = (
    (0.25, 0.38, 0.62),
    (0.72, 0.33, 0.47),
    (0.25, 0.50, 0.46),
    (0.48, 0.30, 0.60),
)
EYE_COLORS: tuple[Color, ...] = (
    (0.28, 0.17, 0.10),
    (0.40, 0.26, 0.13),
    (0.30, 0.45, 0.62),
    (0.33, 0.50, 0.38),
    (0.42, 0.46, 0.50),
)
CLOTHES: tuple[Color, ...] = (
    (0.20, 0.29, 0.46),
    (0.62, 0.22, 0.24),
    (0.24, 0.43, 0.37),
    (0.86, 0.84, 0.80),
    (0.20, 0.21, 0.24),
    (0.80, 0.58, 0.26),
    (0.45, 0.33, 0.52),
    (0.36, 0.54, 0.68),
    (0.55, 0.42, 0.33),
)
BACKDROPS: tuple[Color, ...] = (
    (0.80, 0.86, 0.90),
    (0.91, 0.87, 0.80),
    (0.76, 0.84, 0.78),
    (0.88, 0.80, 0.82),
    (0.58, 0.67, 0.75),
    (0.42, 0.50, 0.58),
    (0.70, 0.70, 0.78),
    (0.94, 0.93, 0.91),
    (0.55, 0.62, 0.57),
    (0.30, 0.35, 0.43),
)
HAIR_STYLES = (
    "bald",
    "balding",
    "buzz",
    "short",
    "parted",
    "quiff",
    "fringe",
    "bob",
    "long",
    "bun",
    "afro",
    "curly",
    "beanie",
    "headscarf",
)
BEARDS = ("none", "stubble", "full", "goatee")
COLLARS = ("round", "v", "shirt", "high")
GLASSES = ("none", "round", "square")
BACKGROUNDS = ("plain", "gradient", "glow", "blobs", "stripes")


@dataclass(frozen=True)
class Hair:
    """Hair, hat or scarf. Lengths in head units; a hairline is a height, so it is negative above the eyes."""

    style: str
    color: Color
    top: float  # volume above the skull
    side: float  # volume beside the skull
    line: float  # height of the hairline in its middle
    curve: float  # how fast the hairline comes down towards the temples
    part: float  # x of the hairline's highest point
    side_length: float  # height at which the hair in front of the ears ends
    back_width: float  # half width of the hair behind the head; 0 for none
    back_bottom: float  # height at which the hair behind the head ends
    bumps: float  # waviness of the outline
    sheen: float  # strength of the shine, 0..1
    dyed: bool


@dataclass(frozen=True)
class Presenter:
    """Everything about one drawn face that does not change over time; lengths in head units, colors sRGB."""

    # place in the picture and light
    head_scale: float
    head_x: float
    head_y: float
    light_x: float  # -1 light from the left .. 1 from the right
    light: float  # strength of the shading, 0..1
    # face
    skin_tone: float  # 0 very light .. 1 very dark
    skin: Color
    face_width: float  # half width
    face_top: float  # height of the skull above the middle, without hair
    chin: float  # depth of the chin below the middle
    jaw: float  # negative pointed .. positive square
    jaw_drop: float  # how far the chin follows the opening of the mouth, share of its height
    ear_size: float
    blush: float
    hair: Hair
    # eyes and nose
    eye_color: Color
    eye_spacing: float  # from the middle to an eye's center
    eye_y: float
    eye_width: float  # half width of an eye
    eye_height: float
    eye_tilt: float
    lashes: float
    brow_color: Color
    brow_y: float  # height above the eye
    brow_width: float
    brow_thickness: float
    brow_arch: float
    brow_tilt: float
    nose_width: float
    nose_length: float
    # mouth
    mouth_y: float
    mouth_width: float  # half width at rest
    mouth_gap: float  # height of the opening at open = 1
    upper_lip: float
    lower_lip: float
    cupid: float  # depth of the cupid's bow, 0..1
    smile: float  # how much the corners are raised
    lip_color: Color
    inside_color: Color
    # beard, glasses, jewelry
    beard: str
    beard_color: Color
    moustache: float  # thickness; 0 for none
    glasses: str
    glasses_color: Color
    glasses_size: float
    earrings: bool
    # clothes and background
    clothes: Color
    clothes_accent: Color
    collar: str
    shoulder_y: float
    background: str
    background_colors: tuple[Color, Color]
    background_seed: int


def mix(first: Color, second: Color, amount: float) -> Color:
    """`first` moved towards `second` by amount (0..1), per channel."""
    a = min(max(amount, 0.0), 1.0)
    return (
        first[0] + a * (second[0] - first[0]),
        first[1] + a * (second[1] - first[1]),
        first[2] + a * (second[2] - first[2]),
    )


def scaled(color: Color, factor: float) -> Color:
    """`color` made lighter or darker by a factor, clipped to 0..1."""
    r, g, b = (min(max(c * factor, 0.0), 1.0) for c in color)
    return (r, g, b)


def luminance(color: Color) -> float:
    """Rec. 601 luma of an sRGB color, 0..1."""
    return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]


def contrast(first: Color, second: Color) -> float:
    """Euclidean distance of two colors in sRGB, 0..sqrt(3)."""
    return math.dist(first, second)


def sample_presenter(seed: int, split: str = "train") -> Presenter:
    """Draw a presenter. The same (seed, split) gives the same face; splits have independent streams.

    Raises InputError when `split` is not train, validation or test.
    """
    if split not in SPLITS:
        raise InputError(f"split is {split!r}; expected one of {', '.join(SPLITS)}")
    key = hashlib.sha256(f"presenter/{split}/{seed}".encode()).digest()
    rng = random.Random(int.from_bytes(key[:8], "big"))

    tone = rng.random()
    skin = _jitter(rng, _interpolated_color(SKIN_TONES, tone), 0.02)
    face_width = rng.uniform(0.285, 0.325)
    face_top = rng.uniform(0.38, 0.41)
    hair = _sample_hair(rng, tone, face_width)
    cloth = hair.style in ("beanie", "headscarf")
    natural = _natural_hair(rng, tone) if cloth or hair.dyed else hair.color
    brows = scaled(mix(natural, (0.15, 0.10, 0.08), 0.35), 0.85)
    masculine = rng.random() < 0.5 and hair.style not in ("headscarf", "bob", "bun", "long")
    beard = rng.choices(BEARDS, weights=(45, 20, 22, 13))[0] if masculine else "none"
    moustache = rng.uniform(0.012, 0.02) if masculine and (beard == "goatee" or rng.random() < 0.25) else 0.0
    lipstick = not masculine and rng.random() < 0.45
    first = rng.choice(BACKDROPS)
    clothes = rng.choice(CLOTHES)
    return Presenter(
        head_scale=rng.uniform(1.02, 1.10),
        head_x=rng.uniform(-0.015, 0.015),
        head_y=rng.uniform(-0.01, 0.012),
        light_x=rng.choice((-1.0, 1.0)) * rng.uniform(0.3, 1.0),
        light=rng.uniform(0.5, 1.0),
        skin_tone=tone,
        skin=skin,
        face_width=face_width,
        face_top=face_top,
        chin=rng.uniform(0.375, 0.40),
        jaw=rng.uniform(0.0, 0.34) if masculine else rng.uniform(-0.12, 0.14),
        jaw_drop=rng.uniform(0.38, 0.5),
        ear_size=rng.uniform(0.85, 1.2),
        blush=rng.uniform(0.04, 0.16) if masculine else rng.uniform(0.10, 0.30),
        hair=hair,
        eye_color=_eye_color(rng, tone),
        eye_spacing=rng.uniform(0.128, 0.145) * face_width / 0.305,
        eye_y=rng.uniform(-0.10, -0.08),
        eye_width=rng.uniform(0.056, 0.068),
        eye_height=rng.uniform(0.026, 0.038),
        eye_tilt=rng.uniform(-0.12, 0.16),
        lashes=rng.uniform(0.006, 0.009) if masculine else rng.uniform(0.009, 0.014),
        brow_color=brows,
        brow_y=rng.uniform(0.068, 0.088),
        brow_width=rng.uniform(0.068, 0.08),
        brow_thickness=rng.uniform(0.015, 0.022) if masculine else rng.uniform(0.011, 0.016),
        brow_arch=rng.uniform(0.006, 0.024),
        brow_tilt=rng.uniform(-0.14, 0.12),
        nose_width=rng.uniform(0.038, 0.058) + 0.008 * tone,
        nose_length=rng.uniform(0.13, 0.155),
        mouth_y=rng.uniform(0.172, 0.192),
        mouth_width=rng.uniform(0.118, 0.132),
        mouth_gap=rng.uniform(0.15, 0.16),
        upper_lip=rng.uniform(0.022, 0.03) + 0.006 * tone,
        lower_lip=rng.uniform(0.03, 0.038) + 0.008 * tone,
        cupid=rng.uniform(0.1, 0.4),
        smile=rng.uniform(0.0, 0.014),
        lip_color=_lip_color(rng, skin, tone, lipstick),
        inside_color=scaled((0.20, 0.05, 0.06), 1.0 - 0.45 * tone),
        beard=beard,
        beard_color=_beard_color(scaled(natural, rng.uniform(0.9, 1.1)), skin),
        moustache=moustache,
        glasses=rng.choices(GLASSES, weights=(70, 15, 15))[0],
        glasses_color=rng.choice(
            ((0.10, 0.10, 0.12), (0.30, 0.18, 0.12), (0.62, 0.50, 0.30), (0.25, 0.28, 0.42))
        ),
        glasses_size=rng.uniform(0.082, 0.095),
        earrings=not masculine and rng.random() < 0.4,
        clothes=_jitter(rng, clothes, 0.04),
        clothes_accent=scaled(clothes, 0.75)
        if luminance(clothes) > 0.5
        else mix(clothes, (1.0, 1.0, 1.0), 0.6),
        collar=rng.choice(COLLARS),
        shoulder_y=rng.uniform(0.385, 0.42),
        background=rng.choices(BACKGROUNDS, weights=(30, 30, 18, 12, 10))[0],
        background_colors=(_jitter(rng, first, 0.04), _jitter(rng, rng.choice(BACKDROPS), 0.04)),
        background_seed=rng.randrange(2**31),
    )


def _sample_hair(rng: random.Random, tone: float, face_width: float) -> Hair:
    weights = (6, 4, 8, 12, 10, 7, 8, 8, 10, 5, 5 + 5 * tone, 7, 4, 5)
    style = rng.choices(HAIR_STYLES, weights=weights)[0]
    part = rng.choice((-1.0, 1.0)) * rng.uniform(0.06, 0.14)
    wide = face_width + 0.03
    # top, side, line, curve, part, side_length, back_width, back_bottom, bumps
    shape: dict[str, tuple[float, ...]] = {
        "bald": (0.0, 0.0, -0.6, 0.0, 0.0, -0.6, 0.0, 0.0, 0.0),
        "balding": (0.005, 0.02, -0.6, 0.0, 0.0, -0.02, wide + 0.012, 0.09, 0.0),
        "buzz": (0.012, 0.006, -0.275, 0.6, 0.0, -0.05, 0.0, 0.0, 0.0),
        "short": (0.04, 0.018, -0.262, 0.5, 0.3 * part, -0.03, 0.0, 0.0, 0.0),
        "parted": (0.05, 0.022, -0.29, 0.95, part, -0.03, 0.0, 0.0, 0.0),
        "quiff": (0.085, 0.012, -0.285, 0.3, 0.0, -0.05, 0.0, 0.0, 0.004),
        "fringe": (0.045, 0.03, -0.20, 0.1, 0.0, 0.02, wide, 0.10, 0.0),
        "bob": (0.045, 0.045, -0.27, 1.2, part, 0.16, wide + 0.05, 0.34, 0.0),
        "long": (0.04, 0.035, -0.285, 1.2, 0.5 * part, 0.60, wide + 0.055, 0.9, 0.0),
        "bun": (0.03, 0.014, -0.275, 0.8, 0.2 * part, -0.05, 0.0, 0.0, 0.0),
        "afro": (0.09, 0.012, -0.245, 0.5, 0.0, 0.0, wide + 0.085, 0.20, 0.006),
        "curly": (0.06, 0.02, -0.25, 0.6, 0.4 * part, 0.02, wide + 0.04, 0.24, 0.012),
        "beanie": (0.05, 0.02, -0.225, 0.25, 0.0, -0.12, 0.0, 0.0, 0.0),
        "headscarf": (0.05, 0.05, -0.265, 0.9, 0.0, 0.60, wide + 0.045, 0.9, 0.0),
    }
    top, side, line, curve, part, side_length, back_width, back_bottom, bumps = shape[style]
    dyed = rng.random() < 0.06
    if style in ("beanie", "headscarf"):
        color = _jitter(rng, rng.choice(CLOTHES), 0.04)
    elif dyed:
        color = _jitter(rng, rng.choice(DYED_HAIR), 0.04)
    else:
        color = _natural_hair(rng, tone)
    return Hair(
        style=style,
        color=color,
        dyed=dyed,
        top=top * rng.uniform(0.85, 1.15),
        side=side * rng.uniform(0.85, 1.15),
        line=line + rng.uniform(-0.012, 0.012),
        curve=curve * rng.uniform(0.8, 1.2),
        part=part,
        side_length=side_length + rng.uniform(-0.02, 0.02),
        back_width=back_width,
        back_bottom=back_bottom * rng.uniform(0.9, 1.1),
        bumps=bumps,
        sheen=0.0 if style in ("afro", "buzz", "beanie", "headscarf") else rng.uniform(0.03, 0.12),
    )


def _natural_hair(rng: random.Random, tone: float) -> Color:
    dark, fair = 4.0 + 14.0 * tone, 4.0 * (1.0 - tone) ** 2
    weights = (dark, dark, 5.0, 4.0 * (1 - tone), fair * 0.7, fair, fair, 2.0, 1.2)
    return _jitter(rng, rng.choices(HAIR_COLORS, weights=weights)[0], 0.02)


def _eye_color(rng: random.Random, tone: float) -> Color:
    light = max(0.0, 1.0 - 1.8 * tone)
    return _jitter(
        rng, rng.choices(EYE_COLORS, weights=(4, 3, 3 * light, 2 * light, 2 * light + 0.05))[0], 0.03
    )


def _lip_color(rng: random.Random, skin: Color, tone: float, lipstick: bool) -> Color:
    """A lip color that differs from the skin and, never too dark, from the inside of the mouth."""
    bare = mix((0.80, 0.36, 0.37), (0.71, 0.31, 0.34), tone)
    target = rng.choice(((0.76, 0.16, 0.22), (0.70, 0.20, 0.34), (0.84, 0.34, 0.40))) if lipstick else bare
    target = _jitter(rng, target, 0.03)
    amount = 0.9 if lipstick else rng.uniform(0.55, 0.75)
    while contrast(mix(skin, target, amount), skin) < 0.24 and amount < 1.0:
        amount += 0.05
    lips = mix(skin, target, amount)
    while contrast(lips, skin) < 0.2:
        lips = scaled(lips, 0.95 if luminance(skin) > 0.35 else 1.06)
    return lips


def _beard_color(natural: Color, skin: Color) -> Color:
    """A beard color: darker than the skin, or gray to white like the hair."""
    gray = max(natural) - min(natural) < 0.06
    if gray or luminance(natural) < 0.8 * luminance(skin):
        return natural
    return scaled(natural, 0.7 * luminance(skin) / luminance(natural))


def _interpolated_color(colors: tuple[Color, ...], position: float) -> Color:
    place = position * (len(colors) - 1)
    index = min(int(place), len(colors) - 2)
    return mix(colors[index], colors[index + 1], place - index)


def _jitter(rng: random.Random, color: Color, amount: float) -> Color:
    r, g, b = (min(max(c + rng.uniform(-amount, amount), 0.02), 0.98) for c in color)
    return (r, g, b)
