//! The rows of the ledger, an object for each kind.

#![expect(clippy::duplicated_attributes, reason = "fields of an interface may share a type")]

use async_graphql::{Enum, ID, Interface, Object, SimpleObject};
use rust_decimal::prelude::ToPrimitive;

use super::super::order::{self as ledger, Action, SaleKind};
use super::connection::connection;
use super::gid;
use super::order::{LineItem, Order};
use super::refund::ShippingLine;
use super::scalars::MoneyBag;

connection!(SaleConnection, SaleEdge, Sale);

/// What a sale does to what was sold before.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
#[graphql(remote = "Action")]
pub(crate) enum SaleActionType {
    Order,
    Return,
    Unknown,
    Update,
}

/// What a sale is of.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
#[graphql(remote = "SaleKind")]
pub(crate) enum SaleLineType {
    AdditionalFee,
    Adjustment,
    Duty,
    Fee,
    GiftCard,
    Product,
    Shipping,
    Tip,
    Unknown,
}

/// A row of the ledger.
#[derive(Clone, Interface)]
#[graphql(
    field(name = "action_type", ty = "SaleActionType"),
    field(name = "id", ty = "ID"),
    field(name = "line_type", ty = "SaleLineType"),
    field(name = "quantity", ty = "Option<i32>"),
    field(name = "taxes", ty = "Vec<SaleTax>"),
    field(name = "total_amount", ty = "MoneyBag"),
    field(name = "total_discount_amount_after_taxes", ty = "MoneyBag"),
    field(name = "total_discount_amount_before_taxes", ty = "MoneyBag"),
    field(name = "total_tax_amount", ty = "MoneyBag")
)]
pub(crate) enum Sale {
    Product(ProductSale),
    GiftCard(GiftCardSale),
    Tip(TipSale),
    Shipping(ShippingLineSale),
    Duty(DutySale),
    Fee(FeeSale),
    AdditionalFee(AdditionalFeeSale),
    Adjustment(AdjustmentSale),
    Unknown(UnknownSale),
}

impl Sale {
    pub(crate) fn new(order: Order, sale: ledger::Sale) -> Self {
        match (sale.kind, sale.line) {
            (SaleKind::Product, Some(line)) => Self::Product(ProductSale { order, sale, line }),
            (SaleKind::GiftCard, Some(line)) => Self::GiftCard(GiftCardSale { order, sale, line }),
            (SaleKind::Tip, Some(line)) => Self::Tip(TipSale { order, sale, line }),
            (SaleKind::Shipping, _) => Self::Shipping(ShippingLineSale { order, sale }),
            (SaleKind::Duty, _) => Self::Duty(DutySale { order, sale }),
            (SaleKind::Fee, _) => Self::Fee(FeeSale { order, sale }),
            (SaleKind::AdditionalFee, _) => Self::AdditionalFee(AdditionalFeeSale { order, sale }),
            (SaleKind::Adjustment, _) => Self::Adjustment(AdjustmentSale { order, sale }),
            // A sale of a line that is not there would be a fault of the ledger; it shows as what nobody knows.
            (SaleKind::Unknown | SaleKind::Product | SaleKind::GiftCard | SaleKind::Tip, _) => {
                Self::Unknown(UnknownSale { order, sale })
            }
        }
    }
}

/// Declares an object behind the interface: the shared fields, and its own.
macro_rules! sale {
    ($name:ident, $gid:literal, { $($field:ident: $ty:ty)? }, { $($own:tt)* }) => {
        /// A sale of this kind.
        #[derive(Clone)]
        pub(crate) struct $name {
            order: Order,
            sale: ledger::Sale,
            $($field: $ty,)?
        }

        #[Object]
        impl $name {
            pub(crate) async fn id(&self) -> ID {
                gid($gid, self.sale.id)
            }

            pub(crate) async fn action_type(&self) -> SaleActionType {
                self.sale.action.into()
            }

            pub(crate) async fn line_type(&self) -> SaleLineType {
                self.sale.kind.into()
            }

            pub(crate) async fn quantity(&self) -> Option<i32> {
                self.sale.quantity
            }

            pub(crate) async fn taxes(&self) -> Vec<SaleTax> {
                SaleTax::of(&self.order, &self.sale)
            }

            pub(crate) async fn total_amount(&self) -> MoneyBag {
                MoneyBag::new(&self.order.order.terms, self.sale.amounts.total)
            }

            pub(crate) async fn total_discount_amount_after_taxes(&self) -> MoneyBag {
                MoneyBag::new(&self.order.order.terms, self.sale.amounts.discount_after_taxes)
            }

            pub(crate) async fn total_discount_amount_before_taxes(&self) -> MoneyBag {
                MoneyBag::new(&self.order.order.terms, self.sale.amounts.discount_before_taxes)
            }

            pub(crate) async fn total_tax_amount(&self) -> MoneyBag {
                MoneyBag::new(&self.order.order.terms, self.sale.amounts.tax)
            }

            $($own)*
        }
    };
}

