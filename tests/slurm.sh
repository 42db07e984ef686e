#!/usr/bin/env bash
# effllm under a real Slurm on this machine: srun, scancel, --signal, a time limit.
#
#     tests/slurm.sh target/release/effllm
#
# Needs slurmctld, slurmd, srun and munged (Debian: slurmctld slurmd slurm-client munge), and root,
# under which slurmd runs. Starts them in a folder of its own and ends them again by their pid files.
set -euo pipefail

effllm=$(realpath "${1:?the effllm binary}")
for program in slurmctld slurmd srun sbatch scancel munged; do
    command -v "$program" > /dev/null || { echo "$program is not on PATH" >&2; exit 77; }
done

folder=$(mktemp -d)
# munged insists on folders that nobody else can write to, up to the root.
chmod 755 "$folder"
export SLURM_CONF=$folder/slurm.conf
cleanup() {
    scancel --user="$(id -un)" 2> /dev/null || true
    for pid in "$folder"/*.pid; do
        [[ -s $pid ]] && kill "$(cat "$pid")" 2> /dev/null
    done
    sleep 1
    rm -rf "$folder"
}
trap cleanup EXIT

until_true() {
    local what=$1; shift
    for _ in $(seq 1500); do
        "$@" && return
        sleep 0.1
    done
    echo "FAILED: waited in vain for $what" >&2
    tail -n 20 "$folder"/*.log >&2
    exit 1
}
check() {
    if [[ $2 != "$3" ]]; then
        echo "FAILED: $1: $2, expected $3" >&2
        exit 1
    fi
    echo "ok: $1: $2"
}
said() { python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$@"; }

mkdir -p "$folder"/{state,spool-n0,spool-n1,munge,work}
chown munge: "$folder/munge"
dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 status=none
chown munge: "$folder/munge/key"; chmod 400 "$folder/munge/key"
socket=$folder/munge/socket
runuser -u munge -- munged --socket="$socket" --key-file="$folder/munge/key" --pid-file="$folder/munge/m.pid" \
    --log-file="$folder/munge/m.log" --seed-file="$folder/munge/seed" --force
ln -s munge/m.pid "$folder/munged.pid"

host=$(hostname)
{
    printf '%s\n' ClusterName=test "SlurmctldHost=$host(127.0.0.1)" SlurmUser=root AuthType=auth/munge \
        "AuthInfo=socket=$socket" "StateSaveLocation=$folder/state" "SlurmdSpoolDir=$folder/spool-%n" \
        "SlurmctldPidFile=$folder/ctld.pid" "SlurmdPidFile=$folder/%n.pid" "SlurmctldLogFile=$folder/ctld.log" \
        "SlurmdLogFile=$folder/%n.log" ProctrackType=proctrack/linuxproc TaskPlugin=task/none \
        SwitchType=switch/none SelectType=select/cons_tres SelectTypeParameters=CR_Core ReturnToService=2 \
        SlurmctldPort=16817 KillWait=3 SchedulerParameters=batch_sched_delay=0,sched_interval=1 JobCompType=jobcomp/none
    for n in 0 1; do
        echo "NodeName=n$n NodeHostname=$host NodeAddr=127.0.0.1 Port=$((17001 + n)) CPUs=1"
    done
    echo 'PartitionName=p Nodes=n0,n1 Default=YES MaxTime=INFINITE State=UP OverTimeLimit=0'
} > "$SLURM_CONF"
slurmctld
slurmd -N n0
slurmd -N n1
idle() { [[ $(sinfo -h -t idle -o %D 2> /dev/null) == 2 ]]; }
until_true 'two idle nodes' idle
cd "$folder/work"

# What every command here does: it notes which signals it gets.
cat > tells <<'SH'
for s in INT TERM USR1 USR2 HUP CONT; do trap "echo $s >>got-$SLURM_JOB_ID" $s; done
echo ready >"ready-$SLURM_JOB_ID-$SLURM_PROCID"
i=0; while [ $i -lt $1 ] && [ ! -e "stop-$SLURM_JOB_ID" ]; do sleep 0.1; i=$((i+1)); done
exit $2
SH

# Output, exit status and the job's identifiers, on two nodes.
out=$(srun -N2 -n2 --label "$effllm" run -q -o 'report-%.json' -- sh -c 'echo $SLURM_PROCID' | sort)
check 'output of two tasks' "$out" $'0: 0\n1: 1'
srun -n1 "$effllm" run -q -o one.json -- sh -c 'exit 9' 2> /dev/null && code=0 || code=$?
check 'exit status through srun' "$code" 9
check "the job's id in the report" "$(said one.json 'bool(r["job"]["scheduler"]["SLURM_JOB_ID"])')" True
check "the task's rank in the report" "$(said one.json 'r["job"]["rank"]')" 0

# The same signals reach a command whether it is wrapped or not.
compare() {
    local name=$1 options=$2 act=$3 plain wrapped
    for wrapper in plain wrapped; do
        local prefix=
        [[ $wrapper == wrapped ]] && prefix="$effllm run -q -o $name.json --"
        job=$(sbatch --parsable --output=/dev/null $options --wrap "exec srun $prefix sh tells 1800 4")
        until_true "$name" test -e "ready-$job-0"
        $act "$job"
        until_true "the end of $name" bash -c "! squeue -h -j $job 2>/dev/null | grep -q ."
        printf -v "$wrapper" '%s' "$(sort -u "got-$job" 2> /dev/null | tr '\n' ' ')"
    done
    check "signals of $name" "$wrapped" "$plain"
}
stop() { until_true 'a signal' test -s "got-$1"; touch "stop-$1"; }
none() { :; }
usr1() { scancel --signal=USR1 "$1"; stop "$1"; }
usr2_of_the_step() { scancel --signal=USR2 "$1.0"; stop "$1"; }

compare scancel '' scancel
check 'the report after scancel' "$(said scancel.json 'r["status"] in ("running", "interrupted", "completed")')" True
compare scancel-usr1 '' usr1
compare scancel-step '' usr2_of_the_step
check 'the report after a signal' "$(said scancel-step.json 'r["command"]["exit"]["code"]')" 4
compare warning '--signal=USR1@55 --time=1' stop
compare time-limit '--time=1' none
check 'the report after the time limit' "$(said time-limit.json 'r["job"]["scheduler"]["SLURM_JOB_ID"] != ""')" True
echo 'all as without effllm'
