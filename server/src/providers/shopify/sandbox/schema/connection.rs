//! Pages: cursors that hold the value they were sorted by, so that a record that moves is met again or not at all, as
//! its value says, and never shifts the others.

use async_graphql::{Error, ErrorExtensions, Result, SimpleObject};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// What a list is sorted by: a value, then the id.
pub(crate) type Key = (i64, u64);

/// The largest page.
const MOST: i32 = 250;

/// The arguments of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    pub(crate) after: Option<String>,
    pub(crate) before: Option<String>,
    pub(crate) first: Option<i32>,
    pub(crate) last: Option<i32>,
    pub(crate) reverse: bool,
}

/// A slice of a list with the cursors of its rows.
pub(crate) struct Page<T> {
    pub(crate) rows: Vec<(String, T)>,
    pub(crate) info: PageInfo,
}

/// Where a page lies in its list.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct PageInfo {
    end_cursor: Option<String>,
    has_next_page: bool,
    has_previous_page: bool,
    start_cursor: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Cursor {
    last_id: u64,
    last_value: i64,
    sort: String,
}

impl<T> Page<T> {
    pub(crate) fn map<U>(self, change: impl Fn(T) -> U) -> Page<U> {
        let rows = self
            .rows
            .into_iter()
            .map(|(cursor, row)| (cursor, change(row)))
            .collect();
        Page { rows, info: self.info }
    }
}

/// Cuts the page out of a list.
///
/// # Errors
/// When the window is not one that Shopify serves, or a cursor is not of this sorting.
pub(crate) fn paginate<T>(rows: Vec<T>, sort: &str, key: impl Fn(&T) -> Key, window: Window) -> Result<Page<T>> {
    let size = match (window.first, window.last) {
        (None, None) => return Err(Error::new("you must provide one of first or last")),
        (Some(_), Some(_)) => {
            return Err(Error::new("providing both first and last is not supported"));
        }
        (Some(size), None) | (None, Some(size)) => size,
    };
    if size > MOST {
        return Err(refused(format!("{size} is more than the {MOST} that a page can hold")));
    }
    let size = usize::try_from(size).map_err(|_| refused("a page can't have less than nothing"))?;
    let after = window.after.map(|cursor| decode(&cursor, sort)).transpose()?;
    let before = window.before.map(|cursor| decode(&cursor, sort)).transpose()?;

    let mut rows: Vec<_> = rows.into_iter().map(|row| (key(&row), row)).collect();
    rows.sort_by_key(|(key, _)| *key);
    if window.reverse {
        rows.reverse();
    }
    let behind = |key: Key, edge: Key| {
        if window.reverse { key < edge } else { key > edge }
    };
    let all = rows.len();
    let start = after.map_or(0, |edge| rows.iter().take_while(|(key, _)| !behind(*key, edge)).count());
    let end = before.map_or(all, |edge| {
        rows.iter().take_while(|(key, _)| behind(edge, *key)).count()
    });
    let end = end.max(start);
    let (start, end) = if window.first.is_some() {
        (start, end.min(start + size))
    } else {
        (start.max(end.saturating_sub(size)), end)
    };
    let rows: Vec<_> = rows
        .into_iter()
        .skip(start)
        .take(end - start)
        .map(|(key, row)| (encode(key, sort), row))
        .collect();
    let info = PageInfo {
        end_cursor: rows.last().map(|(cursor, _)| cursor.clone()),
        has_next_page: end < all,
        has_previous_page: start > 0,
        start_cursor: rows.first().map(|(cursor, _)| cursor.clone()),
    };
    Ok(Page { rows, info })
}

fn encode((last_value, last_id): Key, sort: &str) -> String {
    let cursor = Cursor {
        last_id,
        last_value,
        sort: sort.to_owned(),
    };
    STANDARD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
}

fn decode(text: &str, sort: &str) -> Result<Key> {
    STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Cursor>(&bytes).ok())
        .filter(|cursor| cursor.sort == sort)
        .map(|cursor| (cursor.last_value, cursor.last_id))
        .ok_or_else(|| refused("Invalid cursor for current pagination sort."))
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", "BAD_REQUEST"))
}

/// Declares a connection and its edge.
macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ty) => {
        /// A page of them.
        #[derive(async_graphql::SimpleObject)]
        pub(crate) struct $connection {
            edges: Vec<$edge>,
            nodes: Vec<$node>,
            page_info: $crate::providers::shopify::sandbox::schema::connection::PageInfo,
        }

        /// One of them, with its cursor.
        #[derive(async_graphql::SimpleObject)]
        pub(crate) struct $edge {
            cursor: String,
            node: $node,
        }

        impl From<$crate::providers::shopify::sandbox::schema::connection::Page<$node>> for $connection {
            fn from(page: $crate::providers::shopify::sandbox::schema::connection::Page<$node>) -> Self {
                let nodes = page.rows.iter().map(|(_, node)| node.clone()).collect();
                let edges = page
                    .rows
                    .into_iter()
                    .map(|(cursor, node)| $edge { cursor, node })
                    .collect();
                Self {
                    edges,
                    nodes,
                    page_info: page.info,
                }
            }
        }
    };
}
pub(crate) use connection;
