//! The log: to standard error, as text or as JSON, as much as `RUST_LOG` asks for.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

use crate::config::{LogFormat, Settings};

/// Every transaction begins with a ROLLBACK, so that none inherits another's; the database warns each time that there
/// was nothing to roll back.
const WITHOUT_ROLLBACK_WARNINGS: &str = "sqlx::postgres::notice=error";

/// Starts the log. A second call in one process changes nothing.
pub(super) fn start(settings: &mut Settings) {
    let format = settings.log_format();
    let quieter: Directive = WITHOUT_ROLLBACK_WARNINGS.parse().expect("a constant that a test reads");
    let filter = EnvFilter::new(settings.log_filter()).add_directive(quieter);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Text => log
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log had been started before");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constant_is_a_directive() {
        assert!(WITHOUT_ROLLBACK_WARNINGS.parse::<Directive>().is_ok());
    }
}
