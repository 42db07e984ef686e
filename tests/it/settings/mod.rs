//! Every bad setting is found before the command starts, and says where it is and what to do; a later
//! layer goes before an earlier one.

mod files;
mod flags;
mod layers;
mod rules;

use crate::harness::TestEnv;

/// What is said of a bad setting: the exit status is 2, nothing else is printed, nothing is left
/// behind, and the command has not been started.
#[track_caller]
fn refused(env: &TestEnv, options: &[&str]) -> String {
    let before = env.files();
    let arguments = ["run"].iter().chain(options).chain(&["--", "touch", "started"]);
    let done = env.effllm(arguments).done();
    assert_eq!(done.code(), Some(2), "{}", done.stderr());
    assert_eq!(done.stdout(), "");
    assert_eq!(env.files(), before);
    done.stderr()
}
