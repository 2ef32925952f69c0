"""Causes of wrong numbers in the training: a check for each, of what is known (`diagnosis` lists them)."""

from __future__ import annotations

from csdn.config.layouts import official_training_identities
from csdn.evaluation.evidence import NOT_KNOWN, Evidence, Finding, official_images

PAPER_SIZE = (288, 144)
LARGE_DISTANCE = 15.0  # where the floor of the authors' code makes the weights of negatives vanish (docs/method.md)


def training_identities(e: Evidence) -> Finding | None:
    """395 identities left in for RegDB; 367 or others instead of SYSU-MM01's 395."""
    expected = official_training_identities(e.layout)
    if e.identities == expected:
        return None
    what = f"trained on another number of identities than the official {expected}"
    if e.layout == "regdb" and e.identities == official_training_identities("sysu_mm01"):
        what = f"SYSU-MM01's {e.identities} identities were left in for RegDB"
    return Finding(
        "training identities",
        what,
        f"{e.identities} identities, not {expected}",
        NOT_KNOWN,
        "train on all identities of the official lists (SYSU-MM01: train_id.txt and val_id.txt), and count them",
    )


def infrared_images(e: Evidence) -> Finding | None:
    """11,333 infrared training images, or others, instead of SYSU-MM01's 11,909."""
    expected = official_images(e.layout, "infrared", "train")
    if expected is None or e.infrared_images == expected:
        return None
    return Finding(
        "infrared images",
        "trained on another number of infrared images than the official lists have",
        f"{e.infrared_images:,} images, not {expected:,}",
        NOT_KNOWN,
        "complete the dataset; `csdn index-images --check` names what is missing",
    )


def normalization(e: Evidence) -> Finding | None:
    """ImageNet's mean and std go into CLIP, or CLIP's into weights of the authors' code."""
    expected = "imagenet" if e.released_code else "clip"
    if e.normalization == expected:
        return None
    what = "ImageNet's mean and standard deviation go into CLIP, which was trained with its own"
    if e.released_code:
        what = "CLIP's mean and standard deviation, but the released code uses ImageNet's"
    return Finding(
        "normalisation",
        what,
        f"normalization: {e.normalization}",
        NOT_KNOWN,
        f"set fidelity.normalization to {expected}, in training and evaluation alike",
    )


def activation(e: Evidence) -> Finding | None:
    """OpenAI's weights in a model that computes GELU instead of QuickGELU."""
    model, weights = e.clip_model or "", e.clip_weights or ""
    openai = weights == "openai" or "/" in weights or weights.endswith((".pt", ".pth", ".bin"))
    if model.endswith("-quickgelu") or not model.startswith(("RN", "ViT")) or not openai:
        return None
    return Finding(
        "activation",
        f"{model} computes GELU, but OpenAI's weights need QuickGELU",
        f"clip.model: {model}, clip.weights: {weights}",
        f"text features differ{'' if model.startswith('RN') else ' and image features, too'}; on scores: {NOT_KNOWN}",
        f"set clip.model to {model}-quickgelu and train again",
    )


def loss_scale(e: Evidence) -> Finding | None:
    """WRT with the released code's floor is another loss where raw distances are large."""
    large = [distance for distance in e.distances or () if distance > LARGE_DISTANCE]
    if not large or e.metric_features == "unit" or e.triplet is None:
        return None
    vanished = bool(e.triplet_floor) if e.triplet_floor is not None else e.triplet > sum(large) / 2
    if vanished == bool(e.released_code):
        return None
    what = "WRT's floor makes the weights of negatives vanish, so that the loss is nearly the distance to positives"
    remedy = "set fidelity.triplet_denominator_floor to 0, or compare features of unit length (encoder.metric_features)"
    if e.released_code:
        what = "WRT has no floor; in the released code its floor makes the weights of negatives vanish here"
        remedy = "set fidelity.triplet_denominator_floor to 1e-6"
    scale = ", ".join(f"{distance:.1f}" for distance in e.distances or ())
    evidence = f"mean raw distances {scale}, above {LARGE_DISTANCE:.0f}; WRT {e.triplet:.2f}"
    return Finding("loss scale", what, evidence, f"another loss and gradient; on scores: {NOT_KNOWN}", remedy)


def image_size(e: Evidence) -> Finding | None:
    """Another size than the paper's 288 x 144."""
    if e.image_size is None or tuple(e.image_size) == PAPER_SIZE:
        return None
    found, paper = ("x".join(map(str, size)) for size in (e.image_size, PAPER_SIZE))
    return Finding(
        "image size",
        "images are not of the paper's size",
        f"{found}, not {paper}",
        NOT_KNOWN,
        "set datasets.<name>.image_size to [288, 144] (height, width) and train again",
    )


def mirrored_image(e: Evidence) -> Finding | None:
    """The mirrored image is not part of the descriptor."""
    if e.mirrored:
        return None
    return Finding(
        "mirrored image",
        "the mirrored image is not part of the descriptor",
        "flip: false",
        f"{NOT_KNOWN}; of the authors' two releases only the second has it",
        "set evaluation.flip to true, or compare with figures of the first release",
    )
