//! Servers that end with the test process, however that ends.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Starts the server and waits for its own standard input to close, which the kernel sees to when the test process is
/// gone, even by SIGKILL; then it ends the server and removes the folder, unless it was told to keep it.
const WATCHDOG: &str = r#"
signal=$1 folder=$2; shift 2
"$@" >>"$folder/log" 2>&1 </dev/null &
child=$!
echo "$child" >"$folder/pid"
word=; read -r word
kill -s "$signal" "$child" 2>/dev/null
wait "$child"
code=$?
[ "$word" = keep ] || rm -rf "$folder"
exit "$code"
"#;

/// Whom a server runs as.
#[derive(Clone, Copy, Debug)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
}

impl User {
    /// PostgreSQL refuses to run as root: then somebody else, otherwise `None`.
    pub fn instead_of_root() -> Option<Self> {
        let id = |arguments: &[&str]| {
            let output = Command::new("id").args(arguments).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse::<u32>().ok()
        };
        if id(&["-u"]) != Some(0) {
            return None;
        }
        ["postgres", "nobody"].iter().find_map(|name| {
            Some(Self {
                uid: id(&["-u", name])?,
                gid: id(&["-g", name])?,
            })
        })
    }

    /// Has a command run as this user.
    pub fn take_over(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// A server that runs as long as this lives.
#[derive(Debug)]
pub struct Throwaway {
    watchdog: Child,
    folder: PathBuf,
}

impl Throwaway {
    /// Starts a program with a folder for its files and its log; `signal` ends it.
    pub fn start(
        program: &Path,
        arguments: &[impl AsRef<OsStr>],
        folder: &Path,
        signal: &str,
        user: Option<User>,
    ) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", WATCHDOG, "watchdog", signal])
            .args([folder, program])
            .args(arguments)
            .current_dir(folder)
            // An interrupt at the terminal is for the tests; the watchdog must live to tidy up after them.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(user) = user {
            user.take_over(&mut command);
        }
        Self {
            watchdog: command.spawn().expect("a shell starts"),
            folder: folder.to_owned(),
        }
    }

    /// What the server has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Ends the server; answers its exit code, over 128 when a signal ended it.
    pub fn end(mut self) -> Option<i32> {
        drop(self.watchdog.stdin.take());
        self.watchdog.wait().expect("the watchdog ends").code()
    }

    /// Ends the server and keeps its files.
    pub fn end_and_keep(mut self) {
        let mut line = self.watchdog.stdin.take().expect("piped");
        line.write_all(b"keep\n").expect("the watchdog reads");
        drop(line);
        self.watchdog.wait().expect("the watchdog ends");
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // Nobody is left to tell.
        let _ = self.watchdog.wait();
    }
}

/// Finds a program in the path or in one of some other folders.
pub fn find_program(name: &str, elsewhere: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(elsewhere.iter().cloned())
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