sale!(ProductSale, "ProductSale", { line: usize }, {
    async fn line_item(&self) -> LineItem {
        self.order.line_item(self.line)
    }
});
sale!(GiftCardSale, "GiftCardSale", { line: usize }, {
    async fn line_item(&self) -> LineItem {
        self.order.line_item(self.line)
    }
});
sale!(TipSale, "TipSale", { line: usize }, {
    async fn line_item(&self) -> LineItem {
        self.order.line_item(self.line)
    }
});
sale!(ShippingLineSale, "ShippingLineSale", {}, {
    async fn shipping_line(&self) -> Option<ShippingLine> {
        self.order.chosen_shipping()
    }
});
sale!(DutySale, "DutySale", {}, {
    async fn duty(&self) -> Duty {
        Duty {
            harmonized_system_code: None,
            id: gid("Duty", self.sale.id),
            price: MoneyBag::new(&self.order.order.terms, self.sale.amounts.total.abs()),
        }
    }
});
sale!(FeeSale, "FeeSale", {}, {
    async fn fee(&self) -> Option<Fee> {
        let amount_set = MoneyBag::new(&self.order.order.terms, self.sale.amounts.total);
        let id = self.sale.id;
        Some(if id.is_multiple_of(2) {
            Fee::Restocking(RestockingFee {
                amount_set,
                id: gid("RestockingFee", id),
                percentage: 10.0,
            })
        } else {
            Fee::ReturnShipping(ReturnShippingFee {
                amount_set,
                id: gid("ReturnShippingFee", id),
            })
        })
    }
});
sale!(AdditionalFeeSale, "AdditionalFeeSale", {}, {
    async fn additional_fee(&self) -> SaleAdditionalFee {
        SaleAdditionalFee {
            id: gid("SaleAdditionalFee", self.sale.id),
            name: "Packaging".to_owned(),
            price: MoneyBag::new(&self.order.order.terms, self.sale.amounts.total.abs()),
        }
    }
});
sale!(AdjustmentSale, "AdjustmentSale", {}, {});
sale!(UnknownSale, "UnknownSale", {}, {});

/// A tax on a sale.
#[derive(SimpleObject)]
pub(crate) struct SaleTax {
    amount: MoneyBag,
    id: ID,
    tax_line: TaxLine,
}

/// A tax at its rate.
#[derive(SimpleObject)]
pub(crate) struct TaxLine {
    price_set: MoneyBag,
    rate: Option<f64>,
    title: String,
}

impl SaleTax {
    fn of(order: &Order, sale: &ledger::Sale) -> Vec<Self> {
        if sale.amounts.tax.is_zero() {
            return Vec::new();
        }
        let terms = &order.order.terms;
        let amount = MoneyBag::new(terms, sale.amounts.tax);
        let tax_line = TaxLine {
            price_set: amount.clone(),
            rate: terms.tax_rate.to_f64(),
            title: "Tax".to_owned(),
        };
        vec![Self {
            amount,
            id: gid("SaleTax", sale.id),
            tax_line,
        }]
    }
}

/// A duty.
#[derive(SimpleObject)]
pub(crate) struct Duty {
    harmonized_system_code: Option<String>,
    #[graphql(owned)]
    pub(crate) id: ID,
    price: MoneyBag,
}

/// An additional fee.
#[derive(SimpleObject)]
pub(crate) struct SaleAdditionalFee {
    #[graphql(owned)]
    pub(crate) id: ID,
    name: String,
    price: MoneyBag,
}

/// A fee for a return.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub(crate) enum Fee {
    Restocking(RestockingFee),
    ReturnShipping(ReturnShippingFee),
}

/// A fee for taking goods back into stock.
#[derive(SimpleObject)]
pub(crate) struct RestockingFee {
    amount_set: MoneyBag,
    #[graphql(owned)]
    id: ID,
    percentage: f64,
}

/// A fee for sending goods back.
#[derive(SimpleObject)]
pub(crate) struct ReturnShippingFee {
    amount_set: MoneyBag,
    #[graphql(owned)]
    id: ID,
}
