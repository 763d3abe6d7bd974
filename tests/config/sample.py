"""A small config in every syntax that official files use."""

SAMPLE = r"""
# A comment, then a message without and one with a colon.
model {
  faster_rcnn: {
    num_classes: 3;
    image_resizer { fixed_shape_resizer < height: 320, width: 320 > }
    feature_extractor { type: 'faster_rcnn_mobilenet_v1' }
    first_stage_anchor_generator { grid_anchor_generator {
      scales: [0.25, .5, 1]   # a list
      scales: 2.0             # one more element
      aspect_ratios: 1.0
    } }
    second_stage_post_processing { score_converter: SOFTMAX }
    use_static_shapes: true
  }
}
train_config: {
  batch_size: 2
  num_steps: 10
  optimizer { momentum_optimizer: { learning_rate: {
    manual_step_learning_rate {
      initial_learning_rate: .04
      schedule { step: 5 learning_rate: 4e-3 }
      schedule { step: 8 learning_rate: 0.0004 }
    }
  } } }
  data_augmentation_options { random_horizontal_flip {} }
  data_augmentation_options: [{ random_adjust_hue {} }, { ssd_random_crop {} }]
  freeze_variables: ["conv1", 'conv_(dw|pw)_[12]']
}
train_input_reader: {
  label_map_path: "map" ".pbtxt"
  tf_record_input_reader { input_path: "train-?????-of-00256.tfrecord" }
}
eval_config { metrics_set: "coco_detection_metrics" }
eval_input_reader: {
  label_map_path: "map.pbtxt"
  shuffle: false
  num_readers: 1
  tf_record_input_reader { input_path: ["val.record", "more.record*"] }
}
"""
