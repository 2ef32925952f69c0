"""The sections of params.yaml as typed, frozen models: every key, its range and its meaning."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from csdn.config.messages import FOLDER_PATTERN

Layout = Literal["sysu_mm01", "regdb", "llcm"]
Subset = Literal["train", "val", "test"]
Size = tuple[Annotated[int, Field(ge=16, le=1024)], Annotated[int, Field(ge=16, le=1024)]]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Ratio = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0.0, le=10.0)]
Count = Annotated[int, Field(ge=1)]
Norm = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
# Snakemake reads braces in a path as wildcards; a dash in front would be an option.
Folder = Annotated[str, Field(pattern=FOLDER_PATTERN, max_length=1000)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]

Precision = Literal["auto", "fp32", "tf32", "bf16"]

EMBEDDED = "embedded"  # datasets.<name>.root: render the embedded benchmark instead of reading a folder
MINI = "mini"  # clip.weights: pre-train the small CLIP instead of loading a file

PRECISION = "Of matrix products: `auto` is bf16 where GPU or CPU has instructions for it, else fp32; tf32 is a GPU's."

PROTOCOLS: dict[str, tuple[str, ...]] = {
    "sysu_mm01": ("sysu_all_single", "sysu_all_multi", "sysu_indoor_single", "sysu_indoor_multi"),
    "regdb": ("regdb_visible_to_infrared", "regdb_infrared_to_visible"),
    "llcm": ("llcm_visible_to_infrared", "llcm_infrared_to_visible"),
}


def score_name(protocol: str, gallery: str | None, reranked: bool) -> str:
    """The name of a protocol's scores: the official gallery and re-ranking never share one with the plain."""
    return protocol + ("-official" if gallery == "official" else "") + ("-reranked" if reranked else "")


