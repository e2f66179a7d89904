//! The filter language of the `query` argument.
//!
//! It imitates what bites: a timestamp without quotes loses its time and becomes a day of the shop's calendar; a filter
//! that is not known or can't be read is dropped from the query with nothing but a warning in `extensions.search`.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, Utc};
use serde_json::{Value, json};

use super::shops::Profile;

/// A parsed filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    Term(Term),
}

/// `field:>='value'`, or a bare word.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Term {
    /// Empty for a bare word.
    pub(crate) field: String,
    pub(crate) relation: Relation,
    pub(crate) value: String,
    pub(crate) quoted: bool,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Relation {
    Is,
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// What a field holds, so that a value for it can be judged before anything is searched.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Time,
    Number,
    Flag,
    Text,
    OneOf(&'static [&'static str]),
}

/// What one record has in a field.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Time(DateTime<Utc>),
    Number(u64),
    Flag(bool),
    /// Any of these words, compared without case.
    Words(Vec<String>),
}

/// A filter that holds only what can be searched, and the warnings about the rest.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) filter: Filter,
    pub(crate) parsed: Value,
    pub(crate) warnings: Vec<Value>,
}

impl Search {
    /// Reads a filter over these fields.
    pub(crate) fn read(text: &str, fields: &[(&str, Kind)]) -> Self {
        let mut parser = Parser { rest: text };
        let filter = parser.any();
        let parsed = describe(&filter);
        let mut warnings = Vec::new();
        let filter = prune(filter, fields, &mut warnings).unwrap_or(Filter::All(Vec::new()));
        Self {
            filter,
            parsed,
            warnings,
        }
    }
}

impl Filter {
    /// Whether some term is about this field.
    pub(crate) fn names(&self, field: &str) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.names(field)),
            Self::Not(part) => part.names(field),
            Self::Term(term) => term.field == field,
        }
    }

    /// Whether a record, read field by field, passes.
    pub(crate) fn admits(&self, shop: &Profile, content: &dyn Fn(&str) -> Content) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.admits(shop, content)),
            Self::Any(parts) => parts.iter().any(|part| part.admits(shop, content)),
            Self::Not(part) => !part.admits(shop, content),
            Self::Term(term) => term.admits(shop, &content(&term.field)),
        }
    }
}

impl Term {
    fn admits(&self, shop: &Profile, content: &Content) -> bool {
        match content {
            Content::Time(at) => match self.moment(shop) {
                Some(moment) => moment.relates(self.relation, *at),
                None => true,
            },
            Content::Number(number) => match self.value.parse::<u64>() {
                Ok(value) => compare(self.relation, number, &value),
                Err(_) => true,
            },
            Content::Flag(flag) => self.value.eq_ignore_ascii_case(if *flag { "true" } else { "false" }),
            Content::Words(words) => words.iter().any(|word| word.eq_ignore_ascii_case(&self.value)),
        }
    }

    fn moment(&self, shop: &Profile) -> Option<Moment> {
        let day = || {
            let date: NaiveDate = self.value.get(..10)?.parse().ok()?;
            Some(Moment {
                start: shop.day_start(date),
                end: shop.day_start(date + Days::new(1)),
            })
        };
        if !self.quoted || self.value.len() == 10 {
            return day();
        }
        let instant = match DateTime::parse_from_rfc3339(&self.value) {
            Ok(instant) => instant.with_timezone(&Utc),
            Err(_) => {
                let wall: NaiveDateTime = self.value.parse().ok()?;
                shop.instant(wall.date(), wall.time(), false)
            }
        };
        Some(Moment {
            start: instant,
            end: instant,
        })
    }
}

/// A point in time, or a whole day.
struct Moment {
    start: DateTime<Utc>,
    end: DateTime<Utc>,
}

impl Moment {
    fn relates(&self, relation: Relation, at: DateTime<Utc>) -> bool {
        let point = self.start == self.end;
        match relation {
            Relation::Is => at == self.start || (self.start <= at && at < self.end),
            Relation::AtLeast => at >= self.start,
            Relation::Below => at < self.start,
            Relation::Above => {
                if point {
                    at > self.start
                } else {
                    at >= self.end
                }
            }
            Relation::AtMost => {
                if point {
                    at <= self.start
                } else {
                    at < self.end
                }
            }
        }
    }
}

fn compare<T: Ord>(relation: Relation, left: &T, right: &T) -> bool {
    match relation {
        Relation::Is => left == right,
        Relation::Above => left > right,
        Relation::AtLeast => left >= right,
        Relation::Below => left < right,
        Relation::AtMost => left <= right,
    }
}

