//! The dated pages of the ledger.

#![expect(clippy::duplicated_attributes, reason = "fields of an interface may share a type")]

use async_graphql::{Enum, ID, Interface, Object, Result, SimpleObject};

use super::super::order::{self as ledger, Reason};
use super::connection::{Window, connection, paginate};
use super::gid;
use super::order::Order;
use super::refund::Refund;
use super::sale::{Sale, SaleConnection};
use super::scalars::DateTime;

connection!(SalesAgreementConnection, SalesAgreementEdge, SalesAgreement);

/// Why an agreement was made.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
#[graphql(remote = "Reason")]
pub(crate) enum OrderActionType {
    Order,
    OrderEdit,
    Refund,
    Return,
}

/// An agreement about sales.
#[derive(Clone, Interface)]
#[graphql(
    field(name = "happened_at", ty = "DateTime"),
    field(name = "id", ty = "ID"),
    field(name = "reason", ty = "OrderActionType"),
    field(
        name = "sales",
        ty = "SaleConnection",
        arg(name = "after", ty = "Option<String>"),
        arg(name = "before", ty = "Option<String>"),
        arg(name = "first", ty = "Option<i32>"),
        arg(name = "last", ty = "Option<i32>"),
        arg(name = "reverse", ty = "Option<bool>", default_with = "Some(false)")
    )
)]
pub(crate) enum SalesAgreement {
    Order(OrderAgreement),
    Edit(OrderEditAgreement),
    Refund(RefundAgreement),
    Return(ReturnAgreement),
}

impl SalesAgreement {
    pub(crate) fn new(order: Order, agreement: ledger::Agreement) -> Self {
        match agreement.reason {
            Reason::Order => Self::Order(OrderAgreement { order, agreement }),
            Reason::OrderEdit => Self::Edit(OrderEditAgreement { order, agreement }),
            Reason::Refund => Self::Refund(RefundAgreement { order, agreement }),
            Reason::Return => Self::Return(ReturnAgreement { order, agreement }),
        }
    }
}

/// Declares an object behind the interface: the shared fields, and its own.
macro_rules! agreement {
    ($name:ident, $gid:literal, { $($own:tt)* }) => {
        /// An agreement of this kind.
        #[derive(Clone)]
        pub(crate) struct $name {
            order: Order,
            agreement: ledger::Agreement,
        }

        #[Object]
        impl $name {
            pub(crate) async fn id(&self) -> ID {
                gid($gid, self.agreement.id)
            }

            pub(crate) async fn happened_at(&self) -> DateTime {
                DateTime(self.agreement.happened_at)
            }

            pub(crate) async fn reason(&self) -> OrderActionType {
                self.agreement.reason.into()
            }

            pub(crate) async fn sales(
                &self,
                after: Option<String>,
                before: Option<String>,
                first: Option<i32>,
                last: Option<i32>,
                #[graphql(default_with = "Some(false)")] reverse: Option<bool>,
            ) -> Result<SaleConnection> {
                let window = Window { after, before, first, last, reverse: reverse.unwrap_or_default() };
                let page = paginate(self.agreement.sales.clone(), "id", |sale| (0, sale.id), window)?;
                Ok(page.map(|sale| Sale::new(self.order.clone(), sale)).into())
            }

            $($own)*
        }
    };
}

agreement!(OrderAgreement, "OrderAgreement", {
    async fn order(&self) -> Order {
        self.order.clone()
    }
});
agreement!(OrderEditAgreement, "OrderEditAgreement", {});
agreement!(RefundAgreement, "RefundAgreement", {
    async fn refund(&self) -> Refund {
        Refund {
            order: self.order.clone(),
            agreement: self.agreement.clone(),
        }
    }
});
agreement!(ReturnAgreement, "ReturnAgreement", {
    #[graphql(name = "return")]
    async fn processed_return(&self) -> Return {
        Return {
            closed_at: Some(DateTime(self.agreement.happened_at)),
            created_at: DateTime(self.agreement.happened_at),
            id: gid("Return", self.agreement.id),
            name: format!("{}-R1", self.order.order.name()),
            order: self.order.clone(),
            status: ReturnStatus::Closed,
            total_quantity: -self
                .agreement
                .sales
                .iter()
                .filter_map(|sale| sale.quantity)
                .sum::<i32>(),
        }
    }
});

/// Goods that came back.
#[derive(SimpleObject)]
pub(crate) struct Return {
    closed_at: Option<DateTime>,
    created_at: DateTime,
    #[graphql(owned)]
    pub(crate) id: ID,
    name: String,
    order: Order,
    status: ReturnStatus,
    total_quantity: i32,
}

/// How far a return has come.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum ReturnStatus {
    Closed,
}
