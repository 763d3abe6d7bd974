#!/bin/bash
# Trains on several nodes of a Slurm cluster, a process per node:
#
#     sbatch --nodes=4 examples/cluster/slurm.sh \
#       --pipeline pipelines/tt100k.config --model_dir /shared/models/tt100k
#
# Records and model folder lie on a file system that all nodes share. A job that
# lost a node, or whose time is over, is queued again and continues after its
# last checkpoint; after an error in the config or the data it ends.
#SBATCH --job-name=featsr
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# Time for a checkpoint before the job has to end; this script gets no signal.
#SBATCH --signal=TERM@120

PORT=${PORT:-2222}
MOST_RESTARTS=${MOST_RESTARTS:-100}
# What featsr_tf exits with where the same command is to be started again.
TRY_AGAIN=75
# Codes above this tell that a signal has ended a program.
BY_SIGNAL=128

hosts=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
workers=$(sed "s/.*/\"&:$PORT\"/" <<<"$hosts" | paste -sd, -)

# One srun for each worker tells how that ended; one for all would give the
# greatest exit code, by which a lost worker hides an error.
steps=()
for host in $hosts; do
  task="{\"type\": \"worker\", \"index\": ${#steps[@]}}"
  export TF_CONFIG="{\"cluster\": {\"worker\": [$workers]}, \"task\": $task}"
  srun --nodes=1 --ntasks=1 --nodelist="$host" \
    --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
    python -m featsr_tf.train "$@" &
  steps+=($!)
done

error=0
lost=0
for step in "${steps[@]}"; do
  wait "$step"
  code=$?
  if ((code == TRY_AGAIN || code > BY_SIGNAL)); then
    lost=$code
  elif ((code)); then
    error=$code
  fi
done

if ((lost && !error && ${SLURM_RESTART_COUNT:-0} < MOST_RESTARTS)); then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit $((error ? error : lost))
