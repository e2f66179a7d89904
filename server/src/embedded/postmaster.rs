//! The running server, and the promise that it ends with this program.
//!
//! Between this program and the postmaster stands a supervisor: a few lines of shell that hold the reading end of a
//! pipe. Nothing is ever written to it. When its other end closes (on [`Postmaster::stop`], on a panic, on `kill -9`) the
//! supervisor asks the postmaster for a fast shutdown and waits for it, so that a killed program leaves neither a server
//! nor a zombie behind. It has a process group of its own: Ctrl-C reaches this program first and the server last.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::home::Home;
use super::programs::Programs;
use super::{ClusterOptions, EmbeddedError};

/// `$1` and `$2` are folders to remove afterwards (or empty); a server that failed keeps them, so that its log can be
/// read. The rest is the server's command line. The one line of output is the server's process id: a server of an
/// earlier run, on its way out, must not be taken for this one.
///
/// Both jobs run in the background so that `wait` ends when the server does, whoever ended it. The request is repeated,
/// since a server that is only just starting may not hear the first one. A program that is killed before it reads the line
/// must not take the supervisor along: hence the `trap`.
const SUPERVISOR: &str = r#"
trap '' PIPE
exec 3<&0 </dev/null
home=$1 socket=$2
shift 2
"$@" 3<&- >&2 &
server=$!
echo $server
exec >&2
(
    read -r _ <&3
    while kill -INT $server; do sleep 1; done
) 2>/dev/null &
watch=$!
exec 3<&-
wait $server
code=$?
kill $watch 2>/dev/null
wait $watch
[ $code -ne 0 ] || [ -z "$home" ] || rm -rf "$home" "$socket"
exit $code
"#;

/// Recovery after a crash of the machine is part of this.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// How long the last run's processes may take to vanish after their postmaster was killed.
const VANISH_WITHIN: Duration = Duration::from_secs(10);

/// A fast shutdown writes everything to disk; after this an immediate one leaves that to the next start.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Fine enough for a person not to notice.
const POLL: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct Postmaster {
    supervisor: Child,
    /// The server's process id.
    server: i32,
    data: PathBuf,
}

impl Postmaster {
    /// Starts the server and waits until it takes connections.
    pub(super) fn start(
        home: &Home,
        programs: &Programs,
        data: &Path,
        socket_dir: &Path,
        options: &ClusterOptions,
    ) -> Result<Self, EmbeddedError> {
        let log = home.dir().join("log");
        let begun = Instant::now();
        loop {
            let mut supervisor = spawn(home, programs, data, socket_dir, &log, options)?;
            let server = read_pid(&mut supervisor);
            let mut postmaster = Self {
                supervisor,
                server,
                data: data.to_owned(),
            };
            match postmaster.wait_until_ready(&log) {
                Ok(()) => return Ok(postmaster),
                Err(EmbeddedError::Start { said, .. }) if is_passing(&said) && begun.elapsed() < VANISH_WITHIN => {
                    sleep(Duration::from_millis(200));
                }
                Err(error) => {
                    // The error that matters is the one at hand.
                    let _ = postmaster.stop();
                    return Err(error);
                }
            }
        }
    }

    fn wait_until_ready(&mut self, log: &Path) -> Result<(), EmbeddedError> {
        let begun = Instant::now();
        while begun.elapsed() < READY_WITHIN {
            let ended = self.has_ended()?;
            if ended {
                return Err(EmbeddedError::Start {
                    log: log.to_owned(),
                    said: last_lines(log),
                });
            }
            if PidFile::read(&self.data)?.is_some_and(|file| file.pid == self.server && file.ready) {
                return Ok(());
            }
            sleep(POLL);
        }
        let seconds = READY_WITHIN.as_secs();
        Err(EmbeddedError::NotReady {
            seconds,
            log: log.to_owned(),
            said: last_lines(log),
        })
    }

    /// Ends the server; done at once when it has ended already.
    pub(super) fn stop(&mut self) -> Result<(), EmbeddedError> {
        drop(self.supervisor.stdin.take());
        for harder in [false, true] {
            if harder {
                signal(self.server, Signal::QUIT);
            }
            let begun = Instant::now();
            while begun.elapsed() < STOP_WITHIN {
                if self.has_ended()? {
                    return Ok(());
                }
                sleep(POLL);
            }
        }
        Err(EmbeddedError::WillNotStop {
            dir: self.data.clone(),
            pid: self.server,
        })
    }

    /// Whether the supervisor, and so the server, is gone.
    fn has_ended(&mut self) -> Result<bool, EmbeddedError> {
        let ended = self
            .supervisor
            .try_wait()
            .map_err(|source| EmbeddedError::io("wait for", &self.data, source))?;
        Ok(ended.is_some())
    }
}

