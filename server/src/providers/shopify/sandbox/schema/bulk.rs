//! Bulk operations, as the API shows them.

use async_graphql::{Enum, ID, Object, SimpleObject};

use super::super::bulk::{self, ErrorCode, Operation, Status};
use super::super::search::Kind;
use super::connection::{Key, connection};
use super::gid;
use super::scalars::{DateTime, UnsignedInt64, Url};
use super::webhook::UserError;

connection!(BulkOperationConnection, BulkOperationEdge, BulkOperation);

/// The filters on operations.
pub(crate) const SEARCH_FIELDS: &[(&str, Kind)] = &[
    ("created_at", Kind::Time),
    ("id", Kind::Number),
    (
        "status",
        Kind::OneOf(&["canceled", "canceling", "completed", "created", "failed", "running"]),
    ),
];

/// Where an operation stands.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum BulkOperationStatus {
    Canceled,
    Canceling,
    Completed,
    Created,
    Expired,
    Failed,
    Running,
}

impl From<Status> for BulkOperationStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Running => Self::Running,
            Status::Completed => Self::Completed,
            Status::Failed => Self::Failed,
            Status::Canceled => Self::Canceled,
            Status::Expired => Self::Expired,
        }
    }
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum BulkOperationErrorCode {
    AccessDenied,
    InternalServerError,
    Timeout,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum BulkOperationType {
    Mutation,
    Query,
}

/// What operations can be sorted by.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum BulkOperationsSortKeys {
    CompletedAt,
    CreatedAt,
}

impl BulkOperationsSortKeys {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CompletedAt => "completed_at",
            Self::CreatedAt => "created_at",
        }
    }

    pub(crate) fn key(self, operation: &Operation) -> Key {
        let at = match self {
            Self::CompletedAt => operation.completed_at.unwrap_or(operation.created_at),
            Self::CreatedAt => operation.created_at,
        };
        (at.timestamp(), operation.id)
    }
}

/// A query that runs over everything.
#[derive(Clone)]
pub(crate) struct BulkOperation(pub(crate) Operation);

#[Object]
impl BulkOperation {
    pub(crate) async fn id(&self) -> ID {
        gid("BulkOperation", self.0.id)
    }

    async fn completed_at(&self) -> Option<DateTime> {
        self.0.completed_at.map(DateTime)
    }

    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    async fn error_code(&self) -> Option<BulkOperationErrorCode> {
        self.0.error.map(|error| match error {
            ErrorCode::AccessDenied => BulkOperationErrorCode::AccessDenied,
            ErrorCode::InternalServerError => BulkOperationErrorCode::InternalServerError,
        })
    }

    async fn file_size(&self) -> Option<UnsignedInt64> {
        self.0.file.as_ref().map(|file| UnsignedInt64(file.size))
    }

    async fn object_count(&self) -> UnsignedInt64 {
        UnsignedInt64(self.0.objects)
    }

    async fn partial_data_url(&self) -> Option<Url> {
        None
    }

    async fn query(&self) -> String {
        self.0.query.clone()
    }

    async fn root_object_count(&self) -> UnsignedInt64 {
        UnsignedInt64(self.0.roots)
    }

    async fn status(&self) -> BulkOperationStatus {
        self.0.status.into()
    }

    async fn r#type(&self) -> BulkOperationType {
        BulkOperationType::Query
    }

    async fn url(&self) -> Option<Url> {
        self.0.file.as_ref().map(|file| Url(file.address.clone()))
    }
}

/// What is wrong with the wish for an operation.
#[derive(SimpleObject)]
pub(crate) struct BulkOperationUserError {
    code: Option<BulkOperationUserErrorCode>,
    field: Option<Vec<String>>,
    message: String,
}

/// The same, for programs.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum BulkOperationUserErrorCode {
    Invalid,
    LimitReached,
    OperationInProgress,
}

/// The answer to the wish for an operation.
#[derive(SimpleObject)]
pub(crate) struct BulkOperationRunQueryPayload {
    bulk_operation: Option<BulkOperation>,
    user_errors: Vec<BulkOperationUserError>,
}

impl BulkOperationRunQueryPayload {
    pub(crate) fn begun(operation: Operation) -> Self {
        Self {
            bulk_operation: Some(BulkOperation(operation)),
            user_errors: Vec::new(),
        }
    }

    /// None where the app may not ask for one at all.
    pub(crate) fn refused(refusal: bulk::Refusal) -> Option<Self> {
        let (code, message) = match refusal {
            bulk::Refusal::Denied => return None,
            bulk::Refusal::Busy(message) => (BulkOperationUserErrorCode::OperationInProgress, message),
            bulk::Refusal::Invalid(message) => (BulkOperationUserErrorCode::Invalid, message),
        };
        Some(Self {
            bulk_operation: None,
            user_errors: vec![BulkOperationUserError {
                code: Some(code),
                field: Some(vec!["query".to_owned()]),
                message,
            }],
        })
    }
}

/// The answer to the wish to end one.
#[derive(SimpleObject)]
pub(crate) struct BulkOperationCancelPayload {
    bulk_operation: Option<BulkOperation>,
    user_errors: Vec<UserError>,
}

impl BulkOperationCancelPayload {
    pub(crate) fn of(operation: Option<Operation>) -> Self {
        let user_errors = match operation {
            Some(_) => Vec::new(),
            None => vec![UserError::of("id", "Bulk operation does not exist")],
        };
        Self {
            bulk_operation: operation.map(BulkOperation),
            user_errors,
        }
    }
}