fn prune(filter: Filter, fields: &[(&str, Kind)], warnings: &mut Vec<Value>) -> Option<Filter> {
    match filter {
        Filter::All(parts) => Some(Filter::All(
            parts
                .into_iter()
                .filter_map(|part| prune(part, fields, warnings))
                .collect(),
        )),
        Filter::Any(parts) => {
            let parts: Vec<_> = parts
                .into_iter()
                .filter_map(|part| prune(part, fields, warnings))
                .collect();
            (!parts.is_empty()).then_some(Filter::Any(parts))
        }
        Filter::Not(part) => prune(*part, fields, warnings).map(|part| Filter::Not(Box::new(part))),
        Filter::Term(term) => match fields.iter().find(|(field, _)| *field == term.field) {
            None => {
                warnings.push(json!({
                    "field": term.field,
                    "message": "Invalid search field for this query.",
                    "code": "invalid_field",
                }));
                None
            }
            Some((_, kind)) if !kind.accepts(&term) => {
                warnings.push(json!({
                    "field": term.field,
                    "message": format!("Input `{}` is not an accepted value.", term.value),
                    "code": "invalid_value",
                }));
                None
            }
            Some(_) => Some(Filter::Term(term)),
        },
    }
}

impl Kind {
    fn accepts(self, term: &Term) -> bool {
        let value = term.value.as_str();
        match self {
            Self::Time => {
                let day = value.get(..10).is_some_and(|day| day.parse::<NaiveDate>().is_ok());
                let whole = !term.quoted
                    || value.len() == 10
                    || DateTime::parse_from_rfc3339(value).is_ok()
                    || value.parse::<NaiveDateTime>().is_ok();
                day && whole
            }
            Self::Number => value.parse::<u64>().is_ok(),
            Self::Flag => ["true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word)),
            Self::Text => true,
            Self::OneOf(words) => words.iter().any(|word| value.eq_ignore_ascii_case(word)),
        }
    }
}

fn describe(filter: &Filter) -> Value {
    let list = |parts: &[Filter]| parts.iter().map(describe).collect::<Vec<_>>();
    match filter {
        Filter::All(parts) if parts.len() == 1 => describe(&parts[0]),
        Filter::Any(parts) if parts.len() == 1 => describe(&parts[0]),
        Filter::All(parts) => json!({ "and": list(parts) }),
        Filter::Any(parts) => json!({ "or": list(parts) }),
        Filter::Not(part) => json!({ "not": describe(part) }),
        Filter::Term(term) => {
            let relation = match term.relation {
                Relation::Is => "match_all",
                Relation::Above => "range_gt",
                Relation::AtLeast => "range_gte",
                Relation::Below => "range_lt",
                Relation::AtMost => "range_lte",
            };
            json!({ "field": term.field, relation: term.value })
        }
    }
}

/// Space is AND, `OR` binds weaker, `-` or `NOT` denies one term or group.
struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn any(&mut self) -> Filter {
        let mut parts = vec![self.all()];
        while self.word("OR") {
            parts.push(self.all());
        }
        if parts.len() == 1 {
            parts.remove(0)
        } else {
            Filter::Any(parts)
        }
    }

    fn all(&mut self) -> Filter {
        let mut parts = Vec::new();
        loop {
            while self.word("AND") {}
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() || self.rest.starts_with(')') || self.peeks("OR") {
                return Filter::All(parts);
            }
            parts.push(self.one());
        }
    }

    fn one(&mut self) -> Filter {
        self.rest = self.rest.trim_start();
        if self.word("NOT") {
            return Filter::Not(Box::new(self.one()));
        }
        if let Some(rest) = self.rest.strip_prefix('-') {
            self.rest = rest;
            return Filter::Not(Box::new(self.one()));
        }
        if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest;
            let inner = self.any();
            self.rest = self.rest.trim_start();
            self.rest = self.rest.strip_prefix(')').unwrap_or(self.rest);
            return inner;
        }
        Filter::Term(self.term())
    }

    fn term(&mut self) -> Term {
        let end = self
            .rest
            .find(|letter: char| !(letter.is_ascii_alphanumeric() || "_.".contains(letter)))
            .unwrap_or(self.rest.len());
        let (field, after) = self.rest.split_at(end);
        let field = match after.strip_prefix(':') {
            Some(rest) if !field.is_empty() => {
                self.rest = rest;
                field.to_owned()
            }
            _ => String::new(),
        };
        let relations = [
            (">=", Relation::AtLeast),
            ("<=", Relation::AtMost),
            (">", Relation::Above),
            ("<", Relation::Below),
        ];
        let mut relation = Relation::Is;
        if !field.is_empty() {
            for (sign, meaning) in relations {
                if let Some(rest) = self.rest.strip_prefix(sign) {
                    self.rest = rest;
                    relation = meaning;
                    break;
                }
            }
        }
        let quote = self.rest.chars().next().filter(|letter| matches!(letter, '\'' | '"'));
        let (value, rest) = match quote {
            Some(quote) => {
                let body = &self.rest[1..];
                body.split_once(quote).unwrap_or((body, ""))
            }
            None => {
                let end = self
                    .rest
                    .find(|letter: char| letter.is_whitespace() || letter == ')')
                    .unwrap_or(self.rest.len());
                self.rest.split_at(end)
            }
        };
        let value = value.to_owned();
        self.rest = rest;
        Term {
            field,
            relation,
            value,
            quoted: quote.is_some(),
        }
    }

    fn peeks(&self, word: &str) -> bool {
        self.rest.trim_start().strip_prefix(word).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(|letter: char| letter.is_whitespace() || letter == '(')
        })
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.peeks(word);
        if found {
            self.rest = &self.rest.trim_start()[word.len()..];
        }
        found
    }
}
