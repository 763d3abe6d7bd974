"""The model card of an exported detector: what it is, and what it is not."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from featsr_tf.config import backbone_name
from featsr_tf.config import stage_differences
from featsr_tf.config.schema import FeatureSuperResolution
from featsr_tf.config.schema import Pipeline
from featsr_tf.config.schema import RefinerType
from featsr_tf.data.label_map import LabelMap
from featsr_tf.errors import DataError
from featsr_tf.exporting.names import WINDOWS_SIGNATURE
from featsr_tf.exporting.other_runtimes import ExportOptions
from featsr_tf.files import read_text
from featsr_tf.files import text_sections
from featsr_tf.html_report.inputs import Metrics
from featsr_tf.html_report.inputs import describe_environment
from featsr_tf.metrics.evaluator import format_table

FILE = "MODEL_CARD.md"

# Texts by name: the card and its sections.
_TEXTS = text_sections(Path(__file__).with_name("model_card.txt"))
_NO_FIGURES = "Not given; `python -m featsr_tf.evaluate` measures them."

_KINDS = {
    RefinerType.GENERATOR: "A Faster R-CNN whose small proposals are "
    "super-resolved",
    RefinerType.TAIL_GENERATOR: "A Faster R-CNN whose small proposals are "
    "super-resolved",
    RefinerType.ZOOM: "A Faster R-CNN that looks at small proposals again, "
    "enlarged",
    RefinerType.SECOND_LOOK: "A Faster R-CNN that looks for small objects "
    "again, in enlarged windows of the original image",
    RefinerType.NONE: "A Faster R-CNN with another predictor for small "
    "proposals",
}
# The folders of a path that leads from the root of a machine.
_FOLDERS = re.compile(
    r"(?<![\w.~:/\\])(?:[A-Za-z]:[\\/]|[\\/])(?:[^\s\"',;=/\\]+[\\/])*"
)
_SUPERVISED = (RefinerType.GENERATOR, RefinerType.TAIL_GENERATOR)


def model_card(
    name: str,
    pipeline: Pipeline,
    label_map: LabelMap,
    signatures: Mapping[str, str],
    stages: Mapping[str, int],
    trained: Mapping[str, Mapping[int, Pipeline]],
    options: ExportOptions,
    started_from: Mapping | None = None,
    unfinished: str | None = None,
) -> str:
    """Writes the model card.

    Args:
        stages: the steps of each stage.
        trained: the configs that each was trained with, by their first steps.
        started_from: the detector that stage 1 started from; None = none.
        unfinished: what the training has left to do; None = nothing.
    """
    facts = _facts(pipeline, label_map, stages, trained, options)
    if unfinished:
        facts["training"] = f"not finished: {unfinished}"
    sections = {
        "Use": _use(name, pipeline, signatures, options),
        "Data": _data(trained, started_from),
        "Figures": "" if options.metrics is None else _figures(options.metrics),
        "Limits": _TEXTS["limits"],
        "Licence": _TEXTS["licence"],
        "Classes": ", ".join(
            f"{number} {label}"
            for number, label in sorted(label_map.names.items())
        ),
    }
    for title, text in options.card_sections.items():
        sections[title] = f"{sections.get(title, '')}\n\n{text}".strip()
    sections["Figures"] = sections["Figures"] or _NO_FIGURES
    return _TEXTS["card"].format(
        name=name,
        kind=_kind(pipeline, options),
        facts=_rows(facts),
        sections="\n\n".join(
            f"## {title}\n\n{text}" for title, text in sections.items()
        )
        + "\n",
    )


def _kind(pipeline: Pipeline, options: ExportOptions) -> str:
    if options.base_only:
        return "A Faster R-CNN"
    return _KINDS[pipeline.model.feature_super_resolution.refiner]


def _facts(
    pipeline: Pipeline,
    label_map: LabelMap,
    stages: Mapping[str, int],
    trained: Mapping[str, Mapping[int, Pipeline]],
    options: ExportOptions,
) -> dict[str, str]:
    extension = pipeline.model.feature_super_resolution
    environment = describe_environment()
    facts = {
        "backbone": f"{backbone_name(pipeline)}, width "
        f"{extension.backbone.alpha:g}",
        "classes": str(len(label_map.names)),
        "steps": ", ".join(f"{stage} {n}" for stage, n in stages.items()),
        "seed": _by_stage(trained, lambda config: _extension(config).seed),
        "precision": extension.precision.value.lower(),
        "lowest score drawn": f"{pipeline.eval_config.min_score_threshold:g}",
    }
    if not options.base_only:
        facts |= _facts_of_small_proposals(extension)
    return facts | {
        "exported": environment["date"],
        "versions": environment["versions"],
    }


def _facts_of_small_proposals(
    extension: FeatureSuperResolution,
) -> dict[str, str]:
    is_second_look = extension.refiner == RefinerType.SECOND_LOOK
    facts = {
        "small proposals": f"area below {extension.small_area_threshold:g} "
        f"px^2 of the {extension.small_area_frame.value.lower()} frame",
        "refiner": extension.refiner.value.lower(),
        "refined": _gate(
            extension.gate_score_threshold,
            0 if is_second_look else extension.gate_maximum,
        ),
    }
    if extension.gate_objectness_threshold:
        facts["judged"] = (
            "proposals whose objectness is at least "
            f"{extension.gate_objectness_threshold:g}; the base detector "
            "judges all"
        )
    if extension.refiner in _SUPERVISED:
        facts["supervision"] = extension.supervision.value.lower()
    return facts


def _gate(score: float, maximum: int) -> str:
    limits = [f"scores of {score:g} or more"] if score else []
    if maximum:
        limits.append(f"the best {maximum} of an image")
    return ", ".join(limits) or "all small proposals"


def _extension(config: Pipeline) -> FeatureSuperResolution:
    return config.model.feature_super_resolution


def _by_stage(
    trained: Mapping[str, Mapping[int, Pipeline]],
    value: Callable[[Pipeline], object],
) -> str:
    """Tells a value once, or of each stage where they differ."""
    texts = {
        stage: ", then ".join(
            dict.fromkeys(str(value(config)) for config in configs.values())
        )
        for stage, configs in trained.items()
    }
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{stage} {text}" for stage, text in texts.items())


def _data(
    trained: Mapping[str, Mapping[int, Pipeline]], started_from: Mapping | None
) -> str:
    first = next(iter(next(iter(trained.values())).values()))
    weights = without_folders(_extension(first).backbone.weights)
    lines = [
        f"Records: {_by_stage(trained, _records)}.",
        f"Initial weights: {f'`{weights}`' if weights else 'random'}.",
    ]
    if started_from is not None:
        taken = "; ".join(
            f"{part}: {text}" for part, text in started_from["taken"].items()
        )
        lines.append(
            f"First of all the detector `{started_from['stage']}`: {taken}."
        )
    before = first
    for stage, configs in trained.items():
        for step, config in configs.items():
            changed = stage_differences(before, config, stage)
            lines += [
                f"From step {step} of {stage} on, before and then: "
                f"{without_folders(text)}."
                for text in changed
            ]
            before = config
    return "\n".join(lines)


def _records(config: Pipeline) -> str:
    paths = config.train_input_reader.tf_record_input_reader.input_path
    return ", ".join(f"`{without_folders(path)}`" for path in paths)


def without_folders(text: str) -> str:
    """Leaves of each absolute path in a text its last part alone."""
    return _FOLDERS.sub("", text)


def _raw(pipeline: Pipeline, signatures: Mapping[str, str]) -> str:
    config = pipeline.model.faster_rcnn
    windows = " + those in windows" if WINDOWS_SIGNATURE in signatures else ""
    return "\n" + _TEXTS["raw"].format(
        proposals=f"{config.first_stage_max_proposals}{windows}",
        columns=config.num_classes + 1,
    )


def _windows(signatures: Mapping[str, str]) -> str:
    if WINDOWS_SIGNATURE not in signatures:
        return ""
    return "\n\n" + _TEXTS["windows"]


def _use(
    name: str,
    pipeline: Pipeline,
    signatures: Mapping[str, str],
    options: ExportOptions,
) -> str:
    postprocessing = pipeline.model.faster_rcnn.second_stage_post_processing
    height, width = options.input_size or (None, None)
    return _TEXTS["signatures"].format(
        maximum=postprocessing.batch_non_max_suppression.max_total_detections,
        raw=_raw(pipeline, signatures) if options.raw_outputs else "",
        windows=_windows(signatures),
        signatures=_rows(
            {f"`{key}`": what for key, what in signatures.items()}
        ),
        use=_TEXTS[options.format].format(
            name=name, height=height, width=width
        ),
    )


def _rows(facts: Mapping[str, str]) -> str:
    return "\n".join(f"| {name} | {value} |" for name, value in facts.items())


def _figures(metrics: Metrics) -> str:
    settings = metrics.settings
    scores = ", ".join(
        f"{name.replace('_', ' ')} {result.get('min_score', '?')}"
        for name, result in metrics.detectors.items()
    )
    first = next(iter(metrics.detectors.values()))
    objects = first["all"].get("num_objects", "?")
    command = settings.get("command", "command unknown")
    return (
        f"On {settings.get('num_images', '?')} images with {objects} objects, "
        "in percent, by size in original\npixels; score thresholds: "
        f"{scores}.\n`{without_folders(command)}`\n\n"
        f"```\n{format_table(metrics.detectors)}\n```"
    )


_MARK = "## "


def read_card_sections(path: str) -> dict[str, str]:
    """Reads the sections that a model card is to have besides its own.

    Args:
        path: a Markdown file; lines "## NAME" begin its sections, the first
            line one of them.

    Returns:
        The text of each section by its name, in their order.

    Raises:
        DataError: the file cannot be read, or a section has no text or comes
            twice.
    """
    sections: dict[str, list[str]] = {}
    name = None
    for number, line in enumerate(_read(path).strip().splitlines(), start=1):
        if line.startswith(_MARK):
            name = line.removeprefix(_MARK).strip()
            if name in sections:
                raise DataError(
                    f"{path}: the section {name!r} comes twice; join the two"
                )
            sections[name] = []
        elif name is None:
            raise DataError(
                f"{path}, line {number}: expected a section such as "
                f"'## Data', found {line[:60]!r}"
            )
        else:
            sections[name].append(line)
    texts = {name: "\n".join(lines).strip() for name, lines in sections.items()}
    for name, text in texts.items():
        if not text:
            raise DataError(
                f"{path}: the section {name!r} is empty; write it or leave it "
                "out"
            )
    return texts


def _read(path: str) -> str:
    text = read_text(path)
    if not text.strip():
        raise DataError(f"{path}: is empty; expected sections '## NAME'")
    return text
