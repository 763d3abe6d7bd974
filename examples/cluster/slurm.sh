#!/bin/bash
# Trains on several nodes of a Slurm cluster, a process per node:
#
#     sbatch --nodes=4 examples/cluster/slurm.sh \
#       --pipeline pipelines/tt100k.config --model_dir /shared/models/tt100k
#
# Records and model folder lie on a file system that all nodes share. A job that
# lost a node is queued again and continues after its last checkpoint.
#SBATCH --job-name=featsr
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@60

PORT=${PORT:-2222}
# What featsr_tf exits with where the same command is to be started again.
TRY_AGAIN=75

workers=$(scontrol show hostnames "$SLURM_JOB_NODELIST" |
  sed "s/.*/\"&:$PORT\"/" | paste -sd, -)
export WORKERS="[$workers]"

srun bash -c '
  task="{\"type\": \"worker\", \"index\": $SLURM_PROCID}"
  export TF_CONFIG="{\"cluster\": {\"worker\": $WORKERS}, \"task\": $task}"
  exec python -m featsr_tf.train "$@"
' train "$@"
code=$?

if [ "$code" -eq "$TRY_AGAIN" ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
