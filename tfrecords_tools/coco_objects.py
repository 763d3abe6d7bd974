"""The members of `annotations` in files of the COCO layout, to be converted."""

from featsr_tf.data import coco_objects
from tfrecords_tools.annotations import AnnotatedObject
from tfrecords_tools.annotations import Outcome


def read_object(
    annotation: dict, names: dict[int, str], where: str
) -> AnnotatedObject:
    """Reads a member of `annotations`.

    Args:
        names: of the categories by their ids.

    Raises:
        DataError: it cannot be understood.
    """
    found = coco_objects.read_object(annotation, where)
    outcomes = [Outcome.BOX_OF_OUTLINE] * found.is_of_outline
    outcomes += [Outcome.BOX_ROTATED] * found.is_turned
    outcomes += [Outcome.UNCLEAR_FLAG] * found.unclear_flags
    return AnnotatedObject(
        box=found.box,
        # One that is not listed is a class that the label map has not.
        name=names.get(found.category, f"category_id {found.category}"),
        where=where,
        difficult=found.difficult,
        crowd=found.crowd,
        area=found.area,
        outcomes=tuple(outcomes),
    )
