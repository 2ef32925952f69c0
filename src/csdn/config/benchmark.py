"""The section `benchmark` of params.yaml: what is rendered."""

from __future__ import annotations

from pydantic import Field, model_validator

from csdn.config.base import Count, Fraction, Seed, Size, Strict, Weight


class Population(Strict):
    """How many identities and images of one embedded dataset are rendered."""

    train: int = Field(ge=2, description="Training identities.")
    val: int = Field(0, ge=0, description="Validation identities (SYSU-MM01's val_id list).")
    test: int = Field(ge=2, description="Test identities.")
    train_images: Count = Field(description="Images of a training identity in each camera.")
    test_images: Count = Field(description="Images of a validation or test identity in each camera.")
    infrared_factor: Count = Field(1, description="Multiplies the images of each infrared camera (they are fewer).")


class PretrainingPopulation(Strict):
    """Images and captions of other identities and other cameras, for the small CLIP only."""

    identities: int = Field(7000, ge=8, description="Identities of the pre-training set; none is in a re-ID set.")
    images: Count = Field(2, description="Visible images of each identity.")
    held_out: int = Field(300, ge=8, description="More identities, one image per modality, for the zero-shot table.")
    cameras: Count = Field(12, description="Cameras that take the images; none is in a re-ID set.")
    infrared: bool = Field(
        False, description="Caption infrared images too (the untrained tower then already matches modalities)."
    )


class Benchmark(Strict):
    """The embedded benchmark: a seeded renderer of pedestrians in the official layouts."""

    seed: Seed = 0
    image_size: Size = Field((64, 32), description="Height and width of the rendered images.")
    luminance_share: Fraction = Field(
        0.4, description="Share of visible luminance in infrared brightness; the rest is independent."
    )
    noise: Weight = Field(1.0, description="Factor on sensor noise and blur.")
    occlusion: Fraction = Field(0.03, description="Probability that something stands in front of the person.")
    night: Fraction = Field(0.2, description="Share of people's visits to visible cameras that fall after dark.")
    sysu_mm01: Population = Population(train=400, val=60, test=160, train_images=1, test_images=2, infrared_factor=2)
    regdb: Population = Population(train=206, test=206, train_images=5, test_images=5)
    llcm: Population = Population(train=100, test=60, train_images=1, test_images=1)
    pretraining: PretrainingPopulation = PretrainingPopulation()

    @model_validator(mode="after")
    def _regdb_is_balanced(self) -> Benchmark:
        p = self.regdb
        if self.llcm.val:
            raise ValueError("llcm.val: the LLCM layout has no validation identities; set it to 0")
        if p.train != p.test or p.train_images != p.test_images or p.val or p.infrared_factor != 1:
            raise ValueError(
                "regdb: splits swap the two halves, so train and test must be equal; set val to 0, infrared_factor to 1"
            )
        return self
