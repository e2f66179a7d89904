//! PostgreSQL's own programs on this machine.
//!
//! Debian keeps them off the `PATH`, Homebrew under the version, pip inside a package: so the usual places are looked at
//! too. A cluster that exists decides the version; for a new one the newest is taken.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::home::Account;
use super::{ClusterOptions, EmbeddedError};

/// The schema uses what came with version 15 (`security_invoker` views, `nulls not distinct`).
pub(super) const OLDEST_MAJOR: u32 = 15;

/// Where package managers put the programs: a folder, the start of the name in it, and the rest of the path.
const USUAL_PLACES: [(&str, &str, &str); 8] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr/lib", "postgresql", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// A folder with an `initdb` and a `postgres` of the same, known version that the account can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Programs {
    pub(super) bin_dir: PathBuf,
    pub(super) major: u32,
}

impl Programs {
    /// The programs for a cluster of version `existing`, or for a new one.
    pub(super) fn find(
        options: &ClusterOptions,
        account: &Account,
        existing: Option<u32>,
    ) -> Result<Self, EmbeddedError> {
        if let Some(bin_dir) = &options.bin_dir {
            return Self::in_dir(bin_dir, account).map_err(|why| EmbeddedError::BadBinDir {
                bin_dir: bin_dir.clone(),
                why,
            });
        }
        let mut found: Option<Self> = None;
        let mut rejected = Vec::new();
        for bin_dir in candidates(&options.more_bin_dirs) {
            match Self::in_dir(&bin_dir, account) {
                Ok(programs) if Some(programs.major) == existing => return Ok(programs),
                Ok(programs) if found.as_ref().is_none_or(|best| programs.major > best.major) => found = Some(programs),
                Ok(_) => {}
                Err(why) => rejected.push(format!("{}, since {why}", bin_dir.display())),
            }
        }
        found.ok_or(EmbeddedError::ProgramsMissing { rejected })
    }

    /// The programs in this folder, or the reason why they will not do.
    fn in_dir(bin_dir: &Path, account: &Account) -> Result<Self, String> {
        // A link in `/usr/local/bin` leads to the folder where the other programs are.
        let initdb = bin_dir
            .join("initdb")
            .canonicalize()
            .map_err(|_| "it holds no initdb".to_owned())?;
        let bin_dir = initdb.parent().unwrap_or(bin_dir).to_owned();
        let postgres = bin_dir.join("postgres");
        if !postgres.exists() {
            return Err("it holds no postgres".to_owned());
        }
        let output = account
            .command(&postgres)
            .arg("--version")
            .output()
            .map_err(|error| format!("{account} cannot run {}: {error}", postgres.display()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        match major_version(&said) {
            Some(major) if major >= OLDEST_MAJOR => Ok(Self { bin_dir, major }),
            Some(major) => Err(format!(
                "it is PostgreSQL {major}, and {OLDEST_MAJOR} or newer is needed"
            )),
            None => Err(format!("{} does not tell its version", postgres.display())),
        }
    }
}

/// Folders that hold an `initdb`, without repetition.
fn candidates(more: &[PathBuf]) -> Vec<PathBuf> {
    let mut bin_dirs = more.to_vec();
    bin_dirs.extend(on_path());
    for (parent, name_starts, rest) in USUAL_PLACES {
        let names = fs::read_dir(parent)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name());
        let named = names.filter(|name| name.to_string_lossy().starts_with(name_starts));
        bin_dirs.extend(named.map(|name| Path::new(parent).join(name).join(rest)));
    }
    let mut seen = Vec::new();
    bin_dirs.retain(|bin_dir| match bin_dir.join("initdb").canonicalize() {
        Ok(initdb) if !seen.contains(&initdb) => {
            seen.push(initdb);
            true
        }
        _ => false,
    });
    bin_dirs
}

/// What the shell would run, and what `pg_config` knows; the shell reads `PATH`, so that this program need not.
fn on_path() -> Vec<PathBuf> {
    let asked = Command::new("/bin/sh")
        .args([
            "-c",
            "command -v initdb; command -v postgres; pg_config --bindir && echo",
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let said = asked.map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let lines = said.lines().map(Path::new).filter(|path| path.is_absolute());
    lines
        .filter_map(|path| if path.is_dir() { Some(path) } else { path.parent() })
        .map(Path::to_owned)
        .collect()
}

/// `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` is 15, `… 19beta1` is 19.
fn major_version(said: &str) -> Option<u32> {
    let version = said.strip_prefix("postgres (PostgreSQL) ")?;
    let digits = version
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(version.len());
    version[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_postgres_says() {
        assert_eq!(
            major_version("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major_version("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(major_version("postgres (PostgreSQL) 9.6.24\n"), Some(9));
        assert_eq!(major_version("sh: not found\n"), None);
    }

    #[test]
    fn a_machine_without_postgresql_is_told_the_commands() {
        let rejected = vec!["/opt/pg14/bin, since it is PostgreSQL 14, and 15 or newer is needed".to_owned()];
        let message = EmbeddedError::ProgramsMissing { rejected }.to_string();
        for part in [
            "initdb",
            "apt-get install postgresql",
            "dnf install",
            "brew install",
            "make tools",
            "PG_BIN",
        ] {
            assert!(message.contains(part), "{part} is missing in: {message}");
        }
        assert!(message.ends_with("Passed over: /opt/pg14/bin, since it is PostgreSQL 14, and 15 or newer is needed."));
    }
}
