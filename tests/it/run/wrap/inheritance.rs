//! What the command inherits: arguments, environment, group and descriptors.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use crate::harness::TestEnv;

#[test]
fn arguments_arrive_as_they_are() {
    let env = TestEnv::new();
    let odd: [&OsStr; 6] = ["--report", "", "-- x", "a\nb", "$HOME *", "--"].map(OsStr::new);
    let bytes = OsStr::from_bytes(b"\xff\xfe\x01");
    let mut arguments: Vec<&OsStr> = ["run", "--", "printf", r"[%s]"].map(OsStr::new).to_vec();
    arguments.extend(odd);
    arguments.push(bytes);
    let done = env.effllm(arguments).done();
    assert_eq!(done.stdout, b"[--report][][-- x][a\nb][$HOME *][--][\xff\xfe\x01]");
    assert_eq!(env.report().at("command.argv.2"), "--report");
}

#[test]
fn the_folder_and_the_environment_are_the_callers() {
    let mut env = TestEnv::new();
    env.set("ODD", OsString::from_vec(b"a\xff\nb".to_vec())).set("EMPTY", "");
    let alone = env.command(["sh", "-c", "pwd; env"]).done();
    let wrapped = env.effllm(["run", "--no-unbuffer", "--", "sh", "-c", "pwd; env"]).done();
    assert!(wrapped.stdout == alone.stdout, "{}\nalone: {}", wrapped.stdout(), alone.stdout());
}

#[test]
fn python_is_told_not_to_hold_its_output_back() {
    let env = TestEnv::new();
    let done = env.run("", "echo ${PYTHONUNBUFFERED-unset}").done();
    assert_eq!(done.stdout(), "1\n");
    assert_eq!(done.report().at("command.python_unbuffered_set"), true);
}

#[test]
fn a_choice_of_pythons_buffering_is_kept() {
    for choice in ["", "0", "yes"] {
        let mut env = TestEnv::new();
        env.set("PYTHONUNBUFFERED", choice);
        let done = env.run("", "echo \"${PYTHONUNBUFFERED-unset}\"").done();
        assert_eq!(done.stdout(), format!("{choice}\n"));
        assert_eq!(done.report().at("command.python_unbuffered_set"), false);
    }
    let env = TestEnv::new();
    let done = env.run("--no-unbuffer", "echo ${PYTHONUNBUFFERED-unset}").done();
    assert_eq!(done.stdout(), "unset\n");
    assert_eq!(done.report().at("command.python_unbuffered_set"), false);
}

#[test]
fn the_command_is_in_effllms_process_group_and_session() {
    let env = TestEnv::new();
    let mut call = env.run("", "cut -d' ' -f 4-6 /proc/self/stat");
    call.command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let session = call.spawn();
    let (effllm, sid) = (session.pid(), nix::unistd::getsid(None).expect("a session"));
    let done = session.wait();
    let stat = done.stdout();
    let [_, group, session] = stat.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{stat}") };
    assert_eq!((group, session), (&*effllm.to_string(), &*sid.to_string()));
}

#[test]
fn no_descriptor_of_effllms_leaks_into_the_command() {
    let mut env = TestEnv::new();
    env.gpus("");
    let list = ["sh", "-c", "ls /proc/$$/fd"];
    let alone = env.command(list).done();
    let wrapped = env.effllm(["run", "--"].into_iter().chain(list)).done();
    assert_eq!(wrapped.stdout(), alone.stdout());
}
