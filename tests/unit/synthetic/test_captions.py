"""Captions say what the attributes are, and nothing that the picture cannot show."""

import numpy as np
import pytest

from csdn.synthetic.attributes import ATTRIBUTES, COLOR_ATTRIBUTES, sample_identity
from csdn.synthetic.captions import MAX_WORDS, caption, zero_shot_prompts

COLORS = {color for name in COLOR_ATTRIBUTES for color in ATTRIBUTES[name]}


def words(text):
    return text.rstrip(".").split()


@pytest.fixture(scope="module")
def described():
    rng = np.random.default_rng(0)
    people = [sample_identity(rng, 0.4) for _ in range(300)]
    return [
        (person, caption(person.attributes, rng, colored=True), caption(person.attributes, rng, colored=False))
        for person in people
    ]


def test_captions_of_grey_pictures_name_no_color(described):
    assert not any(COLORS & set(words(infrared)) for _, _, infrared in described)
    assert sum(bool(COLORS & set(words(visible))) for _, visible, _ in described) > 200


def test_captions_state_only_attributes_of_the_person(described):
    for person, *texts in described:
        for text in texts:
            said = set(words(text))
            for name in ("gender", "upper", "shoes"):
                others = set(ATTRIBUTES[name]) - {person[name]}
                assert not others & said, f"{text!r} contradicts {name}={person[name]}"


def test_captions_are_short_and_differ_between_draws(described):
    assert all(len(words(text)) <= MAX_WORDS for _, *texts in described for text in texts)
    person = described[0][0]
    rng = np.random.default_rng(1)
    assert len({caption(person, rng, colored=True) for _ in range(20)}) > 10


def test_captions_fit_the_context_of_the_small_clip(described):
    tokenizer = pytest.importorskip("open_clip").SimpleTokenizer(context_length=77)
    tokens = tokenizer([text for _, *texts in described for text in texts])
    assert int((tokens != 0).sum(dim=1).max()) <= 40


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_prompts_cover_every_value_with_distinct_sentences(attribute):
    prompts = zero_shot_prompts(attribute)
    assert tuple(prompts) == ATTRIBUTES[attribute]
    sentences = [sentence for group in prompts.values() for sentence in group]
    assert len(set(sentences)) == len(sentences)
    assert all(sentence.startswith("a photo of a") and sentence.endswith(".") for sentence in sentences)


def test_prompts_use_the_words_of_captions(described):
    known = {word for _, visible, infrared in described for text in (visible, infrared) for word in words(text)}
    for attribute in ATTRIBUTES:
        for group in zero_shot_prompts(attribute).values():
            assert all(set(words(sentence)) <= known for sentence in group), attribute


def test_prompts_refuse_what_cannot_be_asked():
    with pytest.raises(ValueError, match="unknown attribute 'mood'"):
        zero_shot_prompts("mood")
    with pytest.raises(ValueError, match="without colour"):
        zero_shot_prompts("upper_color", colored=False)
    grey = zero_shot_prompts("hat", colored=False)
    assert grey["cap"][0] == "a monochrome photo of a person wearing a cap."
