"""All string keys of records and batches, in one place."""


class Example:
    """Keys of a TF Example, as in the TF Object Detection API.

    Box coordinates are normalised: 0 is the top or left border of the image,
    1 its bottom or right border.
    """

    ENCODED = "image/encoded"
    FORMAT = "image/format"
    FILENAME = "image/filename"
    SOURCE_ID = "image/source_id"
    HEIGHT = "image/height"
    WIDTH = "image/width"
    XMIN = "image/object/bbox/xmin"
    XMAX = "image/object/bbox/xmax"
    YMIN = "image/object/bbox/ymin"
    YMAX = "image/object/bbox/ymax"
    LABEL = "image/object/class/label"
    TEXT = "image/object/class/text"
    IS_CROWD = "image/object/is_crowd"
    DIFFICULT = "image/object/difficult"
    TRUNCATED = "image/object/truncated"
    GROUP_OF = "image/object/group_of"
    # Of the object's outline, in px^2 of the image.
    AREA = "image/object/area"


class Batch:
    """Keys of the dicts that the `tf.data` pipeline yields.

    B images of H x W px with room for M boxes each; H and W are multiples
    of 32. Pixels are those of the network's input frame I^1.0.
    """

    # [B, H, W, 3] float32, RGB 0..255, zero padded at the right and bottom.
    IMAGES = "images"
    # [B, H/2, W/2, 3] float32, the exact 2x2 area reduction of the images.
    HALF_IMAGES = "half_images"
    # [B, 2] float32, valid height and width in px, before the padding.
    IMAGE_SIZES = "image_sizes"
    # [B, 2] float32, px of I^1.0 per px of the original image, y and x.
    SCALES = "scales"
    # [B, H', W', 3] uint8, RGB, the images before resizing, zero padded
    # at the right and bottom; there only for what looks at them.
    ORIGINALS = "originals"
    # [B, M, 4] float32 px, ymin, xmin, ymax, xmax, zero padded.
    BOXES = "boxes"
    # [B, M] int32, ids of the label map, 0 is padding.
    CLASSES = "classes"
    # [B, M] bool, crowd or difficult objects: neither truth nor background.
    IGNORED = "ignored"
    # [B, 2] int32, the stateless seed of each example.
    SEEDS = "seeds"
    # [B] float32, 0 for padding examples, which count for nothing; there only
    # where a batch cannot be split evenly among devices.
    EXAMPLE_MASK = "example_mask"
    # [B] string, evaluation only.
    SOURCE_IDS = "source_ids"
    # [B, 2] int32, original height and width in px, evaluation only.
    ORIGINAL_SIZES = "original_sizes"
    # [B, M] bool, crowds and groups in one box, evaluation only.
    CROWD = "crowd"
    # [B, M] bool, objects marked as difficult, evaluation only.
    DIFFICULT = "difficult"
    # [B, M] float32, px^2 of the original image, 0 where the record has no
    # area of the outline, evaluation only.
    AREAS = "areas"
