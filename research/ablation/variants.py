"""The compared variants: what each changes in the config."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

EXTENSION = "model.feature_super_resolution"
BASE = "base"
CONTROL = "control"


@dataclass(frozen=True)
class Variant:
    """One row of the table.

    Args:
        name: Of its files and on the command line.
        title: What it is, for people.
        overrides: Fields of the config, as for `--set`.
        is_base: Whether it is a base detector of its own, trained from the
            beginning; the others start from the detector of `BASE`.
    """

    name: str
    title: str
    overrides: tuple[str, ...] = ()
    is_base: bool = False


def _variant(
    name: str, title: str, *fields: str, is_base: bool = False
) -> Variant:
    return Variant(name, title, _of_extension(fields), is_base)


def _of_extension(fields: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{EXTENSION}.{field}" for field in fields)


_WITHOUT_GAN = "losses.generator_weight=0"
# One window, larger than any frame: the whole of it is enlarged.
_WHOLE_FRAME = ("zoom.window_size=16384", "zoom.margin=0")
_WITHOUT_STEPS = (
    "super_resolution_stage.num_steps=0",
    "fine_tune_stage.num_steps=0",
)

VARIANTS = {
    variant.name: variant
    for variant in (
        _variant(
            BASE,
            "Base detector, no extra steps",
            *_WITHOUT_STEPS,
            is_base=True,
        ),
        _variant(
            CONTROL,
            "Two predictors by size, no generator",
            "refiner=NONE",
            "supervision=NONE",
        ),
        _variant(
            "no_content", "Generator, no content loss", "supervision=NONE"
        ),
        _variant(
            "placebo",
            "Placebo: its input is its target",
            "supervision=PLACEBO",
            _WITHOUT_GAN,
        ),
        _variant("naive", "Naive target", "supervision=NAIVE", _WITHOUT_GAN),
        *(
            _variant(
                f"atrous_{pooling.lower()}",
                f"Atrous target, {title}",
                "supervision=ATROUS",
                f"twin_pooling={pooling}",
                _WITHOUT_GAN,
            )
            for pooling, title in (
                ("PAPER", "max-pools"),
                ("ROOT_MAX", "max-pool at the root"),
                ("AVERAGE", "average pools"),
                ("STRIDE", "plain strides"),
            )
        ),
        _variant(
            "atrous_gan",
            "Atrous target, max-pools, GAN: the paper",
            "supervision=ATROUS",
            "twin_pooling=PAPER",
        ),
        _variant(
            "magnified",
            "Magnified target",
            "supervision=MAGNIFIED",
            *_WHOLE_FRAME,
            _WITHOUT_GAN,
        ),
        _variant(
            "oracle",
            "Oracle: features of enlarged windows",
            "refiner=ZOOM",
            "supervision=NONE",
        ),
        _variant(
            "oracle_untrained",
            "Oracle, no extra steps",
            "refiner=ZOOM",
            "supervision=NONE",
            *_WITHOUT_STEPS,
        ),
    )
}


def own_variant(words: Sequence[str]) -> Variant:
    """Makes a variant of the words of `--also`.

    Args:
        words: Its name, then fields such as "supervision=NAIVE", which stand
            below `model.feature_super_resolution`.
    """
    name, *fields = words
    return _variant(name, name.replace("_", " "), *fields)


def own_base(words: Sequence[str]) -> Variant:
    """Makes a base detector of the words of `--base`.

    Args:
        words: Its name, then fields of the config, such as
            "train_config.batch_size=4".
    """
    name, *fields = words
    overrides = (*fields, *_of_extension(_WITHOUT_STEPS))
    return Variant(name, name.replace("_", " "), overrides, is_base=True)
