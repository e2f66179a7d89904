//! What a query costs, and the bucket that pays for it.
//!
//! The rule is Shopify's published one with the sizing of connections as measured: scalars are free, an object is 1, a
//! mutation 10, an interface its dearest branch, and a connection of `n` nodes `2 + floor(f(n) × node)` where
//! `f(n) = max(1, floor(2·ln n))`. Amounts of money and page infos are free. A query is judged on what it asks for and
//! charged for what it got.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use async_graphql::parser::types::{
    BaseType, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet, TypeKind,
    TypeSystemDefinition,
};
use async_graphql::parser::{Error, parse_schema};
use async_graphql::{Name, Value as Literal, Variables};
use serde_json::{Value, json};

/// The most that a single query may ask for, whatever the plan.
pub(crate) const SINGLE_QUERY_LIMIT: f64 = 1_000.0;

/// The types of a schema, as far as costs go.
pub(crate) struct Prices {
    types: HashMap<String, Shape>,
}

enum Shape {
    Object(HashMap<String, Field>),
    /// The objects behind an interface.
    Interface(Vec<String>),
}

struct Field {
    of: String,
    list: bool,
}

/// Whether a query is sized by its arguments or by its answer.
#[derive(Clone, Copy)]
enum Sizing<'a> {
    Asked,
    Got(&'a Value),
}

/// A leaky bucket of points.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    size: f64,
    rate: f64,
    level: f64,
    filled_at: Instant,
}

impl Bucket {
    /// A full bucket: points it holds, points that flow in each second.
    pub(crate) fn new(size: f64, rate: f64, now: Instant) -> Self {
        Self {
            size,
            rate,
            level: size,
            filled_at: now,
        }
    }

    /// Takes points out, or says no and takes none.
    pub(crate) fn take(&mut self, points: f64, now: Instant) -> bool {
        self.fill(now);
        let enough = self.level >= points;
        if enough {
            self.level -= points;
        }
        enough
    }

    /// Puts points back.
    pub(crate) fn give_back(&mut self, points: f64, now: Instant) {
        self.fill(now);
        self.level = (self.level + points).min(self.size);
    }

    /// The state that answers carry.
    pub(crate) fn status(&self) -> Value {
        json!({
            "maximumAvailable": self.size,
            "currentlyAvailable": self.level.floor(),
            "restoreRate": self.rate,
        })
    }

    fn fill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.level = (self.level + seconds * self.rate).min(self.size);
        self.filled_at = now;
    }
}

/// The factor of a connection of so many nodes.
fn factor(nodes: f64) -> f64 {
    if nodes < 1.0 {
        0.0
    } else {
        (2.0 * nodes.ln()).floor().max(1.0)
    }
}

impl Prices {
    /// Reads the types out of a schema.
    ///
    /// # Errors
    /// When the schema is not valid SDL.
    pub(crate) fn read(sdl: &str) -> Result<Self, Error> {
        let mut types: HashMap<String, Shape> = HashMap::new();
        for definition in parse_schema(sdl)?.definitions {
            let TypeSystemDefinition::Type(definition) = definition else {
                continue;
            };
            let name = definition.node.name.node.to_string();
            match definition.node.kind {
                TypeKind::Object(object) => {
                    for interface in object.implements {
                        let shape = types
                            .entry(interface.node.to_string())
                            .or_insert_with(|| Shape::Interface(Vec::new()));
                        if let Shape::Interface(objects) = shape {
                            objects.push(name.clone());
                        }
                    }
                    let fields = object.fields.into_iter().map(|field| {
                        let mut base = &field.node.ty.node.base;
                        let mut list = false;
                        while let BaseType::List(inner) = base {
                            list = true;
                            base = &inner.base;
                        }
                        let of = match base {
                            BaseType::Named(name) => name.to_string(),
                            BaseType::List(_) => String::new(),
                        };
                        (field.node.name.node.to_string(), Field { of, list })
                    });
                    let fields = fields.collect();
                    types.insert(name, Shape::Object(fields));
                }
                TypeKind::Interface(_) => {
                    types.entry(name).or_insert_with(|| Shape::Interface(Vec::new()));
                }
                _ => {}
            }
        }
        Ok(Self { types })
    }

    /// What an operation asks for, or what it got when its answer's data is given.
    pub(crate) fn price(
        &self,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: &Variables,
        data: Option<&Value>,
    ) -> f64 {
        let bill = Bill {
            prices: self,
            document,
            operation,
            variables,
        };
        let root = match operation.ty {
            OperationType::Mutation => "Mutation",
            _ => "QueryRoot",
        };
        bill.object(
            root,
            &[&operation.selection_set.node],
            data.map_or(Sizing::Asked, Sizing::Got),
        )
    }
}

struct Bill<'a> {
    prices: &'a Prices,
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
}

/// The same field of an object, wherever the selection names it.
struct Group<'a> {
    field: &'a async_graphql::parser::types::Field,
    sets: Vec<&'a SelectionSet>,
}

