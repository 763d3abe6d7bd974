"""Fields of the TF Object Detection API that have no effect, in one table.

Configs of the API load as they are. What says nothing here is ignored, and a
warning names it where it is set to another value than its default; what asks
for something that is not built is unsupported, and setting it is an error.
Both give the reason that stands in this table.
"""

# Reasons that more than one place gives.
_AVERAGES = (
    # A checkpoint would have to hold both, the variables to train on with and
    # their averages, which the next stage and the evaluation would start from.
    "No averages of the variables are kept (nor by the API in TensorFlow 2, "
    "which refuses them; its default is true)."
)
_BOXES = "Of the annotations only boxes and classes are read."
_CLASSES = "The results hold the figures of every class."
_DEVICES = "All devices always take each step together."
_HARD_NMS = "Suppression is always hard, class by class, in one operation."
_KEYPOINTS = "Records have no keypoints here."
_LOSSES = "weighted_softmax and weighted_sigmoid are built."
_MASKS = "Belongs to instance masks, which are not built."
_NOT_BUILT = "This step is not built; training goes on without it."
_PICTURES = "Pictures are drawn by `featsr_tf.predict`, as its options say."
_RESIZERS = "keep_aspect_ratio_resizer and fixed_shape_resizer are built."
_TENSORBOARD = "TensorBoard shows a few evaluation images while training."
_TPU = "For TPUs; results do not depend on it."

