//! `server kpis`: the home dashboard's numbers from a shell, one line a day, with the totals last.

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::CommandError;
use crate::config::Settings;
use crate::dashboards::metrics::Metric;
use crate::dashboards::{DashboardError, HomeQuery, Period, Report, home};
use crate::domain::clock::Clock;
use crate::domain::ids::AccountId;
use crate::domain::period::{DateRange, Granularity};
use crate::store::{Database, Tenant};

/// The columns, from left to right.
const COLUMNS: [Metric; 14] = [
    Metric::Orders,
    Metric::GrossSales,
    Metric::Discounts,
    Metric::Refunds,
    Metric::RevenueNet,
    Metric::Taxes,
    Metric::Shipping,
    Metric::DutiesAndFees,
    Metric::TotalSales,
    Metric::Aov,
    Metric::MetaSpend,
    Metric::MetaPurchaseValue,
    Metric::Roas,
    Metric::Mer,
];

/// Which days of which account, and how they look.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// First day, such as 2026-11-01
    #[arg(long)]
    from: NaiveDate,
    /// Last day
    #[arg(long)]
    to: NaiveDate,
    /// How the numbers look
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The account: its id, or the domain of one of its stores; needed where there are several
    #[arg(long)]
    account: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

pub(super) async fn run(mut settings: Settings, options: Options) -> Result<(), CommandError> {
    let database = settings.worker_database();
    let database = Database::connect_worker(&settings.finish(database)?).await?;
    let range = DateRange::new(options.from, options.to).map_err(|error| CommandError::Usage(error.to_string()))?;
    let tenant = match &options.account {
        Some(account) => find_account(&database, account.trim()).await?,
        None => only_account(&database).await?,
    };
    let db = database.read(&tenant).await?;
    let query = HomeQuery {
        period: Period::Dates(range),
        granularity: Granularity::Day,
        compare_to: None,
    };
    let report = home(&db, &query, &Clock::system()).await.map_err(|error| match error {
        DashboardError::Store(error) => CommandError::Store(error),
        other => CommandError::Failed(other.to_string()),
    })?;
    match options.format {
        Format::Table => print_table(&report),
        Format::Json => println!("{:#}", as_json(&report)),
        Format::Csv => print_csv(&report),
    }
    Ok(())
}

async fn find_account(database: &Database, text: &str) -> Result<Tenant, CommandError> {
    let system = database.system();
    let found = match text.parse::<AccountId>() {
        Ok(id) => system.find_account(id).await?,
        Err(_) => system
            .find_shop(&text.to_ascii_lowercase())
            .await?
            .map(|shop| shop.tenant),
    };
    found.ok_or_else(|| {
        CommandError::Failed(format!(
            "There is no account `{text}`; give its id or the domain of one of its stores."
        ))
    })
}

/// The account, where all links are of one.
async fn only_account(database: &Database) -> Result<Tenant, CommandError> {
    let mut tenants = Vec::from_iter(
        database
            .system()
            .list_integrations()
            .await?
            .into_iter()
            .map(|link| link.tenant),
    );
    tenants.dedup();
    match tenants.as_slice() {
        [tenant] => Ok(*tenant),
        [] => Err(CommandError::Failed("No account has a store connected yet.".to_owned())),
        several => Err(CommandError::Usage(format!(
            "There are {} accounts; name one with --account.",
            several.len()
        ))),
    }
}

/// Lines of cells: a day each, then the whole range. A cell without a number is empty.
fn lines(report: &Report) -> Vec<Vec<String>> {
    let day = |point| {
        let numbers = COLUMNS.iter().map(move |metric| report.value_at(point, *metric));
        numbers.map(|number| number.map(|number| number.normalize().to_string()).unwrap_or_default())
    };
    let mut lines = Vec::from_iter(report.points.iter().map(|point| {
        std::iter::once(point.days.from().to_string())
            .chain(day(point))
            .collect()
    }));
    let totals = COLUMNS.iter().map(|metric| report.kpi(*metric).value.ok());
    let totals = totals.map(|number| number.map(|number| number.normalize().to_string()).unwrap_or_default());
    lines.push(std::iter::once("total".to_owned()).chain(totals).collect());
    lines
}

fn header() -> Vec<String> {
    let keys = COLUMNS.iter().map(|metric| metric.definition().key.to_owned());
    std::iter::once("date".to_owned()).chain(keys).collect()
}

fn print_table(report: &Report) {
    let mut lines = lines(report);
    lines.insert(0, header());
    let widths = Vec::from_iter(
        (0..=COLUMNS.len()).map(|column| lines.iter().map(|line| line[column].len()).max().unwrap_or(0)),
    );
    println!("{}, days of {}", report.currency, report.timezone);
    for line in lines {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:>width$}", width = *width));
        println!("{}", cells.collect::<Vec<_>>().join("  "));
    }
}

fn print_csv(report: &Report) {
    println!("{}", header().join(","));
    for line in lines(report) {
        println!("{}", line.join(","));
    }
}

fn as_json(report: &Report) -> Value {
    let object = |number: &dyn Fn(Metric) -> Option<String>| {
        COLUMNS
            .iter()
            .map(|metric| (metric.definition().key.to_owned(), json!(number(*metric))))
            .collect::<Map<_, _>>()
    };
    let days = report.points.iter().map(|point| {
        let mut day = object(&|metric| {
            report
                .value_at(point, metric)
                .map(|number| number.normalize().to_string())
        });
        day.insert("date".to_owned(), json!(point.days.from()));
        Value::Object(day)
    });
    json!({
        "currencyCode": report.currency.to_string(),
        "timezone": report.timezone.name(),
        "series": days.collect::<Vec<_>>(),
        "total": object(&|metric| report.kpi(metric).value.ok().map(|number| number.normalize().to_string())),
    })
}