class Strict(BaseModel):
    """Base of every section: unknown keys are errors and values cannot change after validation.

    Defaults are validated too, so that a default and the same value written out are equal as JSON (10.0, not 10).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_as_number(cls, values: Any) -> Any:
        """`epochs: yes` is no number, though Python counts True as 1; as text it is refused with its key."""
        if not isinstance(values, dict):
            return values
        numbers = {name for name, field in cls.model_fields.items() if field.annotation in (int, float)}
        return {k: str(v) if isinstance(v, bool) and k in numbers else v for k, v in values.items()}


class Dataset(Strict):
    """One dataset: where it is, how it is read and what is trained on it."""

    layout: Layout = Field(description="Official folder layout of the images, which also decides the protocols.")
    root: str = Field(EMBEDDED, description="Folder of the dataset, or `embedded` to render the benchmark.")
    image_size: Size = Field((64, 32), description="Height and width to which every image is resized once.")
    splits: list[str] = Field(
        ["default"], min_length=1, description="`default`, or 1..10 for RegDB; each is its own training."
    )
    gallery: Literal["agw", "official"] = Field("agw", description="Which SYSU-MM01 gallery draw (docs/protocols.md).")
    trials: int = Field(10, ge=1, le=10, description="Gallery draws to average over (SYSU-MM01 and LLCM).")
    train_subsets: list[Literal["train", "val"]] = Field(
        ["train", "val"],
        min_length=1,
        description="Identities trained on; `val` left out means it is monitored instead.",
    )
    held_out_identities: int = Field(
        0, ge=0, description="Training identities set aside as `val` where the dataset names none."
    )
    duplicates: Literal["refuse", "warn"] = Field(
        "refuse", description="What to do about equal image files in different subsets, which leak test into training."
    )
    variants: list[str] | None = Field(
        None, description="Variants run on this dataset (null: those that a table has, without tables all)."
    )
    seeds: list[Seed] | None = Field(
        None, min_length=1, description="Seeds run on this dataset (null: the top-level seeds)."
    )

    @field_validator("splits", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return [str(item) for item in value] if isinstance(value, (list, tuple)) else value

    @model_validator(mode="after")
    def _splits_exist(self) -> Dataset:
        known = [str(n) for n in range(1, 11)] if self.layout == "regdb" else ["default"]
        lines = []
        wrong = [s for s in self.splits if s not in known]
        if wrong:
            lines.append(f"splits {wrong} do not exist in layout {self.layout}; known: {', '.join(known)}")
        for key in ("splits", "variants", "seeds", "train_subsets"):
            values = getattr(self, key) or []
            if len(set(values)) != len(values):
                lines.append(f"{key} names one of {values} twice; name it once")
        if "train" not in self.train_subsets:
            lines.append("train_subsets needs `train`")
        if lines:
            raise ValueError("\n".join(lines))
        return self


class Population(Strict):
    """How many identities and images of one embedded dataset are rendered."""

    train: int = Field(ge=2, description="Training identities.")
    val: int = Field(0, ge=0, description="Validation identities (SYSU-MM01's val_id list).")
    test: int = Field(ge=2, description="Test identities.")
    train_images: Count = Field(description="Images of a training identity in each camera.")
    test_images: Count = Field(description="Images of a validation or test identity in each camera.")
    infrared_factor: Count = Field(
        1, description="Multiplies the images of each infrared camera (there are fewer of them)."
    )


class PretrainingPopulation(Strict):
    """Images and captions of other identities and other cameras, for the small CLIP only."""

    identities: int = Field(7000, ge=8, description="Identities of the pre-training set; none occurs in a re-ID set.")
    images: Count = Field(2, description="Visible images of each.")
    held_out: int = Field(300, ge=8, description="Further identities, one image per modality, for the zero-shot table.")
    cameras: Count = Field(12, description="Cameras that take them; none occurs in a re-ID set.")
    infrared: bool = Field(
        False, description="Also caption infrared images (then the untrained tower already matches modalities)."
    )


class Benchmark(Strict):
    """The embedded benchmark: a seeded renderer of pedestrians in the official layouts."""

    seed: Seed = 0
    image_size: Size = Field((64, 32), description="Height and width of the rendered images.")
    luminance_share: Fraction = Field(
        0.4, description="Share of visible luminance in infrared brightness; the rest is independent."
    )
    noise: Weight = Field(1.0, description="Multiplies sensor noise and blur.")
    occlusion: Fraction = Field(0.03, description="Probability that something stands before the person.")
    night: Fraction = Field(0.2, description="Share of people's visits to visible cameras that fall after dark.")
    sysu_mm01: Population = Population(train=400, val=60, test=160, train_images=1, test_images=2, infrared_factor=2)
    regdb: Population = Population(train=206, test=206, train_images=5, test_images=5)
    llcm: Population = Population(train=100, test=60, train_images=1, test_images=1)
    pretraining: PretrainingPopulation = PretrainingPopulation()

    @model_validator(mode="after")
    def _regdb_is_balanced(self) -> Benchmark:
        p = self.regdb
        if self.llcm.val:
            raise ValueError("llcm.val: the LLCM layout names no validation identities; set it to 0")
        if p.train != p.test or p.train_images != p.test_images or p.val or p.infrared_factor != 1:
            raise ValueError(
                "regdb: every split swaps halves, so train and test need equal counts, val 0 and infrared_factor 1"
            )
        return self


class ClipPretraining(Strict):
    """Contrastive pre-training of the small CLIP."""

    seed: Seed = 0
    steps: Count = 1100
    batch: int = Field(128, ge=8)
    learning_rate: Rate = 2e-3
    weight_decay: Weight = 0.05
    warmup_steps: int = Field(50, ge=0)
    attribute_weight: Weight = Field(
        0.5, description="Weight of the auxiliary attribute classification, whose head is dropped."
    )
    position_std: Weight = Field(
        1.5, description="Standard deviation of the attention pool's positional embedding at the start."
    )
    precision: Precision = Field("auto", description=PRECISION)


class MiniModel(Strict):
    """Architecture of the small CLIP, handed to open_clip as a custom configuration."""

    layers: tuple[Count, Count, Count, Count] = (1, 1, 1, 1)
    width: int = Field(16, ge=8)
    head_width: int = Field(32, ge=8)
    embed_dim: int = Field(128, ge=16)
    text_width: int = Field(64, ge=16)
    text_layers: Count = 2
    text_heads: Count = 2
    context_length: int = Field(40, ge=16, le=77)

    @model_validator(mode="after")
    def _heads_divide(self) -> MiniModel:
        lines = []
        if self.text_width % self.text_heads:
            lines.append(
                f"text_heads: {self.text_heads} does not divide text_width {self.text_width}; choose a divisor"
            )
        if 32 * self.width % self.head_width:
            lines.append(
                f"head_width: {self.head_width} does not divide 32 x width = {32 * self.width}; choose another"
            )
        if lines:
            raise ValueError("\n".join(lines))
        return self


class Backbone(Strict):
    """The CLIP that a step starts from."""

    model: str = Field("mini", description="`mini`, or an open_clip model name such as RN50-quickgelu.")
    weights: str = Field(
        MINI, description="`mini`, a path (safetensors, state dict or OpenAI archive), an open_clip tag, or `random`."
    )
    image_size: Size = Field((64, 32), description="Size at which the small CLIP is pre-trained.")
    mini: MiniModel = MiniModel()

    @model_validator(mode="after")
    def _mini_goes_with_mini(self) -> Backbone:
        if self.weights == MINI and self.model != "mini":
            raise ValueError("weights: `mini` are weights of model: mini only; give a path or an open_clip tag")
        return self

    @property
    def weights_path(self) -> str | None:
        """The file of the weights if they are one: it has a folder in its name, or a model file's ending."""
        is_path = "/" in self.weights or self.weights.endswith((".pt", ".pth", ".bin", ".safetensors"))
        return self.weights if is_path else None