# A message, its fields with their defaults, and why they do nothing. `int[]`
# is a list, a class is a message that is not set, `in` names the group of
# which only one field may be set. A name alone is a declared field, which has
# its place there in the order of the API; deeper lines continue a line.
TABLE = f"""
RandomHorizontalFlip
  keypoint_flip_permutation=int[] ignored: {_KEYPOINTS}
RandomVerticalFlip
  keypoint_flip_permutation=int[] ignored: {_KEYPOINTS}
RandomRotation90
  keypoint_rot_permutation=int[] ignored: {_KEYPOINTS}
RandomCropImage
  overlap_thresh
  clip_boxes=true ignored: Boxes are always clipped to the crop.
PreprocessingStep in preprocessing_step
  random_square_crop_by_scale
  scale_boxes_to_pixel_coordinates=ScaleBoxesToPixelCoordinates ignored: Boxes
    are in pixels anyway.
  normalize_image=NormalizeImage subtract_channel_mean=SubtractChannelMean
    ignored: Every backbone gets the range of values that it was made for.
  resize_image=ResizeImage random_resize_method=RandomResizeMethod ignored:
    image_resizer resizes.
  random_downscale_to_target_pixels=RandomDownscaleToTargetPixels ignored:
    {_NOT_BUILT}
  rgb_to_gray=RGBtoGray ignored: Images have three channels;
    random_rgb_to_gray makes them grey.
  random_jitter_boxes=RandomJitterBoxes ignored: Boxes stay as they are;
    jittered_boxes_per_object jitters proposals.
  random_pad_image=RandomPadImage
    random_absolute_pad_image=RandomAbsolutePadImage ignored: {_NOT_BUILT}
  random_crop_pad_image=RandomCropPadImage
    random_crop_to_aspect_ratio=RandomCropToAspectRatio
    random_scale_crop_and_pad_to_square=RandomScaleCropAndPadToSquare
    ssd_random_crop=SsdRandomCrop ssd_random_crop_pad=SsdRandomCrop
    ssd_random_crop_fixed_aspect_ratio=SsdRandomCrop
    ssd_random_crop_pad_fixed_aspect_ratio=SsdRandomCrop ignored: This crop is
    not built; random_crop_image, random_square_crop_by_scale and
    training_crop are.
  random_black_patches=RandomBlackPatches
    random_patch_gaussian=RandomPatchGaussian
    random_jpeg_quality=RandomJpegQuality
    random_self_concat_image=RandomSelfConcatImage
    autoaugment_image=AutoAugmentImage adjust_gamma=AdjustGamma ignored:
    {_NOT_BUILT}
  drop_label_probabilistically=DropLabelProbabilistically
    remap_labels=RemapLabels
    convert_class_logits_to_softmax=ConvertClassLogitsToSoftmax ignored:
    Classes stay as the records say.
Hyperparams in normalizer_oneof
  activation
  batch_norm=BatchNorm group_norm=GroupNorm ignored: The added layers have no
    normalization.
Hyperparams
  regularize_depthwise=false ignored: No added layer is a depthwise
    convolution.
  force_use_bias=false ignored: The added layers have a bias.
KeepAspectRatioResizer
  pad_to_max_dimension
  convert_to_grayscale=false unsupported: Images of one channel; images have
    three here.
  per_channel_pad_value=float[] ignored: The padding is black; no box or
    proposal lies on it.
FixedShapeResizer
  resize_method
  convert_to_grayscale=false unsupported: Images of one channel; images have
    three here.
ImageResizer in image_resizer_oneof
  fixed_shape_resizer
  identity_resizer=IdentityResizer unsupported: Images as they are;
    {_RESIZERS}
  conditional_shape_resizer=ConditionalShapeResizer unsupported: Resizing of
    some images only; {_RESIZERS}
  pad_to_multiple_resizer=PadToMultipleResizer unsupported: Padding without
    resizing; {_RESIZERS}
BatchNonMaxSuppression
  max_total_detections
  use_static_shapes=false ignored: {_TPU}
  use_class_agnostic_nms=false unsupported: Suppression across classes; it is
    made class by class.
  max_classes_per_detection=1 ignored: Belongs to class-agnostic suppression.
  soft_nms_sigma=0.0 unsupported: Soft suppression; only the hard one is
    built.
  use_partitioned_nms=false ignored: {_TPU}
  use_combined_nms=false ignored: {_HARD_NMS}
  change_coordinate_frame=true ignored: Boxes are in pixels of the image
    throughout.
  use_hard_nms=false use_cpu_nms=false ignored: {_HARD_NMS}
PostProcessing
  logit_scale
  calibration_config=Calibration unsupported: Calibration of scores; scores
    are given as they are.
SoftmaxLoss
  anchorwise_output=false ignored: Deprecated in the API.
SigmoidLoss
  anchorwise_output=false ignored: Deprecated in the API.
ClassificationLoss in classification_loss
  weighted_sigmoid
  weighted_logits_softmax=LogitsSoftmaxLoss unsupported: Cross entropy against
    logits; {_LOSSES}
  bootstrapped_sigmoid=BootstrappedSigmoidLoss unsupported: Bootstrapped cross
    entropy; {_LOSSES}
  weighted_sigmoid_focal=SigmoidFocalLoss unsupported: Focal loss; {_LOSSES}
  penalty_reduced_logistic_focal_loss=LogisticFocalLoss unsupported:
    Penalty-reduced focal loss; {_LOSSES}
FeatureExtractor
  type
  first_stage_features_stride=16 unsupported: Stride of the features in
    pixels; 16 is built.
  batch_norm_trainable
  conv_hyperparams=Hyperparams
    override_base_feature_extractor_hyperparams=false ignored: Belongs to
    feature pyramids, which are not built.
  pad_to_multiple=32 ignored: Sides of inputs are always padded to multiples
    of 32.
  fpn=FeaturePyramid unsupported: Feature pyramid network; one feature map of
    stride 16 is built.
GridAnchorGenerator
  width
  height_stride=16 unsupported: Vertical stride in pixels; 16 is built.
  width_stride=16 unsupported: Horizontal stride in pixels; 16 is built.
  height_offset=0 width_offset=0 ignored: Anchors always stand at the true
    centres of feature cells.
AnchorGenerator
  grid_anchor_generator
  ssd_anchor_generator=SsdAnchorGenerator unsupported: Anchors of SSD;
    grid_anchor_generator is built.
  multiscale_anchor_generator=MultiscaleAnchorGenerator unsupported: Anchors
    of feature pyramids; grid_anchor_generator is built.
  flexible_grid_anchor_generator=FlexibleGridAnchorGenerator unsupported:
    Several grids of anchors; grid_anchor_generator is built.
MaskRCNNBoxPredictor
  dropout_keep_probability
  box_code_size=4 unsupported: Numbers per box; 4 are built.
  conv_hyperparams=Hyperparams ignored: {_MASKS}
  predict_instance_masks=false unsupported: Instance masks; boxes are built.
  mask_prediction_conv_depth=256 ignored: {_MASKS}
  predict_keypoints=false unsupported: Keypoints; boxes are built.
  mask_height=15 mask_width=15 mask_prediction_num_conv_layers=2
    masks_are_class_agnostic=false ignored: {_MASKS}
  share_box_across_classes
  convolve_then_upsample_masks=false ignored: {_MASKS}
BoxPredictor
  mask_rcnn_box_predictor
  convolutional_box_predictor=ConvolutionalBoxPredictor unsupported: Predictor
    of SSD; mask_rcnn_box_predictor is built.
  rfcn_box_predictor=RfcnBoxPredictor unsupported: Predictor of R-FCN;
    mask_rcnn_box_predictor is built.
  weight_shared_convolutional_box_predictor=WeightSharedBoxPredictor
    unsupported: Predictor of RetinaNet; mask_rcnn_box_predictor is built.
FasterRcnn
  number_of_stages=2 unsupported: Stages of the detector; 2 are built (1 is a
    proposal network alone, 3 adds instance masks).
  first_stage_only=false unsupported: Region proposals alone; both stages are
    built.
  first_stage_anchor_generator
  first_stage_atrous_rate=1 unsupported: Dilation of the proposal convolution;
    1 is built.
  second_stage_classification_loss_weight
  second_stage_mask_prediction_loss_weight=1.0 ignored: {_MASKS}
  hard_example_miner=HardExampleMiner ignored: Proposals are sampled at
    random, by second_stage_batch_size and second_stage_balance_fraction.
  second_stage_classification_loss
  inplace_batchnorm_update=false use_matmul_crop_and_resize=false ignored:
    {_TPU}
  clip_anchors_to_image
  use_matmul_gather_in_matcher=false use_static_balanced_label_sampler=false
    use_static_shapes=false ignored: {_TPU}
  resize_masks=true ignored: {_MASKS}
  use_static_shapes_for_eval=false use_partitioned_nms_in_first_stage=true
    use_combined_nms_in_first_stage=false ignored: {_TPU}
  return_raw_detections_during_predict=false output_final_box_features=false
    output_final_box_rpn_features=false ignored: The API's predictor gives
    more outputs with it.
  context_config=ContextRcnn unsupported: Context R-CNN; each image is judged
    by itself.
InputReader
  name="" ignored: A name for people.
  label_map_path
  shuffle=true ignored: Training reads in random order, evaluation in that of
    the records.
  shuffle_buffer_size=2048 filenames_shuffle_buffer_size=100 ignored: Records
    are shuffled in a buffer counted in bytes, files all.
  num_epochs=0 ignored: Training goes by steps, evaluation reads all records
    once.
  sample_1_of_n_examples=1 ignored: Every example is used.
  sample_from_datasets_weights=float[] ignored: Every record is equally
    likely, whatever file it is in.
  num_readers=64 num_parallel_batches=8 num_prefetch_batches=-1
    queue_capacity=2000 min_after_dequeue=1000 read_block_length=32
    prefetch_size=512 num_parallel_map_calls=64 ignored: Speed is set by the
    package; results do not depend on it.
  drop_remainder=true ignored: Batches are full in training; evaluation leaves
    nothing out.
  num_additional_channels=0 ignored: Images have three channels.
  num_keypoints=0 keypoint_type_weight=float[] ignored: {_BOXES}
  max_number_of_boxes=100 ignored: train_config.max_number_of_boxes governs
    alone.
  load_multiclass_scores=false load_context_features=false
    load_instance_masks=false load_keypoint_depth_features=false
    load_track_id=false load_dense_pose=false
    mask_type=InstanceMaskType.NUMERICAL_MASKS ignored: {_BOXES}
  use_display_name=false ignored: Classes are read as numbers,
    image/object/class/label.
  include_source_id=false ignored: It is always included.
  input_type=InputType.TF_EXAMPLE ignored: Records are TF Examples.
  frame_index=-1 ignored: Belongs to TF Sequence Examples.
  tf_record_input_reader
  external_input_reader=OtherInputReader unsupported: A reader of your own;
    tf_record_input_reader is built.
  max_bad_examples
  expand_labels_hierarchy=false ignored: A box has the one class that its
    record says.
EvalConfig
  batch_size
  num_visualizations=10 ignored: {_TENSORBOARD}
  num_examples=5000 eval_interval_secs=300 max_evals=0 ignored: All records of
    the first eval_input_reader are evaluated, once.
  save_graph=false ignored: {_TENSORBOARD}
  visualization_export_dir="" ignored: {_PICTURES}
  eval_master="" ignored: Evaluation runs on this machine.
  metrics_set
  export_path="" ignored: `featsr_tf.predict` writes detections in the format
    of COCO.
  ignore_groundtruth=false ignored: `featsr_tf.predict` needs no ground truth.
  use_moving_averages=false ignored: {_AVERAGES}
  eval_instance_masks=false ignored: Only boxes are evaluated.
  min_score_threshold
  max_num_boxes_to_visualize=20 skip_scores=false skip_labels=false
    visualize_groundtruth_boxes=false
    groundtruth_box_visualization_color="black"
    keep_image_id_for_visualization_export=false ignored: {_PICTURES}
  retain_original_images=true ignored: {_TENSORBOARD}
  include_metrics_per_category=false all_metrics_per_category=false ignored:
    {_CLASSES}
  recall_lower_bound=0.0 recall_upper_bound=1.0 ignored: Precision counts at
    any recall.
  retain_original_image_additional_channels=false ignored: Images have three
    channels.
  force_no_resize=false ignored: Images are resized by image_resizer, as in
    training.
  use_dummy_loss_in_eval=false ignored: Evaluation computes no losses.
  skip_predictions_for_unlabeled_class=false ignored: Every image counts as
    labelled for all classes.
  parameterized_metric=ParameterizedMetric[] unsupported: Metrics of
    keypoints; boxes are evaluated.
  keypoint_edge=KeypointEdge[] ignored: Only boxes are evaluated.
  super_categories=SuperCategory[] ignored: {_CLASSES}
TrainConfig
  data_augmentation_options
  sync_replicas=false ignored: {_DEVICES}
  keep_checkpoint_every_n_hours=10000.0 ignored: See
    model.feature_super_resolution.keep_checkpoints.
  gradient_clipping_by_norm
  fine_tune_checkpoint="" fine_tune_checkpoint_version=CheckpointVersion.V1
    fine_tune_checkpoint_type="" from_detection_checkpoint=false
    load_all_detection_checkpoint_vars=false ignored: Checkpoints of the API
    hold the variables of other layers and are not read; give Keras weights of
    the backbone by model.feature_super_resolution.backbone.weights.
  num_steps
  startup_delay_steps=15.0 ignored: {_DEVICES}
  bias_grad_multiplier=0.0 ignored: Gradients of biases are taken as they are.
  freeze_variables
  replicas_to_aggregate=1 ignored: {_DEVICES}
  batch_queue_capacity=150 num_batch_queue_threads=8 prefetch_queue_capacity=5
    ignored: Data come through tf.data, which has no such queues.
  merge_multiple_label_boxes=false use_multiclass_scores=false ignored: Every
    box has one class; equal boxes stay several objects.
  max_number_of_boxes
  unpad_groundtruth_tensors=true ignored: {_TPU}
  retain_original_images=false ignored: Pictures in TensorBoard are made of
    evaluation images.
  use_bfloat16=false ignored: See model.feature_super_resolution.precision.
  summarize_gradients=false ignored: TensorBoard shows losses, gauges,
    learning rate and pictures.
Model
  faster_rcnn
  ssd=Ssd unsupported: SSD; faster_rcnn is built.
  center_net=CenterNet unsupported: CenterNet; faster_rcnn is built.
  experimental_model=ExperimentalModel unsupported: A detector of your own;
    faster_rcnn is built.
Pipeline
  eval_input_reader
  graph_rewriter=GraphRewriter ignored: Nothing is quantized; all numbers are
    floats.
Optimizer
  adam_optimizer
  use_moving_average=false moving_average_decay=0.9999 ignored: {_AVERAGES}

NormalizeImage original_minval=0.0 original_maxval=0.0 target_minval=0.0
    target_maxval=1.0
SubtractChannelMean means=float[]
ResizeImage new_height=0 new_width=0 method=ResizeMethod.BILINEAR
RandomResizeMethod target_height=0 target_width=0
RandomDownscaleToTargetPixels random_coef=0.0 min_target_pixels=300000
    max_target_pixels=500000
RandomJitterBoxes ratio=0.05
RandomPadImage min_image_height=0 min_image_width=0 max_image_height=0
    max_image_width=0 pad_color=float[]
RandomAbsolutePadImage max_height_padding=0 max_width_padding=0
    pad_color=float[]
RandomCropPadImage min_object_covered=1.0 min_aspect_ratio=0.75
    max_aspect_ratio=1.33 min_area=0.1 max_area=1.0 overlap_thresh=0.3
    clip_boxes=true random_coef=0.0 min_padded_size_ratio=float[]
    max_padded_size_ratio=float[] pad_color=float[]
RandomCropToAspectRatio aspect_ratio=1.0 overlap_thresh=0.3 clip_boxes=true
RandomScaleCropAndPadToSquare output_size=512 scale_min=0.1 scale_max=2.0
SsdRandomCrop operations=SsdCropOperation[] aspect_ratio=1.0
    min_padded_size_ratio=float[] max_padded_size_ratio=float[]
SsdCropOperation min_object_covered=0.0 min_aspect_ratio=0.0
    max_aspect_ratio=0.0 min_area=0.0 max_area=0.0 overlap_thresh=0.0
    clip_boxes=true random_coef=0.0 min_padded_size_ratio=float[]
    max_padded_size_ratio=float[] pad_color_r=0.0 pad_color_g=0.0
    pad_color_b=0.0
RandomBlackPatches max_black_patches=10 probability=0.5
    size_to_image_ratio=0.1
RandomPatchGaussian random_coef=0.0 min_patch_size=1 max_patch_size=250
    min_gaussian_stddev=0.0 max_gaussian_stddev=1.0
RandomJpegQuality random_coef=0.0 min_jpeg_quality=0 max_jpeg_quality=100
RandomSelfConcatImage concat_vertical_probability=0.1
    concat_horizontal_probability=0.1
AutoAugmentImage policy_name="v0"
AdjustGamma gamma=1.0 gain=1.0
DropLabelProbabilistically label=0 drop_probability=1.0
RemapLabels original_labels=int[] new_label=0
ConvertClassLogitsToSoftmax temperature=1.0
BatchNorm decay=0.999 center=true scale=false epsilon=0.001 train=true
HardExampleMiner num_hard_examples=64 iou_threshold=0.7
    loss_type=MinedLoss.BOTH max_negatives_per_positive=0
    min_negatives_per_image=0
KeypointEdge start=0 end=0
SuperCategory key="" value=""
GraphRewriter quantization=Quantization
Quantization delay=500000 weight_bits=8 activation_bits=8 symmetric=false

enum ResizeMethod UNKNOWN AREA BICUBIC BILINEAR NEAREST_NEIGHBOR
enum MinedLoss BOTH CLASSIFICATION LOCALIZATION
enum InstanceMaskType DEFAULT NUMERICAL_MASKS PNG_MASKS
enum InputType INPUT_DEFAULT TF_EXAMPLE TF_SEQUENCE_EXAMPLE
enum CheckpointVersion UNKNOWN V1 V2
"""
