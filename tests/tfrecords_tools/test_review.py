"""What only a data set as a whole can tell of its images and boxes."""

import dataclasses
import io
import warnings

import PIL.Image
import pytest

from featsr_tf.errors import DataError
from tests.tfrecords_tools.annotated import HEIGHT
from tests.tfrecords_tools.annotated import WIDTH
from tests.tfrecords_tools.annotated import make_image
from tests.tfrecords_tools.annotated import make_object
from tfrecords_tools.annotations import Split
from tfrecords_tools.review import review

STORED, UPRIGHT = (HEIGHT, WIDTH), (WIDTH, HEIGHT)
WIDE, TALL = (8, 40, 20, 60), (40, 8, 60, 28)
QUARTER_TURN, HALF_TURN = 6, 3


def photo(number, *boxes, orientation=QUARTER_TURN, size=None):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    picture = PIL.Image.new("RGB", (WIDTH, HEIGHT), (number, 0, 0))
    picture.save(file, "JPEG", exif=exif)
    objects = map(make_object, boxes)
    return make_image(number, *objects, data=file.getvalue(), size=size)


def rules(*images):
    (split,) = review([Split("signs", list(images))])
    return [image.as_stored for image in split.images]


def test_one_image_that_shows_the_rule_speaks_for_all():
    silent = photo(2, orientation=HALF_TURN, size=STORED)
    assert rules(photo(1, size=STORED), silent, photo(3)) == [True] * 3
    assert rules(photo(1, size=UPRIGHT), silent, photo(3)) == [False] * 3
    assert rules(silent, photo(3)) == [None, None]
    upright = photo(4, orientation=1, size=STORED)
    assert rules(photo(1, size=STORED), upright) == [True, None]


def test_boxes_are_better_evidence_than_sizes():
    with pytest.warns(match="image 1: size and boxes contradict each other"):
        assert rules(photo(1, TALL, size=STORED), photo(2, size=STORED)) == [
            False,
            False,
        ]
    assert rules(photo(1, WIDE), photo(2)) == [True, True]


def test_images_that_contradict_each_other_go_by_their_own():
    images = [photo(1, size=STORED), photo(2, size=UPRIGHT), photo(3)]
    with pytest.warns(match="contradict each other: .*image 1; each is taken"):
        assert rules(*images) == [True, False, None]


def test_few_exceptions_do_not_change_the_rule():
    images = [photo(n, WIDE) for n in range(10)]
    with pytest.warns(match="image 10: size and boxes .* in 1 images"):
        assert rules(*images, photo(10, TALL)) == [True] * 11


@pytest.fixture
def question():
    """Warnings of images of 64 x 48 px with a box each."""

    def question(*boxes):
        images = [make_image(n, make_object(b)) for n, b in enumerate(boxes)]
        with warnings.catch_warnings(record=True) as caught:
            review([Split("signs", images)])
        return [str(warning.message) for warning in caught]

    return question


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        # As x, y, width, height: 40, 10 to 60, 30 as two corners.
        ([(10, 40, 40, 100), (2, 2, 6, 8)], "written as two corners"),
        ([(40, 10, 60, 30), (50, 4, 63, 20)], "x and y were exchanged"),
        ([(30, 40, 60, 80), (24, 30, 60, 70)], "written with their centres"),
        ([(-30, 4, 20, 20), (200, 100, 300, 200)], "resized, cut or turned"),
    ],
)
def test_boxes_that_fit_in_another_reading_are_questioned(
    question, boxes, reason
):
    (warning,) = question(*boxes)
    assert "of 2 boxes reach beyond their images" in warning
    assert reason in warning


def test_sound_boxes_and_slips_are_not_questioned(question):
    sound = [(n, n, n + 20, n + 40) for n in range(20)]
    assert question(*sound) == []
    assert question(*sound, (4, 4, 60, 30)) == []
    assert question((1, 1, HEIGHT + 1, WIDTH + 1)) == []


def test_boxes_of_fractions_are_refused(question):
    with pytest.raises(DataError, match="object 3: all 2 boxes .* 0 to 1"):
        question((0.1, 0.2, 0.5, 0.75), (0.1, 0.2, 0.5, 1))
    assert question((0, 0, 1, 1)) == []


def test_images_that_cannot_be_read_are_left_to_the_conversion():
    images = [
        make_image(1, data=b""),
        make_image(2, data=None, path="none.jpg"),
    ]
    assert review([Split("signs", images)]) == [Split("signs", images)]
    lazy = Split("signs", range(3))
    assert review([lazy]) == [lazy]


def test_what_a_parser_has_decided_stays():
    given = dataclasses.replace(photo(1, size=STORED), as_stored=False)
    assert rules(given) == [False]