fn spawn(
    home: &Home,
    programs: &Programs,
    data: &Path,
    socket_dir: &Path,
    log: &Path,
    options: &ClusterOptions,
) -> Result<Child, EmbeddedError> {
    let output = File::create(log).map_err(|source| EmbeddedError::io("write", log, source))?;
    let mut command = home.account().command("/bin/sh");
    command.args(["-c", SUPERVISOR, "postgresql-supervisor"]);
    if options.ephemeral {
        command.arg(home.dir()).arg(socket_dir);
    } else {
        command.args(["", ""]);
    }
    command.arg(programs.bin_dir.join("postgres")).arg("-D").arg(data);
    for (name, value) in settings(socket_dir, options.durable) {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    command
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(output);
    command
        .spawn()
        .map_err(|source| EmbeddedError::io("run", Path::new("/bin/sh"), source))
}

/// The server's process id, or 0 (which no pid file has) from a supervisor that ends without having started one: why is in
/// the log, and the caller sees that it ended.
fn read_pid(supervisor: &mut Child) -> i32 {
    let mut line = String::new();
    if let Some(output) = supervisor.stdout.take() {
        // What cannot be read is as good as empty.
        let _ = BufReader::new(output).read_line(&mut line);
    }
    line.trim().parse().unwrap_or(0)
}

/// What differs from a cluster as `initdb` leaves it: given on the command line, so that the files stay as they came.
fn settings(socket_dir: &Path, durable: bool) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("listen_addresses", String::new()),
        ("unix_socket_directories", format!("\"{}\"", socket_dir.display())),
        ("unix_socket_permissions", "0700".to_owned()),
        ("port", super::SOCKET_PORT.to_string()),
        ("max_connections", "200".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
        // A statement or a row in the log would be a customer's data in the log.
        ("log_min_error_statement", "panic".to_owned()),
        ("log_error_verbosity", "terse".to_owned()),
    ];
    if !durable {
        for name in ["fsync", "full_page_writes", "synchronous_commit"] {
            settings.push((name, "off".to_owned()));
        }
    }
    settings
}

/// Whether the server refused to start only because processes of a killed one are still on their way out.
fn is_passing(said: &str) -> bool {
    said.contains("postmaster.pid\" already exists") || said.contains("pre-existing shared memory block")
}

/// Stops a postmaster that outlived its program, and removes a pid file that names none.
///
/// The caller holds the folder's lock: whatever runs here has no program any more. It is stopped, not adopted, so that
/// every server has a supervisor; that costs a third of a second, once after a crash.
pub(super) fn stop_leftover(data: &Path, found: impl Fn(i32)) -> Result<(), EmbeddedError> {
    let Some(PidFile { pid, .. }) = PidFile::read(data)? else {
        // A pid file that can't be understood was cut off by a crash; PostgreSQL would refuse to start over it.
        return remove_pid_file(data);
    };
    if !is_postmaster(pid, data) {
        return remove_pid_file(data);
    }
    found(pid);
    for request in [Signal::INT, Signal::QUIT] {
        signal(pid, request);
        let begun = Instant::now();
        while begun.elapsed() < STOP_WITHIN {
            if !is_postmaster(pid, data) {
                return remove_pid_file(data);
            }
            sleep(POLL);
        }
    }
    Err(EmbeddedError::WillNotStop {
        dir: data.to_owned(),
        pid,
    })
}

/// Safe once no postmaster is left: PostgreSQL itself still refuses to start while a server process of the old one has
/// the shared memory.
fn remove_pid_file(data: &Path) -> Result<(), EmbeddedError> {
    let path = pid_file_path(data);
    match fs::remove_file(&path) {
        Err(source) if !matches!(source.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(EmbeddedError::io("remove", &path, source))
        }
        _ => Ok(()),
    }
}

/// Whether this process is the postmaster of this cluster. The number alone proves nothing: after a restart of the machine
/// it may be anybody's, and a zombie has it too, but has no command line.
fn is_postmaster(pid: i32, data: &Path) -> bool {
    let command_line = if Path::new("/proc/self/cmdline").exists() {
        fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
    } else {
        let asked = std::process::Command::new("ps")
            .args(["-o", "command=", "-p", &pid.to_string()])
            .output();
        asked.map(|output| output.stdout).unwrap_or_default()
    };
    let data = data.as_os_str().as_encoded_bytes();
    command_line.windows(data.len()).any(|part| part == data)
}

/// One that is gone already needs no signal; one that stays is named in the error that follows.
fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// What the postmaster says of itself in its data folder.
struct PidFile {
    pid: i32,
    ready: bool,
}

impl PidFile {
    /// `None` if there is no such file, or none that a whole postmaster wrote.
    fn read(data: &Path) -> Result<Option<Self>, EmbeddedError> {
        let path = pid_file_path(data);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(source) => Err(EmbeddedError::io("read", &path, source)),
        }
    }

    /// The first line is the process, the eighth the state (`LOCK_FILE_LINE_PM_STATUS` in PostgreSQL's `pidfile.h`).
    fn parse(text: &str) -> Option<Self> {
        let pid = text.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)?;
        let ready = text.lines().nth(7).is_some_and(|state| state.trim() == "ready");
        Some(Self { pid, ready })
    }
}

fn pid_file_path(data: &Path) -> PathBuf {
    data.join("postmaster.pid")
}

/// Enough of the log to see why.
fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_tells_when_the_server_is_ready() {
        let starting = "4711\n/data\n1700000000\n5432\n/socket\n\n  1 2\nstarting\n";
        let ready = starting.replace("starting", "ready   ");
        assert!(PidFile::parse(starting).is_some_and(|file| file.pid == 4711 && !file.ready));
        assert!(PidFile::parse(&ready).is_some_and(|file| file.ready));
    }

    #[test]
    fn a_pid_file_cut_off_by_a_crash_names_nobody() {
        for text in ["", "\n", "47x1\n", "-4711\n", "1\n"] {
            assert!(PidFile::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_process_of_somebody_else_is_not_taken_for_the_postmaster() {
        let me = i32::try_from(std::process::id()).expect("process ids are positive and small");
        assert!(!is_postmaster(me, Path::new("/nowhere/data")));
    }
}
