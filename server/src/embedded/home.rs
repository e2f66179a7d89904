//! Where a cluster lives, and as whom it runs.
//!
//! For an ordinary user both answers are plain: in the folder that was asked for, as that user. PostgreSQL refuses to run
//! as root, though, and a checkout under `/root` is closed to everybody else. So root chooses an account, and a folder
//! that this account can reach.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::EmbeddedError;

/// Root's clusters that cannot stay where they were asked for.
const ELSEWHERE: &str = "/var/lib/commerce-kpis";

/// Short, and there on every Unix: a socket's path may not be longer than about a hundred bytes.
const SHORT: &str = "/tmp";

/// What the kernels allow (104 on macOS, 108 on Linux), less `/.s.PGSQL.5432` and the end.
const LONGEST_SOCKET_DIR: usize = 88;

/// Variables that PostgreSQL's programs would obey over what we ask for.
const OVERRULING: [&str; 6] = [
    "PGDATA",
    "PGPORT",
    "PGOPTIONS",
    "PGDATESTYLE",
    "PGTZ",
    "PGCLIENTENCODING",
];

/// Accounts that root may hand a cluster to, the best first.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// A folder that exists, with mode 0700, and the account that owns it and can enter it.
#[derive(Debug)]
pub(super) struct Home {
    dir: PathBuf,
    account: Account,
    moved: bool,
}

impl Home {
    /// Makes the folder, or one elsewhere when the account that must run the server cannot enter this one.
    pub(super) fn prepare(asked_for: &Path, ephemeral: bool) -> Result<Self, EmbeddedError> {
        let (dir, account) = claim(asked_for)?;
        if account.can_enter(&dir) {
            return Ok(Self {
                dir,
                account,
                moved: false,
            });
        }
        // Nothing was ever kept there: the account could not have entered it. It may hold nothing, then, or be left.
        let _ = fs::remove_dir(&dir);
        let name = short_hash(&dir);
        let elsewhere = if ephemeral {
            PathBuf::from(format!("{SHORT}/commerce-kpis-{name}"))
        } else {
            Path::new(ELSEWHERE).join(name)
        };
        let (dir, account) = claim(&elsewhere)?;
        Ok(Self {
            dir,
            account,
            moved: true,
        })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Where the cluster is, if that is not where it was asked for.
    pub(super) fn moved_to(&self) -> Option<&Path> {
        self.moved.then_some(&*self.dir)
    }

    /// An empty folder for the socket: whatever lock file a crash left beside the old socket is gone with it.
    pub(super) fn fresh_socket_dir(&self) -> Result<PathBuf, EmbeddedError> {
        let inside = self.dir.join("socket");
        let dir = if inside.as_os_str().len() <= LONGEST_SOCKET_DIR {
            inside
        } else {
            PathBuf::from(format!("{SHORT}/commerce-kpis-socket-{}", short_hash(&self.dir)))
        };
        super::remove_dir(&dir)?;
        // Not `create_dir_all`: in a folder that everybody can write to, one that is there already may be a trap.
        DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(|source| EmbeddedError::io("create", &dir, source))?;
        self.account.give(&dir)?;
        Ok(dir)
    }
}

/// Makes the folder private to the account that will run the server, and says which that is.
fn claim(dir: &Path) -> Result<(PathBuf, Account), EmbeddedError> {
    let failed = |action: &'static str| move |source| EmbeddedError::io(action, dir, source);
    fs::create_dir_all(dir).map_err(failed("create"))?;
    let dir = dir.canonicalize().map_err(failed("find"))?;
    let owner = fs::metadata(&dir).map_err(failed("look at"))?;

    let me = rustix::process::geteuid();
    let account = if me.is_root() {
        // An ordinary user's cluster stays that user's when root comes along.
        if owner.uid() == 0 {
            Account::unprivileged()?
        } else {
            Account::of(owner.uid(), owner.gid())
        }
    } else if owner.uid() == me.as_raw() {
        Account::Own
    } else {
        return Err(EmbeddedError::Foreign {
            dir,
            owner: owner.uid(),
        });
    };
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).map_err(failed("close"))?;
    account.give(&dir)?;
    Ok((dir, account))
}

/// As whom PostgreSQL's programs run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    /// As whoever runs this program.
    Own,
    /// As somebody else, which only root can do.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// The first of [`ACCOUNTS`] that this machine has.
    fn unprivileged() -> Result<Self, EmbeddedError> {
        let accounts = accounts();
        ACCOUNTS
            .iter()
            .find_map(|wanted| accounts.iter().find(|(name, uid, _)| name == wanted && *uid != 0))
            .map(|(name, uid, gid)| Self::Other {
                name: name.clone(),
                uid: *uid,
                gid: *gid,
            })
            .ok_or(EmbeddedError::NoAccount)
    }

    fn of(uid: u32, gid: u32) -> Self {
        let name = accounts()
            .into_iter()
            .find(|account| account.1 == uid)
            .map(|account| account.0);
        Self::Other {
            name: name.unwrap_or_else(|| format!("user {uid}")),
            uid,
            gid,
        }
    }

    /// A command that runs as this account, in a folder it can be in, untouched by the caller's settings.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
        for variable in OVERRULING {
            command.env_remove(variable);
        }
        if let Self::Other { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Asks the system itself, since permissions are more than mode bits.
    fn can_enter(&self, dir: &Path) -> bool {
        *self == Self::Own
            || self
                .command("/bin/sh")
                .args(["-c", "cd \"$1\"", "sh"])
                .arg(dir)
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
    }

    fn give(&self, dir: &Path) -> Result<(), EmbeddedError> {
        let Self::Other { uid, gid, .. } = self else {
            return Ok(());
        };
        chown(dir, Some(*uid), Some(*gid)).map_err(|source| EmbeddedError::io("hand over", dir, source))
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("the current user"),
            Self::Other { name, .. } => f.write_str(name),
        }
    }
}

/// Name, user id and group id of the accounts that the machine itself keeps.
fn accounts() -> Vec<(String, u32, u32)> {
    // A machine without this file has no such account: the caller says so.
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let mut numbers = fields.skip(1);
            Some((name, numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
        })
        .collect()
}

/// The same path has the same name in every run.
fn short_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