impl<'a> Bill<'a> {
    /// The cost of the fields of one object, without the object itself.
    fn object(&self, name: &str, sets: &[&'a SelectionSet], sizing: Sizing<'_>) -> f64 {
        match self.prices.types.get(name) {
            Some(Shape::Interface(objects)) => objects
                .iter()
                .map(|object| self.object(object, sets, sizing))
                .fold(0.0, f64::max),
            Some(Shape::Object(fields)) => {
                let mut groups = BTreeMap::new();
                for set in sets {
                    self.collect(name, set, &mut groups);
                }
                groups
                    .into_iter()
                    .map(|(key, group)| {
                        let sizing = match sizing {
                            Sizing::Asked => Sizing::Asked,
                            Sizing::Got(value) => Sizing::Got(&value[key.as_str()]),
                        };
                        fields
                            .get(group.field.name.node.as_str())
                            .map_or(0.0, |field| self.field(name, field, &group, sizing))
                    })
                    .sum()
            }
            None => 0.0,
        }
    }

    fn collect(&self, name: &str, set: &'a SelectionSet, groups: &mut BTreeMap<String, Group<'a>>) {
        for selection in &set.items {
            let (condition, inner) = match &selection.node {
                Selection::Field(field) => {
                    let group = groups
                        .entry(field.node.response_key().node.to_string())
                        .or_insert_with(|| Group {
                            field: &field.node,
                            sets: Vec::new(),
                        });
                    group.sets.push(&field.node.selection_set.node);
                    continue;
                }
                Selection::InlineFragment(fragment) => (
                    fragment
                        .node
                        .type_condition
                        .as_ref()
                        .map(|condition| &condition.node.on.node),
                    &fragment.node.selection_set.node,
                ),
                Selection::FragmentSpread(spread) => {
                    match self.document.fragments.get(&spread.node.fragment_name.node) {
                        Some(fragment) => (
                            Some(&fragment.node.type_condition.node.on.node),
                            &fragment.node.selection_set.node,
                        ),
                        None => continue,
                    }
                }
            };
            if condition.is_none_or(|condition| self.is_a(name, condition)) {
                self.collect(name, inner, groups);
            }
        }
    }

    fn is_a(&self, object: &str, condition: &Name) -> bool {
        object == condition.as_str()
            || matches!(
                self.prices.types.get(condition.as_str()),
                Some(Shape::Interface(objects)) if objects.iter().any(|name| name == object)
            )
    }

    fn field(&self, parent: &str, field: &Field, group: &Group<'a>, sizing: Sizing<'_>) -> f64 {
        if matches!(sizing, Sizing::Got(Value::Null)) && parent != "Mutation" {
            return 0.0;
        }
        let of = field.of.as_str();
        match of {
            "MoneyBag" | "MoneyV2" | "PageInfo" => return 0.0,
            "Count" => return 10.0,
            _ => {}
        }
        if !self.prices.types.contains_key(of) {
            return 0.0;
        }
        let base = if parent == "Mutation" { 10.0 } else { 1.0 };
        if of.ends_with("Connection") {
            return 2.0 + self.nodes(of, group, sizing);
        }
        match (field.list, sizing) {
            (true, Sizing::Got(Value::Array(items))) => items
                .iter()
                .filter(|item| !item.is_null())
                .map(|item| base + self.object(of, &group.sets, Sizing::Got(item)))
                .sum(),
            (true, _) => {
                let one = base + self.object(of, &group.sets, Sizing::Asked);
                match (self.argument(group, "ids"), self.size(group)) {
                    (Some(Literal::List(ids)), _) => one * ids.len() as f64,
                    (_, Some(size)) => (factor(size) * one).floor(),
                    _ => one,
                }
            }
            (false, sizing) => base + self.object(of, &group.sets, sizing),
        }
    }

    /// The cost of a connection's nodes, under whichever of `nodes` and `edges { node }` they are asked for.
    fn nodes(&self, connection: &str, group: &Group<'a>, sizing: Sizing<'_>) -> f64 {
        match sizing {
            Sizing::Asked => {
                let one = self.object(connection, &group.sets, Sizing::Asked);
                // Edges are objects of their own, but only their nodes count.
                let one = one - self.edges_asked(connection, group);
                (factor(self.size(group).unwrap_or(0.0)) * one).floor()
            }
            Sizing::Got(answer) => {
                let rows = ["nodes", "edges"].iter().find_map(|key| answer[*key].as_array());
                let count = rows.map_or(0, Vec::len) as f64;
                if count < 1.0 {
                    return 0.0;
                }
                let edges = self.edges_asked(connection, group) * answer["edges"].as_array().map_or(0, Vec::len) as f64;
                let all = self.object(connection, &group.sets, sizing) - edges;
                (factor(count) * all / count).floor()
            }
        }
    }

    /// How many edge objects one row of the connection stands for: 1 where edges are selected.
    fn edges_asked(&self, connection: &str, group: &Group<'a>) -> f64 {
        let mut groups = BTreeMap::new();
        for set in &group.sets {
            self.collect(connection, set, &mut groups);
        }
        groups.values().filter(|group| group.field.name.node == "edges").count() as f64
    }

    fn size(&self, group: &Group<'a>) -> Option<f64> {
        ["first", "last"]
            .iter()
            .find_map(|name| match self.argument(group, name)? {
                Literal::Number(number) => number.as_f64(),
                _ => None,
            })
    }

    fn argument(&self, group: &Group<'a>, name: &str) -> Option<Literal> {
        let (_, value) = group.field.arguments.iter().find(|(key, _)| key.node == name)?;
        value
            .node
            .clone()
            .into_const_with(|variable| self.variable(&variable).ok_or(()))
            .ok()
    }

    fn variable(&self, name: &Name) -> Option<Literal> {
        self.variables.get(name).cloned().or_else(|| {
            let definitions = &self.operation.variable_definitions;
            let definition = definitions
                .iter()
                .find(|definition| definition.node.name.node == *name)?;
            Some(definition.node.default_value.as_ref()?.node.clone())
        })
    }
}
