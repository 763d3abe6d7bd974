"""Names of the compared detectors and of what an exported one takes and gives.

Inputs and outputs are called as in the Object Detection API.
"""

# The base detector, and the one that refines small proposals.
BASE = "base"
SUPER_RESOLVED = "super_resolved"
DETECTORS = (BASE, SUPER_RESOLVED)

INPUT = "input_tensor"
BOXES = "detection_boxes"
SCORES = "detection_scores"
CLASSES = "detection_classes"
COUNT = "num_detections"
# Only where the export was asked for them.
RAW_BOXES = "raw_detection_boxes"
RAW_SCORES = "raw_detection_scores"

SERVING_DEFAULT = "serving_default"
# Windows of a second look `[batch, W, 4]`, and how many times each enlarges
# what the first pass sees `[batch, W]`, 0 for padding.
WINDOWS = "window_boxes"
MAGNIFICATIONS = "window_magnifications"
# Signature of images `[batch, height, width, 3]` uint8, that of the base
# detector beside it, and one that tells the windows of a second look, too.
IMAGE_SIGNATURE = "image"
BASE_SIGNATURE = BASE
WINDOWS_SIGNATURE = "image_with_windows"

# What signatures may take, in the words of the API's `--input_type`.
INPUT_TYPES = {
    "image_tensor": "uint8 RGB images `[batch, height, width, 3]`",
    "float_image_tensor": "float32 RGB images 0..255 "
    "`[batch, height, width, 3]`",
    "encoded_image_string_tensor": "JPEG or PNG files `[batch]`, whose sizes "
    "may differ",
    "tf_example": "serialized TF Examples `[batch]`",
}
# Beside `serving_default`, the signatures of every SavedModel and their inputs.
SIGNATURES = {
    IMAGE_SIGNATURE: "image_tensor",
    "encoded_image": "encoded_image_string_tensor",
    "tf_example": "tf_example",
}