class Clip(Backbone):
    """The CLIP that everything starts from, and how the small one is made."""

    pretraining: ClipPretraining = ClipPretraining()


class Prompts(Strict):
    """Stage 1a: learnable descriptions of each identity (docs/method.md, MsPL and shared prompt)."""

    kind: Literal["specific", "shared", "caption"] = Field(
        "specific",
        description="One bank for each modality, one for both, or no learning: the embedded benchmark's captions.",
    )
    template: str = Field("A photo of a {} person.", description="Prompt; {} is replaced by the learnable tokens.")
    tokens: int = Field(4, ge=1, le=32, description="Learnable tokens of an identity and modality.")
    epochs: Count = 60
    batch: int = Field(32, ge=2, description="Images of each modality in a batch.")
    learning_rate: Rate = 3e-4
    weight_decay: Weight = 1e-4
    logits: Literal["cosine", "dot"] = Field(
        "cosine", description="Normalised features times scale, or raw dot products."
    )
    scale: Weight = Field(14.0, description="Multiplies cosine logits.")
    schedule: Literal["cosine", "reference"] = Field(
        "reference", description="`reference` warms up for 5 epochs from 1e-5."
    )
    gradient_clip: Norm | None = Field(
        None, description="Largest norm of the gradient of all trained parameters together (null: not clipped)."
    )

    @field_validator("template")
    @classmethod
    def _one_slot(cls, value: str) -> str:
        if value.count("{}") != 1:
            raise ValueError("must contain {} exactly once, where the learnable tokens go")
        return value


class Fusion(Strict):
    """Stage 1b: semantic information integration of the two modalities' descriptions (docs/method.md, SII)."""

    kind: Literal["none", "attention", "reference", "mean", "sum", "concat"] = Field(
        "attention", description="How two descriptions become one; `none` leaves each modality its own."
    )
    heads: Count = Field(4, description="Heads of `attention`.")
    dropout: Fraction = 0.1
    epochs: Count = 60
    batch: int = Field(64, ge=2, description="Images of both modalities in a batch.")
    learning_rate: Rate = 3e-4
    weight_decay: Weight = 1e-4
    logits: Literal["cosine", "dot"] = Field("cosine", description="Of images and descriptions in the loss.")
    scale: Weight = Field(14.0, description="Multiplies cosine logits.")
    schedule: Literal["cosine", "reference"] = Field(
        "reference", description="`reference` warms up for 5 epochs from 1e-5."
    )
    gradient_clip: Norm | None = Field(
        None, description="Largest norm of the gradient of all trained parameters together (null: not clipped)."
    )


class LossWeights(Strict):
    """Weights of the terms of stage 2's loss (docs/method.md); a term of weight 0 is not computed."""

    identity: Weight = 1.0
    modality_shared: Weight = 1.0
    triplet: Weight = 0.15
    semantic_visible: Weight = 0.05
    semantic_infrared: Weight = 0.10


