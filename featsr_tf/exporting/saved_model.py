"""From a model folder to an exported detector."""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import tensorflow as tf

from featsr_tf.config import to_text
from featsr_tf.config.schema import Pipeline
from featsr_tf.config.schema import Precision
from featsr_tf.config.schema import RefinerType
from featsr_tf.data.build import build_resizer
from featsr_tf.data.keys import Example
from featsr_tf.data.resize import Resizer
from featsr_tf.errors import ConfigError
from featsr_tf.exporting import names
from featsr_tf.exporting.exported_model import WARM_UP_FILE
from featsr_tf.exporting.model_card import FILE as MODEL_CARD_FILE
from featsr_tf.exporting.model_card import model_card
from featsr_tf.exporting.other_runtimes import ExportOptions
from featsr_tf.exporting.other_runtimes import write_onnx
from featsr_tf.exporting.other_runtimes import write_tflite
from featsr_tf.exporting.signatures import Signatures
from featsr_tf.exporting.signatures import resize_by_matrices
from featsr_tf.exporting.signatures import resize_one_by_one
from featsr_tf.exporting.versions import atomic_directory
from featsr_tf.exporting.versions import version_folder
from featsr_tf.exporting.versions import write_checksums
from featsr_tf.files import write_text
from featsr_tf.geometry import TENSORFLOW
from featsr_tf.geometry import Operations
from featsr_tf.metrics.options import scores_by_detector
from featsr_tf.model.detector import Detector
from featsr_tf.prediction.model import load_detector
from featsr_tf.training import checkpoints
from featsr_tf.training import model_folder
from featsr_tf.training.origins import find_unfinished

_WARM_UP_SIDE = 320


def export(
    pipeline: Pipeline,
    model_dir: str,
    output_directory: str,
    options: ExportOptions | None = None,
) -> Path:
    """Writes `OUTPUT_DIRECTORY/VERSION/`, whole or not at all.

    Args:
        output_directory: folder of the model's versions; its name is the
            name of the model.

    Raises:
        ConfigError: the folder belongs to another config, the version
            exists, or the format lacks an operation.
        DataError: there is no checkpoint, or a damaged one.
    """
    options = options or ExportOptions()
    _check_format(pipeline, options)
    pipeline = model_folder.check_trained(model_dir, pipeline)
    label_map = model_folder.load_classes(model_dir)
    final = version_folder(Path(output_directory).resolve(), options.version)
    detector, base = load_detectors(
        pipeline, model_dir, options.base_only, options.operations
    )
    options = dataclasses.replace(options, base_only=base is None)
    pipeline = _with_min_score(pipeline, options)
    steps = _steps(model_dir, options.base_only)
    with atomic_directory(final) as folder:
        kinds = _write_model(
            folder,
            final.parent.name,
            functools.partial(build_resizer, pipeline),
            detector,
            base,
            options,
        )
        card = model_card(
            final.parent.name,
            pipeline,
            label_map,
            {key: names.INPUT_TYPES[kind] for key, kind in kinds.items()},
            steps,
            {
                stage: model_folder.trained_configs(model_dir, stage)
                for stage in steps
            },
            options,
            checkpoints.first_values(model_dir),
            None if options.base_only else find_unfinished(pipeline, model_dir),
        )
        write_text(folder / model_folder.PIPELINE_FILE, to_text(pipeline))
        write_text(folder / model_folder.LABEL_MAP_FILE, label_map.to_text())
        write_text(folder / MODEL_CARD_FILE, card)
        write_checksums(folder)
    return final


def _check_format(pipeline: Pipeline, options: ExportOptions) -> None:
    extension = pipeline.model.feature_super_resolution
    for name, is_portable, expected in (
        ("precision", extension.precision == Precision.FLOAT32, "FLOAT32"),
        ("jit_compile", not extension.jit_compile, "false"),
    ):
        path = f"model.feature_super_resolution.{name}"
        if options.format != "saved_model" and not is_portable:
            raise ConfigError(
                f"{pipeline.where(path)}: {path} is "
                f"{getattr(extension, name)}; expected {expected} with "
                f"--format {options.format}: add --set {path}={expected}"
            )
    path = "model.feature_super_resolution.refiner"
    if (
        extension.refiner == RefinerType.SECOND_LOOK
        and options.format != "saved_model"
        and not options.base_only
    ):
        raise ConfigError(
            f"{pipeline.where(path)}: {path} is SECOND_LOOK, whose loops over "
            "images and their windows, as many as there are, the converter to "
            f"--format {options.format} cannot take over; export with --format "
            "saved_model, or with --base_only"
        )
    if (
        extension.refiner == RefinerType.ZOOM
        and options.format == "tflite"
        and not options.base_only
    ):
        raise ConfigError(
            f"{pipeline.where(path)}: {path} is ZOOM, whose bicubic "
            "interpolation TensorFlow Lite lacks; export with --format "
            "saved_model or onnx, or with --base_only"
        )


def _with_min_score(pipeline: Pipeline, options: ExportOptions) -> Pipeline:
    """The config, with the lowest score that is drawn."""
    name = names.BASE if options.base_only else names.SUPER_RESOLVED
    score = scores_by_detector(options.min_score, [name], "min_score")[name]
    if score is None:
        return pipeline
    config = dataclasses.replace(
        pipeline.eval_config, min_score_threshold=score
    )
    return dataclasses.replace(pipeline, eval_config=config)


