#!/usr/bin/env python3
"""What takes too long for every change: many runs, long runs, and effllm killed at random moments.

    tests/stress.py --effllm target/release/effllm --nvml target/debug/deps/libfake_nvml.so short|soak|kill

Each prints its figures and exits with 1 at the first thing that must not be.
"""

import argparse
import concurrent.futures
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

# NVML that fails now and then: codes, a lost GPU that comes back, slow calls, values that cannot be.
FAULTS = """
gpu = [{ count = 4, power_watts = { square = { low = 100, high = 400, period_s = 3.0, duty = 0.5 } } }]
[[fault]]
call = "nvmlDeviceGetPowerUsage"
gpu = 1
from_s = 30
to_s = 90
return = "UNKNOWN"
[[fault]]
call = "*"
gpu = 2
from_s = 60
to_s = 120
return = "GPU_IS_LOST"
[[fault]]
call = "nvmlDeviceGetUtilizationRates"
gpu = 3
from_s = 100
to_s = 200
delay_s = 2.0
[[fault]]
call = "nvmlDeviceGetMemoryInfo_v2"
gpu = 0
from_s = 240
hang = true
"""


def fail(message):
    print(f"FAILED: {message}")
    sys.exit(1)


def processes_below(pid):
    """Processes, with their state, that descend from one."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rsplit(") ", 1)[1].split()
        except (OSError, IndexError):
            continue
        if name.isdigit() and int(fields[1]) == pid:
            found += [(int(name), fields[0])] + processes_below(int(name))
    return found


def memory(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def environment(options, folder):
    scenario = os.path.join(folder, "scenario.toml")
    with open(scenario, "w") as file:
        file.write(FAULTS)
    return dict(os.environ, EFFLLM_NVML_LIB=options.nvml, FAKE_NVML_SCENARIO=scenario)


def short(options, folder):
    """Thousands of short commands, sixteen at a time."""
    env = environment(options, folder)
    # A subreaper, so that whatever a run leaves behind comes to us and is seen.
    import ctypes

    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)

    def one(number):
        kind, value = number % 4, number % 256
        script = [f"exit {value}", f"echo {number}; exit {value}", f"kill -TERM $$", f"sleep 0.01 & exit {value}"][kind]
        expected = -signal.SIGTERM if kind == 2 else value
        report = os.path.join(folder, f"{number}.json")
        argv = [options.effllm, "run", "-q", "-o", report, "--", "sh", "-c", script]
        done = subprocess.run(argv, env=env, capture_output=True, stdin=subprocess.DEVNULL)
        if done.returncode != expected or done.stdout != (f"{number}\n".encode() if kind == 1 else b"") or done.stderr:
            return f"{script!r} ended with {done.returncode}, {done.stdout!r}, {done.stderr!r}"
        with open(report) as file:
            said = json.load(file)["command"]["exit"]
        os.unlink(report)
        if said != ({"signal": "SIGTERM"} if kind == 2 else {"code": value}):
            return f"{script!r} is reported as {said}"
        return None

    before, begun = len(os.listdir("/proc/self/fd")), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for number, wrong in enumerate(pool.map(one, range(options.runs))):
            if wrong:
                fail(f"run {number}: {wrong}")
    seconds = time.monotonic() - begun
    time.sleep(0.5)
    while True:  # orphans that have ended since
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                break
        except ChildProcessError:
            break
    left = processes_below(os.getpid())
    files = [name for name in os.listdir(folder) if name != "scenario.toml"]
    descriptors = len(os.listdir("/proc/self/fd")) - before
    if left or files or descriptors:
        fail(f"left behind: processes {left}, files {files}, descriptors {descriptors}")
    print(f"{options.runs} runs in {seconds:.0f} s, {1000 * seconds / options.runs:.1f} ms each of 16 at a time;"
          " no wrong exit status, no process, zombie, descriptor or file left")


def soak(options, folder):
    """Minutes of output at 100 MB/s, faults of NVML, and signals at random moments."""
    env = environment(options, folder)
    report = os.path.join(folder, "soak.json")
    # Lines that look like progress now and then, so that all of effllm has something to do.
    command = f"""
import os, signal, sys, time
counts = {{}}
for name in ("SIGUSR1", "SIGUSR2", "SIGHUP", "SIGTERM", "SIGWINCH", "SIGALRM"):
    counts[name] = 0
    def count(number, frame, name=name):
        counts[name] += 1
    signal.signal(getattr(signal, name), count)
