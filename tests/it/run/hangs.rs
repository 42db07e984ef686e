//! File systems that do not answer, and pipes that nobody reads or writes.

use std::fs;
use std::process::Command;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::harness::requirements::{available, root};
use crate::harness::{Report, TestEnv, until};

/// A disk of its own in the folder `disk`, which can be frozen.
struct Disk<'a>(&'a TestEnv);

impl<'a> Disk<'a> {
    fn mount(env: &'a TestEnv) -> Result<Self, String> {
        root()?;
        fs::create_dir(env.path("disk")).expect("a folder");
        let script = "PATH=$PATH:/usr/sbin:/sbin; fsfreeze --version && truncate -s 16M image && \
                      mkfs.ext4 -q image && mount -o loop image disk";
        let done = env.sh(script).done();
        done.status
            .success()
            .then(|| Self(env))
            .ok_or_else(|| format!("no disk can be mounted: {}", done.stderr()))
    }

    fn freeze(&self, flag: &str) {
        let status = Command::new("/usr/sbin/fsfreeze").arg(flag).arg(self.0.path("disk")).status();
        assert!(status.expect("fsfreeze starts").success());
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let disk = self.0.path("disk");
        let _ = Command::new("/usr/sbin/fsfreeze")
            .arg("-u")
            .arg(&disk)
            .stderr(std::process::Stdio::null())
            .status();
        let _ = Command::new("umount").arg("-l").arg(disk).status();
    }
}

#[test]
fn effllm_ends_with_the_command_though_the_disk_of_its_files_is_frozen() {
    let env = TestEnv::new();
    let Some(disk) = available(Disk::mount(&env)) else { return };
    let files = ["report.json", "series.csv", "metrics.txt", "junit.xml", "gitlab.txt"];
    let options = "--interval 0.02 -o disk/report.json --series disk/series.csv --openmetrics disk/metrics.txt \
                   --tensorboard disk/runs --junit disk/junit.xml --gitlab-metrics disk/gitlab.txt --require al<=1";
    let script = "echo ready; read line; i=0; while [ $i -lt 9 ]; do i=$((i + 1)); \
                  echo \" iteration $i/ 9 | consumed samples: $i | elapsed time per iteration (ms): 9.0 |\"; done; exit 4";
    let mut session = env.run(options, script).start();
    session.wait_for("ready");
    until("a reading", || env.read("disk/series.csv").lines().count() > 1);
    disk.freeze("-f");
    session.type_line("go");
    let done = session.wait(); // while it is frozen
    assert_eq!(done.code(), Some(4), "{}", done.stderr());
    let stderr = done.stderr();
    for name in files.into_iter().chain(["disk/runs/"]) {
        assert!(stderr.contains(name), "{name}: {stderr}");
    }
    let (_, json) = stderr.split_once("does not answer\n{").expect("the report");
    assert!(json.contains("\"code\": 4"), "{json}");
    // What was on its way is written once the disk answers.
    disk.freeze("-u");
    until("the report", || env.exists("disk/report.json"));
    assert_eq!(Report::parse(&env.read("disk/report.json")).at("command.exit.code"), 4);
}

#[test]
fn a_process_that_writes_files_is_none_of_the_commands() {
    let env = TestEnv::new();

    let done = env.run("--interval 0.02 --openmetrics m.txt --series s.csv", "sleep 0.3; true").done();
    assert_eq!(done.code(), Some(0));
    let processes: Vec<String> =
        env.read("s.csv").lines().filter(|line| line.contains(",host,")).map(String::from).collect();
    let report = env.report();
    assert!(report.number("command.max_rss_bytes") < 8e6, "{:?}", report.at("command"));
    assert!(!processes.is_empty());
}

#[test]
fn a_pipe_that_nobody_reads_or_writes_is_not_waited_for() {
    let env = TestEnv::new();
    mkfifo(&env.path("fifo.csv"), Mode::S_IRWXU).expect("a named pipe");
    let done = env.run("-o fifo.csv", "echo out").done();
    assert_eq!((done.code(), done.stdout().as_str()), (Some(0), "out\n"));
    assert!(done.stderr().contains("written to fifo.csv: the pipe has no reader\n{"), "{}", done.stderr());
    let done = env.run("--junit fifo.csv --require al<=1 --allow-no-data", "true").done();
    assert!(
        done.stderr().contains("fifo.csv cannot be written: the pipe has no reader"),
        "{}",
        done.stderr()
    );
    let report = env.run("--openmetrics fifo.csv", "true").done().report();
    assert!(report.warnings()[0].contains("fifo.csv"), "{:?}", report.warnings());
    for arguments in [
        &["run", "--series", "fifo.csv", "--", "true"][..],
        &["run", "--config", "fifo.csv", "--", "true"],
        &["run", "--rules", "fifo.csv", "--", "true"],
        &["run", "--baseline", "fifo.csv", "--require", "al<=baseline", "--", "true"],
        &["report", "fifo.csv"],
        &["compare", "effllm-report.json", "fifo.csv"],
        &["monitor", "--log", "fifo.csv"],
    ] {
        let done = env.effllm(arguments).done();
        assert_eq!(done.code(), Some(2), "{arguments:?}: {}", done.stderr());
        assert!(done.stderr().contains("fifo.csv"), "{}", done.stderr());
    }
    let read = env.sh("cat fifo.csv > got & $effllm run -q -o fifo.csv -- true; wait").done();
    assert_eq!(read.code(), Some(0), "{}", read.stderr());
    Report::parse(&env.read("got"));
}