def load_detectors(
    pipeline: Pipeline,
    model_dir: str,
    base_only: bool = False,
    operations: Operations = TENSORFLOW,
) -> tuple[Detector, Detector | None]:
    """Loads the detectors of a model folder.

    Args:
        base_only: leave the super-resolved detector out. Default False.
        operations: how they compute. Default TensorFlow's own kernels.

    Returns:
        The super-resolved detector and the base one, which share all that is
        frozen after stage 1. Where the refiner has still to be trained, or
        with `base_only`, the base detector and None.

    Raises:
        DataError: there is no checkpoint, or the later stages belong to
            another base.
    """
    load = functools.partial(
        load_detector, model_dir, pipeline=pipeline, operations=operations
    )
    base = load(checkpoints.BASE)
    stage = checkpoints.newest_stage(model_dir)
    is_trained = stage != checkpoints.BASE or base.refines_untrained
    if base_only or not is_trained:
        return base.for_inference(), None
    detector = load().for_inference()
    base_predictor = base.large_predictor.for_inference()
    return detector, detector.with_large_predictor(base_predictor)


def _write_model(
    folder: Path,
    name: str,
    resizer_of: Callable[[bool], Resizer],
    detector: Detector,
    base: Detector | None,
    options: ExportOptions,
) -> dict[str, str]:
    """Writes the model and returns the kind of input of each signature."""
    # A detector that stopped after stage 1 has nothing to refine with.
    super_resolve = base is not None
    resizer = resizer_of(super_resolve)
    served = _signatures(detector, resizer, super_resolve, options)
    kinds = {names.SERVING_DEFAULT: options.input_type}
    spec = _input(options.input_type)
    if options.format == "onnx":
        write_onnx(folder, served.images, spec)
        return kinds
    if options.format == "tflite":
        write_tflite(folder, served.images, spec, options.input_size, detector)
        return kinds
    kinds |= names.SIGNATURES
    functions = {
        "image_tensor": served.uint8_images,
        "float_image_tensor": served.images,
        "encoded_image_string_tensor": served.encoded_images,
        "tf_example": served.examples,
    }
    # It finds the variables by itself; what is tracked is saved once more.
    archive = keras.export.ExportArchive()
    for signature, kind in kinds.items():
        archive.add_endpoint(signature, functions[kind], [_input(kind)])
    if super_resolve and detector.second_look is not None:
        kinds[names.WINDOWS_SIGNATURE] = "image_tensor"
        archive.add_endpoint(
            names.WINDOWS_SIGNATURE,
            served.uint8_images_with_windows,
            [_input("image_tensor")],
        )
    if base is not None:
        kinds[names.BASE_SIGNATURE] = "image_tensor"
        archive.add_endpoint(
            names.BASE_SIGNATURE,
            _signatures(base, resizer_of(False), False, options).images,
            [_input("image_tensor")],
        )
    archive.write_out(str(folder), verbose=False)
    requests = {key: _example_input(kind) for key, kind in kinds.items()}
    write_warm_up(str(folder), name, requests)
    return kinds


def _signatures(
    detector: Detector,
    resizer: Resizer,
    super_resolve: bool,
    options: ExportOptions,
) -> Signatures:
    def detect(images, image_sizes, scales, originals):
        found, candidates = detector.find_with_candidates(
            images, image_sizes, scales, super_resolve, originals
        )
        return (found, candidates) if options.raw_outputs else found

    resize_images = resize_one_by_one
    if options.format != "saved_model":
        resize_images = resize_by_matrices
    return Signatures(detect, resizer, options.raw_outputs, resize_images)


def _input(kind: str) -> tf.TensorSpec:
    example = _example_input(kind)
    shape = [None] if example.dtype == tf.string else [None, None, None, 3]
    return tf.TensorSpec(shape, example.dtype, name=names.INPUT)


def _example_input(kind: str) -> tf.Tensor:
    """A black image, as one of `names.INPUT_TYPES`."""
    image = tf.zeros([_WARM_UP_SIDE, _WARM_UP_SIDE, 3], tf.uint8)
    encoded = tf.io.encode_jpeg(image)
    if kind == "encoded_image_string_tensor":
        return encoded[None]
    if kind == "tf_example":
        example = tf.train.Example()
        feature = example.features.feature[Example.ENCODED]
        feature.bytes_list.value.append(encoded.numpy())
        return tf.constant([example.SerializeToString()])
    dtype = tf.float32 if kind == "float_image_tensor" else tf.uint8
    return tf.cast(image, dtype)[None]


def _steps(model_dir: str, base_only: bool) -> dict[str, int]:
    steps = {
        stage: checkpoints.used_step(model_dir, stage)
        for stage in checkpoints.STAGES
        if stage == checkpoints.BASE or not base_only
    }
    return {stage: step for stage, step in steps.items() if step is not None}


def write_warm_up(
    directory: str, name: str, requests: Mapping[str, tf.Tensor]
) -> None:
    """Writes the warm-up requests of a SavedModel."""
    from tensorflow_serving.apis import predict_pb2
    from tensorflow_serving.apis import prediction_log_pb2

    path = os.path.join(directory, WARM_UP_FILE)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tf.io.TFRecordWriter(path) as writer:
        for signature, value in requests.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            request.inputs[names.INPUT].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
