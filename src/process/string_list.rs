//! Arguments and environments in the form that exec(3) takes.

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;

use nix::libc;

unsafe extern "C" {
    static mut environ: *const *const libc::c_char;
}

/// A list of strings that ends with a null pointer, as exec(3) takes it.
pub struct StringList(Vec<*const libc::c_char>);

// SAFETY: nothing changes or frees the strings.
unsafe impl Send for StringList {}
unsafe impl Sync for StringList {}

impl StringList {
    /// # Errors
    /// An argument has a null byte.
    pub fn arguments(argv: &[OsString]) -> io::Result<Self> {
        let mut entries = Vec::new();
        for argument in argv {
            entries.push(CString::new(argument.as_bytes())?.into_raw().cast_const());
        }
        entries.push(std::ptr::null());
        Ok(Self(entries))
    }

    /// effllm's own environment as its caller gave it, in its order, with one entry more. [`std::process::Command::env`]
    /// would sort it, and drop what is no variable.
    pub fn unbuffered_environment() -> Self {
        let mut entries = Vec::new();
        // SAFETY: the list ends with a null pointer, and no thread of effllm changes it.
        unsafe {
            let mut entry = environ;
            while !entry.is_null() && !(*entry).is_null() {
                entries.push(*entry);
                entry = entry.add(1);
            }
        }
        entries.extend([c"PYTHONUNBUFFERED=1".as_ptr(), std::ptr::null()]);
        Self(entries)
    }

    /// Makes it the environment of the program which is executed next. Async-signal-safe.
    pub fn become_environment(&self) {
        // SAFETY: the list lives until this process executes the command, and no other thread is in it.
        unsafe { environ = self.0.as_ptr() };
    }

    /// Executes the program that the list begins with, as execvp(3) finds it; returns why it could not.
    /// Async-signal-safe.
    pub fn execute(&self) -> io::Error {
        if let Some(program) = self.0.first().filter(|program| !program.is_null()) {
            // SAFETY: the strings and the list end with a null.
            unsafe { libc::execvp(*program, self.0.as_ptr()) };
        }
        io::Error::last_os_error()
    }
}
