//! Descriptors that the command closes: whoever has the other end sees it while the command runs on.

use std::os::fd::{AsFd, AsRawFd};
use std::process::Stdio;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::harness::{TestEnv, until};

/// Waits until every process has closed the other end of a pipe.
#[track_caller]
fn wait_for_close(what: &str, end: impl AsFd) {
    until(what, || {
        let mut end = [PollFd::new(end.as_fd(), PollFlags::empty())];
        poll(&mut end, PollTimeout::ZERO).expect("it can be asked");
        end[0].revents().is_some_and(|events| events.intersects(PollFlags::POLLHUP | PollFlags::POLLERR))
    });
}

#[test]
fn what_the_command_closes_is_closed() {
    for options in ["", "--stdio inherit", "--stdio pty", "-o /dev/null", "--stdio inherit -o /dev/stderr"] {
        let env = TestEnv::new();
        let pipe = || std::io::pipe().expect("a pipe");
        let (in_reader, in_writer) = pipe();
        let (out_reader, out_writer) = pipe();
        let (ninth_reader, ninth_writer) = pipe();
        let script = "exec <&- >&- 9>&-; until [ -e go ]; do sleep 0.02; done; exit 3";
        let mut call = env.run(options, script);
        call.command.stdin(in_reader).stdout(out_writer).stderr(Stdio::null());
        let fd = ninth_writer.as_raw_fd();
        let call = call.before_exec(move || {
            // SAFETY: takes numbers.
            nix::errno::Errno::result(unsafe { nix::libc::dup2(fd, 9) })?;
            Ok(())
        });
        let session = call.spawn();
        drop(ninth_writer);
        wait_for_close(&format!("{options}: the close of stdin"), in_writer);
        wait_for_close(&format!("{options}: the close of stdout"), out_reader);
        wait_for_close(&format!("{options}: the close of descriptor 9"), ninth_reader);
        env.write("go", "");
        assert_eq!(session.wait().code(), Some(3), "{options}");
    }
}

#[test]
fn descriptors_that_outputs_name_stay_open_for_them() {
    for (script, file) in [
        ("$effllm run -q -o >(cat >got) -- true; wait $!", "got"),
        ("$effllm run -q -o /dev/fd/8 -- sh -c 'exec >&- 8>&-; sleep 0.1' 8>&1 | cat >got", "got"),
        ("$effllm run -q -o /dev/stdout -- sh -c 'exec >&-; sleep 0.1' | cat >got", "got"),
        ("$effllm run -q -o - -- sh -c 'exec >&- 2>&-; sleep 0.1' | cat >got", "got"),
        ("$effllm run -q --stdio inherit -o - -- sh -c 'exec >&- 2>&-' | cat >got", "got"),
        ("$effllm run -q --openmetrics >(cat >got) -- true; wait $!", "got"),
        ("$effllm run -q --require 'al < 1' --junit /dev/fd/8 -- true 8>got", "got"),
    ] {
        let env = TestEnv::new();
        let mut call = env.command(["bash", "-c", script]);
        call.command.env("effllm", crate::harness::EFFLLM);
        let done = call.done();
        assert!(!env.read(file).is_empty(), "{script}: {}", done.stderr());
    }
}