class Augmentation(Strict):
    """Random changes of the training images (docs/method.md)."""

    padding: int = Field(10, ge=0, description="Pixels padded before the random crop.")
    flip: Fraction = 0.5
    erase: Fraction = 0.5
    erase_area: tuple[Fraction, Fraction] = (0.02, 0.4)
    erase_aspect: tuple[Ratio, Ratio] = (0.3, 3.33)

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Augmentation:
        for key in ("erase_area", "erase_aspect"):
            low, high = getattr(self, key)
            if low > high:
                raise ValueError(f"{key}: {low} to {high} is no range; put the smaller number first")
        return self


class Encoder(Strict):
    """Stage 2: the visual encoder (docs/method.md)."""

    text: Literal["none", "learned", "permuted", "random"] = Field(
        "learned",
        description="Descriptions that pull the features: none (baseline), those of stage 1, these assigned to wrong "
        "identities, or random directions of the same lengths.",
    )
    epochs: int = Field(120, ge=0, description="0 keeps CLIP's weights: no training at all.")
    identities: int = Field(8, ge=2, description="Identities in a batch.")
    images: int = Field(4, ge=2, description="Images of an identity and modality in a batch.")
    learning_rate: Rate = 3e-4
    head_learning_rate_factor: Rate = Field(2.0, description="Multiplies the learning rate of the classifiers.")
    weight_decay: Weight = 5e-4
    schedule: Literal["cosine", "multistep"] = Field(
        "multistep", description="After the warm-up: to nothing along a cosine, or a tenth at each milestone."
    )
    warmup_epochs: Weight = Field(10, description="Epochs in which the learning rate rises linearly.")
    milestones: list[Count] = Field([40, 70], description="Epochs of `multistep`.")
    classifier: Literal["cosine", "linear"] = Field("linear", description="Head of the identity loss.")
    classifier_scale: Weight = Field(16.0, description="Multiplies the logits of the cosine classifier.")
    semantic_loss: Literal[
        "cross_entropy", "supervised_contrastive", "cosine_regression", "mse_regression", "triplet_to_text"
    ] = Field("cross_entropy", description="How features are pulled to the descriptions (docs/method.md).")
    semantic_logits: Literal["cosine", "dot"] = Field(
        "dot", description="Similarities of `cross_entropy` and `supervised_contrastive`."
    )
    semantic_scale: Weight = Field(16.0, description="Multiplies cosine logits.")
    semantic_margin: Fraction = Field(0.2, description="Margin of `triplet_to_text`, in cosine similarity.")
    label_smoothing: Fraction = Field(0.0, description="Of the identity loss.")
    metric_features: Literal["raw", "unit"] = Field(
        "raw", description="What the triplet and modality-shared losses measure: features as they are, or normalised."
    )
    gradient_clip: Norm | None = Field(
        None, description="Largest norm of the gradient of all trained parameters together (null: not clipped)."
    )
    weights: LossWeights = LossWeights()
    augmentation: Augmentation = Augmentation()
    descriptor: Literal["reference", "both_necks"] = Field(
        "reference", description="L2(BN(pooled)) with L2(projected), or with L2(BN(projected))."
    )
    precision: Precision = Field("auto", description=PRECISION)
    selection: Literal["last", "best_on_validation", "best_on_test"] = Field(
        "last",
        description="Epoch that is kept. `best_on_test` reproduces the authors' choice by Rank-1 on the test set; all "
        "its results are labelled.",
    )
    validate_every: int = Field(0, ge=0, description="Epochs between validations on held-out identities (0: never).")

    @model_validator(mode="after")
    def _selection_has_a_choice(self) -> Encoder:
        if self.selection != "last" and not self.validate_every:
            raise ValueError(f"selection {self.selection} needs validate_every of 1 or more, or it has one epoch only")
        return self