line = b"x" * 99 + b"\\n"
begun, step, written = time.monotonic(), 0, 0
while time.monotonic() - begun < {options.seconds}:
    step += 1
    block = line * 9999 + b"step %d took 10.0 ms loss 1.5\\n" % step
    while block:
        block = block[os.write(1, block):]
    written += 1
    ahead = written * 0.01 - (time.monotonic() - begun)
    if ahead > 0:
        time.sleep(ahead)
os.write(2, b"%d MB; %r\\n" % (written, counts))
os._exit(7)
"""
    pattern = r"step (?P<iteration>\d+) took (?P<step_time_ms>[\d.]+) ms loss (?P<loss>[\d.]+)"
    argv = [options.effllm, "run", "-q", "--interval", "0.1", "--pattern", pattern, "-o", report]
    read = 0
    process = subprocess.Popen(
        argv + ["--", sys.executable, "-c", command], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def drain():
        nonlocal read
        while block := os.read(process.stdout.fileno(), 1 << 20):
            read += len(block)

    reader = threading.Thread(target=drain)
    reader.start()
    time.sleep(1)
    sizes, sent, begun = [], {}, time.monotonic()
    while time.monotonic() - begun < options.seconds - 3:
        time.sleep(random.uniform(0.05, 1.0))
        chosen = random.choice([signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGTERM, signal.SIGWINCH, signal.SIGALRM])
        process.send_signal(chosen)
        sent[chosen.name] = sent.get(chosen.name, 0) + 1
        sizes.append(memory(process.pid))
        if os.path.exists(report):
            with open(report) as file:
                json.load(file)  # whole at every moment
    code = process.wait(timeout=60)
    reader.join()
    said = process.stderr.read().decode()
    with open(report) as file:
        report = json.load(file)
    quarter = len(sizes) // 4
    first, last = max(sizes[quarter:2 * quarter]), max(sizes[-quarter:])
    print(f"{read / 1e6:.0f} MB in {report['command']['wall_seconds']:.0f} s ({read / 1e6 / report['command']['wall_seconds']:.0f} MB/s);"
          f" exit {code}; memory {first} kB in the second quarter, {last} kB in the last; signals sent {sent}, got {said.strip()};"
          f" iterations {report['iterations']['last']}, log bytes {report['log']['bytes']}, warnings {report['warnings']}")
    if code != 7 or report["command"]["exit"] != {"code": 7}:
        fail("the exit status is not the command's")
    if report["log"]["bytes"] != read + len(said.encode()):
        fail("not all of the log was read")
    if last > first * 1.1 + 4096:
        fail("memory grew")


def kill(options, folder):
    """SIGKILL at random moments: the report is valid or not there."""
    env = environment(options, folder)
    absent = running = completed = 0
    for number in range(options.kills):
        report = os.path.join(folder, "kill.json")
        if os.path.exists(report) and number % 2:
            os.unlink(report)
        script = "trap : TERM; i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo step $i took 5 ms; done; sleep 0.3"
        argv = [options.effllm, "run", "-q", "--interval", "0.02", "-o", report, "--", "sh", "-c", script]
        process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        process.stdout.readline()  # the command runs, and effllm takes signals
        end = time.monotonic() + random.uniform(0.0, 0.5)
        while time.monotonic() < end:
            process.send_signal(signal.SIGTERM)  # saves the report again and again
            time.sleep(0.002)
        process.kill()
        process.wait()
        process.stdout.close()
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if not os.path.exists(report):
            absent += 1
            continue
        with open(report) as file:
            try:
                status = json.load(file)["status"]
            except ValueError as error:
                fail(f"a torn report: {error}")
        running += status == "running"
        completed += status == "completed"
    # Whoever was killed in the moment of a name leaves it to the next.
    subprocess.run([options.effllm, "run", "-q", "-o", report, "--", "true"], env=env, check=True)
    left = [name for name in os.listdir(folder) if name.startswith(".effllm")]
    if left:
        fail(f"left behind: {left}")
    print(f"{options.kills} kills: no report {absent} times, one of the running command {running}, a last one {completed};"
          " never a torn one, and no temporary file left")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--effllm", required=True)
    parser.add_argument("--nvml", default="no-nvml", help="the fake NVML")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("what", choices=["short", "soak", "kill"])
    options = parser.parse_args()
    options.effllm, options.nvml = os.path.abspath(options.effllm), os.path.abspath(options.nvml)
    with tempfile.TemporaryDirectory() as folder:
        {"short": short, "soak": soak, "kill": kill}[options.what](options, folder)


main()
