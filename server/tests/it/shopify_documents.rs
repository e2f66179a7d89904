//! The documents in `queries/shopify` are valid for Shopify's API, and `admin.graphql` says the truth about it.
//!
//! Shopify's whole schema is too large to be kept here. Where it lies beside the workspace the documents are checked
//! against all of it; `admin.graphql`, the part that the client's types are made from, is always checked.

use std::fs;
use std::path::PathBuf;

use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Name, Schema};

const DOCUMENTS: &[&str] = &[
    "customers.graphql",
    "order.graphql",
    "orders.graphql",
    "products.graphql",
    "reconcile.graphql",
    "setup.graphql",
    "shop.graphql",
];

fn queries() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "queries", "shopify"]
        .iter()
        .collect()
}

fn document(name: &str) -> String {
    fs::read_to_string(queries().join(name)).expect(name)
}

fn part() -> Valid<Schema> {
    Schema::parse_and_validate(document("admin.graphql"), "admin.graphql").expect("a valid schema")
}

/// Shopify's whole schema, where it is there.
fn whole() -> Option<Valid<Schema>> {
    let path: PathBuf = [
        env!("CARGO_MANIFEST_DIR"),
        "..",
        "..",
        "shared",
        "shopify",
        "admin-2026-10.graphql",
    ]
    .iter()
    .collect();
    let text = fs::read_to_string(path).ok()?;
    // The validator does not know this directive by itself; no document uses an input that has it.
    let text = format!("{text}\ndirective @oneOf on INPUT_OBJECT\n");
    Some(Schema::parse_and_validate(text, "admin-2026-10.graphql").expect("a valid schema"))
}

fn assert_documents_are_valid_for(schema: &Valid<Schema>) {
    for name in DOCUMENTS {
        if let Err(errors) = ExecutableDocument::parse_and_validate(schema, document(name), name) {
            panic!("{name} is not valid:\n{errors}");
        }
    }
}

#[test]
fn every_document_is_valid_for_the_part_of_the_schema_that_is_kept() {
    assert_documents_are_valid_for(&part());
}

#[test]
fn every_document_is_valid_for_the_whole_schema_and_the_part_agrees_with_it() {
    let Some(whole) = whole() else {
        return;
    };
    assert_documents_are_valid_for(&whole);
    for (name, kept) in &part().types {
        if kept.is_built_in() {
            continue;
        }
        let Some(original) = whole.types.get(name) else {
            panic!("Shopify has no type {name}");
        };
        assert_agree(name, kept, original);
    }
}

/// What is kept of a type is as it is there, and an enum is kept whole.
fn assert_agree(name: &Name, kept: &ExtendedType, original: &ExtendedType) {
    match (kept, original) {
        (ExtendedType::Scalar(_), ExtendedType::Scalar(_)) => {}
        (ExtendedType::Enum(kept), ExtendedType::Enum(original)) => {
            let values = |of: &apollo_compiler::schema::EnumType| of.values.keys().cloned().collect::<Vec<_>>();
            assert_eq!(values(kept), values(original), "values of {name}");
        }
        (ExtendedType::Object(kept), ExtendedType::Object(original)) => {
            for interface in &kept.implements_interfaces {
                assert!(
                    original.implements_interfaces.contains(interface),
                    "{name} is no {}",
                    interface.name
                );
            }
            assert_fields_agree(name, &kept.fields, &original.fields);
        }
        (ExtendedType::Interface(kept), ExtendedType::Interface(original)) => {
            assert_fields_agree(name, &kept.fields, &original.fields);
        }
        (ExtendedType::InputObject(kept), ExtendedType::InputObject(original)) => {
            for (field, kept) in &kept.fields {
                let original = original
                    .fields
                    .get(field)
                    .unwrap_or_else(|| panic!("{name} has no {field}"));
                assert_eq!(kept.ty, original.ty, "type of {name}.{field}");
            }
        }
        _ => panic!("{name} is of another kind at Shopify, or of one that is not compared yet"),
    }
}

type Fields = apollo_compiler::collections::IndexMap<
    Name,
    apollo_compiler::schema::Component<apollo_compiler::schema::FieldDefinition>,
>;

fn assert_fields_agree(of: &Name, kept: &Fields, original: &Fields) {
    for (name, field) in kept {
        let Some(original) = original.get(name) else {
            panic!("Shopify has no {of}.{name}");
        };
        assert_eq!(field.ty, original.ty, "type of {of}.{name}");
        for argument in &field.arguments {
            let Some(original) = original.argument_by_name(&argument.name) else {
                panic!("{of}.{name} takes no {}", argument.name);
            };
            assert_eq!(argument.ty, original.ty, "type of {of}.{name}({})", argument.name);
            assert_eq!(
                argument.default_value, original.default_value,
                "default of {of}.{name}({})",
                argument.name
            );
        }
    }
}

/// Pages of a ledger are put together from answers to both documents, so both must ask for the same.
#[test]
fn both_documents_ask_for_the_same_ledger() {
    let (orders, order) = (document("orders.graphql"), document("order.graphql"));
    for fragment in ["fragment AgreementParts", "fragment SaleParts"] {
        let text = |of: &str| {
            let from = of.find(fragment).expect(fragment);
            let to = of[from..].find("\n}\n").expect("an end");
            of[from..from + to].to_owned()
        };
        assert_eq!(text(&orders), text(&order));
    }
}

/// Fields that would bring names, addresses, e-mail addresses or phone numbers are not even in the part that is kept.
#[test]
fn no_contact_data_can_be_asked_for() {
    let part = part();
    let fields_of = |name: &str| match &part.types[name] {
        ExtendedType::Object(object) => object.fields.keys().map(ToString::to_string).collect::<Vec<_>>(),
        _ => panic!("{name} is an object"),
    };
    assert_eq!(
        fields_of("Customer"),
        [
            "amountSpent",
            "createdAt",
            "id",
            "legacyResourceId",
            "numberOfOrders",
            "state",
            "updatedAt"
        ]
    );
    for field in fields_of("Order").into_iter().chain(fields_of("Shop")) {
        let field = field.to_lowercase();
        for word in ["email", "phone", "address", "note", "owner", "contact", "clientip"] {
            assert!(!field.contains(word), "{field}");
        }
    }
}
