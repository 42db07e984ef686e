#!/bin/sh
# How much memory effllm takes for a long log, and how fast it reads one.
#
#     benches/memory.sh            builds effllm and measures it
#     benches/memory.sh EFFLLM     measures this binary
#
# A command prints 1 million and 10 million lines as fast as they are taken, one in a thousand of them
# an iteration; effllm's peak resident set (VmHWM in /proc) must stay below 16 MiB and must not grow
# with the lines. So must it for a log that no profile recognises, which costs most: every line is tried
# by all of them. `cat` in effllm's place says how fast the lines can be taken by a program that does
# nothing with them.
set -eu

limit_kib=16384
may_grow_kib=1024

root=$(cd "$(dirname "$0")/.." && pwd)
effllm=${1:-}
if [ -z "$effllm" ]; then
    cargo build --release --quiet --manifest-path "$root/Cargo.toml"
    effllm=${CARGO_TARGET_DIR:-$root/target}/release/effllm
fi
effllm=$(realpath "$effllm")

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export XDG_CONFIG_HOME="$folder"

cat >print.awk <<'END'
BEGIN {
    for (i = 1; i < 1000; i++) {
        block = block "[2025-03-01 12:00:00,123][INFO][trainer.py:" i "] rank 3 | dataloader | waited 0.0042 s for a batch\n"
    }
    for (i = 1; i <= lines / 1000; i++) {
        printf "%s [2025-03-01 12:00:00] iteration %8d/ 1000000 | consumed samples: %12d | elapsed time per iteration (ms): %.1f | learning rate: 1.000000E-05 | global batch size:    16 | lm loss: 1.100000E+01 | loss scale: 1.0 | grad norm: 2.500 |\n", block, i, 16 * i, 90 + i % 21
    }
}
END

cat >unknown.awk <<'END'
BEGIN {
    for (i = 1; i <= 1000; i++) {
        block = block "[2025-03-01 12:00:00,123][INFO][trainer.py:" i "] rank 3 | step, loss, tokens | waited 0.0042 s in this iteration\n"
    }
    for (i = 1; i <= lines / 1000; i++) printf "%s", block
}
END

now() { date +%s.%N; }
lines_per_second() { echo "$1 $2 $3" | awk '{ printf "%.2f", $1 / ($3 - $2) / 1e6 }'; }

# Runs effllm over so many lines of a script, which hold so many iterations; sets $peak_kib and $rate.
measure() {
    begun=$(now)
    "$effllm" run --quiet --gpus none -- awk -v lines="$1" -f "$2" >/dev/null &
    pid=$!
    peak_kib=0
    while kib=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [ -n "$kib" ]; do
        peak_kib=$kib
        sleep 0.02
    done
    wait "$pid"
    rate=$(lines_per_second "$1" "$begun" "$(now)")
    count=$(awk '/"count":/ { gsub(/[^0-9]/, ""); print; exit }' effllm-report.json)
    [ "$count" = "$3" ] || { echo "FAIL: $count iterations of $3 were counted"; exit 1; }
    [ "$peak_kib" -lt "$limit_kib" ] || { echo "FAIL: the peak of $(mib "$peak_kib") MiB is not below $(mib "$limit_kib")"; exit 1; }
}

mib() { echo "$1" | awk '{ printf "%.1f", $1 / 1024 }'; }

measure 1000000 print.awk 1000
peak_of_one=$peak_kib
echo "effllm,  1 million lines: peak $(mib "$peak_kib") MiB, $rate million lines/s"
measure 10000000 print.awk 10000
echo "effllm, 10 million lines: peak $(mib "$peak_kib") MiB, $rate million lines/s"
[ $((peak_kib - peak_of_one)) -le "$may_grow_kib" ] || { echo "FAIL: the peak grows with the lines"; exit 1; }
measure 1000000 unknown.awk 0
echo "effllm,  1 million lines that no profile recognises: peak $(mib "$peak_kib") MiB, $rate million lines/s"

begun=$(now)
awk -v lines=10000000 -f print.awk | cat >/dev/null
echo "cat,    10 million lines: $(lines_per_second 10000000 "$begun" "$(now)") million lines/s"
echo ok
