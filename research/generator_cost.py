"""Parameters and multiply-adds of every generator, beside the predictor's.

    python -m research.generator_cost \
        --pipeline pipelines/gtsdb_mobilenet.config \
        --sub_layers conv_pw_3_relu conv_pw_5_relu

Counted from the shapes of one proposal, for what multiplies by weights;
nothing is trained or timed.
"""

import argparse
import copy
import math
from collections.abc import Callable, Iterator
from unittest import mock

from featsr_tf.command_line.flags import add_pipeline_flags
from featsr_tf.command_line.flags import read_pipeline
from featsr_tf.config.schema import GeneratorBlock
from featsr_tf.config.schema import Pipeline
from featsr_tf.config.schema import RefinerType
from featsr_tf.errors import exit_on_error
from tfrecords_tools.tables import text_table

HEAD = ("", "sub stride", "sub cells", "parameters", "multiply-adds", "of head")


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m research.generator_cost")
    add_pipeline_flags(parser)
    parser.add_argument(
        "--sub_layers",
        nargs="+",
        metavar="LAYER",
        help="layers that may give F_sub; default: that of the config",
    )
    arguments = parser.parse_args()
    with exit_on_error():
        run(read_pipeline(arguments), arguments.sub_layers)


def run(pipeline: Pipeline, sub_layers: list[str] | None = None) -> None:
    """Counts and prints.

    Args:
        pipeline: the config; widths and numbers of blocks are its own.
        sub_layers: see the flag.
    """
    extension = pipeline.model.feature_super_resolution
    layers = sub_layers or [extension.backbone.sub_layer]
    head = cost_of_predictor(pipeline)
    rows = [HEAD, ("predictor", "", "", *shown(head, head))]
    for layer in layers:
        for title, variant in variants(pipeline, layer):
            stride, cells, cost = cost_of_generator(variant)
            rows.append((title, str(stride), str(cells), *shown(cost, head)))
    print("of one proposal:")
    print(text_table(rows))


def variants(
    pipeline: Pipeline, sub_layer: str
) -> Iterator[tuple[str, Pipeline]]:
    """Gives the config once for each generator, with its title."""
    forms = [(RefinerType.GENERATOR, block) for block in GeneratorBlock]
    forms.append((RefinerType.TAIL_GENERATOR, None))
    for refiner, block in forms:
        variant = copy.deepcopy(pipeline)
        extension = variant.model.feature_super_resolution
        extension.refiner = refiner
        extension.backbone.sub_layer = sub_layer
        extension.generator.block = block or extension.generator.block
        title = f"{refiner} {block}" if block else str(refiner)
        yield f"{title} {sub_layer}".rstrip(), variant


def cost_of_predictor(pipeline: Pipeline) -> tuple[int, int]:
    """Parameters and multiply-adds of the large predictor."""
    from featsr_tf.model.build import build_detector

    detector = build_detector(pipeline, load_weights=False)
    predictor = detector.large_predictor
    return predictor.count_params(), multiply_adds(
        predictor, _pooled(detector, "base", detector.pool_base)
    )


def cost_of_generator(pipeline: Pipeline) -> tuple[float, int, tuple[int, int]]:
    """Measures the generator of a config.

    Returns:
        Stride of the sub layer in px, cells along each side of its pooled
        features; parameters and multiply-adds.
    """
    from featsr_tf.model.build import build_detector

    detector = build_detector(pipeline, load_weights=False)
    refiner = detector.refiner
    pool_sub = refiner.pool_sub
    count = multiply_adds(
        refiner.generator,
        _pooled(detector, "base", detector.pool_base),
        _pooled(detector, "sub", pool_sub),
    )
    cost = (refiner.generator.count_params(), count)
    return pool_sub.cells.stride, pool_sub.output_size, cost


def multiply_adds(layer: Callable, *shapes: tuple) -> int:
    """Counts the products with weights in a call, by their definition.

    Convolutions that get by with fewer of them count as any other.

    Args:
        layer: what is called.
        *shapes: of its arguments, with the batch axis.

    Returns:
        The number of all convolutions and matrix products.
    """
    import tensorflow as tf

    from featsr_tf.model.speed import winograd

    arguments = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    with mock.patch.object(winograd, "has_fewer_products", lambda *_: False):
        function = tf.function(layer).get_concrete_function(*arguments)
    return sum(map(_products, function.graph.get_operations()))


def _products(operation) -> int:
    if operation.type not in ("Conv2D", "DepthwiseConv2dNative", "MatMul"):
        return 0
    kernel = operation.inputs[1].shape
    # Outputs, times the weights that each of them meets.
    met = {
        "Conv2D": kernel[:-1],
        "DepthwiseConv2dNative": kernel[:2],
        "MatMul": kernel[:-1],
    }[operation.type]
    return math.prod(operation.outputs[0].shape) * math.prod(met)


def _pooled(detector, name: str, pooling) -> tuple:
    size = pooling.output_size
    return (1, size, size, detector.extractor.output[name].shape[-1])


def shown(cost: tuple[int, int], head: tuple[int, int]) -> tuple[str, ...]:
    """Formats a cost, its multiply-adds also relative to the predictor's."""
    parameters, count = cost
    return f"{parameters:,}", f"{count:,}", f"{count / head[1]:.2f}"


if __name__ == "__main__":
    main()