class Fidelity(Strict):
    """Odd behaviours of the authors' code, each off by default; `fidelity: reference` turns all on (docs/method.md)."""

    stem: Literal["clip", "reference"] = Field(
        "clip", description="`reference`: one ReLU after the third convolution only."
    )
    fusion: Literal["attention", "reference"] = Field(
        "attention", description="`reference` makes `fusion.kind: attention` attend over a single key."
    )
    stage_one_images: Literal["all", "sampler"] = Field(
        "all", description="Images of stage 1: each once, or one pass of the identity sampler, with repeats and misses."
    )
    fusion_mode: Literal["evaluation", "training"] = Field(
        "evaluation", description="`training`: stage 1b embeds images with batch statistics and ends with dropout on."
    )
    triplet_denominator_floor: Weight = Field(0.0, description="`1e-6` restores the reference's triplet weights.")
    normalization: Literal["clip", "imagenet"] = Field(
        "clip", description="Mean and standard deviation of the input; `imagenet` erases after normalising."
    )
    decay_everything: bool = Field(
        False,
        description="Weight decay on BN, biases and the pooling exponent, and the classifiers' rate on all heads.",
    )

    @model_validator(mode="before")
    @classmethod
    def _presets(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in FIDELITY_PRESETS:
            raise ValueError(f"must be {' or '.join(FIDELITY_PRESETS)}, or a mapping of switches, not {value!r}")
        return FIDELITY_PRESETS[value] if isinstance(value, str) else value


FIDELITY_PRESETS: dict[str, dict[str, Any]] = {
    "reference": {
        "stem": "reference",
        "fusion": "reference",
        "stage_one_images": "sampler",
        "fusion_mode": "training",
        "triplet_denominator_floor": 1e-6,
        "normalization": "imagenet",
        "decay_everything": True,
    }
}


class Reranking(Strict):
    """k-reciprocal re-ranking (Zhong et al., CVPR 2017), by default with its authors' constants."""

    k1: Count = Field(20, description="Neighbours among which reciprocal ones are sought.")
    k2: Count = Field(6, description="Neighbours whose encodings are averaged.")
    original_weight: Fraction = Field(
        0.3, description="Share of the original distance in the final one (lambda); the rest is the Jaccard distance."
    )


class Evaluation(Strict):
    """What is scored."""

    protocols: list[str] | None = Field(
        None, min_length=1, description="Protocols to score (null: all of each layout)."
    )
    batch: Count = 256
    flip: bool = Field(True, description="Concatenate the features of the mirrored image.")
    precision: Precision = Field("fp32", description=PRECISION)
    reranking: Reranking | None = Field(
        None, description="Also score with k-reciprocal re-ranking, in rows of their own; `{}` takes its defaults."
    )

    @field_validator("protocols")
    @classmethod
    def _known(cls, value: list[str] | None) -> list[str] | None:
        known = [name for names in PROTOCOLS.values() for name in names]
        for name in value or []:
            if name not in known:
                raise ValueError(f"unknown protocol {name!r}; known: {', '.join(known)}")
        return value


class Table(Strict):
    """One table of the report: which variants, in which order, against which."""

    caption: str = Field(description="Heading of the table.")
    variants: list[str] = Field(min_length=1, description="Rows, in order.")
    differences: list[tuple[str, str]] = Field([], description="Pairs (a, b) whose difference a - b is reported.")


class Tracking(Strict):
    """Where runs are recorded."""

    backend: Literal["mlflow", "none"] = Field("mlflow", description="`none` records nothing.")
    store: Folder = Field("mlruns", description="Folder of the SQLite store; MLFLOW_TRACKING_URI overrides it.")
    project: str = Field(
        "csdn", min_length=1, description="First part of the experiments' names, so that settings keep apart."
    )


class Runtime(Strict):
    """Where things are written and what they run on; never changes a result's meaning."""

    data: Folder = Field("data", description="Folder of rendered images, indices and caches.")
    results: Folder = Field("results", description="Folder of models, scores, tables and the report.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="`auto`: the GPU where there is one.")
    threads: Count = Field(1, description="CPU threads of a training job.")
    pretraining_threads: Count = Field(
        2, description="CPU threads of the small CLIP's pre-training, which all jobs wait for."
    )
    deterministic: bool = Field(True, description="Only deterministic kernels.")
    compile: bool = Field(False, description="Compile the encoder's network with torch.compile (needs a C++ compiler).")
    scratch: Folder | None = Field(
        None,
        description="Folder on a node's own disk, such as `$TMPDIR`, to which pixel caches are copied once, verified, "
        "and read from (null: they are read where they are).",
    )
    checkpoint_seconds: Weight = Field(
        60.0,
        description="Seconds between checkpoints within an epoch; further ones end epochs. 0: one after every step.",
    )
